// Runs so small that their times can be worked out on paper. Memory serves a byte a ps, a link sends one in 10 ps and takes 500 ps,
// a CU does a FLOP a ps. A slab of a 4 × 4 tile at k = 8: two blocks of 128 bytes, 256 FLOP; the tile: 64 bytes.
import { expect, test } from 'vitest';
import { simulateGemm } from '../../src/model/fused.ts';
import { FILL, LOCAL_UPDATE, WRITE } from '../../src/model/memory.ts';
import { gridTiling, twinsOf } from '../../src/plan/grid-tiling.ts';
import { planOfMapping, REDUCE_SCATTERS, type Plan } from '../../src/plan/plan.ts';
import type { Algorithm } from '../../src/spec/spec.ts';
import { fusedRun, PLAIN } from '../support/modelled.ts';

/** Chunks of `perChunk` tiles, one below the other. */
const column = (devices: number, perChunk: number, algorithm: Algorithm = 'ring'): Plan =>
  planOfMapping(REDUCE_SCATTERS[algorithm](devices), gridTiling({ m: 4 * devices * perChunk, n: 4, tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1 }, 'rows', devices, 1));
const ONE_CU = { ...PLAIN, cus: 1 };
const timesOf = ({ timePs, gemmPs }: { timePs: number; gemmPs: number }): number[] => [timePs, gemmPs];

test('one tile, one slab: load 256, compute 256, store 64', () => {
  expect(timesOf(fusedRun(column(1, 1), ONE_CU, { k: 8 }))).toEqual([576, 512]);
});

test('a slab loads while the one before it computes; without prefetching it does not', () => {
  // Loads until 256 and 512, computes until 512 and 768.
  expect(timesOf(fusedRun(column(1, 1), ONE_CU, { k: 16 }))).toEqual([832, 768]);
  expect(timesOf(fusedRun(column(1, 1), { ...ONE_CU, prefetch: 0 }, { k: 16 }))).toEqual([1088, 1024]);
  // Half a slab at the end: 128 FLOP.
  expect(timesOf(fusedRun(column(1, 1), ONE_CU, { k: 12 }))).toEqual([704, 640]);
});

test('split-K: each split is a workgroup of its own, whose stores are updates', () => {
  const split = (splits: number): Plan => {
    const kernel = { m: 4, n: 4, tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1, splits };
    return planOfMapping(REDUCE_SCATTERS.ring(1), gridTiling(kernel, 'rows', 1, 1), Infinity, twinsOf(kernel));
  };
  // Half of k: load 256, compute until 512, store until 576; the second one loads behind that until 832, computes until 1088, stores.
  const run = fusedRun(split(2), ONE_CU, { k: 16 });
  expect(timesOf(run)).toEqual([1152, 1088]);
  expect([run.devices[0].served[FILL], run.devices[0].served[LOCAL_UPDATE], run.devices[0].tracker!.pieces]).toEqual([4 * 128, 2 * 64, 1]);
  // On two CUs both load at once: 256 and 512, computed 512 and 768.
  expect(timesOf(fusedRun(split(2), { ...PLAIN, cus: 2 }, { k: 16 }))).toEqual([832, 768]);
  // k of 2 in three: the third has nothing to multiply, and stores.
  const empty = fusedRun(split(3), ONE_CU, { k: 2 });
  expect([empty.devices[0].served[FILL], empty.devices[0].served[LOCAL_UPDATE]]).toEqual([2 * 32, 3 * 64]);
});

test('two tiles on one CU share B; the second loads behind the first one’s stores, in the order of the stream', () => {
  // 512 the first ends; 576 its stores, 704 A, 960 computed, 1024 stored.
  expect(timesOf(fusedRun(column(1, 2), ONE_CU, { k: 8 }))).toEqual([1024, 960]);
  // With a queue of their own the stores let the reads go by turns: A's two granules at 576 and (after the store) 704 in a queue of one.
  expect(fusedRun(column(1, 2), { ...ONE_CU, separateStoreQueue: true, queueBytes: 1 }, { k: 8 }).gemmPs).toBeLessThanOrEqual(960);
});

test('two CUs: both tiles in one stage, B is read once', () => {
  // A and B of the first until 256, A of the second until 384; computed 512 and 640; stores at 576 and 704.
  const run = fusedRun(column(1, 2), { ...PLAIN, cus: 2 }, { k: 8 });
  expect(timesOf(run)).toEqual([704, 640]);
  expect(run.devices[0].served[FILL]).toBe(3 * 128);
  expect(run.devices[0].stalls).toEqual({ data: 256 + 384, link: 0, barrier: 128 });
});

test('through the LLC a tile is written back at the end', () => {
  const input = { settings: ONE_CU, plan: column(1, 1), tile: { m: 4, n: 4, k: 8 }, depths: [8], writes: 'cached', isConnected: false } as const;
  const run = simulateGemm(input);
  expect(timesOf(run)).toEqual([576, 512]);
  expect(run.devices[0].served[WRITE]).toBe(64);
});

test('two devices on a ring: the first step’s tile goes to the neighbour', () => {
  // Stored at 512, on the link until 1152, there at 1652, added until 1716; the second step's own tile is long there.
  expect(timesOf(fusedRun(column(2, 1), ONE_CU, { k: 8 }))).toEqual([1716, 896]);
  // An update that costs twice ends 64 later.
  expect(fusedRun(column(2, 1), { ...ONE_CU, updateFactor: 2 }, { k: 8 }).timePs).toBe(1780);
});

test('three devices: what is complete in step 2 is read and sent on', () => {
  // Complete at 1716, set up at 1717, read until 1781, on the link until 2421, there at 2921, added until 2985.
  expect(fusedRun(column(3, 1), ONE_CU, { k: 8 }).timePs).toBe(2985);
  expect(fusedRun(column(3, 1), { ...ONE_CU, dmaSetupPs: 100 }, { k: 8 }).timePs).toBe(3084);
});

test('direct, fully connected: each pair has its share of the bandwidth', () => {
  // Two links of half the rate. The first tile is stored at 512, on its link until 1792, there at 2292, added until 2356. The second:
  // its A behind nothing, 512 to 640, computed 896, on the other link until 2176, there at 2676, added until 2740.
  expect(fusedRun(column(3, 1, 'direct'), { ...ONE_CU, topology: 'fully-connected' }, { k: 8 }).timePs).toBe(2740);
});

test('a link that is full holds the workgroup that stores', () => {
  // Tiles of step 1 end at 512, 768 + 128 …: with room for one granule in the queue the third has to wait for the link.
  const open = fusedRun(column(2, 4), ONE_CU, { k: 8 });
  const full = fusedRun(column(2, 4), { ...ONE_CU, linkQueueBytes: 64 }, { k: 8 });
  expect(open.devices[0].stalls.link).toBe(0);
  expect(full.devices[0].stalls.link).toBeGreaterThan(0);
  expect(full.gemmPs).toBeGreaterThan(open.gemmPs);
  expect(full.timePs).toBeGreaterThanOrEqual(open.timePs);
});

test('stages take tiles of the next step where their own has too few left, unless each step begins anew', () => {
  const stagesOf = (more: object): number => fusedRun(column(2, 3), { ...PLAIN, cus: 2, ...more }, { k: 8 }).devices[0].stages;
  expect([stagesOf({}), stagesOf({ straddleSteps: false })]).toEqual([3, 4]);
});

test('a DMA asks for no more than its queue of reads and its window hold', () => {
  // A memory so slow that reads wait: those that wait behind fewer others wait less.
  const waitOf = (more: object): number => fusedRun(column(3, 4), { ...PLAIN, cus: 4, memoryBandwidth: 1e10, queueBytes: 1, ...more }, { k: 8 }).devices[0].waits.dma.p99Ps;
  expect(waitOf({ dmaReadBytes: 64 })).toBeLessThan(waitOf({}));
  expect(waitOf({ dmaWindowBytes: 64 })).toBeLessThan(waitOf({}));
});

test('each step a kernel of its own: the next one starts a launch later', () => {
  const gemmPs = (launchPs: number): number => fusedRun(column(3, 1), { ...ONE_CU, launchPs }, { k: 8, kernelPerStage: true }).gemmPs;
  // Past the stores and the reads that are open when a kernel ends, a launch shifts all that follows.
  expect(gemmPs(2000) - gemmPs(1000)).toBe(2 * 1000);
  expect(fusedRun(column(3, 1), { ...ONE_CU, launchPs: 1000 }, { k: 8 }).gemmPs).toBeLessThan(gemmPs(1000));
});

test('the intensity is that of the first stage, and chooses the threshold', () => {
  // Memory works 256 of the 512 ps that the first tile takes.
  const mca = { policy: 'mca', starvationPs: 1e9, thresholds: [{ upTo: 0.49, bytes: null }, { upTo: 0.5, bytes: 192 }, { upTo: 1, bytes: 64 }] } as const;
  const { arbiter } = fusedRun(column(2, 2), { ...ONE_CU, arbitration: mca }, { k: 8 }).devices[0];
  expect(arbiter).toMatchObject({ intensity: 0.5, thresholdBytes: 192 });
});
