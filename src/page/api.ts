// What the page offers to whoever drives it: as `window.tilewire` in a browser (puppeteer now, a page's own buttons later), over a
// channel in a child process of Node. Everything that crosses is plain JSON; matrices stay in the page.
import type { ErrorRecord } from '../errors.ts';
import type { AdapterFacts } from '../gpu/adapter.ts';
import type { Event } from '../events/log.ts';
import type { CheckChoice } from '../verify/choice.ts';
import type { RunReport } from '../verify/run-report.ts';
import type { FootprintRuns } from '../plan/owner-runs.ts';
import type { SpecDraft } from '../spec/spec.ts';
import type { Memories } from '../tune/calibration.ts';
import type { Candidate } from '../tune/candidates.ts';
import type { Contest } from '../tune/tiles-report.ts';

export interface RunJob {
  readonly spec: SpecDraft;
  /** Also run GEMM-then-collective with the same kernels. */
  readonly baseline: boolean;
  /** How the result is checked; by its size where this is not said. */
  readonly check?: CheckChoice;
  /** Bytes of GPU memory that the run may ask for; estimated and refused before anything is allocated. */
  readonly memoryLimit: number;
  /** For operands of kind `trained` and `files`: by device d, paths on the page's own server of raw little-endian f32, row-major: A_d is m × k_d, B_d is k_d × n, with k_d = `depthOf`. Each is made when it is fetched. */
  readonly operandUrls?: { readonly a: readonly string[]; readonly b: readonly string[] };
  /** Return the m × n result as well (tests, small shapes). */
  readonly keepOutput?: boolean;
  /** Return the event log as well. */
  readonly keepEvents?: boolean;
}

export interface RunResult {
  readonly report: RunReport;
  readonly output?: readonly number[];
  readonly events?: readonly Event[];
}

/** Asks who writes which element; operands of the Spec's kind are not needed for that. */
export interface ProbeJob {
  readonly spec: SpecDraft;
}

/** Times candidates against each other: `plain`, one device's GEMM of each; `fused`, whole runs of the Spec, each at several granularities. */
export interface ProfileJob {
  readonly kind: 'plain' | 'fused';
  /** Shape, operands (exact), seed; fused, all of the run but its kernel and granularity. */
  readonly spec: SpecDraft;
  /** Likely ones first. */
  readonly candidates: readonly Candidate[];
  /** Fused: granularities of them that are tried, all together. */
  readonly limit: number;
  /** Beside the first one, which sorts out. */
  readonly rounds: number;
  readonly seconds: number;
  readonly memoryLimit: number;
  /** What the list of candidates leaves out. */
  readonly notes: readonly string[];
  /** Dispatches in one sample at most (tests). */
  readonly mostRepeats?: number;
}

/** Times copies, near-memory updates and dispatches of the adapter, and how many workgroups run at one time. */
export interface CalibrateJob {
  /** Of a buffer, of which there are four. */
  readonly bytes: number;
  /** Of each figure. */
  readonly samples: number;
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorRecord };

/** One line of progress of a long step; the host's `--timeout` counts from the last one. */
export interface Progress {
  readonly step: string;
  readonly done: number;
  readonly total: number;
}

export interface PageApi {
  /** Requests adapter and device (once); `NO_ADAPTER` when there is none. */
  open(): Promise<Outcome<AdapterFacts>>;
  run(job: RunJob): Promise<Outcome<RunResult>>;
  /** Compiles the untouched kernel, then probes its footprint. */
  probe(job: ProbeJob): Promise<Outcome<FootprintRuns>>;
  profile(job: ProfileJob): Promise<Outcome<Contest>>;
  calibrate(job: CalibrateJob): Promise<Outcome<Memories>>;
}

declare global {
  interface Window {
    tilewire: PageApi;
    /** Set by the driver before a run, when it wants to hear of progress. */
    tilewireProgress?: (progress: Progress) => void;
  }
}
