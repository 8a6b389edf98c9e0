// The shape of what `tilewire tiles` finds: what its --json writes, and what table, CSV and heat map are made from. A figure that
// was not measured is null, and the candidate's fate says why. Times are milliseconds of one GEMM (or one fused run).
import type { GemmShape, Tile } from '../spec/spec.ts';
import type { Environment } from '../verify/run-report.ts';

/** What was tried: a kernel at a tile, or a kernel of the user's own at values of its overrides; fused, at a granularity too. */
export interface CandidateName {
  readonly kernel: string;
  /** k is null for a kernel of the user's own, whose rows and columns are those that its first workgroup was found to store. */
  readonly tile: { readonly m: number; readonly n: number; readonly k: number | null } | null;
  /** Overrides that --vary gave. */
  readonly overrides: Readonly<Record<string, number>> | null;
  readonly granularity: Granularity | null;
}

export interface Granularity {
  readonly stageTiles: number;
  readonly triggerTiles: number;
}

/** How it ended for a candidate; only a ranked one has a place. A stopped one's share is of the best rate at that time. */
export type Fate =
  | { readonly kind: 'ranked' }
  | { readonly kind: 'stopped'; readonly rounds: number; readonly share: number }
  | { readonly kind: 'unranked'; readonly reason: string }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** Rate of this candidate over that of the best: median of the paired rounds, and its simultaneous 95 % interval; null where the rounds are too few for one. */
export interface Share {
  readonly value: number;
  readonly lower: number | null;
  readonly upper: number | null;
  /** The interval excludes 1; null where there is none. */
  readonly differs: boolean | null;
}

export interface CandidateResult extends CandidateName {
  readonly fate: Fate;
  /** From 1; null unless ranked. */
  readonly rank: number | null;
  /** Output compared with the reference, all elements, after its last sample; before the first one too, of a long GEMM those of its part. */
  readonly verified: boolean;
  /** Dispatches in one sample. */
  readonly repeats: number;
  /** Share of the GEMM's workgroups in each of them: less than 1 of a long GEMM of a built-in kernel. */
  readonly part: number;
  /** Least time of one dispatch of the whole GEMM, ms: from the proofs of its result, to hold `part` against. */
  readonly wholeMs: number | null;
  /** By round, ms of one GEMM; the first round sorts out and is not compared. */
  readonly samplesMs: readonly (number | null)[];
  readonly minMs: number | null;
  readonly medianMs: number | null;
  /** (third quartile − first) / median. */
  readonly spread: number | null;
  /** 1e9 useful FLOP/s at the median and at the least time. */
  readonly gflops: number | null;
  readonly gflopsBest: number | null;
  readonly share: Share | null;
  /** Fused only: the run's own durations replayed on as many devices, median ms; null with the reason beside it. */
  readonly replayedMs: number | null;
}

export interface TimerFacts {
  readonly kind: 'GPU timestamps' | 'wall clock';
  readonly resolutionNs: number;
  /** Shortest sample that is let count: `WELL_ABOVE` steps of the timer, and not less than a fixed time. */
  readonly leastSampleMs: number;
}

/** A set of candidates that ran against each other. */
export interface Contest {
  readonly timer: TimerFacts;
  /** Rounds that were begun; the first one sorts out. */
  readonly rounds: number;
  /** Rounds that all ranked candidates finished, the first one aside: the pairs of the comparison. */
  readonly pairs: number;
  /** Ranked ones first, best first. */
  readonly candidates: readonly CandidateResult[];
  /** Why a column is empty, or the set not whole. */
  readonly notes: readonly string[];
}

export interface FusedContest extends Contest {
  readonly devices: number;
  readonly algorithm: string;
  readonly chunk: string;
}

export interface ShapeProfile {
  /** E.g. `t-nlg fc2 TP 8`. */
  readonly name: string;
  readonly gemm: GemmShape;
  readonly plain: Contest;
  readonly fused: FusedContest | null;
}

export interface TilesReport {
  readonly version: 1;
  readonly environment: Environment;
  readonly shapes: readonly ShapeProfile[];
}

/** One line, e.g. `gemm-register 32x28x2`, `mine.wgsl TX=16 TY=4`. */
export function nameOf({ kernel, tile, overrides, granularity }: CandidateName): string {
  const what = overrides !== null && Object.keys(overrides).length > 0 ? Object.entries(overrides).map(([name, value]) => `${name}=${value}`).join(' ') : tileText(tile);
  return [kernel, what, ...(granularity === null ? [] : [`${granularity.stageTiles}/stage ${granularity.triggerTiles}/block`])].filter(Boolean).join(' ');
}

export function tileText(tile: CandidateName['tile']): string {
  return tile === null ? '' : `${tile.m}x${tile.n}${tile.k === null ? '' : `x${tile.k}`}`;
}

/** What became of a candidate, in words. */
export function fateText(fate: Fate): string {
  if (fate.kind === 'ranked') return 'ranked';
  if (fate.kind === 'stopped') return `stopped after ${fate.rounds} ${fate.rounds === 1 ? 'round' : 'rounds'} at ${fate.share.toFixed(2)} of the best`;
  return `${{ unranked: 'not ranked', skipped: 'not measured', failed: 'failed' }[fate.kind]}: ${fate.reason}`;
}

export const asTile = (tile: Tile): NonNullable<CandidateName['tile']> => ({ m: tile.m, n: tile.n, k: tile.k });
