// Which of several candidates is faster, from times taken in rounds. Pure. A round times every candidate once, in random order, so
// that what drifts meanwhile hits all of them: only ratios within a round are compared. The median of a paired ratio
// (Hodges-Lehmann) and its interval are those of Wilcoxon's signed-rank test, exact for identical candidates whatever
// their noise, since their order in a round is random. All pairs share the 5 % (Bonferroni), so that the best may be
// chosen by the same data that it is compared with.
import type { Share } from './tiles-report.ts';

/** Chance that any two identical candidates are told apart. */
export const LEVEL = 0.05;

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** (third quartile − first) / median. */
export const spread = (values: readonly number[]): number => (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);

/**
 * How many of the sorted Walsh averages lie outside of the interval on either side, plus one: the largest c with
 * P(signed rank sum ≤ c − 1) ≤ level / 2 over `pairs` pairs; 0 where even the most extreme outcome is likelier than that.
 */
export function criticalRank(pairs: number, level: number): number {
  const most = (pairs * (pairs + 1)) / 2;
  let chance = new Float64Array(most + 1);
  chance[0] = 1;
  for (let rank = 1; rank <= pairs; rank++) {
    const next = new Float64Array(most + 1);
    for (let sum = 0; sum <= most; sum++) next[sum] = (chance[sum] + (sum >= rank ? chance[sum - rank] : 0)) / 2;
    chance = next;
  }
  let below = 0;
  for (let sum = 0; sum <= most; sum++) {
    below += chance[sum];
    if (below > level / 2) return sum;
  }
  return most;
}

/** Fewest pairs with which two candidates out of `candidates` can be told apart at all. */
export function leastPairs(candidates: number): number {
  let pairs = 1;
  while (criticalRank(pairs, levelOf(candidates)) === 0) pairs++;
  return pairs;
}

/** The part of `LEVEL` that each of all pairs of candidates gets. */
const levelOf = (candidates: number): number => LEVEL / Math.max(1, (candidates * (candidates - 1)) / 2);

export interface Centre {
  readonly value: number;
  /** Null where there are too few differences for the level. */
  readonly lower: number | null;
  readonly upper: number | null;
}

/** Median of symmetric differences by Hodges and Lehmann, and its interval at 1 − level. */
export function centreOf(differences: readonly number[], level: number): Centre {
  const walsh: number[] = [];
  differences.forEach((one, at) => {
    for (const other of differences.slice(at)) walsh.push((one + other) / 2);
  });
  walsh.sort((one, other) => one - other);
  const rank = criticalRank(differences.length, level);
  return { value: median(walsh), ...(rank === 0 ? { lower: null, upper: null } : { lower: walsh[rank - 1], upper: walsh[walsh.length - rank] }) };
}

export interface Standing {
  /** Index of the candidate. */
  readonly candidate: number;
  readonly share: Share;
}

/** Of each candidate the median of its log times relative to their round's median: what drifts in common is gone, and a few slow samples do not matter. */
function relativeLogs(logs: readonly (readonly number[])[]): number[] {
  const rounds = logs[0].map((_, round) => median(logs.map((of) => of[round])));
  return logs.map((of) => median(of.map((log, round) => log - rounds[round])));
}

/** A first idea of each candidate's rate over the best one's; arguments as of `standings`. */
export function roughShares(times: readonly (readonly number[])[]): number[] {
  const relative = relativeLogs(times.map((of) => of.map(Math.log)));
  const best = Math.min(...relative);
  return relative.map((log) => Math.exp(best - log));
}

/**
 * Best first. The best is the one with the least median of its times relative to their round's, or whoever has the better of
 * it, pair by pair; the others are ordered by their paired share of its rate.
 * @param times of each candidate by round, > 0, all candidates in the same rounds
 */
export function standings(times: readonly (readonly number[])[]): Standing[] {
  if (times.length === 0) return [];
  const logs = times.map((of) => of.map(Math.log));
  const relative = relativeLogs(logs);
  const level = levelOf(times.length);
  const centres = (best: number): Centre[] => logs.map((of) => centreOf(of.map((log, round) => logs[best][round] - log), level));
  let best = relative.indexOf(Math.min(...relative));
  let against = centres(best);
  // Medians of ratios are not transitive: nobody twice.
  for (const seen = new Set([best]); ; ) {
    const values = against.map(({ value }, candidate) => (seen.has(candidate) ? -Infinity : value));
    const better = values.indexOf(Math.max(...values));
    if (!(values[better] > 0)) break;
    seen.add(better);
    best = better;
    against = centres(best);
  }
  const shares = against.map(({ value, lower, upper }, candidate): Standing => {
    if (candidate === best) return { candidate, share: { value: 1, lower: null, upper: null, differs: null } };
    const bounds = lower === null || upper === null ? { lower: null, upper: null, differs: null } : { lower: Math.exp(lower), upper: Math.exp(upper), differs: lower > 0 || upper < 0 };
    return { candidate, share: { value: Math.exp(value), ...bounds } };
  });
  return [shares[best], ...shares.filter(({ candidate }) => candidate !== best).toSorted((one, other) => other.share.value - one.share.value)];
}
