import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { largestRange, proveExact } from '../../src/spec/exactness.ts';
import { NO_EPILOGUE } from '../../src/spec/kernel-bindings.ts';
import { bitsWrong, POISON_BITS } from '../../src/verify/exact.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];

test('equal finite bits are right; any other finite bits, but for the sign of zero, are wrong', () => {
  fc.assert(
    fc.property(u32, u32, (a, b) => {
      const finite = (a & 0x7f800000) !== 0x7f800000;
      expect(bitsWrong(a, a)).toBe(!finite);
      if (a !== b && (a | b) << 1 !== 0) expect(bitsWrong(a, b)).toBe(true);
    }),
  );
  expect(bitsWrong(bitsOf(0), bitsOf(-0))).toBe(false);
  expect(bitsWrong(bitsOf(-0), bitsOf(0))).toBe(false);
  expect(bitsWrong(bitsOf(1), bitsOf(-1))).toBe(true);
  expect(bitsWrong(bitsOf(0), bitsOf(2 ** -149))).toBe(true);
});

test('infinities and NaNs are wrong even where they are expected', () => {
  for (const bits of [POISON_BITS, 0xffc00000, 0x7f800000, 0xff800000, 0x7f800001]) expect(bitsWrong(bits, bits)).toBe(true);
});

test('the range is the largest that can be proven, from 4 down to none', () => {
  expect(largestRange(17024)).toBe(4);
  expect(largestRange(2 ** 20)).toBe(4);
  expect(largestRange(2 ** 20 + 1)).toBe(3);
  expect(largestRange(2 ** 22)).toBe(2);
  expect(largestRange(2 ** 22 + 1)).toBe(1);
  expect(largestRange(2 ** 24)).toBe(1);
  expect(largestRange(2 ** 24 + 1)).toBe(0);
  expect(largestRange(128, NO_EPILOGUE, 2 ** 11)).toBe(4);
});

test('the better of columns and rows is taken, and what is not known proves nothing', () => {
  expect(proveExact({ maxA: 4, columnSumB: 100, kTotal: 1e9 })).toEqual({ holds: true, bound: 400, limit: 2 ** 24 });
  expect(proveExact({ maxA: 4, maxB: 3, rowSumA: 50, columnSumB: 100, kTotal: 1e9 }).bound).toBe(150);
  expect(proveExact({ maxA: 4, kTotal: 10 }).holds).toBe(false);
  expect(proveExact({ maxA: Number.NaN, maxB: 1, kTotal: 10 }).holds).toBe(false);
});

test('within the proof, f32 sums are exact in any order; just beyond it, one is not', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: -2047, max: 2047 }), fc.integer({ min: -8, max: 8 })), { minLength: 1, maxLength: 1000 }), (pairs) => {
      const maxA = Math.max(...pairs.map(([a]) => Math.abs(a)));
      const columnSumB = pairs.reduce((sum, [, b]) => sum + Math.abs(b), 0);
      fc.pre(proveExact({ maxA, columnSumB, kTotal: pairs.length }).holds);
      const exact = pairs.reduce((sum, [a, b]) => sum + a * b, 0);
      expect(pairs.reduce((sum, [a, b]) => Math.fround(sum + Math.fround(a * b)), 0)).toBe(exact);
      expect(pairs.toReversed().reduce((sum, [a, b]) => Math.fround(sum + Math.fround(a * b)), 0)).toBe(exact);
    }),
  );
  expect(proveExact({ maxA: 1, columnSumB: 2 ** 24 + 1, kTotal: 2 }).holds).toBe(false);
  expect(Math.fround(2 ** 24 + 1)).not.toBe(2 ** 24 + 1);
});
