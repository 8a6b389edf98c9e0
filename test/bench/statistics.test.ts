// The statistics by which the overhead benchmark decides, on noise that is known.
import { expect, test } from 'vitest';
import { controlled, CONTROL_LIMIT, isOff, median, QUIRK, spreadOf, TRIES, verdictOf, wholeOf, worstControl } from '../../bench/overhead/statistics.ts';
import { randomOf, type Random } from '../support/random.ts';

test('median of odd, even and no values', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('the ranks of the interval are those of the tables', () => {
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);
  // n, and the l-th from below and from above, from 1 (Conover, table of the sign test at 95 %).
  for (const [n, rank] of [[6, 1], [10, 2], [20, 6], [25, 8], [50, 18], [100, 40]] as const) expect(spreadOf(upTo(n)), `${n}`).toMatchObject({ lower: rank, upper: n + 1 - rank, pairs: n });
  // Too few for 95 %: all of them.
  expect(spreadOf([5, 1, 3])).toEqual({ median: 3, lower: 1, upper: 5, pairs: 3 });
  // 2^-n is no number any more, the ranks are (normal approximation: 2500 − 0.98 · √5000).
  const { lower, upper } = spreadOf(upTo(5000));
  expect(lower).toBeGreaterThan(2425);
  expect(lower).toBeLessThan(2436);
  expect(lower + upper).toBe(5001);
});

/** Noise as of a busy machine: mostly small, sometimes a pair during which somebody else ran. Its median is 0. */
function noise(random: Random): number {
  const uniform = (): number => (random(2 ** 30) + 0.5) / 2 ** 30;
  return (uniform() < 0.5 ? -1 : 1) * (uniform() < 0.15 ? 0.5 : 0.03) * uniform();
}

test.each([20, 100, 121])('the interval of %i pairs holds the true median 95 times of 100, or a little more often', (pairs) => {
  const random = randomOf(7);
  const trials = 4000;
  let held = 0;
  let width = 0;
  for (let trial = 0; trial < trials; trial++) {
    const { lower, upper } = spreadOf(Array.from({ length: pairs }, () => 1.02 * (1 + noise(random))));
    if (lower <= 1.02 && 1.02 <= upper) held++;
    width += (upper - lower) / trials;
  }
  expect(held / trials).toBeGreaterThan(0.94);
  // It is no wider than it must be: ranks are whole numbers, 100 values reach 96.5 %.
  expect(held / trials).toBeLessThan(0.98);
  if (pairs >= 100) expect(width).toBeLessThan(0.02);
});

test('a narrower interval at a lower confidence', () => {
  const values = Array.from({ length: 100 }, (_, at) => at);
  expect(spreadOf(values, 0.8).lower).toBeGreaterThan(spreadOf(values).lower);
});

test('a control within the limit ends the tries; one that is off is tried again, three times at most, and then failed', async () => {
  const tryThese = async (controls: readonly number[], isTimeLeft?: () => boolean) => {
    let calls = 0;
    const result = await controlled(async (number) => {
      calls++;
      expect(number).toBe(calls);
      return { control: controls[calls - 1], figure: 10 * calls };
    }, isTimeLeft);
    return { calls, ...result };
  };
  expect(await tryThese([1 + CONTROL_LIMIT])).toMatchObject({ calls: 1, control: { median: 1.015, failed: false }, controls: [1.015], value: { figure: 10 } });
  // What counts is the attempt whose control was good: nothing is pooled.
  expect(await tryThese([1.02, 0.999])).toMatchObject({ calls: 2, control: { median: 0.999, failed: false }, controls: [1.02, 0.999], value: { figure: 20 } });
  expect(await tryThese([1.02, 0.98, 1.0151, 1])).toMatchObject({ calls: TRIES, control: { median: 1.0151, failed: true }, value: { figure: 30 } });
  expect(await tryThese([NaN, 1, 1])).toMatchObject({ calls: 2, control: { failed: false } });
  // Without time it is failed at once.
  expect(await tryThese([1.02, 1, 1], () => false)).toMatchObject({ calls: 1, control: { failed: true } });
});

test('off means off to either side, and a control that is no number is off', () => {
  expect([0.984, 0.986, 1, 1.0149, 1.0151, NaN, Infinity].map(isOff)).toEqual([true, false, false, false, true, true, true]);
});

test('of several controls the worst is told, and one that failed is enough', () => {
  expect(worstControl([])).toBeNull();
  expect(worstControl([{ median: 1.01, failed: false }, { median: 0.98, failed: true }, { median: 1.001, failed: false }])).toEqual({ median: 0.98, failed: true });
  expect(worstControl([{ median: 1.002, failed: false }, { median: NaN, failed: true }])).toMatchObject({ failed: true });
});

test('a ratio is judged by its bar; a failed control comes first; below 0.97 it is a quirk and no gain', () => {
  const ratio = { median: 1.02, lower: 1.0, upper: 1.04 };
  expect(verdictOf(ratio, ratio.median, 1.03, false)).toBe('met');
  expect(verdictOf(ratio, ratio.upper, 1.03, false)).toBe('not met');
  expect(verdictOf(ratio, ratio.median, 1.03, true)).toBe('failed');
  const lucky = { median: QUIRK - 0.001, lower: 0.9, upper: 1 };
  expect(verdictOf(lucky, lucky.upper, 1.03, false)).toBe('quirk');
  expect(verdictOf({ ...lucky, median: QUIRK }, lucky.upper, 1.03, false)).toBe('met');
});

test('a whole run: set-up and drain on top of the steps, over plain parts that have the drained bytes too', () => {
  const units = { median: 1.05, lower: 1.04, upper: 1.06 };
  expect(wholeOf(units, { stepsMs: 1000, extraMs: 0, extraPlainMs: 0 })).toEqual(units);
  const whole = wholeOf(units, { stepsMs: 1000, extraMs: 30, extraPlainMs: 20 });
  expect(whole.median).toBeCloseTo(1080 / 1020, 12);
  expect(whole.lower).toBeCloseTo(1070 / 1020, 12);
  expect(whole.upper).toBeCloseTo(1090 / 1020, 12);
});
