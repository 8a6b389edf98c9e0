// The kernels' descriptions against their own text, and the properties that every chosen or accepted tile must have.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reflectKernel } from '../../src/gpu/reflect.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { parseTile } from '../../src/spec/resolve.ts';
import type { Tile } from '../../src/spec/spec.ts';
import { BASE_LIMITS } from '../../src/spec/kernel-layouts.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { defaultKernel, KERNELS, kernelNamed, kernelNames } from '../../src/spec/kernels.ts';
import { SOFTWARE } from '../support/traits.ts';

const length = fc.integer({ min: 1, max: 5000 });
const shapes = fc.record({ m: length, n: length, k: length });
const side = (most: number, unit = 1): fc.Arbitrary<number> => fc.integer({ min: 1, max: Math.floor(most / unit) }).map((units) => units * unit);
/** Tiles many of which the kernel takes, and some that it takes and some that it refuses. */
const TILES: Readonly<Record<string, { tiles: fc.Arbitrary<Tile>; takes: string[]; refuses: string[] }>> = {
  'gemm-register': { tiles: fc.record({ m: side(140), n: side(140), k: side(70) }), takes: ['1x1x1', '8x4x1', '32x28x2', '32x76x2', '64x64x16', '128x32x8', '13x5x3', '96x48x4', '64x128x2'], refuses: ['257x8x2', '256x256x1', '32x32x65'] },
  'gemm-workgroup': { tiles: fc.record({ m: side(140), n: side(140), k: side(70) }), takes: ['1x1x1', '32x28x2', '64x64x32', '13x5x3'], refuses: ['257x8x2', '256x256x1', '32x32x65', '64x64x33'] },
  'gemm-quad': { tiles: fc.record({ m: side(140, 4), n: side(140, 4), k: side(18) }), takes: ['4x4x1', '32x76x8', '64x76x8', '128x128x16', '16x8x3', '52x20x8'], refuses: ['5x8x2', '32x30x8', '1028x1028x1', '32x32x17'] },
  'gemm-vector': { tiles: fc.record({ m: side(140, 4), n: side(140, 4), k: side(70, 4) }), takes: ['4x4x4', '64x64x16', '128x64x8', '32x76x8', '128x128x8'], refuses: ['5x8x4', '8x8x2', '64x64x36', '256x256x4', '4x16x32'] },
  'gemm-skinny': { tiles: fc.record({ m: side(18), n: side(140), k: side(80, 4) }), takes: ['1x1x4', '16x64x16', '1x128x32', '3x13x8', '16x128x4'], refuses: ['17x8x4', '4x8x6', '4x257x4', '16x128x32', '4x4x260'] },
  'gemm-half': { tiles: fc.record({ m: side(140, 4), n: side(140, 4), k: side(70, 4) }), takes: ['4x4x4', '64x64x32', '128x64x16', '128x128x8'], refuses: ['5x8x4', '8x8x2', '64x64x36', '256x256x4', '4x16x32'] },
  'gemm-matrix': { tiles: fc.record({ m: side(140, 16), n: side(140, 16), k: side(70, 16) }), takes: ['16x16x16', '64x64x32', '128x64x16', '128x128x16', '16x64x48'], refuses: ['8x16x16', '16x24x16', '64x64x8', '64x64x80', '1024x64x16', '128x128x32'] },
};

function chunkSizes(length: number, devices: number): number[] {
  return Array.from({ length: devices }, (_, device) => Math.floor(length / devices) + (device < length % devices ? 1 : 0));
}

test('every description has its text, and only those', () => {
  expect(kernelNames()).toEqual(Object.keys(KERNEL_SOURCES));
  expect(kernelNamed('gemm-absent')).toBeUndefined();
});

test('a kernel is the default where it is known to suit: what runs everywhere, where nothing is known', () => {
  const many = { m: 17 };
  expect(defaultKernel(many, undefined)).toBe('gemm-register');
  expect(defaultKernel(many, SOFTWARE)).toBe('gemm-quad');
  expect(defaultKernel(many, { ...SOFTWARE, quads: false })).toBe('gemm-register');
  expect(defaultKernel(many, { ...SOFTWARE, isFallback: false })).toBe('gemm-vector');
  expect(defaultKernel({ m: 16 }, { ...SOFTWARE, isFallback: false })).toBe('gemm-skinny');
});

test('gemm-quad: deep passes are tried before shallow ones, and of equals the smaller', () => {
  const tiles = kernelNamed('gemm-quad')!.tilesWorthTrying({ m: 1024, n: 1024, k: 1024 }, 'rows', [1024]).map(({ m, n, k }) => `${m}x${n}x${k}`);
  expect(tiles.slice(0, 2)).toEqual(['32x128x8', '64x64x8']);
  expect(tiles.indexOf('64x64x8')).toBeLessThan(tiles.indexOf('64x64x4'));
  expect(tiles.indexOf('64x64x8')).toBeLessThan(tiles.indexOf('128x128x8'));
});

describe.each(KERNELS)('$name', (kernel) => {
  const source = KERNEL_SOURCES[kernel.name];
  const { tiles, takes, refuses } = TILES[kernel.name];
  // Sides of its tiles are multiples of it.
  const unit = { 'gemm-quad': 4, 'gemm-vector': 4, 'gemm-half': 4, 'gemm-matrix': 16 }[kernel.name] ?? 1;

  test('stores to its output in exactly one place, also once unrolled', () => {
    const stores = (text: string): number => [...text.matchAll(/\bc\[[^\n]*\]\s*=[^=]/g)].length;
    expect(stores(source)).toBe(1);
    for (const tile of takes.map(parseTile)) expect(stores(specialise(source, kernel.constantsFor({ m: 9, n: 9, k: 9 }, tile)).code)).toBe(1);
  });

  test('takes its sizes from the description: workgroup and bindings agree with the text', () => {
    fc.assert(
      fc.property(shapes, tiles, (shape, tile) => {
        fc.pre(kernel.tileProblem(tile) === undefined);
        const { workgroupSize, bindings } = reflectKernel(specialise(source, kernel.constantsFor(shape, tile)).code, 'main');
        expect(workgroupSize).toEqual(kernel.workgroupSize(tile));
        expect(bindings.map(({ name, minBytes }) => [name, minBytes])).toEqual([
          ['a', (kernel.halves ? 2 : 4) * shape.m * shape.k],
          ['b', (kernel.halves ? 2 : 4) * shape.k * shape.n],
          ['c', 4],
        ]);
      }),
      { numRuns: 40 },
    );
  });

  test('the rectangles of the invocations tile the tile', () => {
    fc.assert(
      fc.property(tiles, (tile) => {
        fc.pre(kernel.tileProblem(tile) === undefined);
        const [x, y, z] = kernel.workgroupSize(tile);
        expect(x * y * z).toBeLessThanOrEqual(BASE_LIMITS.maxComputeInvocationsPerWorkgroup);
        const owners = new Uint8Array(tile.m * tile.n);
        for (let lane = 0; lane < x * y * z; lane++) {
          for (const { row, column, rows, columns } of kernel.laneRectangles(tile, lane))
            for (let r = row; r < row + rows; r++) for (let c = column; c < column + columns; c++) owners[r * tile.n + c]! += 1;
        }
        expect(owners.every((count) => count === 1)).toBe(true);
      }),
    );
  });

  test('the grid covers C and no more', () => {
    fc.assert(
      fc.property(shapes, tiles, (shape, tile) => {
        const [first, second, z] = kernel.grid(shape, tile);
        const [x, y] = kernel.walks === 'columns' ? [first, second] : [second, first];
        expect(z).toBe(1);
        expect(x * tile.n).toBeGreaterThanOrEqual(shape.n);
        expect((x - 1) * tile.n).toBeLessThan(shape.n);
        expect(y * tile.m).toBeGreaterThanOrEqual(shape.m);
        expect((y - 1) * tile.m).toBeLessThan(shape.m);
      }),
    );
  });

  test('its default tile can be used, wherever and into however many chunks C is cut', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 64 }), fc.constantFrom('rows' as const, 'columns' as const), (shape, devices, axis) => {
        const sizes = chunkSizes(axis === 'rows' ? shape.m : shape.n, devices);
        const tile = kernel.tileFor(shape, axis, sizes);
        expect(kernel.tileProblem(tile)).toBeUndefined();
        expect(kernel.tileFor(shape, axis, sizes)).toEqual(tile);
        // 64 lanes are aimed at; a divisor of the chunk that needs some more (17 x 4) is still better than a straddling tile.
        const [x, y] = kernel.workgroupSize(tile);
        expect(x * y).toBeLessThanOrEqual(['gemm-skinny', 'gemm-matrix'].includes(kernel.name) ? 256 : 128);
      }),
    );
  });

  test('tiles worth a try can be used, none twice, and each register tile is there before another is there again', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 64 }), fc.constantFrom('rows' as const, 'columns' as const), (shape, devices, axis) => {
        const tiles = kernel.tilesWorthTrying(shape, axis, chunkSizes(axis === 'rows' ? shape.m : shape.n, devices));
        expect(tiles.length).toBeGreaterThan(0);
        expect(tiles.filter((tile) => kernel.tileProblem(tile) !== undefined)).toEqual([]);
        expect(new Set(tiles.map(({ m, n, k }) => `${m} ${n} ${k}`)).size).toBe(tiles.length);
        const registerTiles = tiles.map((tile) => {
          const [{ rows, columns }] = kernel.laneRectangles(tile, 0);
          return `${rows} ${columns} ${tile.k}`;
        });
        const distinct = new Set(registerTiles);
        expect(new Set(registerTiles.slice(0, distinct.size))).toEqual(distinct);
      }),
      { numRuns: 30 },
    );
  });

  test('its default tile divides equal chunks that have a handy divisor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 5000 }), length, fc.integer({ min: 2, max: 64 }), fc.integer({ min: 1, max: 32 }), fc.constantFrom('rows' as const, 'columns' as const), (other, k, devices, parts, axis) => {
        const size = Math.max(8, unit) * parts;
        const [m, n] = axis === 'rows' ? [size * devices, other] : [other, size * devices];
        const tile = kernel.tileFor({ m, n, k }, axis, chunkSizes(size * devices, devices));
        expect(size % (axis === 'rows' ? tile.m : tile.n)).toBe(0);
      }),
    );
  });

  // Its chunks of 532 columns have no divisor that is a multiple of 16.
  if (unit < 16) test('T-NLG FC-2 at TP 8: no tile straddles, and a stage has 28 tiles of rectangles, 14 of quads, which are larger', () => {
    const shape = { m: 256, n: 4256, k: 2128 };
    const tile = kernel.tileFor(shape, 'columns', chunkSizes(4256, 8));
    expect(532 % tile.n).toBe(0);
    const [x, y] = kernel.grid(shape, tile);
    expect((x * y) / 8 / 4).toBeGreaterThanOrEqual(kernel.name === 'gemm-skinny' ? 64 : unit === 4 ? 14 : 28);
  });

  test.each(takes)('takes %s', (text) => {
    expect(kernel.tileProblem(parseTile(text))).toBeUndefined();
  });

  test.each([...refuses.map(parseTile), { m: 0, n: 32, k: 4 }, { m: 32, n: 1.5, k: 4 }])('refuses %j with a reason, a limit and a fix', (tile) => {
    const problem = kernel.tileProblem(tile);
    expect(problem?.what).not.toBe('');
    expect(problem?.limit).not.toBe('');
    expect(problem?.fix).not.toBe('');
    expect(problem).toBeDefined();
  });

  test('asks the adapter at hand, when there is one', () => {
    expect(kernel.tileProblem({ m: 16, n: 64, k: 16 }, { ...BASE_LIMITS, maxComputeInvocationsPerWorkgroup: 2 })?.limit).toMatch(/2 invocations/);
  });
});

test('chunks too narrow for a good tile: quads, which touch several chunks at little cost, take a wide one all the same; rectangles do not', () => {
  const sizes = chunkSizes(4256, 64);
  const tileOf = (name: string) => kernelNamed(name)!.tileFor({ m: 256, n: 4256, k: 266 }, 'columns', sizes);
  expect(tileOf('gemm-quad').n).toBe(64);
  expect(tileOf('gemm-register').n).toBeLessThan(64);
});

test('slabs must fit in workgroup memory', () => {
  const kernel = kernelNamed('gemm-workgroup')!;
  expect(kernel.tileProblem({ m: 64, n: 64, k: 32 })).toBeUndefined();
  const problem = kernel.tileProblem({ m: 64, n: 64, k: 33 });
  expect(problem).toMatchObject({ limit: '16384 bytes', fix: 'use a k of at most 32' });
  expect(kernel.tileProblem({ m: 64, n: 64, k: 33 }, { ...BASE_LIMITS, maxComputeWorkgroupStorageSize: 32768 })).toBeUndefined();
});
