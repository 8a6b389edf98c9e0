import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TilewireError } from '../../src/errors.ts';
import { footprintOf } from '../../src/gpu/probe.ts';
import { footprintFor, NO_TWIN, planCases } from '../support/plans.ts';

/** What the probe's kernel leaves after runs in which each element is stored by these owners: split after split, where there are several. */
function marks(runs: readonly (readonly (readonly number[])[])[]): Uint32Array[] {
  const words = new Uint32Array(2 * (Math.max(...runs.map((stores) => stores.length)) + 1));
  return runs.map((stores) => {
    stores.forEach((owners, at) => {
      for (const owner of owners) {
        words[2 * at] = owner;
        words[2 * at + 1]++;
      }
    });
    return words.slice();
  });
}

/** Marks behind the last element: stores outside, and how many of them a workspace would take. */
function outside(words: Uint32Array, times: number, inWorkspace: number): Uint32Array {
  const marked = words.slice();
  marked.set([inWorkspace, times], words.length - 2);
  return marked;
}

test('marks of one store each, the same in both runs, are the footprint; of each split, its twins as well', () => {
  fc.assert(
    fc.property(planCases({ side: 20, devices: 1 }), (given) => {
      const { owner, twins, ...facts } = footprintFor(given);
      const { wavefronts } = facts;
      const ofSplit = (twin: Uint32Array | undefined) => Array.from(owner, (who) => [twin === undefined ? who : twin[Math.floor(who / wavefronts)] * wavefronts + (who % wavefronts)]);
      const stores = [undefined, ...twins].flatMap(ofSplit);
      const [first, second] = marks([stores, stores]);
      expect(footprintOf(first, second, facts, 1 + twins.length)).toEqual({ ...facts, owner, twins });
    }),
    { numRuns: 60 },
  );
});

const facts = { m: 2, n: 3, batch: 1, grid: [4, 1, 1] as const, wavefronts: 2 };
const once = [[0], [1], [2], [3], [4], [5]];
const refusal = (first: number[][], second = first) => {
  const [one, two] = marks([first, second]);
  return () => footprintOf(one, two, facts);
};
const badKernel = (what: RegExp, fix = /./) => expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringMatching(what), fields: expect.objectContaining({ fix: expect.stringMatching(fix) }) });

test('an element that is never stored', () => {
  expect(refusal(once.with(4, []))).toThrow(badKernel(/never stored.*row 1, column 1$/));
});

test.each([2, 3, 4, 5, 8, 9])('an element that is stored %i times by one wavefront', (times) => {
  for (const owner of [0, 3]) expect(refusal(once.with(2, Array.from({ length: times }, () => owner)))).toThrow(badKernel(new RegExp(`stored ${times} times.*row 0, column 2$`)));
});

test('an element that two wavefronts store', () => {
  expect(refusal(once.with(5, [1, 2]))).toThrow(badKernel(/stored 2 times \(last by workgroup 1\).*row 1, column 2$/));
});

test('an element whose store depends on the data', () => {
  expect(refusal(once, once.with(3, [4]))).toThrow(badKernel(/depends on the data \(workgroup 1, then 2\).*row 1, column 0$/));
  expect(refusal(once, once.with(3, []))).toThrow(badKernel(/depends on the data/));
});

test('a store outside of the output, in either run; a batch counts all its rows', () => {
  const [first, second] = marks([once, once]);
  const refused = (one: Uint32Array, two: Uint32Array) => () => footprintOf(one, two, { ...facts, batch: 2 });
  // The count goes on from the first run to the second.
  for (const [one, two] of [[outside(first, 3, 0), outside(second, 6, 0)], [first, outside(second, 3, 0)], [first, outside(second, 3, 3)]])
    expect(refused(one, two)).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', what: 'the kernel stores outside of its output', fields: expect.objectContaining({ actual: expect.stringMatching(/^[36] stores in two runs$/), limit: '2 × 3 elements' }) }));
});

describe('split-K', () => {
  // Two splits of four workgroups, two wavefronts each, along x: those of split 0 are 0 to 3, those of split 1 are 4 to 7.
  const split = { ...facts, grid: [8, 1, 1] as const };
  const again = [[8], [9], [10], [11], [12], [13]];
  const found = (first: number[][], second = first, splits = 2) => {
    const [one, two] = marks([first, second]);
    return () => footprintOf(one, two, split, splits);
  };

  test('workgroup 3 of neither split stores anything: no twin', () => {
    expect(found([...once, ...again])()).toEqual({ ...split, owner: Uint32Array.from(once.flat()), twins: [Uint32Array.of(4, 5, 6, NO_TWIN, NO_TWIN, NO_TWIN, NO_TWIN, NO_TWIN)] });
  });

  test('splits that take their tiles in another order each', () => {
    const rotated = [[10], [11], [12], [13], [8], [9]];
    expect(found([...once, ...rotated])()).toMatchObject({ twins: [Uint32Array.of(5, 6, 4, NO_TWIN, NO_TWIN, NO_TWIN, NO_TWIN, NO_TWIN)] });
    expect(found([...once, ...rotated, [4 * 2], [4 * 2 + 1], [14], [15], [12], [13]], undefined, 3)().twins.map((twin) => [...twin.subarray(0, 3)])).toEqual([[5, 6, 4], [4, 7, 6]]);
  });

  test('a split that stores nothing, or leaves an element out', () => {
    expect(found([...once, ...again.map(() => [])])).toThrow(badKernel(/never stored: row 0, column 0, split 1$/));
    expect(found([...once, ...again.with(4, [])])).toThrow(badKernel(/never stored: row 1, column 1, split 1$/));
    expect(found([...once.with(1, []), ...again])).toThrow(badKernel(/never stored: row 0, column 1, split 0$/));
  });

  test('a split that stores an element twice, another one not making up for it', () => {
    expect(found([...once, ...again.with(2, [10, 10])])).toThrow(badKernel(/stored 2 times \(last by workgroup 5\): row 0, column 2, split 1$/));
    expect(found([...once.with(2, [2, 2]), ...again.with(2, [])])).toThrow(badKernel(/stored 2 times .*row 0, column 2, split 0$/));
  });

  test('a split whose stores depend on the data', () => {
    const other = again.with(5, [8]);
    expect(found([...once, ...again], [...once, ...other])).toThrow(badKernel(/depends on the data \(workgroup 6, then 4\): row 1, column 2, split 1$/));
  });

  test('splits that cut the output differently: an element goes to another tile', () => {
    // Tile 0 is elements 0 and 1. Split 1 has element 1 with the second tile; or joins two tiles; or cuts one in two.
    expect(found([...once, ...again.with(1, [10])])).toThrow(badKernel(/split 1 cuts the output otherwise than split 0: row 0, column 1 is stored by workgroup 0 of split 0 and by workgroup 5, which shares no tile with it/, /same tiles/));
    expect(found([...once, [8], [9], [8], [9], [12], [13]])).toThrow(badKernel(/split 1 cuts .*row 0, column 2 is stored by workgroup 1 of split 0 and by workgroup 4, which shares no tile/));
    expect(found([...once, ...again.with(5, [15])])).toThrow(badKernel(/split 1 cuts .*row 1, column 2 is stored by workgroup 2 of split 0 and by workgroup 7/));
    expect(found([...once, ...again, [4], [5], [6], [7], [12], [6]], undefined, 3)).toThrow(badKernel(/split 2 cuts/));
  });

  test('splits that give an element to another wavefront of the tile', () => {
    expect(found([...once, ...again.with(3, [10])])).toThrow(badKernel(/split 1 cuts .*row 1, column 0 is stored by workgroup 1 of split 0 and by workgroup 5, which takes another wavefront for it/));
    expect(found([...once, [9], [8], ...again.slice(2)])).toThrow(badKernel(/row 0, column 0 .*another wavefront/));
  });

  test('a workspace of a matrix for each split is refused by name', () => {
    const [first, second] = marks([[...once, ...again.map(() => [])], [...once, ...again.map(() => [])]]);
    const workspace = expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringMatching(/a matrix of its own, a workspace that another kernel must sum/), fields: expect.objectContaining({ actual: '2 × 2 × 3 elements', limit: '2 × 3', fix: expect.stringMatching(/every split store to the same C/) }) });
    const outsideOnly = expect.objectContaining({ what: 'the kernel stores outside of its output' });
    expect(() => footprintOf(outside(first, 6, 6), outside(second, 12, 12), split, 2)).toThrow(workspace);
    // Some stores where not even a workspace would be; and what declares no splits.
    expect(() => footprintOf(outside(first, 6, 6), outside(second, 12, 11), split, 2)).toThrow(outsideOnly);
    const [one, two] = marks([once, once]);
    expect(() => footprintOf(outside(one, 6, 6), outside(two, 12, 12), facts)).toThrow(outsideOnly);
  });

  test.each<[[number, number, number], number, string]>([
    [[5, 4, 3], 3, '"axis": "z", "count": 3'],
    [[5, 4, 3], 4, '"axis": "y", "count": 4'],
    [[5, 4, 3], 5, '"axis": "x", "count": 5'],
    [[2, 4, 2], 2, '"axis": "z", "count": 2'],
  ])('not declared: a grid of %j of which %i workgroups store an element; the fix says %s', (grid, times, said) => {
    const [first, second] = marks([once.with(0, Array.from({ length: times }, () => 0)), once]);
    const fix = (of: [number, number, number]): string => {
      try {
        footprintOf(first, second, { ...facts, grid: of });
      } catch (error) {
        return (error as TilewireError).fields.fix ?? '';
      }
      return 'accepted';
    };
    expect(fix(grid)).toContain(`"splits": { ${said} }`);
    // Nothing in the grid is so long: no guess.
    expect(fix([7, 7, 1])).not.toContain('splits');
  });
});
