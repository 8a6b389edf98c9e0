import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dispatchesOf, extraFlops, partOf, straddlingNotes } from '../../src/emulate/dispatches.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { planCases, planFor, unstraddledCases, type PlanCase } from '../support/plans.ts';

const cases = planCases({ side: 24, devices: 9 });
const slots = fc.integer({ min: 1, max: 6 });

const chunksOf = ({ tiling }: Plan, tile: number): number[] => tiling.tileParts[tile].map((part) => tiling.partChunk[part]);

test('every tile meets each chunk that it touches in one dispatch, and no dispatch binds more than it may', () => {
  fc.assert(
    fc.property(cases, slots, (given, maxSlots) => {
      const plan = planFor(given);
      for (const { tiles } of plan.stages.flat()) {
        const dispatches = dispatchesOf(plan, tiles, maxSlots);
        for (const tile of tiles) expect(dispatches.filter((dispatch) => dispatch.tiles.includes(tile)).flatMap((dispatch) => dispatch.slots)).toEqual(chunksOf(plan, tile));
        for (const dispatch of dispatches) {
          expect(dispatch.slots.length).toBeGreaterThan(0);
          expect(dispatch.slots.length).toBeLessThanOrEqual(maxSlots);
          expect(new Set(dispatch.slots).size).toBe(dispatch.slots.length);
          // Without a mask, a store outside of the chunks that are bound would land anywhere.
          const touched = chunksOf(plan, dispatch.tiles[0]).length;
          const { axis, chunks } = plan.tiling;
          // Of a tile that reaches over two matrices of a batch, the axis alone does not tell which chunk an element is in.
          const matrices = new Set(dispatch.slots.map((slot) => (axis === 'rows' ? chunks[slot].column : chunks[slot].row)));
          const begins = dispatch.slots.map((slot) => (axis === 'rows' ? chunks[slot].row : chunks[slot].column));
          if (dispatch.where === 'ordered') expect(begins.every((begin, at) => at === 0 || begin > begins[at - 1])).toBe(true);
          expect(dispatch.where).toBe(touched === 1 ? 'one' : touched <= maxSlots && matrices.size === 1 ? 'ordered' : 'masked');
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('tiles of a dispatch touch the same chunks; those that touch one come first, in the order of the stage', () => {
  fc.assert(
    fc.property(cases, slots, (given, maxSlots) => {
      const plan = planFor(given);
      for (const { tiles } of plan.stages.flat()) {
        const dispatches = dispatchesOf(plan, tiles, maxSlots);
        const order = new Map(tiles.map((tile, at) => [tile, at]));
        let straddling = false;
        for (const dispatch of dispatches) {
          expect(new Set(dispatch.tiles.map((tile) => chunksOf(plan, tile).join())).size).toBe(1);
          const places = dispatch.tiles.map((tile) => order.get(tile)!);
          expect(places).toEqual(places.toSorted((one, other) => one - other));
          expect(straddling && dispatch.where === 'one').toBe(false);
          straddling ||= dispatch.where !== 'one';
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('where no tile straddles, a stage is one dispatch with one chunk and no mask', () => {
  fc.assert(
    fc.property(unstraddledCases({ side: 10, devices: 6 }), slots, (given, maxSlots) => {
      const plan = planFor(given);
      for (const { tiles } of plan.stages.flat()) expect(dispatchesOf(plan, tiles, maxSlots)).toEqual([{ slots: [plan.tiling.partChunk[plan.tiling.tileParts[tiles[0]][0]]], tiles, where: 'one' }]);
      expect(extraFlops(plan, 100, 1)).toBe(0);
    }),
    { numRuns: 30 },
  );
});

describe('written out by hand: 6 rows over 5 devices, tiles of 4 rows × 2 columns', () => {
  // Chunks have rows 0-1, 2, 3, 4, 5; tiles 0, 1 touch chunks 0 to 2 and tiles 2, 3 chunks 3, 4.
  const given: PlanCase = { m: 6, n: 4, devices: 5, algorithm: 'ring', chunk: 'rows', stageTiles: 9, triggerTiles: 9, tiles: { kind: 'grid', threadM: 4, threadN: 2, lanesX: 1, lanesY: 1, wavefront: 1 } };
  const plan = planFor(given);

  test('dispatches', () => {
    expect(dispatchesOf(plan, [0, 2, 3, 1], 3)).toEqual([
      { slots: [3, 4], tiles: [2, 3], where: 'ordered' },
      { slots: [0, 1, 2], tiles: [0, 1], where: 'ordered' },
    ]);
    expect(dispatchesOf(plan, [0, 2], 2)).toEqual([
      { slots: [3, 4], tiles: [2], where: 'ordered' },
      { slots: [0, 1], tiles: [0], where: 'masked' },
      { slots: [2], tiles: [0], where: 'masked' },
    ]);
    expect(dispatchesOf(plan, [], 3)).toEqual([]);
  });

  test('extra FLOPs: 2k per element of a tile for each time that it runs again, on every device: 2K for K over all of them', () => {
    expect(extraFlops(plan, 5 * 10, 3)).toBe(0);
    // Tiles 0 and 1, 8 elements each, run twice.
    expect(extraFlops(plan, 5 * 10, 2)).toBe(5 * 2 * 10 * 16);
    // Tiles 0 and 1 run three times, tiles 2 and 3 (4 elements each) twice.
    expect(extraFlops(plan, 5 * 10, 1)).toBe(5 * 2 * 10 * (2 * 16 + 8));
  });

  test('the part that a tile has of a chunk', () => {
    expect([0, 1, 2, 3, 4].map((chunk) => partOf(plan, 1, chunk))).toEqual([1, 3, 5, -1, -1]);
    expect([0, 1, 2, 3, 4].map((chunk) => partOf(plan, 2, chunk))).toEqual([-1, -1, -1, 6, 8]);
  });
});

test('extra FLOPs are those of the dispatches beyond the first of each tile', () => {
  fc.assert(
    fc.property(cases, slots, (given, maxSlots) => {
      const plan = planFor(given);
      const { tiling } = plan;
      let elements = 0;
      for (const { tiles } of plan.stages.flat()) {
        const runs = dispatchesOf(plan, tiles, maxSlots).flatMap((dispatch) => dispatch.tiles);
        for (const tile of tiles) {
          const own = tiling.tileParts[tile].flatMap((part) => [...tiling.pieceElements.subarray(part * tiling.wavefronts, (part + 1) * tiling.wavefronts)]);
          elements += (runs.filter((ran) => ran === tile).length - 1) * own.reduce((sum, count) => sum + count, 0);
        }
      }
      expect(extraFlops(plan, 7 * plan.devices, maxSlots)).toBe(elements * 14);
    }),
    { numRuns: 40 },
  );
});

test('a kernel whose workgroups store everywhere is told what that costs; one whose tiles straddle a boundary is not', () => {
  // Two workgroups of one column each half: 8 x 4, chunks of two rows on 4 devices, so that each touches all of them.
  const plan = planFor({ m: 8, n: 4, devices: 4, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 8, threadN: 2, lanesX: 1, lanesY: 1, wavefront: 64 } });
  const [note] = straddlingNotes(plan, 40, 2);
  expect(note!.path).toBe('measured.extraFlops');
  // Only the first step's quarter is on time; with two chunks a dispatch, every workgroup runs a second time.
  expect(note!.reason).toContain('2 of 2 workgroups store to all of the 4 chunks');
  expect(note!.reason).toContain('75 % of the output is computed before the step of its chunk, so much of the staggering over 4 devices is lost');
  expect(note!.reason).toContain(`2 run again for the chunks that do not fit into one dispatch (it stores to 2): ${8 * 4 * 2 * 40} FLOP more, 100 % of the GEMM`);
  expect(straddlingNotes(plan, 40, 4)[0]!.reason).toContain('none has to run again');
  const straddling = planFor({ m: 8, n: 4, devices: 4, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 3, threadN: 2, lanesX: 1, lanesY: 1, wavefront: 64 } });
  expect(straddling.tiling.tileParts.some((parts) => parts.length === 2)).toBe(true);
  expect(straddlingNotes(straddling, 40, 2)).toEqual([]);
});
