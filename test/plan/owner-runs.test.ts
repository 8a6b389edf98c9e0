import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromOwnerRuns, toOwnerRuns } from '../../src/plan/owner-runs.ts';
import { footprintFor, planCases } from '../support/plans.ts';

test('a footprint comes back from its runs, and no two neighbouring runs have one owner', () => {
  fc.assert(
    fc.property(planCases({ side: 24, devices: 1 }), (given) => {
      const footprint = footprintFor(given);
      const crossed = toOwnerRuns(footprint);
      expect(fromOwnerRuns(JSON.parse(JSON.stringify(crossed)))).toEqual(footprint);
      for (let run = 2; run < crossed.runs.length; run += 2) expect(crossed.runs[run]).not.toBe(crossed.runs[run - 2]);
    }),
  );
});

test('runs that do not cover the output are a bug', () => {
  expect(() => fromOwnerRuns({ m: 2, n: 3, batch: 1, grid: [1, 1, 1], wavefronts: 1, runs: [0, 5], twins: [] })).toThrow(/do not cover/);
});
