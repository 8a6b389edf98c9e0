import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkRange, chunkSizes, defaultStageTiles, depthOf } from '../../src/spec/chunks.ts';
import { stagesByDefault } from '../support/stages.ts';

const cut = fc.record({ length: fc.integer({ min: 1, max: 5000 }), devices: fc.integer({ min: 1, max: 64 }) });

test('chunks partition the dimension in order, and sizes differ by at most one, longer ones first', () => {
  fc.assert(
    fc.property(cut, ({ length, devices }) => {
      let next = 0;
      const sizes = chunkSizes(length, devices);
      for (let j = 0; j < devices; j++) {
        const range = chunkRange(length, devices, j);
        expect(range).toEqual({ start: next, length: sizes[j] });
        next += range.length;
      }
      expect(next).toBe(length);
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
      expect(sizes[0] - sizes[devices - 1]).toBeLessThanOrEqual(1);
    }),
  );
});

test('fewer rows than devices leave the last chunks empty', () => {
  expect(chunkSizes(3, 5)).toEqual([1, 1, 1, 0, 0]);
  expect(chunkSizes(10, 4)).toEqual([3, 3, 2, 2]);
});

test('the devices share K: slices differ by at most one, the longer ones first', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.nat(5000), (devices, more) => {
      const kTotal = devices + more;
      const depths = Array.from({ length: devices }, (_, device) => depthOf({ gemm: { kTotal }, devices }, device));
      expect(depths.reduce((sum, depth) => sum + depth, 0)).toBe(kTotal);
      expect(depths).toEqual(depths.toSorted((one, other) => other - one));
      expect(depths[0]! - depths.at(-1)!).toBeLessThanOrEqual(1);
    }),
  );
});

// By hand: tiles of the largest chunk, and of a stage. Even where there are no fewer stages then, as of 9 (4, 4, 1 for 3, 3, 3) and 28 (8, 8,
// 8, 4 for four of 7); not of 12, which would be three stages of 4.
test.each([
  [1, 1], [2, 1], [3, 1], [4, 1], [5, 2], [7, 2], [9, 4], [10, 3], [12, 3], [14, 4], [17, 5], [28, 8], [56, 14], [200, 50], [300_000, 65_535],
])('of %i tiles a stage has %i', (tiles, stage) => {
  expect(defaultStageTiles(tiles, 8)).toBe(stage);
});

test('of 64 devices a step is one stage, where it has tiles of its own; tiles over 16 chunks each make 4 steps, of four stages', () => {
  expect(defaultStageTiles(56, 64)).toBe(56);
  expect(defaultStageTiles(56, 64, 4)).toBe(14);
  expect(defaultStageTiles(56, 64, 30)).toBe(28);
});

test('even stages are no fewer than odd ones, four at most, fewer on many devices', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 64 }), (tiles, devices) => {
      const most = stagesByDefault(devices);
      const stage = defaultStageTiles(tiles, devices);
      const stages = Math.ceil(tiles / Math.ceil(tiles / most));
      expect(Math.ceil(tiles / stage)).toBe(stages);
      expect(stages).toBeLessThanOrEqual(most);
      if (stage % 2 === 1 && stage < tiles) expect(Math.ceil(tiles / (stage + 1))).toBeLessThan(stages);
    }),
  );
});
