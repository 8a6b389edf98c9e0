// A GEMM and a collective at once in one memory: each does what it does by itself, to the byte, and no sooner than the memory lets both.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { simulateBeside, type BesideFigures } from '../../src/model/beside.ts';
import { simulateCollective, type CollectiveKind } from '../../src/model/collective.ts';
import { simulateGemm } from '../../src/model/fused.ts';
import { FILL, READ, RECEIVED, WRITE } from '../../src/model/memory.ts';
import type { Settings } from '../../src/model/settings.ts';
import { gridTiling } from '../../src/plan/grid-tiling.ts';
import { planOfMapping, REDUCE_SCATTERS, type Plan } from '../../src/plan/plan.ts';
import { machines, PLAIN } from '../support/modelled.ts';

const kernel = { tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1 };
const plainPlan = (m: number, n: number): Plan => planOfMapping(REDUCE_SCATTERS.ring(1), gridTiling({ ...kernel, m, n }, 'rows', 1, 1));
const TILE = { m: 4, n: 4, k: 8 };

interface Given {
  readonly m: number;
  readonly depths: readonly number[];
  readonly chunkBytes: readonly number[];
  readonly kind?: CollectiveKind;
  readonly skew?: number;
}
const beside = ({ m, depths, chunkBytes, kind = 'reduce-scatter', skew = 0 }: Given, settings: Settings, fold = false): BesideFigures =>
  simulateBeside({ gemm: { settings, plan: plainPlan(m, 8), tile: TILE, depths, writes: 'cached', skew }, collective: { kind, chunkBytes, fold } });
const alone = ({ m, depths, chunkBytes, kind = 'reduce-scatter', skew = 0 }: Given, settings: Settings) => ({
  gemms: depths.map((k, rank) => simulateGemm({ settings, plan: plainPlan(m, 8), tile: TILE, depths: [k], writes: 'cached', isConnected: false, skew, rank })),
  collective: simulateCollective({ settings, kind, chunkBytes }),
});

const given = fc
  .record({ m: fc.integer({ min: 1, max: 24 }), devices: fc.integer({ min: 1, max: 5 }), k: fc.integer({ min: 2, max: 30 }), chunks: fc.array(fc.nat(200), { minLength: 5, maxLength: 5 }), kind: fc.constantFrom<CollectiveKind>('reduce-scatter', 'near-memory reduce-scatter', 'all-gather'), skew: fc.constantFrom(0, 2) })
  .map(({ m, devices, k, chunks, kind, skew }): Given => ({ m, kind, skew, depths: Array.from({ length: devices }, (_, d) => k - (d % 2)), chunkBytes: chunks.slice(0, devices).map((elements) => 4 * elements) }));

test('any machine, unequal devices: the collective’s bytes are its own, the GEMM’s its own, and the memory serves no others', () => {
  fc.assert(
    fc.property(given, machines, (of, settings) => {
      const { gemm, collective, timePs } = beside(of, settings);
      const { gemms, collective: byItself } = alone(of, settings);
      expect(collective.devices.map(({ served, linkBytes }) => [served, linkBytes])).toEqual(byItself.devices.map(({ served, linkBytes }) => [served, linkBytes]));
      expect(gemm.devices).toHaveLength(of.depths.length);
      gemm.devices.forEach((device, at) => {
        // Which blocks the LLC has when is a matter of time; that every output and each operand at least once comes through it is not.
        const [own] = gemms[at].devices;
        expect(device.served[READ] + device.served[RECEIVED]).toBe(0);
        if (settings.llcBytes > 2 ** 20) expect([device.served[FILL], device.served[WRITE]]).toEqual([own.served[FILL], own.served[WRITE]]);
        expect(device.memoryBusyPs).toBeLessThanOrEqual(timePs);
      });
      expect(timePs).toBe(Math.max(collective.timePs, gemm.timePs));
      expect(beside(of, settings)).toEqual({ timePs, gemm, collective });
    }),
    { numRuns: 100 },
  );
});

describe('time', () => {
  const of: Given = { m: 64, depths: [64, 64, 64, 64], chunkBytes: [8192, 8192, 8192, 8192] };

  test('with memory to spare, that of each by itself', () => {
    const settings = { ...PLAIN, memoryBandwidth: 1e15 };
    const { gemm, collective } = beside(of, settings);
    const { gemms, collective: byItself } = alone(of, settings);
    expect(gemm.timePs / gemms[0].timePs).toBeCloseTo(1, 3);
    expect(collective.timePs / byItself.timePs).toBeCloseTo(1, 3);
    // Of each device by its own skew.
    const skewed = { ...of, skew: 2 };
    beside(skewed, settings).gemm.devices.forEach(({ gemmPs }, rank) => expect(gemmPs / alone(skewed, settings).gemms[rank].gemmPs).toBeCloseTo(1, 3));
  });

  test('the collective’s accesses are communication: where compute goes first the GEMM hardly knows of them', () => {
    const scarce = { ...PLAIN, memoryBandwidth: 1e11, linkBandwidth: 1e12, queueBytes: 64 };
    const first = beside(of, { ...scarce, arbitration: { policy: 'compute-first', starvationPs: 1e12 } });
    const [{ timePs }] = alone(of, scarce).gemms;
    expect(first.gemm.timePs).toBeLessThan(1.05 * timePs);
    expect(beside(of, scarce).gemm.timePs).toBeGreaterThan(1.1 * timePs);
  });

  test('with a memory that is short, more than either, and no more than one after the other', () => {
    for (const memoryBandwidth of [4e10, 1e11, 3e11])
      for (const computeTurns of [1, 3]) {
        const settings = { ...PLAIN, memoryBandwidth, linkBandwidth: 1e12, arbitration: { policy: 'round-robin', computeTurns, communicationTurns: 1 } } as const;
        const { gemm, collective, timePs } = beside(of, settings);
        const { gemms, collective: byItself } = alone(of, settings);
        expect(gemm.timePs).toBeGreaterThan(gemms[0].timePs);
        expect(collective.timePs).toBeGreaterThan(byItself.timePs);
        expect(timePs).toBeLessThanOrEqual(gemms[0].timePs + byItself.timePs);
        // The memory has to serve both.
        expect(timePs).toBeGreaterThanOrEqual(gemms[0].devices[0].memoryBusyPs + byItself.devices[0].memoryBusyPs);
      }
  });

  test('folded equals unfolded; skewed or unequal devices are not folded', () => {
    fc.assert(
      fc.property(machines, fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 300 }), (settings, devices, elements) => {
        const equal: Given = { m: 24, depths: Array<number>(devices).fill(20), chunkBytes: Array<number>(devices).fill(4 * elements) };
        const [folded, whole] = [beside(equal, settings, true), beside(equal, settings)];
        expect(folded.gemm.devices).toHaveLength(1);
        expect(whole.gemm.devices).toHaveLength(devices);
        expect([folded.timePs, folded.gemm.devices[0], folded.collective.devices[0]]).toEqual([whole.timePs, whole.gemm.devices[0], whole.collective.devices[0]]);
      }),
      { numRuns: 40 },
    );
    expect(beside({ ...of, skew: 1 }, PLAIN, true).gemm.devices).toHaveLength(4);
    expect(beside({ ...of, depths: [64, 64, 64, 63] }, PLAIN, true).gemm.devices).toHaveLength(4);
    expect(beside({ ...of, chunkBytes: [4, 4, 4, 8] }, PLAIN, true).gemm.devices).toHaveLength(4);
  });
});
