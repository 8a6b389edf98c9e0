// From the samples of a contest to its table: who is ranked where, and by how much. Pure; the formulas of every figure that
// `tilewire tiles` prints are here and in statistics.ts.
import { threeDigits } from '../units.ts';
import type { ContestResult } from './rounds.ts';
import { leastPairs, median, quantile, spread, standings } from './statistics.ts';
import type { CandidateName, CandidateResult, Contest, TimerFacts } from './tiles-report.ts';

/** What is known of a candidate beside its samples. */
export interface Entry {
  readonly name: CandidateName;
  /** Matrices that the kernel multiplies at once. */
  readonly batch: number;
  /** Whether its output was held against the reference. */
  readonly verified: boolean;
  readonly repeats: number;
  /** Share of a GEMM's workgroups in one dispatch of a sample. */
  readonly part: number;
  /** Least time of a proof, which is one dispatch of the whole GEMM. */
  readonly wholeMs: number | null;
  /** Fused: replayed time of each run, ms. */
  readonly replayedMs: readonly number[];
}

/** @param flops useful FLOP of one matrix product: 2·m·n·k @param notes why the set is not whole */
export function contestOf(entries: readonly Entry[], { trials, rounds, cut }: ContestResult, flops: number, timer: TimerFacts, notes: readonly string[]): Contest {
  const ranked = trials.flatMap(({ fate }, id) => (fate.kind === 'ranked' ? [id] : []));
  // The first round goes by the given order, and has other work in it: it is used where there is no other.
  const complete = Array.from({ length: rounds }, (_, round) => round).filter((round) => ranked.every((id) => trials[id].samples[round] !== null));
  const later = complete.filter((round) => round > 0);
  const compared = later.length > 0 ? later : complete;
  const order = ranked.length === 0 ? [] : standings(ranked.map((id) => compared.map((round) => trials[id].samples[round]!)));
  const places = new Map(order.map(({ candidate, share }, at) => [ranked[candidate], { rank: at + 1, share }]));
  const results = entries.map(({ name, batch, verified, repeats, part, wholeMs, replayedMs }, id): CandidateResult => {
    const { samples, fate } = trials[id];
    const place = places.get(id);
    const all = samples.filter((ms) => ms !== null);
    const after = samples.slice(1).filter((ms) => ms !== null);
    // Of the ranked ones the rounds that are compared, so that rates and shares are of the same samples.
    const times = place === undefined ? (after.length > 0 ? after : all) : compared.map((round) => samples[round]!);
    // What gave wrong results, or could not be timed, has no rate.
    const counts = times.length > 0 && (fate.kind === 'ranked' || fate.kind === 'stopped');
    const minMs = counts ? Math.min(...all) : null;
    const medianMs = counts ? median(times) : null;
    const rate = (ms: number | null): number | null => (ms === null ? null : (batch * flops) / (ms * 1e6));
    return {
      ...name,
      fate,
      rank: place?.rank ?? null,
      verified,
      repeats,
      part,
      wholeMs: counts ? wholeMs : null,
      samplesMs: samples,
      minMs,
      medianMs,
      spread: counts && times.length > 1 ? spread(times) : null,
      gflops: rate(medianMs),
      gflopsBest: rate(minMs),
      share: place?.share ?? null,
      replayedMs: replayedMs.length === 0 ? null : quantile(replayedMs, 0.5),
    };
  });
  return {
    timer,
    rounds,
    pairs: later.length,
    candidates: results.toSorted(byPlace),
    notes: [
      ...notes,
      ...partsApart(results),
      ...(cut ? ['time was up before the last round: --seconds gives it more'] : []),
      ...(ranked.length > 1 && later.length < leastPairs(ranked.length) ? [`${later.length} paired rounds cannot tell ${ranked.length} candidates apart: at least ${leastPairs(ranked.length)} are needed (--seconds, --rounds, or a smaller --limit)`] : []),
    ],
  };
}

/** Whole GEMMs over what their parts say that is not worth a word. */
const ALIKE = [0.8, 1.25] as const;

/** What the proofs, which run whole GEMMs, took over what the samples of parts say. */
function partsApart(results: readonly CandidateResult[]): string[] {
  const ratios = results.flatMap(({ rank, part, wholeMs, medianMs }) => (rank === null || part === 1 || wholeMs === null || medianMs === null ? [] : [wholeMs / medianMs]));
  if (ratios.length === 0) return [];
  const ratio = median(ratios);
  return ratio >= ALIKE[0] && ratio <= ALIKE[1] ? [] : [`whole GEMMs, of which each was run once, took ${threeDigits(ratio)} times as long as their parts say: other programs share the machine, or parts do not stand for the whole here`];
}

const FATES = ['ranked', 'stopped', 'unranked', 'skipped', 'failed'] as const;

/** By rank; then the stopped ones, fastest first; then the rest as they were given. */
function byPlace(one: CandidateResult, other: CandidateResult): number {
  return FATES.indexOf(one.fate.kind) - FATES.indexOf(other.fate.kind) || (one.rank ?? 0) - (other.rank ?? 0) || (one.minMs ?? 0) - (other.minMs ?? 0);
}
