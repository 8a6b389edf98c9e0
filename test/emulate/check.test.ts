// The check checked: a comparison that looked at nothing, one that disagrees with the host, and a reference that is not what
// the Spec's operands give must each be told. Every one of them would otherwise pass for a right run.
import { expect, test } from 'vitest';
import { disagreements, doubtsOf } from '../../src/emulate/check.ts';
import { operandValue, type OperandStream } from '../../src/spec/operands.ts';

const bitsOf = (...values: number[]): Uint32Array<ArrayBuffer> => new Uint32Array(Float32Array.from(values).buffer);

test('a comparison that looked at all elements and agrees with the host', () => {
  expect(disagreements(bitsOf(1, 2, 0), bitsOf(1, 2, -0), { compared: 3, wrong: 0 })).toEqual([]);
  expect(disagreements(bitsOf(1, 2, 3), bitsOf(1, 5, 3), { compared: 3, wrong: 1 })).toEqual([]);
});

test('a comparison that looked at nothing, or not at all of it', () => {
  expect(disagreements(bitsOf(1, 2, 3), bitsOf(1, 2, 3), { compared: 0, wrong: 0 })).toEqual(['the comparison looked at 0 of 3 elements']);
  expect(disagreements(bitsOf(1, 2, 3), bitsOf(1, 2, 3), { compared: 2, wrong: 0 })).toHaveLength(1);
});

test('a comparison that overlooks what is wrong, or makes it up', () => {
  expect(disagreements(bitsOf(1, 2, 3), bitsOf(1, 5, 3), { compared: 3, wrong: 0 })).toEqual(['the comparison found 0 wrong elements on the GPU, 1 on the host']);
  expect(disagreements(bitsOf(1, 2, 3), bitsOf(1, 2, 3), { compared: 3, wrong: 2 })).toHaveLength(1);
});

const spec = { gemm: { m: 9, n: 13, k: 5, kTotal: 15 }, rows: 9, devices: 3, seed: 7 };
const partial = (device: number, row: number, column: number): number => {
  const value = (matrix: OperandStream['matrix'], r: number, c: number): number => operandValue('exact', 4, { seed: spec.seed, device, matrix }, r, c);
  let sum = 0;
  for (let k = 0; k < spec.gemm.k; k++) sum += value(0, row, k) * value(1, k, column);
  return sum;
};
const reference = (of: (row: number, column: number) => number): Uint32Array<ArrayBuffer> => bitsOf(...Array.from({ length: 9 * 13 }, (_, at) => of(Math.floor(at / 13), at % 13)));
const whole = (row: number, column: number): number => [0, 1, 2].reduce((sum, device) => sum + partial(device, row, column), 0);

test('a reference that is what the operands give', () => {
  expect(doubtsOf(reference(whole), spec, { partial })).toEqual([]);
});

test.each<[string, (row: number, column: number) => number]>([
  ['zeros', () => 0],
  ['operands that are 1 all over', () => spec.gemm.k * spec.devices],
  ['the contribution of one device left out', (row, column) => whole(row, column) - partial(1, row, column)],
  ['rows and columns exchanged', (row, column) => whole(column % 9, row)],
])('a reference of %s', (_what, of) => {
  expect(doubtsOf(reference(of), spec, { partial })[0]).toMatch(/the reference has -?\d+ at row \d+, column \d+; the Spec's operands give -?\d+/);
});
