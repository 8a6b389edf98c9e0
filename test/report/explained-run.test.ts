// `tilewire explain --run`: what is read of a report, the three columns and their sums, and files that are none.
import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import type { PathCause } from '../../src/model/explain.ts';
import { MACHINE_FILES } from '../../src/model/machine.ts';
import { causeRows, explainRun, measuredRuns, plainRows, unmodelled, type RunExplained } from '../../src/report/explained-run.ts';
import { runsExplainedTable, totalOf } from '../../src/report/explained-run-table.ts';
import { PATH_TERMS } from '../../src/report/figures.ts';
import { reportToJson } from '../../src/report/json.ts';
import type { RunReport } from '../../src/verify/run-report.ts';
import { report } from './explained-sample.ts';
import { environment, run } from './sample.ts';

const [paper] = MACHINE_FILES;
const sample: RunReport = { ...run, measured: { ...run.measured, collectiveMs: 100, plainPartsMs: 8100, fusedMs: 8400 } };
const file = (runs: readonly unknown[] = [sample]): string => reportToJson({ version: 1, environment, runs: runs as RunReport[] });
const explain = (of: RunReport): RunExplained => explainRun(measuredRuns(file([of]), 'r.json').runs[0], 't3', paper, () => {});
const small: RunReport = { ...sample, spec: { ...run.spec, name: 'small', gemm: { m: 256, n: 256, k: 64, kTotal: 256 }, devices: 4, chunk: 'rows' } };

test('a report is read as it was written', () => {
  const { runs, environment: read } = measuredRuns(file([sample, small]), 'r.json');
  expect(read).toEqual(environment);
  expect(runs.map(({ spec }) => spec.name)).toEqual(['t-nlg fc2 TP 8', 'small']);
  const { spec, measured, replayed, time, failures } = sample;
  expect(runs[0]).toEqual({ spec, measured, replayed, time, failures });
});

test('each column sums to its own time, and knows only its own causes', () => {
  const explained = explain(small);
  const rows = causeRows(explained);
  expect(totalOf(rows, 'measured')).toBeCloseTo(8400, 9);
  expect(totalOf(rows, 'replayed')).toBeCloseTo(1004, 9);
  const { path } = explained.modelled!;
  expect(totalOf(rows, 'modelled')! * 1e9).toBeCloseTo(path.at(-1)!.toPs, 0);
  const known = (column: 'measured' | 'replayed' | 'modelled'): string[] => rows.flatMap((row) => (row[column] === null ? [] : [row.name]));
  expect(known('measured')).toEqual(['compute', 'link', 'memory', 'trigger', 'overlapped', 'gaps', 'begin and end']);
  expect(known('replayed')).toEqual(['compute', 'link', 'memory']);
  expect(known('modelled')).toEqual(['compute', 'wave quantisation', 'operands', 'link', 'latency', 'memory', 'trigger']);
  expect(rows.find(({ name }) => name === 'gaps')!.measured).toBe(30);
});

test('what overlapped is taken off; every cause of a path has one row', () => {
  const fused = { ...sample.time.fused!, gemmMs: 8350, overlappedMs: 100 };
  const rows = causeRows({ ...sample, time: { ...sample.time, fused }, modelled: null, unmodelled: '' });
  expect(rows.find(({ name }) => name === 'overlapped')!.measured).toBe(-100);
  expect(totalOf(rows, 'measured')).toBeCloseTo(8400, 9);
  expect(plainRows({ ...sample, time: { ...sample.time, fused } })!.reduce((sum, row) => sum + row.fused, 0)).toBe(8400);
  for (const cause of Object.keys(PATH_TERMS) as PathCause[]) {
    const modelled = { ...report, path: [{ cause, device: 0, tile: 0, fromPs: 0, toPs: 5e9 }] };
    expect(causeRows({ ...sample, modelled, unmodelled: null }).flatMap((row) => (row.modelled ? [row.modelled] : []))).toEqual([5]);
  }
});

test('fused against plain: the rows sum to both, and to the difference', () => {
  const rows = plainRows(sample)!;
  expect(rows.reduce((sum, { plain }) => sum + (plain ?? 0), 0)).toBe(8100);
  expect(rows.reduce((sum, { fused }) => sum + fused, 0)).toBe(8400);
  expect(plainRows({ ...sample, measured: { ...sample.measured, gemmMs: null } })).toBeNull();
});

test('the text: columns, what most of the difference is, the replay, and the model under its own heading', () => {
  const text = runsExplainedTable({ version: 1, environment, schedule: 't3', machine: paper, runs: [explain(small)] });
  const line = (start: RegExp): string => text.split('\n').find((of) => start.test(of)) ?? '';
  expect(text.split('\n')[0]).toMatch(/^adapter: google swiftshader \(SOFTWARE FALLBACK/);
  expect(line(/^ {2}where the time went/)).toMatch(/measured\s+replayed\s+modelled$/);
  expect(line(/^ {2}compute .*slabs multiplied$/)).toMatch(/8\.25 s\s+98\.2 %\s+1\.00 s\s+99\.6 %\s+\d/);
  expect(line(/^ {2}gaps .*encoding/)).toMatch(/30\.0 ms\s+0\.4 %\s+–\s+–/);
  expect(line(/^ {2}GEMM {2}/)).toMatch(/8\.00 s\s+8\.25 s\s+\+250 ms\s+\+3\.1 %/);
  expect(line(/^ {2}transfers/)).toMatch(/55\.0 ms\s+60\.0 ms\s+\+5\.00 ms/);
  expect(line(/^ {2}most of that/)).toContain('GEMM, +250 ms');
  expect(line(/^ {2}counterWaits/)).toMatch(/ 0 {2}times that the host had to wait/);
  expect(line(/^ {2}1\.00 s fused/)).toContain('1.01 s GEMM-then-collective (GEMM 1.00 s, then 14.0 ms): −10.0 ms');
  expect(line(/^why t3/)).toContain('modelled, nothing of it measured');
});

test('what was not timed, or has no baseline, is a dash with what to do; a wrong run is called wrong', () => {
  const explained = explain({ ...small, measured: { ...small.measured, gemmMs: null }, time: { fused: null, plain: null, replayed: null }, failures: [{ code: 'WRONG_VALUES', message: 'x' }] });
  const text = runsExplainedTable({ version: 1, environment, schedule: 't3', machine: paper, runs: [explained] });
  expect(text).toContain('measured: –, no GPU timestamps of all of it');
  expect(text).toContain('replayed: –');
  expect(text).toContain('--baseline --json NEW.json');
  expect(text).toMatch(/FAILED +this run was wrong \(WRONG_VALUES\)/);
});

test('what the model cannot take is said, and the rest is told all the same', () => {
  const direct = explain({ ...small, spec: { ...small.spec, algorithm: 'direct' } });
  expect(direct.modelled).toBeNull();
  expect(totalOf(causeRows(direct), 'modelled')).toBeNull();
  const text = runsExplainedTable({ version: 1, environment, schedule: 't3', machine: paper, runs: [direct] });
  expect(text).toContain('not modelled: the schedules with a critical path run on a ring, this run is direct');
  expect(text).not.toContain('wave quantisation');
  const { kernel } = small.spec;
  expect(unmodelled({ ...small.spec, kernel: { ...kernel, splits: 2 } as typeof kernel }, paper)).toContain('split');
  expect(unmodelled({ ...small.spec, devices: 1 }, paper)).toContain('one device');
  expect(unmodelled({ ...small.spec, gemm: { m: 65_535, n: 65_535, k: 65_535, kTotal: 4 * 65_535 } }, paper)).toContain('slabs');
  expect(unmodelled(small.spec, paper)).toBeNull();
});

const without = (of: object, key: string): unknown => Object.fromEntries(Object.entries(of).filter(([name]) => name !== key));

test.each([
  ['no JSON', '{', 'not JSON', 'r.json'],
  ['a Spec alone', JSON.stringify(run.spec), 'no measured run', 'r.json'],
  ['no runs', '{"runs": []}', 'no measured run', 'r.json'],
  ['a run that is a number', JSON.stringify({ environment, runs: [3] }), 'not an object', 'runs[0]'],
  ['no environment', JSON.stringify({ runs: [sample] }), 'not a report', 'environment'],
  ['a Spec that is none', file([{ ...sample, spec: { ...run.spec, devices: 0 } }]), 'not a resolved Spec', 'runs[0].spec'],
  ['an older report', file([without(sample, 'time')]), 'older tilewire', 'runs[0].time'],
  ['a figure that is a text', file([{ ...sample, measured: { ...sample.measured, fusedMs: 'long' } }]), 'measured.fusedMs', 'runs[0]'],
  ['what explain wrote', JSON.stringify({ environment, runs: [{ spec: run.spec, modelled: null }] }), 'measured', 'runs[0]'],
])('refused: %s', (_what, text, ...parts) => {
  let error: unknown;
  try {
    measuredRuns(text, 'r.json');
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(TilewireError);
  for (const part of parts) expect((error as TilewireError).message).toContain(part);
  expect((error as TilewireError).message).toContain('fix: ');
});
