// The kernels' descriptions against their own text, and the properties that every chosen or accepted tile must have.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reflectKernel } from '../../src/gpu/reflect.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { BASE_LIMITS } from '../../src/spec/kernel-layouts.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { defaultKernel, KERNELS, kernelNamed, kernelNames } from '../../src/spec/kernels.ts';

const length = fc.integer({ min: 1, max: 5000 });
const shapes = fc.record({ m: length, n: length, k: length });
const tiles = fc.record({ m: fc.integer({ min: 1, max: 140 }), n: fc.integer({ min: 1, max: 140 }), k: fc.integer({ min: 1, max: 70 }) });

function chunkSizes(length: number, devices: number): number[] {
  return Array.from({ length: devices }, (_, device) => Math.floor(length / devices) + (device < length % devices ? 1 : 0));
}

test('every description has its text, and only those', () => {
  expect(kernelNames()).toEqual(Object.keys(KERNEL_SOURCES));
  expect(kernelNamed('gemm-absent')).toBeUndefined();
});

test('a kernel is the default where it is known to suit: what runs everywhere, where nothing is known', () => {
  expect(defaultKernel(undefined)).toBe('gemm-register');
  expect(defaultKernel({ isFallback: true, quads: true })).toBe('gemm-quad');
  expect(defaultKernel({ isFallback: true, quads: false })).toBe('gemm-register');
  expect(defaultKernel({ isFallback: false, quads: true })).toBe('gemm-workgroup');
});

describe.each(KERNELS)('$name', (kernel) => {
  const source = KERNEL_SOURCES[kernel.name];
  // Sides of its tiles are multiples of it.
  const unit = kernel.needs.includes('quads') ? 4 : 1;

  test('stores to its output in exactly one place, also once unrolled', () => {
    const stores = (text: string): number => [...text.matchAll(/\bc\[[^\n]*\]\s*=[^=]/g)].length;
    expect(stores(source)).toBe(1);
    expect(stores(specialise(source, { SPLITS: 1 }).code)).toBe(1);
  });

  test('takes its sizes from the description: workgroup and bindings agree with the text', () => {
    fc.assert(
      fc.property(shapes, tiles, (shape, tile) => {
        fc.pre(kernel.tileProblem(tile) === undefined);
        const { workgroupSize, bindings } = reflectKernel(specialise(source, kernel.constantsFor(shape, tile)).code, 'main');
        expect(workgroupSize).toEqual(kernel.workgroupSize(tile));
        expect(bindings.map(({ name, minBytes }) => [name, minBytes])).toEqual([
          ['a', 4 * shape.m * shape.k],
          ['b', 4 * shape.k * shape.n],
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
          const { row, column, rows, columns } = kernel.laneRectangle(tile, lane);
          for (let r = row; r < row + rows; r++) for (let c = column; c < column + columns; c++) owners[r * tile.n + c]! += 1;
        }
        expect(owners.every((count) => count === 1)).toBe(true);
      }),
    );
  });

  test('the grid covers C and no more', () => {
    fc.assert(
      fc.property(shapes, tiles, (shape, tile) => {
        const [x, y, z] = kernel.grid(shape, tile);
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
        expect(x * y).toBeLessThanOrEqual(128);
      }),
    );
  });

  test('its default tile divides equal chunks that have a handy divisor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 5000 }), length, fc.integer({ min: 2, max: 64 }), fc.integer({ min: 1, max: 32 }), fc.constantFrom('rows' as const, 'columns' as const), (other, k, devices, parts, axis) => {
        const size = 8 * parts;
        const [m, n] = axis === 'rows' ? [size * devices, other] : [other, size * devices];
        const tile = kernel.tileFor({ m, n, k }, axis, chunkSizes(size * devices, devices));
        expect(size % (axis === 'rows' ? tile.m : tile.n)).toBe(0);
      }),
    );
  });

  test('T-NLG FC-2 at TP 8: no tile straddles, and a stage has 28 tiles of rectangles, 14 of quads, which are larger', () => {
    const shape = { m: 256, n: 4256, k: 2128 };
    const tile = kernel.tileFor(shape, 'columns', chunkSizes(4256, 8));
    expect(532 % tile.n).toBe(0);
    const [columns, rows] = kernel.grid(shape, tile);
    expect((columns * rows) / 8 / 4).toBeGreaterThanOrEqual(unit === 4 ? 14 : 28);
  });

  test.each(['1x1x1', '8x4x1', '32x28x2', '32x76x2', '64x64x16', '128x32x8', '13x5x3', '96x48x4', '64x128x2'])('takes %s, its sides as they are or times four', (text) => {
    const [tileM, tileN, k] = text.split('x').map(Number);
    const whole = (side: number): number => (side % unit === 0 ? side : side * unit);
    const [m, n] = [whole(tileM!), whole(tileN!)];
    expect(kernel.tileProblem({ m: m!, n: n!, k: k! })).toBeUndefined();
  });

  test.each([
    [{ m: 257, n: 8, k: 2 }, /no workgroup/],
    [{ m: 1028, n: 1028, k: 1 }, /no workgroup/],
    [{ m: 32, n: 32, k: 65 }, /k is 65/],
    [{ m: 0, n: 32, k: 1 }, /whole/],
    [{ m: 32, n: 1.5, k: 1 }, /whole/],
  ])('refuses %j with a reason, a limit and a fix', (tile, what) => {
    const problem = kernel.tileProblem(tile);
    expect(problem?.what).toMatch(what);
    expect(problem?.limit).not.toBe('');
    expect(problem?.fix).not.toBe('');
  });

  test('asks the adapter at hand, when there is one', () => {
    expect(kernel.tileProblem({ m: 64, n: 64, k: 2 }, { ...BASE_LIMITS, maxComputeInvocationsPerWorkgroup: 2 })?.limit).toMatch(/2 invocations/);
  });
});

test('slabs must fit in workgroup memory', () => {
  const kernel = kernelNamed('gemm-workgroup')!;
  expect(kernel.tileProblem({ m: 64, n: 64, k: 32 })).toBeUndefined();
  const problem = kernel.tileProblem({ m: 64, n: 64, k: 33 });
  expect(problem).toMatchObject({ limit: '16384 bytes', fix: 'use a k of at most 32' });
  expect(kernel.tileProblem({ m: 64, n: 64, k: 33 }, { ...BASE_LIMITS, maxComputeWorkgroupStorageSize: 32768 })).toBeUndefined();
});
