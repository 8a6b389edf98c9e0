// What `tilewire tiles` refuses before any browser starts.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { SpecFlags } from '../../src/cli/flags.ts';
import { fromFlags } from '../../src/cli/run.ts';
import { storeChoice, tileCacheKey } from '../../src/host/tile-cache.ts';
import { SOFTWARE } from '../support/traits.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const gallery = fileURLToPath(new URL('../gallery/', import.meta.url));
const SHAPE = ['--m', '8', '--n', '8', '--k', '8'];
const KERNEL = ['--kernel', path.join(gallery, 'override-tiles.wgsl')];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function tilewire(...args: string[]) {
  // No browser is where this says: whatever gets as far as looking for it is refused for that.
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'tiles', ...args, '--browser', path.join(folder, 'no-browser')], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function refused(args: string[], ...parts: string[]): void {
  const { status, stdout, stderr } = tilewire(...args);
  expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
  for (const part of [...parts, 'fix: ']) expect(stderr).toContain(part);
  expect(stderr).not.toContain('    at ');
  expect(stderr).not.toContain('no-browser');
}

/** Refused once the session is opened. */
function refusedFor(args: string[], part: string): void {
  const { status, stderr } = tilewire(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(part);
}

const accepted = (...args: string[]): void => expect(tilewire(...args).stderr).toContain('no-browser');

test('flags that cannot be', () => {
  refused([...SHAPE, '--kernels', 'gemm-register,gemm-magic'], 'unknown kernel', 'gemm-magic', 'gemm-workgroup');
  refused([...SHAPE, '--limit', '0'], '--limit', 'at least 1');
  refused([...SHAPE, '--rounds', '-3'], '--rounds', 'at least 1');
  refused([...SHAPE, '--seconds', '0'], '--seconds');
  refused([...SHAPE, '--vary', 'TX=8'], '--vary belongs to --kernel');
  refused([...SHAPE, '--entry', 'main'], '--entry belongs to --kernel');
  refused([...SHAPE, ...KERNEL, '--kernels', 'gemm-register'], '--kernels contradicts --kernel');
  refused([...SHAPE, ...KERNEL, '--vary', 'TX'], 'not an override and its values', 'NAME=VALUE');
  refused([...SHAPE, ...KERNEL, '--vary', 'TX=8,many'], 'not a number', 'many');
  refused([...SHAPE, ...KERNEL, '--vary', 'TX=8,8'], 'given twice');
  refused([...SHAPE, ...KERNEL, '--vary', 'TX=8', '--vary', 'TX=16'], 'varied twice');
  refused([...SHAPE, ...KERNEL, '--vary', 'TZ=8'], 'declares no such override', 'ROWS_PER_THREAD');
  refused([...SHAPE, '--operands', 'normal'], '--operands');
});

test('shapes that cannot be', () => {
  refused(['--m', '8', '--n', '8'], '--k');
  refused([...SHAPE, '--fused'], '--devices');
  refused(['--m', '0', '--n', '8', '--k', '8'], '--m');
  refused(['--model', 'gpt-9', '--tp', '8'], 'unknown model', 't-nlg');
  refused(['--model', 't-nlg', '--tp', '9'], '--tp', 'found 9');
  refused(['--model', 't-nlg', '--layer', 'fc9'], 'unknown layer');
});

test('files that exist, each named by its flag', () => {
  const file = path.join(folder, 'there');
  fs.writeFileSync(file, 'x');
  for (const flag of ['--json', '--csv', '--html']) refused([...SHAPE, flag, file], 'this file exists', flag);
  accepted(...SHAPE, '--csv', file, '--force');
});

test('what is right gets as far as the browser: one shape, all sub-layers, a kernel’s overrides', () => {
  for (const args of [SHAPE, ['--model', 't-nlg', '--tp', '8', '--tokens', '64'], [...SHAPE, ...KERNEL, '--vary', 'TX=8,16']]) accepted(...args);
});

test('help reads like a manual page', () => {
  const { status, stdout } = spawnSync(process.execPath, [cli, 'tiles', '--help'], { encoding: 'utf8' });
  expect(status).toBe(0);
  for (const part of ['Usage: tilewire tiles', 'Examples:', 'Exit codes:', '--json <FILE>', '--vary <NAME=VALUES>', 'a wrong kernel never is', 'signed-rank']) expect(stdout).toContain(part);
});

test('--backend reaches what opens the adapter', () => {
  refusedFor([...SHAPE, '--backend', 'node'], '--browser belongs to --backend chrome');
});

test('what was kept of fused runs is what `run` takes, unless --no-cache or a tile says otherwise', async () => {
  const environment = { backend: 'chrome' as const, browser: 'Chrome/143.0.0.0', adapter: { vendor: 'google', architecture: 'swiftshader', description: '', isFallback: true, isSerial: true }, timerResolutionNs: 1 };
  const flags = { m: 256, n: 512, k: 64, devices: 4 };
  const choice = { kernelName: 'gemm-workgroup', tile: { m: 32, n: 32, k: 8 }, stageTiles: 3, triggerTiles: 5 };
  vi.stubEnv('XDG_CACHE_HOME', path.join(folder, 'cache'));
  try {
    storeChoice(tileCacheKey(environment, flags, { devices: 4, algorithm: 'ring', chunk: 'columns' }), choice, { shape: '256x512x64', gflops: 1, at: '2026-01-01T00:00:00.000Z' });
    const taken = async (more: SpecFlags, useCache: boolean): Promise<unknown> => {
      const { kernel, stageTiles, triggerTiles } = await (await fromFlags({ ...flags, ...more }, useCache)).specFor!(SOFTWARE, environment);
      return kernel.kind === 'built-in' ? { kernelName: kernel.name, tile: kernel.tile, stageTiles, triggerTiles } : kernel;
    };
    expect(await taken({}, true)).toEqual(choice);
    expect(await taken({}, false)).not.toMatchObject({ kernelName: 'gemm-workgroup' });
    expect(await taken({ tile: { m: 16, n: 16, k: 2 } }, true)).toMatchObject({ tile: { m: 16, n: 16, k: 2 } });
    expect(await taken({ devices: 2 }, true)).not.toMatchObject({ kernelName: 'gemm-workgroup' });
  } finally {
    vi.unstubAllEnvs();
  }
});

test('run takes --no-cache, start does not know it', () => {
  const run = (command: string): string => spawnSync(process.execPath, [cli, command, ...(command === 'run' ? [...SHAPE, '--devices', '2'] : []), '--no-cache', '--browser', path.join(folder, 'no-browser')], { encoding: 'utf8', env: { ...process.env, TILEWIRE_BACKEND: 'chrome' } }).stderr;
  expect(run('run')).toContain('no-browser');
  expect(run('start')).toContain("unknown option '--no-cache'");
});
