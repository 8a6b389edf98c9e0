// What one device gets of operands that hold the full K: its columns of A and its rows of B, row-major
// whatever the layout on disk. Slices of K differ by at most one, the longer ones first, and together they
// are K, each element once. Only the slice is read, and every value of it is finite, or the file is refused.
import { TilewireError } from '../../errors.ts';
import type { MatrixFile } from './stored-matrix.ts';

/** First letter A, second B: `n` as in C = A·B (m × K, K × n), `t` its transpose (K × m, n × K: how PyTorch keeps weights). */
export type Layout = 'nn' | 'nt' | 'tn' | 'tt';
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
  const short = Math.floor(kTotal / devices);
  const longer = kTotal % devices;
  return Array.from({ length: devices }, (_, d) => ({ first: d * short + Math.min(d, longer), count: short + (d < longer ? 1 : 0) }));
}

export interface DeviceOperands {
  /** m × k, row-major. */
  readonly a: Float32Array;
  /** k × n, row-major. */
  readonly b: Float32Array;
  /** This device's own. */
  readonly k: number;
}

export function readDeviceOperands(a: MatrixFile, b: MatrixFile, layout: Layout, device: number, devices: number): DeviceOperands {
  const { m, n, kTotal } = resolveShapes(a, b, layout);
  const slice = kSlices(kTotal, devices)[device];
  if (!slice) throw new TilewireError('BAD_FLAG', 'no such device', { path: '--devices', actual: device, limit: `0 to ${devices - 1}`, fix: 'name a device of the run' });
  const { first, count } = slice;
  const sliceOfA = layout[0] === 'n' ? a.readRows(0, m, first, count) : a.readColumns(0, m, first, count);
  checkFinite(sliceOfA, a, (i) => place(Math.floor(i / count), first + (i % count), layout[0] === 't'));
  const sliceOfB = layout[1] === 'n' ? b.readRows(first, count, 0, n) : b.readColumns(first, count, 0, n);
  checkFinite(sliceOfB, b, (i) => place(first + Math.floor(i / n), i % n, layout[1] === 't'));
  return { a: sliceOfA, b: sliceOfB, k: count };
}

/** Row and column of the file. */
function place(row: number, column: number, transposed: boolean): string {
  return transposed ? `row ${column}, column ${row}` : `row ${row}, column ${column}`;
}

/** An infinity or a NaN spoils every sum that it enters: no check of a result would mean anything. */
function checkFinite(values: Float32Array, matrix: MatrixFile, placeOf: (index: number) => string): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at !== -1) {
    throw new TilewireError('BAD_FILE', 'the matrix holds a value that is not finite', { path: matrix.path, actual: `${values[at]} at ${placeOf(at)}`, limit: 'finite values', fix: 'save it without infinities and NaNs' });
  }
}
