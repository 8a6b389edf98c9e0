// Tracked over plain for one shape: the fastest kernel and tile found first; then as many compilations of both forms as there is time for;
// then how it grows with slots and tiles, with fewer pairs.
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { ChunkAxis, GemmShape } from '../../src/spec/spec.ts';
import { candidatesFor, nameOf } from './candidates.ts';
import { onFreshDevice } from './fresh.ts';
import type { Say } from './fused.ts';
import type { StoresAlone, TrackedShapeResult } from './results.ts';
import { controlled, median, PAIRS, spreadOf, type Sampled } from './statistics.ts';
import { tournament } from './tournament.ts';
import { trackedOverPlain, type TrackedJob, type TrackedRatios } from './tracked.ts';

export interface TrackedBenchJob {
  readonly name: string;
  readonly shape: GemmShape;
  readonly axis: ChunkAxis;
  readonly devices: number;
  /** Pairs of one draw: what it is known to is then far less than what draws differ by. */
  readonly pairs: number;
  /** Of what is only information. */
  readonly fewPairs: number;
  /** Devices on which the stores alone are timed. */
  readonly storeDevices: number;
  /** Compilations at most; as many as there is time for. */
  readonly draws?: number;
  /** Tiles of each kernel to be tried at most. */
  readonly tiles?: number;
  /** Epoch milliseconds at which it must be done. */
  readonly deadline: number;
}

interface Draws {
  readonly sliceMs: number;
  readonly workgroups: number;
  /** Of each draw, the median of its rounds. */
  readonly ratios: readonly number[];
  /** Of all rounds. */
  readonly controls: readonly number[];
}

/**
 * Draws: a fresh device each, which compiles both forms anew and lays out its memory. Two compilations of one text differ by some
 * percent, up to twenty, either way, all pairs of one draw alike; so pairs are not what the figure may be known by, but draws.
 */
async function drawn(job: TrackedJob, most: number, isTimeLeft: () => boolean): Promise<Draws> {
  const found: TrackedRatios[] = [];
  // Whatever the time, as many as make the pairs that a figure stands on.
  const least = Math.ceil(PAIRS / job.rounds);
  while (found.length < most && (found.length < least || isTimeLeft())) found.push(await onFreshDevice((gpu) => trackedOverPlain(gpu, job)));
  return {
    sliceMs: median(found.map(({ sliceMs }) => sliceMs)),
    workgroups: found[0].workgroups,
    ratios: found.map(({ ratios: [first] }) => median(first)),
    controls: found.flatMap(({ control }) => control),
  };
}

/**
 * What tracking adds to a workgroup, apart from how its loop over k happened to be compiled: both forms at two steps of k, where little
 * else is left than the stores, which are the same at any k.
 */
async function storesAlone({ shape, choice, ...job }: TrackedJob, devices: number): Promise<Omit<StoresAlone, 'ratio'>> {
  const k = Math.min(shape.k, 2 * choice.tile.k);
  const found: { readonly plain: number; readonly tracked: number }[] = [];
  while (found.length < devices) {
    const { sliceMs, workgroups, ratios: [ratios] } = await onFreshDevice((gpu) => trackedOverPlain(gpu, { ...job, shape: { ...shape, k }, choice }));
    const plain = (1000 * sliceMs) / workgroups;
    found.push({ plain, tracked: plain * median(ratios) });
  }
  return { k, plainMicroseconds: found.map(({ plain }) => plain), trackedMicroseconds: found.map(({ tracked }) => tracked) };
}

export async function trackedBench(gpu: Gpu, { name, shape, axis, devices, pairs, fewPairs, storeDevices, draws = Infinity, tiles, deadline }: TrackedBenchJob, say: Say): Promise<TrackedShapeResult> {
  const started = Date.now();
  const isEarly = (share: number): boolean => Date.now() - started < share * (deadline - started);
  const { ranked, tried, refused } = await tournament(gpu, shape, await candidatesFor(shape, devices, tiles), () => isEarly(0.25));
  const gflops = (ms: number): number => (2 * shape.m * shape.n * shape.k) / ms / 1e6;
  say(`${name}: ${nameOf(ranked[0].choice)} is the fastest of ${tried} plain kernels and tiles, ${gflops(ranked[0].ms).toFixed(2)} GFLOP/s`);
  const [{ choice }] = ranked;
  const job = { shape, choice, axis, rounds: pairs, variants: [{ op: 'store' as const, slots: 1 }] };
  const stores = await storesAlone(job, storeDevices);
  const { value, control, controls } = await controlled(
    async (number) => {
      const found = await drawn(job, draws, () => isEarly(0.88));
      const { median: middle, lower, upper } = spreadOf(found.ratios);
      say(`${name}, try ${number}: tracked over plain ${middle.toFixed(4)} [${lower.toFixed(4)}, ${upper.toFixed(4)}] of ${found.ratios.length} draws, control ${median(found.controls).toFixed(4)} of ${found.controls.length} pairs of slices of ${found.sliceMs.toFixed(1)} ms`);
      return { ...found, control: median(found.controls) };
    },
    () => isEarly(0.88),
  );
  const more: { what: string; ratio: Sampled }[] = [];
  const also = async (what: string, of: Partial<TrackedJob>): Promise<void> => {
    if (!isEarly(0.97)) return;
    const { ratios } = await trackedOverPlain(gpu, { ...job, rounds: fewPairs, ...of });
    more.push({ what, ratio: spreadOf(ratios[0]) });
  };
  await also('store becomes update, by a bit of each piece', { variants: [{ op: 'mixed', slots: 1 }] });
  for (const slots of [2, 4]) await also(`${slots} slots, as tiles that straddle have them`, { variants: [{ op: 'store', slots }] });
  for (const { choice: other } of ranked.slice(1, 3)) await also(`one slot, ${nameOf(other)}`, { choice: other });
  await also(`one slot, chunks by ${axis === 'rows' ? 'columns' : 'rows'}`, { axis: axis === 'rows' ? 'columns' : 'rows' });
  const wholeMicroseconds = (1000 * value.sliceMs) / value.workgroups;
  const ratio = spreadOf(stores.plainMicroseconds.map((plain, at) => 1 + (stores.trackedMicroseconds[at] - plain) / wholeMicroseconds));
  return {
    shape: name, kernel: nameOf(choice), axis, sliceMs: value.sliceMs, workgroups: value.workgroups,
    ratio: { ...spreadOf(value.ratios), pairs: value.controls.length }, draws: value.ratios, stores: { ...stores, ratio }, control, controls,
    more, plain: ranked.map((one) => ({ name: nameOf(one.choice), gflops: gflops(one.ms) })), tried, refused,
  };
}
