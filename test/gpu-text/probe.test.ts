import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { footprintOf } from '../../src/gpu/probe.ts';
import { footprintFor, planCases } from '../support/plans.ts';

/** What the probe's kernel leaves after runs in which each element is stored by these owners. */
function marks(elements: number, runs: readonly (readonly (readonly number[])[])[]): Uint32Array[] {
  const words = new Uint32Array(2 * (elements + 1));
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

test('marks of one store each, the same in both runs, are the footprint', () => {
  fc.assert(
    fc.property(planCases({ side: 20, devices: 1 }), (given) => {
      const footprint = footprintFor(given);
      const stores = Array.from(footprint.owner, (owner) => [owner]);
      const [first, second] = marks(given.m * given.n, [stores, stores]);
      const { owner, ...facts } = footprint;
      expect(footprintOf(first, second, facts)).toEqual({ ...facts, owner });
    }),
    { numRuns: 40 },
  );
});

const facts = { m: 2, n: 3, grid: [4, 1, 1] as const, wavefronts: 2 };
const once = [[0], [1], [2], [3], [4], [5]];
const refusal = (first: number[][], second = first) => {
  const [one, two] = marks(6, [first, second]);
  return () => footprintOf(one, two, facts);
};

test('an element that is never stored', () => {
  expect(refusal(once.with(4, []))).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringMatching(/never stored.*row 1, column 1/) }));
});

test.each([2, 3, 4, 5, 8, 9])('an element that is stored %i times by one wavefront', (times) => {
  for (const owner of [0, 3]) expect(refusal(once.with(2, Array.from({ length: times }, () => owner)))).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringMatching(new RegExp(`stored ${times} times.*row 0, column 2`)) }));
});

test('an element that two wavefronts store', () => {
  expect(refusal(once.with(5, [1, 2]))).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringMatching(/stored 2 times \(last by workgroup 1\).*row 1, column 2/) }));
});

test('an element whose store depends on the data', () => {
  expect(refusal(once, once.with(3, [4]))).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringMatching(/depends on the data \(workgroup 1, then 2\).*row 1, column 0/) }));
  expect(refusal(once, once.with(3, []))).toThrow(expect.objectContaining({ code: 'BAD_KERNEL' }));
});

test('a store outside of the output, in either run', () => {
  expect(refusal([...once, [1]])).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', fields: expect.objectContaining({ limit: '6 elements' }) }));
  expect(refusal(once, [...once, [1]])).toThrow(expect.objectContaining({ code: 'BAD_KERNEL' }));
});
