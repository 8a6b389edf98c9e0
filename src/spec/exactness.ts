// The proof behind exact mode: with integer operands, every partial sum in every order is exactly
// representable, so the tolerance of the check is zero. Proven before a run from the operands' magnitudes
// alone; where the proof fails, the Spec is refused (NOT_EXACT), not run with a tolerance.

import { NO_EPILOGUE, type Epilogue } from './kernel-bindings.ts';

/** Integers up to here (2^p for a significand of p bits) are exact in f32. */
export const F32_EXACT_LIMIT = 2 ** 24;
/** Largest magnitude that generated exact operands take. */
export const MAX_RANGE = 4;

/** Magnitudes of integer operands; K is the full one, over all devices. */
export interface Magnitudes {
  readonly maxA: number;
  /** Needed unless `columnSumB` is given. */
  readonly maxB?: number;
  readonly kTotal: number;
  /** Largest sum of |b| over a column of B, all devices; kTotal · maxB where it is not known. */
  readonly columnSumB?: number;
  /** Largest sum of |a| over a row of A, all devices; kTotal · maxA where it is not known. */
  readonly rowSumA?: number;
}

export interface ExactProof {
  readonly holds: boolean;
  /** No partial sum of any subset of the products, in any order, exceeds this. */
  readonly bound: number;
  readonly limit: number;
}

/**
 * |Σ a·b| over any subset of a row's and a column's products ≤ max|a| · Σ|b| (and ≤ max|b| · Σ|a|), and integers up to
 * `limit` are exact: so every product, every FMA and every sum is, whatever the order and however it is contracted.
 */
export function proveExact({ maxA, maxB, kTotal, columnSumB, rowSumA }: Magnitudes, limit = F32_EXACT_LIMIT): ExactProof {
  const byColumns = maxA * (columnSumB ?? kTotal * (maxB ?? Number.POSITIVE_INFINITY));
  const byRows = (maxB ?? Number.POSITIVE_INFINITY) * (rowSumA ?? kTotal * maxA);
  const bound = Math.min(byColumns, byRows);
  // `<=` and not `!(>)`: a NaN proves nothing.
  return { holds: bound <= limit, bound, limit };
}

/**
 * The proof for generated operands, bias and residual in −range..range and C = alpha·A·B + bias + beta·residual. alpha and
 * beta are f32, so whole multiples of some 2^−q, and so is all that is added up: it is exact as long as it stays below
 * 2^24 of these units. The product alone, before it is scaled, counts in ones.
 */
export function proveGenerated(range: number, kTotal: number, epilogue: Epilogue, limit = F32_EXACT_LIMIT): ExactProof {
  const { alpha, bias, residual } = epilogue;
  const product = proveExact({ maxA: range, maxB: range, kTotal }, limit);
  const beta = residual?.beta ?? 0;
  const units = unitsOf(epilogue);
  const scaled = units * (Math.abs(alpha) * range * range * kTotal + (bias === null ? 0 : range) + Math.abs(beta) * range);
  const bound = Math.max(product.bound, scaled);
  return { holds: bound <= limit, bound, limit };
}

/** 2^q of the proof above: elements of C are whole multiples of 1 / units. */
export function unitsOf({ alpha, residual }: Epilogue): number {
  let units = 1;
  while (!Number.isInteger(alpha * units) || !Number.isInteger((residual?.beta ?? 0) * units)) units *= 2;
  return units;
}

/** Largest r ≤ 4 for which generated values in −r..r over `kTotal` products are proven exact; 0 where none is. */
export function largestRange(kTotal: number, epilogue: Epilogue = NO_EPILOGUE, limit = F32_EXACT_LIMIT): number {
  for (let r = MAX_RANGE; r >= 1; r--) {
    if (proveGenerated(r, kTotal, epilogue, limit).holds) return r;
  }
  return 0;
}
