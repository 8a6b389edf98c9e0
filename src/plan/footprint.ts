// Footprint: which wavefront of which workgroup stores each element of the output. The emulation finds it
// by running the kernel (gpu/probe.ts); for the built-in kernels it is also known from their lane layout, so
// that a Plan can be made without a GPU. Nothing about a tile is assumed: not that it is a rectangle, not
// that ids go row by row.
import { bug } from '../errors.ts';
import type { LaneRectangle } from '../spec/kernel-layouts.ts';
import { kernelNamed } from '../spec/kernels.ts';
import type { ChunkAxis, Spec } from '../spec/spec.ts';

export interface Footprint {
  /** Rows and columns of the output; the matrices of a batch lie one below the other. */
  readonly m: number;
  readonly n: number;
  /** Matrices, of m / batch rows each. */
  readonly batch: number;
  /** Dispatch grid of the kernel; a virtual workgroup's linear id is x + gridX · (y + gridY · z). */
  readonly grid: readonly [number, number, number];
  /** Virtual wavefronts per workgroup: ⌈workgroup size / wavefront⌉. */
  readonly wavefronts: number;
  /** For each element, row-major: workgroup · wavefronts + wavefront; of the first split, where there are several. */
  readonly owner: Uint32Array;
  /** Split-K: `twins[s][w]` is the workgroup of split s + 1 that stores what workgroup w of split 0 stores. Empty with one split. */
  readonly twins: readonly Uint32Array[];
}

/**
 * Footprint of a kernel whose workgroups cover the rectangles of a grid of tiles, their lanes rectangles of a tile; x walks columns
 * or rows of tiles, y the other.
 * @throws BUG when the lanes leave an element uncovered
 */
export function gridFootprint(
  { m, n }: { m: number; n: number },
  tile: { m: number; n: number },
  grid: readonly [number, number, number],
  lanes: readonly (readonly LaneRectangle[])[],
  wavefront: number,
  walks: ChunkAxis = 'columns',
): Footprint {
  const wavefronts = Math.ceil(lanes.length / wavefront);
  const owner = new Uint32Array(m * n).fill(0xffffffff);
  // Wavefront of each element within a tile, once; then stamped over the grid.
  const within = new Int32Array(tile.m * tile.n).fill(-1);
  lanes.forEach((rectangles, index) => {
    for (const { row, column, rows, columns } of rectangles)
      for (let r = row; r < row + rows; r++) within.fill(Math.floor(index / wavefront), r * tile.n + column, r * tile.n + column + columns);
  });
  if (within.includes(-1)) throw bug('the lanes of a built-in kernel do not cover its tile');
  for (let row = 0; row < m; row++) {
    const y = Math.floor(row / tile.m);
    for (let column = 0; column < n; column++) {
      const x = Math.floor(column / tile.n);
      owner[row * n + column] = (walks === 'columns' ? x + grid[0] * y : y + grid[0] * x) * wavefronts + within[(row - y * tile.m) * tile.n + (column - x * tile.n)];
    }
  }
  return { m, n, batch: 1, grid, wavefronts, owner, twins: [] };
}

/** Footprint of a built-in kernel by its lane layout; a test holds it against the probe. */
export function builtInFootprint({ kernel: choice, gemm, wavefront }: Pick<Spec, 'kernel' | 'gemm' | 'wavefront'>): Footprint {
  const kernel = kernelNamed(choice.name);
  if (kernel === undefined || choice.kind !== 'built-in') throw bug(`no built-in kernel ${choice.name}`);
  const { tile } = choice;
  const [x, y, z] = kernel.workgroupSize(tile);
  const lanes = Array.from({ length: x * y * z }, (_, lane) => kernel.laneRectangles(tile, lane));
  const footprint = gridFootprint(gemm, tile, kernel.grid(gemm, tile, choice.splits), lanes, wavefront, kernel.walks);
  const tiles = footprint.grid[0] * footprint.grid[1];
  return { ...footprint, twins: Array.from({ length: choice.splits - 1 }, (_, split) => Uint32Array.from({ length: tiles }, (_, tile) => (split + 1) * tiles + tile)) };
}
