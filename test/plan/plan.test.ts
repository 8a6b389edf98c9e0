import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunkOfBlock, ownerOf, piecesOfBlock, planOf, routeOf, settled, splitsOf, thresholdOf, updatesOf } from '../../src/plan/plan.ts';
import { resolveDraft } from '../../src/spec/resolve.ts';
import { footprintFor, planCases, planFor, type PlanCase } from '../support/plans.ts';
import { stageTilesByDefault } from '../support/stages.ts';

const cases = fc.oneof({ arbitrary: planCases({ side: 60, devices: 13 }), weight: 4 }, { arbitrary: planCases({ side: 20, devices: 64 }), weight: 1 });

test('the stages of each device hold each tile once, in the earliest step of any chunk that it touches', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const { tiling, mapping, stages } = planFor(given);
      stages.forEach((mine, device) => {
        const step = new Int32Array(tiling.tiles).fill(-1);
        for (const stage of mine)
          for (const tile of stage.tiles) {
            if (step[tile] !== -1) throw new Error(`device ${device}: tile ${tile} is in two stages`);
            step[tile] = stage.step;
          }
        const due = tiling.tileParts.map((parts) => (parts.length === 0 ? -1 : Math.min(...parts.map((part) => mapping.order[device].indexOf(tiling.partChunk[part])))));
        expect([...step]).toEqual(due);
      });
    }),
    { numRuns: 60 },
  );
});

test('stages go by steps, with at most S tiles: only the last one of a step has fewer', () => {
  fc.assert(
    fc.property(cases, (given) => {
      for (const mine of planFor(given).stages)
        mine.forEach(({ step, tiles }, index) => {
          const last = mine[index + 1]?.step !== step;
          expect(tiles.length).toBeGreaterThan(0);
          expect(tiles.length).toBeLessThanOrEqual(given.stageTiles);
          if (!last) expect(tiles.length).toBe(given.stageTiles);
          if (index > 0) expect(step).toBeGreaterThanOrEqual(mine[index - 1].step);
          expect([...tiles]).toEqual(tiles.toSorted((one, other) => one - other));
        });
    }),
    { numRuns: 60 },
  );
});

const small: PlanCase = {
  m: 4, n: 6, devices: 3, algorithm: 'ring', chunk: 'columns', stageTiles: 1, triggerTiles: 1,
  tiles: { kind: 'grid', threadM: 2, threadN: 3, lanesX: 1, lanesY: 2, wavefront: 1 },
};

test('written out by hand: a tile that straddles runs in the step of its first chunk', () => {
  // Two tiles of 4 × 3 over chunks of 2 columns: tile 0 has chunks 0, 1; tile 1 has chunks 1, 2.
  expect(planFor(small).stages).toEqual([
    [{ step: 0, tiles: [0] }, { step: 0, tiles: [1] }],
    [{ step: 0, tiles: [1] }, { step: 1, tiles: [0] }],
    [{ step: 0, tiles: [0] }, { step: 1, tiles: [1] }],
  ]);
});

test('a threshold is the elements of the piece times the updates that each of them gets', () => {
  const ring = planFor(small);
  // Pieces of chunk 0 (tile 0, two wavefronts of 2 × 2 elements): device 0 and 1 get two updates, device 2 stores its own to device 1.
  expect([0, 1, 2].map((d) => thresholdOf(ring, d, 0))).toEqual([8, 8, 0]);
  const direct = planFor({ ...small, algorithm: 'direct' });
  expect([0, 1, 2].map((d) => thresholdOf(direct, d, 0))).toEqual([12, 0, 0]);
  expect(thresholdOf(planFor({ ...small, devices: 1 }), 0, 0)).toBe(6);
  expect(routeOf(ring, 2, 0).storeTo).toBe(1);
});

test('split-K: what a GEMM stores counts once for each split, what a DMA brings once', () => {
  const splits = { count: 3, axis: 'x', seed: 1 } as const;
  const ring = planFor({ ...small, splits });
  expect(splitsOf(ring)).toBe(3);
  // As above: device 0 gets a DMA and its own three, device 1 the three remote ones and its own three.
  expect([0, 1, 2].map((d) => thresholdOf(ring, d, 0))).toEqual([4 * (1 + 3), 4 * (3 + 3), 0]);
  expect(routeOf(ring, 0, 0).expects.map((source) => [source.kind, updatesOf(ring, source)])).toEqual([['local', 3], ['dma', 1]]);
  expect(routeOf(ring, 1, 0).expects.map((source) => [source.kind, updatesOf(ring, source)])).toEqual([['local', 3], ['remote', 3]]);
  const direct = planFor({ ...small, splits, algorithm: 'direct' });
  expect([0, 1, 2].map((d) => thresholdOf(direct, d, 0))).toEqual([4 * 9, 0, 0]);
  // Tiles go by the ids of the first split, whose workgroups are every third here.
  expect(ring.stages[0].flatMap(({ tiles }) => tiles)).toEqual([0, 3]);
});

test('a batch: a step for each chunk of each matrix, one matrix after another; chunk j of any of them ends on device j', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const plan = planFor(given);
      const { devices, batch = 1 } = given;
      const one = planFor({ ...given, batch: 1 });
      plan.mapping.order.forEach((order, d) => expect(order).toEqual(Array.from({ length: batch }, (_, b) => one.mapping.order[d].map((chunk) => b * devices + chunk)).flat()));
      plan.tiling.chunks.forEach((_, chunk) => {
        expect(ownerOf(plan, chunk)).toBe(chunk % devices);
        for (let d = 0; d < devices; d++) expect(routeOf(plan, d, chunk)).toEqual(routeOf(one, d, chunk % devices));
      });
    }),
    { numRuns: 30 },
  );
});

test('a block has a chunk, and only pieces that exist', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const plan = planFor(given);
      const { tiling } = plan;
      const seen: number[] = [];
      for (let block = 0; block < tiling.blocks; block++)
        for (const piece of piecesOfBlock(plan, block)) {
          const part = Math.floor(piece / tiling.wavefronts);
          if (tiling.partChunk[part] !== chunkOfBlock(plan, block) || tiling.partBlock[part] !== block) throw new Error(`piece ${piece} is not of block ${block}`);
          seen.push(piece);
        }
      expect(seen).toEqual([...tiling.pieceElements.keys()].filter((piece) => tiling.pieceElements[piece] > 0));
    }),
    { numRuns: 40 },
  );
});

test('stages that are left open: by the chunk with the most tiles, of whatever matrix', async () => {
  const draft = { ...(await resolveDraft({ m: 64, n: 64, k: 8, devices: 2 })), stageTiles: null };
  fc.assert(
    fc.property(cases, (given) => {
      const { tiling } = planFor(given);
      const most = Math.max(1, ...tiling.chunks.map((_, chunk) => tiling.partChunk.filter((of) => of === chunk).length));
      expect(settled({ ...draft, devices: given.devices, chunk: given.chunk, triggerTiles: given.triggerTiles }, footprintFor(given)).stageTiles).toBe(stageTilesByDefault(most, given.devices));
    }),
    { numRuns: 40 },
  );
  expect(settled({ ...draft, stageTiles: 7 }, footprintFor(small)).stageTiles).toBe(7);
  // One tile in the first matrix, eight in the second.
  const owner = Uint32Array.from({ length: 16 }, (_, row) => Math.max(0, row - 7));
  expect(settled({ ...draft, devices: 1, chunk: 'rows' }, { m: 16, n: 1, batch: 2, grid: [9, 1, 1], wavefronts: 1, owner, twins: [] }).stageTiles).toBe(2);
});

test('a Plan is plain data and a function of its input', () => {
  const plan = planFor(small);
  expect(structuredClone(plan)).toEqual(plan);
  expect(planOf(small, footprintFor(small))).toEqual(plan);
});
