// What calibrations leave in the cache folder: the last one is machine `this`, and whatever is not whole, of this version and of these
// kernels is refused with a reason, never taken and never passed over.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { keptMachine, storeMachine } from '../../src/host/machine-cache.ts';
import { MACHINE_FILES } from '../../src/model/machine.ts';

const environment = (vendor: string, browser = 'Chrome/143') => ({ backend: 'chrome' as const, browser, adapter: { vendor, architecture: '', description: '', isFallback: false, isSerial: false } });
const machine = { ...MACHINE_FILES[0], name: 'this' };
const AT = '2026-03-04T05:06:07.000Z';

let folder: string;
beforeEach(() => {
  folder = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-')), 'machines');
});
afterEach(() => fs.rmSync(path.dirname(folder), { recursive: true, force: true }));

const store = (vendor = 'acme', about = vendor): string => storeMachine(environment(vendor), { ...machine, about }, AT, folder);

function refusal(): TilewireError {
  try {
    keptMachine(folder);
  } catch (error) {
    if (error instanceof TilewireError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('round trip; measured again, it takes its own place', () => {
  const file = store();
  expect(keptMachine(folder)).toEqual({ machine: { ...machine, about: 'acme' }, file, count: 1 });
  expect(store('acme', 'again')).toBe(file);
  expect(keptMachine(folder)).toMatchObject({ machine: { about: 'again' }, count: 1 });
  expect(fs.readdirSync(folder)).toHaveLength(1);
});

test('of several the one that was calibrated last, by whatever name', () => {
  const files = ['one', 'two', 'three'].map((vendor) => store(vendor));
  for (const [at, file] of files.entries()) fs.utimesSync(file, 1000 + at, 1000 + at);
  expect(keptMachine(folder)).toMatchObject({ machine: { about: 'three' }, count: 3 });
  fs.utimesSync(files[0]!, 2000, 2000);
  expect(keptMachine(folder)).toMatchObject({ machine: { about: 'one' }, count: 3 });
  expect(storeMachine(environment('one', 'Chrome/144'), machine, AT, folder)).not.toBe(files[0]);
});

test('nothing calibrated: the fix is to do it', () => {
  const { code, fields } = refusal();
  expect({ code, path: fields.path, fix: fields.fix }).toEqual({ code: 'BAD_FLAG', path: '--machine', fix: expect.stringContaining('tilewire doctor --calibrate') });
});

test.each<[string, (text: string) => string, RegExp]>([
  ['cut off', (text) => text.slice(0, 300), /cannot be read/],
  ['empty', () => '', /cannot be read/],
  ['huge', (text) => text + ' '.repeat(70_000), /cannot be read/],
  ['of another version', (text) => text.replace('"version": 1', '"version": 2'), /another version/],
  ['without a number', (text) => text.replace('"cus"', '"cores"'), /broken/],
  ['with a number beyond its range', (text) => text.replace(/("memoryGBs": \{\s*"value": )[\d.]+/, '$10'), /broken.*memoryGBs\.value: 0\.01\.\.1000000/s],
  ['of other kernels', (text) => text.replace(/("kernels": ")[0-9a-f]{8}/, '$100000000'), /outdated: the kernels are others now.*measured 2026-03-04/s],
  ['something else', () => '[]', /broken/],
])('a file that is %s is refused, though an older one is good', (_what, spoil, message) => {
  fs.utimesSync(store('older'), 1000, 1000);
  const file = store();
  const text = fs.readFileSync(file, 'utf8');
  expect(spoil(text)).not.toBe(text);
  fs.writeFileSync(file, spoil(text));
  const error = refusal();
  expect(error.code).toBe('BAD_FILE');
  expect(error.message).toMatch(message);
  expect(error.fields.path).toContain(file);
  expect(error.fields.fix).toContain('tilewire doctor --calibrate');
});
