// The text of `tilewire explain` against a record made by hand.
import { expect, test } from 'vitest';
import { explainTable } from '../../src/report/explain-table.ts';
import { report } from './explained-sample.ts';

const lines = explainTable(report).split('\n');
const line = (start: RegExp): string => lines.find((of) => start.test(of)) ?? '';

test('shape and machine, and what fusing changes: it sums to the difference', () => {
  expect(line(/^why/)).toBe('why t3 takes its time: small, modelled, nothing of it measured');
  expect(line(/^ {2}gemm/)).toContain('2 x 9 x 4 or 3 (m x n x k per device), in tiles of 128 x 128');
  expect(line(/^ {2}sequential/)).toMatch(/19\.0 µs\s+9\.00 µs\s+6\.00 µs\s+4\.00 µs\s+1\.000$/);
  expect(line(/^ {2}t3 {2}/)).toMatch(/14\.0 µs\s+9\.50 µs\s+500 ns after it\s+4\.00 µs\s+1\.357$/);
  expect(line(/^ {2}ideal-overlap/)).toMatch(/13\.0 µs\s+9\.00 µs\s+0 after it\s+4\.00 µs\s+1\.462$/);
  expect(line(/^ {2}t3 takes/)).toContain('5.00 µs less than sequential (19.0 µs to 14.0 µs)');
  expect(line(/^ {4}reduce-scatter/)).toContain('−6.00 µs');
  expect(line(/^ {4}order/)).toContain('−250 ns');
  expect(line(/^ {4}communication/)).toContain('+1.25 µs');
});

test('causes with their share, the path by cause and longest first, and what no part of it waited for', () => {
  expect(line(/^where/)).toContain('device 2, the last to finish, 10.0 µs');
  const cpus = lines.slice(lines.findIndex((of) => of.startsWith('where')) + 1);
  expect(cpus[0]).toMatch(/^ {2}compute\s+6\.00 µs\s+60\.0 %  slabs multiplied/);
  expect(cpus[2]).toMatch(/^ {2}link back-pressure\s+0\s+0\.0 %/);
  expect(line(/^critical path/)).toContain('all 3 devices simulated. 10.0 µs, 4 segments over 2 devices');
  const path = lines.slice(lines.findIndex((of) => of.startsWith('critical path')) + 1);
  expect(path[0]).toMatch(/^ {2}compute\s+7\.00 µs\s+70\.0 %/);
  expect(path[1]).toMatch(/^ {2}link\s+3\.00 µs\s+30\.0 %/);
  expect(path[2]).toMatch(/^ {2}trigger\s+2.00 ps\s+0\.0 %/);
  expect(path[3]).toBe('  none of it: wave quantisation, DRAM: operands, DRAM: own store, DRAM: DMA read, DRAM: update, link back-pressure, latency, DMA queue');
});

test('a map with this run, what was left out, and its extremes', () => {
  expect(line(/^ {2}64/)).toMatch(/64\s+0\.900 -\s+\* 1\.357 \+\s+–$/);
  expect(line(/^ {2}wins/)).toBe('  wins in 1 of 2, breaks even in 0, loses in 1; most 1.357 at tile 64, m 2; least 0.900 at tile 64, m 1');
});
