import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { elementHash, exactValue, fillOperand, normalValue, NORMAL_SCALE, operandValue, roundToHalf, streamKey, type OperandStream } from '../../src/spec/operands.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const stream = fc.record({ seed: u32, device: fc.integer({ min: 0, max: 63 }), matrix: fc.constantFrom(0, 1) }) as fc.Arbitrary<OperandStream>;
const kind = fc.constantFrom('exact', 'normal', 'half') as fc.Arbitrary<'exact' | 'normal' | 'half'>;
const range = fc.integer({ min: 1, max: 4 });

test('a whole operand is its elements, and a window of rows is part of the whole', () => {
  fc.assert(
    fc.property(stream, kind, range, fc.nat(20), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70 }), (of, kind, range, firstRow, rows, columns) => {
      const values = fillOperand({ ...of, kind, range, rows, columns, firstRow });
      for (let i = 0; i < values.length; i++) {
        expect(values[i]).toBe(operandValue(kind, range, of, firstRow + Math.floor(i / columns), i % columns));
      }
    }),
    { numRuns: 30 },
  );
});

test('values are pinned: a Spec means the same data in every version', () => {
  const of = { seed: 1, device: 3, matrix: 1 } as const;
  expect([0, 1, 2, 3].map((column) => elementHash(of, 5, column))).toEqual([1003483428, 1573169123, 3320806856, 4289981570]);
  expect(NORMAL_SCALE).toBe(1.7320507764816284 / 65536);
});

test('exact values are whole, never 0, within the range, and uniform', () => {
  fc.assert(
    fc.property(u32, range, (hash, range) => {
      const value = exactValue(hash, range);
      expect(Number.isInteger(value) && value !== 0 && Math.abs(value) <= range).toBe(true);
    }),
  );
  for (const range of [1, 2, 3, 4]) {
    const values = fillOperand({ seed: 7, device: 0, matrix: 0, kind: 'exact', range, rows: 300, columns: 400 });
    const counts = new Map<number, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    const expected = values.length / (2 * range);
    const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(counts.size).toBe(2 * range);
    // Seven degrees of freedom at most: 24.3 is exceeded once in a thousand seeds, and the seed is fixed.
    expect(chi2).toBeLessThan(24.3);
  }
});

test('normal values have mean 0, variance 1 and the kurtosis of four uniforms, and are f32', () => {
  const values = fillOperand({ seed: 7, device: 2, matrix: 1, kind: 'normal', range: 0, rows: 300, columns: 400 });
  const moment = (power: number): number => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
  expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(values.length));
  expect(Math.abs(moment(2) - 1)).toBeLessThan(0.015);
  expect(Math.abs(moment(4) - (3 - 6 / 5 / 4))).toBeLessThan(0.06);
  expect(values.every((value) => Math.abs(value) < 2 * Math.sqrt(3))).toBe(true);
  fc.assert(fc.property(u32, (hash) => normalValue(hash) === Math.fround(normalValue(hash))));
});

test('devices, matrices, rows and neighbours are uncorrelated', () => {
  const rows = 200;
  const columns = 200;
  const fill = (device: number, matrix: 0 | 1, seed = 1, firstRow = 0): Float32Array =>
    fillOperand({ seed, device, matrix, kind: 'normal', range: 0, rows, columns, firstRow });
  const base = fill(0, 0);
  const correlation = (other: Float32Array, shift = 0): number => {
    let sum = 0;
    for (let i = 0; i + shift < base.length; i++) sum += base[i + shift] * other[i];
    return sum / (base.length - shift);
  };
  const others: [string, number][] = [
    ['next device', correlation(fill(1, 0))],
    ['other matrix', correlation(fill(0, 1))],
    ['next seed', correlation(fill(0, 0, 2))],
    ['next row', correlation(base, columns)],
    ['next column', correlation(base, 1)],
  ];
  // Standard error 1/√40000 = 0.005.
  for (const [what, value] of others) expect(Math.abs(value), what).toBeLessThan(0.02);
});

test('no two rows of a large run begin alike', () => {
  // Two consecutive elements are 64 bits: among 37,000 rows an equal pair would be no accident.
  const seen = new Set<string>();
  let rows = 0;
  for (let device = 0; device < 64; device++) {
    for (const matrix of [0, 1] as const) {
      for (let row = 0; row < 2000; row += 7, rows++) {
        const of = { seed: 1, device, matrix };
        seen.add(`${elementHash(of, row, 0)},${elementHash(of, row, 1)}`);
      }
    }
  }
  expect(seen.size).toBe(rows);
});

test('all streams of one seed have keys of their own', () => {
  fc.assert(
    fc.property(u32, (seed) => {
      const keys = Array.from({ length: 128 }, (_, i) => streamKey({ seed, device: i >> 1, matrix: (i & 1) as 0 | 1 }));
      expect(new Set(keys).size).toBe(128);
    }),
    { numRuns: 50 },
  );
});

test('rounding to f16: what f16 holds stays, all else goes to the nearest, ties to even', () => {
  // Every normal f16 but infinities and NaNs, in order: significand · 2^exponent.
  const halves = Array.from({ length: 30 * 1024 }, (_, at) => (1024 + (at % 1024)) * 2 ** (Math.floor(at / 1024) - 24));
  for (const half of halves) {
    expect(roundToHalf(half)).toBe(half);
    expect(roundToHalf(-half)).toBe(-half);
  }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: halves.length - 2 }), fc.double({ min: 0, max: 1, noNaN: true }), (at, share) => {
      const [low, high] = [halves[at], halves[at + 1]];
      const value = Math.fround(low + share * (high - low));
      const middle = (low + high) / 2;
      expect(roundToHalf(value)).toBe(value < middle ? low : value > middle ? high : at % 2 === 0 ? low : high);
    }),
  );
  // Exactly between two: the one whose significand is even.
  for (let at = 0; at + 1 < halves.length; at += 97) expect(roundToHalf((halves[at] + halves[at + 1]) / 2)).toBe(halves[at + (at % 2)]);
  expect([65_519, 65_520, -1e9, 6e-5, -1e-30, 0].map(roundToHalf)).toEqual([65_504, Infinity, -Infinity, 0, 0, 0]);
});
