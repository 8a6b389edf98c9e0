// How much of a result is checked, and at what cost: `full` compares every element with a reference, which costs as much
// as the run; `projection` is Freivalds' test over all elements of an exact result (projection.ts), and of a real
// one the comparisons on seeded rows (bounded.ts) with the plan order of the tiles that a few of them touch.
// It is a choice of the run and no part of its Spec: the bits are the same.

export const CHECKS = ['projection', 'full'] as const;
export type CheckChoice = (typeof CHECKS)[number];

/** FLOP of a run (two per product, all devices) above which a check that costs as much is not the default. */
export const FULL_BY_DEFAULT_FLOP = 2e9;

/** @param rows of C, those of all matrices of a batch */
export function checkChoice({ gemm: { n, kTotal } }: { readonly gemm: { readonly n: number; readonly kTotal: number } }, rows: number, asked?: CheckChoice): { readonly choice: CheckChoice; readonly reason: string } {
  if (asked !== undefined) return { choice: asked, reason: 'asked for' };
  const choice = 2 * rows * n * kTotal > FULL_BY_DEFAULT_FLOP ? 'projection' : 'full';
  return { choice, reason: `the default ${choice === 'projection' ? 'above' : 'up to'} ${FULL_BY_DEFAULT_FLOP / 1e9} GFLOP` };
}
