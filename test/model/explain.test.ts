// Breakdown and critical path account for all of the time; the map of crossovers says what the schedules say.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breakdownOf, byCause, criticalPath, crossover, explainFused } from '../../src/model/explain.ts';
import { machineNamed, PAPER_PARAMETERS } from '../../src/model/machine.ts';
import { runSchedule } from '../../src/model/schedules.ts';
import { Subject } from '../../src/model/subject.ts';
import { Trace } from '../../src/model/trace.ts';
import { gridTiling } from '../../src/plan/grid-tiling.ts';
import { planOfMapping, REDUCE_SCATTERS, type Plan } from '../../src/plan/plan.ts';
import { planCases, planFor } from '../support/plans.ts';
import { fusedRun, machines, PLAIN } from '../support/modelled.ts';

const column = (devices: number): Plan => planOfMapping(REDUCE_SCATTERS.ring(devices), gridTiling({ m: 4 * devices, n: 4, tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1 }, 'rows', devices, 1));
const traced = (plan: Plan, settings = PLAIN, more = {}): { trace: Trace; run: ReturnType<typeof fusedRun> } => {
  const trace = new Trace(plan, Math.max(1, settings.linkLatencyPs));
  return { trace, run: fusedRun(plan, settings, { trace, ...more }) };
};

describe('critical path', () => {
  test('of the three devices that by-hand.test.ts works out', () => {
    const { trace } = traced(column(3), { ...PLAIN, cus: 1 }, { k: 8 });
    expect(criticalPath(trace).map(({ cause, fromPs, toPs }) => [cause, fromPs, toPs])).toEqual([
      ['gemm', 0, 512],
      ['link', 512, 1152],
      ['latency', 1152, 1652],
      ['memory: update', 1652, 1716],
      ['trigger and DMA', 1716, 1717],
      ['memory: DMA read', 1717, 1781],
      ['link', 1781, 2421],
      ['latency', 2421, 2921],
      ['memory: update', 2921, 2985],
    ]);
  });

  test('follows a piece’s last granule', () => {
    // In granules of 16 the tile is on the link as long as in one, and the last of them is added in 16.
    const { trace } = traced(column(2), { ...PLAIN, cus: 1, granuleBytes: 16 }, { k: 8 });
    expect(criticalPath(trace).map(({ cause, toPs }) => [cause, toPs])).toEqual([['gemm', 512], ['link', 1152], ['latency', 1652], ['memory: update', 1668]]);
  });

  test('goes from 0 to the end without a gap, on any Plan and machine', () => {
    fc.assert(
      fc.property(planCases({ side: 14, devices: 6 }), machines, fc.constantFrom(0, 2), (given, machine, skew) => {
        const plan = planFor(given);
        const { trace, run } = traced(plan, { ...machine, topology: given.algorithm === 'direct' ? 'fully-connected' : 'ring' }, { skew });
        const path = criticalPath(trace);
        let at = 0;
        for (const { fromPs, toPs } of path) {
          expect(fromPs).toBe(at);
          expect(toPs).toBeGreaterThan(fromPs);
          at = toPs;
        }
        expect(at).toBe(Math.max(...trace.completed));
        expect(at).toBeLessThanOrEqual(run.timePs);
        expect(Object.values(byCause(path)).reduce((sum, ps) => sum + ps, 0)).toBe(at);
        expect(path[0].cause).toBe('gemm');
      }),
      { numRuns: 80 },
    );
  });

  test('tracing changes nothing', () => {
    const plan = planFor({ m: 13, n: 9, devices: 4, algorithm: 'ring', chunk: 'rows', stageTiles: 3, triggerTiles: 2, tiles: { kind: 'grid', threadM: 2, threadN: 2, lanesX: 2, lanesY: 1, wavefront: 1 } });
    expect(traced(plan).run).toEqual(fusedRun(plan, PLAIN));
  });
});

test('a breakdown sums to the time, and no cause is negative', () => {
  fc.assert(
    fc.property(planCases({ side: 14, devices: 6 }), machines, (given, machine) => {
      const plan = planFor(given);
      for (const device of fusedRun(plan, { ...machine, topology: given.algorithm === 'direct' ? 'fully-connected' : 'ring' }).devices) {
        const causes = Object.values(breakdownOf(device, machine));
        expect(Math.abs(causes.reduce((sum, ps) => sum + ps, 0) - device.finishedPs)).toBeLessThan(1e-3);
        for (const ps of causes) expect(ps).toBeGreaterThan(-1e-3);
      }
    }),
    { numRuns: 60 },
  );
});

const paper = machineNamed('paper');

test('explains a shape: where it waits for the link, the link is the path', () => {
  const shape = { m: 2048, n: 1024, kTotal: 4096, devices: 4 };
  const of = (linkGBs: number): Partial<Record<string, number>> => byCause(explainFused(new Subject(shape, { machine: { ...paper, linkGBs }, parameters: PAPER_PARAMETERS, fold: true }), 'mca').path);
  const [slow, fast] = [of(5), of(5000)];
  expect(slow['link']! / slow['gemm']!).toBeGreaterThan(5);
  expect((fast['link'] ?? 0) / fast['gemm']!).toBeLessThan(0.1);
});

test('crossover: the cells’ speedups are the schedules’, and the verdict follows', () => {
  const at = (m: number, linkGBs: number) => ({ shape: { m, n: 512, kTotal: 2048, devices: 4 }, machine: { ...paper, linkGBs }, parameters: PAPER_PARAMETERS });
  const cells = crossover([64, 2048], [10, 300], 't3-mca', at);
  expect(cells.map(({ x, y }) => [x, y])).toEqual([[64, 10], [2048, 10], [64, 300], [2048, 300]]);
  for (const { x, y, speedup, verdict } of cells) {
    const { shape, ...conditions } = at(x, y);
    const subject = new Subject(shape, { ...conditions, fold: true });
    expect(speedup).toBe(runSchedule(subject, 'sequential').timePs / runSchedule(subject, 't3-mca').timePs);
    expect(verdict).toBe(speedup > 1.02 ? 'wins' : speedup < 0.98 ? 'loses' : 'breaks even');
  }
});
