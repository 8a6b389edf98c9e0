import { expect, test } from 'vitest';
import type { Placement } from '../../src/plan/placement.ts';
import { footprintTable } from '../../src/report/footprint-table.ts';

const placement = (workgroup: number): Placement => ({ workgroup, id: [workgroup % 3, Math.floor(workgroup / 3), 0], wavefront: 1, step: 2, stage: 7, chunk: 3, storesTo: 0, rows: [4, 11], columns: [5, 5], elements: 8, runs: 6, straddles: workgroup === 0 });

test('one row each, under its heads', () => {
  expect(footprintTable([placement(0), placement(10)], [3, 4, 1])).toEqual([
    'step  stage  chunk  workgroup  wavefront  rows  columns  elements  runs  straddles',
    '   2      7      3   0 (0, 0)          1  4–11        5         8     6        yes',
    '   2      7      3  10 (1, 3)          1  4–11        5         8     6',
  ]);
  expect(footprintTable([placement(2)], [9, 1, 1])[1]).toMatch(/^ +2 +7 +3 +2 +1 +4–11/);
});

test('a long one is cut in the middle and says how many rows it left out', () => {
  const all = Array.from({ length: 20 }, (_, at) => placement(at));
  const lines = footprintTable(all, [20, 1, 1], 7);
  expect(lines).toHaveLength(1 + 7 + 1);
  expect(lines[5]).toBe('… 13 more rows: --json has all …');
  expect(lines.filter((_, at) => at !== 0 && at !== 5).map((line) => Number(line.trim().split(/ +/)[3]))).toEqual([0, 1, 2, 3, 17, 18, 19]);
  expect(footprintTable(all, [20, 1, 1], 20)).toHaveLength(21);
});
