import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { planOf } from '../../src/plan/plan.ts';
import { bordersOf, regionsOf } from '../../src/report/footprint-regions.ts';
import { footprintSvg } from '../../src/report/footprint-svg.ts';
import { footprintFor, planCases, type PlanCase } from '../support/plans.ts';

const draw = (given: PlanCase, device = 0, title = 'a title'): string => {
  const footprint = footprintFor(given);
  return footprintSvg({ plan: planOf(given, footprint), footprint, device, title, subtitle: 'a subtitle' });
};
const GRID: PlanCase = { m: 64, n: 96, devices: 4, algorithm: 'ring', chunk: 'columns', stageTiles: 2, triggerTiles: 4, tiles: { kind: 'grid', threadM: 1, threadN: 1, lanesX: 16, lanesY: 16, wavefront: 64 } };

test('rectangles cover each element once, with its own key, whatever the shape of the regions', () => {
  fc.assert(
    fc.property(planCases({ side: 30, devices: 1 }), (given) => {
      const { m, n, batch, owner, wavefronts, twins } = footprintFor(given);
      const keys = Int32Array.from({ length: Math.max(...owner) + 1 }, (_, at) => Math.floor(at / wavefronts));
      const { rectangles, sampled } = regionsOf({ m, n, batch, owner, wavefronts, grid: [1, 1, 1], twins }, keys, m * n);
      const painted = new Int32Array(m * n).fill(-1);
      for (const [key, of] of rectangles)
        for (const [row, column, rows, columns] of of)
          for (let r = row; r < row + rows; r++)
            for (let c = column; c < column + columns; c++) {
              expect(painted[r * n + c]).toBe(-1);
              painted[r * n + c] = key;
            }
      expect(sampled).toBe(1);
      expect([...painted]).toEqual([...owner].map((of) => keys[of]));
    }),
  );
});

test('a footprint too fine to draw is sampled, and all of it still covered', () => {
  const given: PlanCase = { ...GRID, tiles: { kind: 'scattered', tiles: 20, wavefronts: 1, seed: 3 } };
  const footprint = footprintFor(given);
  const { rectangles, sampled } = regionsOf(footprint, Int32Array.from({ length: 20 }, (_, at) => at), 400);
  expect(sampled).toBeGreaterThan(1);
  expect([...rectangles.values()].flat().length).toBeLessThanOrEqual(400);
  expect([...rectangles.values()].flat().reduce((sum, [, , rows, columns]) => sum + rows * columns, 0)).toBe(64 * 96);
});

test('borders lie exactly between elements of different owners', () => {
  fc.assert(
    fc.property(planCases({ side: 16, devices: 1 }), (given) => {
      const footprint = footprintFor(given);
      const { m, n, owner } = footprint;
      const { horizontal, vertical } = bordersOf(footprint, (one, other) => one !== other, m * n)!;
      const drawn = new Set([
        ...horizontal.flatMap(([row, from, to]) => Array.from({ length: to - from }, (_, at) => `h ${row} ${from + at}`)),
        ...vertical.flatMap(([column, from, to]) => Array.from({ length: to - from }, (_, at) => `v ${from + at} ${column}`)),
      ]);
      for (let row = 0; row < m; row++)
        for (let column = 0; column < n; column++) {
          if (row > 0) expect(drawn.has(`h ${row} ${column}`)).toBe(owner[row * n + column] !== owner[(row - 1) * n + column]);
          if (column > 0) expect(drawn.has(`v ${row} ${column}`)).toBe(owner[row * n + column] !== owner[row * n + column - 1]);
        }
    }),
  );
  expect(bordersOf(footprintFor(GRID), (one, other) => one !== other, 3)).toBeNull();
});

test('a picture: a tinted region for each workgroup, its step in the tooltip, chunk boundaries, the legend', () => {
  const svg = draw(GRID, 1);
  const plan = planOf(GRID, footprintFor(GRID));
  const regions = [...svg.matchAll(/<path fill="(#\w{6})"[^>]*><title>workgroup (\d+): step (\d+), stage (\d+)<\/title>/g)];
  expect(regions).toHaveLength(24);
  const tints = new Map<string, string>();
  for (const [, tint, workgroup, step, stage] of regions) {
    expect(plan.stages[1][Number(stage) - 1]).toMatchObject({ step: Number(step) - 1, tiles: expect.arrayContaining([Number(workgroup)]) });
    expect(tints.get(step) ?? tint).toBe(tint);
    tints.set(step, tint);
  }
  expect(new Set(tints.values()).size).toBe(4);
  for (const [step, tint] of tints) expect(svg).toMatch(new RegExp(`fill="${tint}" stroke=[^]{0,120}>step ${step} · chunk ${plan.mapping.order[1][Number(step) - 1]} · stage`));
  expect(svg.match(/stroke-width="3" stroke-linecap/g)).toHaveLength(2);
  for (const part of ['>chunk boundary<', '>workgroup<', '>wavefront<', '>24<', '>48<', '>72<', 'straddle chunks']) expect(svg).toContain(part);
});

test('split-K and a batch are told below the picture; workgroups of further splits do store something', () => {
  const split = draw({ ...GRID, splits: { count: 3, axis: 'z', seed: 1 } });
  expect(split).toContain('split-K: what is drawn is split 0; 2 more workgroups store each of these regions again');
  expect(split).not.toContain('store nothing');
  const batch = draw({ ...GRID, batch: 2 });
  expect(batch).toContain('2 matrices, one below the other: chunks go on by 4 from each to the next');
  expect(batch.match(/<title>workgroup \d+: step (\d+),/g)).toHaveLength(48);
  expect(batch).toContain('step 8 · chunk 4 · stage');
  expect(draw(GRID)).not.toMatch(/split-K|matrices/);
});

test('self-contained, well-formed and finite, whatever is drawn', () => {
  fc.assert(
    fc.property(planCases({ side: 40, devices: 9 }), (given) => {
      const svg = draw(given, given.devices - 1, 'a < b & "c"');
      expect(svg).not.toMatch(/NaN|Infinity|undefined|href|url\(|<script|@import/);
      expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
      const open: string[] = [];
      for (const [, closing, name, self] of svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
        if (closing === '/') expect(open.pop()).toBe(name);
        else if (self === '') open.push(name);
      }
      expect(open).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('a large output stays small: lines that are too close are left out, and it says so', () => {
  const svg = draw({ ...GRID, m: 256, n: 4256, devices: 8, stageTiles: 38, tiles: { kind: 'grid', threadM: 1, threadN: 1, lanesX: 8, lanesY: 8, wavefront: 16 } });
  for (const part of ['borders of workgroups left out', 'borders of the 4 wavefronts', 'not to scale']) expect(svg).toContain(part);
  expect(svg.length).toBeLessThan(200_000);
});
