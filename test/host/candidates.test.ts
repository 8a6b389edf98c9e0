import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findCandidates } from '../../src/host/candidates.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  vi.stubEnv('PATH', path.join(folder, 'bin'));
  vi.stubEnv('PUPPETEER_CACHE_DIR', path.join(folder, 'cache'));
  vi.stubEnv('PUPPETEER_EXECUTABLE_PATH', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  fs.rmSync(folder, { recursive: true, force: true });
});

function executable(...names: string[]): string {
  const file = path.join(folder, ...names);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  return file;
}

/** Those of the temporary folder: the machine may have browsers of its own. */
const found = () => findCandidates().filter(({ label }) => label.startsWith(folder)).map(({ source, label }) => `${source} ${path.relative(folder, label)}`);

test.runIf(process.platform === 'linux')('order: environment, PATH, puppeteer\'s cache with the newest first, then the packaged one', () => {
  vi.stubEnv('PUPPETEER_EXECUTABLE_PATH', executable('own/chrome'));
  executable('bin/chromium');
  for (const version of ['linux-99.0.1', 'linux-143.0.2']) executable('cache/chrome', version, 'chrome-linux64/chrome');
  executable('cache/chrome-headless-shell/linux-143.0.2/chrome-headless-shell-linux64/chrome-headless-shell');
  expect(found()).toEqual([
    'PUPPETEER_EXECUTABLE_PATH own/chrome',
    'installed bin/chromium',
    "puppeteer's cache cache/chrome/linux-143.0.2/chrome-linux64/chrome",
    "puppeteer's cache cache/chrome/linux-99.0.1/chrome-linux64/chrome",
    "puppeteer's cache cache/chrome-headless-shell/linux-143.0.2/chrome-headless-shell-linux64/chrome-headless-shell",
  ]);
  const sources = findCandidates().map(({ source }) => source);
  if (sources.includes('packaged')) expect(sources.at(-1)).toBe('packaged');
});

test.runIf(process.platform === 'linux')('a file is tried once, by whatever names it is known; what cannot be executed is passed over', () => {
  executable('bin/google-chrome');
  fs.symlinkSync(path.join(folder, 'bin/google-chrome'), path.join(folder, 'bin/google-chrome-stable'));
  fs.writeFileSync(path.join(folder, 'bin/chromium'), '', { mode: 0o644 });
  expect(found()).toEqual(['installed bin/google-chrome-stable']);
});

test('a path in the environment that leads nowhere is kept, to be told of', async () => {
  vi.stubEnv('PUPPETEER_EXECUTABLE_PATH', path.join(folder, 'missing'));
  expect(found()).toEqual(['PUPPETEER_EXECUTABLE_PATH missing']);
  await expect(findCandidates()[0]!.prepare(() => {})).rejects.toThrow('no such executable file');
});

test('an explicit path excludes all others, and must lead somewhere', () => {
  const own = executable('own/chrome');
  vi.stubEnv('PUPPETEER_EXECUTABLE_PATH', executable('other/chrome'));
  expect(findCandidates(own).map(({ label }) => label)).toEqual([own]);
  expect(() => findCandidates(path.join(folder, 'nothing'))).toThrow('--browser');
  expect(() => findCandidates(folder)).toThrow('no browser can be run from this path');
});
