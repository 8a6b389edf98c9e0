// What is called a difference is one: against tables of the signed-rank test, and by simulation of times like those of a busy machine.
import { expect, test } from 'vitest';
import { centreOf, criticalRank, leastPairs, LEVEL, median, quantile, roughShares, spread, standings } from '../../src/tune/statistics.ts';
import { randomOf, type Random } from '../support/random.ts';

const uniform = (random: Random): number => (random(2 ** 31) + 0.5) / 2 ** 31;
const normal = (random: Random): number => Math.sqrt(-2 * Math.log(uniform(random))) * Math.cos(2 * Math.PI * uniform(random));

/** Times by candidate and round: machine drift common to a round, noise of each sample, and now and then another program. */
function times(random: Random, speeds: readonly number[], rounds: number, noise: number): number[][] {
  const drift = Array.from({ length: rounds }, () => 1 + 0.35 * uniform(random));
  return speeds.map((speed) => drift.map((factor) => (factor * Math.exp(noise * normal(random)) * (random(20) === 0 ? 1 + uniform(random) : 1)) / speed));
}

test('quantiles by hand', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
  expect(quantile([7], 0.75)).toBe(7);
  expect(spread([1, 2, 3, 4, 5])).toBe(2 / 3);
});

test('critical values of the signed-rank test as its tables have them', () => {
  // Largest rank sum that is significant, two-sided: n → (5 %, 1 %). c counts from 1.
  for (const [pairs, five, one] of [[6, 0, -1], [8, 3, 0], [10, 8, 3], [15, 25, 15], [20, 52, 37], [30, 137, 109]] as const) expect([pairs, criticalRank(pairs, 0.05) - 1, criticalRank(pairs, 0.01) - 1]).toEqual([pairs, five, one]);
  expect(criticalRank(5, 0.05)).toBe(0);
  expect([2, 3, 8].map(leastPairs)).toEqual([6, 7, 11]);
});

test('the centre of differences by hand', () => {
  // Walsh averages of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6.
  expect(centreOf([1, 2, 6], 0.05)).toEqual({ value: 2.75, lower: null, upper: null });
  expect(centreOf([1, 1, 1, 1, 1, 1], 0.05)).toEqual({ value: 1, lower: 1, upper: 1 });
  expect(centreOf([1, 2, 3, 4, 5, 6], 0.05)).toEqual({ value: 3.5, lower: 1, upper: 6 });
});

test('identical candidates are told apart about as often as is stated, whatever the noise', () => {
  const random = randomOf(1);
  const rate = (candidates: number, rounds: number, runs: number): number => {
    let wrong = 0;
    for (let run = 0; run < runs; run++) if (standings(times(random, Array.from({ length: candidates }, () => 1), rounds, 0.05)).some(({ share }) => share.differs === true)) wrong++;
    return wrong / runs;
  };
  const pair = rate(2, 20, 1500);
  expect(pair).toBeGreaterThan(0.03);
  expect(pair).toBeLessThan(LEVEL + 0.015);
  // The best of eight, chosen by the same data: without the correction this would be about 0.3.
  expect(rate(8, 20, 300)).toBeLessThan(LEVEL + 0.02);
});

test('5 % apart at little noise is told, and who is best; the interval holds the truth', () => {
  const random = randomOf(2);
  let covered = 0;
  let told = 0;
  const runs = 200;
  for (let run = 0; run < runs; run++) {
    const [first, second, third] = standings(times(random, [0.9, 1, 0.95], 20, 0.01));
    expect([first.candidate, second.candidate, third.candidate]).toEqual([1, 2, 0]);
    if (second.share.differs === true && third.share.differs === true) told++;
    if (third.share.lower! <= 0.9 && third.share.upper! >= 0.9) covered++;
  }
  // One sample in twenty is another program's.
  expect(told / runs).toBeGreaterThan(0.85);
  expect(covered / runs).toBeGreaterThan(0.95);
});

test('nobody has more than the best, and whoever has most is the best', () => {
  const random = randomOf(4);
  let best = 0;
  for (let run = 0; run < 100; run++) {
    const shares = standings(times(random, [1, 1.002, 0.998, 1], 9, 0.2)).map(({ share }) => share.value);
    if (shares.every((share) => share <= 1)) best++;
    expect(shares.slice(1)).toEqual(shares.slice(1).toSorted((one, other) => other - one));
  }
  // Medians of ratios are not transitive: with ties as close as these a circle is possible, and rare.
  expect(best).toBeGreaterThan(80);
});

test('what drifts in common changes nothing', () => {
  const random = randomOf(3);
  const samples = times(random, [1, 0.97, 0.8], 12, 0.02);
  const drift = samples[0].map(() => 1 + 5 * uniform(random));
  const [plain, drifted] = [samples, samples.map((of) => of.map((ms, round) => ms * drift[round]))].map((of) => standings(of).map(({ candidate, share }) => [candidate, share.value.toFixed(9), share.lower?.toFixed(9)]));
  expect(drifted).toEqual(plain);
});

test('a first idea of the shares, which one slow sample does not change', () => {
  expect(roughShares([[10, 10, 10], [10, 100, 10], [20, 20, 20]]).map((share) => share.toFixed(6))).toEqual(['1.000000', '1.000000', '0.500000']);
  expect(roughShares([[10, 30, 50], [11, 33, 55]]).map((share) => share.toFixed(6))).toEqual(['1.000000', '0.909091']);
});

test('one candidate, none, and too few rounds', () => {
  expect(standings([])).toEqual([]);
  expect(standings([[3, 4]])).toEqual([{ candidate: 0, share: { value: 1, lower: null, upper: null, differs: null } }]);
  const [, other] = standings([[1, 1, 1], [2, 2, 2]]);
  expect(other).toEqual({ candidate: 1, share: { value: 0.5, lower: null, upper: null, differs: null } });
});
