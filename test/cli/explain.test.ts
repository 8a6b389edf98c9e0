// `tilewire explain` as a user types it: the table, the JSON that says the same, and what is refused.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { byCause } from '../../src/model/explain.ts';
import type { ExplainReport } from '../../src/report/explain-record.ts';
import type { RunsExplained } from '../../src/report/explained-run.ts';
import { reportToJson } from '../../src/report/json.ts';
import { environment, run } from '../report/sample.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const SHAPE = ['--m', '512', '--n', '384', '--k', '64', '--devices', '4'];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function tilewire(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'explain', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('causes sum to the time, the path has no gap, maps have their cells', () => {
  const json = path.join(folder, 'why.json');
  const { status, stdout, stderr } = tilewire(...SHAPE, '--schedule', 't3', '--machine', 'mi210', '--json', json);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const report = JSON.parse(fs.readFileSync(json, 'utf8')) as ExplainReport;
  expect(report).toMatchObject({ version: 1, schedule: 't3', devices: 4 });
  const { path: segments, breakdown, maps } = report;
  expect(segments[0].fromPs).toBe(0);
  segments.slice(1).forEach(({ fromPs }, at) => expect(fromPs).toBe(segments[at].toPs));
  const end = segments.at(-1)!.toPs;
  expect(Object.values(byCause(segments)).reduce((sum, ps) => sum + ps, 0)).toBe(end);
  // The run ends with the last update of the device that finishes last.
  expect(Object.values(breakdown).reduce((sum, ps) => sum + ps, 0)).toBeCloseTo(end, -2);
  expect(segments.some(({ cause }) => cause === 'link')).toBe(true);
  expect(maps.map(({ x, y }) => [x.name, y.name])).toEqual([['m', 'square tile'], ['link GB/s', 'devices']]);
  // What fusing changes is the whole of the difference, and the run that is explained is the one in the table and on the maps.
  const [sequential, fused] = report.times;
  expect(fused).toMatchObject({ schedule: 't3', withoutAllGatherPs: end });
  expect(Object.values(report.change).reduce((sum, ps) => sum + ps, 0)).toBe(fused.timePs - sequential.timePs);
  for (const { x, y, cells } of maps) {
    expect(cells.find((of) => of.x === x.own && of.y === y.own)?.speedup).toBe(sequential.timePs / fused.timePs);
    expect(cells.length).toBe(x.values.length * y.values.length);
    for (const { speedup, verdict } of cells) expect(verdict).toBe(speedup > 1.02 ? 'wins' : speedup < 0.98 ? 'loses' : 'breaks even');
  }
  expect(stdout).toContain('why t3 takes its time: 512x384x64');
  expect(stdout).toContain(`${segments.length} segments`);
  const [{ cells: [cell] }] = maps;
  expect(stdout).toContain(cell.speedup.toFixed(3));
});

test('a map has no cell for more devices than there are columns of A', () => {
  const json = path.join(folder, 'shallow.json');
  expect(tilewire('--m', '900', '--n', '64', '--k', '8', '--devices', '2', '--json', json).status).toBe(0);
  const [, { cells }] = (JSON.parse(fs.readFileSync(json, 'utf8')) as ExplainReport).maps;
  expect([...new Set(cells.map(({ y }) => y))]).toEqual([2, 4, 8, 16]);
});

test.each([
  ['a schedule without a path', ['--schedule', 'ideal-nmc'], '--schedule', 't3-mca'],
  ['one device', ['--devices', '1'], '--devices', 'at least 2'],
  ['a GEMM that would take minutes', ['--m', '65535', '--n', '65535', '--k', '65535'], '--m', 'slabs'],
  ['an unknown machine', ['--machine', 'h1000'], '--machine', 'h100'],
])('%s is refused', (_what, more, ...parts) => {
  const { status, stdout, stderr } = tilewire(...SHAPE, ...more);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  for (const part of [...parts, 'fix: ']) expect(stderr).toContain(part);
  expect(stderr).not.toContain('    at ');
});

test('--run: the file says the shape, every run is explained; nothing else beside it', () => {
  const [file, out] = ['run.json', 'explained.json'].map((name) => path.join(folder, name));
  const small = { ...run, spec: { ...run.spec, name: 'small', gemm: { m: 256, n: 256, k: 64, kTotal: 256 }, devices: 4, chunk: 'rows' } } as const;
  fs.writeFileSync(file, reportToJson({ version: 1, environment, runs: [small, { ...small, spec: { ...small.spec, algorithm: 'direct' } }] }));
  const { status, stdout, stderr } = tilewire('--run', file, '--schedule', 't3', '--json', out);
  expect({ status, stderr: stderr.includes('    at ') }).toEqual({ status: 0, stderr: false });
  expect(stdout.match(/where the time went {2}/g)).toHaveLength(2);
  const { runs } = JSON.parse(fs.readFileSync(out, 'utf8')) as RunsExplained;
  expect(runs.map(({ modelled }) => modelled?.schedule)).toEqual(['t3', undefined]);
  const refused = (args: string[], ...parts: string[]): void => {
    const failed = tilewire(...args);
    expect({ status: failed.status, stdout: failed.stdout }).toEqual({ status: 2, stdout: '' });
    for (const part of [...parts, 'fix: ']) expect(failed.stderr).toContain(part);
    expect(failed.stderr).not.toContain('    at ');
  };
  fs.writeFileSync(path.join(folder, 'spec.json'), JSON.stringify(run.spec));
  refused(['--run', path.join(folder, 'spec.json')], 'spec.json', 'no measured run');
  refused(['--run', file, '--tokens', '64'], '--tokens', 'contradicts --run');
  refused(['--run', path.join(folder, 'none.json')], '--run', 'cannot be read');
});

test('the README shows what is printed', () => {
  const readme = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, pasted] = /```\n(times, and what fusing changes[^]*?)\n```/.exec(readme)!;
  const printed = tilewire('--model', 't-nlg', '--layer', 'fc2', '--tp', '8').stdout.split('\n');
  for (const line of pasted.split('\n')) if (line !== '…') expect(printed).toContain(line);
});
