// The built-in GEMM kernels as pure facts: what they need of an adapter, which constants a shape and a tile set, how
// large their grid and workgroup are, which tiles they can take, and which tile is a good default. Any tile is correct
// for any shape; a default divides the chunks where it can, so that no tile straddles two.
import { bug } from '../errors.ts';
import { candidateSides, defaultTile, least } from './default-tile.ts';
import { BASE_LIMITS, MATRICES, QUADS, RECTANGLES, SKINNY, VECTORS, type Family, type LaneRectangle, type Layout, type TileLimits } from './kernel-layouts.ts';
import type { AdapterTraits, ChunkAxis, GemmShape, Tile } from './spec.ts';

export interface TileProblem {
  readonly what: string;
  readonly limit: string;
  readonly fix: string;
}

export interface KernelDescription {
  readonly name: string;
  /** Of an adapter; empty where it runs on every one. */
  readonly needs: readonly Exclude<keyof AdapterTraits, 'isFallback' | 'triggerCost'>[];
  /** It takes A and B as f16, so that its operands are other values: nothing chooses it unless it is named. */
  readonly halves: boolean;
  /** Values for the file's overrides; `splits` of K, each a plain partial product of its own. */
  constantsFor(shape: GemmShape, tile: Tile, splits?: number): Record<string, number>;
  /** What workgroup_id.x walks; workgroup_id.y walks the other. */
  readonly walks: ChunkAxis;
  /** Workgroups in x, y, z: two of C, in the order of {@link walks}, and the splits of K. */
  grid(shape: GemmShape, tile: Tile, splits?: number): [number, number, number];
  workgroupSize(tile: Tile): readonly [number, number, number];
  /** What the invocation of this local index stores, edges of C aside. */
  laneRectangles(tile: Tile, localIndex: number): readonly LaneRectangle[];
  /** A good tile where C is scattered along `chunkAxis` in chunks of these sizes (empty ones allowed). */
  tileFor(shape: GemmShape, chunkAxis: ChunkAxis, chunkSizes: readonly number[]): Tile;
  /** Why the kernel cannot use this tile, if it cannot. */
  tileProblem(tile: Tile, limits?: TileLimits): TileProblem | undefined;
  /** Tiles worth a try at this shape, those that should be fast first. */
  tilesWorthTrying(shape: GemmShape, chunkAxis: ChunkAxis, chunkSizes: readonly number[]): Tile[];
}

interface KernelFacts {
  readonly name: string;
  readonly needs: KernelDescription['needs'];
  readonly halves?: boolean;
  /** `columns`, unless told. */
  readonly walks?: ChunkAxis;
  readonly family: Family;
  /** Steps of k in flight, or k of a slab. */
  readonly defaultK: number;
  readonly otherK: readonly number[];
  readonly mostK: number;
  /** Besides sizes and layout. */
  more(shape: GemmShape, tile: Tile, splits: number, lanes: number): Record<string, number>;
  /** Bytes of workgroup memory, which grow with k. */
  workgroupBytes(tile: Tile): number;
}

/** Steps of k that gemm-register can hold in flight, by the fixed arrays in its text. */
const MOST_REGISTER_STEPS = 4;

export const KERNELS: readonly KernelDescription[] = [
  // It stages nothing, so that a deep tile has no meaning beyond the loads in flight.
  described({ name: 'gemm-register', needs: [], family: RECTANGLES, defaultK: 2, otherK: [1, 4], mostK: 64, more: (_shape, { k }) => ({ STEP_K: Math.min(k, MOST_REGISTER_STEPS) }), workgroupBytes: () => 0 }),
  described({ name: 'gemm-workgroup', needs: [], family: RECTANGLES, defaultK: 16, otherK: [8, 32], mostK: 64, more: (_shape, { k }) => ({ TILE_K: k }), workgroupBytes: ({ m, n, k }) => 4 * k * (m + n) }),
  described({ name: 'gemm-quad', needs: ['quads'], walks: 'rows', family: QUADS, defaultK: 4, otherK: [6, 8], mostK: 16, more: quadConstants, workgroupBytes: () => 0 }),
  described({ name: 'gemm-vector', needs: [], family: VECTORS, defaultK: 16, otherK: [8, 4, 32], mostK: 64, more: (...of) => ({ ...vectorConstants(...of), HALF: 0 }), workgroupBytes: ({ m, n, k }) => 8 * k * (m + n) }),
  described({ name: 'gemm-skinny', needs: [], family: SKINNY, defaultK: 32, otherK: [4, 16, 64], mostK: 256, more: () => ({}), workgroupBytes: ({ m, n, k }) => (k === 4 ? 0 : k * m * n) }),
  // gemm-vector with A and B in half the bytes.
  described({ name: 'gemm-half', needs: ['f16'], halves: true, family: VECTORS, defaultK: 16, otherK: [32, 8, 4], mostK: 64, more: (...of) => ({ ...vectorConstants(...of), HALF: 1 }), workgroupBytes: ({ m, n, k }) => 4 * k * (m + n) }),
  described({ name: 'gemm-matrix', needs: ['f16', 'matrices'], halves: true, family: MATRICES, defaultK: 32, otherK: [16], mostK: 64, more: (shape, tile, splits) => ({ TILE_K: tile.k, SLICE: Math.ceil(shape.k / splits), EMULATED: 0 }), workgroupBytes: matrixBytes }),
];

export function kernelNamed(name: string): KernelDescription | undefined {
  return KERNELS.find((kernel) => kernel.name === name);
}

export function kernelNames(): string[] {
  return KERNELS.map(({ name }) => name);
}

/** Whether an adapter can run it. Where nothing is known of the adapter, only what runs everywhere. */
export function runsOn({ needs }: KernelDescription, traits: AdapterTraits | undefined): boolean {
  return needs.every((need) => traits?.[need] === true);
}

/** Which of them are tried, and chosen, where none is named: those that take the operands as they are. */
export const isChosenUnnamed = (kernel: KernelDescription, traits: AdapterTraits | undefined): boolean => !kernel.halves && runsOn(kernel, traits);

/** The kernel that suits this adapter: on software adapters as measured, on others by what GPUs are known to want; where nothing is known, one that runs everywhere. */
export function defaultKernel({ m }: Pick<GemmShape, 'm'>, traits: AdapterTraits | undefined): string {
  if (traits === undefined) return 'gemm-register';
  if (!traits.isFallback) return m <= SKINNY.largest.m ? 'gemm-skinny' : 'gemm-vector';
  return traits.quads ? 'gemm-quad' : 'gemm-register';
}

function described({ name, needs, halves = false, walks = 'columns', family, defaultK, otherK, mostK, more, workgroupBytes }: KernelFacts): KernelDescription {
  const layoutOf = (tile: Tile): Layout => {
    const layout = cheapest(family, tile);
    if (layout === undefined) throw bug('a tile that was never checked', { actual: tile });
    return layout;
  };
  const tileProblem: KernelDescription['tileProblem'] = (tile, limits = BASE_LIMITS) => layoutProblem(family, tile, mostK, limits) ?? memoryProblem(tile, workgroupBytes, limits);
  // The default depth, or the next one that a small tile can be had with.
  const depthOf = (sides: Pick<Tile, 'm' | 'n'>): number | undefined => [defaultK, ...otherK].find((k) => tileProblem({ ...sides, k }) === undefined);
  const costOf = (sides: Pick<Tile, 'm' | 'n'>): number | undefined => {
    const k = depthOf(sides);
    return k === undefined ? undefined : layoutOf({ ...sides, k }).cost;
  };
  return {
    name,
    needs,
    halves,
    walks,
    constantsFor: (shape, tile, splits = 1) => {
      const { constants, workgroupSize: [x, y] } = layoutOf(tile);
      return { M: shape.m, N: shape.n, K: shape.k, SPLITS: splits, ...constants, ...more(shape, tile, splits, x * y) };
    },
    grid: ({ m, n }, tile, splits = 1) => {
      const [rows, columns] = [Math.ceil(m / tile.m), Math.ceil(n / tile.n)];
      return walks === 'columns' ? [columns, rows, splits] : [rows, columns, splits];
    },
    workgroupSize: (tile) => layoutOf(tile).workgroupSize,
    laneRectangles: (tile, localIndex) => layoutOf(tile).rectangles(localIndex),
    tileFor: (shape, chunkAxis, chunkSizes) => {
      const sides = defaultTile(shape, chunkAxis, chunkSizes, family, costOf);
      return { ...sides, k: depthOf(sides)! };
    },
    tileProblem,
    tilesWorthTrying: ({ m, n }, chunkAxis, chunkSizes) => {
      const sides = (length: number, axis: ChunkAxis, largest: number): number[] => candidateSides(length, axis === chunkAxis ? chunkSizes.filter((size) => size > 0) : [length], family.unit, 2 * largest);
      const tiles = sides(m, 'rows', family.largest.m).flatMap((tileM) => sides(n, 'columns', family.largest.n).flatMap((tileN) => [defaultK, ...otherK].map((tileK) => ({ m: tileM, n: tileN, k: tileK }))));
      const estimate = (tile: Tile): number => ((Math.ceil(m / tile.m) * tile.m) / m) * ((Math.ceil(n / tile.n) * tile.n) / n) * layoutOf(tile).cost;
      // Of equals the smaller, of which there are more: cores that are done wait less for the last. And the best of each register tile
      // before the second of any: more or fewer of the same differ little.
      const ahead = new Map<string, number>();
      return tiles
        .filter((tile) => tileProblem(tile) === undefined)
        .map((tile) => ({ tile, estimate: estimate(tile) }))
        .toSorted((one, other) => one.estimate - other.estimate || one.tile.m * one.tile.n - other.tile.m * other.tile.n)
        .map(({ tile }) => {
          const [{ rows, columns }] = layoutOf(tile).rectangles(0);
          const key = `${rows} ${columns} ${tile.k}`;
          const place = ahead.get(key) ?? 0;
          ahead.set(key, place + 1);
          return { tile, place };
        })
        .toSorted((one, other) => one.place - other.place)
        .map(({ tile }) => tile);
    },
  };
}

/** Vectors where rows of A and slices of K, or rows of B, begin at a multiple of 4. */
function vectorConstants({ n, k }: GemmShape, tile: Tile, splits: number, lanes: number): Record<string, number> {
  return {
    TILE_K: tile.k,
    VECTOR_A: k % 4 === 0 ? 1 : 0,
    VECTOR_B: n % 4 === 0 ? 1 : 0,
    SLICE: sliceOf(k, splits, k % 4 === 0),
    LOADS_A: Math.ceil((tile.m * tile.k) / 16 / lanes),
    LOADS_B: Math.ceil((tile.k * tile.n) / 4 / lanes),
  };
}

/** Vectors of A where its rows, slices of K and passes of the loop begin at a multiple of 4. */
function quadConstants({ k }: GemmShape, tile: Tile, splits: number): Record<string, number> {
  const vectors = k % 4 === 0 && tile.k % 4 === 0;
  return { STEP_K: tile.k, VECTOR_A: vectors ? 1 : 0, SLICE: sliceOf(k, splits, vectors) };
}

/** Elements of K in a slice: where it is read as vectors, whole ones. */
const sliceOf = (k: number, splits: number, vectors: boolean): number => (vectors ? Math.ceil(k / splits / 4) * 4 : Math.ceil(k / splits));

/** Slabs of f16, and a matrix of f32 for each subgroup on its way to C. */
function matrixBytes(tile: Tile): number {
  return 2 * tile.k * (tile.m + tile.n) + (cheapest(MATRICES, tile)?.workgroupSize[0] ?? 0) * 32;
}

/** A function of the tile alone. */
const cheapest = (family: Family, tile: Tile): Layout | undefined => least(family.layouts(tile), ({ cost }) => cost);

function layoutProblem(family: Family, tile: Tile, mostK: number, limits: TileLimits): TileProblem | undefined {
  const { m, n, k } = tile;
  if (![m, n, k].every((length) => Number.isInteger(length) && length >= 1)) {
    return { what: 'its sizes are no positive whole numbers', limit: '1', fix: 'write --tile as MxNxK, e.g. 32x28x2' };
  }
  if (k > mostK) return { what: `k is ${k}`, limit: `k ≤ ${mostK}`, fix: `use a k of at most ${mostK}` };
  const layout = cheapest(family, tile);
  if (layout === undefined) return { what: 'no workgroup covers it', limit: family.needs, fix: 'use sizes with small factors, e.g. multiples of 8, up to 128x128' };
  const [x, y] = layout.workgroupSize;
  if (x * y > limits.maxComputeInvocationsPerWorkgroup || x > limits.maxComputeWorkgroupSizeX || y > limits.maxComputeWorkgroupSizeY) {
    return {
      what: `its workgroup is ${x} x ${y}`,
      limit: `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${limits.maxComputeWorkgroupSizeX} x ${limits.maxComputeWorkgroupSizeY}, on this adapter`,
      fix: 'use a smaller tile',
    };
  }
  return undefined;
}

function memoryProblem(tile: Tile, bytesOf: (tile: Tile) => number, { maxComputeWorkgroupStorageSize: limit }: TileLimits): TileProblem | undefined {
  const bytes = bytesOf(tile);
  if (bytes <= limit) return undefined;
  const most = Math.floor(limit / (bytes / tile.k));
  return { what: `it takes ${bytes} bytes of workgroup memory`, limit: `${limit} bytes`, fix: most >= 1 ? `use a k of at most ${most}` : 'use a smaller tile' };
}
