// `tilewire instrument` without a GPU: what it prints and writes, and what it refuses before any browser starts.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BINDINGS_EXAMPLE } from '../../src/cli/bindings-example.ts';
import { bindingsJsonSchema, parseBindings } from '../../src/spec/kernel-bindings.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const kernel = fileURLToPath(new URL('../gallery/classic-shared-tile.wgsl', import.meta.url));
const SHAPE = ['--m', '64', '--n', '96', '--k', '8', '--devices', '4'];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const instrument = (...args: string[]) => spawnSync(process.execPath, [cli, 'instrument', ...args], { encoding: 'utf8', env: { ...process.env, PUPPETEER_EXECUTABLE_PATH: '' } });

function refused(args: string[], ...parts: string[]): void {
  const { status, stdout, stderr } = instrument(...args);
  expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
  for (const part of [...parts, 'fix: ']) expect(stderr).toContain(part);
}

test('the rewritten kernel with a map to the lines of its file', () => {
  const json = path.join(folder, 'kernel.json');
  const { status, stdout, stderr } = instrument(kernel, ...SHAPE, '--no-probe', '--json', json);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const printed = stdout.split('\n');
  const original = fs.readFileSync(kernel, 'utf8').trimEnd().split('\n');
  expect(printed[0]).toMatch(/^\/\/ classic-shared-tile\.wgsl, entry matrixMul: instrumented for 4 devices, output scattered by columns; 1 slot, op mixed\.$/);
  const report = JSON.parse(fs.readFileSync(json, 'utf8'));
  expect(report.code).toBe(stdout);
  expect(report).toMatchObject({ version: 1, variant: { slots: 1, op: 'mixed' }, kernel: { entry: 'matrixMul', grid: [6, 4, 1] } });
  expect(report).not.toHaveProperty('footprint');
  expect(report.lineMap).toHaveLength(printed.length - 1);
  report.lineMap.forEach((line: number | null, at: number) => {
    if (line !== null && printed[at].includes('workgroupBarrier')) expect(original[line - 1]).toContain('workgroupBarrier');
  });
  const store = printed.findIndex((line) => line.includes('tw_store(u32('));
  expect(original[report.lineMap[store] - 1]).toContain('d_C[');
  expect(printed.slice(report.instrumentationBegins - 1).join('\n')).toContain('fn tw_main(');
  expect(report.lineMap[report.instrumentationBegins - 2]).not.toBeNull();
  expect(report.lineMap.slice(report.instrumentationBegins - 1).every((line: unknown) => line === null)).toBe(true);
  expect(printed[1]).toBe(`// ${original.length} lines are the kernel's own, the instrumentation begins at line ${report.instrumentationBegins}.`);
});

test('other variants, and a built-in kernel, whose footprint is known without a GPU', () => {
  expect(instrument(kernel, ...SHAPE, '--no-probe', '--slots', '3', '--op', 'store').stdout).toMatch(/3 slots, op store[^]*var<storage, read_write> tw_chunk2/);
  const svg = path.join(folder, 'footprint.svg');
  const { status, stdout } = instrument('gemm-register', ...SHAPE, '--no-probe', '--device', '2', '--svg', svg, '--algorithm', 'direct');
  expect(status).toBe(0);
  for (const part of ["by the kernel's lane layout, not probed", 'device 2 of 4, direct', '// step  stage  chunk']) expect(stdout).toContain(part);
  expect(fs.readFileSync(svg, 'utf8')).toContain('<title>gemm-register: who writes what of C, 64 × 96</title>');
});

test('--schema prints the JSON Schema of the bindings file', () => {
  const { status, stdout } = instrument('--schema');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(bindingsJsonSchema())));
  expect(JSON.parse(stdout).properties.grid).toMatchObject({ description: expect.stringContaining('Workgroups') });
});

test('the documented bindings file is one, and stands in both help pages', () => {
  expect(parseBindings(JSON.parse(BINDINGS_EXAMPLE), 'example')).toMatchObject({ entry: 'tiled' });
  const described = Object.keys(JSON.parse(JSON.stringify(bindingsJsonSchema())).properties);
  expect(described).toEqual(expect.arrayContaining(Object.keys(JSON.parse(BINDINGS_EXAMPLE))));
  for (const command of ['run', 'instrument']) {
    const { stdout } = spawnSync(process.execPath, [cli, command, '--help'], { encoding: 'utf8' });
    for (const line of BINDINGS_EXAMPLE.split('\n')) expect(stdout).toContain(line);
  }
});

test('what cannot be is refused', () => {
  refused([], 'no kernel given');
  refused([path.join(folder, 'none.wgsl'), ...SHAPE], 'FILE.wgsl', 'ENOENT');
  refused([kernel], '--m, --n, --k, --devices are missing');
  refused(['gemm-register', '--m', '32768', '--n', '16384', '--k', '8', '--devices', '4', '--no-probe'], 'MEMORY_LIMIT', '--m');
  refused([kernel, ...SHAPE, '--slots', '0'], '--slots', '1 to 64');
  refused([kernel, ...SHAPE, '--op', 'xor'], '--op', 'store, mixed');
  refused([kernel, ...SHAPE, '--device', '4'], '--device', '0 to 3');
  refused([kernel, ...SHAPE, '--no-probe', '--svg', path.join(folder, 'x.svg')], '--svg', '--no-probe');
  refused(['gemm-register', ...SHAPE, '--entry', 'main'], '--entry', 'built in');
  const existing = path.join(folder, 'existing.svg');
  fs.writeFileSync(existing, 'mine');
  refused([kernel, ...SHAPE, '--svg', existing], '--svg', 'FILE_EXISTS');
  expect(fs.readFileSync(existing, 'utf8')).toBe('mine');
});

test('a use of the output that cannot be followed is named at the line of the file', () => {
  const file = path.join(folder, 'reads.wgsl');
  fs.writeFileSync(file, `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = 0f;
  // @unroll
  for (var i = 0u; i < 9u; i++) {
    sum += a[i];
  }
  c[id.x] += sum * b[id.x];
}
`);
  fs.writeFileSync(path.join(folder, 'reads.json'), '{ "grid": [1, 1, 1] }');
  refused([file, ...SHAPE, '--no-probe'], 'BAD_KERNEL', 'at line 10, found c[id.x] += sum * b[id.x];');
});
