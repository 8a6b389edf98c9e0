import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkRange, chunkSizes, depthOf } from '../../src/spec/chunks.ts';

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
