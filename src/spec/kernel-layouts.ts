// From a tile to invocations: how the workgroup of a built-in kernel covers the rectangle of C that is its tile, which
// constants say that to its text, and what it costs. One family for each way in which the kernels divide their work.
import type { Tile } from './spec.ts';

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

/** Elements of C, relative to the workgroup's tile. */
export interface LaneRectangle {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

export interface Layout {
  readonly workgroupSize: readonly [number, number, number];
  /** Overrides of the kernel's text that say it. */
  readonly constants: Readonly<Record<string, number>>;
  /** Relative time per multiply-add, comparable within a family. */
  readonly cost: number;
  /** What the invocation of this local index stores, edges of C aside. */
  rectangles(localIndex: number): readonly LaneRectangle[];
}

/** The ways in which a kernel can cover a tile. */
export interface Family {
  /** All that a workgroup of any adapter has room for; empty where a tile cannot be covered. */
  layouts(tile: Tile): readonly Layout[];
  /** What to say about a tile that has none. */
  readonly needs: string;
  /** Sides of C's tiles are multiples of it. */
  readonly unit: number;
  /** Longest sides of a default tile. */
  readonly largest: { readonly m: number; readonly n: number };
  /** How much slower a tile is for each chunk more that it touches, as a share of its time. */
  readonly straddling: number;
}

/** Where each chunk is a buffer of its own: such tiles are dispatched apart, and their stores go through a branch. */
const STRADDLING = 0.4;
/** Where all are ranges of one, as on software adapters: measured at 64 × 64 over 16 chunks at k = 266, 0.13 in all. */
const STRADDLING_TOGETHER = 0.01;

// ── An invocation owns one rectangle ─────────────────────────────────────────────────────────────────────────────

/** Longest side of a register tile, by the fixed arrays in the kernels' text. */
const MAX_THREAD = 16;
/** Elements of C per invocation beyond which the unrolled text grows and registers spill, for little gain. */
const MAX_THREAD_ELEMENTS = 64;

/** gemm-register and gemm-workgroup: tile m × n = (THREAD_M · LANES_Y) × (THREAD_N · LANES_X). */
export const RECTANGLES: Family = {
  unit: 1,
  largest: { m: 64, n: 64 },
  straddling: STRADDLING,
  needs: `at most ${BASE_LIMITS.maxComputeInvocationsPerWorkgroup} invocations, each a rectangle of at most ${MAX_THREAD_ELEMENTS} elements whose sides divide the tile's and are at most ${MAX_THREAD}`,
  layouts: ({ m, n }) =>
    divisors(m, MAX_THREAD).flatMap((threadM) =>
      divisors(n, Math.min(MAX_THREAD, Math.floor(MAX_THREAD_ELEMENTS / threadM))).flatMap((threadN) => {
        const [lanesX, lanesY] = [n / threadN, m / threadM];
        return lanesX * lanesY <= BASE_LIMITS.maxComputeInvocationsPerWorkgroup ? [rectangles(threadM, threadN, lanesX, lanesY)] : [];
      }),
    ),
};

function rectangles(threadM: number, threadN: number, lanesX: number, lanesY: number): Layout {
  return {
    workgroupSize: [lanesX, lanesY, 1],
    constants: { THREAD_M: threadM, THREAD_N: threadN, LANES_X: lanesX, LANES_Y: lanesY },
    cost: rectangleCost(threadM, threadN, lanesX * lanesY),
    rectangles: (localIndex) => [{ row: Math.floor(localIndex / lanesX) * threadM, column: (localIndex % lanesX) * threadN, rows: threadM, columns: threadN }],
  };
}

/** Fitted to a software adapter (subgroups of 4), where loads are what costs. */
function rectangleCost(threadM: number, threadN: number, lanes: number): number {
  const loads = 0.3 + 1 / threadM + 1 / threadN;
  const idleLanes = (Math.ceil(lanes / 4) * 4) / lanes;
  // Few lanes leave a GPU idle; many make a workgroup run long, and a stage end raggedly.
  const unhandy = Math.max(0, Math.log2(16 / lanes), Math.log2(lanes / 64));
  // Long and thin register tiles spill: 16 × 4 takes 1.2 times as long as 8 × 8 with as many sums.
  const spills = Math.max(threadM, threadN) > 8 ? 1.2 : 1;
  return loads * idleLanes * spills * (1 + 0.1 * unhandy);
}

// ── Four invocations share rows and columns ──────────────────────────────────────────────────────────────────────

/** Beyond these gemm-quad gains nothing. */
const MAX_QUAD_ROWS = 16;
const MAX_QUAD_COLUMNS = 32;
/** Sums of an invocation, and multiply-adds in a pass of its loop, beyond which the text no longer fits a core's caches. */
const MAX_QUAD_ELEMENTS = 1280;
const MAX_QUAD_TEXT = 10_000;

/** gemm-quad: tile m × n = (4 · ROWS · QUADS_Y) × (4 · COLUMNS · QUADS_X). */
export const QUADS: Family = {
  unit: 4,
  largest: { m: 128, n: 128 },
  straddling: STRADDLING_TOGETHER,
  needs: `sides that are multiples of 4, and at most ${BASE_LIMITS.maxComputeInvocationsPerWorkgroup / 4} quads of at most ${4 * MAX_QUAD_ROWS} rows and ${4 * MAX_QUAD_COLUMNS} columns`,
  layouts: ({ m, n, k }) =>
    m % 4 !== 0 || n % 4 !== 0
      ? []
      : divisors(m / 4, MAX_QUAD_ROWS).flatMap((rows) =>
          divisors(n / 4, Math.min(MAX_QUAD_COLUMNS, Math.floor(Math.min(MAX_QUAD_ELEMENTS, MAX_QUAD_TEXT / k) / (4 * rows)))).flatMap((columns) => {
            const [quadsX, quadsY] = [n / 4 / columns, m / 4 / rows];
            return 4 * quadsX * quadsY <= BASE_LIMITS.maxComputeInvocationsPerWorkgroup ? [quads(rows, columns, quadsX, quadsY, k)] : [];
          }),
        ),
};

function quads(rows: number, columns: number, quadsX: number, quadsY: number, step: number): Layout {
  const count = quadsX * quadsY;
  return {
    workgroupSize: [4 * count, 1, 1],
    constants: { ROWS: rows, COLUMNS: columns, QUADS_X: quadsX, QUADS_Y: quadsY, LANES: 4 * count },
    cost: quadCost(rows, columns) * passCost(step) * (1 + 0.05 * Math.max(0, Math.log2(count / 4))),
    rectangles: (localIndex) => {
      const quad = Math.floor(localIndex / 4);
      return [{ row: Math.floor(quad / quadsX) * 4 * rows, column: ((quad % quadsX) * 4 + (localIndex % 4)) * columns, rows: 4 * rows, columns }];
    },
  };
}

/**
 * Nanoseconds of four lanes' multiply-add on the software adapter that it was fitted to, within 10 % from 16 × 4 to
 * 64 × 19 (rows × columns of a lane): 1, and its share of ROWS + COLUMNS loads and 3·ROWS swaps.
 */
const quadCost = (rows: number, columns: number): number => 1 + 5.5 * (1 / (4 * rows) + 1 / (4 * columns)) + (2.9 * 0.75) / columns;

/** Of a pass of the loop each sum has a share, whatever its depth: measured there at depths of 4 to 16 with sums of 32 × 19. */
const passCost = (step: number): number => 1 + 1.5 / step;

// ── An invocation owns one rectangle, four elements at a time ────────────────────────────────────────────────────

/** Elements of a slab that an invocation of gemm-vector loads ahead; more of them take compilers for ever. */
const MOST_STAGED = 32;

/** gemm-vector: rectangles whose sides are multiples of 4, at a depth that is one. */
export const VECTORS: Family = {
  unit: 4,
  largest: { m: 128, n: 128 },
  straddling: STRADDLING,
  needs: `multiples of 4 throughout, and at most ${BASE_LIMITS.maxComputeInvocationsPerWorkgroup} invocations, each a rectangle of at most ${MAX_THREAD_ELEMENTS} elements with sides of 4, 8 or 16, so many that none loads more than 32 elements of a slab`,
  layouts: (tile) => (tile.k % 4 !== 0 ? [] : RECTANGLES.layouts(tile).filter(({ constants: { THREAD_M, THREAD_N, LANES_X, LANES_Y } }) => THREAD_M % 4 === 0 && THREAD_N % 4 === 0 && ((tile.m + tile.n) * tile.k) / (LANES_X * LANES_Y) <= MOST_STAGED).map((layout) => ({ ...layout, cost: vectorCost(layout) }))),
};

/** By the reads of workgroup memory for each multiply-add, and whether there are lanes enough to hide what they take; not fitted to any adapter. */
function vectorCost({ constants: { THREAD_M, THREAD_N }, workgroupSize: [x, y] }: Layout): number {
  return (1 + 1 / THREAD_M + 1 / THREAD_N) * (1 + 0.2 * Math.max(0, Math.log2(64 / (x * y))));
}

// ── Invocations share the elements of k ──────────────────────────────────────────────────────────────────────────

/** Elements of k that an invocation of gemm-skinny takes per pass of its loop. */
const SKINNY_STEP = 4;
const MOST_SKINNY_ROWS = 16;

/** gemm-skinny: tile m × n = ROWS × (LANES_X · COLUMNS), and k = 4 · LANES_Y; one of its LANES_Y rows of invocations stores. */
export const SKINNY: Family = {
  unit: 1,
  largest: { m: MOST_SKINNY_ROWS, n: 128 },
  straddling: STRADDLING,
  needs: `at most ${MOST_SKINNY_ROWS} rows, a k of ${SKINNY_STEP} times the invocations that share it, and at most ${BASE_LIMITS.maxComputeInvocationsPerWorkgroup} invocations with at most ${MAX_THREAD} columns each`,
  layouts: ({ m, n, k }) => {
    const lanesY = k / SKINNY_STEP;
    if (m > MOST_SKINNY_ROWS || !Number.isInteger(lanesY)) return [];
    return divisors(n, Math.min(MAX_THREAD, Math.floor(128 / m))).flatMap((columns) => {
      const lanesX = n / columns;
      if (lanesX * lanesY > BASE_LIMITS.maxComputeInvocationsPerWorkgroup) return [];
      return [
        {
          workgroupSize: [lanesX, lanesY, 1] as const,
          constants: { ROWS: m, COLUMNS: columns, LANES_X: lanesX, LANES_Y: lanesY, STEP_K: SKINNY_STEP },
          // Loads for each multiply-add; neighbours that load neighbours.
          cost: (0.3 + 1 / m + 1 / columns) * (1 + 0.1 * Math.max(0, Math.log2(16 / lanesX))),
          rectangles: (localIndex: number) => (localIndex < lanesX ? [{ row: 0, column: localIndex * columns, rows: m, columns }] : []),
        },
      ];
    });
  },
};

// ── Subgroups share matrices ─────────────────────────────────────────────────────────────────────────────────────

/** Rows, columns and depth of a subgroup's matrices, and the lanes of a subgroup. */
const MATRIX = 16;
const SUBGROUP = 32;
/** Matrices of C that a subgroup sums at once, in either direction. */
const MOST_MATRICES = 4;

/** gemm-matrix: tile m × n = (16 · ROWS · SUBGROUPS_Y) × (16 · COLUMNS · SUBGROUPS_X), k a multiple of 16. */
export const MATRICES: Family = {
  unit: MATRIX,
  largest: { m: 128, n: 128 },
  straddling: STRADDLING,
  needs: `multiples of ${MATRIX} throughout, and at most ${BASE_LIMITS.maxComputeInvocationsPerWorkgroup / SUBGROUP} subgroups of at most ${MOST_MATRICES} x ${MOST_MATRICES} matrices of ${MATRIX} x ${MATRIX}`,
  layouts: ({ m, n, k }) =>
    [m, n, k].some((length) => length % MATRIX !== 0)
      ? []
      : divisors(m / MATRIX, MOST_MATRICES).flatMap((rows) =>
          divisors(n / MATRIX, MOST_MATRICES).flatMap((columns) => {
            const [subgroupsX, subgroupsY] = [n / MATRIX / columns, m / MATRIX / rows];
            return SUBGROUP * subgroupsX * subgroupsY <= BASE_LIMITS.maxComputeInvocationsPerWorkgroup ? [matrices(rows, columns, subgroupsX, subgroupsY)] : [];
          }),
        ),
};

function matrices(rows: number, columns: number, subgroupsX: number, subgroupsY: number): Layout {
  const count = subgroupsX * subgroupsY;
  return {
    workgroupSize: [SUBGROUP * count, 1, 1],
    constants: { ROWS: rows, COLUMNS: columns, SUBGROUPS_X: subgroupsX, SUBGROUPS_Y: subgroupsY, LANES: SUBGROUP * count },
    // By the matrices loaded for each multiplied, and whether there are subgroups enough to hide that; not fitted to any adapter.
    cost: (1 + 1 / rows + 1 / columns) * (1 + 0.2 * Math.max(0, Math.log2(4 / count))),
    // Of each matrix half a row.
    rectangles: (localIndex) => {
      const [subgroup, lane] = [Math.floor(localIndex / SUBGROUP), localIndex % SUBGROUP];
      const row = Math.floor(subgroup / subgroupsX) * rows * MATRIX + Math.floor(lane / 2);
      const column = (subgroup % subgroupsX) * columns * MATRIX + (lane % 2) * (MATRIX / 2);
      return Array.from({ length: rows * columns }, (_, at) => ({ row: row + Math.floor(at / columns) * MATRIX, column: column + (at % columns) * MATRIX, rows: 1, columns: MATRIX / 2 }));
    },
  };
}

export function divisors(length: number, largest: number): number[] {
  const all: number[] = [];
  for (let candidate = 1; candidate <= Math.min(length, largest); candidate++) if (length % candidate === 0) all.push(candidate);
  return all;
}
