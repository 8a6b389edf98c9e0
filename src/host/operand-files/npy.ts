// `.npy`, versions 1, 2 and 3: magic, header length, a Python dict, then the values. Taken: two-dimensional
// '<f4' '>f4' '<f2' '>f2', in C order or in Fortran order (which is read as what it is, the rows of the
// transpose). Everything is checked against the file's real length before a value is read. The dict is
// parsed as the three-entry literal that the format prescribes, never evaluated.
import { TilewireError } from '../../errors.ts';
import { BYTES_OF, type ElementType } from './elements.ts';
import type { Files, OpenFile } from './files.ts';
import type { Storage } from './stored-matrix.ts';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const MAX_HEADER_BYTES = 65535;
const SAVE_AS_F32 = 'save it as f32: np.save(file, x.astype(np.float32))';
const SAVE_AGAIN = 'save it again: np.save(file, x)';

const TYPES: Readonly<Record<string, ElementType>> = { f4: 'f32', f2: 'f16' };

/** Where the matrix of an `.npy` file lies. */
export function npyStorage(files: Files, file: OpenFile): Storage {
  const { text, position } = readHeader(files, file);
  const { descr, fortranOrder, shape } = parseDict(text, file.path);
  const dtype = TYPES[descr.slice(1)];
  if (dtype === undefined || !'<>'.includes(descr[0]!)) {
    throw refuse(file.path, 'an element type that tilewire does not read', descr, "'<f4', '>f4', '<f2' or '>f2'", SAVE_AS_F32);
  }
  const [rows, columns] = shape;
  if (rows === undefined || columns === undefined || shape.length !== 2) {
    const fix = shape.length === 1 ? `save it as a matrix: np.save(file, x.reshape(1, -1)) for one row, x.reshape(-1, 1) for one column` : 'save the one matrix that is meant, e.g. np.save(file, x[0]), or x.reshape(-1, x.shape[-1])';
    throw refuse(file.path, 'the array is not a matrix', `shape (${shape.join(', ')})`, 'two dimensions', fix);
  }
  // Of two safe integers whose product is rounded, no file is that long either.
  const bytes = rows * columns * BYTES_OF[dtype];
  if (bytes === 0) throw refuse(file.path, 'the matrix is empty', `${rows} x ${columns}`, 'at least 1 x 1', SAVE_AGAIN);
  if (bytes !== file.size - position) {
    const fix = bytes > file.size - position ? 'the file was cut off: copy or save it again' : 'one array per file: np.save(file, x)';
    throw refuse(file.path, `the file holds ${bytes > file.size - position ? 'less' : 'more'} than a ${rows} x ${columns} matrix of ${dtype}`, `${file.size - position} bytes of values`, `${bytes} bytes`, fix);
  }
  return { position, rows, columns, dtype, bigEndian: descr[0] === '>', transposed: fortranOrder };
}

function readHeader(files: Files, file: OpenFile): { text: string; position: number } {
  if (file.size < 10) throw refuse(file.path, 'too short for an .npy file', `${file.size} bytes`, 'at least 10 bytes', SAVE_AGAIN);
  const start = new Uint8Array(files.allocate(Math.min(12, file.size), file.path));
  file.read(start, 0);
  if (MAGIC.some((byte, i) => start[i] !== byte)) throw refuse(file.path, 'not an .npy file', `it begins with ${Buffer.from(start.subarray(0, 6)).toString('hex')}`, `${Buffer.from(MAGIC).toString('hex')} (\\x93NUMPY)`, SAVE_AGAIN);
  const version = start[6]!;
  if (version < 1 || version > 3 || start[7] !== 0) throw refuse(file.path, 'an .npy version that tilewire does not read', `${version}.${start[7]}`, '1.0, 2.0 or 3.0', SAVE_AGAIN);
  const lengthBytes = version === 1 ? 2 : 4;
  if (start.length < 8 + lengthBytes) throw refuse(file.path, 'too short for an .npy file', `${file.size} bytes`, 'a header', SAVE_AGAIN);
  const view = new DataView(start.buffer);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const from = 8 + lengthBytes;
  if (length > MAX_HEADER_BYTES) throw refuse(file.path, 'the header is too long to describe an array', `${length} bytes`, `${MAX_HEADER_BYTES} bytes`, SAVE_AGAIN);
  if (from + length > file.size) throw refuse(file.path, 'the file ends within its header', `${file.size} bytes`, `${from + length} bytes`, SAVE_AGAIN);
  const bytes = new Uint8Array(files.allocate(length, file.path));
  file.read(bytes, from);
  try {
    // Versions 1 and 2 are Latin-1; the header of an array of plain numbers is ASCII in all three.
    const text = version === 3 ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) : Buffer.from(bytes).toString('latin1');
    return { text, position: from + length };
  } catch {
    throw refuse(file.path, 'the header is not UTF-8', 'bytes that are no character', 'valid UTF-8', SAVE_AGAIN);
  }
}

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: these keys, each once, in any order. */
function parseDict(text: string, path: string): Header {
  let at = 0;
  const bad = (what: string): TilewireError => refuse(path, `the header is not that of an array of numbers: ${what}`, JSON.stringify(text.slice(at, at + 40)), "{'descr': '<f4', 'fortran_order': False, 'shape': (rows, columns), }", SAVE_AGAIN);
  const skip = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at += match[0].length;
    return match?.[1];
  };
  const found: { descr?: string; fortranOrder?: boolean; shape?: number[] } = {};
  if (skip(/[ \t\r\n]*(\{)/y) === undefined) throw bad('no dict');
  while (skip(/[ \t\r\n]*(\})/y) === undefined) {
    const key = skip(/[ \t\r\n]*['"]([a-z_]{1,32})['"][ \t\r\n]*:[ \t\r\n]*/y);
    if (key === 'descr' && found.descr === undefined) {
      const descr = skip(/['"]([^'"\s]{1,32})['"]/y);
      if (descr === undefined) throw text[at] === '[' ? refuse(path, 'an array of records', text.slice(at, at + 40), 'plain numbers', 'save one field as f32: np.save(file, x["field"].astype(np.float32))') : bad('no element type');
      found.descr = descr;
    } else if (key === 'fortran_order' && found.fortranOrder === undefined) {
      const order = skip(/(True|False)\b/y);
      if (order === undefined) throw bad('fortran_order is neither True nor False');
      found.fortranOrder = order === 'True';
    } else if (key === 'shape' && found.shape === undefined) {
      const shape = skip(/\(([\d L,]{0,1024})\)/y);
      if (shape === undefined || !/^ *(?:(?:0|[1-9]\d*)L? *(?:, *(?:0|[1-9]\d*)L? *)*,? *)?$/.test(shape)) throw bad('no shape');
      // Python 2 wrote 3L.
      found.shape = [...shape.matchAll(/\d+/g)].map(([digits]) => Number(digits));
      const absurd = found.shape.find((length) => !Number.isSafeInteger(length));
      if (absurd !== undefined) throw refuse(path, 'a dimension beyond any file', absurd, Number.MAX_SAFE_INTEGER, SAVE_AGAIN);
    } else throw bad(key === undefined ? 'no key' : `key ${key} is unknown or there twice`);
    if (skip(/[ \t\r\n]*(,)/y) === undefined && !/^[ \t\r\n]*\}/.test(text.slice(at, at + 64))) throw bad('no comma');
  }
  if (!/^[ \t\r\n]*$/.test(text.slice(at))) throw bad('text after the dict');
  const { descr, fortranOrder, shape } = found;
  if (descr === undefined || fortranOrder === undefined || shape === undefined) throw bad('a key is missing');
  return { descr, fortranOrder, shape };
}

function refuse(path: string, what: string, actual: unknown, limit: unknown, fix: string): TilewireError {
  return new TilewireError('BAD_FILE', what, { path, actual, limit, fix });
}
