import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TilewireError } from '../../../src/errors.ts';
import { widen } from '../../../src/host/operand-files/elements.ts';
import { diskFiles } from '../../../src/host/operand-files/files.ts';
import { openMatrix } from '../../../src/host/operand-files/open.ts';
import { storedMatrix } from '../../../src/host/operand-files/stored-matrix.ts';
import { parseStrict, readJsonFile } from '../../../src/host/operand-files/strict-json.ts';
import { countedFiles } from './counted-files.ts';
import { ascii, concat, counting, dict, halfValue, npyBytes, safetensorsBytes, sampleSafetensors, valueBytes } from './written-files.ts';

const transposed = (values: readonly number[], rows: number, columns: number) => Array.from({ length: rows * columns }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
const index = (map: unknown) => ascii(JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));

/** Every file opens as the 3 × 7 (5 × 7, 2 × 7) counting matrix. */
const GOOD: Record<string, { files: Record<string, Uint8Array>; reference: string; rows: number; dtype: string; headerBytes: number }> = {};
for (const version of [1, 2, 3]) {
  for (const [descr, type, dtype] of [['f4', 'f4', 'f32'], ['f2', 'f2', 'f16']] as const) {
    for (const order of ['<', '>']) {
      for (const fortran of ['False', 'True']) {
        const values = fortran === 'True' ? transposed(counting(3, 7), 3, 7) : counting(3, 7);
        const bytes = npyBytes(dict(order + descr, '(3, 7)', fortran), valueBytes(values, type, order === '<'), version);
        GOOD[`npy v${version} ${order}${descr} fortran ${fortran}`] = { files: { 'x.npy': bytes }, reference: 'x.npy', rows: 3, dtype, headerBytes: 2 + 128 };
      }
    }
  }
}
const sample = sampleSafetensors();
const headerBytes = 9 + new DataView(sample.buffer).getUint32(0, true);
GOOD['safetensors F32'] = { files: { 'm.safetensors': sample }, reference: 'm.safetensors#wide', rows: 3, dtype: 'f32', headerBytes };
GOOD['safetensors F16'] = { files: { 'm.safetensors': sample }, reference: 'm.safetensors#layers.0.down.weight', rows: 5, dtype: 'f16', headerBytes };
GOOD['safetensors BF16'] = { files: { 'm.safetensors': sample }, reference: 'm.safetensors#layers.1.down.weight', rows: 2, dtype: 'bf16', headerBytes };
const shards = { 'dir/a-1.safetensors': sample, 'dir/model.safetensors.index.json': index({ wide: 'a-1.safetensors', other: 'a-2.safetensors' }) };
GOOD['shards'] = { files: shards, reference: 'dir#wide', rows: 3, dtype: 'f32', headerBytes: headerBytes + shards['dir/model.safetensors.index.json'].length };
GOOD['a folder of one file'] = { files: { 'dir/model.safetensors': sample }, reference: 'dir#wide', rows: 3, dtype: 'f32', headerBytes };
GOOD['a # in the file name'] = { files: { 'a#b.safetensors': sample }, reference: 'a#b.safetensors#wide', rows: 3, dtype: 'f32', headerBytes };

test.each(Object.entries(GOOD))('%s: shape, values, hash, and no byte beyond the header and the rectangle', async (_, { files: contents, reference, rows, dtype, headerBytes }) => {
  const files = countedFiles(contents);
  const matrix = openMatrix(reference, files);
  expect([matrix.rows, matrix.columns, matrix.dtype]).toEqual([rows, 7, dtype]);
  expect(files.bytesRead()).toBeLessThanOrEqual(headerBytes);
  const whole = counting(rows, 7);
  expect([...matrix.readRows(0, rows, 0, 7)]).toEqual(whole);
  const size = dtype === 'f32' ? 4 : 2;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: rows }), fc.integer({ min: 0, max: 7 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (row, column, u, v) => {
      const rowCount = Math.floor(u * (rows - row + 0.999));
      const columnCount = Math.floor(v * (7 - column + 0.999));
      const before = files.bytesRead();
      const expected = Array.from({ length: rowCount }, (_, r) => whole.slice((row + r) * 7 + column, (row + r) * 7 + column + columnCount)).flat();
      expect([...matrix.readRows(row, rowCount, column, columnCount)]).toEqual(expected);
      expect(files.bytesRead() - before).toBe(rowCount * columnCount * size);
      expect([...matrix.readColumns(column, columnCount, row, rowCount)]).toEqual(transposed(expected, rowCount, columnCount));
      expect(files.bytesRead() - before).toBe(2 * rowCount * columnCount * size);
    }),
    { seed: 4, numRuns: 60 },
  );
  const sha = createHash('sha256').update(new Uint8Array(Float32Array.from(whole).buffer)).digest('hex');
  expect(await matrix.hash()).toBe(sha);
  expect(await matrix.hash()).toBe(sha);
  expect(() => matrix.readRows(1, rows, 0, 1)).toThrow('BUG');
  matrix.close();
  matrix.close();
  expect(files.stillOpen()).toBe(0);
});

test('widening is that of the formula for all 65,536 halves and bfloats', () => {
  const patterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const bits = new Uint32Array(65536);
  const floats = new Float32Array(bits.buffer);
  widen(new Uint8Array(patterns.buffer), 'f16', 65536, bits);
  const signOf = (value: number) => (Object.is(value, -0) || value < 0 ? 1 : 0);
  for (let half = 0; half < 65536; half++) {
    const expected = halfValue(half);
    if (Number.isNaN(expected)) expect(Number.isNaN(floats[half]) && bits[half]! >>> 31 === half >> 15 && (bits[half]! & 0x7fffff) === (half & 0x3ff) * 8192, String(half)).toBe(true);
    else if (!Object.is(floats[half], expected) || bits[half]! >>> 31 !== signOf(expected)) throw new Error(`half ${half}: ${floats[half]}, not ${expected}`);
  }
  widen(new Uint8Array(patterns.buffer), 'bf16', 65536, bits);
  for (let bfloat = 0; bfloat < 65536; bfloat++) {
    const exponent = (bfloat >> 7) % 256;
    const fraction = bfloat % 128;
    const sign = bfloat >> 15 ? -1 : 1;
    const expected = exponent === 255 ? (fraction ? Number.NaN : sign * Infinity) : exponent === 0 ? sign * 2 ** -126 * (fraction / 128) : sign * 2 ** (exponent - 127) * (1 + fraction / 128);
    if (!Object.is(floats[bfloat], expected) && !(Number.isNaN(expected) && bits[bfloat] === bfloat * 65536)) throw new Error(`bfloat ${bfloat}: ${floats[bfloat]}, not ${expected}`);
  }
});

test('slabs: a matrix larger than one, in either order, costs its own bytes and two slabs', () => {
  const [rows, columns] = [700, 1000];
  const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const data = new Uint8Array(values.buffer);
  for (const fortran of ['False', 'True']) {
    const shape = fortran === 'True' ? `(${columns}, ${rows})` : `(${rows}, ${columns})`;
    const files = countedFiles({ 'x.npy': npyBytes(dict('<f4', shape, fortran), data) });
    const matrix = openMatrix('x.npy', files);
    const allocatedBefore = files.allocations.length;
    const straight = fortran === 'True' ? matrix.readColumns(0, rows, 0, columns) : matrix.readRows(0, rows, 0, columns);
    expect(Buffer.compare(new Uint8Array(straight.buffer), data)).toBe(0);
    expect(files.allocations.slice(allocatedBefore).filter((bytes) => bytes > 2 ** 20)).toEqual([rows * columns * 4]);
    expect(files.reads.length).toBeLessThan(10);
    const across = fortran === 'True' ? matrix.readRows(0, columns, 0, rows) : matrix.readColumns(0, columns, 0, rows);
    expect(across.every((value, i) => value === (i % rows) * columns + Math.floor(i / rows))).toBe(true);
  }
  // Lines longer than a slab are cut.
  const files = countedFiles({ 'x.npy': npyBytes(dict('<f4', '(2, 350000)'), data) });
  expect(openMatrix('x.npy', files).readRows(1, 1, 10, 349_990).every((value, i) => value === 350_010 + i)).toBe(true);
  expect(openMatrix('x.npy', files).readColumns(10, 349_990, 0, 2).every((value, i) => value === (i % 2) * 350_000 + 10 + (i >> 1))).toBe(true);
});

// --- what is refused ---------------------------------------------------------------------------------

const npy = (text: string, bytes = 24, version = 1): Record<string, Uint8Array> => ({ 'x.npy': npyBytes(text, new Uint8Array(bytes), version) });
const tensors = (header: unknown, bytes = 24): Record<string, Uint8Array> => ({ 'x.safetensors': safetensorsBytes(header, new Uint8Array(bytes)) });
const t = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({ t: { dtype, shape, data_offsets } });
const patched = (bytes: Uint8Array, at: number, ...patch: number[]) => {
  const copy = bytes.slice();
  copy.set(patch, at);
  return copy;
};
const okNpy = npyBytes(dict('<f4', '(2, 3)'), new Uint8Array(24));
const okTensors = safetensorsBytes(t('F32', [2, 3], [0, 24]), new Uint8Array(24));

const BAD: readonly [string, Record<string, Uint8Array>, string, string, string][] = [
  // what · files · reference · in the message · in its fix
  ['no file', {}, 'x.npy', 'no such file', 'FILE.npy'],
  ['empty reference', {}, '', 'no such file', 'FILE.npy'],
  ['another kind of file', { 'x.npz': okNpy }, 'x.npz', 'does not read', 'unpack'],
  ['a pickle', { 'x.bin': okNpy }, 'x.bin', 'does not read', 'save_file'],
  ['a name for an npy', { 'x.npy': okNpy }, 'x.npy#t', 'has no name', 'write x.npy'],
  ['empty npy', { 'x.npy': new Uint8Array(0) }, 'x.npy', 'too short', 'np.save'],
  ['npy of 10 bytes, version 2', { 'x.npy': patched(okNpy, 6, 2).slice(0, 10) }, 'x.npy', 'too short', 'np.save'],
  ['npy magic', { 'x.npy': patched(okNpy, 0, 0x92) }, 'x.npy', 'not an .npy file', 'np.save'],
  ['npy version 4', { 'x.npy': patched(okNpy, 6, 4) }, 'x.npy', 'version', 'np.save'],
  ['npy header beyond the file', { 'x.npy': patched(okNpy, 8, 0xff, 0xf0) }, 'x.npy', 'ends within its header', 'np.save'],
  ['npy header of 4 GB', { 'x.npy': patched(npyBytes(dict('<f4', '(2, 3)'), new Uint8Array(24), 2), 8, 0xff, 0xff, 0xff, 0xff) }, 'x.npy', 'too long', 'np.save'],
  ['npy f64', npy(dict('<f8', '(2, 3)'), 48), 'x.npy', 'does not read', 'x.astype(np.float32)'],
  ['npy int', npy(dict('<i4', '(2, 3)')), 'x.npy', 'does not read', 'x.astype(np.float32)'],
  ['npy bf16 as void', npy(dict('|V2', '(2, 3)'), 12), 'x.npy', 'does not read', 'x.astype(np.float32)'],
  ['npy native order', npy(dict('=f4', '(2, 3)')), 'x.npy', 'does not read', 'x.astype(np.float32)'],
  ['npy records', npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }"), 'x.npy', 'records', 'x["field"]'],
  ['npy 1-D', npy(dict('<f4', '(6,)')), 'x.npy', 'not a matrix', 'x.reshape(1, -1)'],
  ['npy 0-D', npy(dict('<f4', '()'), 4), 'x.npy', 'not a matrix', 'x.reshape(-1, x.shape[-1])'],
  ['npy 3-D', npy(dict('<f4', '(1, 2, 3)')), 'x.npy', 'not a matrix', 'x.reshape(-1, x.shape[-1])'],
  ['npy empty', npy(dict('<f4', '(0, 3)'), 0), 'x.npy', 'empty', 'np.save'],
  ['npy cut off', npy(dict('<f4', '(2, 3)'), 23), 'x.npy', 'holds less than', 'cut off'],
  ['npy with more', npy(dict('<f4', '(2, 3)'), 25), 'x.npy', 'holds more than', 'one array per file'],
  ['npy product overflow', npy(dict('<f4', '(4294967296, 4294967296)')), 'x.npy', 'holds less than', 'cut off'],
  ['npy absurd dimension', npy(dict('<f4', '(99999999999999999999, 1)')), 'x.npy', 'beyond any file', 'np.save'],
  ['npy key twice', npy("{'descr': '<f4', 'shape': (2, 3), 'shape': (3, 2), 'fortran_order': False}"), 'x.npy', 'there twice', 'np.save'],
  ['npy unknown key', npy("{'descr': '<f4', 'shape': (2, 3), 'fortran_order': False, 'more': 1}"), 'x.npy', 'unknown', 'np.save'],
  ['npy key missing', npy("{'descr': '<f4', 'shape': (2, 3)}"), 'x.npy', 'a key is missing', 'np.save'],
  ['npy text after the dict', npy(`${dict('<f4', '(2, 3)')} x`), 'x.npy', 'after the dict', 'np.save'],
  ['npy expression', npy("{'descr': '<f4', 'fortran_order': 1==2, 'shape': (2, 3)}"), 'x.npy', 'neither True nor False', 'np.save'],
  ['npy negative', npy(dict('<f4', '(-2, -3)')), 'x.npy', 'no shape', 'np.save'],
  ['npy octal', npy(dict('<f4', '(2, 03)')), 'x.npy', 'no shape', 'np.save'],
  ['npy nothing between commas', npy(dict('<f4', '(2,, 3)')), 'x.npy', 'no shape', 'np.save'],
  ['npy other white space', npy(`${dict('<f4', '(2, 3)')} \xa0`), 'x.npy', 'after the dict', 'np.save'],
  ['npy no dict', npy('[1, 2]'), 'x.npy', 'no dict', 'np.save'],
  ['npy no comma', npy("{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}"), 'x.npy', 'no comma', 'np.save'],
  ['npy v3 not UTF-8', { 'x.npy': patched(npyBytes(dict('<f4', '(2, 3)'), new Uint8Array(24), 3), 20, 0xff) }, 'x.npy', 'not UTF-8', 'np.save'],

  ['safetensors too short', { 'x.safetensors': new Uint8Array(9) }, 'x.safetensors#t', 'too short', 'save it again'],
  ['safetensors header of 2^60', { 'x.safetensors': patched(okTensors, 7, 0x10) }, 'x.safetensors#t', 'header is too long', 'save it again'],
  ['safetensors header beyond the file', { 'x.safetensors': patched(okTensors, 1, 0x10) }, 'x.safetensors#t', 'does not fit', 'cut off'],
  ['safetensors header of 0', { 'x.safetensors': patched(okTensors, 0, 0) }, 'x.safetensors#t', 'does not fit', 'cut off'],
  ['safetensors header not {', { 'x.safetensors': patched(okTensors, 8, 0x20) }, 'x.safetensors#t', 'begin with {', 'save it again'],
  ['safetensors not UTF-8', { 'x.safetensors': patched(okTensors, 10, 0xff) }, 'x.safetensors#t', 'not UTF-8', 'again'],
  ['safetensors not JSON', { 'x.safetensors': patched(okTensors, 9, 0x7b) }, 'x.safetensors#t', 'not JSON', 'again'],
  ['safetensors key twice', tensors('{"t":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"\\u0074":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'), 'x.safetensors#t', 'a key twice', 'again'],
  ['safetensors inner key twice', tensors('{"t":{"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'), 'x.safetensors#t', 'a key twice', 'again'],
  ['safetensors nested', tensors(`{"t":${'['.repeat(5000)}${']'.repeat(5000)}}`), 'x.safetensors#t', 'nested too deeply', 'again'],
  ['safetensors metadata', tensors({ __metadata__: { a: 1 }, ...t('F32', [2, 3], [0, 24]) }), 'x.safetensors#t', 'not a map of strings', 'save it again'],
  ['safetensors no name', tensors(t('F32', [2, 3], [0, 24])), 'x.safetensors', 'say which', 'x.safetensors#t'],
  ['safetensors other name', tensors(t('F32', [2, 3], [0, 24])), 'x.safetensors#u', 'no such tensor', 'x.safetensors#t'],
  ['safetensors prototype name', tensors(t('F32', [2, 3], [0, 24])), 'x.safetensors#constructor', 'no such tensor', 'x.safetensors#t'],
  ['safetensors metadata as a tensor', tensors({ __metadata__: {}, ...t('F32', [2, 3], [0, 24]) }), 'x.safetensors#__metadata__', 'no such tensor', 'x.safetensors#t'],
  ['safetensors no description', tensors({ t: 3 }), 'x.safetensors#t', 'no description', 'save it again'],
  ['safetensors no dtype', tensors(t(undefined, [2, 3], [0, 24])), 'x.safetensors#t', 'no dtype', 'save it again'],
  ['safetensors F64', tensors(t('F64', [1, 3], [0, 24])), 'x.safetensors#t', 'does not read', 'tensor.to(torch.float32)'],
  ['safetensors unknown dtype', tensors(t('constructor', [2, 3], [0, 24])), 'x.safetensors#t', 'does not read', 'tensor.to(torch.float32)'],
  ['safetensors 1-D', tensors(t('F32', [6], [0, 24])), 'x.safetensors#t', 'not a matrix', 'tensor.reshape(1, -1)'],
  ['safetensors 3-D', tensors(t('F32', [1, 2, 3], [0, 24])), 'x.safetensors#t', 'not a matrix', 'tensor[0]'],
  ['safetensors empty matrix', tensors(t('F32', [0, 3], [0, 0]), 0), 'x.safetensors#t', 'empty', 'another tensor'],
  ['safetensors shape of reals', tensors(t('F32', [1.5, 4], [0, 24])), 'x.safetensors#t', 'not a list of sizes', 'save it again'],
  ['safetensors negative shape', tensors(t('F32', [-2, -3], [0, 24])), 'x.safetensors#t', 'not a list of sizes', 'save it again'],
  ['safetensors 65 dimensions', tensors(t('F32', [6, ...Array.from({ length: 64 }, () => 1)], [0, 24])), 'x.safetensors#t', 'not a list of sizes', 'save it again'],
  ['safetensors overflow', tensors(t('F32', [2 ** 52, 2 ** 52], [0, 24])), 'x.safetensors#t', 'do not give the number of bytes', 'save it again'],
  // 2^62 · 4 · 4 wraps to 0 in 64 bits, and is rounded in a double.
  ['safetensors wrapped', tensors({ ...t('F32', [2, 3], [0, 24]), z: { dtype: 'F32', shape: [2 ** 31, 2 ** 31, 4], data_offsets: [24, 24] } }), 'x.safetensors#t', 'do not give the number of bytes', 'save it again'],
  ['safetensors too few bytes', tensors(t('F32', [2, 3], [0, 20]), 20), 'x.safetensors#t', 'do not give the number of bytes', 'save it again'],
  ['safetensors offsets of one', tensors(t('F32', [2, 3], [0])), 'x.safetensors#t', 'not a range', 'save it again'],
  ['safetensors offsets beyond 2^53', tensors('{"t":{"dtype":"F32","shape":[2,3],"data_offsets":[9007199254740992,9007199254741016]}}'), 'x.safetensors#t', 'not a range', 'save it again'],
  ['safetensors backwards', tensors(t('F32', [2, 3], [24, 0])), 'x.safetensors#t', 'outside the file', 'cut off'],
  ['safetensors cut off', tensors(t('F32', [2, 3], [0, 24]), 23), 'x.safetensors#t', 'outside the file', 'cut off'],
  ['safetensors trailing', tensors(t('F32', [2, 3], [0, 24]), 25), 'x.safetensors#t', 'goes on after its last tensor', 'save it again'],
  ['safetensors hole', tensors(t('F32', [2, 3], [4, 28]), 28), 'x.safetensors#t', 'a hole between', 'save it again'],
  ['safetensors overlap', tensors({ ...t('F32', [2, 3], [0, 24]), u: { dtype: 'F32', shape: [1], data_offsets: [20, 24] } }), 'x.safetensors#t', 'overlaps t', 'save it again'],
  ['safetensors misaligned', tensors({ m: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, ...t('F32', [2, 3], [1, 25]) }, 25), 'x.safetensors#t', 'multiple of its element size', 'save it again'],

  ['folder without a model', { 'd/other': okTensors }, 'd#t', 'no safetensors model', 'FOLDER/FILE'],
  ['index is no JSON', { 'd/model.safetensors.index.json': ascii('{') }, 'd#t', 'not JSON', 'again'],
  ['index is a list', { 'd/model.safetensors.index.json': ascii('[]') }, 'd#t', 'no weight_map', 'fetch'],
  ['index with a path', { 'd/model.safetensors.index.json': index({ t: '../x.safetensors' }), 'x.safetensors': okTensors }, 'd#t', 'not the name of a shard', 'fetch'],
  ['index with an absolute path', { 'd/model.safetensors.index.json': index({ u: '/x.safetensors', t: 'a.safetensors' }) }, 'd#t', 'not the name of a shard', 'fetch'],
  ['index with a number', { 'd/model.safetensors.index.json': index({ t: 3 }) }, 'd#t', 'not the name of a shard', 'fetch'],
  ['index with a name twice', { 'd/model.safetensors.index.json': ascii('{"weight_map":{"t":"a.safetensors","t":"b.safetensors"}}') }, 'd#t', 'a key twice', 'again'],
  ['folder without a tensor name', { 'd/model.safetensors.index.json': index({ t: 'a.safetensors' }) }, 'd', 'say which', 'd#t'],
  ['tensor not in the index', { 'd/model.safetensors.index.json': index({ t: 'a.safetensors' }) }, 'd#toString', 'no such tensor', 'd#t'],
  ['shard missing', { 'd/model.safetensors.index.json': index({ t: 'a.safetensors' }) }, 'd#t', 'shard of the model is missing', 'fetch'],
  ['shard without the tensor', { 'd/model.safetensors.index.json': index({ u: 'a.safetensors' }), 'd/a.safetensors': okTensors }, 'd#u', 'no such tensor', '#t'],
]; // prettier-ignore

test.each(BAD)('refused, and left closed: %s', (_, contents, reference, what, fix) => {
  const files = countedFiles(contents, 70_000);
  let error: unknown;
  try {
    openMatrix(reference, files).close();
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(TilewireError);
  const { code, message, fields } = error as TilewireError;
  expect(code).toBe('BAD_FILE');
  expect(message).toContain(what);
  expect(fields.path).toBeDefined();
  expect(fields.actual).toBeDefined();
  expect(fields.fix).toContain(fix);
  expect(files.stillOpen()).toBe(0);
  // Nothing of the values was looked at.
  expect(files.bytesRead()).toBeLessThan(12_000);
});

test('names that are suggested end like the one that was asked for', () => {
  const header = Object.fromEntries(['a.q.weight', 'b.x.weight', 'model.layers.1.mlp.down_proj.weight'].map((name, i) => [name, { dtype: 'F32', shape: [1, 1], data_offsets: [4 * i, 4 * i + 4] }]));
  expect(() => openMatrix('x.safetensors#layers.0.mlp.down_proj.weight', countedFiles(tensors(header, 12)))).toThrow(/limit model\.layers\.1\.mlp\.down_proj\.weight, /);
});

test('JSON: the caps hold before a parser runs', () => {
  const parse = (text: string) => parseStrict(new Uint8Array(Buffer.from(text)), 'x.json');
  expect(parse('{"a": [1, "\\"}", {"a": ",,,["}], "b": {"c": "a:"}}')).toEqual({ a: [1, '"}', { a: ',,,[' }], b: { c: 'a:' } });
  expect(Object.keys(parse('{"__proto__": {"x": 1}, "constructor": 2}') as object)).toEqual(['__proto__', 'constructor']);
  expect(() => parse(`[${'0,'.repeat(1_000_001)}0]`)).toThrow('too many values');
  expect(() => parse('['.repeat(100_000))).toThrow('nested too deeply');
  expect(() => parse('\uFEFF{}')).toThrow('not JSON');
  expect(() => parse('{"a" : 1, "\\u0061" : 2}')).toThrow('a key twice');
  expect(() => readJsonFile('x.json', { ...countedFiles({}), open: (path) => ({ path, size: 2 ** 40, read: () => {}, close: () => {} }) })).toThrow('too long');
});

// --- on disk -----------------------------------------------------------------------------------------

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test('on disk: ranges of real files, and what is no file is never opened', () => {
  const file = path.join(folder, 'm.safetensors');
  fs.writeFileSync(file, sample);
  const matrix = openMatrix(`${file}#layers.0.down.weight`);
  expect(matrix.source).toBe('m.safetensors#layers.0.down.weight');
  expect([...matrix.readRows(4, 1, 5, 2)]).toEqual([34, 35]);
  fs.truncateSync(file, headerBytes);
  expect(() => matrix.readRows(4, 1, 5, 2)).toThrow('became shorter');
  // Of the same length, but no longer what its hash was taken of.
  fs.writeFileSync(file, sample);
  const again = openMatrix(`${file}#wide`);
  expect([...again.readRows(0, 1, 0, 1)]).toEqual([1]);
  fs.utimesSync(file, new Date(), new Date(Date.now() - 5000));
  expect(() => again.readRows(0, 1, 0, 1)).toThrow(expect.objectContaining({ code: 'BAD_FILE', what: 'the file was changed while it was read' }));
  again.close();
  matrix.close();
  expect(() => matrix.readRows(4, 1, 5, 2)).toThrow('BUG');
  expect(() => openMatrix(path.join(folder, 'none.npy'))).toThrow('no such file');
  expect(() => openMatrix(`${folder}\0x.npy`)).toThrow('no such file');
  expect(() => openMatrix(`${folder}/${'x'.repeat(5000)}.npy`)).toThrow('no such file');
  if (process.platform !== 'win32') {
    const pipe = path.join(folder, 'pipe.npy');
    execFileSync('mkfifo', [pipe]);
    expect(() => openMatrix(pipe)).toThrow('not a regular file');
    expect(() => diskFiles().open(pipe)).toThrow('not a regular file');
  }
});

test('more memory than may be taken is an error that names the limit, before anything is allocated', () => {
  const file = path.join(folder, 'x.npy');
  fs.writeFileSync(file, npyBytes(dict('<f2', '(2, 300)'), new Uint8Array(1200)));
  const limited = openMatrix(file, diskFiles(1000));
  expect(() => limited.readRows(0, 1, 0, 251)).toThrow('limit 1000 bytes');
  expect(limited.readRows(1, 1, 50, 250).length).toBe(250);
  limited.close();
  expect(() => diskFiles().allocate(2 ** 32 + 1, file)).toThrow('MEMORY_LIMIT');
});

test('places beyond 4 GB are exact', () => {
  const reads: number[] = [];
  const file = { path: 'huge', size: 2 ** 50, read: (_: Uint8Array, position: number) => void reads.push(position), close: () => {} };
  const matrix = storedMatrix(diskFiles(), file, { position: 101, rows: 2 ** 24, columns: 2 ** 24 - 1, dtype: 'bf16', bigEndian: false, transposed: false }, 'huge', 'huge');
  matrix.readRows(2 ** 24 - 1, 1, 2 ** 24 - 3, 2);
  expect(reads).toEqual([101 + 2 * ((2 ** 24 - 1) * (2 ** 24 - 1) + 2 ** 24 - 3)]);
  expect(() => matrix.readRows(0, 2 ** 24, 0, 2 ** 24 - 1)).toThrow('MEMORY_LIMIT');
});

test('a read outside of an open file is stopped before it reaches the system', () => {
  const file = path.join(folder, 'few.npy');
  fs.writeFileSync(file, concat(okNpy));
  const open = diskFiles().open(file);
  expect(() => open.read(new Uint8Array(2), open.size - 1)).toThrow('outside the file');
  expect(() => open.read(new Uint8Array(2), -1)).toThrow('outside the file');
  open.close();
});
