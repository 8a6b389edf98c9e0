import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { describe as describeWrong, gather, suspectsOf, type Suspect } from '../../src/emulate/result.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { elementAt } from '../../src/plan/tiling.ts';
import { chunkHolding, footprintFor, planCases, planFor } from '../support/plans.ts';
import { randomOf } from '../support/random.ts';

// A buffer of these tests is its contents.
vi.mock('../../src/gpu/gpu.ts', () => ({ readBack: async (_gpu: unknown, source: { words: Uint32Array }, bytes: number, offset: number) => source.words.slice(offset / 4, (offset + bytes) / 4) }));

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];

test('the owners’ chunks are put together where they belong, whatever their order in memory', async () => {
  await fc.assert(
    fc.asyncProperty(planCases({ side: 30, devices: 13 }), async (given) => {
      const plan = planFor(given);
      const { tiling } = plan;
      const owned = tiling.chunks.map((chunk, j) => {
        // Each some words into a buffer.
        const words = [...Array<number>(j).fill(0), ...Array.from({ length: chunk.elements }, (_, dense) => {
          const { row, column } = elementAt(chunk, dense);
          return row * tiling.n + column + 1;
        })];
        return { buffer: { words: Uint32Array.from(words) } as unknown as GPUBuffer, offset: 4 * j, size: 4 * chunk.elements };
      });
      expect([...(await gather({} as Gpu, plan, (chunk) => owned[chunk]))]).toEqual(Array.from({ length: tiling.m * tiling.n }, (_, at) => at + 1));
    }),
    { numRuns: 60 },
  );
});

test('suspects are the elements whose bits are wrong, row by row, no more than asked for', () => {
  const expected = Uint32Array.from([1, 2, 0, 4, 5, 6].map(bitsOf));
  const actual = Uint32Array.from([bitsOf(1), bitsOf(3), bitsOf(-0), 0x7fc0dead, bitsOf(5), bitsOf(7)]);
  const all: Suspect[] = [
    { row: 0, column: 1, expected: 2, bits: bitsOf(3), tolerance: 0 },
    { row: 1, column: 1, expected: 4, bits: 0x7fc0dead, tolerance: 0 },
    { row: 2, column: 1, expected: 6, bits: bitsOf(7), tolerance: 0 },
  ];
  expect(suspectsOf(expected, actual, 2, 9)).toEqual(all);
  expect(suspectsOf(expected, actual, 2, 2)).toEqual(all.slice(0, 2));
  expect(suspectsOf(expected, expected, 2, 9)).toEqual([]);
  // A view into a larger buffer.
  const words = new Uint32Array(8);
  words.set(expected, 2);
  expect(suspectsOf(words.subarray(2), actual, 2, 9)).toEqual(all);
});

/** Contributions whose small sums differ: powers of three, another sign for every other element. */
const partial = (device: number, row: number, column: number): number => 3 ** device * ((row + column) % 2 === 0 ? 1 : -1);

test('names the owner, the chunk, the tile, and the device whose contribution is missing or doubled', () => {
  fc.assert(
    fc.property(planCases({ side: 20, devices: 7 }), fc.nat(), fc.constantFrom(-1, 1), (given, seed, sign) => {
      fc.pre(given.devices > 1);
      const plan = planFor(given);
      const random = randomOf(seed);
      const row = random(plan.tiling.m);
      const column = random(given.n);
      const culprit = random(given.devices);
      const whole = Array.from({ length: given.devices }, (_, d) => partial(d, row, column)).reduce((sum, value) => sum + value, 0);
      const bits = bitsOf(whole + sign * partial(culprit, row, column));
      const [wrong, ...more] = describeWrong(plan, given.algorithm, [{ row, column, expected: whole, bits, tolerance: 0 }], partial);
      const chunk = chunkHolding(given, row, column);
      const { owner, wavefronts } = footprintFor(given);
      expect(more).toEqual([]);
      expect(wrong).toEqual({
        row, column, device: chunk % given.devices, chunk, tile: Math.floor(owner[row * given.n + column] / wavefronts), expected: whole,
        actual: whole + sign * partial(culprit, row, column), missing: sign < 0 ? [culprit] : [], doubled: sign > 0 ? [culprit] : [],
      });
    }),
    { numRuns: 80 },
  );
});

test('a lost transfer of a ring is a beginning of the chain that ends at the owner', () => {
  const plan = planFor({ m: 5, n: 4, devices: 5, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 1, threadN: 4, lanesX: 1, lanesY: 1, wavefront: 1 } });
  // Chunk 1 = row 1: device 0 stores to 4, 4 sends to 3, 3 to 2, 2 to 1. Lost between 3 and 2: what 0, 4 and 3 made.
  const lost: Suspect = { row: 1, column: 1, expected: 1 + 3 + 9 + 27 + 81, bits: bitsOf(3 + 9), tolerance: 0 };
  expect(describeWrong(plan, 'ring', [lost], partial)).toMatchObject([{ device: 1, chunk: 1, tile: 1, missing: [0, 3, 4], doubled: [] }]);
  // Direct has no chain, and three devices that fail at once are not guessed.
  expect(describeWrong(plan, 'direct', [lost], partial)).toMatchObject([{ missing: null, doubled: null }]);
});

test('elements of one tile are explained together, those of others apart', () => {
  const plan = planFor({ m: 2, n: 4, devices: 2, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 1, threadN: 2, lanesX: 1, lanesY: 1, wavefront: 1 } });
  // Both devices contribute 5 to column 0, so that its value does not say which is missing; column 1 does.
  const contribution = (device: number, _row: number, column: number): number => (column === 0 ? 5 : 5 + device);
  const suspect = (column: number, value: number): Suspect => ({ row: 0, column, expected: 0, bits: bitsOf(value), tolerance: 0 });
  expect(describeWrong(plan, 'ring', [suspect(0, 5)], contribution)).toMatchObject([{ tile: 0, missing: null, doubled: null }]);
  expect(describeWrong(plan, 'ring', [suspect(0, 5), suspect(1, 5)], contribution)).toMatchObject([{ tile: 0, missing: [1] }, { tile: 0, missing: [1] }]);
  expect(describeWrong(plan, 'ring', [suspect(0, 5), suspect(2, 5)], contribution)).toMatchObject([{ tile: 0, missing: null }, { tile: 1, missing: [1] }]);
});

test('a value that is no number is given by its bits', () => {
  const plan = planFor({ m: 1, n: 1, devices: 1, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 1, threadN: 1, lanesX: 1, lanesY: 1, wavefront: 1 } });
  expect(describeWrong(plan, 'ring', [{ row: 0, column: 0, expected: 1, bits: 0x7fc0dead, tolerance: 0 }], partial)).toMatchObject([{ actual: '0x7fc0dead', missing: [0] }]);
  expect(describeWrong(plan, 'ring', [{ row: 0, column: 0, expected: 1, bits: 0xff800000, tolerance: 0 }], partial)).toMatchObject([{ actual: '0xff800000', missing: null }]);
});
