// What may be said of ratios that were measured in pairs on a noisy machine. The median, with an interval that assumes nothing of
// the noise but that pairs are independent; the control, which is the same measure of a kernel against itself; and the rule by
// which the control decides whether the rest may be believed. No clock and no GPU here.

export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

export interface Sampled extends Spread {
  readonly pairs: number;
}

export interface Control {
  readonly median: number;
  readonly failed: boolean;
}

/** How far from 1 the median A/A ratio may be. */
export const CONTROL_LIMIT = 0.015;
/** Times that a measurement is made at most for the sake of its control. */
export const TRIES = 3;
/** A rewritten kernel that is faster than this was luckier with its compiler: nothing that was done explains it. */
export const QUIRK = 0.97;
/** Pairs that a figure stands on. */
export const PAIRS = 100;

export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Median and its interval by order statistics: the r-th value from below (from 0) lies above the true median of whatever
 * distribution only if at most r of n coins fall heads; r is the largest for which that, on either side, is within 1 − confidence. Fewer than
 * six values never reach 95 %: then all of them are the interval.
 */
export function spreadOf(values: readonly number[], confidence = 0.95): Sampled {
  const sorted = values.toSorted((one, other) => one - other);
  const rank = rankOf(sorted.length, (1 - confidence) / 2);
  return { median: median(values), lower: sorted[rank] ?? NaN, upper: sorted[sorted.length - 1 - rank] ?? NaN, pairs: values.length };
}

/** Largest r with P(at most r of n coins fall heads) ≤ tail; 0 where there is none. In logarithms: 2^-n is no number for long. */
function rankOf(n: number, tail: number): number {
  let logTerm = -n * Math.LN2;
  let atMost = Math.exp(logTerm);
  let rank = 0;
  for (let heads = 1; heads <= n / 2; heads++) {
    logTerm += Math.log((n - heads + 1) / heads);
    atMost += Math.exp(logTerm);
    if (atMost > tail) break;
    rank = heads;
  }
  return rank;
}

export const isOff = (control: number): boolean => !(Math.abs(control - 1) <= CONTROL_LIMIT);

/** The one of several controls that is farthest from 1; failed if any is. */
export function worstControl(controls: readonly Control[]): Control | null {
  const far = ({ median: ratio }: Control): number => (Number.isFinite(ratio) ? Math.abs(Math.log(ratio)) : Infinity);
  const worst = controls.reduce<Control | null>((found, one) => (found === null || far(one) > far(found) ? one : found), null);
  return worst === null ? null : { median: worst.median, failed: controls.some(({ failed }) => failed) };
}

/**
 * Measures until the control is good, at most {@link TRIES} times and only while there is time; fresh pairs each time, never pooled: the
 * control of one attempt says nothing of another's.
 * @returns the first good attempt, or the last one, as failed
 */
export async function controlled<T extends { readonly control: number }>(attempt: (number: number) => Promise<T>, isTimeLeft: () => boolean = () => true): Promise<{ readonly value: T; readonly control: Control; readonly controls: readonly number[] }> {
  const controls: number[] = [];
  for (;;) {
    const value = await attempt(controls.length + 1);
    controls.push(value.control);
    const failed = isOff(value.control);
    if (!failed || controls.length >= TRIES || !isTimeLeft()) return { value, control: { median: value.control, failed }, controls };
  }
}

export type Verdict = 'met' | 'not met' | 'failed' | 'quirk';

/** Of a ratio that should be at most `bar`: `value` is the one of the three that the bar is about. */
export function verdictOf({ median: middle }: Spread, value: number, bar: number, failed: boolean): Verdict {
  if (failed) return 'failed';
  if (isQuirk(middle)) return 'quirk';
  return value <= bar ? 'met' : 'not met';
}

export const isQuirk = (ratio: number): boolean => ratio < QUIRK;

/** A whole run out of its steps: (ratio · plain steps + what comes on top) / (plain steps + plain of what comes on top); all but the ratio in ms. */
export function wholeOf(ratio: Spread, { stepsMs, extraMs, extraPlainMs }: { readonly stepsMs: number; readonly extraMs: number; readonly extraPlainMs: number }): Spread {
  const whole = (value: number): number => (value * stepsMs + extraMs) / (stepsMs + extraPlainMs);
  return { median: whole(ratio.median), lower: whole(ratio.lower), upper: whole(ratio.upper) };
}
