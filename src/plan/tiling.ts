// Tiling: the output cut by tiles and by chunks. A *part* is what one tile has of one chunk; a *piece* is a
// wavefront's share of a part, the unit that the tracker counts; a *block* is T consecutive parts of a chunk,
// the unit that one DMA moves. Pieces are lists of runs (start, length) in their chunk's dense row-major
// memory, exactly as the footprint has them. The same on every device, since all run the same kernel.
import { chunkRange } from '../spec/chunks.ts';
import type { ChunkAxis } from '../spec/spec.ts';
import type { Footprint } from './footprint.ts';

/** A chunk's rectangle of the output. Its memory is dense and row-major. */
export interface Chunk {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly elements: number;
}

export interface Tiling {
  readonly m: number;
  readonly n: number;
  readonly axis: ChunkAxis;
  readonly grid: readonly [number, number, number];
  /** Workgroups of the kernel; those that store nothing have no part. */
  readonly tiles: number;
  readonly wavefronts: number;
  /** Of a batch, those of the first matrix come first: chunk b · devices + j is that of device j in matrix b. */
  readonly chunks: readonly Chunk[];
  /** Parts are ordered by (chunk, tile); `chunkParts[j]..chunkParts[j+1]` are those of chunk j. */
  readonly parts: number;
  readonly chunkParts: Int32Array;
  readonly partChunk: Int32Array;
  readonly partTile: Int32Array;
  /** `tileParts[t]` lists the parts of tile t, by chunk. */
  readonly tileParts: readonly (readonly number[])[];
  /** Piece = part · wavefronts + wavefront; a piece of 0 elements does not exist for the tracker. */
  readonly pieceElements: Int32Array;
  /** `runs[2i], runs[2i+1]` = start and length; those of piece p are `pieceRuns[p]..pieceRuns[p+1]`. */
  readonly pieceRuns: Int32Array;
  readonly runs: Uint32Array;
  /** Blocks are ordered by chunk; `blockParts[b]..blockParts[b+1]` are the parts of block b. */
  readonly blocks: number;
  readonly blockParts: Int32Array;
  readonly blockElements: Int32Array;
  readonly partBlock: Int32Array;
}

/** Cuts an output of m × n by its footprint into parts, pieces and runs, and its chunks into blocks of `blockTiles` parts. */
export function tilingOf(footprint: Footprint, axis: ChunkAxis, devices: number, blockTiles: number): Tiling {
  const { m, n, batch, grid, wavefronts } = footprint;
  const tiles = grid[0] * grid[1] * grid[2];
  const height = m / batch;
  const chunks = Array.from({ length: batch * devices }, (_, chunk): Chunk => {
    const matrix = Math.floor(chunk / devices);
    const { start, length } = chunkRange(axis === 'rows' ? height : n, devices, chunk % devices);
    const [row, column, rows, columns] = axis === 'rows' ? [start, 0, length, n] : [0, start, height, length];
    return { row: matrix * height + row, column, rows, columns, elements: rows * columns };
  });

  const tileParts: number[][] = Array.from({ length: tiles }, () => []);
  const partChunk: number[] = [];
  const partTile: number[] = [];
  const chunkParts = new Int32Array(chunks.length + 1);
  /** By part: elements and runs of each wavefront. */
  const elements: Int32Array[] = [];
  const runCounts: Int32Array[] = [];
  chunks.forEach((chunk, j) => {
    // Of the tiles that the chunk has, which of a large batch are few.
    const found = new Map<number, { elements: Int32Array; runs: Int32Array }>();
    eachRun(footprint, chunk, (who, _start, count) => {
      const tile = Math.floor(who / wavefronts);
      let of = found.get(tile);
      if (of === undefined) found.set(tile, (of = { elements: new Int32Array(wavefronts), runs: new Int32Array(wavefronts) }));
      of.elements[who - tile * wavefronts] += count;
      of.runs[who - tile * wavefronts]++;
    });
    for (const tile of Int32Array.from(found.keys()).sort()) {
      const of = found.get(tile)!;
      tileParts[tile].push(partChunk.length);
      partChunk.push(j);
      partTile.push(tile);
      elements.push(of.elements);
      runCounts.push(of.runs);
    }
    chunkParts[j + 1] = partChunk.length;
  });

  const parts = partChunk.length;
  const pieceElements = new Int32Array(parts * wavefronts);
  const pieceRuns = new Int32Array(parts * wavefronts + 1);
  for (let piece = 0; piece < parts * wavefronts; piece++) {
    const part = Math.floor(piece / wavefronts);
    pieceElements[piece] = elements[part][piece % wavefronts];
    pieceRuns[piece + 1] = pieceRuns[piece] + runCounts[part][piece % wavefronts];
  }
  const runs = new Uint32Array(2 * pieceRuns[parts * wavefronts]);
  const filled = pieceRuns.slice();
  const partOfTile = new Int32Array(tiles);
  chunks.forEach((chunk, j) => {
    for (let part = chunkParts[j]; part < chunkParts[j + 1]; part++) partOfTile[partTile[part]] = part;
    eachRun(footprint, chunk, (who, start, count) => {
      const tile = Math.floor(who / wavefronts);
      const at = filled[partOfTile[tile] * wavefronts + (who - tile * wavefronts)]++;
      runs[2 * at] = start;
      runs[2 * at + 1] = count;
    });
  });

  return {
    m, n, axis, grid, tiles, wavefronts, chunks, parts, chunkParts,
    partChunk: Int32Array.from(partChunk), partTile: Int32Array.from(partTile), tileParts,
    pieceElements, pieceRuns, runs,
    ...blocksOf({ chunkParts, pieceElements, wavefronts }, blockTiles),
  };
}

/** Cuts each chunk's parts, in order, into blocks of `blockTiles`. */
export function blocksOf({ chunkParts, pieceElements, wavefronts }: Pick<Tiling, 'chunkParts' | 'pieceElements' | 'wavefronts'>, blockTiles: number): Pick<Tiling, 'blocks' | 'blockParts' | 'blockElements' | 'partBlock'> {
  const blockParts = [0];
  const partBlock = new Int32Array(chunkParts[chunkParts.length - 1]);
  const blockElements: number[] = [];
  for (let j = 0; j + 1 < chunkParts.length; j++)
    for (let from = chunkParts[j]; from < chunkParts[j + 1]; from += blockTiles) {
      const to = Math.min(from + blockTiles, chunkParts[j + 1]);
      partBlock.fill(blockElements.length, from, to);
      blockElements.push(pieceElements.subarray(from * wavefronts, to * wavefronts).reduce((sum, count) => sum + count, 0));
      blockParts.push(to);
    }
  return { blocks: blockElements.length, blockParts: Int32Array.from(blockParts), blockElements: Int32Array.from(blockElements), partBlock };
}

/** Calls back for each maximal run of one owner in the chunk's dense memory: (owner, start, length). */
function eachRun({ n, owner }: Footprint, chunk: Chunk, run: (owner: number, start: number, length: number) => void): void {
  if (chunk.elements === 0) return;
  let who = -1;
  let start = 0;
  let dense = 0;
  for (let row = chunk.row; row < chunk.row + chunk.rows; row++)
    for (let at = row * n + chunk.column, end = at + chunk.columns; at < end; at++, dense++)
      if (owner[at] !== who) {
        if (dense > start) run(who, start, dense - start);
        who = owner[at];
        start = dense;
      }
  run(who, start, dense - start);
}

/** Index in its chunk's dense memory → (row, column) of the output. */
export function elementAt(chunk: Chunk, dense: number): { row: number; column: number } {
  const row = Math.floor(dense / chunk.columns);
  return { row: chunk.row + row, column: chunk.column + dense - row * chunk.columns };
}

/** The chunk that holds an element of the output. */
export const chunkAt = ({ chunks }: Pick<Tiling, 'chunks'>, row: number, column: number): number =>
  chunks.findIndex((chunk) => row - chunk.row >= 0 && row - chunk.row < chunk.rows && column - chunk.column >= 0 && column - chunk.column < chunk.columns);
