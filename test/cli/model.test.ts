// `tilewire model` and `tilewire paper` as a user types them: what is printed and written, and what is refused.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storeMachine } from '../../src/host/machine-cache.ts';
import { MACHINE_FILES } from '../../src/model/machine.ts';
import { SCHEDULES } from '../../src/model/schedules.ts';
import type { ModelReport } from '../../src/report/model-record.ts';
import type { PaperJson } from '../../src/report/paper-json.ts';
import { counting, dict, npyBytes, valueBytes } from '../host/operand-files/written-files.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const readme = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const STALE = 'the timing model’s output in the README is not what is printed now: paste it anew';
const SHAPE = ['--m', '512', '--n', '384', '--k', '64', '--devices', '4'];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function tilewire(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function file(name: string, content: unknown): string {
  const target = path.join(folder, name);
  fs.writeFileSync(target, typeof content === 'string' ? content : JSON.stringify(content));
  return target;
}

const read = <T>(name: string): T => JSON.parse(fs.readFileSync(name, 'utf8')) as T;

/** Exit status 2, nothing on stdout, and one error that holds all of `parts`. */
function refused(args: string[], ...parts: string[]): void {
  const { status, stdout, stderr } = tilewire(...args);
  expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
  for (const part of [...parts, 'fix: ']) expect(stderr).toContain(part);
  expect(stderr.match(/^tilewire: /gm)).toHaveLength(1);
  expect(stderr).not.toContain('    at ');
}

test('help names every schedule and every machine', () => {
  const { status, stdout } = tilewire('model', '--help');
  expect(status).toBe(0);
  for (const { name } of [...SCHEDULES, ...MACHINE_FILES]) expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
  for (const part of ['Usage: tilewire model', 'Examples:', 'Exit codes:', '--machine-schema', 't-nlg']) expect(stdout).toContain(part);
  expect(tilewire('paper', '--help').stdout).toContain('"not given" is a published value');
});

test('a model run: the table, and the JSON that says the same', () => {
  const json = path.join(folder, 'model.json');
  const { status, stdout } = tilewire('model', '--model', 't-nlg', '--layer', 'op', '--tp', '8', '--tokens', '1024', '--schedule', 't3,t3-mca', '--topology', 'switch', '--json', json);
  expect(status).toBe(0);
  expect(stdout).toContain('t-nlg op TP 8');
  expect(stdout).toContain(', switch, link');
  const report = read<ModelReport>(json);
  expect(report.parameters.machine.topology).toEqual({ value: 'switch', source: '--topology' });
  expect(report.cases.map(({ model, sublayer, tp, schedule }) => [model, sublayer, tp, schedule])).toEqual([['t-nlg', 'op', 8, 't3'], ['t-nlg', 'op', 8, 't3-mca']]);
  for (const { speedup } of report.cases) expect(stdout).toContain(speedup.toFixed(3));
  refused(['model', ...SHAPE, '--json', json], 'this file exists', '--force');
});

test('the README shows what is printed', () => {
  const { status, stdout } = tilewire('model', '--model', 't-nlg', '--layer', 'fc2', '--tp', '8');
  expect(status).toBe(0);
  expect(readme.includes(`\n\`\`\`\n${stdout}\`\`\`\n`), STALE).toBe(true);
});

test('all schedules on a machine of one’s own, by numbers and ragged', () => {
  const machine = file('mine.json', { ...MACHINE_FILES[0], name: 'mine', cus: { value: 3, source: 'made up' } });
  const json = path.join(folder, 'mine-out.json');
  const { status, stdout } = tilewire('model', '--m', '517', '--n', '383', '--k', '65', '--devices', '3', '--schedule', 'all', '--machine', machine, '--json', json);
  expect(status).toBe(0);
  expect(stdout).toContain('mine: ');
  const { cases } = read<ModelReport>(json);
  expect(cases.map(({ schedule }) => schedule)).toEqual(SCHEDULES.map(({ name }) => name));
  for (const of of cases) expect(of).toMatchObject({ machine: 'mine', model: null, sublayer: null, tp: 3 });
});

test('what the links do not carry: left out of all, refused by name', () => {
  const { status, stdout, stderr } = tilewire('model', ...SHAPE, '--topology', 'two-level', '--schedule', 'all');
  expect(status).toBe(0);
  expect(stderr).toContain('note: direct-store is left out, it cannot run on this machine: device 0 has no link');
  expect(stdout).toContain('  t3: ');
  expect(stdout).not.toContain('direct-store: ');
  const named = tilewire('model', ...SHAPE, '--topology', 'two-level', '--schedule', 'direct-store');
  expect(named).toMatchObject({ status: 2, stdout: '' });
  for (const part of ['direct-store cannot run on this machine', '--topology', 'found two-level', 'fix: ']) expect(named.stderr).toContain(part);
});

test('every flag reaches what is modelled', () => {
  const json = path.join(folder, 'flag.json');
  const modelled = (...args: string[]): ModelReport => {
    expect(tilewire('model', ...SHAPE, '--schedule', 't3-mca', '--json', json, '--force', ...args).status).toBe(0);
    return read<ModelReport>(json);
  };
  const plain = modelled();
  const [{ timeUs, gemmUs }] = plain.cases;
  expect({ chunk: plain.chunk, schedules: plain.cases.length, machine: plain.parameters.machine.name }).toEqual({ chunk: 'rows', schedules: 1, machine: 'paper' });
  expect(modelled('--chunk', 'columns')).toMatchObject({ chunk: 'columns' });
  expect(plain).toMatchObject({ splits: 1, skew: null });
  const skewed = modelled('--skew', '1.5', '--seed', '9');
  expect(skewed.skew).toMatchObject({ factor: 1.5, seed: 9 });
  expect(skewed.skew!.gemmUs).toHaveLength(4);
  expect(skewed.cases[0]).toMatchObject({ withoutSkewUs: timeUs });
  expect(skewed.cases[0].timeUs).toBeGreaterThan(timeUs);
  expect(modelled('--skew', '1.5', '--seed', '8').cases[0].timeUs).not.toBe(skewed.cases[0].timeUs);
  expect(modelled('--splits', '3').splits).toBe(3);
  expect(modelled('--splits', '3').cases[0].dramBytes.gemmWrites).toBe(3 * plain.cases[0].dramBytes.gemmWrites);
  expect(modelled('--chunk', 'columns').cases[0].timeUs).not.toBe(timeUs);
  expect(modelled('--machine', file('slow.json', { ...MACHINE_FILES.find(({ name }) => name === 'paper'), clockGHz: { value: 0.1, source: 'made up' } })).cases[0].gemmUs).toBeGreaterThan(2 * gemmUs);
  expect(modelled('--machine', 'paper-2x-cu').parameters.machine.name).toBe('paper-2x-cu');
  expect(plain).toMatchObject({ overflow: 'spill', parameters: { parameters: { trackerSets: { value: 256, source: 'the paper' }, trackerWays: { value: 8 } } } });
  expect(plain.cases[0].tracker).toMatchObject({ overflows: 0 });
  const tiny = ['--tracker-sets', '1', '--tracker-ways', '2'];
  const [spilt, stalled] = [modelled(...tiny), modelled(...tiny, '--overflow', 'stall')];
  for (const of of [spilt, stalled]) expect(of.parameters.parameters).toMatchObject({ trackerSets: { value: 1, source: '--tracker-sets' }, trackerWays: { value: 2, source: '--tracker-ways' } });
  expect(spilt.cases[0].tracker!.overflows).toBeGreaterThan(0);
  expect([spilt.overflow, spilt.cases[0].timeUs, stalled.overflow]).toEqual(['spill', timeUs, 'stall']);
  expect([spilt, stalled].map(({ cases: [{ tracker }] }) => tracker!.peakEntries > 2)).toEqual([true, false]);
  expect(tilewire('model', ...SHAPE, '--schedule', 't3', ...tiny, '--overflow', 'stall').stdout).toContain('\n  tracker     1 set of 2; of a piece that finds its set full, updates do not count until a way is free (stall)\n');
  const nodes = file('nodes.json', { ...MACHINE_FILES.find(({ name }) => name === 'paper'), nodeDevices: { value: 2, source: 'made up' }, nodeGBs: { value: 10, source: 'made up' } });
  expect(modelled('--machine', nodes).cases[0].timeUs).toBe(timeUs);
  expect(modelled('--machine', nodes, '--topology', 'two-level').cases[0].timeUs).toBeGreaterThan(timeUs);
});

test('the JSON Schema of a machine, and nothing else', () => {
  const { status, stdout, stderr } = tilewire('model', '--machine-schema');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ type: 'object', required: expect.arrayContaining(['cus', 'linkGBs']) });
});

test('flags that cannot be', () => {
  refused(['model', ...SHAPE, '--schedule', 't3,t4'], '--schedule', 'found t4', 'limit sequential', 't3-mca');
  refused(['model', ...SHAPE, '--schedule', 't3,t3'], 'named twice');
  refused(['model', ...SHAPE, '--machine', 'h900'], '--machine', 'h900', 'paper-2x-cu');
  refused(['model', ...SHAPE, '--topology', 'torus'], '--topology', 'torus', 'two-level');
  refused(['model', '--m', '8', '--n', '8', '--k', '8'], '--devices');
  refused(['model', '--model', 't-nlg', '--layer', 'fc2', '--tp', '9'], '--tp', 'found 9');
  refused(['model', '--m', '65535', '--n', '65535', '--k', '65535', '--devices', '2'], '--m', 'found 268435456 slabs', 'limit 67108864');
  refused(['model', '--m', '9999999', '--n', '9999', '--k', '8', '--devices', '2'], '--m', '12343750 tiles of 128 x 128', 'limit 2097152');
  refused(['model', ...SHAPE.slice(0, 6), '--devices', '1025'], '--devices', 'found 1025', 'limit 1..1024');
  refused(['model', '--model', 'mt-nlg', '--layer', 'fc2', '--tp', '1280'], '--tp', 'found 1280', 'from 1 to 1024');
  refused(['model', ...SHAPE, '--operands', 'exact'], '--operands');
  refused(['model', ...SHAPE, '--skew', '5'], '--skew', 'found 5');
  refused(['model', ...SHAPE, '--splits', '0'], '--splits', 'found 0');
  refused(['model', ...SHAPE, '--tracker-sets', '3'], '--tracker-sets', 'found 3', 'a power of two');
  refused(['model', ...SHAPE, '--tracker-ways', '0'], '--tracker-ways', 'found 0', 'limit 1..1024');
  refused(['model', ...SHAPE, '--overflow', 'drop'], '--overflow', 'found drop', 'spill, stall');
  refused(['model', '--m', '32768', '--n', '32768', '--k', '32768', '--devices', '8', '--overflow', 'stall'], 'found 268435456 slabs');
  refused(['model', '--m', '32768', '--n', '32768', '--k', '32768', '--devices', '8', '--skew', '1'], 'found 268435456 slabs');
  refused(['paper', '--html', path.join(folder, 'no', 'where.html')], '--html', 'does not exist');
  refused(['paper', '--schedule', 't3'], '--schedule');
});

test('machine this: what was calibrated last; none, or a broken one, is one error', () => {
  const cache = path.join(folder, 'cache');
  const machines = path.join(cache, 'tilewire', 'machines');
  const modelled = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'model', ...SHAPE, '--schedule', 't3-mca', '--machine', 'this', ...args], { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: cache } });
    return { status, stdout, stderr };
  };
  expect(modelled()).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^tilewire: no adapter of this machine was calibrated \(at --machine, found this\) \[BAD_FLAG\]\n {2}fix: measure it: `tilewire doctor --calibrate`\n$/) });
  const source = 'measured: by nobody';
  const environment = { backend: 'chrome' as const, browser: 'Chrome/143', adapter: { vendor: 'acme', architecture: '', description: '', isFallback: false, isSerial: false } };
  const kept = storeMachine(environment, { ...MACHINE_FILES[0]!, name: 'this', about: 'the machine of a test', parameters: { elementBytes: { value: 4, source }, updateFactor: { value: 9, source } } }, '2026-03-04', machines);
  const json = path.join(folder, 'this.json');
  const { status, stdout, stderr } = modelled('--json', json);
  expect({ status, note: stderr.includes('adapters were calibrated') }).toEqual({ status: 0, note: false });
  expect(stdout).toContain('this: the machine of a test');
  expect(stdout).toContain('of machine this itself: elementBytes 4, updateFactor 9');
  const report = read<ModelReport>(json);
  // The report echoes what was used: from it, as a file, comes the same.
  expect(report.parameters.parameters).toMatchObject({ elementBytes: { value: 4, source }, updateFactor: { value: 9, source }, tileM: { value: 128 } });
  const again = path.join(folder, 'again.json');
  expect(tilewire('model', ...SHAPE, '--schedule', 't3-mca', '--machine', file('echo.json', report.parameters.machine), '--json', again).status).toBe(0);
  expect(read<ModelReport>(again).cases).toEqual(report.cases);
  expect(tilewire('model', ...SHAPE, '--schedule', 't3-mca', '--machine', 'paper', '--json', again, '--force').status).toBe(0);
  expect(read<ModelReport>(again).cases[0]!.timeUs).toBeLessThan(report.cases[0]!.timeUs);
  storeMachine({ ...environment, browser: 'Chrome/144' }, { ...MACHINE_FILES[0]!, name: 'this', about: 'another one' }, '2026-03-05', machines);
  fs.utimesSync(kept, 1, 1);
  expect(modelled().stderr).toContain('2 adapters were calibrated; this is the last one: another one');
  for (const name of fs.readdirSync(machines)) fs.writeFileSync(path.join(machines, name), '{"version": 1');
  expect(modelled()).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/cannot be read[^]*fix: measure it: `tilewire doctor --calibrate`\n$/) });
});

test('what WebGPU could not run is modelled, and run refuses it', () => {
  const json = path.join(folder, 'large.json');
  const modelled = (...args: string[]): ModelReport => {
    expect(tilewire('model', ...args, '--schedule', 't3-mca', '--json', json, '--force')).toMatchObject({ status: 0, stdout: expect.stringContaining('t3-mca') });
    return read<ModelReport>(json);
  };
  expect(modelled('--model', 'mt-nlg', '--layer', 'fc2', '--tp', '32').cases[0]!.timeUs).toBeGreaterThan(100);
  // More tiles along one side than a dispatch has workgroups; a matrix beyond 32-bit indices; more devices than are emulated.
  const shapes: [string[], string][] = [
    [['--m', '9000000', '--n', '64', '--k', '8', '--devices', '2'], 'limit 65535'],
    [['--m', '64', '--n', '64', '--k', '70000000', '--devices', '2'], 'too many elements for a 32-bit index'],
    [['--m', '512', '--n', '384', '--k', '8', '--devices', '100'], 'limit 1..64'],
    [['--model', 'mt-nlg', '--layer', 'fc2', '--tp', '128'], 'from 1 to 64'],
  ];
  for (const [shape, limit] of shapes) {
    refused(['run', ...shape, '--operands', 'normal'], limit);
    expect(modelled(...shape).cases[0]!.timeUs).toBeGreaterThan(0);
  }
  expect(tilewire('explain', '--m', '128', '--n', '128', '--k', '8', '--devices', '70')).toMatchObject({ status: 0, stdout: expect.stringContaining('128x128x8 on 70') });
  const slow = file('slowest.json', { ...MACHINE_FILES[0], cus: { value: 1, source: 'x' }, clockGHz: { value: 0.01, source: 'x' }, flopsPerClockPerCu: { value: 16, source: 'x' } });
  refused(['model', '--model', 'mt-nlg', '--layer', 'fc2', '--tp', '1', '--machine', slow], '--tokens', 'longer than the clock counts', 'limit 9007 s');
}, 300_000);

test('machine files that cannot be: path, what was found, the limit and the fix', () => {
  const [paper] = MACHINE_FILES;
  const machine = (name: string, content: unknown): string[] => ['model', ...SHAPE, '--machine', file(name, content)];
  refused(machine('cus.json', { ...paper, cus: { value: -3, source: 'x' } }), 'cus.json cus.value', 'found -3', 'limit 1..65536', '1 issue (');
  refused(machine('two.json', { ...paper, topology: { value: 'torus', source: 'x' }, llcBytes: 7 }), '2 issues', 'llcBytes', 'found 7', 'topology.value: found "torus"');
  refused(machine('slow.json', { ...paper, linkGBs: { value: 1e-6, source: 'x' }, cus: { value: 1e9, source: 'x' } }), 'slow.json cus.value', 'found 1000000000', 'limit 1..65536', 'linkGBs.value: found 0.000001, limit 0.01..1000000');
  const { clockGHz: _, ...without } = paper;
  refused(machine('less.json', without), 'less.json clockGHz', 'found nothing');
  refused(machine('more.json', { ...paper, warp: 9 }), 'more.json', 'warp');
  refused(machine('text.json', 'cus: 3'), 'not JSON', 'text.json');
  refused(machine('array.json', []), 'array.json', 'found []');
  refused(['model', ...SHAPE, '--machine', path.join(folder, 'none.json')], 'cannot be read', 'none.json');
});

test('the paper: all tables, the JSON and the page', () => {
  const [json, html] = ['paper.json', 'paper.html'].map((name) => path.join(folder, name));
  const { status, stdout, stderr } = tilewire('paper', '--json', json, '--html', html);
  expect(status).toBe(0);
  expect(stderr).toContain('tilewire: cases 0/28\n');
  expect(stderr).toContain('paper.json is without search and ablations: --sensitivity makes them');
  const record = read<PaperJson>(json);
  expect(record.cases).toHaveLength(28 * 6);
  expect(record).toMatchObject({ search: null, ablations: null });
  for (const { name, value, source } of record.assumptions) expect(stdout).toMatch(new RegExp(`^ {2}${name} +${String(value)}  ${source.replaceAll(/[()/|*+?.]/g, String.raw`\$&`)}$`, 'm'));
  const [, claims] = /^Claims\n=+\n([^]*?)\n\n/m.exec(stdout)!;
  for (const { claim } of record.summary) expect(claims).toContain(`  ${claim}  `);
  expect(readme.includes(`\n\`\`\`\n${claims}\n\`\`\`\n`), STALE).toBe(true);
  expect(readme.includes(`in ${/in (\d+ of 28) cases/.exec(stdout)![1].replace(' of ', ' of the ')} cases`), STALE).toBe(true);
  const page = fs.readFileSync(html, 'utf8');
  for (const part of ['id="traffic"', '<h2>End to end</h2>', 'Study: twice the CUs']) expect(page).toContain(part);
});

test('the shape may be that of the user\'s matrices', () => {
  const npy = (name: string, rows: number, columns: number): string => {
    const target = path.join(folder, name);
    fs.writeFileSync(target, npyBytes(dict('<f4', `(${rows}, ${columns})`), valueBytes(counting(rows, columns), 'f4')));
    return target;
  };
  const json = path.join(folder, 'files.json');
  const args = ['--a', npy('a.npy', 96, 64), '--b', npy('b.npy', 64, 80), '--tp', '4', '--schedule', 't3', '--json', json];
  expect(tilewire('model', ...args).status).toBe(0);
  expect(read<ModelReport>(json)).toMatchObject({ gemm: { m: 96, n: 80, k: 16, kTotal: 64 }, devices: 4 });
  refused(['model', ...args.slice(0, 2), '--tp', '4'], '--b is missing');
});
