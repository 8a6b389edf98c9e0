import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillOperand } from '../../src/spec/operands.ts';
import { addDevice, checkBounded, errorBound, newReference, rowsToCheck, type Reference } from '../../src/verify/bounded.ts';

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly devices: number;
  readonly a: readonly Float32Array[];
  readonly b: readonly Float32Array[];
}

function generated(m: number, n: number, k: number, devices: number, seed: number): Case {
  const fill = (device: number, matrix: 0 | 1): Float32Array =>
    fillOperand({ seed, device, matrix, kind: 'normal', range: 0, rows: matrix === 0 ? m : k, columns: matrix === 0 ? k : n });
  const each = Array.from({ length: devices }, (_, device) => device);
  return { m, n, k, devices, a: each.map((device) => fill(device, 0)), b: each.map((device) => fill(device, 1)) };
}

/** The result as f32 arithmetic gives it: products summed in a device, devices summed after that. */
function computed({ m, n, k, devices, a, b }: Case): Float32Array {
  const c = new Float32Array(m * n);
  for (let i = 0; i < c.length; i++) {
    for (let device = 0; device < devices; device++) {
      let sum = 0;
      for (let kk = 0; kk < k; kk++) sum = Math.fround(sum + Math.fround(a[device][Math.floor(i / n) * k + kk] * b[device][kk * n + (i % n)]));
      c[i] = c[i] + sum;
    }
  }
  return c;
}

function referenceOf({ m, n, k, devices, a, b }: Case, rows = Uint32Array.from({ length: m }, (_, row) => row)): Reference {
  const reference = newReference({ n, k, devices }, rows);
  for (let device = 0; device < devices; device++) {
    const mine = new Float32Array(rows.length * k);
    rows.forEach((row, i) => mine.set(a[device].subarray(row * k, (row + 1) * k), i * k));
    addDevice(reference, mine, b[device]);
  }
  return reference;
}

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);
const shapes = fc.record({
  m: fc.integer({ min: 1, max: 12 }), n: fc.integer({ min: 1, max: 40 }), k: fc.integer({ min: 1, max: 150 }), devices: fc.integer({ min: 1, max: 5 }), seed: fc.nat(),
});

test('the reference is Σ a·b and Σ |a||b| in float64, across panels and ragged ends', () => {
  for (const shape of [[3, 5, 7], [2, 1030, 131], [1, 1, 1]] as [number, number, number][]) {
    const of = generated(...shape, 2, 9);
    const { sum, magnitude } = referenceOf(of);
    for (let i = 0; i < sum.length; i++) {
      const products = of.a.flatMap((a, device) => Array.from({ length: of.k }, (_, kk) => a[Math.floor(i / of.n) * of.k + kk] * of.b[device][kk * of.n + (i % of.n)]));
      expect(sum[i]).toBeCloseTo(products.reduce((x, y) => x + y, 0), 10);
      expect(magnitude[i]).toBeCloseTo(products.reduce((x, y) => x + Math.abs(y), 0), 10);
    }
  }
});

test('f32 arithmetic stays within the bound; an error of the bound and a little is caught, wherever it is', () => {
  fc.assert(
    fc.property(shapes, fc.nat(), ({ m, n, k, devices, seed }, at) => {
      const of = generated(m, n, k, devices, seed);
      const reference = referenceOf(of);
      const c = computed(of);
      const check = checkBounded(reference, bitsOf(c), m);
      expect(check).toMatchObject({ checked: m * n, coverage: 1, wrong: 0, first: [] });
      expect(check.maxError).toBeLessThanOrEqual(check.boundThere);

      const i = at % c.length;
      const bound = errorBound(reference.magnitude[i], k, devices, reference.maxA, reference.maxB);
      // An f32 within rounding of the place just beyond the bound.
      c[i] = reference.sum[i] + 1.01 * bound + Math.abs(reference.sum[i]) * 2 ** -22;
      const broken = checkBounded(reference, bitsOf(c), m);
      expect(broken.wrong).toBe(1);
      expect(broken.first[0]).toMatchObject({ row: Math.floor(i / n), column: i % n, expected: reference.sum[i] });
    }),
    { numRuns: 60 },
  );
});

test('a missing or doubled contribution of one device is beyond the bound in nearly every element', () => {
  const of = generated(16, 64, 200, 4, 3);
  const reference = referenceOf(of);
  const without = computed({ ...of, devices: 3 });
  expect(checkBounded(reference, bitsOf(without), of.m).wrong).toBeGreaterThan(0.99 * 16 * 64);
});

test('an output never written is wrong everywhere, and an infinity is wrong', () => {
  const of = generated(4, 8, 16, 2, 3);
  const poison = new Uint32Array(32).fill(0x7fc0dead);
  expect(checkBounded(referenceOf(of), poison, 4)).toMatchObject({ wrong: 32, maxError: 0 });
  const c = bitsOf(computed(of));
  c[5] = 0xff800000;
  expect(checkBounded(referenceOf(of), c, 4).wrong).toBe(1);
});

test('a bound that a zero matrix would pass is refused', () => {
  const of = generated(4, 8, 16, 2, 3);
  const vanishing = { ...of, b: of.b.map((b) => b.map((value) => value * 2 ** -127)) };
  expect(() => checkBounded(referenceOf(vanishing), new Uint32Array(32), 4)).toThrow(expect.objectContaining({ code: 'VACUOUS_BOUND' }));
  const zero = { ...of, a: of.a.map((a) => a.fill(0)) };
  expect(() => checkBounded(referenceOf(zero), new Uint32Array(32), 4)).toThrow(expect.objectContaining({ code: 'VACUOUS_BOUND' }));
});

test('flushed subnormals are within the bound', () => {
  // A product of two small normals, and one of a subnormal with a large value: both may be flushed to 0.
  const of: Case = { m: 1, n: 2, k: 2, devices: 1, a: [Float32Array.of(2 ** -70, 2 ** -127)], b: [Float32Array.of(2 ** -70, 2, 1000, 2)] };
  const reference = referenceOf(of);
  expect(reference.sum[0]).toBeGreaterThan(2 ** -118);
  const flushed = Float32Array.of(0, 2 ** -69);
  expect(checkBounded(reference, bitsOf(flushed), 1).wrong).toBe(0);
});

test('a reference that lacks a device is a bug, not a verdict', () => {
  const of = generated(2, 2, 2, 2, 1);
  const reference = newReference({ n: 2, k: 2, devices: 2 }, Uint32Array.of(0, 1));
  addDevice(reference, of.a[0], of.b[0]);
  expect(() => checkBounded(reference, new Uint32Array(4), 2)).toThrow(expect.objectContaining({ code: 'BUG' }));
});

test('all rows up to 2 GFLOP; above, one row per stratum, at least 1 %, the same for the same seed', () => {
  expect(rowsToCheck(256, 512, 1536, 1)).toMatchObject({ coverage: 1 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20000 }), fc.integer({ min: 1, max: 20000 }), fc.integer({ min: 1, max: 100000 }), fc.nat(), (m, n, kTotal, seed) => {
      const { rows, coverage } = rowsToCheck(m, n, kTotal, seed);
      const count = rows.length;
      expect(coverage).toBe(count / m);
      expect(coverage).toBeGreaterThanOrEqual(0.01);
      if (2 * m * n * kTotal <= 2e9) expect(count).toBe(m);
      else expect(count === Math.ceil(m / 100) || 2 * count * n * kTotal <= 2e9).toBe(true);
      expect(rows.every((row, i) => row >= Math.floor((i * m) / count) && row < Math.floor(((i + 1) * m) / count))).toBe(true);
      expect(rowsToCheck(m, n, kTotal, seed).rows.join()).toBe(rows.join());
    }),
    { numRuns: 50 },
  );
});
