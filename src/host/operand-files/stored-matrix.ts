// A matrix that lies in a file as lines of equal length, whatever the format around it. Any rectangle of it
// is read, either way up, in slabs of at most 1 MiB: exactly the bytes of the rectangle, plus nothing, and
// no memory beyond two slabs and the result. The format's reader has checked that the lines lie in the file.
import { createHash } from 'node:crypto';
import { bug, TilewireError } from '../../errors.ts';
import { BYTES_OF, swapBytes, widen, type ElementType } from './elements.ts';
import type { Files, OpenFile } from './files.ts';

export interface MatrixFile {
  readonly rows: number;
  readonly columns: number;
  /** As stored; values are widened to f32 on reading. */
  readonly dtype: ElementType;
  /** File name and tensor, without the folder: `weights.safetensors#model.layers.0.mlp.down_proj.weight`. */
  readonly source: string;
  /** The reference that it was opened by, for errors. */
  readonly path: string;
  /**
   * SHA-256 of all values as little-endian f32, row by row: the same for every dtype, byte order and
   * storage order that hold the same values. In numpy: `sha256(np.ascontiguousarray(x, '<f4').tobytes())`.
   * BAD_FILE, with its place, where a value is not finite.
   */
  hash(): Promise<string>;
  /** A rectangle, row-major. */
  readRows(firstRow: number, rowCount: number, firstColumn: number, columnCount: number): Float32Array;
  /** A rectangle's transpose, row-major: column `firstColumn` of the matrix comes first. */
  readColumns(firstColumn: number, columnCount: number, firstRow: number, rowCount: number): Float32Array;
  close(): void;
}

/** Lines back to back from `position`; a line is a row, or a column where `transposed` (Fortran order). */
export interface Storage {
  readonly position: number;
  readonly rows: number;
  readonly columns: number;
  readonly dtype: ElementType;
  readonly bigEndian: boolean;
  readonly transposed: boolean;
}

const SLAB_ELEMENTS = 2 ** 18;

/** Takes `file` over: `close` closes it. */
export function storedMatrix(files: Files, file: OpenFile, storage: Storage, source: string, path: string): MatrixFile {
  const { rows, columns, dtype, transposed } = storage;
  let hash: Promise<string> | undefined;
  const read = (row: number, rowCount: number, column: number, columnCount: number, asColumns: boolean): Float32Array => {
    if (!isRange(row, rowCount, rows) || !isRange(column, columnCount, columns)) {
      throw bug('a rectangle outside the matrix', { path, actual: `rows ${row}+${rowCount}, columns ${column}+${columnCount}`, limit: `${rows} x ${columns}` });
    }
    const rectangle = transposed ? { line: column, lines: columnCount, first: row, length: rowCount } : { line: row, lines: rowCount, first: column, length: columnCount };
    const bits = new Uint32Array(files.allocate(4 * rowCount * columnCount, path));
    readRectangle(files, file, storage, rectangle, asColumns !== transposed, bits);
    return new Float32Array(bits.buffer);
  };
  const readRows: MatrixFile['readRows'] = (row, rowCount, column, columnCount) => read(row, rowCount, column, columnCount, false);
  return {
    rows,
    columns,
    dtype,
    source,
    path,
    readRows,
    readColumns: (column, columnCount, row, rowCount) => read(row, rowCount, column, columnCount, true),
    hash: () => (hash ??= hashRows(rows, columns, readRows, path)),
    close: () => file.close(),
  };
}

function isRange(first: number, count: number, limit: number): boolean {
  return Number.isSafeInteger(first) && Number.isSafeInteger(count) && first >= 0 && count >= 0 && first + count <= limit;
}

/** Part of the lines, in the terms of the file. */
interface Rectangle {
  readonly line: number;
  readonly lines: number;
  readonly first: number;
  readonly length: number;
}

/** Line after line into `bits`, or, where `across`, element (line, i) to place i · lines + line. */
function readRectangle(files: Files, file: OpenFile, storage: Storage, { line, lines, first, length }: Rectangle, across: boolean, bits: Uint32Array): void {
  if (lines === 0 || length === 0) return;
  const size = BYTES_OF[storage.dtype];
  const lineElements = storage.transposed ? storage.rows : storage.columns;
  const part = Math.min(length, SLAB_ELEMENTS);
  const together = Math.min(lines, Math.max(1, Math.floor(SLAB_ELEMENTS / part)));
  const raw = new Uint8Array(files.allocate(part * together * size, file.path));
  const wide = new Uint32Array(files.allocate(part * together * 4, file.path));

  for (let l = 0; l < lines; l += together) {
    const slabLines = Math.min(together, lines - l);
    for (let i = 0; i < length; i += part) {
      const run = Math.min(part, length - i);
      const bytes = raw.subarray(0, slabLines * run * size);
      const positionOf = (slabLine: number) => storage.position + ((line + l + slabLine) * lineElements + first + i) * size;
      if (run === lineElements) file.read(bytes, positionOf(0));
      else for (let s = 0; s < slabLines; s++) file.read(bytes.subarray(s * run * size, (s + 1) * run * size), positionOf(s));
      if (storage.bigEndian) swapBytes(bytes, storage.dtype);
      widen(bytes, storage.dtype, slabLines * run, wide);
      if (across) {
        for (let r = 0; r < run; r++) {
          const to = (i + r) * lines + l;
          for (let s = 0; s < slabLines; s++) bits[to + s] = wide[s * run + r]!;
        }
      } else if (run === length) bits.set(wide.subarray(0, slabLines * run), l * length);
      else {
        for (let s = 0; s < slabLines; s++) bits.set(wide.subarray(s * run, (s + 1) * run), (l + s) * length + i);
      }
    }
  }
}

async function hashRows(rows: number, columns: number, readRows: MatrixFile['readRows'], path: string): Promise<string> {
  const hash = createHash('sha256');
  const rowsTogether = Math.max(1, Math.floor((4 * SLAB_ELEMENTS) / columns));
  const columnsTogether = Math.min(columns, 4 * SLAB_ELEMENTS);
  for (let row = 0; row < rows; row += rowsTogether) {
    for (let column = 0; column < columns; column += columnsTogether) {
      const width = Math.min(columnsTogether, columns - column);
      const values = readRows(row, Math.min(rowsTogether, rows - row), column, width);
      checkFinite(values, path, (i) => `row ${row + Math.floor(i / width)}, column ${column + (i % width)}`);
      hash.update(new Uint8Array(values.buffer));
      // Gigabytes take seconds: an interrupt must get its turn.
      await new Promise(setImmediate);
    }
  }
  return hash.digest('hex');
}

/** An infinity or a NaN spoils every sum that it enters: no check of a result would mean anything. */
export function checkFinite(values: Float32Array, path: string, placeOf: (index: number) => string): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i]! & 0x7f800000) !== 0x7f800000) continue;
    throw new TilewireError('BAD_FILE', 'the matrix holds a value that is not finite', { path, actual: `${values[i]} at ${placeOf(i)}`, limit: 'finite values', fix: 'save it without infinities and NaNs' });
  }
}
