// The cache of tile choices: what is stored is found again, for its key only; whatever else lies in the folder is passed over with
// a word; and however many processes write at once, a reader sees a whole choice or none.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cachedChoice, storeChoice, tileCacheKey, tilesFolder, type CachedChoice } from '../../src/host/tile-cache.ts';

const ENVIRONMENT = { backend: 'chrome' as const, browser: 'Chrome/143.0.0.0', adapter: { vendor: 'google', architecture: 'swiftshader', description: '', isFallback: true, isSerial: true } };
const SHAPE = { m: 256, n: 4256, k: 2128 };
const CHOICE: CachedChoice = { kernelName: 'gemm-register', tile: { m: 32, n: 28, k: 2 } };
const MEASURED = { shape: '256x4256x2128', gflops: 4.3, at: '2026-01-01T00:00:00.000Z' };
const key = tileCacheKey(ENVIRONMENT, SHAPE, null);

let folder: string;
let said: string[];
beforeEach(() => {
  folder = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-')), 'tiles');
  said = [];
});
afterEach(() => fs.rmSync(path.dirname(folder), { recursive: true, force: true }));
const options = () => ({ folder, warn: (line: string) => void said.push(line) });
const read = (of = key) => cachedChoice(of, options());
const store = (choice = CHOICE, of = key): string => storeChoice(of, choice, MEASURED, options())!;

test('round trip, for shapes of the class, and for nothing else', () => {
  expect(read()).toBeUndefined();
  const file = store();
  expect(read()).toEqual(CHOICE);
  expect(read(tileCacheKey(ENVIRONMENT, { m: 200, n: 4200, k: 2100 }, null))).toEqual(CHOICE);
  const fused = tileCacheKey(ENVIRONMENT, SHAPE, { devices: 8, algorithm: 'ring', chunk: 'columns' });
  const others = [
    tileCacheKey(ENVIRONMENT, { ...SHAPE, m: 257 }, null),
    tileCacheKey({ ...ENVIRONMENT, browser: 'Chrome/144.0.0.0' }, SHAPE, null),
    tileCacheKey({ ...ENVIRONMENT, adapter: { ...ENVIRONMENT.adapter, description: 'driver 2' } }, SHAPE, null),
    { ...key, kernels: 'other' },
    fused,
    { ...fused, fused: { ...fused.fused!, devices: 4 } },
  ];
  for (const other of others) expect(read(other)).toBeUndefined();
  store({ ...CHOICE, stageTiles: 38, triggerTiles: 8 }, fused);
  expect(read(fused)).toEqual({ ...CHOICE, stageTiles: 38, triggerTiles: 8 });
  expect(read()).toEqual(CHOICE);
  store({ ...CHOICE, kernelName: 'gemm-workgroup', tile: { m: 64, n: 64, k: 16 } });
  expect(read()).toEqual({ kernelName: 'gemm-workgroup', tile: { m: 64, n: 64, k: 16 } });
  expect(said).toEqual([]);
  expect(fs.readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(fs.statSync(file).mode & 0o077).toBe(0);
});

test('what is broken, old, of something else or not to be run is passed over, with a word', () => {
  const file = store();
  const good = JSON.parse(fs.readFileSync(file, 'utf8'));
  const broken: [string, string][] = [
    ['', 'not JSON'],
    [fs.readFileSync(file, 'utf8').slice(0, 40), 'not JSON'],
    ['\0\0\0', 'not JSON'],
    ['null', 'does not hold'],
    ['[]', 'does not hold'],
    [JSON.stringify({ ...good, version: 0 }), 'another version'],
    [JSON.stringify({ ...good, version: 2, choice: { best: 1 } }), 'another version'],
    [JSON.stringify({ ...good, choice: { ...good.choice, tile: { m: 32, n: 28 } } }), 'does not hold'],
    [JSON.stringify({ ...good, choice: { ...good.choice, tile: { m: -32, n: 28, k: 2 } } }), 'does not hold'],
    [JSON.stringify({ ...good, extra: 1 }), 'does not hold'],
    [JSON.stringify({ ...good, key: { ...good.key, adapter: 'another' } }), 'something else'],
    [JSON.stringify({ ...good, choice: { kernelName: 'gone', tile: { m: 32, n: 28, k: 2 } } }), 'no kernel gone'],
    [JSON.stringify({ ...good, choice: { kernelName: 'gemm-register', tile: { m: 4093, n: 4093, k: 2 } } }), 'no workgroup'],
    ['x'.repeat(70_000), 'bytes long'],
  ];
  for (const [text, word] of broken) {
    fs.writeFileSync(file, text);
    said = [];
    expect({ text: text.slice(0, 60), found: read() }).toEqual({ text: text.slice(0, 60), found: undefined });
    expect(said).toEqual([expect.stringContaining(word)]);
  }
  fs.rmSync(file);
  fs.mkdirSync(file);
  said = [];
  expect(read()).toBeUndefined();
  expect(said).toEqual([expect.stringContaining('EISDIR')]);
  fs.rmdirSync(file);
  store();
  expect(read()).toEqual(CHOICE);
});

test('a folder that cannot be written to is no error', () => {
  fs.writeFileSync(folder, 'a file');
  expect(storeChoice(key, CHOICE, MEASURED, options())).toBeNull();
  expect(said).toEqual([expect.stringContaining('could not be kept')]);
  expect(read()).toBeUndefined();
});

test('what killed writers left is removed after an hour', () => {
  fs.mkdirSync(folder, { recursive: true });
  const [old, fresh] = ['.a.json.1.tmp', '.b.json.2.tmp'].map((name) => path.join(folder, name));
  for (const file of [old, fresh]) fs.writeFileSync(file, '{');
  fs.utimesSync(old, new Date(0), new Date(0));
  store();
  expect([fs.existsSync(old), fs.existsSync(fresh)]).toEqual([false, true]);
});

test('beside the unpacked browser, under XDG_CACHE_HOME', () => {
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = path.dirname(folder);
  try {
    expect(tilesFolder()).toBe(path.join(path.dirname(folder), 'tilewire', 'tiles'));
  } finally {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  }
});

test('parallel writers: a reader never sees half of a choice', { timeout: 60_000 }, async () => {
  const script = path.join(path.dirname(folder), 'writer.mjs');
  await build({
    stdin: {
      contents: `import { storeChoice } from './src/host/tile-cache.ts';
        const [folder, key, m] = process.argv.slice(2);
        for (let round = 0; round < 150; round++)
          if (storeChoice(JSON.parse(key), { kernelName: 'gemm-register', tile: { m: Number(m), n: Number(m), k: 2 } }, { shape: 'x'.repeat(20000), gflops: round, at: '' }, { folder, warn: (line) => { throw new Error(line); } }) === null) process.exit(1);`,
      resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
      loader: 'ts',
    },
    bundle: true, platform: 'node', format: 'esm', target: 'node20', loader: { '.wgsl': 'text' }, outfile: script, logLevel: 'error', banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  const exits = [8, 16, 32].map((side) => new Promise<number | null>((resolve) => spawn(process.execPath, [script, folder, JSON.stringify(key), String(side)], { stdio: ['ignore', 'ignore', 'inherit'] }).on('close', resolve)));
  const writers = { done: false };
  void Promise.all(exits).then(() => (writers.done = true));
  const seen = new Map<number, number>();
  while (!writers.done) {
    const found = read();
    if (found !== undefined) {
      expect([8, 16, 32]).toContain(found.tile.m);
      expect(found.tile.n).toBe(found.tile.m);
      seen.set(found.tile.m, (seen.get(found.tile.m) ?? 0) + 1);
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  expect(await Promise.all(exits)).toEqual([0, 0, 0]);
  expect(said).toEqual([]);
  expect(seen.size).toBeGreaterThan(0);
  expect(fs.readdirSync(folder)).toHaveLength(1);
});
