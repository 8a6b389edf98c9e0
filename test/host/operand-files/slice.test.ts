import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMatrix } from '../../../src/host/operand-files/open.ts';
import { kSlices, LAYOUTS, readDeviceOperands, resolveShapes } from '../../../src/host/operand-files/slice.ts';
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
        let first = 0;
        for (let device = 0; device < devices; device++) {
          const own = readDeviceOperands(fileA, fileB, layout, device, devices);
          expect([...own.a]).toEqual(a.flatMap((row) => row.slice(first, first + own.k)));
          expect([...own.b]).toEqual(b.slice(first, first + own.k).flat());
          for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) for (let k = 0; k < own.k; k++) sum[i * n + j]! += own.a[i * own.k + k]! * own.b[k * n + j]!;
          first += own.k;
        }
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
  expect(readDeviceOperands(a, openMatrix('b.npy', files), 'nn', 0, 2).k).toBe(2);
  expect(() => readDeviceOperands(a, openMatrix('b.npy', files), 'nn', 1, 2)).toThrow('at b.npy, found Infinity at row 2, column 5');
  expect(() => readDeviceOperands(a, openMatrix('bt.npy', files), 'nt', 1, 2)).toThrow('at bt.npy, found Infinity at row 5, column 2');
  expect(() => readDeviceOperands(openMatrix('b.npy', files), openMatrix('b.npy', files), 'nt', 2, 3)).toThrow('Infinity at row 2, column 5');
  expect(() => readDeviceOperands(a, openMatrix('b.npy', files), 'nn', 2, 2)).toThrow('no such device');
});
