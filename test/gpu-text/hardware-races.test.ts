// The emulated hardware (DMA, near-memory unit) and the helpers of the check on a CPU interpreter that sees races. Each is
// also seen red: the same text with one defect must be caught.
import { describe, expect, test } from 'vitest';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { KIND, MATRIX } from '../../src/spec/operands.ts';
import { bitsWrong, POISON_BITS } from '../../src/verify/exact.ts';
import { broken, CLEAN, lockstep, operand, records, watchConsole } from './lockstep.ts';

watchConsole();

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
    const { code } = specialise(source, { LANES: 32 });
    const found = lockstep(code, 'main', [3, 1, 1], { 0: { 0: records(code, 'Item', PIECES), 1: words, 2: landing, 3: memory } });
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
    expect(transfer(broken(SHADERS.transfer, 'let place = first + e ', 'let place = first + e / 2u ')).found.races.length).toBeGreaterThan(0);
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
    const { code } = specialise(source, { LANES: 16 });
    const items = records(code, 'Item', PIECES.map((piece, which) => ({ ...piece, counter: 3 - 2 * which, update: updates[which]! })));
    const found = lockstep(code, 'main', [3, 1, 1], { 0: { 0: items, 1: words, 2: landing, 3: counters, 4: memory } });
    return { found, memory: [...memory], expected, counters: [...counters] };
  };

  test.each([[0, 0], [0, 1], [1, 0], [1, 1]])('op bits %i and %i: stores or adds, and counts the elements of each piece', (first, second) => {
    const { found, memory, expected, counters } = nmc(SHADERS.nmc, [first, second]);
    expect(found).toEqual(CLEAN);
    expect(memory).toEqual(expected);
    expect(counters).toEqual([5, 5 + 33, 5, 5 + 211]);
  });

  test('red: two invocations that update one place, and a count that is not that of the elements', () => {
    expect(nmc(broken(SHADERS.nmc, 'run.start + e ', 'run.start + e / 2u '), [1, 1]).found.races.length).toBeGreaterThan(0);
    expect(nmc(broken(SHADERS.nmc, 'landed += ', 'landed = '), [1, 1]).counters).not.toEqual([5, 38, 5, 216]);
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

describe('several chunk memories in one buffer', () => {
  const BEGIN = [600, 64] as const;
  const joint = (name: 'transfer' | 'nmc', source: string) => {
    const memory = Float32Array.from({ length: 900 }, (_, at) => at + 0.5);
    const landing = Float32Array.from({ length: 260 }, (_, at) => (name === 'nmc' ? 3 * at : -1));
    const counters = new Uint32Array(4).fill(5);
    const expected = { memory: [...memory], landing: [...landing], counters: name === 'nmc' ? [5, 5 + 33, 5, 5 + 211] : [5, 5, 5, 5] };
    PIECES.forEach((piece, which) =>
      elementsOf(piece).forEach((at, index) => {
        if (name === 'nmc') expected.memory[BEGIN[which]! + at]! += landing[piece.landing + index]!;
        else expected.landing[piece.landing + index] = memory[BEGIN[which]! + at]!;
      }),
    );
    const { code } = specialise(source, { LANES: 16 });
    const items = records(code, 'Item', PIECES.map((piece, which) => ({ ...piece, counter: 3 - 2 * which, update: 1, memory: BEGIN[which]! })));
    const bound = name === 'nmc' ? [landing, counters, memory] : [landing, memory];
    const found = lockstep(code, 'main', [3, 1, 1], { 0: Object.fromEntries([items, words, ...bound].entries()) });
    return { found, actual: { memory: [...memory], landing: [...landing], counters: [...counters] }, expected };
  };

  test.each(['transfer', 'nmc'] as const)('%s: each item meets its own memory alone', (name) => {
    const { found, actual, expected } = joint(name, SHADERS[name]);
    expect(found).toEqual(CLEAN);
    expect(actual).toEqual(expected);
  });

  test.each(['transfer', 'nmc'] as const)('red: %s that takes all memories for the first', (name) => {
    const { actual, expected } = joint(name, broken(SHADERS[name], 'item.memory + ', ''));
    expect(actual).not.toEqual(expected);
  });
});
