import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addSpecFlags, specRequest } from '../../src/cli/flags.ts';
import { kernelNames } from '../../src/spec/kernels.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import { DEVICES, fullGrid, sampleOf, SHAPES, TIMES } from './grid.ts';

const cases = fullGrid();
const countBy = (key: (request: SpecRequest) => unknown): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { request } of cases) counts.set(JSON.stringify(key(request)), (counts.get(JSON.stringify(key(request))) ?? 0) + 1);
  return counts;
};

test('each combination of devices, shape, chunking, algorithm and kernel is there, equally often', () => {
  const counts = countBy(({ devices, m, n, k, chunk, algorithm, kernelName }) => [devices, m, n, k, chunk, algorithm, kernelName]);
  expect(counts.size).toBe(DEVICES.length * SHAPES.length * 2 * 2 * kernelNames().length);
  expect(new Set(counts.values())).toEqual(new Set([TIMES]));
});

test('all else is dealt out evenly', () => {
  const keys: ((request: SpecRequest) => unknown)[] = [({ stageTiles }) => stageTiles, ({ triggerTiles }) => triggerTiles, ({ lag }) => lag, ({ skew }) => skew, ({ wavefront }) => wavefront, ({ trackerSets, overflow }) => [trackerSets, overflow]];
  for (const key of keys) {
    const counts = [...countBy(key).values()];
    expect(counts.length).toBeGreaterThan(1);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
  // Tiles too small for many devices give way to larger ones.
  const tiles = countBy(({ tile }) => tile);
  expect(tiles.size).toBe(6);
  expect(Math.min(...tiles.values())).toBeGreaterThan(cases.length / 12);
});

test('what is dealt out meets: every two values of any two of them, on every number of devices that can afford them', () => {
  const keys = ['tile', 'operands', 'stageTiles', 'triggerTiles', 'lag', 'skew', 'wavefront', 'trackerSets', 'devices'] as const;
  for (const [at, one] of keys.entries()) {
    for (const other of keys.slice(at + 1)) {
      if (other === 'devices' && (one === 'tile' || one === 'operands')) continue;
      expect(countBy((request) => [request[one], request[other]]).size, `${one} and ${other}`).toBe(countBy((request) => request[one]).size * countBy((request) => request[other]).size);
    }
  }
});

test('the flags of a case are its name, and give the very Spec that is run', async () => {
  expect(new Set(cases.map(({ flags }) => flags)).size).toBe(cases.length);
  for (const [at, { flags, request, baseline }] of cases.entries()) {
    const command = addSpecFlags(new Command().exitOverride()).option('--baseline').parse(flags.split(' '), { from: 'user' });
    const { baseline: given, ...rest } = command.opts();
    expect(given ?? false).toBe(baseline);
    expect(specRequest(rest)).toEqual(request);
    // The search for default tiles takes a while.
    if (at % 8 === 0) expect(await resolveSpec(specRequest(rest))).toEqual(await resolveSpec(request));
  }
});

test('the grid is the same every time, and so is a sample of it', () => {
  expect(fullGrid()).toEqual(cases);
  const sample = sampleOf(cases, 60, 1);
  expect(sampleOf(cases, 60, 1)).toEqual(sample);
  expect(new Set(sample).size).toBe(60);
  expect(sample.every((one) => cases.includes(one))).toBe(true);
  expect(sampleOf(cases, 60, 2)).not.toEqual(sample);
  expect(sampleOf(cases.slice(0, 5), 60, 2)).toHaveLength(5);
});
