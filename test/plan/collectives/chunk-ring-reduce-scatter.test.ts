import { expect, test } from 'vitest';
import { checkPlan } from '../../../src/plan/check.ts';
import { chunkRingReduceScatter } from '../../../src/plan/collectives/chunk-ring-reduce-scatter.ts';
import { gridTiling } from '../../../src/plan/grid-tiling.ts';
import { planOfMapping } from '../../../src/plan/plan.ts';
import { leavesEachOwnerWithAll, tableOf } from './table.ts';

test('three devices: nothing is stored at a peer, every chunk but the last is sent on', () => {
  expect(tableOf(chunkRingReduceScatter(3))).toEqual([
    ['chunk 1: stores local; expects local; dma to 2', 'chunk 2: stores local; expects local, dma 1; dma to 2', 'chunk 0: stores local; expects local, dma 1; done'],
    ['chunk 2: stores local; expects local; dma to 0', 'chunk 0: stores local; expects local, dma 2; dma to 0', 'chunk 1: stores local; expects local, dma 2; done'],
    ['chunk 0: stores local; expects local; dma to 1', 'chunk 1: stores local; expects local, dma 0; dma to 1', 'chunk 2: stores local; expects local, dma 0; done'],
  ]);
  expect(tableOf(chunkRingReduceScatter(1))).toEqual([['chunk 0: stores local; expects local; done']]);
});

test.each([1, 2, 3, 5, 8, 13])('%i devices: a Plan in which nothing is wrong', (devices) => {
  expect(checkPlan(planOfMapping(chunkRingReduceScatter(devices), gridTiling({ m: 11, n: 7, tile: { m: 4, n: 2 }, waves: { m: 2, n: 1 }, swizzle: 2 }, 'rows', devices, Infinity)))).toEqual([]);
  expect(leavesEachOwnerWithAll(chunkRingReduceScatter(devices))).toBe(true);
});
