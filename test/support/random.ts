// A seeded generator for what a property test leaves to chance: the same seed gives the same run, so that a
// failing case shrinks and can be run again.

export type Random = (below: number) => number;

/** Whole numbers in 0..below−1 (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** A copy in random order. */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  const copy = [...list];
  for (let last = copy.length - 1; last > 0; last--) {
    const at = random(last + 1);
    [copy[last], copy[at]] = [copy[at], copy[last]];
  }
  return copy;
}
