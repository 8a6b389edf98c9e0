// The tiling of a kernel whose tiles are a grid of rectangles, in closed form: what tilingOf makes of such a kernel's
// footprint, without an owner for each element, so that it takes an output of 10^8 elements as it takes one of 10^4.
// Memory and time grow with pieces and their runs (a run for each row of a piece), not with elements.
import { chunkRange } from '../spec/chunks.ts';
import type { ChunkAxis } from '../spec/spec.ts';
import { blocksOf, type Chunk, type Tiling } from './tiling.ts';

export interface GridKernel {
  readonly m: number;
  readonly n: number;
  /** What a workgroup covers of the output; those at the edges less. */
  readonly tile: { readonly m: number; readonly n: number };
  /** Wavefronts of a workgroup as rows and columns of equal rectangles of its tile; the sides must divide it. */
  readonly waves: { readonly m: number; readonly n: number };
  /**
   * Order of the workgroups' ids: groups of so many tile rows, down each group's columns one after another; 1 is row by
   * row. Kernels do this to find more of their operands in the cache.
   */
  readonly swizzle: number;
  /** Split-K: workgroups of each tile, those of split s + 1 behind all of split s (`twinsOf`). One, where left out. */
  readonly splits?: number;
}

/** Tile row and column of each workgroup by its id: `places[2·id]`, `places[2·id + 1]`. */
export function placesOf({ m, n, tile, swizzle }: Omit<GridKernel, 'waves' | 'splits'>): Int32Array {
  const rows = Math.ceil(m / tile.m);
  const columns = Math.ceil(n / tile.n);
  const places = new Int32Array(2 * rows * columns);
  let id = 0;
  for (let first = 0; first < rows; first += swizzle)
    for (let column = 0; column < columns; column++)
      for (let row = first; row < Math.min(first + swizzle, rows); row++, id++) {
        places[2 * id] = row;
        places[2 * id + 1] = column;
      }
  return places;
}

/** For each further split, the workgroup of each tile: what a Plan calls its twins. */
export function twinsOf({ m, n, tile, splits = 1 }: GridKernel): Uint32Array[] {
  const tiles = Math.ceil(m / tile.m) * Math.ceil(n / tile.n);
  return Array.from({ length: splits - 1 }, (_, further) => Uint32Array.from({ length: tiles }, (_, id) => (further + 1) * tiles + id));
}

export function gridTiling(kernel: GridKernel, axis: ChunkAxis, devices: number, blockTiles: number): Tiling {
  const { m, n, tile, waves, splits = 1 } = kernel;
  const places = placesOf(kernel);
  const rows = Math.ceil(m / tile.m);
  const columns = Math.ceil(n / tile.n);
  const tiles = rows * columns;
  const idAt = new Int32Array(tiles);
  for (let id = 0; id < tiles; id++) idAt[places[2 * id] * columns + places[2 * id + 1]] = id;
  const wavefronts = waves.m * waves.n;
  const wave = { m: tile.m / waves.m, n: tile.n / waves.n };

  const chunks = Array.from({ length: devices }, (_, j): Chunk => {
    const { start, length } = chunkRange(axis === 'rows' ? m : n, devices, j);
    return axis === 'rows' ? { row: start, column: 0, rows: length, columns: n, elements: length * n } : { row: 0, column: start, rows: m, columns: length, elements: m * length };
  });
  // A tile has its parts from split 0; its twins have none of their own.
  const tileParts: number[][] = Array.from({ length: tiles * splits }, () => []);
  const partChunk: number[] = [];
  const partTile: number[] = [];
  const chunkParts = new Int32Array(devices + 1);
  chunks.forEach((chunk, j) => {
    if (chunk.elements > 0) {
      const found: number[] = [];
      for (let row = Math.floor(chunk.row / tile.m); row * tile.m < chunk.row + chunk.rows; row++)
        for (let column = Math.floor(chunk.column / tile.n); column * tile.n < chunk.column + chunk.columns; column++) found.push(idAt[row * columns + column]);
      for (const id of found.sort((a, b) => a - b)) {
        tileParts[id].push(partChunk.length);
        partChunk.push(j);
        partTile.push(id);
      }
    }
    chunkParts[j + 1] = partChunk.length;
  });

  const parts = partChunk.length;
  const pieceElements = new Int32Array(parts * wavefronts);
  const pieceRuns = new Int32Array(parts * wavefronts + 1);
  /** Of each piece: first element in the chunk's memory, columns; rows follow from its elements. */
  const firsts = new Float64Array(parts * wavefronts);
  const widths = new Int32Array(parts * wavefronts);
  for (let part = 0; part < parts; part++) {
    const chunk = chunks[partChunk[part]];
    const top = places[2 * partTile[part]] * tile.m;
    const left = places[2 * partTile[part] + 1] * tile.n;
    for (let wavefront = 0; wavefront < wavefronts; wavefront++) {
      const piece = part * wavefronts + wavefront;
      const waveTop = top + Math.floor(wavefront / waves.n) * wave.m;
      const waveLeft = left + (wavefront % waves.n) * wave.n;
      const row = Math.max(chunk.row, waveTop);
      const column = Math.max(chunk.column, waveLeft);
      const height = Math.max(0, Math.min(chunk.row + chunk.rows, waveTop + wave.m) - row);
      const width = Math.max(0, Math.min(chunk.column + chunk.columns, waveLeft + wave.n) - column);
      pieceElements[piece] = height * width;
      firsts[piece] = (row - chunk.row) * chunk.columns + column - chunk.column;
      widths[piece] = width;
      // As wide as the chunk, it is one stretch of its memory.
      pieceRuns[piece + 1] = pieceRuns[piece] + (height * width === 0 ? 0 : width === chunk.columns ? 1 : height);
    }
  }
  const runs = new Uint32Array(2 * pieceRuns[parts * wavefronts]);
  for (let piece = 0; piece < parts * wavefronts; piece++) {
    const pitch = chunks[partChunk[Math.floor(piece / wavefronts)]].columns;
    const count = pieceRuns[piece + 1] - pieceRuns[piece];
    const length = count === 0 ? 0 : pieceElements[piece] / count;
    for (let run = 0; run < count; run++) {
      const at = 2 * (pieceRuns[piece] + run);
      runs[at] = firsts[piece] + run * pitch;
      runs[at + 1] = length;
    }
  }

  return { m, n, axis, grid: [columns, rows, splits], tiles: tiles * splits, wavefronts, chunks, parts, chunkParts, partChunk: Int32Array.from(partChunk), partTile: Int32Array.from(partTile), tileParts, pieceElements, pieceRuns, runs, ...blocksOf({ chunkParts, pieceElements, wavefronts }, blockTiles) };
}
