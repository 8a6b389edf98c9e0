// Every built-in GEMM kernel, and the exact reference, on a CPU interpreter that sees races: values must be right, too. Each
// kind of kernel is also seen red: the same text with one defect must be caught.
import { describe, expect, test } from 'vitest';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { kernelNamed, KERNELS } from '../../src/spec/kernels.ts';
import type { GemmShape, Tile } from '../../src/spec/spec.ts';
import { twinConstants, twinSource } from '../support/twin.ts';
import { broken, CLEAN, INTERPRETED, lockstep, operand, product, watchConsole } from './lockstep.ts';

const { 'gemm-register': gemmRegister, 'gemm-workgroup': gemmWorkgroup, 'gemm-vector': gemmVector, 'gemm-skinny': gemmSkinny } = KERNEL_SOURCES;

const sourceOf = (name: string): string => (kernelNamed(name)!.halves ? twinSource(name) : KERNEL_SOURCES[name]!);

watchConsole();


// ── Plain GEMMs ──────────────────────────────────────────────────────────────────────────────────────────────────

const CASES: readonly { shape: GemmShape; tile: Tile }[] = [
  { shape: { m: 1, n: 1, k: 1 }, tile: { m: 4, n: 4, k: 2 } },
  { shape: { m: 5, n: 7, k: 3 }, tile: { m: 4, n: 4, k: 2 } },
  { shape: { m: 6, n: 5, k: 9 }, tile: { m: 3, n: 2, k: 4 } },
  { shape: { m: 9, n: 17, k: 4 }, tile: { m: 8, n: 16, k: 3 } },
  { shape: { m: 2, n: 13, k: 5 }, tile: { m: 1, n: 7, k: 1 } },
];

function run(name: string, source: string, shape: GemmShape, tile: Tile) {
  const kernel = kernelNamed(name)!;
  expect(kernel.tileProblem(tile)).toBeUndefined();
  const { code } = specialise(source, kernel.halves ? twinConstants(name, shape, tile) : kernel.constantsFor(shape, tile));
  const a = operand(shape.m * shape.k, 1);
  const b = operand(shape.k * shape.n, 3);
  const c = new Float32Array(shape.m * shape.n).fill(NaN);
  return { ...lockstep(code, 'main', kernel.grid(shape, tile), { 0: { 0: a, 1: b, 2: c } }), values: [...c], expected: product(shape, a, b) };
}

const VECTORS: typeof CASES = [
  { shape: { m: 1, n: 1, k: 1 }, tile: { m: 4, n: 4, k: 4 } },
  { shape: { m: 8, n: 12, k: 20 }, tile: { m: 8, n: 8, k: 4 } },
  { shape: { m: 5, n: 7, k: 9 }, tile: { m: 8, n: 8, k: 8 } },
  { shape: { m: 9, n: 16, k: 6 }, tile: { m: 16, n: 8, k: 8 } },
  { shape: { m: 6, n: 5, k: 12 }, tile: { m: 8, n: 4, k: 4 } },
];

/** Whose tiles are of another kind: whole vectors and none, few slabs and several, lanes that share k, matrices. */
const CASES_OF: Readonly<Record<string, typeof CASES>> = {
  'gemm-vector': VECTORS,
  'gemm-half': VECTORS,
  'gemm-matrix': [
    { shape: { m: 5, n: 7, k: 3 }, tile: { m: 16, n: 16, k: 16 } },
    { shape: { m: 18, n: 33, k: 20 }, tile: { m: 32, n: 16, k: 16 } },
  ],
  'gemm-skinny': [
    { shape: { m: 1, n: 1, k: 1 }, tile: { m: 1, n: 4, k: 8 } },
    { shape: { m: 1, n: 13, k: 21 }, tile: { m: 1, n: 8, k: 16 } },
    { shape: { m: 5, n: 6, k: 9 }, tile: { m: 3, n: 4, k: 4 } },
    { shape: { m: 4, n: 9, k: 34 }, tile: { m: 4, n: 6, k: 12 } },
  ],
};

test.each(KERNELS.map(({ name }) => name).filter((name) => !INTERPRETED.includes(name)))('%s, which the interpreter cannot run, has nothing to race for: no workgroup memory, no atomics, one place that stores', (name) => {
  const { code } = specialise(KERNEL_SOURCES[name]!, kernelNamed(name)!.constantsFor({ m: 9, n: 9, k: 9 }, { m: 8, n: 8, k: 4 }));
  expect(code).not.toMatch(/var<workgroup>|Barrier|atomic/);
  expect(code.match(/read_write/g)).toHaveLength(1);
  expect(code.match(/\bc\[[^\n]*\]\s*=[^=]/g)).toHaveLength(1);
});

/** The interpreter gets components of vectors in arrays wrong: what it says of races depends on places alone, the values are tested on the GPU. */
const MISREAD = new Set(['gemm-vector', 'gemm-half']);

describe.each(INTERPRETED)('%s', (name) => {
  test.each(CASES_OF[name] ?? CASES)('is free of races, and right where the interpreter can tell: $shape.m×$shape.n×$shape.k, tile $tile.m×$tile.n×$tile.k', ({ shape, tile }) => {
    const { races, errors, values, expected } = run(name, sourceOf(name), shape, tile);
    expect({ races, errors }).toEqual(CLEAN);
    if (!MISREAD.has(name)) expect(values).toEqual(expected);
  });
});

describe('the check itself', () => {
  const shape = { m: 5, n: 7, k: 3 };
  const tile = { m: 4, n: 4, k: 2 };

  test('a kernel without its barriers is reported', () => {
    const source = gemmWorkgroup!.replaceAll('workgroupBarrier();', '');
    expect(source).not.toBe(gemmWorkgroup);
    expect(run('gemm-workgroup', source, shape, tile).races.length).toBeGreaterThan(0);
  });

  test.each([0, 1])('so is one that lacks barrier %i', (missing) => {
    let seen = 0;
    const source = gemmWorkgroup!.replaceAll('workgroupBarrier();', (barrier) => (seen++ === missing ? '' : barrier));
    expect(run('gemm-workgroup', source, shape, tile).races.length).toBeGreaterThan(0);
  });

  test('so is the one barrier between two slabs, and the one before sums are shared', () => {
    const [vector, skinny] = [gemmVector!, gemmSkinny!].map((source) => broken(source, 'workgroupBarrier();', ''));
    expect(run('gemm-vector', vector!, { m: 8, n: 12, k: 20 }, { m: 8, n: 8, k: 4 }).races.length).toBeGreaterThan(0);
    expect(run('gemm-skinny', skinny!, { m: 1, n: 13, k: 21 }, { m: 1, n: 8, k: 16 }).races.length).toBeGreaterThan(0);
  });

  test.each([0, 1, 2, 3])('so is barrier %i of those around matrices: slabs, and sums on their way out', (missing) => {
    let seen = 0;
    const source = twinSource('gemm-matrix').replaceAll('workgroupBarrier();', (barrier) => (seen++ === missing ? '' : barrier));
    expect(seen).toBe(4);
    expect(run('gemm-matrix', source, { m: 5, n: 18, k: 17 }, { m: 16, n: 32, k: 16 }).races.length).toBeGreaterThan(0);
  });

  test('one slab instead of two in turn is reported', () => {
    const source = broken(gemmVector!, 'let a_store = (turn % 2u) * (TILE_M * TILE_K / 4u);', 'let a_store = 0u;');
    expect(run('gemm-vector', source, { m: 8, n: 12, k: 20 }, { m: 8, n: 8, k: 4 }).races.length).toBeGreaterThan(0);
  });

  test('two invocations that store one element are reported', () => {
    const source = broken(gemmRegister!, 'c[(row + r) * N + column + s]', 'c[(row + r) * N]');
    expect(run('gemm-register', source, shape, tile).races.length).toBeGreaterThan(0);
  });
});

// ── The exact reference ──────────────────────────────────────────────────────────────────────────────────────────

describe('reference', () => {
  /** Two pairs of rows × three columns per invocation, 2 × 2 invocations: tiles of 8 × 6. */
  const reference = (source: string, { m, n, k }: GemmShape, flush: number, a: Float32Array, b: Float32Array) => {
    const { code } = specialise(source, { M: m, N: n, K: k, FLUSH_K: flush, THREAD_PAIRS: 2, THREAD_N: 3, LANES_X: 2, LANES_Y: 2 });
    const c = new Float32Array(m * n).fill(NaN);
    return { ...lockstep(code, 'main', [Math.ceil(n / 6), Math.ceil(m / 8), 1], { 0: { 0: a, 1: b, 2: c } }), values: [...c] };
  };

  test.each([
    { shape: { m: 1, n: 1, k: 1 }, flush: 127 },
    { shape: { m: 9, n: 7, k: 5 }, flush: 2 },
    { shape: { m: 8, n: 6, k: 4 }, flush: 4 },
    { shape: { m: 3, n: 13, k: 7 }, flush: 3 },
  ])('is free of races and right: $shape.m×$shape.n×$shape.k, taken apart every $flush', ({ shape, flush }) => {
    const a = operand(shape.m * shape.k, 2);
    const b = operand(shape.k * shape.n, 5);
    const { values, ...found } = reference(SHADERS.reference, shape, flush, a, b);
    expect(found).toEqual(CLEAN);
    expect(values).toEqual(product(shape, a, b));
  });

  test.each([[4, 4], [-4, 4], [4, -4]])('holds the largest sums that may share one f32: rows of %i and %i', (upper, lower) => {
    const shape = { m: 2, n: 1, k: 254 };
    const a = Float32Array.from({ length: 2 * 254 }, (_, at) => (at < 254 ? upper : lower));
    const { values, ...found } = reference(SHADERS.reference, shape, 127, a, new Float32Array(254).fill(4));
    expect(found).toEqual(CLEAN);
    expect(values).toEqual([upper * 4 * 254, lower * 4 * 254]);
  });

  test('red: two sums too large to share one f32, and two invocations that store one element', () => {
    const shape = { m: 2, n: 1, k: 254 };
    const all = new Float32Array(2 * 254).fill(4);
    expect(reference(SHADERS.reference, shape, 254, all, all.subarray(254)).values).not.toEqual([4064, 4064]);
    const source = broken(SHADERS.reference, 'c[(row + r) * N + column + s]', 'c[(row + r) * N]');
    expect(reference(source, { m: 2, n: 6, k: 1 }, 127, operand(2, 0), operand(6, 0)).races.length).toBeGreaterThan(0);
  });
});
