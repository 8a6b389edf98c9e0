// Small machines for the model's tests, on which times can be worked out by hand: round numbers, and nothing bounded unless a
// test means it.
import * as fc from 'fast-check';
import { simulateGemm, type GemmFigures, type GemmInput } from '../../src/model/fused.ts';
import type { Settings } from '../../src/model/settings.ts';
import type { Plan } from '../../src/plan/plan.ts';

const MB = 2 ** 20;

/** 1 byte of memory a ps, 0.1 of a link; a CU does one FLOP a ps. */
export const PLAIN: Settings = {
  cus: 4, cuFlops: 1e12, workgroupsPerCu: 1, prefetch: 1, stageBarrier: true, straddleSteps: true, llcBytes: 64 * MB, readLatencyPs: 0,
  memoryBandwidth: 1e12, queueBytes: 4096, updateFactor: 1, interleavePenalty: 0,
  topology: 'ring', linkBandwidth: 1e11, linkLatencyPs: 500, linkQueueBytes: 64 * MB, incomingBytes: 64 * MB, nodeDevices: 64, nodeBandwidth: 1e11,
  dmaSetupPs: 0, dmaWindowBytes: 64 * MB, dmaReadBytes: 64 * MB,
  collectiveWindowBytes: 64 * MB, cuCopyBandwidth: null, collectiveCus: 4, launchPs: 0,
  granuleBytes: 64, elementBytes: 4, separateStoreQueue: false,
  arbitration: { policy: 'round-robin', computeTurns: 1, communicationTurns: 1 },
};

/** What may differ from machine to machine, small enough that queues fill and links block. */
export const machines: fc.Arbitrary<Settings> = fc
  .record({
    cus: fc.integer({ min: 1, max: 5 }),
    workgroupsPerCu: fc.integer({ min: 1, max: 2 }),
    prefetch: fc.integer({ min: 0, max: 2 }),
    stageBarrier: fc.boolean(),
    straddleSteps: fc.boolean(),
    llcBytes: fc.constantFrom(256, 2048, 64 * MB),
    readLatencyPs: fc.constantFrom(0, 300),
    queueBytes: fc.constantFrom(1, 256, 4096),
    updateFactor: fc.constantFrom(1, 1.5, 2),
    interleavePenalty: fc.constantFrom(0, 0.5),
    linkBandwidth: fc.constantFrom(1e10, 1e11, 5e11),
    linkLatencyPs: fc.constantFrom(0, 1, 700),
    linkQueueBytes: fc.constantFrom(64, MB),
    incomingBytes: fc.constantFrom(64, 300, MB),
    dmaSetupPs: fc.constantFrom(0, 50),
    dmaWindowBytes: fc.constantFrom(64, MB),
    dmaReadBytes: fc.constantFrom(64, MB),
    granuleBytes: fc.constantFrom(16, 64),
    separateStoreQueue: fc.boolean(),
    arbitration: fc.oneof(
      fc.record({ policy: fc.constant('round-robin' as const), computeTurns: fc.integer({ min: 1, max: 3 }), communicationTurns: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ policy: fc.constant('compute-first' as const), starvationPs: fc.constantFrom(100, 1e9) }),
      fc.record({ policy: fc.constant('mca' as const), starvationPs: fc.constantFrom(100, 1e9), thresholds: fc.constantFrom([{ upTo: 0.2, bytes: null }, { upTo: 1, bytes: 128 }], [{ upTo: 1, bytes: 1 }]) }),
    ),
  })
  .map((of) => ({ ...PLAIN, ...of }));

/** A fused run of a Plan, k being the same everywhere. */
export function fusedRun(plan: Plan, settings: Settings, { k = 24, tile = { m: 4, n: 4, k: 8 }, ...more }: Partial<GemmInput> & { k?: number } = {}): GemmFigures {
  return simulateGemm({ settings, plan, tile, depths: Array.from({ length: plan.devices }, () => k), writes: 'updates', isConnected: true, ...more });
}
