// Breakdown and critical path account for all of the time; the map of crossovers says what the schedules say.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breakdownOf, byCause, criticalPath, crossover, explainFused } from '../../src/model/explain.ts';
import { machineNamed, PAPER_PARAMETERS } from '../../src/model/machine.ts';
import { runSchedule } from '../../src/model/schedules.ts';
import { Subject } from '../../src/model/subject.ts';
import { Trace } from '../../src/model/trace.ts';
import { gridTiling } from '../../src/plan/grid-tiling.ts';
import { planOfMapping, REDUCE_SCATTERS, splitsOf, type Plan } from '../../src/plan/plan.ts';
import { planCases, planFor } from '../support/plans.ts';
import { fusedRun, machines, PLAIN } from '../support/modelled.ts';

const column = (devices: number, perChunk = 1): Plan => planOfMapping(REDUCE_SCATTERS.ring(devices), gridTiling({ m: 4 * devices * perChunk, n: 4, tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1 }, 'rows', devices, 1));
const traced = (plan: Plan, settings = PLAIN, more = {}): { trace: Trace; run: ReturnType<typeof fusedRun> } => {
  const trace = new Trace(plan, Math.max(1, settings.linkLatencyPs), Math.max(1, settings.dmaSetupPs));
  return { trace, run: fusedRun(plan, settings, { trace, ...more }) };
};

describe('critical path', () => {
  test('of the three devices that by-hand.test.ts works out', () => {
    const { trace } = traced(column(3), { ...PLAIN, cus: 1 }, { k: 8 });
    expect(criticalPath(trace).map(({ cause, fromPs, toPs }) => [cause, fromPs, toPs])).toEqual([
      ['DRAM: operands', 0, 256],
      ['compute', 256, 512],
      ['link', 512, 1152],
      ['latency', 1152, 1652],
      ['DRAM: update', 1652, 1716],
      ['trigger', 1716, 1717],
      ['DRAM: DMA read', 1717, 1781],
      ['link', 1781, 2421],
      ['latency', 2421, 2921],
      ['DRAM: update', 2921, 2985],
    ]);
  });

  test('follows a piece’s last granule', () => {
    // In granules of 16 the tile is on the link as long as in one, and the last of them is added in 16.
    const { trace } = traced(column(2), { ...PLAIN, cus: 1, granuleBytes: 16 }, { k: 8 });
    expect(criticalPath(trace).map(({ cause, toPs }) => [cause, toPs])).toEqual([['DRAM: operands', 256], ['compute', 512], ['link', 1152], ['latency', 1652], ['DRAM: update', 1668]]);
  });

  test('goes from stage to stage by the workgroups that were waited for; a stage of one tile on two CUs is half empty', () => {
    // As in by-hand.test.ts the first stage ends at 640; its store until 704, the third tile's A until 832, computed until 1088.
    const { trace } = traced(column(1, 3), { ...PLAIN, cus: 2 }, { k: 8 });
    expect(criticalPath(trace).map(({ cause, tile, toPs }) => [cause, tile, toPs])).toEqual([
      ['DRAM: operands', 1, 384],
      ['compute', 1, 640],
      ['DRAM: operands', 2, 832],
      ['compute', 2, 960],
      ['wave quantisation', 2, 1088],
      ['DRAM: own store', 2, 1152],
    ]);
  });

  test('set-up of a DMA, and a block that waits in its engine for those before it', () => {
    // Two blocks complete at 1716 and 2356; a set-up of 700 each, one after the other, and a window of one tile.
    const { trace } = traced(column(3, 2), { ...PLAIN, cus: 1, dmaSetupPs: 700, dmaWindowBytes: 64 }, { k: 8 });
    const path = criticalPath(trace);
    expect(byCause(path).trigger).toBe(700);
    expect(byCause(path)['DMA queue']).toBeGreaterThan(0);
    // Its turn comes first.
    expect(path.find(({ cause }) => cause === 'trigger')!.fromPs).toBe(path.find(({ cause }) => cause === 'DMA queue')!.toPs);
  });

  test('a workgroup that waits for the link holds up those behind it', () => {
    // The second tile is computed at 896, when the first is still on the link: until 1152.
    const { trace } = traced(column(2, 2), { ...PLAIN, cus: 1, linkQueueBytes: 64 }, { k: 8 });
    expect(criticalPath(trace).map(({ cause, toPs }) => [cause, toPs])).toEqual([
      ['DRAM: operands', 256],
      ['compute', 512],
      ['DRAM: operands', 640],
      ['compute', 896],
      ['link back-pressure', 1152],
      ['link', 1792],
      ['latency', 2292],
      ['DRAM: update', 2356],
    ]);
  });

  test('goes from 0 to the end without a gap, on any Plan that does not split K, and any machine', () => {
    fc.assert(
      fc.property(planCases({ side: 14, devices: 6 }), machines, fc.constantFrom(0, 2), (given, machine, skew) => {
        const plan = planFor(given);
        fc.pre(splitsOf(plan) === 1);
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
        // Whatever tile is on the path is multiplied there as a whole.
        const { compute = 0, 'wave quantisation': empty = 0 } = byCause(path);
        const tiles = new Map(path.flatMap(({ cause, device, tile }) => (cause === 'compute' ? [[trace.tileAt(device, tile), trace.multiplied[trace.tileAt(device, tile)]]] : [])));
        expect(compute + empty).toBe([...tiles.values()].reduce((sum, ps) => sum + ps, 0));
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
  expect(slow['link']! / slow['compute']!).toBeGreaterThan(5);
  expect((fast['link'] ?? 0) / fast['compute']!).toBeLessThan(0.1);
});

test.each(['ring', 'fully-connected', 'switch'] as const)('explains the run that `model` times: %s', (topology) => {
  const subject = new Subject({ m: 1024, n: 512, kTotal: 1024, devices: 4 }, { machine: { ...paper, topology }, parameters: PAPER_PARAMETERS, fold: true });
  for (const [schedule, policy] of [['t3', 'round-robin'], ['t3-mca', 'mca']] as const) expect(explainFused(subject, policy).figures.timePs).toBe(runSchedule(subject, schedule).timeWithoutAllGatherPs);
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
