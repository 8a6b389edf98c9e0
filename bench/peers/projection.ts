// Whether C = A·B, for integer operands, by Freivalds' test over all elements: C·r against A·(B·r) for a seeded vector r of
// integers, in doubles that hold every sum exactly. A wrong row passes with a probability of at most 1 / `largest`;
// a row with one wrong element never does, since no element of r is 0.
import { mix } from '../../src/spec/operands.ts';
import type { GemmShape } from '../../src/spec/spec.ts';

/** Integers up to here are exact in f64. */
const EXACT = 2 ** 53;
/** Of the largest element of r. */
const MOST_BITS = 20;
const LEAST_BITS = 10;

export interface Projection {
  /** r, n integers in 1..largest. */
  readonly vector: Float64Array;
  readonly largest: number;
  /** A·(B·r), by row. */
  readonly expected: Float64Array;
  /** No element of a right C is larger. */
  readonly bound: number;
}

/**
 * @param range largest magnitude in `a` (m × k) and `b` (k × n), which hold integers
 * @returns null for a shape so large that sums could leave the doubles' exact integers
 */
export function project({ m, n, k }: GemmShape, a: Float32Array, b: Float32Array, range: number, seed = 1): Projection | null {
  const bound = range * range * k;
  const bits = Math.min(MOST_BITS, Math.floor(Math.log2(EXACT / (bound * n))));
  if (bits < LEAST_BITS) return null;
  const largest = 2 ** bits;
  const vector = Float64Array.from({ length: n }, (_, at) => 1 + (mix((mix(seed) + at) | 0) % largest));
  return { vector, largest, expected: times(a, times(b, vector, k, n), m, k), bound };
}

/** matrix (rows × columns) · vector. */
function times(matrix: Float32Array, vector: Float64Array, rows: number, columns: number): Float64Array {
  const product = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    const start = row * columns;
    for (let column = 0; column < columns; column++) sum += matrix[start + column] * vector[column];
    product[row] = sum;
  }
  return product;
}

/** What is wrong with `c` as A·B (with `negated`, −A·B); null when nothing is. */
export function verify({ m, n }: GemmShape, { vector, expected, bound }: Projection, c: Float32Array, negated: boolean): string | null {
  if (c.length !== m * n) return `${c.length} elements instead of ${m * n}`;
  // Only integers in range are added up exactly; a NaN fails both comparisons.
  const odd = c.findIndex((value) => !(Math.abs(value) <= bound && Number.isInteger(value)));
  if (odd >= 0) return `element (${Math.floor(odd / n)}, ${odd % n}) is ${c[odd]}, no integer of at most ${bound}`;
  const wrong: number[] = [];
  times(c, vector, m, n).forEach((sum, row) => {
    if (sum !== (negated ? -expected[row] : expected[row])) wrong.push(row);
  });
  return wrong.length === 0 ? null : `${wrong.length} of ${m} rows are wrong, the first is row ${wrong[0]}`;
}
