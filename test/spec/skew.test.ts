import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { stageFactor } from '../../src/spec/skew.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const device = fc.integer({ min: 0, max: 63 });
const stage = fc.integer({ min: 0, max: 100_000 });

test('without skew no stage takes longer than another', () => {
  fc.assert(fc.property(u32, device, stage, (seed, device, stage) => stageFactor(0, seed, device, stage) === 1));
});

test('factors lie from 1 to below (1 + F)(1 + F/4), and are the product of what the device has and what the stage has', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 4, noNaN: true }), u32, device, stage, stage, (skew, seed, device, stage, other) => {
      const factor = stageFactor(skew, seed, device, stage);
      expect(factor).toBeGreaterThanOrEqual(1);
      expect(factor).toBeLessThan((1 + skew) * (1 + skew / 4) + 1e-9);
      // Two stages of one device share its part, so that they differ by the stages' parts at most.
      expect(factor / stageFactor(skew, seed, device, other)).toBeLessThan(1 + skew / 4 + 1e-9);
    }),
  );
});

test('values are pinned: a Spec means the same timing in every version', () => {
  expect([[1, 0, 0], [1, 0, 1], [1, 1, 0], [2, 0, 0]].map(([seed, device, stage]) => stageFactor(4, seed, device, stage))).toEqual([2.6771382856453707, 3.4691050896022264, 5.280208177445851, 7.920419889898212]);
});

test('devices, stages and seeds are uniform and independent', () => {
  const many = 4000;
  const seeds = Array.from({ length: many }, (_, seed) => seed);
  // With F → ∞ the factor over F²/4 is the product of the two uniforms; a ratio of two stages leaves the stages' parts alone.
  const logs = seeds.map((seed) => Math.log((4 * stageFactor(1e9, seed, 3, 7)) / 1e18));
  // −log of a product of two uniforms is Gamma(2, 1): mean 2, variance 2.
  const mean = logs.reduce((sum, x) => sum - x, 0) / many;
  expect(Math.abs(mean - 2)).toBeLessThan(4 * Math.sqrt(2 / many));
  const correlation = (other: readonly number[]): number => {
    const center = (of: readonly number[]): number[] => of.map((x) => x - of.reduce((sum, y) => sum + y, 0) / many);
    const [a, b] = [center(logs), center(other)];
    const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, value, i) => sum + value * y[i], 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };
  const log = (seed: number, device: number, stage: number): number => Math.log(stageFactor(1e9, seed, device, stage));
  // Standard error 1/√4000 = 0.016. One device's stages share half of the variance.
  expect(Math.abs(correlation(seeds.map((seed) => log(seed, 4, 7))))).toBeLessThan(0.06);
  expect(Math.abs(correlation(seeds.map((seed) => log(seed + 1, 3, 7))))).toBeLessThan(0.06);
  expect(Math.abs(correlation(seeds.map((seed) => log(seed, 3, 8))) - 0.5)).toBeLessThan(0.06);
});
