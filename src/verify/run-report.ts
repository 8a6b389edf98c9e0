// The shape of a report: what `--json FILE` writes, and what the table is printed from. A field that was
// not measured is null, and `notes` says why.
import type { LedgerRow } from '../plan/closed-forms.ts';
import type { Spec } from '../spec/spec.ts';

/** Who offers WebGPU: a Chrome or Chromium, or Node through Dawn (npm `webgpu`). */
export type Backend = 'chrome' | 'node';

export interface Environment {
  readonly backend: Backend;
  /** Product and version, e.g. `Chrome/143.0.0.0` or `Node v20.20.2, webgpu 0.6.2 (Dawn)`. */
  readonly browser: string;
  readonly adapter: {
    readonly vendor: string;
    readonly architecture: string;
    readonly description: string;
    /** A software adapter: no GPU does the work. */
    readonly isFallback: boolean;
    /** Measured: two independent dispatches take as long as one after the other. */
    readonly isSerial: boolean;
  };
  /** Step of the GPU timestamps, ns: all differences seen are its multiples; null without the `timestamp-query` feature. */
  readonly timerResolutionNs: number | null;
}

/** As an adapter calls itself. */
export const adapterName = ({ adapter: { vendor, architecture, description } }: Pick<Environment, 'adapter'>): string => [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed';

export interface WrongElement {
  readonly row: number;
  readonly column: number;
  readonly device: number;
  readonly chunk: number;
  readonly tile: number;
  readonly expected: number;
  /** A number, or its bits (`0x7fc0dead`) when it is not finite. */
  readonly actual: number | string;
  /** Devices whose contribution is missing / counted twice; null when neither explains the value. */
  readonly missing: readonly number[] | null;
  readonly doubled: readonly number[] | null;
}

export interface Check {
  /** `projection`: exact too, but by Freivalds' test, and element by element only where that fails. */
  readonly mode: 'exact' | 'projection' | 'bounded';
  /** Elements of the whole result, and the share of them that was compared. */
  readonly elements: number;
  readonly coverage: number;
  readonly wrong: number;
  /** Largest |c − ref|, and the bound at that element. */
  readonly maxError: number | null;
  readonly bound: number | null;
  readonly bitExactPlanOrder: boolean | null;
  /** Share of all elements that were compared with the plan order; null where none was. */
  readonly planOrderCoverage: number | null;
  /** Of mode `projection`: vectors of the test, the prime, and modulus^−vectors, the probability at most that a wrong result passes. */
  readonly freivalds: { readonly vectors: number; readonly modulus: number; readonly probability: number } | null;
  readonly firstWrong: readonly WrongElement[];
  /** SHA-256 over the result's bits in row-major order: equal for equal Specs on one adapter. */
  readonly outputHash: string;
}

export interface Measured {
  readonly gemmMs: number | null;
  readonly collectiveMs: number | null;
  readonly plainPartsMs: number | null;
  readonly sequentialMs: number | null;
  readonly fusedMs: number | null;
  /** Beside the fused run: operands and poison before it; check of values, causality, trackers and ledger after it; hashes and figures. */
  readonly operandsMs: number;
  readonly checkMs: number;
  readonly reportMs: number;
  readonly checkOverFused: number;
  readonly exposedMs: number | null;
  readonly overlapMeasured: number | null;
  readonly interleaved: number | null;
  readonly gpuBusy: number | null;
  readonly stageEfficiency: number | null;
  readonly extraFlops: number;
  readonly stages: number;
  /** A stage has fewer than 16 workgroups per core of a software adapter; null where the GPU's cores are not known. */
  readonly tailLimited: boolean | null;
  /** Times that the host had to wait for counters before it could encode an epoch. */
  readonly counterWaits: number;
  /** Dispatches that touch a chunk memory which an earlier one of their epoch writes: they cannot overlap it. */
  readonly bufferConflicts: number;
}

/** What D real devices would take: measured durations on the Plan's graph, neither measured nor modelled as a whole. */
export interface Replayed {
  readonly gemmMs: number | null;
  readonly sequentialMs: number | null;
  readonly fusedMs: number | null;
  readonly exposedMs: number | null;
  readonly overlap: number | null;
}

/**
 * What the fused run's wall time was made of, ms of GPU intervals:
 * gemm + transfer + reduction + tracker − overlapped + gaps + ends = fusedMs.
 */
export interface FusedTime {
  /** Summed over all dispatch groups of the kind. */
  readonly gemmMs: number;
  readonly transferMs: number;
  readonly reductionMs: number;
  /** Dispatches that compare counters with thresholds: `--triggers device`. */
  readonly trackerMs: number;
  /** The sums above less the time in which any group ran. */
  readonly overlappedMs: number;
  /** Between the first group's begin and the last one's end, none running. */
  readonly gapsMs: number;
  /** Before and after these: from the first submit, and until the host knew. By two clocks: may be negative by their error. */
  readonly endsMs: number;
}

/** What `replayed.fusedMs` is made of. */
export interface ReplayedTime {
  /** Of the tasks that start as soon as the one before them ends, from the beginning to the end: they sum to it. */
  readonly path: KindTimes;
  readonly pathTasks: number;
  readonly pathDevices: number;
  /** Of the busiest compute, link and memory lane. */
  readonly busiest: KindTimes;
}

export interface KindTimes {
  readonly gemmMs: number;
  readonly transferMs: number;
  readonly reductionMs: number;
}

/** Where the time went: what `tilewire explain --run` tells. Null where it was not timed, which `notes` explain under the figures' own paths. */
export interface RunTime {
  readonly fused: FusedTime | null;
  /** The baseline's copies and reductions, which sum to `collectiveMs`. */
  readonly plain: Omit<KindTimes, 'gemmMs'> | null;
  readonly replayed: ReplayedTime | null;
}

export interface RunReport {
  readonly spec: Spec;
  readonly specHash: string;
  /** What the kernel was found to be: workgroups that store, matrices of its batch, splits of K, elements from row to row of C. */
  readonly kernel: { readonly tiles: number; readonly batch: number; readonly splits: number; readonly ldc: number };
  readonly check: Check;
  readonly causality: { readonly events: number; readonly violations: number; readonly eventHash: string };
  readonly ledger: { readonly balanced: boolean; readonly total: LedgerRow; readonly devices: readonly LedgerRow[] };
  readonly tracker: { readonly pieces: number; readonly updates: number; readonly triggers: number; readonly peakEntries: number; readonly overflows: number };
  readonly measured: Measured;
  readonly replayed: Replayed;
  readonly time: RunTime;
  readonly notes: readonly { readonly path: string; readonly reason: string }[];
  /** Why the run is wrong, one line each; empty when all is right. */
  readonly failures: readonly { readonly code: string; readonly message: string }[];
}

export interface Report {
  readonly version: 1;
  readonly environment: Environment;
  readonly runs: readonly RunReport[];
}
