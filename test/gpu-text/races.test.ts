// Each built-in kernel on a CPU interpreter that runs a workgroup's invocations in lockstep and watches every access:
// no two of them may touch an element between barriers unless both read, and the values must be right. The same
// kernel without its barriers must be caught.
import { describe, expect, test } from 'vitest';
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import gemmRegister from '../../shaders/gemm-register.wgsl';
import gemmWorkgroup from '../../shaders/gemm-workgroup.wgsl';
import { specialise } from '../../src/gpu/specialise.ts';
import { kernelNamed } from '../../src/spec/kernels.ts';
import type { GemmShape, Tile } from '../../src/spec/spec.ts';

const SOURCES: Readonly<Record<string, string>> = { 'gemm-register': gemmRegister, 'gemm-workgroup': gemmWorkgroup };

const CASES: readonly { shape: GemmShape; tile: Tile }[] = [
  { shape: { m: 1, n: 1, k: 1 }, tile: { m: 4, n: 4, k: 2 } },
  { shape: { m: 5, n: 7, k: 3 }, tile: { m: 4, n: 4, k: 2 } },
  { shape: { m: 6, n: 5, k: 9 }, tile: { m: 3, n: 2, k: 4 } },
  { shape: { m: 9, n: 17, k: 4 }, tile: { m: 8, n: 16, k: 3 } },
  { shape: { m: 2, n: 13, k: 5 }, tile: { m: 1, n: 7, k: 1 } },
];

/** Small integers, none of them 0. */
function operand(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => [1, -2, 3, -4, 4, -1, 2][(index * 5 + seed) % 7]!);
}

function product({ m, n, k }: GemmShape, a: Float32Array, b: Float32Array): number[] {
  return Array.from({ length: m * n }, (_, index) => {
    let sum = 0;
    for (let step = 0; step < k; step++) sum += a[Math.floor(index / n) * k + step]! * b[step * n + (index % n)]!;
    return sum;
  });
}

function run(name: string, source: string, shape: GemmShape, tile: Tile) {
  const kernel = kernelNamed(name)!;
  expect(kernel.tileProblem(tile)).toBeUndefined();
  const { code } = specialise(source, kernel.constantsFor(shape, tile));
  const a = operand(shape.m * shape.k, 1);
  const b = operand(shape.k * shape.n, 3);
  const c = new Float32Array(shape.m * shape.n).fill(NaN);
  const { races, errors } = detectRaces(code, 'main', kernel.grid(shape, tile), { 0: { 0: a, 1: b, 2: c } });
  return { races: races.map(({ message }) => message), errors, values: [...c], expected: product(shape, a, b) };
}

describe.each(Object.keys(SOURCES))('%s', (name) => {
  test.each(CASES)('is free of races and right: $shape.m×$shape.n×$shape.k, tile $tile.m×$tile.n×$tile.k', ({ shape, tile }) => {
    const { races, errors, values, expected } = run(name, SOURCES[name]!, shape, tile);
    expect(errors).toEqual([]);
    expect(races).toEqual([]);
    expect(values).toEqual(expected);
  });
});

describe('the check itself', () => {
  const shape = { m: 5, n: 7, k: 3 };
  const tile = { m: 4, n: 4, k: 2 };

  test('a kernel without its barriers is reported', () => {
    const broken = gemmWorkgroup.replaceAll('workgroupBarrier();', '');
    expect(broken).not.toBe(gemmWorkgroup);
    expect(run('gemm-workgroup', broken, shape, tile).races.length).toBeGreaterThan(0);
  });

  test.each([0, 1])('so is one that lacks barrier %i', (missing) => {
    let seen = 0;
    const broken = gemmWorkgroup.replaceAll('workgroupBarrier();', (barrier) => (seen++ === missing ? '' : barrier));
    expect(run('gemm-workgroup', broken, shape, tile).races.length).toBeGreaterThan(0);
  });

  test('two invocations that store one element are reported', () => {
    const broken = gemmRegister.replace('c[(row + r) * N + column + s]', 'c[(row + r) * N]');
    expect(broken).not.toBe(gemmRegister);
    expect(run('gemm-register', broken, shape, tile).races.length).toBeGreaterThan(0);
  });
});
