// Plain kernels in, tracked kernels out: what may change of the user's text (lines with a store, the binding of the
// output, the attributes of the entry) and what may not, what is refused and at which line, and that the text computes what it should.
import { describe, expect, test } from 'vitest';
import { gridFootprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { elementAt, type Chunk } from '../../src/plan/tiling.ts';
import { TilewireError } from '../../src/errors.ts';
import { instrument, INSTRUMENTED_ENTRY, type Instrumentation } from '../../src/gpu/instrument.ts';
import { footprintOf } from '../../src/gpu/probe.ts';
import { reflectKernel } from '../../src/gpu/reflect.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { maskComments } from './mask.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { kernelNamed, KERNELS } from '../../src/spec/kernels.ts';
import type { ChunkAxis, GemmShape } from '../../src/spec/spec.ts';
import { interpret, interpretLockstep } from './interpret.ts';

/** One chunk, everything stored: the simplest space. */
const STORING = { SLOTS: 1, JOINT: 0, MIXED: 0, DENSE: 1, BY_ROWS: 1, WHERE: 0, MUTED: 0, TW_MUTED: 0, TW_PITCH: 1, TW_WAVEFRONT: 64 };
const spaceOf = (constants: Partial<typeof STORING>): string => specialise(SHADERS.outputSpace, { ...STORING, ...constants }).code;

const PLAIN: Instrumentation = { entry: 'main', output: 'c', operands: ['a', 'b'], workgroupSize: [4, 1, 1], grid: [2, 1, 1], elements: 8, space: spaceOf({}) };
const rewrite = (code: string, options: Partial<Instrumentation> = {}): string => instrument(code, { ...PLAIN, ...options });

/** What a dispatch is told of the chunks that it binds. */
const slotsOf = (chunks: readonly Chunk[]): { uniform: Uint32Array } => ({ uniform: Uint32Array.from(chunks.flatMap(({ row, rows, column, columns }) => [row, rows, column, columns])) });

/** Lines (from 1) of the user's text that are no longer what they were. */
function changedLines(code: string, result: string): number[] {
  const lines = result.split('\n');
  return code.split('\n').flatMap((line, at) => (lines[at] === line ? [] : [at + 1]));
}

/** Uses of a name in the user's part of the text, comments aside. */
function usesLeft(code: string, result: string, name: string): string[] {
  const lines = maskComments(result).split('\n').slice(0, code.split('\n').length);
  return lines.filter((line) => new RegExp(`(?<![.\\w])${name}\\b`).test(line)).map((line) => line.trim());
}

const linesWith = (code: string, pattern: RegExp): number[] => code.split('\n').flatMap((line, at) => (pattern.test(line) ? [at + 1] : []));

const BINDINGS = `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> c: array<f32>;`;
/** A kernel whose body stands from line 5 on. */
const kernel = (body: string, before = ''): string => `${BINDINGS}
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
${body}
}
${before}`;

/** Runs a kernel of 8 invocations over 8 elements: what it stored, and how many elements each wavefront of 2 lanes counted. */
function run(code: string, options: Partial<Instrumentation> = {}): { values: number[]; counters: number[] } {
  const text = rewrite(code, { space: spaceOf({ TW_WAVEFRONT: 2 }), ...options });
  const values = new Float32Array(8).fill(-1);
  const counters = new Uint32Array(4);
  // Workgroup 0 counts in 0 and 1, workgroup 1 in 2 and 3.
  interpret(text, [4, 1, 1], [2, 1, 1], { 0: { 0: Float32Array.from([10, 11, 12, 13, 14, 15, 16, 17]) }, 1: { 0: Uint32Array.from([0, 0, 0, 1, 2, 0]), 1: counters, 2: { uniform: Uint32Array.of(0, 8, 0, 1) }, 3: values } });
  return { values: [...values], counters: [...counters] };
}

const A = [10, 11, 12, 13, 14, 15, 16, 17];

// The interpreter knows no lanes that exchange values.
describe.each(KERNELS.filter(({ needs }) => needs.length === 0).map(({ name }) => name))('%s', (name) => {
  const description = kernelNamed(name)!;
  const shape: GemmShape = { m: 7, n: 6, k: 3 };
  const tile = { m: 4, n: 4, k: 4 };
  const { code } = specialise(KERNEL_SOURCES[name], description.constantsFor(shape, tile));
  const grid = description.grid(shape, tile);
  const workgroupSize = description.workgroupSize(tile);
  const [x, y] = workgroupSize;
  const wavefront = 2;
  const lanes = Array.from({ length: x * y }, (_, lane) => description.laneRectangles(tile, lane));
  const footprint = gridFootprint(shape, tile, grid, lanes, wavefront);
  const a = Float32Array.from({ length: shape.m * shape.k }, (_, at) => ((at * 3) % 7) - 3);
  const b = Float32Array.from({ length: shape.k * shape.n }, (_, at) => ((at * 5) % 9) - 4);
  const product = (row: number, column: number): number => Array.from({ length: shape.k }, (_, k) => a[row * shape.k + k] * b[k * shape.n + column]).reduce((sum, value) => sum + value, 0);
  const rewritten = (constants: Partial<typeof STORING>): string =>
    instrument(code, { entry: 'main', output: 'c', operands: ['a', 'b'], workgroupSize, grid, elements: shape.m * shape.n, space: spaceOf({ TW_PITCH: shape.n, TW_WAVEFRONT: wavefront, ...constants }) });

  test('keeps every line but the output’s binding, the entry’s attributes and the stores', () => {
    const result = rewritten({});
    const may = linesWith(maskComments(code), /\bc\s*:|\bc\[|@compute|fn main/);
    expect(changedLines(code, result)).toEqual(may);
    expect(usesLeft(code, result, 'c')).toEqual([]);
    expect(maskComments(result).match(/\btw_store\(/g)).toHaveLength(1 + maskComments(code).match(/\bc\[/g)!.length);
  });

  test('binds its own inputs and the space, not its output', () => {
    const { bindings, workgroupSize: size } = reflectKernel(rewritten({ SLOTS: 2, MIXED: 1, WHERE: 2 }), INSTRUMENTED_ENTRY);
    expect(bindings.map(({ group, binding, name, kind }) => `${group}.${binding} ${name} ${kind}`)).toEqual([
      '0.0 a storage-read', '0.1 b storage-read', '1.0 tw_order storage-read', '1.1 tw_counters storage-write', '1.2 tw_slots uniform', '1.3 tw_chunk0 storage-write', '1.4 tw_chunk1 storage-write',
    ]);
    const joint = reflectKernel(rewritten({ SLOTS: 2, JOINT: 1, MIXED: 1, WHERE: 2 }), INSTRUMENTED_ENTRY).bindings;
    expect(joint.map(({ name }) => name)).toEqual(['a', 'b', 'tw_order', 'tw_counters', 'tw_slots', 'tw_chunk0']);
    expect(size).toEqual([...workgroupSize]);
  });

  const barriers = code.includes('workgroupBarrier');

  // Chunks that lie one behind the other (1) and any (2); of rows with what is known of dense ones and without. Each in a buffer of its own, and both in one.
  test.each(([
    ['rows', 'stores', [0, 0], 1],
    ['rows', 'stores', [0, 0], 2],
    ['columns', 'stores', [0, 0], 1],
    ['columns', 'stores', [0, 0], 2],
    ['rows', 'adds', [1, 1], 2],
    ['columns', 'adds to the second chunk alone', [0, 1], 1],
    ['columns', 'adds to the second chunk alone', [0, 1], 2],
  ] as const).flatMap((row) => [[...row, 0] as const, [...row, 1] as const]))('chunks of %s: %s, into each chunk’s dense memory; counts per piece (%o, where %i, joint %i)', (axis, _what, ops, where, joint) => {
    const plan = planOf({ devices: 2, algorithm: 'ring', chunk: axis satisfies ChunkAxis, stageTiles: 99, triggerTiles: 1 }, footprint);
    const { tiling } = plan;
    const text = rewritten({ SLOTS: 2, JOINT: joint, MIXED: Math.max(...ops), WHERE: where, BY_ROWS: axis === 'rows' ? 1 : 0, DENSE: axis === 'rows' && where === 2 ? 1 : 0 });
    const before = 1000;
    const begin = [tiling.chunks[1].elements + 3, 2];
    const whole = new Float32Array(begin[0] + tiling.chunks[0].elements + 1).fill(before);
    const memory = tiling.chunks.map(({ elements }, j) => (joint === 1 ? whole.subarray(begin[j], begin[j] + elements) : new Float32Array(elements).fill(before)));
    const counters = new Uint32Array(tiling.parts * tiling.wavefronts);
    // All tiles but one, in an order of their own; parts that a tile does not have count nowhere.
    const tiles = [3, 0, 2].filter((tile) => tile < tiling.tiles);
    const order = Uint32Array.from(tiles.flatMap((tile) => [tile, ...[0, 1].flatMap((chunk) => [Math.max(0, tiling.tileParts[tile].find((part) => tiling.partChunk[part] === chunk) ?? 0) * tiling.wavefronts, ops[chunk], ...(joint === 1 ? [begin[chunk]] : [])])]));
    const bindings = { 0: { 0: a, 1: b }, 1: { 0: order, 1: counters, 2: slotsOf(tiling.chunks), ...(joint === 1 ? { 3: whole } : { 3: memory[0], 4: memory[1] }) } };
    if (barriers) interpretLockstep(text, [tiles.length, 1, 1], bindings);
    else interpret(text, workgroupSize, [tiles.length, 1, 1], bindings);
    tiling.chunks.forEach((chunk, j) => {
      const expected = Array.from({ length: chunk.elements }, (_, dense) => {
        const { row, column } = elementAt(chunk, dense);
        const owner = footprint.owner[row * shape.n + column];
        if (!tiles.includes(Math.floor(owner / footprint.wavefronts))) return before;
        return product(row, column) + (ops[j] === 1 ? before : 0);
      });
      expect([...memory[j]]).toEqual(expected);
    });
    if (joint === 1) for (const at of [0, 1, begin[0] - 1, whole.length - 1]) expect(whole[at]).toBe(before);
    const counted = [...tiling.pieceElements].map((elements, piece) => (tiles.includes(tiling.partTile[Math.floor(piece / tiling.wavefronts)]) ? elements : 0));
    if (!barriers) expect([...counters]).toEqual(counted);
  });

  test('a chunk that is not bound is masked, and not counted', () => {
    const plan = planOf({ devices: 3, algorithm: 'ring', chunk: 'columns', stageTiles: 99, triggerTiles: 1 }, footprint);
    const { tiling } = plan;
    const chunk = tiling.chunks[1];
    const memory = new Float32Array(chunk.elements).fill(1000);
    const counters = new Uint32Array(tiling.wavefronts);
    const text = rewritten({ WHERE: 2, DENSE: 0 });
    const bindings = { 0: { 0: a, 1: b }, 1: { 0: Uint32Array.of(0, 0, 0), 1: counters, 2: slotsOf([chunk]), 3: memory } };
    if (barriers) interpretLockstep(text, [1, 1, 1], bindings);
    else interpret(text, workgroupSize, [1, 1, 1], bindings);
    const rows = Math.min(tile.m, shape.m);
    expect([...memory]).toEqual(Array.from({ length: chunk.elements }, (_, dense) => {
      const row = Math.floor(dense / chunk.columns);
      return row < rows ? product(row, chunk.column + (dense % chunk.columns)) : 1000;
    }));
    if (!barriers) expect(counters.reduce((sum, count) => sum + count, 0)).toBe(rows * chunk.columns);
  });

  // Its owner is a private variable: see interpret.ts.
  if (!barriers) test('the probe finds the footprint that is known from its lanes', () => {
    const { elements, wavefronts } = { elements: shape.m * shape.n, wavefronts: footprint.wavefronts };
    const space = specialise(SHADERS.probeSpace, { PACKED: 0, DENSE: 1, TW_ROWS: shape.m, TW_COLUMNS: shape.n, TW_PITCH: shape.n, TW_SPLITS: 1, TW_SPLIT_AXIS: 2, TW_WAVEFRONT: wavefront, TW_WAVEFRONTS: wavefronts, TW_GRID_X: grid[0], TW_GRID_Y: grid[1] }).code;
    const text = instrument(code, { entry: 'main', output: 'c', operands: ['a', 'b'], workgroupSize, grid, elements, space });
    const marks = new Uint32Array(2 * (elements + 1));
    const after = [0, 1].map(() => {
      interpret(text, workgroupSize, grid, { 0: { 0: a, 1: b }, 1: { 0: marks } });
      return marks.slice();
    });
    expect(footprintOf(after[0], after[1], { m: shape.m, n: shape.n, batch: 1, grid, wavefronts })).toEqual(footprint);
  });

  test.each([1, 2])('muted (%i): the stores of one workgroup, or of all, are left out and not counted', (muted) => {
    const memory = new Float32Array(shape.m * shape.n).fill(1000);
    const counters = new Uint32Array(8);
    const text = rewritten({ MUTED: muted, TW_MUTED: 2 });
    const bindings = { 0: { 0: a, 1: b }, 1: { 0: Uint32Array.of(0, 0, 0, 2, 4, 0), 1: counters, 2: slotsOf([{ row: 0, column: 0, rows: shape.m, columns: shape.n, elements: shape.m * shape.n }]), 3: memory } };
    if (barriers) interpretLockstep(text, [2, 1, 1], bindings);
    else interpret(text, workgroupSize, [2, 1, 1], bindings);
    const stored = [...memory].flatMap((value, at) => (value === 1000 ? [] : [Math.floor(footprint.owner[at] / footprint.wavefronts)]));
    expect([...new Set(stored)]).toEqual(muted === 1 ? [0] : []);
    if (!barriers) expect(counters.reduce((sum, count) => sum + count, 0)).toBe(stored.length);
  });
});

describe('a store wherever it may stand', () => {
  test.each([
    ['by itself', '  c[i] = a[i];'],
    ['in an if', '  if (i < 4u) { c[i] = a[i]; } else if (i < 6u) { c[i] = a[i]; } else { c[i] = a[i]; }'],
    ['in a for loop', '  for (var j = 0u; j < 1u; j++) { c[i + j] = a[i]; }'],
    ['in a loop', '  var j = 0u;\n  loop { if (j == 1u) { break; } c[i] = a[i]; j++; }'],
    ['in a switch', '  switch (i) {\n    case 0u, 1u: { c[i] = a[i]; }\n    default: { c[i] = a[i]; }\n  }'],
    ['in a block', '  { { c[i] = a[i]; } }'],
    ['in a helper', '  put(i, a[i]);', 'fn put(at: u32, value: f32) { c[at] = value; }'],
    ['in a helper with a return value', '  let done = put(i);\n  if (!done) { c[0] = 99.0; }', 'fn put(at: u32) -> bool {\n  c[at] = a[at];\n  return true;\n}'],
    ['before an early return', '  if (i < 4u) {\n    c[i] = a[i];\n    return;\n  }\n  c[i] = a[i];'],
    ['two in a line', '  if (i % 2u == 0u) { c[i] = a[i]; c[i + 1u] = a[i + 1u]; }'],
    ['over several lines', '  c[\n    i\n  ] = a[\n    i];'],
    ['with comments in it', '  c[i /* ] = 0; */] = a[i]; // c[i] = 0.0;\n  /* c[i] = 1.0;\n     /* c[i] = 2.0; */ c[i] = 3.0; */'],
    ['with a comment at the end of its index', '  c[i // the element\n  ] = a[i] // its value\n  ;'],
    ['with commas and comparisons in it', '  c[min(i, 7u)] = select(0.0, a[i], i <= 7u == true);'],
    ['with the equals sign on the next line', '  c[i]\n    = a[i];\n  // below'],
    ['with a comment of two lines before the equals sign', '  c[i] /* the\n  element */ = a[i];\n  // below'],
    ['with the bracket on the next line', '  c\n  [i] = a[i];\n  // below'],
    ['with the length of the output in its index', '  c[min(i, arrayLength(&c) - 1u)] = a[i];\n  // below'],
    ['with the length of the output in its value', '  c[i] = select(0.0, a[i], i < arrayLength(&c));\n  // below'],
  ])('%s', (_where, body, helpers = '') => {
    const code = kernel(body, helpers);
    expect(run(code)).toEqual({ values: A, counters: [2, 2, 2, 2] });
    const result = rewrite(code);
    expect(usesLeft(code, result, 'c')).toEqual([]);
    // Other lines are those of the user, in their places.
    const stores = linesWith(maskComments(code), /\bc\b/);
    const last = stores.at(-1)!;
    for (const line of changedLines(code, result)) expect(line <= 4 || (line >= stores[1] && line <= last + 3)).toBe(true);
    const after = code.split('\n').findIndex((line) => line.includes('// below'));
    if (after >= 0) expect(result.split('\n')[after]).toBe(code.split('\n')[after]);
  });

  // The interpreter never leaves a while loop.
  test('in a while loop', () => {
    const code = kernel('  var j = 0u;\n  while (j < 1u) { c[i] = a[i]; j++; }');
    expect(changedLines(code, rewrite(code))).toEqual([2, 3, 4, 7]);
    expect(rewrite(code).split('\n')[6]).toBe('  while (j < 1u) { tw_store(u32(i) , a[i]); j++; }');
  });

  test('lines end in CRLF', () => {
    const code = kernel('  // c[i] = 0.0;\n  let x = a[i];\n  c[i] = x;\n  /* two\n  lines */').replaceAll('\n', '\r\n');
    expect(changedLines(code, rewrite(code))).toEqual([2, 3, 4, 8]);
    expect(run(code).values).toEqual(A);
  });

  test('letters that take two code units do not shift it', () => {
    const code = kernel('  /* 🧮 */ let x = a[i]; // 🚀 c[i] = 0.0;\n  c[i] = x; // 🎯');
    expect(run(code).values).toEqual(A);
    expect(rewrite(code).split('\n')[6]).toBe('  tw_store(u32(i) , x); // 🎯');
  });
});

describe('a store by whatever name', () => {
  const OUT = 'fn f(p: ptr<storage, array<f32>, read_write>, i: u32, v: f32) { (*p)[i] = v; }';
  test.each([
    ['a pointer to the output', '  let p = &c;\n  (*p)[i] = a[i];'],
    ['a pointer to the output, without a star', '  let p = &c;\n  p[i] = a[i];'],
    ['a pointer to a pointer\u2019s target', '  let p = &c;\n  let q = &(*p)[i];\n  *q = a[i];'],
    ['a pointer to an element', '  let p = &c[i];\n  *p = a[i];'],
    ['a pointer with its type', '  let p: ptr<storage, f32, read_write> = &c[i];\n  *p = a[i];'],
    ['a pointer named again', '  let p = &c[i];\n  let q = p;\n  *q = a[i];'],
    ['an element, its index fixed when the pointer is made', '  var j = i;\n  let p = &c[j];\n  j = 0u;\n  *p = a[i];'],
    ['a function that takes the output', '  f(&c, i, a[i]);', OUT],
    ['a function that takes it in the middle', '  f(i, &c, a[i]);', 'fn f(i: u32, p: ptr<storage, array<f32>, read_write>, v: f32) { p[i] = v; }'],
    ['a function that takes it last', '  f(i, a[i], &c);', 'fn f(i: u32, v: f32, p: ptr<storage, array<f32>, read_write>) { p[i] = v; }'],
    ['a function that takes nothing else', '  f(&c);', 'var<private> at: u32;\nfn f(p: ptr<storage, array<f32>, read_write>) { for (var j = 0u; j < 8u; j++) { if (j == at) { p[j] = a[j]; } } }'],
    ['a function that takes an element', '  f(&c[i], a[i]);', 'fn f(p: ptr<storage, f32, read_write>, v: f32) { *p = v; }'],
    ['a function that takes it and passes it on', '  g(&c, i);', `${OUT}\nfn g(o: ptr<storage, array<f32>, read_write>, i: u32) { f(o, i, a[i]); }`],
    ['a pointer that is passed', '  let o = &c;\n  f(o, i, a[i]);', OUT],
    ['a pointer under the name of another function\u2019s', '  let p = &c[i];\n  let x = g(i);\n  *p = x;', 'fn g(p: u32) -> f32 { return a[p]; }'],
    ['the step of a loop', '  for (var j = 0u; j < 1u; c[i] = a[i]) { j++; }'],
    ['an index that is signed', '  let j = i32(i);\n  c[j] = a[i];'],
  ])('%s', (_what, body, helpers = '') => {
    const code = kernel(helpers.includes('var<private> at') ? `  at = i;\n${body}` : body, helpers);
    expect(run(code)).toEqual({ values: A, counters: [2, 2, 2, 2] });
    expect(usesLeft(code, rewrite(code), 'c')).toEqual([]);
  });

  test('an array in a struct, by its alias', () => {
    const code = kernel('  c.data[i] = a[i];\n  let n = arrayLength(&c.data);', 'struct Out { data: Column }\nalias Column = array<f32>;').replace('c: array<f32>', 'c: Out');
    expect(run(code)).toEqual({ values: A, counters: [2, 2, 2, 2] });
  });

  test.each([
    ['vec2f', 'vec2f(a[2u * i], a[2u * i + 1u])', 2],
    ['vec2<f32>', 'vec2f(a[2u * i], a[2u * i + 1u])', 2],
    ['vec4f', 'vec4f(a[4u * i], a[4u * i + 1u], a[4u * i + 2u], a[4u * i + 3u])', 4],
  ])('a whole %s', (type, value, width) => {
    const code = kernel(`  if (i >= arrayLength(&c)) { return; }\n  c[i] = ${value};`).replace('c: array<f32>', `c: array<${type}>`);
    expect(run(code, { space: `${spaceOf({ TW_WAVEFRONT: 2 })}\n${SHADERS.vectorStores}` }).values).toEqual(A);
    expect(rewrite(code)).toContain(`tw_store${width}(u32(i)`);
  });

  test('components of a vector, by letter and by index', () => {
    const code = kernel('  if (i >= 4u) { return; }\n  c[i].x = a[2u * i];\n  let p = &c[i];\n  (*p)[1u] = a[2u * i + 1u];').replace('c: array<f32>', 'c: array<vec2f>');
    expect(run(code).values).toEqual(A);
  });
});

describe('names that only look like the output', () => {
  test.each([
    ['a local variable', '  c[i] = f(i);', 'fn f(i: u32) -> f32 {\n  var c = array<f32, 2>(0.0, 0.0);\n  c[0] = a[i];\n  c[1] += 1.0;\n  return c[0];\n}'],
    ['a constant of a function', '  c[i] = f(i);', 'fn f(i: u32) -> f32 {\n  let c = a[i];\n  return c;\n}'],
    ['a parameter', '  c[i] = f(a[i]);', 'fn f(c: f32) -> f32 {\n  return c + 0.0;\n}'],
    ['the variable of a for loop, until the loop ends', '  for (var c = 0u; c < 2u; c++) { let d = c + 1u; }\n  c[i] = a[i];'],
    ['a variable of an inner block, until the block ends', '  var x = 0.0;\n  { let c = 3.0; x = c; }\n  if (x > 1.0) { var c = 1.0; c += x; }\n  c[i] = a[i];'],
    ['a variable of a case', '  switch (i) {\n    case 0u: { var c = 1.0; c *= 2.0; }\n    default: { }\n  }\n  c[i] = a[i];'],
    ['a variable declared after a store', '  c[i] = a[i];\n  let c = 1.0;\n  let d = c;'],
    ['a variable of a loop and its continuing block', '  var n = 0u;\n  loop {\n    var c = n;\n    if (c > 0u) { break; }\n    continuing { c += 1u; n = c; }\n  }\n  c[i] = a[i];'],
    ['a member', '  var s: S;\n  s.c[0] = a[i];\n  s.c[0] += 0.0;\n  c[i] = s.c[0];', 'struct S { c: array<f32, 2> }'],
    ['a longer name', '  let cc = a[i];\n  let c_ = cc;\n  c[i] = c_;'],
  ])('%s', (_what, body, helpers = '') => {
    expect(run(kernel(body, helpers)).values).toEqual(A);
  });

  test('such a line stays as it is', () => {
    const code = kernel('  c[i] = f(i);', 'fn f(i: u32) -> f32 {\n  var c = array<f32, 2>(0.0, 0.0);\n  c[0] = a[i];\n  return c[0];\n}');
    expect(changedLines(code, rewrite(code))).toEqual([2, 3, 4, 6]);
  });

  test('another output name, other kernels of the module', () => {
    const code = `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@compute @workgroup_size(4)
fn first(@builtin(global_invocation_id) id: vec3u) {
  result[id.x] = 0.0;
}
/* fn second() is the one */
@compute
@workgroup_size(4, 1, 1)
fn second(
  @builtin(local_invocation_index) lane: u32, // lane
  @builtin(workgroup_id) group: vec3u,
) {
  result[group.x * 4u + lane] = a[group.x * 4u + lane];
}
`;
    const options = { entry: 'second', output: 'result' };
    // The other entry point is dropped, its lines stay as empty ones.
    expect(changedLines(code, rewrite(code, options))).toEqual([2, 3, 4, 5, 6, 8, 9, 11, 12, 14]);
    expect(run(code, options).values).toEqual(A);
    expect(run(code, { ...options, entry: 'first' }).values).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(rewrite(code, options).split('\n')[9]).toBe('fn second(');
  });
});

describe('what the entry is told', () => {
  const entryOf = (parameters: string, options: Partial<Instrumentation> = {}): string[] => {
    const code = `${BINDINGS}\n@compute @workgroup_size(2, 3, 4)\nfn main(${parameters}) {\n  c[0] = 1.0;\n}\n`;
    return rewrite(code, { workgroupSize: [2, 3, 4], grid: [5, 6, 7], ...options }).split('\n');
  };

  test('every builtin of a compute kernel, in the order of the entry’s parameters', () => {
    const lines = entryOf(
      ['num_workgroups', 'local_invocation_id', 'global_invocation_id', 'workgroup_id'].map((name, at) => `@builtin(${name}) p${at}: vec3u`).join(', ') +
        ', @builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) sub: u32',
    );
    expect(lines.find((line) => line.startsWith('  main('))).toBe('  main(vec3u(5u, 6u, 7u), tw_local, tw_virtual * vec3u(2u, 3u, 4u) + tw_local, tw_virtual, tw_lane, tw_subgroup_size, tw_subgroup_invocation_id);');
    expect(lines.find((line) => line.startsWith(`fn ${INSTRUMENTED_ENTRY}(`))).toBe(
      `fn ${INSTRUMENTED_ENTRY}(@builtin(workgroup_id) tw_group: vec3u, @builtin(local_invocation_id) tw_local: vec3u, @builtin(local_invocation_index) tw_lane: u32, @builtin(subgroup_size) tw_subgroup_size: u32, @builtin(subgroup_invocation_id) tw_subgroup_invocation_id: u32) {`,
    );
    expect(lines[3]).not.toContain('@builtin');
    expect(lines).toContain('@compute @workgroup_size(2, 3, 4)');
  });

  test('none at all', () => {
    expect(entryOf('')).toContain('  main();');
  });

  test('a linear id becomes the kernel’s own workgroup id, in three dimensions', () => {
    const code = `${BINDINGS}
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(global_invocation_id) global: vec3u) {
  if (any(global != id)) { return; }
  c[id.x + count.x * (id.y + count.y * id.z)] = f32(id.x + 10u * id.y + 100u * id.z);
}
`;
    const text = rewrite(code, { workgroupSize: [1, 1, 1], grid: [2, 2, 2], space: spaceOf({}) });
    const values = new Float32Array(8).fill(-1);
    const counters = new Uint32Array(8);
    const tiles = [7, 0, 3, 5, 1, 6];
    interpret(text, [1, 1, 1], [tiles.length, 1, 1], { 0: { 0: new Float32Array(8) }, 1: { 0: Uint32Array.from(tiles.flatMap((tile) => [tile, tile, 0])), 1: counters, 2: { uniform: Uint32Array.of(0, 8, 0, 1) }, 3: values } });
    expect([...values]).toEqual([0, 1, -1, 11, -1, 101, 110, 111]);
    expect([...counters]).toEqual([1, 1, 0, 1, 0, 1, 1, 1]);
  });

  test('the length of the output is that of the whole output, not of a chunk', () => {
    const code = kernel('  let length = arrayLength( & c );\n  if (i >= arrayLength(&c)) { return; }\n  c[i] = f32(length);');
    expect(run(code, { elements: 6 })).toEqual({ values: [6, 6, 6, 6, 6, 6, -1, -1], counters: [2, 2, 2, 0] });
    expect(changedLines(code, rewrite(code))).toEqual([2, 3, 4, 6, 7, 8]);
  });

  test('the length of another array is left alone, whatever its member is called', () => {
    const code = kernel('  let length = arrayLength(&a) + arrayLength(&other.c);\n  c[i] = f32(length);', 'struct Other { size: u32, c: array<f32> }\n@group(0) @binding(2) var<storage, read> other: Other;');
    expect(rewrite(code).split('\n')[5]).toBe('  let length = arrayLength(&a) + arrayLength(&other.c);');
  });

  test('an early return loses no count', () => {
    expect(run(kernel('  if (i >= 5u) { return; }\n  c[i] = a[i];\n  if (i >= 2u) { return; }\n  c[i] = 3.0;')).counters).toEqual([4, 2, 1, 0]);
  });
});

describe('what is refused, and where', () => {
  function refusal(code: string, options: Partial<Instrumentation> = {}): TilewireError {
    try {
      rewrite(code, options);
    } catch (error) {
      if (error instanceof TilewireError) return error;
      throw error;
    }
    throw new Error(`accepted:\n${rewrite(code, options)}`);
  }

  // The body begins at line 6.
  test.each([
    ['a compound assignment', '  let x = a[i];\n  c[i] += x;', 7],
    ['a read in the stored value', '  c[i] = 1.0;\n  c[i] = c[i] + a[i];', 7],
    ['a read in the index of a store', '  c[i] = 1.0;\n\n  c[u32(c[i])] = a[i];', 8],
    ['a read in a declaration', '  c[i] = 1.0;\n  let x = c[i];', 7],
    ['a read in a condition', '  c[i] = 1.0;\n  if (c[i] > 0.0) {\n    return;\n  }', 7],
    ['a read in a condition of a loop', '  c[i] = 1.0;\n  while (c[i] > 0.0) {\n    break;\n  }', 7],
    ['a read as an argument', '  c[i] = 1.0;\n  f(c[i]);', 7, 'fn f(x: f32) {}'],
    ['a read that is thrown away', '  c[i] = 1.0;\n  _ = c[i];', 7],
    ['a read in a return', '  c[i] = f(i);', 9, '\nfn f(i: u32) -> f32 {\n  return c[i];\n}'.slice(1)],
    ['an increment', '  c[i] = 0.0;\n  c[i]++;', 7],
    ['a read through a pointer to the output', '  let p = &c;\n  (*p)[i] = 1.0;\n  let x = (*p)[i];', 8],
    ['a read through a pointer to an element', '  let p = &c[i];\n  *p = 1.0;\n  let x = *p;', 8],
    ['a compound assignment through a pointer', '  let p = &c[i];\n  *p += a[i];', 7],
    ['a function that takes pointers to two buffers', '  f(&c, i);\n  f(&d, i);', 7, '@group(0) @binding(2) var<storage, read_write> d: array<f32>;\nfn f(p: ptr<storage, array<f32>, read_write>, i: u32) { (*p)[i] = 1.0; }'],
    ['a function that reads through its pointer', '  f(&c, i);', 8, 'fn f(p: ptr<storage, array<f32>, read_write>, i: u32) { (*p)[i] = (*p)[i] + 1.0; }'],
    ['a pointer that is handed to a function with no such parameter', '  c[i] = 1.0;\n  atomicAddish(&c[i]);', 7],
    ['a store in brackets', '  c[i] = 1.0;\n  (c)[i] = a[i];', 7],
    ['a name of the instrumentation', '  let tw_x = a[i];\n  c[i] = tw_x;', 6],
    ['a constant of the instrumentation', '  c[i] = a[i];', 8, 'const TW_PITCH = 4u;'],
    ['a struct of the instrumentation', '  c[i] = a[i];', 8, 'struct TwEntry { x: u32 }'],
    ['the length of a pointer in brackets', '  c[i] = 1.0;\n  let n = arrayLength(&(c));', 7],
  ])('%s', (_what, body, line, helpers = '') => {
    const error = refusal(kernel(body, helpers));
    expect(error.code).toBe('BAD_KERNEL');
    expect(error.fields.path).toBe(`line ${line}`);
    expect(error.fields.fix).toBeTruthy();
  });

  test('a comment may use a name of the instrumentation', () => {
    expect(run(kernel('  // tw_store(i, 0.0)\n  /* tw_x */ c[i] = a[i];')).values).toEqual(A);
  });

  const IDS = 'struct Ids { @builtin(global_invocation_id) global: vec3u, @builtin(local_invocation_index) lane: u32 }';
  const withIds = (body: string, struct = IDS): string => `${struct}\n${BINDINGS}\n\n@compute @workgroup_size(4)\nfn main(ids: Ids) {\n${body}\n}\n`;

  test('builtins in a struct come one by one, and are told as such', () => {
    expect(run(withIds('  let i = ids.global.x;\n  c[i] = a[i] + f32(ids.lane - i % 4u);')).values).toEqual(A);
  });

  test('a struct of builtins that is used as a whole, or holds something else', () => {
    expect(refusal(withIds('  let all = ids;\n  c[all.global.x] = 1.0;'))).toMatchObject({ code: 'BAD_KERNEL', what: expect.stringContaining('ids'), fields: { path: 'line 7' } });
    expect(refusal(withIds('  c[ids.global.x] = 1.0;', 'struct Ids { @builtin(global_invocation_id) global: vec3u, lane: u32 }'))).toMatchObject({ code: 'BAD_KERNEL', what: expect.stringContaining('ids'), fields: { path: 'line 6' } });
  });

  test('a builtin that is no compute kernel’s', () => {
    expect(refusal(`${BINDINGS}\n@compute @workgroup_size(4)\nfn main(@builtin(vertex_index) at: u32) {\n  c[at] = 1.0;\n}\n`)).toMatchObject({ code: 'BAD_KERNEL', fields: { path: 'line 4' } });
  });

  test.each(['array<vec3f>', 'array<u32>', 'array<f16>', 'array<atomic<u32>>', 'S', 'array<S>'])('an output that is %s', (type) => {
    const error = refusal(`struct S { x: f32, y: array<f32> }\n\n@group(0) @binding(1) var<storage, read_write> c: ${type};\n@compute @workgroup_size(4)\nfn main() {\n  c[0] = 1.0;\n}\n`);
    expect(error).toMatchObject({ code: 'BAD_KERNEL', fields: { path: 'line 3' } });
  });

  test('an output that is never stored, an output or an entry that is not there', () => {
    expect(refusal(kernel('  let x = a[i];'))).toMatchObject({ code: 'BAD_KERNEL', what: 'the kernel never stores to its output', fields: { path: 'line 2' } });
    expect(refusal(kernel('  c[i] = a[i];'), { output: 'd' })).toMatchObject({ code: 'BAD_KERNEL', fields: { path: 'd' } });
    expect(refusal(kernel('  c[i] = a[i];'), { entry: 'nobody' })).toMatchObject({ code: 'BAD_KERNEL', fields: { path: 'nobody' } });
  });
});
