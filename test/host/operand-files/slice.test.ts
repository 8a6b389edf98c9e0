import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMatrix } from '../../../src/host/operand-files/open.ts';
import { LARGEST_ARRAY_BYTES } from '../../../src/host/operand-files/files.ts';
import { kSlices, LAYOUTS, resolveShapes, slicesOf } from '../../../src/host/operand-files/slice.ts';
import type { MatrixFile } from '../../../src/host/operand-files/stored-matrix.ts';
import { countedFiles } from './counted-files.ts';
import { dict, npyBytes, valueBytes } from './written-files.ts';

const shape = (rows: number, columns: number, source = 'x.npy') => ({ rows, columns, source });

/** Small integers, as rows; exact in half precision too. */
const matrixOf = (rows: number, columns: number, salt: number) => Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => ((r * 31 + c * 17 + salt) % 15) - 7));
const transpose = (matrix: number[][]) => matrix[0]!.map((_, c) => matrix.map((row) => row[c]!));
const fileOf = (matrix: number[][], type: 'f4' | 'f2', fortran: boolean) => {
  const stored = fortran ? transpose(matrix) : matrix;
  return npyBytes(dict(`<${type}`, `(${matrix.length}, ${matrix[0]!.length})`, fortran ? 'True' : 'False'), valueBytes(stored.flat(), type));
};

test('slices of K cover it once, in order, and differ by at most one, the longer ones first', () => {
  expect(kSlices(10, 4)).toEqual([{ first: 0, count: 3 }, { first: 3, count: 3 }, { first: 6, count: 2 }, { first: 8, count: 2 }]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 64 }), (kTotal, devices) => {
      fc.pre(devices <= kTotal);
      const slices = kSlices(kTotal, devices);
      expect(slices.length).toBe(devices);
      let next = 0;
      slices.forEach(({ first, count }, d) => {
        expect(first).toBe(next);
        expect(count).toBe(Math.floor(kTotal / devices) + (d < kTotal % devices ? 1 : 0));
        next += count;
      });
      expect(next).toBe(kTotal);
    }),
    { seed: 1, numRuns: 200 },
  );
  for (const devices of [0, 11, 1.5, Number.NaN]) expect(() => kSlices(10, devices)).toThrow('at --devices');
});

test('shapes: every layout, and an error that names the ones that would fit', () => {
  expect(resolveShapes(shape(2, 5), shape(5, 3), 'nn')).toEqual({ m: 2, n: 3, kTotal: 5 });
  expect(resolveShapes(shape(2, 5), shape(3, 5), 'nt')).toEqual({ m: 2, n: 3, kTotal: 5 });
  expect(resolveShapes(shape(5, 2), shape(5, 3), 'tn')).toEqual({ m: 2, n: 3, kTotal: 5 });
  expect(resolveShapes(shape(5, 2), shape(3, 5), 'tt')).toEqual({ m: 2, n: 3, kTotal: 5 });
  expect(() => resolveShapes(shape(2, 5, 'a.npy'), shape(3, 5, 'b.npy'), 'nn')).toThrow(
    ['the operands do not fit together as nn (at --layout, found A 2 x 5 (a.npy), B 3 x 5 (b.npy), limit --layout nn needs K = 5 rows of B) [BAD_FLAG]', '  fits as nt: m = 2, n = 3, K = 5', '  fix: use --layout nt'].join('\n'),
  );
  expect(() => resolveShapes(shape(5, 3), shape(3, 5), 'nt')).toThrow('use --layout nn or tt');
  expect(() => resolveShapes(shape(2, 5), shape(3, 7), 'tt')).toThrow('no --layout fits');
});

test('every device gets its columns of A and rows of B, whatever the layout, type and order on disk, and reads only those', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 23 }), fc.integer({ min: 1, max: 7 }),
      fc.constantFrom(...LAYOUTS), fc.constantFrom('f4' as const, 'f2' as const), fc.boolean(), fc.boolean(),
      (m, n, kTotal, devices, layout, type, fortranA, fortranB) => {
        fc.pre(devices <= kTotal);
        const [a, b] = [matrixOf(m, kTotal, 1), matrixOf(kTotal, n, 5)];
        const files = countedFiles({
          'a.npy': fileOf(layout[0] === 'n' ? a : transpose(a), type, fortranA),
          'b.npy': fileOf(layout[1] === 'n' ? b : transpose(b), 'f4', fortranB),
        });
        const [fileA, fileB] = [openMatrix('a.npy', files), openMatrix('b.npy', files)];
        const sum = Array.from({ length: m * n }, () => 0);
        const opened = files.bytesRead();
        const slices = slicesOf(fileA, fileB, layout, devices);
        expect(files.bytesRead()).toBe(opened);
        let first = 0;
        kSlices(kTotal, devices).forEach(({ count }, device) => {
          const before = files.bytesRead();
          const own = { a: slices.a(device), b: slices.b(device) };
          // Of either file its own part alone.
          expect(files.bytesRead() - before).toBe(count * (m * (type === 'f4' ? 4 : 2) + n * 4));
          expect([...own.a]).toEqual(a.flatMap((row) => row.slice(first, first + count)));
          expect([...own.b]).toEqual(b.slice(first, first + count).flat());
          for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) for (let k = 0; k < count; k++) sum[i * n + j]! += own.a[i * count + k]! * own.b[k * n + j]!;
          first += count;
        });
        expect(sum).toEqual(a.flatMap((row) => transpose(b).map((column) => row.reduce((total, value, k) => total + value * column[k]!, 0))));
        expect(files.bytesRead() - opened).toBe(m * kTotal * (type === 'f4' ? 4 : 2) + kTotal * n * 4);
      },
    ),
    { seed: 2, numRuns: 300 },
  );
}); // prettier-ignore

test('a value that is not finite is refused with its place in the file', () => {
  const values = matrixOf(4, 6, 0);
  values[2]![5] = Infinity;
  const files = countedFiles({ 'a.npy': fileOf(matrixOf(3, 4, 0), 'f4', false), 'b.npy': fileOf(values, 'f4', false), 'bt.npy': fileOf(transpose(values), 'f4', true) });
  const a = openMatrix('a.npy', files);
  const b = openMatrix('b.npy', files);
  expect(slicesOf(a, b, 'nn', 2).b(0)).toHaveLength(12);
  expect(() => slicesOf(a, b, 'nn', 2).b(1)).toThrow('at b.npy, found Infinity at row 2, column 5');
  expect(() => slicesOf(a, openMatrix('bt.npy', files), 'nt', 2).b(1)).toThrow('at bt.npy, found Infinity at row 5, column 2');
  expect(() => slicesOf(b, b, 'nt', 3).a(2)).toThrow('Infinity at row 2, column 5');
  expect(() => slicesOf(a, b, 'nn', 2).a(2)).toThrow('no such device');
  // A NaN in another device's part is none of this one's, and the part of A is read without B.
  expect([...slicesOf(a, b, 'nn', 2).a(1)]).toEqual(matrixOf(3, 4, 0).flatMap((row) => row.slice(2)));
});

test('the hash looks at all values: one that is not finite is refused by its place in the file, whatever the order on disk', async () => {
  for (const value of [Infinity, -Infinity, Number.NaN]) {
    const values = matrixOf(40, 6, 0);
    values[39]![4] = value;
    const files = countedFiles({ 'b.npy': fileOf(values, 'f4', false), 'fortran.npy': fileOf(values, 'f4', true) });
    for (const name of ['b.npy', 'fortran.npy']) await expect(openMatrix(name, files).hash()).rejects.toMatchObject({ code: 'BAD_FILE', fields: { path: name, actual: `${value} at row 39, column 4` } });
  }
  // A row that is longer than what is read together.
  const wide = Array.from({ length: 2 }, () => Array.from({ length: 2 ** 20 + 3 }, () => 1));
  wide[1]![2 ** 20 + 1] = Number.NaN;
  await expect(openMatrix('w.npy', countedFiles({ 'w.npy': fileOf(wide, 'f4', false) })).hash()).rejects.toMatchObject({ fields: { actual: `NaN at row 1, column ${2 ** 20 + 1}` } });
});

test("one device's part that no array can hold is refused before it is read", () => {
  const huge = (rows: number, columns: number): MatrixFile => ({ rows, columns, path: `${rows}x${columns}.npy`, source: 'x' }) as MatrixFile;
  const side = Math.ceil(LARGEST_ARRAY_BYTES / 4 / 2 ** 15);
  expect(() => slicesOf(huge(side, 2 ** 16), huge(2 ** 16, 1), 'nn', 1)).toThrow(expect.objectContaining({ code: 'MEMORY_LIMIT', fields: expect.objectContaining({ path: `${side}x65536.npy` }) }));
  expect(() => slicesOf(huge(1, 2 ** 16), huge(2 ** 16, side), 'nn', 1)).toThrow(expect.objectContaining({ code: 'MEMORY_LIMIT', fields: expect.objectContaining({ path: `65536x${side}.npy` }) }));
  slicesOf(huge(side, 2 ** 16), huge(2 ** 16, side), 'nn', 4);
});
