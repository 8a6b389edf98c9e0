// What the parts of the benchmark find: plain JSON, from the page to the driver. Ratios are medians of pairs with their interval.
import type { Control, Sampled, Spread } from './statistics.ts';
import type { TriggerMode } from './prepared.ts';

export interface FastestResult {
  /** `kernel MxNxK`. */
  readonly name: string;
  readonly gflops: number;
}

/** Of one workgroup at a k so small that it does little but store, by device. */
export interface StoresAlone {
  readonly k: number;
  readonly plainMicroseconds: readonly number[];
  readonly trackedMicroseconds: readonly number[];
  /** 1 + the difference over a workgroup's time at the whole k. */
  readonly ratio: Spread;
}

export interface TrackedShapeResult {
  readonly shape: string;
  readonly kernel: string;
  readonly axis: string;
  readonly sliceMs: number;
  readonly workgroups: number;
  /** Median and interval over draws; `pairs` of all of them. */
  readonly ratio: Sampled;
  readonly draws: readonly number[];
  readonly stores: StoresAlone;
  readonly control: Control;
  readonly controls: readonly number[];
  /** How it grows: other ops, slots and tiles, fewer pairs. */
  readonly more: readonly { readonly what: string; readonly ratio: Sampled }[];
  readonly plain: readonly FastestResult[];
  readonly tried: number;
  readonly refused: readonly string[];
}

/** Where the time of fused units goes: GEMM passes over the plain GEMM, what moves over plain copies and reductions (null where nothing does), and shares of the units' time. */
export interface Breakdown {
  readonly gemm: number;
  readonly moved: number | null;
  readonly moving: number;
  readonly idle: number;
}

export interface FusedModeResult {
  readonly mode: TriggerMode;
  /** Of the units: median and interval over devices, `pairs` of all of them. */
  readonly units: Sampled;
  /** Of each device that it was measured on, the median of its units. */
  readonly draws: readonly number[];
  /** Of the whole run: units, set-up and drain. */
  readonly whole: Spread;
  readonly control: Control;
  readonly controls: readonly number[];
  readonly controlPairs: number;
  readonly breakdown: Breakdown;
  readonly setUpMs: number;
  readonly drainMs: number;
  readonly idleMs: number;
  readonly gpuBusy: number;
  readonly stageEfficiency: Spread;
  readonly hostMicrosecondsPerTrigger: number | null;
}

export interface FusedResult {
  readonly shape: string;
  readonly fused: string;
  readonly plain: string;
  readonly plainGflops: number;
  readonly stagesPerStep: number;
  readonly stageTiles: number;
  readonly triggerTiles: number;
  readonly units: number;
  readonly areSteps: boolean;
  readonly wholeRuns: number;
  /** Fused kernels and tiles that were looked at, and their ratio. */
  readonly candidates: readonly { readonly name: string; readonly ratio: number }[];
  readonly modes: readonly FusedModeResult[];
  /** Null where there was no time. */
  readonly memory: { readonly peakBytes: number; readonly peakMemoryRatio: number } | null;
  readonly checkOverFused: number | null;
  readonly checkNote: string;
}

export interface ScalingRow {
  readonly devices: number;
  readonly chunk: string;
  readonly fused: string;
  readonly tile: string;
  readonly plainBest: string;
  readonly units: number;
  readonly areSteps: boolean;
  readonly own: Spread;
  readonly best: Spread;
  /** Of each device that it was measured on, the median of `own`; null where one stands for all. */
  readonly draws: readonly number[] | null;
  readonly pairs: number;
  readonly control: Control;
  readonly breakdown: Breakdown;
  readonly setUpMs: number;
  readonly drainMs: number;
  readonly wholeMs: number;
  readonly straddling: Straddling;
  /** All candidates: fused over plain parts of the best plain kernel, in the first units; empty where there was but one. */
  readonly candidates: readonly { readonly name: string; readonly ratio: number; readonly straddling: number }[];
  readonly hostMicrosecondsPerTrigger: number | null;
}

export interface Straddling {
  readonly tiles: number;
  readonly of: number;
  readonly mostChunks: number;
  /** FLOPs of masked reruns over those of the GEMMs. */
  readonly extraFlops: number;
}

export interface StagesRow {
  readonly stagesPerStep: number;
  readonly stageTiles: number;
  readonly ratio: Sampled;
}

/** What `--json FILE` writes: nothing else. */
export interface OverheadJson {
  readonly environment: unknown;
  readonly control: Control | null;
  readonly trackedOverPlain: { readonly '1024x1024x1024': Spread | null; readonly 't-nlg-fc2-8': Spread | null } | null;
  readonly fusedOverParts: { readonly device: Spread | null; readonly host: Spread | null } | null;
  readonly gpuBusy: number | null;
  readonly stageEfficiency: number | null;
  readonly peakMemoryRatio: number | null;
  readonly checkOverFused: number | null;
  readonly scaling: readonly { readonly devices: number; readonly chunk: string; readonly tile: string; readonly fusedOverParts: number; readonly fusedOverBestTile: number }[] | null;
  readonly hostMicrosecondsPerTrigger: number | null;
}
