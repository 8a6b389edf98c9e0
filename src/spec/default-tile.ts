// A good tile for a shape whose output is cut into chunks: cheap for its kernel, small at the edges, dividing the chunks
// where it can, so that no tile straddles two, and enough of them for stages that fill a small machine.
import { bug } from '../errors.ts';
import { stagesPerStep } from './chunks.ts';
import { divisors } from './kernel-layouts.ts';
import type { ChunkAxis, GemmShape, Tile } from './spec.ts';

type Side = Pick<Tile, 'm' | 'n'>;

/** Tiles by which a stage takes longer than its share of the work: cores that have none left wait for the last ones. */
const RAGGED_END = 1.5;
/** How much slower a tile that divides the chunks may be and still be taken: straddling tiles trigger late. */
const WORTH_DIVIDING = 2;

/** Of the sides of a tile: multiples of `unit`, at most `largest`; and by how much of its time a tile is slower for each chunk more that it touches. */
export interface Sides {
  readonly unit: number;
  readonly largest: Side;
  readonly straddling: number;
}

/**
 * @param costOf relative time per multiply-add at a tile, undefined where the kernel cannot take it
 */
export function defaultTile({ m, n }: GemmShape, chunkAxis: ChunkAxis, chunkSizes: readonly number[], sides: Sides, costOf: (tile: Side) => number | undefined): Side {
  const chunks = chunkSizes.filter((size) => size > 0);
  const rows = chunkAxis === 'rows' ? chunks : [m];
  const columns = chunkAxis === 'columns' ? chunks : [n];

  function score(tile: Side): number {
    const cost = costOf(tile);
    if (cost === undefined) return Infinity;
    const stageTiles = (Math.ceil(m / tile.m) * Math.ceil(n / tile.n)) / chunks.length / stagesPerStep(chunkSizes.length);
    const divides = chunks.length === 1 || chunks.every((size) => size % (chunkAxis === 'rows' ? tile.m : tile.n) === 0);
    // Of two that are alike, the squarer one reads less.
    const shape = 1 + 0.001 * Math.abs(Math.log2(tile.m / tile.n));
    return cost * beyondEdge(m, tile.m) * beyondEdge(n, tile.n) * (1 + sides.straddling * (touched(tile.m, rows) * touched(tile.n, columns) - 1)) * (1 + Math.min(1, RAGGED_END / stageTiles)) * (divides ? 1 : WORTH_DIVIDING) * shape;
  }

  const tiles = candidateSides(m, rows, sides.unit, sides.largest.m).flatMap((tileM) => candidateSides(n, columns, sides.unit, sides.largest.n).map((tileN) => ({ m: tileM, n: tileN, score: score({ m: tileM, n: tileN }) })));
  const best = least(tiles, (tile) => tile.score);
  if (best === undefined) throw bug('no candidate for a default tile', { actual: { m, n } });
  return { m: best.m, n: best.n };
}

/** Powers of two, divisors of the chunks, and even splits of the length, as far as they are multiples of the unit. */
export function candidateSides(length: number, chunks: readonly number[], unit: number, largest: number): number[] {
  const all = new Set<number>();
  for (let power = unit; power <= largest && (power < 2 * length || power === unit); power *= 2) all.add(power);
  for (const size of new Set(chunks)) for (const divisor of divisors(size, largest)) if (divisor % unit === 0) all.add(divisor);
  for (let parts = 1; parts <= 8; parts++) {
    const part = Math.ceil(length / parts / unit) * unit;
    if (part <= largest) all.add(part);
  }
  return [...all].sort((one, other) => other - one);
}

/** The first of those that are least by `of`. */
export function least<T>(all: readonly T[], of: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>((best, one) => (best === undefined || of(one) < of(best) ? one : best), undefined);
}

/** Work over useful work: tiles reach over the edge of C. */
function beyondEdge(length: number, tile: number): number {
  return (Math.ceil(length / tile) * tile) / length;
}

/** Chunks that a tile touches, of all tiles in the mean. */
function touched(tile: number, chunks: readonly number[]): number {
  let start = 0;
  let sum = 0;
  for (const size of chunks) {
    sum += Math.floor((start + size - 1) / tile) - Math.floor(start / tile) + 1;
    start += size;
  }
  return sum / Math.ceil(start / tile);
}
