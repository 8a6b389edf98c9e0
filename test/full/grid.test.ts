import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addSpecFlags, specRequest } from '../../src/cli/flags.ts';
import { readKernel } from '../../src/cli/kernel-file.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import { BUILT_IN, DEVICES, FOREIGN, fullGrid, sampleOf, SHAPES, TIMES } from './grid.ts';

const cases = fullGrid();
const builtIn = cases.filter(({ request }) => request.foreign === undefined);
const foreign = cases.filter(({ request }) => request.foreign !== undefined);
const countBy = (key: (request: SpecRequest) => unknown, among = cases): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { request } of among) counts.set(JSON.stringify(key(request)), (counts.get(JSON.stringify(key(request))) ?? 0) + 1);
  return counts;
};

test('each combination of devices, shape, chunking, algorithm and kernel is there, equally often', () => {
  const counts = countBy(({ devices, m, n, k, chunk, algorithm, kernelName }) => [devices, m, n, k, chunk, algorithm, kernelName], builtIn);
  expect(counts.size).toBe(DEVICES.length * SHAPES.length * 2 * 2 * BUILT_IN.length);
  expect(new Set(counts.values())).toEqual(new Set([TIMES]));
});

test('and with each kernel of the gallery once: split-K, a batch, rows apart, an epilogue', () => {
  const counts = countBy(({ devices, m, n, k, chunk, algorithm, foreign }) => [devices, m, n, k, chunk, algorithm, foreign?.name], foreign);
  expect(counts.size).toBe(DEVICES.length * SHAPES.length * 2 * 2 * FOREIGN.length);
  expect(counts.size).toBe(foreign.length);
  const texts = FOREIGN.map((of) => kernelText({ kind: 'foreign', hash: '', ...of }, SHAPES[2]));
  expect(texts.some(({ splits }) => splits.count > 1)).toBe(true);
  expect(texts.some(({ batch, pitch }) => batch > 1 && pitch > SHAPES[2].n)).toBe(true);
  expect(texts.some(({ epilogue }) => epilogue.alpha !== 1 && epilogue.residual !== null)).toBe(true);
});

test('all else is dealt out evenly', () => {
  const keys: ((request: SpecRequest) => unknown)[] = [({ stageTiles }) => stageTiles, ({ triggerTiles }) => triggerTiles, ({ lag }) => lag, ({ skew }) => skew, ({ wavefront }) => wavefront, ({ trackerSets, overflow }) => [trackerSets, overflow]];
  for (const kind of [builtIn, foreign]) expect(Math.min(...countBy(({ splits, triggers }) => [splits, triggers], kind).values())).toBeGreaterThan(kind.length / 20);
  expect(countBy(({ splits }) => splits, builtIn).size).toBe(3);
  for (const key of keys) {
    const counts = [...countBy(key).values()];
    expect(counts.length).toBeGreaterThan(1);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
  // Tiles too small for many devices give way to larger ones, and so do those that a kernel does not take.
  const tiles = countBy(({ tile }) => tile, builtIn);
  expect(tiles.size).toBe(6);
  expect(Math.min(...tiles.values())).toBeGreaterThan(builtIn.length / 24);
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

test('each kernel of the gallery meets all of it', () => {
  for (const { name } of FOREIGN)
    for (const key of ['operands', 'stageTiles', 'triggerTiles', 'lag', 'skew', 'wavefront', 'trackerSets'] as const)
      expect(countBy((request) => request[key], foreign.filter(({ request }) => request.foreign?.name === name)).size, `${name} and ${key}`).toBe(countBy((request) => request[key]).size);
});

test('the flags of a case are its name, and give the very Spec that is run', async () => {
  expect(new Set(cases.map(({ flags }) => flags)).size).toBe(cases.length);
  for (const [at, { flags, request, baseline }] of cases.entries()) {
    const command = addSpecFlags(new Command().exitOverride()).option('--baseline').parse(flags.split(' '), { from: 'user' });
    const { baseline: given, ...rest } = command.opts();
    expect(given ?? false).toBe(baseline);
    const again = specRequest(rest, rest.kernel === undefined ? {} : { foreign: kernelIn(rest.kernel) });
    expect(again).toEqual(request);
    // The search for default tiles takes a while.
    if (at % 8 === 0) expect(await resolveDraft(again)).toEqual(await resolveDraft(request));
  }
});

const files = new Map<string, NonNullable<SpecRequest['foreign']>>();

/** Read once: it is the same file for hundreds of cases. */
function kernelIn(file: string): NonNullable<SpecRequest['foreign']> {
  const kernel = files.get(file) ?? readKernel(fileURLToPath(new URL(`../../${file}`, import.meta.url)), undefined, undefined);
  files.set(file, kernel);
  return kernel;
}

test('the grid is the same every time, and so is a sample of it', () => {
  expect(fullGrid()).toEqual(cases);
  const sample = sampleOf(cases, 60, 1);
  expect(sampleOf(cases, 60, 1)).toEqual(sample);
  expect(new Set(sample).size).toBe(60);
  expect(sample.every((one) => cases.includes(one))).toBe(true);
  expect(sampleOf(cases, 60, 2)).not.toEqual(sample);
  expect(sampleOf(cases.slice(0, 5), 60, 2)).toHaveLength(5);
});
