// The exact comparison rule, on bits: values are never compared as floats, because WGSL (and a compiler) may
// assume that there are no NaNs. The proof that lets a run demand equality is in spec/exactness.ts, where a
// Spec is made.

/** What outputs are filled with before a run: a NaN with a payload that no arithmetic makes up. */
export const POISON_BITS = 0x7fc0dead;

const EXPONENT = 0x7f800000;

/**
 * The bit rule, on two f32 as u32: an infinity or NaN (exponent all ones) is always wrong, even where it was expected;
 * −0 equals +0; all else must be equal bit for bit.
 */
export function bitsWrong(expected: number, actual: number): boolean {
  if ((actual & EXPONENT) === EXPONENT) return true;
  const bothZero = ((expected | actual) & 0x7fffffff) === 0;
  return !bothZero && expected >>> 0 !== actual >>> 0;
}
