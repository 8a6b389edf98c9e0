// The built command line, as a user types it: exit codes, help, and what is refused before any browser starts.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kernelHash } from '../../src/spec/kernel-sources.ts';
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
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env: { ...process.env, PUPPETEER_EXECUTABLE_PATH: '' } });
  return { status, stdout, stderr };
}

function file(name: string, content: unknown): string {
  const target = path.join(folder, name);
  fs.writeFileSync(target, typeof content === 'string' ? content : JSON.stringify(content));
  return target;
}

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

test('a machine without what is asked for is exit status 3, with what was tried', () => {
  const { status, stderr } = tilewire('run', ...SHAPE, '--browser', process.execPath);
  expect(status).toBe(3);
  for (const part of ['NO_BROWSER', 'tried --browser', 'fix: ']) expect(stderr).toContain(part);
});
