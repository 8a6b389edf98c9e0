// The built-in GEMM kernels as pure facts: which constants a shape and a tile set, how large their grid and workgroup
// are, which tiles they can take, and which tile is a good default. Both kernels lay their invocations out alike:
// tile m × n = (THREAD_M · LANES_Y) × (THREAD_N · LANES_X), an invocation owning one THREAD_M × THREAD_N rectangle.
// Any tile is correct for any shape; a default divides the chunks where it can, so that no tile straddles two.
import { bug } from '../errors.ts';
import type { ChunkAxis, GemmShape, Tile } from './spec.ts';

export interface TileLimits {
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupSizeX: number;
  readonly maxComputeWorkgroupSizeY: number;
  readonly maxComputeWorkgroupStorageSize: number;
}

/** What every WebGPU adapter grants; tiles are chosen within it, so that a Spec runs everywhere. */
export const BASE_LIMITS: TileLimits = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

export interface TileProblem {
  readonly what: string;
  readonly limit: string;
  readonly fix: string;
}

/** Elements of C, relative to the workgroup's tile. */
export interface LaneRectangle {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

export interface KernelDescription {
  /** Also the name of its file in `shaders/`. */
  readonly name: string;
  /** Values for the file's overrides. */
  constantsFor(shape: GemmShape, tile: Tile): Record<string, number>;
  /** Workgroups in x, y, z: x walks the columns of C, y its rows. */
  grid(shape: GemmShape, tile: Tile): [number, number, number];
  workgroupSize(tile: Tile): [number, number, number];
  /** What the invocation of this local index stores, edges of C aside. */
  laneRectangle(tile: Tile, localIndex: number): LaneRectangle;
  /** A good tile where C is scattered along `chunkAxis` in chunks of these sizes (empty ones allowed). */
  tileFor(shape: GemmShape, chunkAxis: ChunkAxis, chunkSizes: readonly number[]): Tile;
  /** Why the kernel cannot use this tile, if it cannot. */
  tileProblem(tile: Tile, limits?: TileLimits): TileProblem | undefined;
}

/** Largest register tile of either kernel, by the fixed arrays in their text. */
const MAX_THREAD = 16;
/** Elements of C per invocation beyond which the unrolled text grows and registers spill, for little gain. */
const MAX_THREAD_ELEMENTS = 64;
/** Steps of k that gemm-register can hold in flight, by the fixed arrays in its text. */
const MAX_STEP_K = 4;
const MAX_TILE_K = 64;

export const KERNELS: readonly KernelDescription[] = [
  {
    ...tiledKernel('gemm-register', 2),
    // It stages nothing, so that a deep tile has no meaning beyond the loads in flight.
    constantsFor: (shape, tile) => ({ ...sharedConstants(shape, tile), STEP_K: Math.min(tile.k, MAX_STEP_K) }),
    tileProblem: (tile, limits = BASE_LIMITS) => layoutProblem(tile, limits),
  },
  {
    ...tiledKernel('gemm-workgroup', 16),
    constantsFor: (shape, tile) => ({ ...sharedConstants(shape, tile), TILE_K: tile.k }),
    tileProblem: (tile, limits = BASE_LIMITS) => layoutProblem(tile, limits) ?? slabProblem(tile, limits),
  },
];

export function kernelNamed(name: string): KernelDescription | undefined {
  return KERNELS.find((kernel) => kernel.name === name);
}

export function kernelNames(): string[] {
  return KERNELS.map(({ name }) => name);
}

function tiledKernel(name: string, defaultK: number): Pick<KernelDescription, 'name' | 'grid' | 'workgroupSize' | 'laneRectangle' | 'tileFor'> {
  return {
    name,
    grid: ({ m, n }, tile) => [Math.ceil(n / tile.n), Math.ceil(m / tile.m), 1],
    workgroupSize: (tile) => {
      const { lanesX, lanesY } = layoutOf(tile);
      return [lanesX, lanesY, 1];
    },
    laneRectangle: (tile, localIndex) => {
      const { threadM, threadN, lanesX } = layoutOf(tile);
      return { row: Math.floor(localIndex / lanesX) * threadM, column: (localIndex % lanesX) * threadN, rows: threadM, columns: threadN };
    },
    tileFor: (shape, chunkAxis, chunkSizes) => ({ ...defaultTile(shape, chunkAxis, chunkSizes), k: defaultK }),
  };
}

function sharedConstants({ m, n, k }: GemmShape, tile: Tile): Record<string, number> {
  const { threadM, threadN, lanesX, lanesY } = layoutOf(tile);
  return { M: m, N: n, K: k, THREAD_M: threadM, THREAD_N: threadN, LANES_X: lanesX, LANES_Y: lanesY };
}

// ── From a tile to threads and lanes ─────────────────────────────────────────────────────────────────────────────

interface Layout {
  readonly threadM: number;
  readonly threadN: number;
  readonly lanesX: number;
  readonly lanesY: number;
}

function layoutOf(tile: Pick<Tile, 'm' | 'n'>): Layout {
  const layout = bestLayout(tile);
  if (layout === undefined) throw bug('a tile that was never checked', { actual: tile });
  return layout;
}

/** The cheapest layout that every adapter can run; a function of the tile alone. */
function bestLayout(tile: Pick<Tile, 'm' | 'n'>): Layout | undefined {
  const runnable = layouts(tile).filter((layout) => lanesOf(layout) <= BASE_LIMITS.maxComputeInvocationsPerWorkgroup);
  return least(runnable, cost);
}

function layouts({ m, n }: Pick<Tile, 'm' | 'n'>): Layout[] {
  return divisors(m, MAX_THREAD).flatMap((threadM) =>
    divisors(n, Math.min(MAX_THREAD, Math.floor(MAX_THREAD_ELEMENTS / threadM))).map((threadN) => ({ threadM, threadN, lanesX: n / threadN, lanesY: m / threadM })),
  );
}

function lanesOf({ lanesX, lanesY }: Layout): number {
  return lanesX * lanesY;
}

/** The first of those that are least by `of`. */
function least<T>(all: readonly T[], of: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>((best, one) => (best === undefined || of(one) < of(best) ? one : best), undefined);
}

/** Relative time per multiply-add. Fitted to a software adapter (subgroups of 4), where loads are what costs. */
function cost(layout: Layout): number {
  const lanes = lanesOf(layout);
  const loads = 0.3 + 1 / layout.threadM + 1 / layout.threadN;
  const idleLanes = (Math.ceil(lanes / 4) * 4) / lanes;
  // Few lanes leave a GPU idle; many make a workgroup run long, and a stage end raggedly.
  const unhandy = Math.max(0, Math.log2(16 / lanes), Math.log2(lanes / 64));
  // Long and thin register tiles spill: 16 × 4 takes 1.2 times as long as 8 × 8 with as many sums.
  const spills = Math.max(layout.threadM, layout.threadN) > 8 ? 1.2 : 1;
  return loads * idleLanes * spills * (1 + 0.1 * unhandy);
}

function divisors(length: number, largest: number): number[] {
  const all: number[] = [];
  for (let candidate = 1; candidate <= Math.min(length, largest); candidate++) if (length % candidate === 0) all.push(candidate);
  return all;
}

function layoutProblem(tile: Tile, limits: TileLimits): TileProblem | undefined {
  const { m, n, k } = tile;
  if (![m, n, k].every((length) => Number.isInteger(length) && length >= 1)) {
    return { what: 'its sizes are no positive whole numbers', limit: '1', fix: 'write --tile as MxNxK, e.g. 32x28x2' };
  }
  if (k > MAX_TILE_K) return { what: `k is ${k}`, limit: `k ≤ ${MAX_TILE_K}`, fix: `use a k of at most ${MAX_TILE_K}` };
  const layout = bestLayout(tile);
  if (layout === undefined) {
    return {
      what: `it needs ${Math.min(...layouts(tile).map(lanesOf))} invocations, since one computes at most ${MAX_THREAD_ELEMENTS} elements, a rectangle whose sides divide ${m} and ${n} and are at most ${MAX_THREAD}`,
      limit: `${BASE_LIMITS.maxComputeInvocationsPerWorkgroup} invocations per workgroup`,
      fix: 'use sizes with small factors, e.g. multiples of 8, up to 128x128',
    };
  }
  const { lanesX, lanesY } = layout;
  if (lanesX * lanesY > limits.maxComputeInvocationsPerWorkgroup || lanesX > limits.maxComputeWorkgroupSizeX || lanesY > limits.maxComputeWorkgroupSizeY) {
    return {
      what: `its workgroup is ${lanesX} x ${lanesY}`,
      limit: `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${limits.maxComputeWorkgroupSizeX} x ${limits.maxComputeWorkgroupSizeY}, on this adapter`,
      fix: 'use a smaller tile',
    };
  }
  return undefined;
}

function slabProblem({ m, n, k }: Tile, limits: TileLimits): TileProblem | undefined {
  const bytes = 4 * k * (m + n);
  if (bytes <= limits.maxComputeWorkgroupStorageSize) return undefined;
  const most = Math.floor(limits.maxComputeWorkgroupStorageSize / (4 * (m + n)));
  return {
    what: `its slabs take 4·k·(m + n) = ${bytes} bytes of workgroup memory`,
    limit: `${limits.maxComputeWorkgroupStorageSize} bytes`,
    fix: most >= 1 ? `use a k of at most ${most}` : 'use a smaller tile',
  };
}

// ── The default tile ─────────────────────────────────────────────────────────────────────────────────────────────

/** Tiles per chunk at which four stages of a step each fill a small machine. */
const TILES_PER_CHUNK = 128;
const LARGEST_DEFAULT = 64;
/** How much slower a tile that divides the chunks may be and still be taken: straddling tiles trigger late. */
const WORTH_DIVIDING = 2;

function defaultTile({ m, n }: GemmShape, chunkAxis: ChunkAxis, chunkSizes: readonly number[]): { m: number; n: number } {
  const chunks = chunkSizes.filter((size) => size > 0);
  const rows = chunkAxis === 'rows' ? chunks : [m];
  const columns = chunkAxis === 'columns' ? chunks : [n];

  function score(tile: { m: number; n: number }): number {
    const layout = bestLayout(tile);
    if (layout === undefined) return Infinity;
    const tooFew = Math.max(0, Math.log2((TILES_PER_CHUNK * chunks.length) / (Math.ceil(m / tile.m) * Math.ceil(n / tile.n))));
    const divides = chunks.length === 1 || chunks.every((size) => size % (chunkAxis === 'rows' ? tile.m : tile.n) === 0);
    // Of two that are alike, the squarer one reads less.
    const shape = 1 + 0.001 * Math.abs(Math.log2(tile.m / tile.n));
    return cost(layout) * beyondEdge(m, tile.m) * beyondEdge(n, tile.n) * straddling(tile.m, rows) * straddling(tile.n, columns) * (1 + 0.05 * tooFew) * (divides ? 1 : WORTH_DIVIDING) * shape;
  }

  const tiles = candidates(m, rows).flatMap((tileM) => candidates(n, columns).map((tileN) => ({ m: tileM, n: tileN, score: score({ m: tileM, n: tileN }) })));
  const best = least(tiles, (tile) => tile.score);
  if (best === undefined) throw bug('no candidate for a default tile', { actual: { m, n } });
  return { m: best.m, n: best.n };
}

/** Powers of two, divisors of the chunks, and even splits of the length. */
function candidates(length: number, chunks: readonly number[]): number[] {
  const all = new Set<number>();
  for (let power = 1; power <= LARGEST_DEFAULT && power < 2 * length; power *= 2) all.add(power);
  for (const size of new Set(chunks)) for (const divisor of divisors(size, LARGEST_DEFAULT)) all.add(divisor);
  for (let parts = 1; parts <= 8; parts++) {
    const part = Math.ceil(length / parts);
    if (part <= LARGEST_DEFAULT) all.add(part);
  }
  return [...all].sort((one, other) => other - one);
}

/** Work over useful work: tiles reach over the edge of C. */
function beyondEdge(length: number, tile: number): number {
  return (Math.ceil(length / tile) * tile) / length;
}

/** What tiles that touch several chunks cost: they are dispatched apart, and their stores go through a branch. */
function straddling(tile: number, chunks: readonly number[]): number {
  let start = 0;
  let touched = 0;
  for (const size of chunks) {
    touched += Math.floor((start + size - 1) / tile) - Math.floor(start / tile) + 1;
    start += size;
  }
  const tiles = Math.ceil(start / tile);
  return 1 + 0.4 * (touched / tiles - 1);
}
