// Tracked over plain for one shape: the fastest kernel and tile found first; then pairs until the control is good; then how it grows with
// slots and tiles, with fewer pairs.
import { Gpu } from '../../src/gpu/gpu.ts';
import type { ChunkAxis, GemmShape } from '../../src/spec/spec.ts';
import { candidatesFor, nameOf } from './candidates.ts';
import type { Say } from './fused.ts';
import type { TrackedShapeResult } from './results.ts';
import { controlled, median, pairsWithin, spreadOf, type Sampled } from './statistics.ts';
import { tournament } from './tournament.ts';
import { trackedOverPlain, type TrackedJob, type TrackedRatios } from './tracked.ts';

export interface TrackedBenchJob {
  readonly name: string;
  readonly shape: GemmShape;
  readonly axis: ChunkAxis;
  readonly devices: number;
  readonly pairs: number;
  /** Of what is only information. */
  readonly fewPairs: number;
  /** Tiles of each kernel to be tried at most. */
  readonly tiles?: number;
  /** Epoch milliseconds at which it must be done. */
  readonly deadline: number;
}

/**
 * Devices, one after another, on which a figure stands: each compiles the kernels anew and lays out its memory. Where code and
 * data happen to lie moves a ratio by several percent either way, as often as not by more than what is measured, and all pairs of one device alike.
 */
const INSTANCES = 12;

/** The same on fresh devices, pairs pooled. */
async function onFreshDevices(job: TrackedJob, isTimeLeft: () => boolean): Promise<TrackedRatios & { readonly instances: readonly number[] }> {
  const found: TrackedRatios[] = [];
  for (let instance = 0; instance < INSTANCES && (instance === 0 || isTimeLeft()); instance++) {
    const gpu = await Gpu.open(navigator.gpu);
    try {
      found.push(await trackedOverPlain(gpu, { ...job, rounds: Math.ceil(job.rounds / INSTANCES) }));
    } finally {
      gpu.device.destroy();
    }
  }
  return {
    sliceMs: median(found.map(({ sliceMs }) => sliceMs)),
    workgroups: found[0].workgroups,
    control: found.flatMap(({ control }) => control),
    ratios: job.variants.map((_, variant) => found.flatMap(({ ratios }) => ratios[variant])),
    instances: found.map(({ ratios: [first] }) => median(first)),
  };
}

export async function trackedBench(gpu: Gpu, { name, shape, axis, devices, pairs, fewPairs, tiles, deadline }: TrackedBenchJob, say: Say): Promise<TrackedShapeResult> {
  const started = Date.now();
  const isEarly = (share: number): boolean => Date.now() - started < share * (deadline - started);
  const { ranked, tried, refused } = await tournament(gpu, shape, await candidatesFor(shape, devices, tiles), () => isEarly(0.3));
  const gflops = (ms: number): number => (2 * shape.m * shape.n * shape.k) / ms / 1e6;
  say(`${name}: ${nameOf(ranked[0].choice)} is the fastest of ${tried} plain kernels and tiles, ${gflops(ranked[0].ms).toFixed(2)} GFLOP/s`);
  const [{ choice }] = ranked;
  const job = { shape, choice, axis };
  // Four slices of 10 ms a pair, and what comes with them.
  const fitting = pairsWithin(0.5 * (deadline - Date.now()), 60, pairs);
  const { value, control, controls } = await controlled(
    async (number) => {
      const ratios = await onFreshDevices({ ...job, rounds: fitting, variants: [{ op: 'store', slots: 1 }] }, () => isEarly(0.8));
      say(`${name}, try ${number}: tracked over plain ${median(ratios.ratios[0]).toFixed(4)} (by device ${ratios.instances.map((one) => one.toFixed(3)).join(' ')}), control ${median(ratios.control).toFixed(4)}, ${ratios.control.length} pairs of slices of ${ratios.sliceMs.toFixed(1)} ms`);
      return { ...ratios, control: median(ratios.control) };
    },
    () => isEarly(0.8),
  );
  const more: { what: string; ratio: Sampled }[] = [];
  const also = async (what: string, of: Partial<TrackedJob>): Promise<void> => {
    if (!isEarly(0.9)) return;
    const { ratios } = await trackedOverPlain(gpu, { ...job, rounds: fewPairs, variants: [{ op: 'store', slots: 1 }], ...of });
    more.push({ what, ratio: spreadOf(ratios[0]) });
  };
  await also('store becomes update', { variants: [{ op: 'update', slots: 1 }] });
  for (const slots of [2, 4]) await also(`${slots} slots, as tiles that straddle have them`, { variants: [{ op: 'store', slots }] });
  for (const { choice: other } of ranked.slice(1, 3)) await also(`one slot, ${nameOf(other)}`, { choice: other });
  await also(`one slot, chunks by ${axis === 'rows' ? 'columns' : 'rows'}`, { axis: axis === 'rows' ? 'columns' : 'rows' });
  return { shape: name, kernel: nameOf(choice), axis, sliceMs: value.sliceMs, workgroups: value.workgroups, ratio: spreadOf(value.ratios[0]), instances: value.instances, control, controls, more, plain: ranked.map((one) => ({ name: nameOf(one.choice), gflops: gflops(one.ms) })), tried, refused };
}
