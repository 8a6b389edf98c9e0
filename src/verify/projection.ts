// Freivalds' test over all elements of an exact result (R. Freivalds, "Probabilistic machines can use less running time",
// IFIP 1977; Motwani and Raghavan, "Randomized Algorithms", §7.1): C·x must be Σ_d A_d·(B_d·x), modulo a prime p, in
// exact integer arithmetic. Elements are bits first: what is no whole number within the proven limit is wrong at once.
// What is left differs from the right value by less than p, so a wrong element is a non-zero one of D = C − Σ A_d·B_d
// modulo p too. For a row d ≠ 0 of D and x uniform over Z_p, d·x is uniform, thus 0 with probability 1/p; r
// vectors drawn apart pass a wrong C with probability at most p^−r, whatever is wrong with it, as long as that was
// not made up from the vectors. These are seeded: a run is a function of its Spec.
import { bug } from '../errors.ts';
import { F32_EXACT_LIMIT } from '../spec/exactness.ts';
import { mix } from '../spec/operands.ts';

/** p = 2^26 − 5, a prime above any difference of two whole numbers up to 2^24; folding by 2^26 ≡ 5 costs no division. */
export const MODULUS = 2 ** 26 - 5;
/** r: vectors of a test. */
export const VECTORS = 3;

/** The formula of the head of this file: p^−r. */
export const escapeProbability = (vectors = VECTORS): number => MODULUS ** -vectors;

/** In 0..p − 1; of a whole number up to 2^53 in magnitude. */
export function residueOf(value: number): number {
  const residue = value % MODULUS;
  return residue < 0 ? residue + MODULUS : residue;
}

/** Of residues (or whole numbers up to 2^26): their product stays below 2^53. */
export const multiplied = (one: number, other: number): number => residueOf(one * other);

/** Draws above this are thrown away: 64 whole turns of p fit into 32 bits, and what is left over would favour some residues. */
const FAIR = 64 * MODULUS;

/** `VECTORS` vectors of residues around 0 (|x| ≤ (p − 1) / 2), element by element: x[i · VECTORS + v]. Uniform as far as the hash is. */
export function vectorsOf(seed: number, length: number): Int32Array<ArrayBuffer> {
  const vectors = new Int32Array(length * VECTORS);
  // Apart from the operands' streams: another constant, and no device.
  let state = mix(mix((seed + 0x3c6ef372) | 0) ^ 0xa54ff53a);
  for (let at = 0; at < vectors.length; at++) {
    let drawn;
    do {
      state = (state + 0x9e3779b9) >>> 0;
      drawn = mix(mix(state) ^ 0x510e527f);
    } while (drawn >= FAIR);
    const residue = drawn % MODULUS;
    vectors[at] = residue > MODULUS / 2 ? residue - MODULUS : residue;
  }
  return vectors;
}

export interface Projected {
  /** rows × VECTORS residues. */
  readonly sums: Float64Array;
  /** Elements looked at. */
  readonly elements: number;
  /** Elements whose bits are no whole number of units within the limit, and where the first one is (row-major); −1 where there is none. */
  readonly improper: number;
  readonly firstImproper: number;
}

/** Products of 2^24 · 2^25 that fit, with what was summed before, below 2^53. */
const BETWEEN_FOLDS = 8;

/**
 * values·x by rows, in units of 1 / `units` (a power of two; what an element is a whole multiple of).
 * @param values row-major, `n` columns @param vectors n × VECTORS
 */
export function projected(values: Float32Array, n: number, vectors: Int32Array, units = 1, limit = F32_EXACT_LIMIT): Projected {
  const rows = values.length / n;
  const sums = new Float64Array(rows * VECTORS);
  const [x0, x1, x2] = Array.from({ length: VECTORS }, (_, v) => Float64Array.from({ length: n }, (_, column) => vectors[column * VECTORS + v]));
  let improper = 0;
  let firstImproper = -1;
  for (let row = 0; row < rows; row++) {
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    const at = row * n;
    for (let from = 0; from < n; from += BETWEEN_FOLDS) {
      const end = Math.min(n, from + BETWEEN_FOLDS);
      for (let column = from; column < end; column++) {
        const scaled = values[at + column] * units;
        // `| 0` makes whole numbers of NaN and the infinities too, which are not equal to what they came from; −0 becomes 0.
        const whole = scaled | 0;
        if (whole !== scaled || whole > limit || whole < -limit) {
          if (improper++ === 0) firstImproper = at + column;
          continue;
        }
        s0 += whole * x0[column];
        s1 += whole * x1[column];
        s2 += whole * x2[column];
      }
      s0 = folded(s0);
      s1 = folded(s1);
      s2 = folded(s2);
    }
    sums[row * VECTORS] = residueOf(s0);
    sums[row * VECTORS + 1] = residueOf(s1);
    sums[row * VECTORS + 2] = residueOf(s2);
  }
  return { sums, elements: values.length, improper, firstImproper };
}

/** A small representative of the same residue, |result| < p: f64 arithmetic on whole numbers below 2^53 is exact, and `%` is slow. */
function folded(value: number): number {
  return value - Math.round(value * (1 / MODULUS)) * MODULUS;
}

/** The first row that holds an improper element or whose sums are not the expected ones; −1 where there is none. */
export function firstWrongRow({ sums, firstImproper }: Projected, expected: Float64Array, n: number): number {
  if (sums.length !== expected.length) throw bug('a projection of another result', { actual: sums.length, limit: expected.length });
  const differs = sums.findIndex((sum, at) => sum !== expected[at]);
  const rows = [...(differs < 0 ? [] : [Math.floor(differs / VECTORS)]), ...(firstImproper < 0 ? [] : [Math.floor(firstImproper / n)])];
  return rows.length === 0 ? -1 : Math.min(...rows);
}
