// Runs as the kernels take them: the same elements in the same order as the Plan's, in fewer records.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { merged, runTable, runWords, type Run } from '../../src/emulate/runs.ts';
import { planCases, planFor } from '../support/plans.ts';

const elements = (runs: readonly Run[]): number[] => runs.flatMap(({ start, length, count, stride }) => Array.from({ length: length * count }, (_, at) => start + Math.floor(at / length) * stride + (at % length)));

test.each<[string, [number, number][], Run[]]>([
  ['nothing', [], []],
  ['the rows of a tile', [[5, 3], [15, 3], [25, 3]], [{ start: 5, length: 3, count: 3, stride: 10 }]],
  ['a row that is shorter', [[5, 3], [15, 3], [25, 2]], [{ start: 5, length: 3, count: 2, stride: 10 }, { start: 25, length: 2, count: 1, stride: 0 }]],
  ['another distance', [[5, 3], [15, 3], [26, 3]], [{ start: 5, length: 3, count: 2, stride: 10 }, { start: 26, length: 3, count: 1, stride: 0 }]],
  ['backwards', [[15, 3], [5, 3]], [{ start: 15, length: 3, count: 1, stride: 0 }, { start: 5, length: 3, count: 1, stride: 0 }]],
  ['a long one, cut', [[7, 130]], [{ start: 7, length: 32, count: 4, stride: 32 }, { start: 135, length: 2, count: 1, stride: 0 }]],
  ['several long ones', [[0, 130], [200, 130]], [{ start: 0, length: 130, count: 2, stride: 200 }]],
])('%s', (_what, stretches, expected) => {
  expect(merged(stretches)).toEqual(expected);
});

test('whatever the stretches: every element, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(400), fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 600 })))), (stretches) => {
      expect(elements(merged(stretches))).toEqual(stretches.flatMap(([start, length]) => Array.from({ length }, (_, at) => start + at)));
    }),
  );
});

test('of each piece of a Plan: what the Plan says', () => {
  fc.assert(
    fc.property(planCases({ side: 20, devices: 5 }), (given) => {
      const { tiling } = planFor(given);
      const { words, pieceRuns } = runTable(tiling);
      for (let piece = 0; piece < tiling.pieceElements.length; piece++) {
        const runs = Array.from({ length: pieceRuns[piece + 1]! - pieceRuns[piece]! }, (_, at): Run => {
          const [start, length, count, stride] = words.subarray(4 * (pieceRuns[piece]! + at)) as unknown as [number, number, number, number];
          return { start, length, count, stride };
        });
        const expected: number[] = [];
        for (let run = tiling.pieceRuns[piece]!; run < tiling.pieceRuns[piece + 1]!; run++) for (let at = 0; at < tiling.runs[2 * run + 1]!; at++) expected.push(tiling.runs[2 * run]! + at);
        expect(elements(runs)).toEqual(expected);
        expect(runs).toHaveLength(runWords(runs).length / 4);
      }
    }),
    { numRuns: 60 },
  );
});
