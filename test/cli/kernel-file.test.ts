// Bindings files that are wrong by name: each refused for what it says, with what to write instead, and none taken for
// something else. The fuzzer (test/host/operand-files) has thousands that nobody thought of.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readBindings, readKernel } from '../../src/cli/kernel-file.ts';
import { TilewireError } from '../../src/errors.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { kernelText, type KernelText } from '../../src/gpu/kernel-text.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-bindings-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

const write = (name: string, content: string | Uint8Array): string => {
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  return file;
};

const SOURCE = `
struct Args { m: u32, k: i32, scale: f32, pair: vec2u, padded: u32, _unused: u32 }
override TILE: u32 = 8;
override m: u32;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> words: array<u32>;
@group(0) @binding(4) var<storage, read> triples: array<vec3f>;
@group(0) @binding(5) var<storage, read> three: array<u32, 3>;
@group(0) @binding(6) var<uniform> args: Args;
@group(0) @binding(7) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(1)
fn main() { c[0] = a[0] + b[0].x + bias[0] + f32(words[0] + three[0] + args.m) + triples[0].x; }
`;
/** What is left out of it is the fault. */
const GOOD = {
  epilogue: { bias: { binding: 'bias', along: 'n' }, residual: { binding: 'residual' } },
  uniforms: { 'args.m': 'm', 'args.k': 'k', 'args.scale': 0.5, 'args.pair': ['m', 'n'], 'args.padded': 'n', words: ['m', 'n', 'k', 7], three: ['m', 'n', 'k'] } as Record<string, unknown>,
  grid: ['ceilDiv(n, TILE)', 'm', 1] as unknown,
  overrides: { TILE: 8 } as Record<string, unknown>,
};
const withResidual = SOURCE.replaceAll('triples: array<vec3f>', 'residual: array<f32>').replace('triples[0].x', 'residual[0]');

function textOf(json: object, source = withResidual): KernelText {
  return kernelText({ kind: 'foreign', name: 'x.wgsl', hash: '', source, ...completeBindings(source, parseBindings(json, 'x.json'), undefined) }, { m: 5, n: 12, k: 3 });
}

test('what the fields hold', () => {
  const { constants, grid } = textOf(GOOD);
  const words = Object.fromEntries(constants.map((one) => [one.name, [...one.words]]));
  expect(words).toEqual({ words: [5, 12, 3, 7], three: [5, 12, 3], args: [5, 3, 0x3f000000, 0, 5, 12, 12, 0] });
  expect(grid).toEqual([2, 5, 1]);
});

const uniforms = (more: Record<string, unknown>) => ({ ...GOOD, uniforms: { ...GOOD.uniforms, ...more } });
const without = (name: string) => ({ ...GOOD, uniforms: Object.fromEntries(Object.entries(GOOD.uniforms).filter(([key]) => key !== name)) });
const grid = (x: unknown) => ({ ...GOOD, grid: [x, 1, 1] });

test.each<[string, object, string, string]>([
  ['one binding as A and B', { ...GOOD, a: 'a', b: 'a' }, 'b', 'cannot be two things'],
  ['the output as A', { ...GOOD, a: 'c', b: 'b' }, 'output', 'cannot be two things'],
  ['the output as bias', { ...GOOD, epilogue: { ...GOOD.epilogue, bias: { binding: 'c', along: 'n' } } }, 'epilogue.bias.binding', 'cannot be two things'],
  ['bias and residual in one', { ...GOOD, epilogue: { ...GOOD.epilogue, residual: { binding: 'bias' } } }, 'epilogue.residual.binding', 'cannot be two things'],
  ['a uniform as A', { ...GOOD, a: 'args', b: 'b', halves: [] }, 'a', 'in a uniform'],
  ['words as bias', { ...GOOD, epilogue: { ...GOOD.epilogue, bias: { binding: 'words', along: 'n' } } }, 'epilogue.bias.binding', 'arrays of f32'],
  ['an input as output', { ...GOOD, output: 'words' }, 'output', 'cannot write'],
  ['halves that are whole', { ...GOOD, halves: ['a'] }, 'a', 'among the halves'],
  ['a uniform for an operand', uniforms({ a: 'm' }), 'uniforms.a', 'no such uniform'],
  ['a scalar given two values', uniforms({ 'args.m': ['m', 'n'] }), 'uniforms.args.m', 'not as many values'],
  ['a vector given one value', uniforms({ 'args.pair': 'm' }), 'uniforms.args.pair', 'not as many values'],
  ['an array given more than it holds', uniforms({ three: ['m', 'n', 'k', 0] }), 'uniforms.three', 'not as many values'],
  ['a struct by itself', { ...GOOD, uniforms: { words: 1, three: 1, args: ['m'] } }, 'uniforms.args', 'values of this type'],
  ['a negative u32', uniforms({ 'args.m': 'm - 6' }), 'uniforms.args.m', 'not a value of u32'],
  ['a fraction as u32', uniforms({ 'args.m': 0.5 }), 'uniforms.args.m', 'not a value of u32'],
  ['an i32 that is too large', uniforms({ 'args.k': 2 ** 31 }), 'uniforms.args.k', 'not a value of i32'],
  ['an f32 that is too large', uniforms({ 'args.scale': 1e300 }), 'uniforms.args.scale', 'not a value of f32'],
  ['a field called padded', without('args.padded'), 'args.padded', 'nothing says what this field holds'],
  ['too many workgroups to count', { ...GOOD, grid: [65_535, 65_535, 2] }, 'grid', 'too many workgroups'],
  ['a batch beyond 32 bits', { ...GOOD, ldc: 2 ** 30 }, 'ldc', 'too many elements'],
  ['a call of what every object has', grid('toString(m)'), 'grid[0]', 'toString is no whole number'],
  ['an operator that every object has', grid('m constructor n'), 'grid[0]', 'constructor does not belong'],
  ['a function with a value missing', grid('ceilDiv(n)'), 'grid[0]', 'ceilDiv takes 2 values, not 1'],
  ['a division by zero in ceilDiv', grid('ceilDiv(n, m - 5)'), 'grid[0]', 'division by zero'],
  ['a number that no f64 holds', grid('9007199254740993 % 7'), 'grid[0]', 'too large to count with'],
  ['parentheses without end', grid(`${'('.repeat(400)}m${')'.repeat(400)}`), 'grid[0]', 'nested more than 100'],
  ['minus signs without end', grid(`${'- '.repeat(450)}m`), 'grid[0]', 'nested more than 100'],
  ['an expression without end', grid('m + '.repeat(1000)), 'x.json', 'not a bindings file'],
  ['a name of every object', { ...GOOD, overrides: JSON.parse('{ "__proto__": 1 }') as object }, 'x.json', 'not a bindings file'],
])('refused: %s', (_what, json, at, words) => {
  expect(() => textOf(json)).toThrow(expect.objectContaining({ code: 'BAD_FILE', what: expect.stringContaining(words), fields: expect.objectContaining({ path: at, fix: expect.any(String) }) }));
});

test('refused: vectors of three as an operand, and an array that only an override bounds', () => {
  expect(() => textOf({ ...GOOD, epilogue: undefined, a: 'a', b: 'triples' }, SOURCE)).toThrow('an array of vec3 has gaps');
  const table = withResidual.replace('array<u32, 3>', 'array<u32, TILE>');
  expect(textOf({ ...GOOD, overrides: { TILE: 16 } }, table).constants.find(({ name }) => name === 'three')!.words).toHaveLength(16);
  expect(() => textOf({ ...GOOD, overrides: { TILE: 4_000_000_000 } }, table)).toThrow(expect.objectContaining({ code: 'BAD_FILE', what: expect.stringContaining('too large to be filled') }));
});

test('an override that nothing gives a value says where to give it one', () => {
  expect(() => textOf(GOOD, withResidual.replace('override m: u32;', 'override m: u32; override depth_: u32;'))).toThrow('"overrides": { "depth_": … }');
});

test.each<[string, string | Uint8Array, string]>([
  ['is no JSON', '{ "grid": [1, 1, 1] ', 'not JSON'],
  ['says a thing twice', '{ "grid": [1, 1, 1], "grid": [2, 1, 1] }', 'holds a key twice'],
  ['is nested too deeply', `{ "grid": ${'['.repeat(5000)}${']'.repeat(5000)} }`, 'nested too deeply'],
  ['is no text', Uint8Array.of(0xff, 0xfe, 0), 'not UTF-8'],
  ['is long', `{ "grid": [1, 1, 1]${' '.repeat(100_000)} }`, 'too long'],
  ['is empty', '', 'not JSON'],
])('a bindings file that %s is refused, and the help that shows one is named', (_what, content, words) => {
  const file = write('broken.json', content);
  expect(() => readBindings(file)).toThrow(expect.objectContaining({ code: 'BAD_FILE', what: expect.stringContaining(words), fields: expect.objectContaining({ path: file, fix: expect.stringContaining('tilewire run --help') }) }));
});

test('what is wrong in many places is told of the first ones', () => {
  const file = write('many.json', JSON.stringify({ uniforms: Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`u${at}`, null])) }));
  let error: unknown;
  try {
    readBindings(file);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(TilewireError);
  expect((error as TilewireError).fields.lines).toHaveLength(13);
  expect((error as TilewireError).message).toContain('and 488 more');
  expect((error as TilewireError).message).toContain('tilewire instrument --schema');
});

test('a missing file, and a folder', () => {
  const kernel = write('alone.wgsl', withResidual);
  expect(() => readKernel(kernel, undefined, path.join(folder, 'none.json'))).toThrow(/cannot be read.*none\.json/);
  expect(() => readKernel(kernel, undefined, folder)).toThrow(expect.objectContaining({ code: 'BAD_FILE' }));
});

test('the sidecar is found by the name of the kernel', () => {
  const kernel = write('mine.wgsl', withResidual);
  write('mine.json', JSON.stringify(GOOD));
  expect(readKernel(kernel, undefined, undefined)).toMatchObject({ name: 'mine.wgsl', entry: 'main', bindings: { a: 'a', b: 'b', output: 'c' } });
});
