import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillOperand } from '../../src/spec/operands.ts';
import { addDevice, checkBounded, errorBound, newReference, rowsToCheck, type Reference } from '../../src/verify/bounded.ts';

interface Case {
  /** Rows of one matrix of the batch. */
  readonly m: number;
  readonly n: number;
  /** k of each device. */
  readonly depths: readonly number[];
  readonly batch: number;
  readonly splits: number;
  readonly a: readonly Float32Array[];
  readonly b: readonly Float32Array[];
}

function generated(m: number, n: number, depths: readonly number[], seed: number, { batch = 1, splits = 1 } = {}): Case {
  const fill = (device: number, matrix: 0 | 1): Float32Array =>
    fillOperand({ seed, device, matrix, kind: 'normal', range: 0, rows: batch * (matrix === 0 ? m : depths[device]), columns: matrix === 0 ? depths[device] : n });
  return { m, n, depths, batch, splits, a: depths.map((_, device) => fill(device, 0)), b: depths.map((_, device) => fill(device, 1)) };
}

/** k of `devices` devices, as slices of one K of which the first is one longer. */
const even = (devices: number, k: number, longer = 0): number[] => Array.from({ length: devices }, (_, device) => k + (device < longer ? 1 : 0));

/** The products of an element on one device, in float64. */
function productsOf({ m, n, depths, a, b }: Case, device: number, at: number): number[] {
  const row = Math.floor(at / n);
  const k = depths[device];
  const ofA = row * k;
  const ofB = Math.floor(row / m) * k * n + (at % n);
  return Array.from({ length: k }, (_, kk) => a[device][ofA + kk] * b[device][ofB + kk * n]);
}

/** The result as f32 arithmetic gives it: products summed in each split of each device, and these sums after that. */
function computed(of: Case): Float32Array {
  const { m, n, batch, splits, depths } = of;
  const c = new Float32Array(batch * m * n);
  for (let i = 0; i < c.length; i++)
    for (let device = 0; device < depths.length; device++) {
      const products = productsOf(of, device, i);
      for (let split = 0; split < splits; split++) {
        let sum = 0;
        for (let at = split; at < products.length; at += splits) sum = Math.fround(sum + Math.fround(products[at]));
        c[i] = c[i] + sum;
      }
    }
  return c;
}

const total = (depths: readonly number[]): number => depths.reduce((sum, k) => sum + k, 0);
/** Of the longest k, and of the sums of all splits of all devices. */
const roundingsOf = ({ depths, splits }: Case): number => Math.max(...depths) + depths.length * splits;

function referenceOf(of: Case, rows = Uint32Array.from({ length: of.batch * of.m }, (_, row) => row)): Reference {
  const { m, n, depths, a, b } = of;
  const reference = newReference({ m, n, kTotal: total(depths), devices: depths.length, roundings: roundingsOf(of) }, rows);
  depths.forEach((k, device) => {
    const mine = new Float32Array(rows.length * k);
    rows.forEach((row, i) => mine.set(a[device].subarray(row * k, (row + 1) * k), i * k));
    addDevice(reference, mine, b[device]);
  });
  return reference;
}

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);
const shapes = fc.record({
  m: fc.integer({ min: 1, max: 12 }), n: fc.integer({ min: 1, max: 40 }), k: fc.integer({ min: 1, max: 150 }), devices: fc.integer({ min: 1, max: 5 }), longer: fc.nat({ max: 4 }),
  batch: fc.integer({ min: 1, max: 3 }), splits: fc.integer({ min: 1, max: 4 }), seed: fc.nat(),
});

test('the reference is Σ a·b and Σ |a||b| in float64, across panels and ragged ends', () => {
  for (const shape of [[3, 5, 7], [2, 1030, 131], [1, 1, 1]] as [number, number, number][]) {
    const [m, n, k] = shape;
    for (const of of [generated(m, n, even(2, k), 9), generated(m, n, even(3, k, 1), 9, { batch: 3 })]) {
      const { sum, magnitude } = referenceOf(of);
      for (let i = 0; i < sum.length; i++) {
        const products = of.depths.flatMap((_, device) => productsOf(of, device, i));
        expect(sum[i]).toBeCloseTo(products.reduce((x, y) => x + y, 0), 10);
        expect(magnitude[i]).toBeCloseTo(products.reduce((x, y) => x + Math.abs(y), 0), 10);
      }
    }
  }
});

test('of some rows, those of several matrices of a batch among them, the reference is that of all at those rows', () => {
  const of = generated(5, 7, even(3, 70, 2), 4, { batch: 3 });
  const whole = referenceOf(of);
  const rows = Uint32Array.of(0, 4, 5, 8, 13, 14);
  const some = referenceOf(of, rows);
  rows.forEach((row, at) => {
    expect([...some.sum.subarray(at * 7, (at + 1) * 7)]).toEqual([...whole.sum.subarray(row * 7, (row + 1) * 7)]);
    expect([...some.magnitude.subarray(at * 7, (at + 1) * 7)]).toEqual([...whole.magnitude.subarray(row * 7, (row + 1) * 7)]);
  });
  const actual = computed(of);
  const picked = Float32Array.from([...rows].flatMap((row) => [...actual.subarray(row * 7, (row + 1) * 7)]));
  expect(checkBounded(some, bitsOf(picked), 15)).toMatchObject({ checked: 42, coverage: 6 / 15, wrong: 0 });
  picked[3 * 7 + 2] += 1;
  expect(checkBounded(some, bitsOf(picked), 15)).toMatchObject({ wrong: 1, first: [{ row: 8, column: 2 }] });
});

test('the bound, written out by hand: a unit roundoff for each rounding, of the longest device and of all updates', () => {
  // 2⁻²⁴ each of Σ|a||b| = 1, and next to nothing for flushed subnormals and for the reference.
  for (const roundings of [2, 9, 1000]) expect(errorBound(1, roundings, 5000, 4, 4) / (roundings * 2 ** -24)).toBeCloseTo(1, 3);
  expect(errorBound(3, 9, 10, 4, 4) / errorBound(1, 9, 10, 4, 4)).toBeCloseTo(3, 12);
  expect(errorBound(0, 9, 10, 4, 6) / (10 * 12 * 2 ** -126)).toBeCloseTo(1, 5);
});

test('f32 arithmetic stays within the bound; an error of the bound and a little is caught, wherever it is', () => {
  fc.assert(
    fc.property(shapes, fc.nat(), ({ m, n, k, devices, longer, batch, splits, seed }, at) => {
      const of = generated(m, n, even(devices, k, longer), seed, { batch, splits });
      const reference = referenceOf(of);
      const c = computed(of);
      const check = checkBounded(reference, bitsOf(c), batch * m);
      expect(check).toMatchObject({ checked: batch * m * n, coverage: 1, wrong: 0, first: [] });
      expect(check.maxError).toBeLessThanOrEqual(check.boundThere);

      const i = at % c.length;
      const bound = errorBound(reference.magnitude[i], Math.max(...of.depths) + devices * splits, total(of.depths), reference.maxA, reference.maxB);
      // An f32 within rounding of the place just beyond the bound.
      c[i] = reference.sum[i] + 1.01 * bound + Math.abs(reference.sum[i]) * 2 ** -22;
      const broken = checkBounded(reference, bitsOf(c), batch * m);
      expect(broken.wrong).toBe(1);
      expect(broken.first[0]).toMatchObject({ row: Math.floor(i / n), column: i % n, expected: reference.sum[i] });
    }),
    { numRuns: 60 },
  );
});

test('a missing or doubled contribution of one device is beyond the bound in nearly every element', () => {
  const of = generated(16, 64, even(4, 200), 3);
  const reference = referenceOf(of);
  const without = computed({ ...of, depths: even(3, 200) });
  expect(checkBounded(reference, bitsOf(without), of.m).wrong).toBeGreaterThan(0.99 * 16 * 64);
});

test('an output never written is wrong everywhere, and an infinity is wrong', () => {
  const of = generated(4, 8, even(2, 16), 3);
  const poison = new Uint32Array(32).fill(0x7fc0dead);
  expect(checkBounded(referenceOf(of), poison, 4)).toMatchObject({ wrong: 32, maxError: 0 });
  const c = bitsOf(computed(of));
  c[5] = 0xff800000;
  expect(checkBounded(referenceOf(of), c, 4).wrong).toBe(1);
});

test('a bound that a zero matrix would pass is refused', () => {
  const of = generated(4, 8, even(2, 16), 3);
  const vanishing = { ...of, b: of.b.map((b) => b.map((value) => value * 2 ** -127)) };
  expect(() => checkBounded(referenceOf(vanishing), new Uint32Array(32), 4)).toThrow(expect.objectContaining({ code: 'VACUOUS_BOUND' }));
  const zero = { ...of, a: of.a.map((a) => a.fill(0)) };
  expect(() => checkBounded(referenceOf(zero), new Uint32Array(32), 4)).toThrow(expect.objectContaining({ code: 'VACUOUS_BOUND' }));
});

test('flushed subnormals are within the bound', () => {
  // A product of two small normals, and one of a subnormal with a large value: both may be flushed to 0.
  const of: Case = { m: 1, n: 2, depths: [2], batch: 1, splits: 1, a: [Float32Array.of(2 ** -70, 2 ** -127)], b: [Float32Array.of(2 ** -70, 2, 1000, 2)] };
  const reference = referenceOf(of);
  expect(reference.sum[0]).toBeGreaterThan(2 ** -118);
  const flushed = Float32Array.of(0, 2 ** -69);
  expect(checkBounded(reference, bitsOf(flushed), 1).wrong).toBe(0);
});

test('a reference that lacks a device is a bug, not a verdict', () => {
  const of = generated(2, 2, even(2, 2), 1);
  const reference = newReference({ m: 2, n: 2, kTotal: 4, devices: 2, roundings: 4 }, Uint32Array.of(0, 1));
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
