// What one device gets of operands that hold the full K: its columns of A and its rows of B, row-major
// whatever the layout on disk. Slices of K differ by at most one, the longer ones first, and together they
// are K, each element once. Only the slice is read, and every value of it is finite, or the file is refused.
import { TilewireError } from '../../errors.ts';
import { chunkRange } from '../../spec/chunks.ts';
import type { Layout } from '../../spec/spec.ts';
import { LARGEST_ARRAY_BYTES } from './files.ts';
import { checkFinite, type MatrixFile } from './stored-matrix.ts';

export const LAYOUTS: readonly Layout[] = ['nn', 'nt', 'tn', 'tt'];

export interface OperandShapes {
  readonly m: number;
  readonly n: number;
  /** Over all devices. */
  readonly kTotal: number;
}

export interface KSlice {
  readonly first: number;
  readonly count: number;
}

type Shape = Pick<MatrixFile, 'rows' | 'columns' | 'source'>;

/** BAD_FLAG at `--layout`, saying which would fit, where the inner dimensions differ. */
export function resolveShapes(a: Shape, b: Shape, layout: Layout): OperandShapes {
  const shapes = shapesIn(a, b, layout);
  if (shapes) return shapes;
  const found = `A ${a.rows} x ${a.columns} (${a.source}), B ${b.rows} x ${b.columns} (${b.source})`;
  const inner = (matrix: Shape, letter: string) => (letter === 'n' ? matrix.columns : matrix.rows);
  const limit = `--layout ${layout} needs K = ${inner(a, layout[0]!)} ${layout[1] === 'n' ? 'rows' : 'columns'} of B`;
  const fitting = LAYOUTS.flatMap((other) => {
    const fit = shapesIn(a, b, other);
    return fit ? [{ other, line: `fits as ${other}: m = ${fit.m}, n = ${fit.n}, K = ${fit.kTotal}` }] : [];
  });
  throw new TilewireError('BAD_FLAG', `the operands do not fit together as ${layout}`, {
    path: '--layout',
    actual: found,
    limit,
    ...(fitting.length > 0 ? { lines: fitting.map(({ line }) => line) } : {}),
    fix: fitting.length > 0 ? `use --layout ${fitting.map(({ other }) => other).join(' or ')}` : 'A and B must have one dimension in common, K, which is summed over: no --layout fits these two',
  });
}

function shapesIn(a: Shape, b: Shape, layout: Layout): OperandShapes | undefined {
  const [m, kTotal] = layout[0] === 'n' ? [a.rows, a.columns] : [a.columns, a.rows];
  const [kOfB, n] = layout[1] === 'n' ? [b.rows, b.columns] : [b.columns, b.rows];
  return kTotal === kOfB ? { m, n, kTotal } : undefined;
}

/** K over the devices: the first (K mod devices) slices are one longer. */
export function kSlices(kTotal: number, devices: number): KSlice[] {
  if (!Number.isSafeInteger(devices) || devices < 1 || devices > kTotal) {
    throw new TilewireError('BAD_FLAG', 'K cannot be spread over the devices', { path: '--devices', actual: devices, limit: `1 to K = ${kTotal}`, fix: 'take fewer devices: each needs at least one column of A' });
  }
  return Array.from({ length: devices }, (_, d) => {
    const { start, length } = chunkRange(kTotal, devices, d);
    return { first: start, count: length };
  });
}

/** Row-major operands of device d, made when they are asked for: A_d is m × k_d, B_d is k_d × n. */
export interface DeviceSlices {
  a(device: number): Float32Array;
  b(device: number): Float32Array;
  /** Gives back what they are made from; nothing can be asked for afterwards. */
  close(): void;
}

/** Each by reads of its own ranges. MEMORY_LIMIT where the largest is more than one array can hold: `files` would say so only when it is read. */
export function slicesOf(a: MatrixFile, b: MatrixFile, layout: Layout, devices: number): Omit<DeviceSlices, 'close'> {
  const { m, n, kTotal } = resolveShapes(a, b, layout);
  const slices = kSlices(kTotal, devices);
  for (const [matrix, elements] of [[a, m * slices[0]!.count], [b, slices[0]!.count * n]] as const) {
    if (4 * elements <= LARGEST_ARRAY_BYTES) continue;
    throw new TilewireError('MEMORY_LIMIT', "one device's part of the matrix is too large for this host", { path: matrix.path, actual: `${4 * elements} bytes`, limit: `${LARGEST_ARRAY_BYTES} bytes`, fix: 'spread the operands over more devices, or save a smaller matrix' });
  }
  const sliceOf = (device: number): KSlice => {
    const slice = slices[device];
    if (!slice) throw new TilewireError('BAD_FLAG', 'no such device', { path: '--devices', actual: device, limit: `0 to ${devices - 1}`, fix: 'name a device of the run' });
    return slice;
  };
  return {
    a(device) {
      const { first, count } = sliceOf(device);
      const values = layout[0] === 'n' ? a.readRows(0, m, first, count) : a.readColumns(0, m, first, count);
      checkFinite(values, a.path, (i) => place(Math.floor(i / count), first + (i % count), layout[0] === 't'));
      return values;
    },
    b(device) {
      const { first, count } = sliceOf(device);
      const values = layout[1] === 'n' ? b.readRows(first, count, 0, n) : b.readColumns(first, count, 0, n);
      checkFinite(values, b.path, (i) => place(first + Math.floor(i / n), i % n, layout[1] === 't'));
      return values;
    },
  };
}

/** Row and column of the file. */
function place(row: number, column: number, transposed: boolean): string {
  return transposed ? `row ${column}, column ${row}` : `row ${row}, column ${column}`;
}
