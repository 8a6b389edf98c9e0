// `.safetensors`: eight bytes of header length, a JSON header, then the tensors. The whole header is held
// to the format before one tensor is taken from it: every range inside the file and as long as its shape
// and dtype say, no overlap, no hole, nothing after the last; the tensor that is opened must also start on
// a multiple of its element size. Taken: two-dimensional F32, F16 and BF16. Only the header is read here.
import { TilewireError } from '../../errors.ts';
import { BYTES_OF, type ElementType } from './elements.ts';
import type { Files, OpenFile } from './files.ts';
import type { Storage } from './stored-matrix.ts';
import { MAX_JSON_BYTES, readJson } from './strict-json.ts';

/** Bits per element. A dtype that is not here (the format grows) may be in a file, but not be opened. */
const BITS: Readonly<Record<string, number>> = {
  BOOL: 8, U8: 8, I8: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, F4: 4, F6_E2M3: 6, F6_E3M2: 6,
  I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, I64: 64, U64: 64, F64: 64, C64: 64,
}; // prettier-ignore
const TYPES: Readonly<Record<string, ElementType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
const MAX_RANK = 64;
const SAVE_AGAIN = 'save it again with the safetensors library';

interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Where one matrix of a `.safetensors` file lies. */
export function safetensorsStorage(files: Files, file: OpenFile, name: string | undefined): Storage {
  const { tensors, dataStart } = readHeader(files, file);
  const tensor = tensors.find((tensor) => tensor.name === name);
  if (name === undefined || tensor === undefined) {
    const matrices = tensors.filter(({ shape, dtype }) => shape.length === 2 && Object.hasOwn(TYPES, dtype)).map((tensor) => tensor.name);
    const actual = name === undefined ? 'no tensor named' : name;
    throw refuse(file.path, name === undefined ? 'a .safetensors file holds many tensors: say which' : 'the file holds no such tensor', actual, namesLike(matrices, name), `write ${file.path}#${matrices[0] ?? 'TENSOR'}`);
  }
  const dtype = Object.hasOwn(TYPES, tensor.dtype) ? TYPES[tensor.dtype] : undefined;
  const at = `${file.path}#${name}`;
  if (dtype === undefined) throw refuse(at, 'an element type that tilewire does not read', tensor.dtype.slice(0, 100), Object.keys(TYPES).join(', '), 'save the tensor as F32, F16 or BF16: tensor.to(torch.float32)');
  const [rows, columns] = tensor.shape;
  if (rows === undefined || columns === undefined || tensor.shape.length !== 2) {
    const fix = tensor.shape.length === 1 ? 'save it as a matrix: tensor.reshape(1, -1) for one row, tensor.reshape(-1, 1) for one column' : 'save the one matrix that is meant, e.g. one expert: tensor[0]';
    throw refuse(at, 'the tensor is not a matrix', `shape [${tensor.shape.join(', ')}]`, 'two dimensions', fix);
  }
  if (rows === 0 || columns === 0) throw refuse(at, 'the matrix is empty', `${rows} x ${columns}`, 'at least 1 x 1', 'name another tensor');
  if (tensor.begin % BYTES_OF[dtype] !== 0) throw refuse(at, 'the tensor does not start on a multiple of its element size', tensor.begin, `a multiple of ${BYTES_OF[dtype]}`, SAVE_AGAIN);
  return { position: dataStart + tensor.begin, rows, columns, dtype, bigEndian: false, transposed: false };
}

/** Names of all tensors of an open file, matrices or not. */
export const tensorNames = (files: Files, file: OpenFile): string[] => readHeader(files, file).tensors.map(({ name }) => name);

function readHeader(files: Files, file: OpenFile): { tensors: Tensor[]; dataStart: number } {
  const { path, size } = file;
  if (size < 10) throw refuse(path, 'too short for a .safetensors file', `${size} bytes`, 'at least 10 bytes', SAVE_AGAIN);
  const start = new Uint8Array(files.allocate(9, path));
  file.read(start, 0);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_JSON_BYTES)) throw refuse(path, 'not a .safetensors file, or its header is too long', `a header of ${length} bytes`, `${MAX_JSON_BYTES} bytes`, SAVE_AGAIN);
  const dataStart = 8 + Number(length);
  if (length < 2n || dataStart > size) throw refuse(path, 'the header does not fit in the file', `${dataStart} bytes with it`, `${size} bytes`, 'the file was cut off: fetch or save it again');
  if (start[8] !== 0x7b) throw refuse(path, 'the header does not begin with {', `0x${start[8]!.toString(16)}`, '0x7b', SAVE_AGAIN);
  const header = readJson(files, file, 8, Number(length));
  if (!isRecord(header)) throw refuse(path, 'the header is not an object', typeof header, 'an object', SAVE_AGAIN);
  const tensors: Tensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.push(readEntry(path, name, entry, size - dataStart));
    else if (!isRecord(entry) || Object.values(entry).some((value) => typeof value !== 'string')) throw refuse(path, '__metadata__ is not a map of strings', brief(entry), '{"key": "text"}', SAVE_AGAIN);
  }
  checkCover(path, tensors, size - dataStart);
  return { tensors, dataStart };
}

function readEntry(path: string, name: string, entry: unknown, dataBytes: number): Tensor {
  const at = `${path}#${name.slice(0, 200)}`;
  if (!isRecord(entry)) throw refuse(at, 'the tensor has no description', brief(entry), 'dtype, shape, data_offsets', SAVE_AGAIN);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') throw refuse(at, 'the tensor has no dtype', typeof dtype, 'a name such as F32', SAVE_AGAIN);
  if (!isCounts(shape) || shape.length > MAX_RANK) throw refuse(at, 'the shape is not a list of sizes', brief(shape), `at most ${MAX_RANK} whole numbers from 0 to 2^53 - 1`, SAVE_AGAIN);
  if (!isCounts(offsets) || offsets.length !== 2) throw refuse(at, 'data_offsets is not a range', brief(offsets), '[begin, end]', SAVE_AGAIN);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) throw refuse(at, 'the tensor lies outside the file', `${begin} to ${end}`, `0 to ${dataBytes}`, 'the file was cut off: fetch or save it again');
  const bits = Object.hasOwn(BITS, dtype) ? BITS[dtype]! : undefined;
  // Exact, whatever the sizes: 64 factors of 53 bits are nothing to a bigint.
  const elements = shape.reduce((product, length) => product * BigInt(length), 1n);
  if (bits !== undefined && elements * BigInt(bits) !== BigInt(end - begin) * 8n) {
    throw refuse(at, 'shape and dtype do not give the number of bytes', `${end - begin} bytes`, `${JSON.stringify(shape)} of ${dtype}`, SAVE_AGAIN);
  }
  return { name, dtype, shape, begin, end };
}

/** The tensors, in the order of their places, follow each other from the first byte of the data to the last. */
function checkCover(path: string, tensors: readonly Tensor[], dataBytes: number): void {
  let covered = 0;
  let before = 'the header';
  for (const { name, begin, end } of tensors.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) throw refuse(`${path}#${name.slice(0, 200)}`, begin < covered ? `the tensor overlaps ${before}` : `there is a hole between ${before} and the tensor`, `begins at ${begin}`, covered, SAVE_AGAIN);
    covered = end;
    before = name.slice(0, 200);
  }
  if (covered !== dataBytes) throw refuse(path, 'the file goes on after its last tensor', `${dataBytes} bytes of tensors`, `${covered} bytes`, SAVE_AGAIN);
}

/** Up to eight of them, those that share the most of the end of `name` first. */
export function namesLike(names: readonly string[], name = ''): string {
  const parts = name.split('.').toReversed();
  const alike = (other: string) => {
    const theirs = other.split('.').toReversed();
    const differ = parts.findIndex((part, i) => part !== theirs[i]);
    return differ === -1 ? parts.length : differ;
  };
  const shown = names.map((name) => ({ name, alike: alike(name) })).sort((a, b) => b.alike - a.alike).slice(0, 8).map(({ name }) => name.slice(0, 200));
  if (shown.length === 0) return 'no matrix of F32, F16 or BF16 in it';
  return names.length > shown.length ? `${shown.join(', ')} and ${names.length - shown.length} more` : shown.join(', ');
}

/** What was found, never longer than a line. */
export function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

function refuse(path: string, what: string, actual: unknown, limit: unknown, fix: string): TilewireError {
  return new TilewireError('BAD_FILE', what, { path, actual, limit, fix });
}
