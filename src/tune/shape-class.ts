// Shapes for which one tile choice does: each length within the same power of two, and whether rows of B and C, and of A, are
// whole vectors of four (kernels with vec4 access care). A choice made for one shape is taken for others of its class;
// any tile is right for any shape, so that at worst it is not the fastest.
import type { GemmShape } from '../spec/spec.ts';

/** E.g. `m≤256 n≤8192 k≤4096 vec4`. */
export function shapeClass({ m, n, k }: GemmShape): string {
  const bound = (length: number): number => 2 ** Math.ceil(Math.log2(length));
  return `m≤${bound(m)} n≤${bound(n)} k≤${bound(k)}${n % 4 === 0 && k % 4 === 0 ? ' vec4' : ''}`;
}
