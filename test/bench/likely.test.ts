// Which tiles the overhead benchmark tries fused.
import { expect, test } from 'vitest';
import { nameOf, type BuiltIn } from '../../bench/overhead/candidates.ts';
import { idleCores, likelyFused } from '../../bench/overhead/likely.ts';
import { parseTile } from '../../src/spec/resolve.ts';

const quad = (tile: string): BuiltIn => ({ kind: 'built-in', name: 'gemm-quad', hash: '', tile: parseTile(tile), splits: 1 });
const shape = { m: 256, n: 4256, k: 266, devices: 64, chunk: 'columns', triggerTiles: 8 } as const;

// By hand: tiles of the largest chunk of 67 columns, or of 4 rows, in stages of so many, on so many cores.
test.each([
  ['columns', '64x76x8', 4, 2, 1], // 4 tiles, 2 rounds of 2
  ['columns', '52x76x8', 5, 2, 6 / 5], // 5 tiles, 3 rounds
  ['columns', '52x64x8', 10, 2, 1], // 10 tiles
  ['columns', '52x64x8', 3, 2, 14 / 10], // in stages of 3, 3, 3 and 1: 7 rounds
  ['columns', '128x76x8', 2, 4, 2], // 2 of 4 cores have none
  ['rows', '64x76x8', 14, 4, 64 / 56], // 56 tiles in 4 stages of 4 rounds
] as const)('by %s, %s in stages of %i on %i cores', (chunk, tile, stageTiles, cores, ratio) => {
  expect(idleCores({ ...shape, chunk }, parseTile(tile), stageTiles, cores)).toBeCloseTo(ratio, 10);
});

const names = async (chunk: 'rows' | 'columns', ...ranked: (readonly [string, number])[]): Promise<string[]> =>
  (await likelyFused({ ...shape, chunk }, ranked.map(([tile, ms]) => ({ choice: quad(tile), ms })), 2)).map((choice) => nameOf(choice).replace('gemm-quad ', ''));

test('what leaves no core idle comes before what is a little faster; halves and tiles of the chunk’s width are tried too', async () => {
  const found = await names('columns', ['52x76x8', 1], ['64x76x8', 1.02]);
  expect(found[0]).toMatch(/^(52x64|64x76|32x76|64x64)x8$/);
  expect(found.indexOf('64x76x8')).toBeLessThan(found.indexOf('52x76x8'));
  // Half of 52 rows is no tile.
  expect(found.toSorted()).toEqual(['208x64x8', '256x64x8', '32x76x8', '52x64x8', '52x76x8', '64x64x8', '64x76x8'].toSorted());
});

test('a tile that was timed itself goes by that, and is tried once', async () => {
  const found = await names('columns', ['64x76x8', 1], ['32x76x8', 9]);
  expect(found.indexOf('32x76x8')).toBeGreaterThan(found.indexOf('256x64x8'));
  expect(new Set(found).size).toBe(found.length);
});

test('of equals the one that was timed comes first', async () => {
  expect((await names('columns', ['64x76x8', 1])).slice(0, 2)).toEqual(['64x76x8', '32x76x8']);
});

test('by rows of four: as high as a chunk, as wide as it is and four times as wide', async () => {
  const found = await names('rows', ['64x76x8', 1]);
  expect(found).toEqual(expect.arrayContaining(['64x76x8', '32x76x8', '4x76x8', '4x304x8']));
});
