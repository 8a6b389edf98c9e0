// The closed form is what tilingOf makes of the kernel's footprint, whatever the tile, the waves, the swizzle and the chunks.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkPlan } from '../../src/plan/check.ts';
import { ringReduceScatter } from '../../src/plan/collectives/ring-reduce-scatter.ts';
import type { Footprint } from '../../src/plan/footprint.ts';
import { gridTiling, placesOf, type GridKernel } from '../../src/plan/grid-tiling.ts';
import { planOfMapping } from '../../src/plan/plan.ts';
import { tilingOf } from '../../src/plan/tiling.ts';

/** The same kernel, its owners one by one. */
function footprintOf(kernel: GridKernel): Footprint {
  const { m, n, tile, waves } = kernel;
  const columns = Math.ceil(n / tile.n);
  const places = placesOf(kernel);
  const idAt = new Map(Array.from({ length: places.length / 2 }, (_, id) => [places[2 * id] * columns + places[2 * id + 1], id]));
  const owner = Uint32Array.from({ length: m * n }, (_, at) => {
    const [row, column] = [Math.floor(at / n), at % n];
    const wave = Math.floor((row % tile.m) / (tile.m / waves.m)) * waves.n + Math.floor((column % tile.n) / (tile.n / waves.n));
    return idAt.get(Math.floor(row / tile.m) * columns + Math.floor(column / tile.n))! * waves.m * waves.n + wave;
  });
  return { m, n, batch: 1, grid: [columns, Math.ceil(m / tile.m), 1], wavefronts: waves.m * waves.n, owner, twins: [] };
}

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const kernels: fc.Arbitrary<GridKernel> = fc
  .record({ m: upTo(40), n: upTo(40), waveM: upTo(4), waveN: upTo(4), wavesM: upTo(3), wavesN: upTo(3), swizzle: upTo(5) })
  .map(({ m, n, waveM, waveN, wavesM, wavesN, swizzle }) => ({ m, n, tile: { m: waveM * wavesM, n: waveN * wavesN }, waves: { m: wavesM, n: wavesN }, swizzle }));

test('equals the tiling of the footprint, and makes a Plan in which nothing is wrong', () => {
  fc.assert(
    fc.property(kernels, fc.constantFrom('rows', 'columns'), upTo(9), upTo(5), (kernel, axis, devices, blockTiles) => {
      const tiling = gridTiling(kernel, axis, devices, blockTiles);
      expect(tiling).toEqual(tilingOf(footprintOf(kernel), axis, devices, blockTiles));
      expect(checkPlan(planOfMapping(ringReduceScatter(devices), tiling, 3))).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test('swizzle: down the columns of a group of rows, then the next group', () => {
  expect([...placesOf({ m: 3, n: 2, tile: { m: 1, n: 1 }, swizzle: 2 })]).toEqual([0, 0, 1, 0, 0, 1, 1, 1, 2, 0, 2, 1]);
  expect([...placesOf({ m: 2, n: 2, tile: { m: 1, n: 1 }, swizzle: 1 })]).toEqual([0, 0, 0, 1, 1, 0, 1, 1]);
});
