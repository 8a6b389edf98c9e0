import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { gridFootprint } from '../../src/plan/footprint.ts';
import { KERNELS } from '../../src/spec/kernels.ts';
import { footprintFor, lanesOf, planCases } from '../support/plans.ts';

test('every element belongs to the wavefront of the one lane that covers it, the edges of the output included', () => {
  fc.assert(
    fc.property(planCases({ side: 40, devices: 1 }), ({ m, n, tiles }) => {
      fc.pre(tiles.kind === 'grid');
      const { owner, grid, wavefronts } = footprintFor({ m, n, tiles });
      const tileM = tiles.threadM * tiles.lanesY;
      const tileN = tiles.threadN * tiles.lanesX;
      expect(grid).toEqual([Math.ceil(n / tileN), Math.ceil(m / tileM), 1]);
      expect(wavefronts).toBe(Math.ceil((tiles.lanesX * tiles.lanesY) / tiles.wavefront));
      expect(owner.length).toBe(m * n);
      const expected = new Uint32Array(m * n).fill(0xffffffff);
      for (let y = 0; y < grid[1]; y++)
        for (let x = 0; x < grid[0]; x++)
          lanesOf(tiles).forEach((lane, index) => {
            for (let row = y * tileM + lane.row; row < Math.min(m, y * tileM + lane.row + lane.rows); row++)
              for (let column = x * tileN + lane.column; column < Math.min(n, x * tileN + lane.column + lane.columns); column++)
                expected[row * n + column] = (x + grid[0] * y) * wavefronts + Math.floor(index / tiles.wavefront);
          });
      expect(owner).toEqual(expected);
    }),
  );
});

test('written out by hand: 3 × 5, tiles of 2 × 4, lanes of 1 × 2 in wavefronts of 2', () => {
  const lanes = [0, 1, 2, 3].map((lane) => [{ row: Math.floor(lane / 2), column: (lane % 2) * 2, rows: 1, columns: 2 }]);
  const { owner, wavefronts } = gridFootprint({ m: 3, n: 5 }, { m: 2, n: 4 }, [2, 2, 1], lanes, 2);
  expect(wavefronts).toBe(2);
  expect([...owner]).toEqual([
    0, 0, 0, 0, 2,
    1, 1, 1, 1, 3,
    4, 4, 4, 4, 6,
  ]);
});

test('the same, with workgroups that go down the columns of tiles', () => {
  const lanes = [0, 1, 2, 3].map((lane) => [{ row: Math.floor(lane / 2), column: (lane % 2) * 2, rows: 1, columns: 2 }]);
  const { owner } = gridFootprint({ m: 3, n: 9 }, { m: 2, n: 4 }, [2, 3, 1], lanes, 2, 'rows');
  expect([...owner]).toEqual([
    0, 0, 0, 0, 4, 4, 4, 4, 8,
    1, 1, 1, 1, 5, 5, 5, 5, 9,
    2, 2, 2, 2, 6, 6, 6, 6, 10,
  ]);
});

test.each(KERNELS.map((kernel) => [kernel.name, kernel] as const))('the lanes of %s cover its tile', (_name, kernel) => {
  for (const tile of [{ m: 32, n: 28, k: 2 }, { m: 8, n: 4, k: 2 }, { m: 1, n: 7, k: 1 }, { m: 19, n: 1, k: 2 }]) {
    if (kernel.tileProblem(tile) !== undefined) continue;
    const [x, y] = kernel.workgroupSize(tile);
    const lanes = Array.from({ length: x * y }, (_, lane) => kernel.laneRectangles(tile, lane));
    const shape = { m: 2 * tile.m + 1, n: tile.n + 1, k: 3 };
    const { owner } = gridFootprint(shape, tile, kernel.grid(shape, tile), lanes, 4, kernel.walks);
    expect(owner).not.toContain(0xffffffff);
  }
});

test('lanes that leave an element of the tile uncovered are a bug, not a hole in the output', () => {
  const half = [[{ row: 0, column: 0, rows: 1, columns: 4 }]];
  expect(() => gridFootprint({ m: 2, n: 4 }, { m: 2, n: 4 }, [1, 1, 1], half, 64)).toThrow(expect.objectContaining({ code: 'BUG' } satisfies Partial<TilewireError>));
});
