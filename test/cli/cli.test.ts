// The built command line, as a user types it: exit codes, help, and what is refused before any browser starts.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kernelHash } from '../../src/spec/kernel-sources.ts';
import type { Spec } from '../../src/spec/spec.ts';
import { counting, dict, npyBytes, safetensorsBytes, valueBytes } from '../host/operand-files/written-files.ts';
import { run } from '../report/sample.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const SHAPE = ['--m', '8', '--n', '8', '--k', '8', '--devices', '2'];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function tilewire(...args: string[]) {
  // A browser that cannot be: what is refused in time never gets as far as looking for it.
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env: { ...process.env, TILEWIRE_BACKEND: 'chrome', PUPPETEER_EXECUTABLE_PATH: '' } });
  return { status, stdout, stderr };
}

function file(name: string, content: unknown): string {
  const target = path.join(folder, name);
  fs.writeFileSync(target, typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content));
  return target;
}

const npy = (name: string, rows: number, columns: number): string => file(name, npyBytes(dict('<f4', `(${rows}, ${columns})`), valueBytes(counting(rows, columns), 'f4')));
const sha = (rows: number, columns: number): string => createHash('sha256').update(valueBytes(counting(rows, columns), 'f4')).digest('hex');
const LLAMA = { model_type: 'llama', hidden_size: 64, intermediate_size: 96, num_attention_heads: 8, num_hidden_layers: 2, num_key_value_heads: 4 };

/** Exit status 2, nothing on stdout, and one error that holds all of `parts`. */
function refused(args: string[], ...parts: string[]): void {
  const { status, stdout, stderr } = tilewire(...args);
  expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
  for (const part of parts) expect(stderr).toContain(part);
  expect(stderr).toContain('fix: ');
  expect(stderr).not.toContain('    at ');
}

test('help of every command reads like a manual page', () => {
  for (const command of ['run', 'start', 'plan', 'instrument', 'doctor']) {
    for (const args of [[command, '--help'], ['help', command]]) {
      const { status, stdout } = tilewire(...args);
      expect(status).toBe(0);
      for (const part of [`Usage: tilewire ${command}`, 'Examples:', 'Exit codes:', '--json <FILE>']) expect(stdout).toContain(part);
    }
  }
  const { stdout } = tilewire('run', '--help');
  for (const part of ['backward, as in T3', 'interleaved', 'PER DEVICE', 'llama-405b', 'default: 600', 'break the run on purpose']) expect(stdout).toContain(part);
  for (const command of ['run', 'plan']) {
    const { stdout } = tilewire(command, '--help');
    for (const part of ['FILE.npy', 'FILE.safetensors#TENSOR', 'FOLDER#TENSOR', 'F32, F16 or BF16', '--layout nt', 'nn (default)', '--config config.json', '--tokens is 2048']) expect(stdout, command).toContain(part);
  }
  expect(tilewire('instrument', '--help').stdout).toContain('--config config.json');
  expect(tilewire('--help').stdout).toContain('doctor');
  expect(tilewire('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('mistakes in argv', () => {
  refused(['run', '--bogus'], 'BAD_FLAG', '--bogus');
  refused(['frobnicate'], "unknown command 'frobnicate'");
  refused(['run', ...SHAPE, 'extra'], 'too many arguments');
  refused(['run', '--model'], '--model', 'argument missing');
  refused(['run'], '--m, --n, --k, --devices are missing');
  refused([], 'no command given');
});

test('shapes and choices that cannot be', () => {
  refused(['run', '--m', '0', '--n', '8', '--k', '8', '--devices', '2'], '--m', 'found 0');
  refused(['run', '--m', '-3', '--n', '8', '--k', '8', '--devices', '2'], '--m', 'found -3');
  refused(['run', '--model', 'gpt-9', '--layer', 'fc2'], 'unknown model', 't-nlg');
  refused(['run', '--model', 't-nlg', '--layer', 'fc2', '--tp', '9'], '--tp', 'found 9');
  refused(['run', ...SHAPE, '--tile', '7x7'], 'BAD_FLAG', '--tile');
  refused(['run', ...SHAPE, '--fault', 'explode'], '--fault');
  refused(['run', ...SHAPE, '--timeout', '0'], '--timeout');
  refused(['run', ...SHAPE, '--memory-limit', 'x'], '--memory-limit');
  refused(['run', ...SHAPE, '--browser', path.join(folder, 'no-such-browser')], '--browser', 'no-such-browser');
  refused(['run', ...SHAPE, '--backend', 'firefox'], '--backend', 'firefox', 'chrome, node');
  refused(['run', ...SHAPE, '--backend', 'node', '--browser', process.execPath], '--browser belongs to --backend chrome');
});

test('a --json file that cannot be written is refused before the run', () => {
  const existing = file('existing.json', 'mine');
  for (const command of [['start'], ['run', ...SHAPE], ['doctor']]) {
    refused([...command, '--json', existing], 'FILE_EXISTS', existing);
    refused([...command, '--json', path.join(folder, 'no/such.json')], 'BAD_FILE');
  }
  expect(fs.readFileSync(existing, 'utf8')).toBe('mine');
});

test('--spec: files that hold no Spec, flags beside it, and a kernel of another build', async () => {
  const hash = (await kernelHash(run.spec.kernel.name))!;
  const good = { ...run.spec, kernel: { ...run.spec.kernel, hash } };
  refused(['run', '--spec', path.join(folder, 'missing.json')], 'BAD_FILE', 'ENOENT');
  refused(['run', '--spec', file('text.json', 'hello')], 'BAD_FILE', 'not JSON');
  refused(['run', '--spec', file('odd.json', { version: 1 })], 'BAD_SPEC');
  refused(['run', '--spec', file('good.json', good), '--seed', '3'], '--seed contradicts --spec');
  refused(['run', '--spec', file('kernel.json', { runs: [{ ...run, spec: { ...good, kernel: { ...good.kernel, hash: 'f'.repeat(64) } } }] })], 'BAD_SPEC', 'another version of the kernel', hash);
  refused(['run', '--spec', file('trained.json', { ...good, operands: { kind: 'trained', source: 'x@1', hash } })], "not that of the trained weights");
});

test('operands from files: a Spec with their shape and hashes, or what is wrong with them before any browser starts', () => {
  const [a, b, turned] = [npy('a.npy', 6, 7), npy('b.npy', 7, 5), npy('bt.npy', 5, 7)];
  const json = path.join(folder, 'planned.json');
  expect(tilewire('plan', '--a', a, '--b', turned, '--layout', 'nt', '--tp', '3', '--json', json)).toMatchObject({ status: 0, stderr: '' });
  const { spec } = JSON.parse(fs.readFileSync(json, 'utf8')) as { spec: Spec };
  expect(spec).toMatchObject({ name: 'a.npy · bt.npy TP 3', gemm: { m: 6, n: 5, k: 3, kTotal: 7 }, operands: { kind: 'files', a: { source: 'a.npy', hash: sha(6, 7) }, b: { source: 'bt.npy', hash: sha(5, 7) }, layout: 'nt' } });

  for (const command of ['run', 'plan']) refused([command, '--a', a, '--b', turned, '--tp', '3'], 'BAD_FLAG', '--layout', 'A 6 x 7 (a.npy), B 5 x 7 (bt.npy)', 'use --layout nt');
  refused(['run', '--a', a, '--tp', '3'], '--b is missing');
  refused(['run', '--b', b, '--tp', '3'], '--a is missing');
  refused(['run', '--layout', 'nt', ...SHAPE], '--layout belongs to --a and --b');
  refused(['run', '--a', a, '--b', b], '--tp is missing');
  refused(['run', '--a', a, '--b', b, '--tp', '8'], 'BAD_FLAG', 'at --tp, found 8, limit 1 to 7');
  refused(['run', '--a', a, '--b', b, '--tp', '3', '--operands', 'normal'], '--operands contradicts --a and --b');
  refused(['run', '--a', a, '--b', b, '--tp', '3', '--n', '6'], '--n contradicts a.npy and b.npy', 'found 6, limit 5');
  refused(['run', '--a', a, '--b', path.join(folder, 'none.npy'), '--tp', '3'], 'BAD_FILE', 'no such file');
  const cut = file('cut.npy', fs.readFileSync(b).subarray(0, -4));
  refused(['run', '--a', a, '--b', cut, '--tp', '3'], 'BAD_FILE', cut, 'less than a 7 x 5 matrix', '140 bytes', 'cut off');
  const spoilt = file('nan.npy', npyBytes(dict('<f4', '(7, 5)'), new Uint8Array(Float32Array.from({ length: 35 }, (_, i) => (i === 33 ? Number.NaN : i)).buffer)));
  refused(['run', '--a', a, '--b', spoilt, '--tp', '3'], 'BAD_FILE', spoilt, 'NaN at row 6, column 3');
  refused(['run', '--a', a, '--b', b, '--tp', '3', '--memory-limit', '100'], 'MEMORY_LIMIT', '--memory-limit');
});

test('a sub-layer of a config: its notes are printed, and it names the weight and its layout in files', () => {
  const config = file('config.json', LLAMA);
  const json = path.join(folder, 'sub-layer.json');
  const planned = tilewire('plan', '--config', config, '--layer', 'op', '--tp', '8', '--tokens', '32', '--json', json);
  expect(planned.status).toBe(0);
  expect(planned.stderr).toContain('note: TP 8 is more than the 4 key-value heads');
  expect((JSON.parse(fs.readFileSync(json, 'utf8')) as { spec: Spec }).spec).toMatchObject({ name: `${path.basename(folder)} o_proj TP 8`, gemm: { m: 32, n: 64, k: 8, kTotal: 64 }, operands: { kind: 'exact' } });
  const instrumented = tilewire('instrument', 'gemm-register', '--config', config, '--layer', 'op', '--tp', '8', '--tokens', '32', '--no-probe');
  expect(instrumented.status).toBe(0);
  expect(instrumented.stderr).toContain('note: TP 8 is more');

  for (const command of [['run'], ['plan'], ['instrument', 'gemm-register']]) {
    refused([...command, '--config', config], '--layer is missing', 'down_proj (or fc2): K = 96, n = 64, in 2 layers');
    refused([...command, '--config', config, '--layer', 'op', '--tp', '3'], '--tp', 'use one of 1, 2, 4, 8');
  }
  refused(['run', '--config', config, '--layer', 'q_proj', '--tp', '4'], '--layer', 'use one of o_proj, down_proj');
  refused(['run', '--config', config, '--layer', 'op', '--tp', '4', '--model', 't-nlg'], '--model contradicts --config');
  refused(['run', '--config', path.join(folder, 'none.json'), '--layer', 'op', '--tp', '4'], 'BAD_FILE', 'ENOENT');
  refused(['run', '--config', file('odd.json', { model_type: 'llama' }), '--layer', 'op', '--tp', '4'], 'BAD_FILE', 'odd.json: hidden_size');

  const weights = (name: string, ...layers: number[]) =>
    file(name, safetensorsBytes(Object.fromEntries(layers.map((layer, i) => [`model.layers.${layer}.mlp.down_proj.weight`, { dtype: 'F16', shape: [64, 96], data_offsets: [i * 12288, (i + 1) * 12288] }])), new Uint8Array(layers.length * 12288)));
  const a = npy('acts.npy', 4, 96);
  const given = ['--a', a, '--config', config, '--layer', 'down_proj', '--tp', '4'];
  expect(tilewire('plan', ...given, '--b', weights('one.safetensors', 5), '--json', json, '--force').status).toBe(0);
  expect((JSON.parse(fs.readFileSync(json, 'utf8')) as { spec: Spec }).spec).toMatchObject({ gemm: { m: 4, n: 64, k: 24, kTotal: 96 }, operands: { layout: 'nt', b: { source: 'one.safetensors#model.layers.5.mlp.down_proj.weight' } } });
  refused(['run', ...given, '--b', weights('two.safetensors', 0, 1)], 'BAD_FILE', '#model.layers.0.mlp.down_proj.weight');
  refused(['run', ...given, '--b', npy('other.npy', 63, 96)], 'BAD_FLAG', '--config', 'K = 96, n = 63 (acts.npy, other.npy, layout nt)', `K = 96, n = 64 (${config})`);
  refused(['run', ...given, '--b', npy('straight.npy', 96, 64)], 'use --layout nn');
});

test('a Spec of files is replayed with the same values, wherever they are', async () => {
  const hash = (await kernelHash(run.spec.kernel.name))!;
  const [a, b] = [npy('a.npy', 6, 8), npy('b.npy', 8, 5)];
  const operands = { kind: 'files', a: { source: 'a.npy', hash: sha(6, 8) }, b: { source: 'b.npy', hash: sha(8, 5) }, layout: 'nn' };
  const spec = { ...run.spec, kernel: { ...run.spec.kernel, hash, tile: { m: 8, n: 8, k: 2 } }, gemm: { m: 6, n: 5, k: 4, kTotal: 8 }, devices: 2, operands };
  const recorded = file('files.json', { runs: [{ ...run, spec }] });
  refused(['run', '--spec', recorded], 'BAD_FLAG', 'at --a', `--a: a.npy, sha256 ${sha(6, 8)}`, `--b: b.npy, sha256 ${sha(8, 5)}`, '--a PATH/a.npy --b PATH/b.npy');
  refused(['run', '--spec', recorded, '--a', a], 'BAD_FLAG', 'at --b');
  refused(['run', '--spec', recorded, '--a', a, '--b', b, '--layout', 'nn'], '--layout contradicts --spec');
  refused(['run', '--spec', recorded, '--a', a, '--b', path.join(folder, 'none.npy')], 'BAD_FILE', 'no such file');
  refused(['run', '--spec', recorded, '--a', npy('longer.npy', 7, 8), '--b', b], 'BAD_FILE', `--a ${path.join(folder, 'longer.npy')}`, sha(7, 8), sha(6, 8), 'give a.npy as it was');
  refused(['run', '--spec', recorded, '--a', a, '--b', npy('turned.npy', 5, 8)], 'BAD_FILE', '--a and --b', 'B 5 x 8 (turned.npy)', 'm 6, n 5, k 8');
  // The same bytes in another shape.
  refused(['run', '--spec', recorded, '--a', npy('flat.npy', 12, 4), '--b', npy('low.npy', 4, 10)], 'BAD_SPEC', 'files.json gemm', 'found m 6, n 5, k 8', 'limit m 12, n 10, k 4');
  // Of two runs with other files one cannot be replayed.
  const two = file('two.json', { runs: [{ ...run, spec }, { ...run, spec: { ...spec, operands: { ...operands, b: { source: 'c.npy', hash: 'f'.repeat(64) } } } }] });
  refused(['run', '--spec', two, '--a', a, '--b', b], 'BAD_FILE', 'f'.repeat(64), 'give c.npy as it was');
  refused(['run', '--spec', file('generated.json', { ...spec, operands: { kind: 'normal' } }), '--a', a, '--b', b], '--a contradicts --spec');
  // All is well with these: only the browser is missing.
  const copied = path.join(folder, 'moved');
  fs.copyFileSync(b, copied + '.npy');
  expect(tilewire('run', '--spec', recorded, '--a', a, '--b', copied + '.npy', '--browser', process.execPath).status).toBe(3);
});

test('a machine without what is asked for is exit status 3, with what was tried', () => {
  const { status, stderr } = tilewire('run', ...SHAPE, '--browser', process.execPath);
  expect(status).toBe(3);
  for (const part of ['NO_BROWSER', 'tried --browser', 'fix: ']) expect(stderr).toContain(part);
});
