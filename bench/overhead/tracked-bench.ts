// Tracked over plain for one shape: the fastest kernel and tile found first; then pairs until the control is good; then how it grows with
// slots and tiles, with fewer pairs.
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { ChunkAxis, GemmShape } from '../../src/spec/spec.ts';
import { candidatesFor, nameOf } from './candidates.ts';
import type { Say } from './fused.ts';
import type { TrackedShapeResult } from './results.ts';
import { controlled, median, pairsWithin, spreadOf, type Sampled } from './statistics.ts';
import { tournament } from './tournament.ts';
import { trackedOverPlain } from './tracked.ts';

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

export async function trackedBench(gpu: Gpu, { name, shape, axis, devices, pairs, fewPairs, tiles, deadline }: TrackedBenchJob, say: Say): Promise<TrackedShapeResult> {
  const started = Date.now();
  const isEarly = (share: number): boolean => Date.now() - started < share * (deadline - started);
  const { ranked, tried, refused } = await tournament(gpu, shape, await candidatesFor(shape, devices, tiles), () => isEarly(0.5));
  const gflops = (ms: number): number => (2 * shape.m * shape.n * shape.k) / ms / 1e6;
  say(`${name}: ${nameOf(ranked[0].choice)} is the fastest of ${tried} plain kernels and tiles, ${gflops(ranked[0].ms).toFixed(2)} GFLOP/s`);
  const [{ choice }] = ranked;
  const job = { shape, choice, axis };
  // Four slices of 10 ms a pair, and what comes with them.
  const fitting = pairsWithin(0.5 * (deadline - Date.now()), 60, pairs);
  const { value, control, controls } = await controlled(
    async (number) => {
      const ratios = await trackedOverPlain(gpu, { ...job, rounds: fitting, variants: [{ op: 'store', slots: 1 }, { op: 'update', slots: 1 }] });
      say(`${name}, try ${number}: tracked over plain ${median(ratios.ratios[0]).toFixed(4)}, control ${median(ratios.control).toFixed(4)}, ${fitting} pairs of slices of ${ratios.sliceMs.toFixed(1)} ms`);
      return { ...ratios, control: median(ratios.control) };
    },
    () => isEarly(0.8),
  );
  const more: { what: string; ratio: Sampled }[] = [{ what: 'store becomes update', ratio: spreadOf(value.ratios[1]) }];
  const also = async (what: string, of: Partial<Parameters<typeof trackedOverPlain>[1]>, slots: number): Promise<void> => {
    if (!isEarly(0.9)) return;
    const { ratios } = await trackedOverPlain(gpu, { ...job, rounds: fewPairs, variants: [{ op: 'store', slots }], ...of });
    more.push({ what, ratio: spreadOf(ratios[0]) });
  };
  for (const slots of [2, 4]) await also(`${slots} slots, as tiles that straddle have them`, {}, slots);
  for (const { choice: other } of ranked.slice(1, 3)) await also(`one slot, ${nameOf(other)}`, { choice: other }, 1);
  await also(`one slot, chunks by ${axis === 'rows' ? 'columns' : 'rows'}`, { axis: axis === 'rows' ? 'columns' : 'rows' }, 1);
  return { shape: name, kernel: nameOf(choice), axis, sliceMs: value.sliceMs, workgroups: value.workgroups, ratio: spreadOf(value.ratios[0]), control, controls, more, plain: ranked.map((one) => ({ name: nameOf(one.choice), gflops: gflops(one.ms) })), tried, refused };
}
