import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunkAt, elementAt, tilingOf, type Tiling } from '../../src/plan/tiling.ts';
import { chunkRange } from '../../src/spec/chunks.ts';
import { chunkHolding, footprintFor, planCases, type PlanCase } from '../support/plans.ts';

const cases = fc.oneof({ arbitrary: planCases({ side: 70, devices: 13 }), weight: 4 }, { arbitrary: planCases({ side: 40, devices: 64 }), weight: 1 });

const tilingFor = (given: PlanCase): Tiling => tilingOf(footprintFor(given), given.chunk, given.devices, given.triggerTiles);

function runsOf({ pieceRuns, runs }: Tiling, piece: number): { start: number; length: number }[] {
  return Array.from({ length: pieceRuns[piece + 1] - pieceRuns[piece] }, (_, at) => ({ start: runs[2 * (pieceRuns[piece] + at)], length: runs[2 * (pieceRuns[piece] + at) + 1] }));
}

test('every element is in one piece of one chunk: the chunk of its row or column, the wavefront that stores it', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const tiling = tilingFor(given);
      const { m, n, owner } = footprintFor(given);
      const found = new Int32Array(m * n).fill(-1);
      for (let piece = 0; piece < tiling.parts * tiling.wavefronts; piece++) {
        const part = Math.floor(piece / tiling.wavefronts);
        const j = tiling.partChunk[part];
        for (const { start, length } of runsOf(tiling, piece))
          for (let dense = start; dense < start + length; dense++) {
            const { row, column } = elementAt(tiling.chunks[j], dense);
            const at = row * n + column;
            if (found[at] !== -1) throw new Error(`element ${row}, ${column} is in pieces ${found[at]} and ${piece}`);
            found[at] = piece;
            if (chunkHolding(given, row, column) !== j) throw new Error(`element ${row}, ${column} is not of chunk ${j}`);
            if (owner[at] !== tiling.partTile[part] * tiling.wavefronts + (piece % tiling.wavefronts)) throw new Error(`element ${row}, ${column} is stored by ${owner[at]}, not by piece ${piece}`);
          }
      }
      expect(found).not.toContain(-1);
      // And back: the chunk of an element, none of what lies outside.
      for (let row = -1; row <= m; row++)
        for (let column = -1; column <= n; column++) {
          const inside = row >= 0 && row < m && column >= 0 && column < n;
          if (chunkAt(tiling, row, column) !== (inside ? chunkHolding(given, row, column) : -1)) throw new Error(`element ${row}, ${column} is said to be of chunk ${chunkAt(tiling, row, column)}`);
        }
    }),
    { numRuns: 60 },
  );
});

test('the runs of a piece are in order and maximal, and hold as many elements as it claims', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const tiling = tilingFor(given);
      for (let piece = 0; piece < tiling.parts * tiling.wavefronts; piece++) {
        const list = runsOf(tiling, piece);
        // One more than the end before it: two runs that touch would be one.
        list.forEach(({ start, length }, at) => {
          if (length < 1 || (at > 0 && start <= list[at - 1].start + list[at - 1].length)) throw new Error(`piece ${piece}: run ${at} of ${JSON.stringify(list)}`);
        });
        if (list.reduce((sum, { length }) => sum + length, 0) !== tiling.pieceElements[piece]) throw new Error(`piece ${piece} claims ${tiling.pieceElements[piece]}`);
      }
    }),
    { numRuns: 60 },
  );
});

test('chunks lie side by side; parts are ordered by chunk, then tile, and each tile lists its own', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const { m, n, devices, chunk: axis, batch = 1 } = given;
      const tiling = tilingFor(given);
      expect(tiling.chunks).toHaveLength(batch * devices);
      tiling.chunks.forEach((chunk, j) => {
        const top = Math.floor(j / devices) * m;
        const { start, length } = chunkRange(axis === 'rows' ? m : n, devices, j % devices);
        const [row, column, rows, columns] = axis === 'rows' ? [top + start, 0, length, n] : [top, start, m, length];
        expect(chunk).toEqual({ row, column, rows, columns, elements: rows * columns });
        expect([...tiling.partChunk.subarray(tiling.chunkParts[j], tiling.chunkParts[j + 1])].every((of) => of === j)).toBe(true);
      });
      expect([...tiling.chunkParts].at(-1)).toBe(tiling.parts);
      for (let part = 1; part < tiling.parts; part++)
        if (tiling.partChunk[part] === tiling.partChunk[part - 1]) expect(tiling.partTile[part]).toBeGreaterThan(tiling.partTile[part - 1]);
      const byTile = Array.from({ length: tiling.tiles }, (): number[] => []);
      tiling.partTile.forEach((tile, part) => byTile[tile].push(part));
      expect(tiling.tileParts).toEqual(byTile);
      for (let part = 0; part < tiling.parts; part++) {
        const pieces = tiling.pieceElements.subarray(part * tiling.wavefronts, (part + 1) * tiling.wavefronts);
        expect(pieces.some((elements) => elements > 0)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('blocks cut each chunk by T parts, the last one shorter; none goes over the end of a chunk', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const tiling = tilingFor(given);
      const expected: [number, number][] = [];
      for (let j = 0; j < tiling.chunks.length; j++)
        for (let from = tiling.chunkParts[j]; from < tiling.chunkParts[j + 1]; from += given.triggerTiles) expected.push([from, Math.min(from + given.triggerTiles, tiling.chunkParts[j + 1])]);
      expect(tiling.blocks).toBe(expected.length);
      expected.forEach(([from, to], block) => {
        expect([tiling.blockParts[block], tiling.blockParts[block + 1]]).toEqual([from, to]);
        expect([...tiling.partBlock.subarray(from, to)].every((of) => of === block)).toBe(true);
        const elements = tiling.pieceElements.subarray(from * tiling.wavefronts, to * tiling.wavefronts);
        expect(tiling.blockElements[block]).toBe(elements.reduce((sum, count) => sum + count, 0));
      });
    }),
    { numRuns: 60 },
  );
});

describe('written out by hand', () => {
  // Three workgroups in a row, each of 4 columns, two wavefronts of 2 columns; 3 rows, 10 columns.
  const footprint = footprintFor({ m: 3, n: 10, tiles: { kind: 'grid', threadM: 4, threadN: 2, lanesX: 2, lanesY: 1, wavefront: 1 } });

  test('chunks of rows: a piece has a run per row, and each tile is in every chunk', () => {
    const tiling = tilingOf(footprint, 'rows', 2, 2);
    expect(tiling.chunks.map(({ row, rows, elements }) => [row, rows, elements])).toEqual([[0, 2, 20], [2, 1, 10]]);
    expect(tiling.tileParts).toEqual([[0, 3], [1, 4], [2, 5]]);
    expect(runsOf(tiling, 0)).toEqual([{ start: 0, length: 2 }, { start: 10, length: 2 }]);
    expect(runsOf(tiling, 1)).toEqual([{ start: 2, length: 2 }, { start: 12, length: 2 }]);
    // The third workgroup's second wavefront lies outside of the output.
    expect([...tiling.pieceElements]).toEqual([4, 4, 4, 4, 4, 0, 2, 2, 2, 2, 2, 0]);
    expect([...tiling.blockParts]).toEqual([0, 2, 3, 5, 6]);
    expect([...tiling.blockElements]).toEqual([16, 4, 8, 2]);
  });

  test('chunks of columns: dense memory has the pitch of the chunk, and a tile may straddle two', () => {
    const tiling = tilingOf(footprint, 'columns', 3, 8);
    expect(tiling.chunks.map(({ column, columns }) => [column, columns])).toEqual([[0, 4], [4, 3], [7, 3]]);
    expect(tiling.tileParts).toEqual([[0], [1, 2], [3]]);
    // Tile 1, columns 4..7: its second wavefront has column 6 in chunk 1 and column 7 in chunk 2.
    expect(runsOf(tiling, 3)).toEqual([{ start: 2, length: 1 }, { start: 5, length: 1 }, { start: 8, length: 1 }]);
    expect(runsOf(tiling, 5)).toEqual([{ start: 0, length: 1 }, { start: 3, length: 1 }, { start: 6, length: 1 }]);
    expect(elementAt(tiling.chunks[2], 4)).toEqual({ row: 1, column: 8 });
  });

  test('a run goes on over the end of a row where the next row begins with the same wavefront', () => {
    const whole = footprintFor({ m: 4, n: 3, tiles: { kind: 'grid', threadM: 4, threadN: 4, lanesX: 1, lanesY: 1, wavefront: 1 } });
    expect(runsOf(tilingOf(whole, 'rows', 2, 1), 1)).toEqual([{ start: 0, length: 6 }]);
  });

  test('a batch: chunks go on from matrix to matrix, and a workgroup that stores to two of them has parts in both', () => {
    // Two matrices of 2 × 3; workgroup 1 stores the last row of the first and the first row of the second.
    const owner = Uint32Array.from([0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
    const two = { m: 4, n: 3, batch: 2, grid: [3, 1, 1] as const, wavefronts: 1, owner, twins: [] };
    const columns = tilingOf(two, 'columns', 2, 9);
    expect(columns.chunks.map(({ row, column, rows, columns }) => [row, column, rows, columns])).toEqual([[0, 0, 2, 2], [0, 2, 2, 1], [2, 0, 2, 2], [2, 2, 2, 1]]);
    expect(columns.tileParts).toEqual([[0, 2], [1, 3, 4, 6], [5, 7]]);
    expect([...columns.pieceElements]).toEqual([2, 2, 1, 1, 2, 2, 1, 1]);
    expect(runsOf(columns, 5)).toEqual([{ start: 2, length: 2 }]);
    const rows = tilingOf(two, 'rows', 2, 9);
    expect(rows.chunks.map(({ row, column, rows, columns }) => [row, column, rows, columns])).toEqual([[0, 0, 1, 3], [1, 0, 1, 3], [2, 0, 1, 3], [3, 0, 1, 3]]);
    expect(rows.tileParts).toEqual([[0], [1, 2], [3]]);
    expect(elementAt(rows.chunks[3], 2)).toEqual({ row: 3, column: 2 });
  });

  test('with more devices than rows the last chunks are empty: no parts, no blocks', () => {
    const tiling = tilingOf(footprint, 'rows', 5, 8);
    expect([...tiling.chunkParts]).toEqual([0, 3, 6, 9, 9, 9]);
    expect(tiling.blocks).toBe(3);
  });
});
