// The text of `tilewire explain` against a record made by hand.
import { expect, test } from 'vitest';
import { MACHINE_FILES, PAPER_PARAMETER_FILE } from '../../src/model/machine.ts';
import { explainTable, type ExplainReport } from '../../src/report/explain-table.ts';

const report: ExplainReport = {
  version: 1,
  name: 'small',
  schedule: 't3',
  devices: 3,
  parameters: { machine: MACHINE_FILES[0], parameters: PAPER_PARAMETER_FILE },
  device: 2,
  breakdown: { compute: 6e6, data: 2e6, link: 0, barrier: 1e6, quantisation: 500_000, afterGemm: 500_000 },
  path: [
    { cause: 'gemm', device: 1, piece: 4, fromPs: 0, toPs: 7e6 },
    { cause: 'link', device: 1, piece: 4, fromPs: 7e6, toPs: 8e6 },
    { cause: 'link', device: 2, piece: 4, fromPs: 8e6, toPs: 10e6 },
  ],
  maps: [{ x: { name: 'm', values: [1, 2] }, y: { name: 'tile', values: [64] }, cells: [{ x: 1, y: 64, speedup: 0.9, verdict: 'loses' }] }],
};

test('causes with their share, the path by cause and longest first, a map with what was left out', () => {
  const lines = explainTable(report).split('\n');
  const line = (start: RegExp): string => lines.find((of) => start.test(of)) ?? '';
  expect(line(/^device 2/)).toContain('10.0 µs by cause');
  expect(line(/^ {2}compute/)).toMatch(/6\.00 µs\s+60\.0 %  slabs multiplied/);
  expect(line(/^ {2}link .*waited for room/)).toMatch(/\b0\s+0\.0 %/);
  expect(line(/^critical path/)).toContain('all 3 devices simulated: 10.0 µs to the last update of the run, 3 segments over 2 devices');
  const path = lines.slice(lines.findIndex((of) => of.startsWith('critical path')) + 1);
  expect(path[0]).toMatch(/^ {2}gemm\s+7\.00 µs\s+70\.0 %/);
  expect(path[1]).toMatch(/^ {2}link\s+3\.00 µs\s+30\.0 %/);
  expect(line(/^ {2}64/)).toMatch(/64\s+0\.900 -\s+–$/);
});
