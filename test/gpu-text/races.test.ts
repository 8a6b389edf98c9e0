// Every built-in kernel, and the GEMMs as instrumented, on a CPU interpreter that runs a workgroup's invocations in
// lockstep and watches every access: no two of them may touch an element between barriers unless both read, and the
// values must be right. What the interpreter complains of on the console is a failure too. Each kind of kernel is also
// seen red: the same text with one defect must be caught.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { instrument, INSTRUMENTED_ENTRY } from '../../src/gpu/instrument.ts';
import { RecordBuffer } from '../../src/gpu/records.ts';
import { structLayout } from '../../src/gpu/reflect.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { kernelNamed, KERNELS } from '../../src/spec/kernels.ts';
import { KIND, MATRIX } from '../../src/spec/operands.ts';
import type { Chunk } from '../../src/plan/tiling.ts';
import type { GemmShape, Tile } from '../../src/spec/spec.ts';
import { bitsWrong, POISON_BITS } from '../../src/verify/exact.ts';

const SOURCES = KERNEL_SOURCES;
const { 'gemm-register': gemmRegister, 'gemm-workgroup': gemmWorkgroup, 'gemm-vector': gemmVector, 'gemm-skinny': gemmSkinny } = SOURCES;

type Memory = Float32Array | Uint32Array | { readonly uniform: Uint32Array };

/** Runs a kernel and returns what was found; the buffers hold what it wrote. */
function lockstep(code: string, entry: string, grid: readonly number[], groups: Readonly<Record<number, Readonly<Record<number, Memory>>>>): { races: string[]; errors: string[] } {
  const { races, errors } = detectRaces(code, entry, [...grid], groups);
  return { races: races.map(({ message }) => message), errors };
}

const CLEAN = { races: [], errors: [] };

/** A copy of the text with one defect: the stretch must be there, once. */
function broken(source: string, from: string, to: string): string {
  expect(source.split(from), `one ${from}`).toHaveLength(2);
  return source.replace(from, to);
}

/** The interpreter goes on after most of its errors and says so on the console alone. */
beforeEach(() => {
  for (const method of ['error', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {});
});
afterEach(() => {
  const lines = [...vi.mocked(console.error).mock.calls, ...vi.mocked(console.warn).mock.calls].map((line) => line.join(' '));
  vi.restoreAllMocks();
  expect(lines).toEqual([]);
});

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
  const { code } = specialise(source, kernel.constantsFor(shape, tile));
  const a = operand(shape.m * shape.k, 1);
  const b = operand(shape.k * shape.n, 3);
  const c = new Float32Array(shape.m * shape.n).fill(NaN);
  return { ...lockstep(code, 'main', kernel.grid(shape, tile), { 0: { 0: a, 1: b, 2: c } }), values: [...c], expected: product(shape, a, b) };
}

/** Whose tiles are of another kind: whole vectors and none, few slabs and several, lanes that share k. */
const CASES_OF: Readonly<Record<string, typeof CASES>> = {
  'gemm-vector': [
    { shape: { m: 1, n: 1, k: 1 }, tile: { m: 4, n: 4, k: 4 } },
    { shape: { m: 8, n: 12, k: 20 }, tile: { m: 8, n: 8, k: 4 } },
    { shape: { m: 5, n: 7, k: 9 }, tile: { m: 8, n: 8, k: 8 } },
    { shape: { m: 9, n: 16, k: 6 }, tile: { m: 16, n: 8, k: 8 } },
    { shape: { m: 6, n: 5, k: 12 }, tile: { m: 8, n: 4, k: 4 } },
  ],
  'gemm-skinny': [
    { shape: { m: 1, n: 1, k: 1 }, tile: { m: 1, n: 4, k: 8 } },
    { shape: { m: 1, n: 13, k: 21 }, tile: { m: 1, n: 8, k: 16 } },
    { shape: { m: 5, n: 6, k: 9 }, tile: { m: 3, n: 4, k: 4 } },
    { shape: { m: 4, n: 9, k: 34 }, tile: { m: 4, n: 6, k: 12 } },
  ],
};

// The interpreter knows no lanes that exchange values.
const INTERPRETED = KERNELS.filter(({ needs }) => needs.length === 0).map(({ name }) => name);

test.each(KERNELS.filter(({ needs }) => needs.length > 0).map(({ name }) => name))('%s, which the interpreter cannot run, has nothing to race for: no workgroup memory, no atomics, one place that stores', (name) => {
  const { code } = specialise(SOURCES[name]!, kernelNamed(name)!.constantsFor({ m: 9, n: 9, k: 9 }, { m: 8, n: 8, k: 4 }));
  expect(code).not.toMatch(/var<workgroup>|Barrier|atomic/);
  expect(code.match(/read_write/g)).toHaveLength(1);
  expect(code.match(/\bc\[[^\n]*\]\s*=[^=]/g)).toHaveLength(1);
});

/** The interpreter gets components of vectors in arrays wrong: what it says of races depends on places alone, the values are tested on the GPU. */
const MISREAD = new Set(['gemm-vector']);

describe.each(INTERPRETED)('%s', (name) => {
  test.each(CASES_OF[name] ?? CASES)('is free of races, and right where the interpreter can tell: $shape.m×$shape.n×$shape.k, tile $tile.m×$tile.n×$tile.k', ({ shape, tile }) => {
    const { races, errors, values, expected } = run(name, SOURCES[name]!, shape, tile);
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

// ── The emulated hardware: DMA, near-memory unit; helpers of the check ───────────────────────────────────────────

/** Records of a shader's struct, by the layout that its text has. */
function records(source: string, struct: string, list: readonly Readonly<Record<string, number>>[]): Uint32Array {
  const buffer = new RecordBuffer(4);
  const layout = structLayout(source, struct);
  for (const record of list) buffer.add(layout, record);
  return buffer.words.slice(0, buffer.bytes / 4);
}

// Two pieces: runs of 1 element and of 6 stretches of 35, and one of 33; the second lands first.
const RUNS = [[7, 1, 1, 0], [50, 35, 6, 40], [10, 33, 1, 0]] as const;
const PIECES = [{ first_run: 0, runs: 2, landing: 35 }, { first_run: 2, runs: 1, landing: 1 }] as const;
const elementsOf = ({ first_run, runs }: (typeof PIECES)[number]): number[] =>
  RUNS.slice(first_run, first_run + runs).flatMap(([start, length, count, stride]) => Array.from({ length: length * count }, (_, at) => start + Math.floor(at / length) * stride + (at % length)));
const words = new Uint32Array(RUNS.flat());

describe('transfer', () => {
  const transfer = (source: string) => {
    const memory = Float32Array.from({ length: 300 }, (_, at) => at + 0.5);
    const landing = new Float32Array(260).fill(-1);
    const found = lockstep(specialise(source, { LANES: 32 }).code, 'main', [3, 1, 1], { 0: { 0: records(source, 'Item', PIECES), 1: words, 2: memory, 3: landing } });
    const expected = new Float32Array(260).fill(-1);
    for (const piece of PIECES) elementsOf(piece).forEach((at, index) => (expected[piece.landing + index] = memory[at]!));
    return { found, landing: [...landing], expected: [...expected] };
  };

  test('copies pieces densely, without races, one workgroup too many notwithstanding', () => {
    const { found, landing, expected } = transfer(SHADERS.transfer);
    expect(found).toEqual(CLEAN);
    expect(landing).toEqual(expected);
  });

  test('red: two invocations that write one place, and a run that is not packed behind the one before', () => {
    expect(transfer(broken(SHADERS.transfer, 'var to = first + e;', 'var to = first + e / 2u;')).found.races.length).toBeGreaterThan(0);
    const { landing, expected } = transfer(broken(SHADERS.transfer, 'first += run.length * run.count;', 'first += 2u;'));
    expect(landing).not.toEqual(expected);
  });
});

describe('nmc', () => {
  const nmc = (source: string, updates: readonly [number, number]) => {
    const landing = Float32Array.from({ length: 260 }, (_, at) => 3 * at);
    const memory = Float32Array.from({ length: 300 }, (_, at) => 1000 + at);
    const counters = new Uint32Array(4).fill(5);
    const expected = [...memory];
    PIECES.forEach((piece, which) =>
      elementsOf(piece).forEach((at, index) => {
        expected[at] = landing[piece.landing + index]! + (updates[which] === 1 ? memory[at]! : 0);
      }),
    );
    const items = records(source, 'Item', PIECES.map((piece, which) => ({ ...piece, counter: 3 - 2 * which, update: updates[which]! })));
    const found = lockstep(specialise(source, { LANES: 16 }).code, 'main', [3, 1, 1], { 0: { 0: items, 1: words, 2: landing, 3: memory, 4: counters } });
    return { found, memory: [...memory], expected, counters: [...counters] };
  };

  test.each([[0, 0], [0, 1], [1, 0], [1, 1]])('op bits %i and %i: stores or adds, and counts the elements of each piece', (first, second) => {
    const { found, memory, expected, counters } = nmc(SHADERS.nmc, [first, second]);
    expect(found).toEqual(CLEAN);
    expect(memory).toEqual(expected);
    expect(counters).toEqual([5, 5 + 33, 5, 5 + 211]);
  });

  test('red: two invocations that update one place, and a count that is not that of the elements', () => {
    expect(nmc(broken(SHADERS.nmc, 'var to = run.start + e;', 'var to = run.start + e / 2u;'), [1, 1]).found.races.length).toBeGreaterThan(0);
    expect(nmc(broken(SHADERS.nmc, 'landed++;', 'landed = 1u;'), [1, 1]).counters).not.toEqual([5, 38, 5, 216]);
  });
});

describe('fill', () => {
  const fill = (source: string, length: number) => {
    const memory = new Uint32Array(length);
    return { ...lockstep(source, 'main', [2, 1, 1], { 0: { 0: memory } }), memory: [...memory] };
  };

  test.each([1, 64, 300])('writes each of %i words, whatever the dispatch', (length) => {
    expect(fill(SHADERS.fill, length)).toEqual({ ...CLEAN, memory: Array<number>(length).fill(POISON_BITS) });
  });

  test('red: two invocations that write one word', () => {
    expect(fill(broken(SHADERS.fill, 'words[i]', 'words[i / 2u]'), 8).races.length).toBeGreaterThan(0);
  });
});

describe('accumulate', () => {
  const accumulate = (source: string, length: number) => {
    const partial = operand(length, 1);
    const sum = operand(length, 4);
    const expected = Array.from(sum, (value, at) => value + partial[at]!);
    const found = lockstep(source, 'main', [2, 1, 1], { 0: { 0: partial, 1: sum } });
    return { found, sum: [...sum], expected };
  };

  test.each([1, 64, 200])('adds each of %i elements once, whatever the dispatch', (length) => {
    const { found, sum, expected } = accumulate(SHADERS.accumulate, length);
    expect(found).toEqual(CLEAN);
    expect(sum).toEqual(expected);
  });

  test('red: an invocation that reads what another one writes', () => {
    expect(accumulate(broken(SHADERS.accumulate, '= sum[i] +', '= sum[min(i + 1u, arrayLength(&sum) - 1u)] +'), 9).found.races.length).toBeGreaterThan(0);
  });
});

describe('compare', () => {
  // A chunk of 11 × 7 at row 2, column 3 of a reference of 12 columns; some elements are wrong.
  const [rows, columns, pitch] = [11, 7, 12] as const;
  const region = { pitch, row: 2, column: 3, columns };
  const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const reference = Uint32Array.from({ length: (rows + 2) * pitch }, (_, at) => bitsOf((at % 19) - 9));
  const chunk = Uint32Array.from({ length: rows * columns }, (_, at) => reference[(Math.floor(at / columns) + 2) * pitch + 3 + (at % columns)]!);
  chunk[0] = POISON_BITS;
  chunk[30] = 0x7f800000;
  chunk[40] = bitsOf(new Float32Array(Uint32Array.of(chunk[40]!).buffer)[0]! + 2.5);
  chunk[76] = bitsOf(new Float32Array(Uint32Array.of(chunk[76]!).buffer)[0]! - 8);
  chunk[5] = chunk[5]! ^ 1;
  const zero = chunk.indexOf(0);
  chunk[zero] = 0x80000000;

  const compare = (source: string) => {
    const verdict = new Uint32Array(4);
    return { ...lockstep(source, 'main', [2, 1, 1], { 0: { 0: { uniform: records(source, 'Region', [region]) }, 1: chunk, 2: reference, 3: verdict } }), verdict: [...verdict] };
  };

  test('counts the wrong bits and keeps the largest finite difference', () => {
    expect(zero).toBeGreaterThanOrEqual(0);
    const wrong = [...chunk].filter((bits, at) => bitsWrong(reference[(Math.floor(at / columns) + 2) * pitch + 3 + (at % columns)]!, bits)).length;
    expect(wrong).toBe(5);
    expect(compare(SHADERS.compare)).toEqual({ ...CLEAN, verdict: [rows * columns, wrong, 2, bitsOf(8)] });
  });

  test('red: a count without atomics, and a comparison that does not look for infinities', () => {
    const unsafe = SHADERS.compare.replaceAll('atomic<u32>', 'u32').replaceAll(/atomicAdd\(&(verdict\.\w+), (\w+)\)/g, '$1 = $1 + $2').replaceAll(/atomicMax\(&(verdict\.\w+), (\w+)\)/g, '$1 = max($1, $2)');
    expect(unsafe).not.toContain('atomic');
    expect(compare(unsafe).races.length).toBeGreaterThan(0);
    expect(compare(broken(SHADERS.compare, 'if (!finite) {', 'if (false) {')).verdict[2]).toBe(0);
  });
});

describe('operands', () => {
  // The interpreter does not wrap u32 arithmetic, so the hash itself is checked on the GPU alone (test/gpu/kernels.test.ts):
  // here each element's value is its place.
  const placed = broken(SHADERS.operands, 'let start = mix32(key + row);', 'let start = 1000u * row;').replaceAll(/(?:= |let value = )(?:exact|normal)_value\(start, twist, (.*?)(?:, range)?\);/g, (call, column: string) => `${call.slice(0, call.indexOf('= ') + 2)}f32(start + ${column});`);
  expect(placed.match(/f32\(start \+ /g)).toHaveLength(6);
  const operands = (source: string, kind: keyof typeof KIND, groups: number) => {
    const [rows, columns] = [3, 600];
    const output = new Float32Array(rows * columns).fill(NaN);
    const params = records(source, 'Params', [{ seed: 1, device: 3, matrix: MATRIX.b, rows, columns, range: 4, kind: KIND[kind], first_row: 9 }]);
    const found = lockstep(source, 'fill_operand', [groups, 1, 1], { 0: { 0: { uniform: params }, 1: output } });
    return { found, output: [...output], expected: Array.from(output, (_, at) => 1000 * (9 + Math.floor(at / columns)) + (at % columns)) };
  };

  test.each([['exact', 1], ['exact', 4], ['normal', 2]] as const)('%s by %i workgroups: each element once, in its place', (kind, groups) => {
    const { found, output, expected } = operands(placed, kind, groups);
    expect(found).toEqual(CLEAN);
    expect(output).toEqual(expected);
  });

  test('red: two invocations that write one element', () => {
    expect(operands(placed.replaceAll('output[base + c]', 'output[base + c / 2u]'), 'exact', 1).found.races.length).toBeGreaterThan(0);
  });
});

// ── Instrumented GEMMs ───────────────────────────────────────────────────────────────────────────────────────────

// An output of 7 × 10 in tiles of 4 × 4: 2 × 3 workgroups, of which chunk 1 (rows 3..5, columns 3..8) straddles some. Chunks
// of columns that do not reach from the first row to the last are what those of a batch look like.
const SHAPE: GemmShape = { m: 7, n: 10, k: 3 };
const TILE: Tile = { m: 4, n: 4, k: 2 };
const WAVEFRONT = 2;
const CHUNKS = {
  rows: [{ row: 0, rows: 3, column: 0, columns: 10 }, { row: 3, rows: 3, column: 0, columns: 10 }],
  columns: [{ row: 0, rows: 7, column: 0, columns: 3 }, { row: 0, rows: 7, column: 3, columns: 6 }],
  'columns of a batch': [{ row: 0, rows: 3, column: 3, columns: 6 }, { row: 3, rows: 4, column: 3, columns: 6 }],
} as const;
type Cut = keyof typeof CHUNKS;
/** Two that hold whole tiles. */
const WHOLE: Readonly<Record<Cut, Rectangle>> = { rows: { row: 0, rows: 4, column: 0, columns: 10 }, columns: { row: 0, rows: 7, column: 0, columns: 8 }, 'columns of a batch': { row: 0, rows: 4, column: 4, columns: 4 } };

interface Entry {
  readonly workgroup: number;
  /** Of each slot: the counter of the part's first wavefront, and the op bit. */
  readonly slots: readonly { readonly counter: number; readonly update: number }[];
}

type Rectangle = Omit<Chunk, 'elements'>;

interface Dispatched {
  readonly name: string;
  readonly cut: Cut;
  readonly op: 'store' | 'update' | 'mixed';
  readonly guard: boolean;
  readonly chunks: readonly Rectangle[];
  readonly order: readonly Entry[];
  readonly muted?: number | 'all';
}

/**
 * In the interpreter a `var<private>` is one variable for all invocations. So each becomes an array in workgroup memory,
 * an element per lane (which the race check watches as well), reset where the invocation begins. A bool becomes a u32:
 * the interpreter gives an array of bools a stride of 0, and takes a u32 for a condition.
 */
function lowerPrivate(code: string, lanes: number): string {
  let text = code;
  const resets: string[] = [];
  for (const [declaration, name] of code.matchAll(/var<private> (tw_\w+): (?:u32|bool);/g)) {
    text = text.replace(declaration!, '').replace(new RegExp(`\\b${name}\\b`, 'g'), `${name}[lane]`).replace('struct TwEntry', `var<workgroup> ${name}: array<u32, ${lanes}>;\nstruct TwEntry`);
    resets.push(`${name}[lane] = 0u;`);
  }
  return text
    .replace('fn tw_store(', 'fn tw_store(lane: u32, ')
    .replaceAll(/(?<!fn )tw_store\(/g, 'tw_store(lane, ')
    .replace('fn tw_begin(group: vec3u, lane: u32) {', (head) => `${head} ${resets.join(' ')}`);
}

function tracked({ name, cut, op, guard, chunks, order, muted }: Dispatched, outputSpace = SHADERS.outputSpace) {
  const kernel = kernelNamed(name)!;
  const plain = specialise(SOURCES[name]!, kernel.constantsFor(SHAPE, TILE)).code;
  const space = specialise(outputSpace, {
    SLOTS: chunks.length,
    OP: { store: 0, update: 1, mixed: 2 }[op],
    DENSE: cut === 'rows' ? 1 : 0,
    GUARD: guard ? 1 : 0,
    MUTED: muted === undefined ? 0 : muted === 'all' ? 2 : 1,
    TW_MUTED: typeof muted === 'number' ? muted : 0,
    TW_PITCH: SHAPE.n,
    TW_WAVEFRONT: WAVEFRONT,
  }).code;
  const workgroupSize = kernel.workgroupSize(TILE);
  const lanes = workgroupSize[0] * workgroupSize[1];
  const code = instrument(plain, { entry: 'main', output: 'c', operands: ['a', 'b'], workgroupSize, grid: kernel.grid(SHAPE, TILE), elements: SHAPE.m * SHAPE.n, space });

  const a = operand(SHAPE.m * SHAPE.k, 1);
  const b = operand(SHAPE.k * SHAPE.n, 3);
  const sizes = chunks.map(({ rows, columns }) => rows * columns);
  const memories = sizes.map((size, slot) => Float32Array.from({ length: size }, (_, at) => 1000 * (slot + 1) + at));
  const counters = new Uint32Array(64).fill(7);
  const expected = { memories: memories.map((memory) => [...memory]), counters: [...counters] };
  const exact = product(SHAPE, a, b);
  for (const { workgroup, slots } of order) {
    if (muted === 'all' || muted === workgroup) continue;
    const columns = kernel.grid(SHAPE, TILE)[0];
    for (let lane = 0; lane < lanes; lane++) {
      const rectangle = kernel.laneRectangle(TILE, lane);
      for (let r = 0; r < rectangle.rows; r++)
        for (let s = 0; s < rectangle.columns; s++) {
          const row = Math.floor(workgroup / columns) * TILE.m + rectangle.row + r;
          const column = (workgroup % columns) * TILE.n + rectangle.column + s;
          if (row >= SHAPE.m || column >= SHAPE.n) continue;
          chunks.forEach((chunk, slot) => {
            if (row < chunk.row || row >= chunk.row + chunk.rows || column < chunk.column || column >= chunk.column + chunk.columns) return;
            const place = (row - chunk.row) * chunk.columns + column - chunk.column;
            const update = op === 'update' || (op === 'mixed' && slots[slot]!.update === 1);
            expected.memories[slot]![place] = (update ? expected.memories[slot]![place]! : 0) + exact[row * SHAPE.n + column]!;
            expected.counters[slots[slot]!.counter + Math.floor(lane / WAVEFRONT)]! += 1;
          });
        }
    }
  }

  const entries = order.map(({ workgroup, slots }) => ({ workgroup, ...Object.fromEntries(slots.flatMap(({ counter, update }, slot) => [[`counter${slot}`, counter], [`update${slot}`, update]])) }));
  const rectangles = Object.fromEntries(chunks.flatMap((chunk, slot) => (['row', 'rows', 'column', 'columns'] as const).map((field) => [`${field}${slot}`, chunk[field]])));
  const bindings = { 0: records(code, 'TwEntry', entries), 1: counters, 2: { uniform: records(code, 'TwSlots', [rectangles]) }, ...Object.fromEntries(memories.map((memory, slot) => [slot + 3, memory])) };
  const found = lockstep(lowerPrivate(code, lanes), INSTRUMENTED_ENTRY, [order.length, 1, 1], { 0: { 0: a, 1: b }, 1: bindings });
  return { found, actual: { memories: memories.map((memory) => [...memory]), counters: [...counters] }, expected };
}

/** Virtual workgroups in no order; no two parts share a counter. */
const orderOf = (workgroups: readonly number[], slots: number): Entry[] =>
  workgroups.map((workgroup, at) => ({ workgroup, slots: Array.from({ length: slots }, (_, slot) => ({ counter: 8 * (at + 3 * slot), update: (at + slot) % 2 })) }));

/** Workgroups of the 2 × 3 grid: 0 and 3 lie in columns 0..3, 1 and 4 in 4..7, 2 and 5 in 8..9; 0, 1 and 2 in rows 0..3. */
const DISPATCHES = (['rows', 'columns', 'columns of a batch'] as const).flatMap((cut) =>
  (['store', 'update', 'mixed'] as const).flatMap((op): Omit<Dispatched, 'name'>[] => [
    { cut, op, guard: false, chunks: [WHOLE[cut]], order: orderOf(cut === 'columns of a batch' ? [1] : [1, 0], 1) },
    { cut, op, guard: true, chunks: [CHUNKS[cut][1]], order: orderOf(cut === 'rows' ? [4, 1] : [5, 0], 1) },
    { cut, op, guard: true, chunks: CHUNKS[cut], order: orderOf(cut === 'rows' ? [2, 0, 1] : [3, 0], 2) },
  ]),
);

describe.each(INTERPRETED.filter((name) => kernelNamed(name)!.tileProblem(TILE) === undefined))('%s, instrumented', (name) => {
  test.each(DISPATCHES)('$cut, $op, $chunks.length chunks bound, guard $guard: memories and counters are right', (dispatch) => {
    const { found, actual, expected } = tracked({ name, ...dispatch });
    expect(found).toEqual(CLEAN);
    expect(actual).toEqual(expected);
    expect(actual.counters.some((count) => count !== 7)).toBe(true);
  });

  test.each([0, 'all'] as const)('workgroup %s muted: it stores nothing and counts nothing', (muted) => {
    const { found, actual, expected } = tracked({ name, cut: 'columns', op: 'mixed', guard: true, chunks: CHUNKS.columns, order: orderOf([3, 0], 2), muted });
    expect(found).toEqual(CLEAN);
    expect(actual).toEqual(expected);
  });
});

describe('instrumented, red', () => {
  const batch: Dispatched = { name: 'gemm-register', cut: 'columns of a batch', op: 'mixed', guard: true, chunks: [CHUNKS['columns of a batch'][1]], order: orderOf([5, 0], 1) };
  const straddling: Dispatched = { name: 'gemm-register', cut: 'columns', op: 'mixed', guard: true, chunks: CHUNKS.columns, order: orderOf([3, 0], 2) };

  test('two invocations that update one place', () => {
    const source = SHADERS.outputSpace.replaceAll('tw_chunk$p[place]', 'tw_chunk$p[place / 4u]');
    expect(source).not.toBe(SHADERS.outputSpace);
    expect(tracked(straddling, source).found.races.length).toBeGreaterThan(0);
  });

  test.each([
    ['counters', 'a counter that knows no wavefronts', ' + lane / TW_WAVEFRONT], tw_landed$p', '], tw_landed$p'],
    ['counters', 'a count that misses stores', 'tw_landed$p += 1u;', 'tw_landed$p = 1u;'],
    ['memories', 'a place that forgets where the chunk begins', 'tw_slots.columns$p + column - tw_slots.column$p;', 'tw_slots.columns$p + column % tw_slots.columns$p;'],
    ['memories', 'an op bit that is turned round', '.update$p != 0u', '.update$p == 0u'],
  ] as const)('%s: %s', (what, _, from, to) => {
    const { actual, expected } = tracked(straddling, broken(SHADERS.outputSpace, from, to));
    expect(actual[what]).not.toEqual(expected[what]);
  });

  test.each([
    ['a guard that knows no rows', 'row - tw_slots.row$p < tw_slots.rows$p && ', ''],
    ['a place that counts rows from the first matrix', '(row - tw_slots.row$p) * tw_slots.columns$p', 'row * tw_slots.columns$p'],
  ] as const)('columns of a batch: %s', (_, from, to) => {
    const source = broken(SHADERS.outputSpace, from, to);
    // A place behind the end of the chunk is more than the interpreter takes.
    expect(() => {
      const { actual, expected } = tracked(batch, source);
      expect(actual).toEqual(expected);
    }).toThrow();
  });
});
