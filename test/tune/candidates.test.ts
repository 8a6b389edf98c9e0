// Every tile that is tried is one that its kernel can take on the adapter, none twice, the kernel's own default among the first;
// variations are all combinations, and leave expressions as they are.
import { assert, constantFrom, integer, option, property } from 'fast-check';
import { expect, test } from 'vitest';
import { BASE_LIMITS } from '../../src/spec/kernel-layouts.ts';
import { KERNELS, kernelNamed, type KernelDescription } from '../../src/spec/kernels.ts';
import { NO_EPILOGUE } from '../../src/spec/kernel-bindings.ts';
import type { KernelChoice } from '../../src/spec/spec.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { builtInCandidates, granularitiesOf, parseVariation, tilesOf, variedCandidates } from '../../src/tune/candidates.ts';
import { shapeClass } from '../../src/tune/shape-class.ts';
import { SOFTWARE } from '../support/traits.ts';

const length = integer({ min: 1, max: 5000 });
const limits = constantFrom(BASE_LIMITS, { ...BASE_LIMITS, maxComputeInvocationsPerWorkgroup: 1024, maxComputeWorkgroupStorageSize: 65_536 }, { ...BASE_LIMITS, maxComputeWorkgroupStorageSize: 2048, maxComputeInvocationsPerWorkgroup: 64, maxComputeWorkgroupSizeX: 8 });

test('tiles are legal, distinct, reasonable, and begin with the default', () => {
  assert(
    property(constantFrom(...KERNELS), length, length, length, limits, (kernel, m, n, k, of) => {
      const shape = { m, n, k };
      const { tiles, illegal } = tilesOf(kernel, shape, { limits: of, chunk: 'columns', chunks: [n] });
      const standard = kernel.tileFor(shape, 'columns', [n]);
      for (const tile of tiles) expect(kernel.tileProblem(tile, of)).toBeUndefined();
      if (kernel.tileProblem(standard, of) === undefined) expect(tiles[0]).toEqual(standard);
      const built = tiles.map((tile) => JSON.stringify([kernel.constantsFor(shape, tile), kernel.grid(shape, tile)]));
      expect(new Set(built).size).toBe(built.length);
      for (const tile of tiles) expect(tile.m < 2 * m || tile.m === standard.m).toBe(true);
      expect(illegal).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 60 },
  );
});

const options = { limits: BASE_LIMITS, traits: SOFTWARE, chunk: 'columns', chunks: [4256], limit: 64 } as const;
const SHAPE = { m: 256, n: 4256, k: 2128 };

test('kernels take turns, a limit cuts the far ones and says so', async () => {
  const { list, notes } = await builtInCandidates(SHAPE, { ...options, limit: 10 });
  expect(list).toHaveLength(10);
  // Those that take other operands have to be named.
  const same = KERNELS.filter(({ halves }) => !halves).map(({ name }) => name);
  expect(same.length).toBeLessThan(KERNELS.length);
  expect(list.slice(0, same.length).map(({ kernel }) => kernel.name)).toEqual(same);
  expect(new Set(list.map(({ kernel }) => kernel.name))).toEqual(new Set(same));
  expect(notes.join()).toMatch(/\d+ more tiles, those farthest from the kernels' defaults, were left out: --limit 10/);
  const only = await builtInCandidates(SHAPE, { ...options, kernels: ['gemm-workgroup'] });
  expect(new Set(only.list.map(({ name }) => name.kernel))).toEqual(new Set(['gemm-workgroup']));
  for (const { kernel } of only.list) expect(() => kernelText(kernel, SHAPE)).not.toThrow();
});

test('what a kernel itself puts first comes behind its default; illegal ones are counted, not tried', async () => {
  const own: KernelDescription = { ...kernelNamed('gemm-register')!, tilesWorthTrying: () => [{ m: 48, n: 24, k: 2 }, { m: 500, n: 500, k: 2 }, { m: 24, n: 48, k: 4 }] };
  const { list, notes } = await builtInCandidates(SHAPE, options, [own]);
  expect(list.slice(1, 3).map(({ name }) => name.tile)).toEqual([{ m: 48, n: 24, k: 2 }, { m: 24, n: 48, k: 4 }]);
  expect(list.some(({ name }) => name.tile?.m === 500)).toBe(false);
  const { notes: without } = await builtInCandidates(SHAPE, options, [{ ...own, tilesWorthTrying: () => [] }]);
  const beyond = (all: readonly string[]): number => Number(/(\d+) more tiles are beyond the limits/.exec(all.join())?.[1] ?? 0);
  expect(beyond(notes)).toBe(beyond(without) + 1);
});

test('a kernel that the adapter cannot run is left out, unless it is named', async () => {
  const traits = { ...SOFTWARE, quads: false };
  const names = async (more: object): Promise<Set<string>> => new Set((await builtInCandidates(SHAPE, { ...options, ...more })).list.map(({ kernel }) => kernel.name));
  expect(await names({ traits })).not.toContain('gemm-quad');
  expect(await names({ traits: undefined })).not.toContain('gemm-quad');
  expect(await names({ traits, kernels: ['gemm-quad'] })).toEqual(new Set(['gemm-quad']));
});

test('no such kernel, nothing legal', async () => {
  await expect(builtInCandidates(SHAPE, { ...options, kernels: ['gemm-register', 'gemm-magic'] })).rejects.toThrow(/unknown kernel .*gemm-magic.*gemm-workgroup/);
  await expect(builtInCandidates(SHAPE, { ...options, limits: { ...BASE_LIMITS, maxComputeInvocationsPerWorkgroup: 0 } })).rejects.toThrow('no candidates');
});

const source = 'override TX: u32 = 8u; @id(3) override TY: u32 = 8u; override M: u32;';
const foreign: Extract<KernelChoice, { kind: 'foreign' }> = {
  kind: 'foreign', name: 'mine.wgsl', hash: '0'.repeat(64), entry: 'main', source,
  bindings: { a: 'A', b: 'B', output: 'C', layout: 'nn', halves: [], uniforms: {}, overrides: { M: 'm', ROWS: 'TX * 2' }, grid: ['ceilDiv(n, TX)', 'ceilDiv(m, TY)', 1], requires: null, splits: null, batch: 1, ldc: 'n', epilogue: NO_EPILOGUE },
};

test('variations: the cartesian product; expressions stay, and come after what they may use', () => {
  const { list, notes } = variedCandidates(foreign, new Map([['TX', [8, 16]], ['TY', [4, 8, 16]]]), 100);
  expect(list.map(({ name }) => name.overrides)).toEqual([{ TX: 8, TY: 4 }, { TX: 8, TY: 8 }, { TX: 8, TY: 16 }, { TX: 16, TY: 4 }, { TX: 16, TY: 8 }, { TX: 16, TY: 16 }]);
  expect(list[5].kernel.kind === 'foreign' && Object.entries(list[5].kernel.bindings.overrides)).toEqual([['TX', 16], ['TY', 16], ['M', 'm'], ['ROWS', 'TX * 2']]);
  expect(foreign.bindings.overrides).toEqual({ M: 'm', ROWS: 'TX * 2' });
  expect(notes).toEqual([]);
  expect(variedCandidates(foreign, new Map([['TX', [8, 16]], ['TY', [4, 8]]]), 3)).toMatchObject({ list: { length: 3 }, notes: ['1 more combinations were left out: --limit 3'] });
  expect(variedCandidates(foreign, new Map(), 3).list.map(({ name }) => name.overrides)).toEqual([{}]);
  expect(() => variedCandidates(foreign, new Map([['TZ', [1]]]), 3)).toThrow(/declares no such override .*TZ.*TX, TY, M/);
  expect(() => variedCandidates(foreign, new Map([['TX', Array.from({ length: 200 }, (_, at) => at)], ['TY', Array.from({ length: 200 }, (_, at) => at)]]), 3)).toThrow('too many combinations');
});

test('what --vary takes', () => {
  expect(parseVariation('TM=32,64, 128')).toEqual({ name: 'TM', values: [32, 64, 128] });
  expect(parseVariation(' Größe = 0.5')).toEqual({ name: 'Größe', values: [0.5] });
  for (const bad of ['', 'TM', 'TM=', '=3', 'TM=3,', 'TM=a', 'TM=1e3', 'TM=3,3', 'TM=3;4', '3M=3', 'TM=Infinity']) expect(() => parseVariation(bad), bad).toThrow(/BAD_FLAG/);
});

test('granularities: the own one first, none twice, none larger than a step', () => {
  expect(granularitiesOf({ stageTiles: 38, triggerTiles: 8 }, 152)[0]).toEqual({ stageTiles: 38, triggerTiles: 8 });
  assert(
    property(option(integer({ min: 1, max: 500 }), { nil: null }), integer({ min: 1, max: 64 }), integer({ min: 0, max: 600 }), (stageTiles, triggerTiles, perStep) => {
      const all = granularitiesOf({ stageTiles, triggerTiles }, perStep);
      expect(all.length).toBeGreaterThan(0);
      expect(new Set(all.map((of) => JSON.stringify(of))).size).toBe(all.length);
      for (const of of all) for (const tiles of Object.values(of)) expect(Number.isInteger(tiles) && tiles >= 1 && tiles <= Math.max(1, perStep)).toBe(true);
    }),
  );
});

test('shapes of one class', () => {
  expect(shapeClass(SHAPE)).toBe('m≤256 n≤8192 k≤4096 vec4');
  expect(shapeClass({ m: 200, n: 5000, k: 2200 })).toBe(shapeClass(SHAPE));
  expect(shapeClass({ m: 257, n: 4256, k: 2128 })).not.toBe(shapeClass(SHAPE));
  expect(shapeClass({ m: 256, n: 4257, k: 2128 })).not.toBe(shapeClass(SHAPE));
  expect(shapeClass({ m: 1, n: 1, k: 1 })).toBe('m≤1 n≤1 k≤1');
});
