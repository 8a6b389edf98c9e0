// The order of additions, as a log tells it: added up in that order, in f32, the partial products must give the very bits
// that are in memory; splits of a device, and what arrives between them, included.
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { sums, type Sum } from '../../src/emulate/plan-order.ts';
import { EventLog } from '../../src/events/log.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { planCases, planFor, type PlanCase } from '../support/plans.ts';
import { randomOf } from '../support/random.ts';
import { simulate } from '../support/simulate.ts';

vi.mock('../../src/gpu/gpu.ts', () => ({ isSoftware: () => false }));

const termsOf = (sum: Sum): number[] => sum.flatMap((term) => (typeof term === 'number' ? [term] : termsOf(term)));
const valueOf = (sum: Sum, product: (of: number) => number): number =>
  sum.map((term) => (typeof term === 'number' ? product(term) : valueOf(term, product))).reduce((total, value) => Math.fround(total + value));

/** Partial products of many magnitudes and both signs: f32 sums of them depend on the order. */
function products(seed: number): (of: number) => number {
  const random = randomOf(seed);
  const values = Array.from({ length: 1024 }, () => Math.fround((random(2 ** 24) - 2 ** 23) * 2 ** -random(20)));
  return (of) => values[of];
}

/** The first element of a part in its owner's memory. */
const elementOf = ({ tiling: { partChunk, pieceRuns, runs, wavefronts } }: Plan, results: readonly Float64Array[], part: number): number => results[partChunk[part]][runs[2 * pieceRuns[part * wavefronts]]];

describe('a run in random order', () => {
  test('each part’s sum has each split of each device once, and gives the bits that are in memory', () => {
    fc.assert(
      fc.property(planCases({ side: 9, devices: 7 }), fc.nat(), (given, seed) => {
        const plan = planFor(given);
        const product = products(seed);
        const { log, results } = simulate(plan, { seed, rounded: product });
        const order = sums(plan, log);
        expect(order).toHaveLength(plan.tiling.parts);
        order.forEach((sum, part) => {
          expect(termsOf(sum!).toSorted((one, other) => one - other)).toEqual(Array.from({ length: given.devices * (given.splits?.count ?? 1) }, (_, of) => of));
          expect(valueOf(sum!, product)).toBe(elementOf(plan, results, part));
        });
      }),
      { numRuns: 100 },
    );
  });

  test('the order matters: the terms of many sums, the other way round, give other bits', () => {
    let other = 0;
    let all = 0;
    fc.assert(
      fc.property(planCases({ side: 5, devices: 7 }), fc.nat(), (given, seed) => {
        fc.pre(given.devices * (given.splits?.count ?? 1) > 2);
        const plan = planFor(given);
        const product = products(seed);
        for (const sum of sums(plan, simulate(plan, { seed, rounded: product }).log)) {
          const terms = termsOf(sum!);
          all++;
          if (valueOf(terms.toReversed(), product) !== valueOf(sum!, product)) other++;
        }
      }),
    );
    expect(other).toBeGreaterThan(0.3 * all);
  });
});

describe('written out by hand', () => {
  const given: PlanCase = { m: 3, n: 2, devices: 3, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 1, threadN: 2, lanesX: 1, lanesY: 1, wavefront: 1 }, splits: { count: 2, axis: 'z', seed: 1 } };
  const plan = planFor(given);
  /** Of part 0, which is all of chunk 0: device 2 stores it to device 1, that sends its sum to device 0. */
  const order = (...updates: readonly ['store' | 'apply', number, number][]): Sum | null => {
    const log = new EventLog();
    updates.forEach(([kind, from, to], time) => (kind === 'store' ? log.add('store', time, from, 0, to, 0) : log.add('apply', time, to, 0, from, 0)));
    return sums(plan, log)[0];
  };

  test('what arrives between two splits is added between them', () => {
    expect(order(['store', 2, 1], ['store', 1, 1], ['store', 2, 1], ['store', 1, 1], ['store', 0, 0], ['apply', 1, 0], ['store', 0, 0])).toEqual([0, [4, 2, 5, 3], 1]);
    expect(order(['store', 1, 1], ['store', 1, 1], ['store', 2, 1], ['store', 2, 1], ['apply', 1, 0], ['store', 0, 0], ['store', 0, 0])).toEqual([[2, 3, 4, 5], 0, 1]);
  });

  test('a sum that waits for itself is none; one that lacks something says what it has', () => {
    expect(order(['store', 0, 0], ['apply', 1, 0], ['apply', 0, 1])).toBeNull();
    expect(order(['store', 0, 0], ['apply', 1, 0], ['store', 1, 1])).toEqual([0, [2]]);
    expect(order()).toEqual([]);
  });
});
