// Spec: the immutable, JSON-serialisable record of what to run. A run is a function of its Spec: same Spec,
// same adapter, same build give the same bits and the same event order. Everything here is resolved: a
// Spec holds no default still to be chosen (`resolve.ts` fills them in before hashing).

import type { TriggerCost } from './default-triggers.ts';
import type { KernelBindings } from './kernel-bindings.ts';

/** Tile of one workgroup's output, and the depth of its inner loop: `m × n` elements of C, `k` of the reduction. */
export interface Tile {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** One device's GEMM: A_d (m × k) · B_d (k × n), row-major. */
export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/**
 * C = Σ over devices of A_d · B_d. `kTotal` is K over all devices, of which each has a slice; slices differ by at most one, the
 * longer ones first (`depthOf` of chunks.ts). `k` is the first device's, and where K is divisible everybody's.
 */
export interface SplitGemmShape extends GemmShape {
  readonly kTotal: number;
}

export type Collective = 'reduce-scatter';
export const ALGORITHMS = ['ring', 'direct', 'chunk-ring'] as const;
/** How the partial outputs travel: T3's ring, straight to their owner, or a ring on which each device completes its chunk at home first. */
export type Algorithm = (typeof ALGORITHMS)[number];
export type ChunkAxis = 'rows' | 'columns';
export type Triggers = 'host' | 'device';
export type OverflowPolicy = 'spill' | 'stall';

/**
 * Where operand values come from. `exact`: integers in −range..range without 0, every partial sum exactly
 * representable; `normal`: near-normal reals (sum of four uniforms); `trained`: rows and weights of a trained Transformer;
 * `files`: matrices of the user's own.
 */
export type Operands =
  | { readonly kind: 'exact'; readonly range: number }
  | { readonly kind: 'normal' }
  | { readonly kind: 'trained'; readonly source: string; readonly hash: string }
  | { readonly kind: 'files'; readonly a: OperandFile; readonly b: OperandFile; readonly layout: Layout };

/** First letter A, second B: `n` as in C = A·B (m × K, K × n), `t` its transpose (K × m, n × K: how PyTorch keeps weights). */
export type Layout = 'nn' | 'nt' | 'tn' | 'tt';

/** A matrix as it is in its file, `source` without the folder; `hash` is the SHA-256 of its values as little-endian f32, row by row. */
export interface OperandFile {
  readonly source: string;
  readonly hash: string;
}

/**
 * A deliberate defect, to see it caught. `device`, `chunk`, `tile` as in `plan/plan.ts`; `delta` in updates' elements.
 * - `suppress-stores`: a kernel variant whose workgroup `tile` (with split-K, that of the first split) stores nothing on `device`
 * - `threshold`: the tracker's threshold of one piece is off by `delta` elements
 * - `drop-transfer`: the DMA of the block that holds the tile moves nothing
 * - `double-update`: the near-memory update of that block is applied twice
 * - `corrupt-tile`: one element of the tile is overwritten in the device's memory
 * - `early-read`: the block is read one epoch after the GEMM stage that stored it, before its updates arrived
 * - `unwritten-output`: no GEMM of any device stores anything
 */
export type Fault =
  | { readonly kind: 'suppress-stores' | 'drop-transfer' | 'double-update' | 'corrupt-tile' | 'early-read'; readonly device: number; readonly chunk: number; readonly tile: number }
  | { readonly kind: 'threshold'; readonly device: number; readonly chunk: number; readonly tile: number; readonly delta: number }
  | { readonly kind: 'unwritten-output' };

/**
 * The GEMM kernel: one of ours at a tile, or anybody's WGSL. The latter's text is part of the Spec, so that it can be
 * replayed from the Spec alone; `hash` is that of the text as it is in its file. `splits` of K: the partial products of an element.
 */
export type KernelChoice =
  | { readonly kind: 'built-in'; readonly name: string; readonly hash: string; readonly tile: Tile; readonly splits: number }
  | { readonly kind: 'foreign'; readonly name: string; readonly hash: string; readonly entry: string; readonly source: string; readonly bindings: KernelBindings };

/** What decides which kernel suits an adapter; src/gpu/adapter.ts asks it. */
export interface AdapterTraits {
  /** A software adapter: no GPU does the work. */
  readonly isFallback: boolean;
  /** It has subgroups, and the four lanes of a quad are consecutive local indices. */
  readonly quads: boolean;
  /** Shaders may hold f16. */
  readonly f16: boolean;
  /** Subgroups of 32 lanes that multiply 16 × 16 matrices of f16 and sum in f32: the experimental feature of tensor cores. */
  readonly matrices: boolean;
  readonly triggerCost: TriggerCost;
}

/** A Spec whose stage size is still to follow from the footprint, as a foreign kernel's tiles are not known before it is probed. */
export type SpecDraft = Omit<Spec, 'stageTiles'> & { readonly stageTiles: number | null };

export interface Spec {
  readonly version: 1;
  /** What a reader calls it, e.g. `t-nlg fc2 TP 8`; no meaning to the run. */
  readonly name: string;
  readonly gemm: SplitGemmShape;
  readonly dtype: 'f32';
  /** N of t3.md: the number of emulated devices. */
  readonly devices: number;
  readonly collective: Collective;
  readonly algorithm: Algorithm;
  /** Dimension of C along which the result is scattered. */
  readonly chunk: ChunkAxis;
  readonly operands: Operands;
  readonly seed: number;
  readonly kernel: KernelChoice;
  /** Virtual wavefront size: local index / wavefront names the wavefront. */
  readonly wavefront: number;
  /** Tiles per stage (one dispatch). */
  readonly stageTiles: number;
  /** Tiles per DMA block. */
  readonly triggerTiles: number;
  /** A trigger seen in the counters of epoch e is executed in epoch e + lag. */
  readonly lag: number;
  /** F ≥ 0 of `skew.ts`: how far devices and stages run apart in time; 0 is in step. */
  readonly skew: number;
  /** Who compares counters with thresholds: the host, which reads them, or a kernel on the GPU, from which nothing travels. */
  readonly triggers: Triggers;
  readonly overflow: OverflowPolicy;
  readonly tracker: { readonly sets: number; readonly ways: number };
  readonly faults: readonly Fault[];
}
