// What a unit of a fused run is, on Plans and pass times made by hand.
import { expect, test } from 'vitest';
import { idleOf, plainAt, unitsOf, unitTimes, wholeRun } from '../../bench/overhead/units.ts';
import { plainMs } from '../../bench/overhead/parts.ts';
import type { TimedGroup } from '../../src/emulate/frame.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';

const planFor = async (request: SpecRequest) => {
  const spec = await resolveSpec(request);
  return planOf(spec, builtInFootprint(spec));
};

test('a unit is a step where all devices begin their steps together', async () => {
  const plan = await planFor({ m: 32, n: 256, k: 16, devices: 4, chunk: 'columns', tile: { m: 8, n: 16, k: 2 }, stageTiles: 4 });
  // 16 tiles a chunk, 4 stages a step.
  expect(unitsOf(plan, 4)).toEqual({ starts: [0, 4, 8, 12, 16], areSteps: true });
  // Parts of steps, equal ones.
  expect(unitsOf(plan, 8)).toEqual({ starts: [0, 2, 4, 6, 8, 10, 12, 14, 16], areSteps: false });
  expect(unitsOf(plan, 99).starts).toHaveLength(17);
});

test('where tiles straddle, steps have different lengths: units are equal shares of the epochs', async () => {
  const plan = await planFor({ m: 32, n: 64, k: 16, devices: 8, chunk: 'rows', tile: { m: 16, n: 16, k: 2 }, stageTiles: 1 });
  const { starts, areSteps } = unitsOf(plan, 8);
  expect(areSteps).toBe(false);
  expect(starts[0]).toBe(0);
  expect(starts.at(-1)).toBe(Math.max(...plan.stages.map(({ length }) => length)));
  expect(starts.every((start, at) => at === 0 || start > starts[at - 1])).toBe(true);
});

test.each([[1, 0], [1, 1], [8, 0], [8, 1], [7, 0], [7, 1]] as const)('of %i units, phase %i, each has plain parts once, next to it, and every second time in front', (units, phase) => {
  const order: string[] = [];
  for (let boundary = 0; boundary <= units; boundary++) {
    order.push(...plainAt(boundary, units, phase).map((unit) => `P${unit}`));
    if (boundary < units) order.push(`F${boundary}`);
  }
  expect(order.toSorted()).toEqual(Array.from({ length: units }, (_, unit) => [`F${unit}`, `P${unit}`]).flat().toSorted());
  for (let unit = 0; unit < units; unit++) {
    const distance = order.indexOf(`P${unit}`) - order.indexOf(`F${unit}`);
    expect(distance, order.join(' ')).toBe((unit + phase) % 2 === 0 ? 1 : -1);
  }
});

const group = (kind: TimedGroup['kind'], epoch: number, start: number, end: number, of: { bytes?: number; flops?: number } = {}): TimedGroup => ({ kind, device: 0, epoch, bytes: 0, flops: 0, ...of, interval: { start: start * 1e6, end: end * 1e6 } });
const groups = [
  group('gemm', 0, 10, 20, { flops: 100 }),
  group('gemm', 1, 21, 30, { flops: 100 }),
  group('transfer', 1, 30, 32, { bytes: 8 }),
  group('gemm', 2, 40, 50, { flops: 50 }),
  group('transfer', 2, 50, 51, { bytes: 4 }),
  group('reduction', 2, 52, 55, { bytes: 12 }),
  group('transfer', 3, 60, 62, { bytes: 16 }),
  group('reduction', 4, 63, 66, { bytes: 20 }),
];

test('a unit lasts from its first pass to its end mark, and idles where no pass runs', () => {
  const unit = unitTimes(groups, 1, 3, 56e6);
  expect(unit).toEqual({ ms: 35, gemmMs: 19, transferMs: 3, reductionMs: 3, gemmPasses: 2, flops: 150, transferBytes: 12, reductionBytes: 12 });
  expect(idleOf(unit)).toBe(10);
  expect(plainMs(unit, { gemmMs: 0, msPerFlop: 0.1, msPerTransferByte: 0.25, msPerReductionByte: 0.5 })).toBe(15 + 3 + 6);
});

test('a whole run: what is before and behind its passes is set-up, what follows the last stage is drain', () => {
  // Epochs 0..2 have GEMM stages; 10 ms of the wall are outside of all passes' span.
  expect(wholeRun(groups, 66, 3)).toEqual({ wallMs: 66, setUpMs: 10, drainMs: 11, idleMs: 45 - 35, drained: expect.objectContaining({ flops: 0, transferBytes: 16, reductionBytes: 20 }), gpuBusy: 40 / 66 });
});
