// Freivalds' test by itself: its arithmetic against BigInt, its vectors, and that nothing wrong escapes it.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { POISON_BITS } from '../../src/verify/exact.ts';
import { escapeProbability, firstWrongRow, MODULUS, multiplied, projected, residueOf, vectorsOf, VECTORS } from '../../src/verify/projection.ts';

const whole = fc.integer({ min: -(2 ** 24), max: 2 ** 24 });
const modulo = (value: bigint): number => Number(((value % BigInt(MODULUS)) + BigInt(MODULUS)) % BigInt(MODULUS));

test('the modulus is a prime above any difference of two elements, and folds', () => {
  for (let divisor = 2; divisor * divisor <= MODULUS; divisor++) expect(MODULUS % divisor, String(divisor)).not.toBe(0);
  expect(MODULUS).toBeGreaterThan(2 * 2 ** 24);
  expect(2 ** 26 % MODULUS).toBe(5);
  expect(escapeProbability()).toBeCloseTo(MODULUS ** -3, 30);
  expect(escapeProbability(1)).toBe(1 / MODULUS);
});

test('residues and products are those of BigInt', () => {
  fc.assert(fc.property(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), (value) => residueOf(value) === modulo(BigInt(value))));
  const residue = fc.integer({ min: 0, max: MODULUS - 1 });
  fc.assert(fc.property(residue, residue, (one, other) => multiplied(one, other) === modulo(BigInt(one) * BigInt(other))));
  expect(multiplied(MODULUS - 1, MODULUS - 1)).toBe(1);
});

test('two different elements differ by no multiple of the prime', () => {
  fc.assert(fc.property(whole, whole, (one, other) => one === other || residueOf(one - other) !== 0));
  expect(residueOf(2 ** 24 - -(2 ** 24))).not.toBe(0);
});

test('vectors are whole residues around 0, their own for each seed, and uniform', () => {
  const vectors = vectorsOf(7, 20_000);
  expect(vectors).toHaveLength(20_000 * VECTORS);
  expect(vectorsOf(7, 20_000)).toEqual(vectors);
  expect(vectors.every((x) => Math.abs(x) <= (MODULUS - 1) / 2)).toBe(true);
  expect(new Set(vectors).size).toBeGreaterThan(0.99 * vectors.length);
  for (let v = 0; v < VECTORS; v++) {
    const bins = Array.from({ length: 32 }, () => 0);
    for (let at = v; at < vectors.length; at += VECTORS) bins[Math.floor(((vectors[at]! + (MODULUS - 1) / 2) / MODULUS) * 32)]!++;
    // 31 degrees of freedom: 61.1 is exceeded once in a thousand seeds, and the seed is fixed.
    expect(bins.reduce((sum, count) => sum + (count - 625) ** 2 / 625, 0)).toBeLessThan(61.1);
  }
  const other = vectorsOf(8, 20_000);
  expect(vectors.filter((x, at) => x === other[at]).length).toBeLessThan(5);
});

test('projections are those of BigInt, at the largest values too', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }), fc.constantFrom(whole, fc.constant(2 ** 24), fc.constant(-(2 ** 24))).chain((element) => fc.array(element, { minLength: 210, maxLength: 210 })), (seed, rows, n, all) => {
      const values = Float32Array.from(all.slice(0, rows * n));
      const vectors = vectorsOf(seed, n);
      const { sums, improper, elements } = projected(values, n, vectors);
      expect({ improper, elements }).toEqual({ improper: 0, elements: rows * n });
      for (let row = 0; row < rows; row++)
        for (let v = 0; v < VECTORS; v++) {
          let sum = 0n;
          for (let column = 0; column < n; column++) sum += BigInt(values[row * n + column]!) * BigInt(vectors[column * VECTORS + v]!);
          expect(sums[row * VECTORS + v]).toBe(modulo(sum));
        }
    }),
  );
});

test('the largest vectors and values do not leave the whole numbers of an f64', () => {
  const most = (MODULUS - 1) / 2;
  for (const sign of [1, -1]) {
    // Odd numbers: sums of powers of two would be exact far beyond 2^53.
    const { sums } = projected(new Float32Array(4097).fill(2 ** 24 - 1), 4097, new Int32Array(4097 * VECTORS).fill(sign * most));
    expect([...sums]).toEqual(Array.from({ length: VECTORS }, () => modulo(BigInt(sign) * 4097n * (2n ** 24n - 1n) * BigInt(most))));
  }
});

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;

/** A matrix of seeded small integers, zeros among them. */
const matrix = (rows: number, n: number): Float32Array => Float32Array.from({ length: rows * n }, (_, at) => ((at * 7919) % 41) - 20);

const WRONG: readonly (readonly [string, (bits: number, value: number) => number])[] = [
  ['one more', (_, value) => bitsOf(value + 1)],
  ['one less', (_, value) => bitsOf(value - 1)],
  ['the other sign', (_, value) => bitsOf(value === 0 ? 1 : -value)],
  ['half of one more', (_, value) => bitsOf(value + 0.5)],
  ['the least bit', (bits) => bits ^ 1],
  ['the prime more, which rounds to 2^26', (_, value) => bitsOf(value + MODULUS)],
  ['many primes', (_, value) => bitsOf(value + 8 * MODULUS)],
  ['as large as the limit allows', (_, value) => bitsOf(value > 0 ? -(2 ** 24) : 2 ** 24)],
  ['above the limit', () => bitsOf(2 ** 24 + 2)],
  ['2^31', () => bitsOf(2 ** 31)],
  ['2^32 more, which wraps to the same i32', (_, value) => bitsOf(value + 2 ** 32)],
  ['a NaN', () => 0x7fc00000],
  ['a NaN with its sign', () => 0xffc00001],
  ['the poison', () => POISON_BITS],
  ['an infinity', () => 0x7f800000],
  ['the other infinity', () => 0xff800000],
  ['the least subnormal', () => 1],
];

test.each(WRONG)('an element that is %s is found, wherever it is', (_, wrong) => {
  const [rows, n] = [5, 19];
  const right = matrix(rows, n);
  const vectors = vectorsOf(3, n);
  const { sums } = projected(right, n, vectors);
  for (let at = 0; at < right.length; at++) {
    const values = right.slice();
    const bits = new Uint32Array(values.buffer);
    bits[at] = wrong(bits[at]!, right[at]!);
    expect(firstWrongRow(projected(values, n, vectors), sums, n), `element ${at}`).toBe(Math.floor(at / n));
  }
});

test('what is right stays right: the same again, and −0 for 0', () => {
  const [rows, n] = [5, 19];
  const right = matrix(rows, n);
  const vectors = vectorsOf(3, n);
  const { sums } = projected(right, n, vectors);
  expect(firstWrongRow(projected(right, n, vectors), sums, n)).toBe(-1);
  const negative = right.map((value) => (value === 0 ? -0 : value));
  expect(right.filter((value) => value === 0).length).toBeGreaterThan(0);
  expect(negative.some((value) => Object.is(value, -0))).toBe(true);
  expect(firstWrongRow(projected(negative, n, vectors), sums, n)).toBe(-1);
});

test('two rows that have changed places, a row that is another one, errors that cancel in sum', () => {
  const n = 19;
  const right = matrix(5, n);
  const vectors = vectorsOf(3, n);
  const { sums } = projected(right, n, vectors);
  const changed = (change: (values: Float32Array) => void): number => {
    const values = right.slice();
    change(values);
    return firstWrongRow(projected(values, n, vectors), sums, n);
  };
  expect(changed((values) => { values.set(right.subarray(2 * n, 3 * n), n); values.set(right.subarray(n, 2 * n), 2 * n); })).toBe(1);
  expect(changed((values) => values.copyWithin(4 * n, 3 * n, 4 * n))).toBe(4);
  expect(changed((values) => { values[2 * n]! += 1; values[2 * n + 1]! -= 1; })).toBe(2);
  expect(changed((values) => { values[n]! += 1; values[2 * n]! -= 1; })).toBe(1);
});

test('the first of an improper element and a wrong sum is named', () => {
  const sums = Float64Array.from({ length: 4 * VECTORS }, (_, at) => at);
  const found = { sums: sums.with(2 * VECTORS + 1, 99), elements: 8, improper: 1, firstImproper: 7 };
  expect(firstWrongRow(found, sums, 2)).toBe(2);
  expect(firstWrongRow({ ...found, firstImproper: 2 }, sums, 2)).toBe(1);
  expect(firstWrongRow({ ...found, sums, firstImproper: -1 }, sums, 2)).toBe(-1);
  expect(() => firstWrongRow(found, sums.subarray(1), 2)).toThrow(/another result/);
});

test('elements may be multiples of a power of two below one, and nothing between', () => {
  const vectors = vectorsOf(5, 4);
  const { sums, improper } = projected(Float32Array.of(0.25, -1.5, 3, 0), 4, vectors, 4);
  expect(improper).toBe(0);
  expect(sums).toEqual(projected(Float32Array.of(1, -6, 12, 0), 4, vectors).sums);
  expect(projected(Float32Array.of(0.25, -1.5, 3, 0.125), 4, vectors, 4)).toMatchObject({ improper: 1, firstImproper: 3 });
  expect(projected(Float32Array.of(2 ** 22, 2 ** 22 + 1, 0, 0), 4, vectors, 4)).toMatchObject({ improper: 1, firstImproper: 1 });
});
