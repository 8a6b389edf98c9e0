// Real mode: the result against a float64 reference, under a bound derived per element from K, the number of
// updates and f32's unit roundoff, never a flat epsilon. All elements up to 2 GFLOP; above that whole rows,
// one from each of equal strata by seed, at least 1 % of them. A bound that a zero matrix would pass is refused.
//
// The bound. c = Σ over all K products, at most k of them on one device, whose sums come as U updates (one a device, or
// with split-K one for each split of each). On its way to ĉ a product meets its own rounding, at most k − 1
// additions in its device and at most U − 1 of updates, in whatever order and grouping, fused or not: at most
// R = k + U factors (1 + δ), |δ| ≤ u. So |ĉ − c| ≤ γ_R · Σ|a||b| with γ_j = j·u / (1 − j·u) (Higham, "Accuracy and
// Stability of Numerical Algorithms", 2nd ed., §3.1, Lemma 3.1 and (3.5)). u = 2⁻²⁴, for adapters round to
// nearest; WGSL alone would also let them round to the other neighbour, with u = 2⁻²³.
//
// WGSL may flush subnormals, as inputs and as results. A flushed result loses at most η = 2⁻¹²⁶, for each of at
// most K products and K additions; a flushed operand loses a product of at most η·max|b| or η·max|a|. These
// errors meet later roundings too: K · η · (2 + max|a| + max|b|) · (1 + γ_R). The reference itself, in float64 with exact
// products, is off by at most γ of u = 2⁻⁵³ over K additions, which is added as well.
import { bug, TilewireError } from '../errors.ts';
import { mix } from '../spec/operands.ts';

/** f32's unit roundoff, and the smallest normal f32. */
const U32 = 2 ** -24;
const U64 = 2 ** -53;
const ETA = 2 ** -126;
const EXPONENT = 0x7f800000;

/** Up to here, in FLOP (two per product), every element is checked. */
export const FULL_CHECK_FLOP = 2e9;
const LEAST_SHARE = 0.01;

export interface CheckedRows {
  /** Ascending rows of C. */
  readonly rows: Uint32Array;
  /** Share of all elements that lie in these rows. */
  readonly coverage: number;
}

/** Rows to check of an m × n result with `kTotal` products per element (over all devices): all, or one per stratum. */
export function rowsToCheck(m: number, n: number, kTotal: number, seed: number): CheckedRows {
  const affordable = Math.floor(FULL_CHECK_FLOP / (2 * n * kTotal));
  const count = Math.min(m, Math.max(affordable, Math.ceil(m * LEAST_SHARE)));
  const rows = Uint32Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * m) / count);
    const to = Math.floor(((i + 1) * m) / count);
    return from + (mix((mix(seed) + i) | 0) % (to - from));
  });
  return { rows, coverage: count / m };
}

export interface ReferenceShape {
  /** Rows of one matrix of the batch; that of C, where there is one only. */
  readonly m: number;
  readonly n: number;
  /** Products of an element, over all devices; more, where an epilogue makes as much of their errors. */
  readonly kTotal: number;
  readonly devices: number;
  /** R of the head of this file. */
  readonly roundings: number;
}

/** The float64 reference of some rows of C, summed up device by device. */
export interface Reference extends ReferenceShape {
  /** Rows of C in question, in order; those of a batch go on from matrix to matrix. */
  readonly rows: Uint32Array;
  /** rows.length × n: Σ a·b, and Σ |a||b|. */
  readonly sum: Float64Array;
  readonly magnitude: Float64Array;
  maxA: number;
  maxB: number;
  /** Devices added so far. */
  added: number;
}

export function newReference(shape: ReferenceShape, rows: Uint32Array): Reference {
  const elements = rows.length * shape.n;
  return { ...shape, rows, sum: new Float64Array(elements), magnitude: new Float64Array(elements), maxA: 0, maxB: 0, added: 0 };
}

/** C = alpha · C + bias + residual, once all devices are added; the addends of an element of C. */
export function addEpilogue({ rows, n, sum, magnitude }: Reference, alpha: number, addends: (row: number, column: number) => { readonly bias: number; readonly residual: number }): void {
  for (let at = 0; at < sum.length; at++) {
    const { bias, residual } = addends(rows[Math.floor(at / n)], at % n);
    sum[at] = alpha * sum[at] + bias + residual;
    magnitude[at] = Math.abs(alpha) * magnitude[at] + Math.abs(bias) + Math.abs(residual);
  }
}

/** A panel of B that stays in the cache while all rows pass over it: 64 × 512 f32 = 128 KiB. */
const PANEL_K = 64;
const PANEL_N = 512;

/** Adds one device: `a` holds only the reference's rows (rows.length × k), `b` is k × n for each matrix of the batch, all row-major. */
export function addDevice(reference: Reference, a: Float32Array, b: Float32Array): void {
  const { m, n, sum, magnitude } = reference;
  const rows = reference.rows.length;
  const k = a.length / rows;
  const matrixOf = Array.from(reference.rows, (row) => Math.floor(row / m) * k);
  for (let k0 = 0; k0 < k; k0 += PANEL_K) {
    const kEnd = Math.min(k, k0 + PANEL_K);
    for (let n0 = 0; n0 < n; n0 += PANEL_N) {
      const width = Math.min(n, n0 + PANEL_N) - n0;
      for (let row = 0; row < rows; row++) addPanelRow(sum, magnitude, row * n + n0, a, row * k, k0, kEnd, b, matrixOf[row], n, n0, width);
    }
  }
  reference.maxA = Math.max(reference.maxA, largest(a));
  reference.maxB = Math.max(reference.maxB, largest(b));
  reference.added++;
}

/** sum[at + j] += Σ over k0 ≤ kk < kEnd of a[aAt + kk] · b[(bRow + kk)·n + n0 + j], j < width; products of two f32 are exact in f64. */
function addPanelRow(
  sum: Float64Array, magnitude: Float64Array, at: number,
  a: Float32Array, aAt: number, k0: number, kEnd: number,
  b: Float32Array, bRow: number, n: number, n0: number, width: number,
): void {
  let kk = k0;
  // Four of k at a time: one load and store of the sums for four products.
  for (; kk + 4 <= kEnd; kk += 4) {
    const a0 = a[aAt + kk];
    const a1 = a[aAt + kk + 1];
    const a2 = a[aAt + kk + 2];
    const a3 = a[aAt + kk + 3];
    const b0 = (bRow + kk) * n + n0;
    const b1 = b0 + n;
    const b2 = b1 + n;
    const b3 = b2 + n;
    for (let j = 0; j < width; j++) {
      const p0 = a0 * b[b0 + j];
      const p1 = a1 * b[b1 + j];
      const p2 = a2 * b[b2 + j];
      const p3 = a3 * b[b3 + j];
      sum[at + j] += p0 + p1 + (p2 + p3);
      magnitude[at + j] += Math.abs(p0) + Math.abs(p1) + (Math.abs(p2) + Math.abs(p3));
    }
  }
  for (; kk < kEnd; kk++) {
    const a0 = a[aAt + kk];
    const b0 = (bRow + kk) * n + n0;
    for (let j = 0; j < width; j++) {
      const p = a0 * b[b0 + j];
      sum[at + j] += p;
      magnitude[at + j] += Math.abs(p);
    }
  }
}

function largest(values: Float32Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/** Bound of |ĉ − c| for one element with Σ|a||b| = `magnitude`; see the head of this file. */
export function errorBound(magnitude: number, roundings: number, kTotal: number, maxA: number, maxB: number): number {
  const g = gamma(roundings, U32);
  return g * magnitude + kTotal * ETA * (2 + maxA + maxB) * (1 + g) + gamma(kTotal, U64) * magnitude;
}

function gamma(j: number, u: number): number {
  return j * u < 1 ? (j * u) / (1 - j * u) : Number.POSITIVE_INFINITY;
}

export interface BoundedCheck {
  /** Elements compared, and their share of the whole result. */
  readonly checked: number;
  readonly coverage: number;
  readonly wrong: number;
  /** Largest |ĉ − c| over the finite elements, and the bound at that element. */
  readonly maxError: number;
  readonly boundThere: number;
  /** In row-major order; `row` is the row of C, `bits` those of the actual value. */
  readonly first: readonly { readonly row: number; readonly column: number; readonly expected: number; readonly bits: number; readonly bound: number }[];
}

/**
 * Compares the reference's rows with the result: `actual` holds their f32 bits, rows.length × n, row-major; `allRows` is
 * how many the whole result has. Non-finite is wrong whatever the bound. VACUOUS_BOUND where a matrix of zeros would pass.
 */
export function checkBounded(reference: Reference, actual: Uint32Array, allRows: number, most = 16): BoundedCheck {
  const { rows, n, kTotal, roundings, devices, sum, magnitude, maxA, maxB } = reference;
  if (reference.added !== devices || actual.length !== sum.length || sum.length === 0) {
    throw bug('the reference and the result do not belong together', { actual: { added: reference.added, elements: actual.length }, limit: { added: devices, elements: sum.length } });
  }
  const values = new Float32Array(actual.buffer, actual.byteOffset, actual.length);
  const first: BoundedCheck['first'][number][] = [];
  let wrong = 0;
  let maxError = 0;
  let boundThere = errorBound(magnitude[0], roundings, kTotal, maxA, maxB);
  let zeroPasses = true;
  for (let i = 0; i < sum.length; i++) {
    const bound = errorBound(magnitude[i], roundings, kTotal, maxA, maxB);
    const finite = (actual[i] & EXPONENT) !== EXPONENT;
    const error = Math.abs(values[i] - sum[i]);
    if (Math.abs(sum[i]) > bound) zeroPasses = false;
    if (finite && error > maxError) {
      maxError = error;
      boundThere = bound;
    }
    if (finite && error <= bound) continue;
    wrong++;
    if (first.length < most) first.push({ row: rows[Math.floor(i / n)], column: i % n, expected: sum[i], bits: actual[i], bound });
  }
  if (zeroPasses) {
    throw new TilewireError('VACUOUS_BOUND', 'the error bound is so loose that a matrix of zeros would pass', {
      path: 'operands',
      actual: `largest |c| ${largest64(sum)} under a bound of ${boundThere}`,
      limit: 'some |c| above its bound',
      fix: 'use operands whose products do not cancel or vanish, or a smaller k, or --operands exact',
    });
  }
  return { checked: sum.length, coverage: rows.length / allRows, wrong, maxError, boundThere, first };
}

function largest64(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
