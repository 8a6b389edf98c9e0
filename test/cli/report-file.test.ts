import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimReportFile } from '../../src/cli/report-file.ts';

let folder: string;
const at = (name: string) => path.join(folder, name);
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

test('a new file is written whole, and nothing else is left', () => {
  claimReportFile(at('a.json'), false).write('one');
  expect(fs.readFileSync(at('a.json'), 'utf8')).toBe('one');
  expect(fs.readdirSync(folder)).toEqual(['a.json']);
});

test('claiming writes nothing', () => {
  claimReportFile(at('a.json'), false);
  expect(fs.readdirSync(folder)).toEqual([]);
});

test('an existing file is refused before the run, and stays; --force replaces it', () => {
  fs.writeFileSync(at('a.json'), 'old');
  expect(() => claimReportFile(at('a.json'), false)).toThrow('FILE_EXISTS');
  claimReportFile(at('a.json'), true).write('new');
  expect(fs.readFileSync(at('a.json'), 'utf8')).toBe('new');
});

test('a file that appeared during the run is not replaced', () => {
  const claim = claimReportFile(at('a.json'), false);
  fs.writeFileSync(at('a.json'), 'theirs');
  expect(() => claim.write('ours')).toThrow('FILE_EXISTS');
  expect(fs.readFileSync(at('a.json'), 'utf8')).toBe('theirs');
  expect(fs.readdirSync(folder)).toEqual(['a.json']);
});

test('a missing folder, a folder, a device and a link', () => {
  expect(() => claimReportFile(at('no/a.json'), false)).toThrow('BAD_FILE');
  expect(() => claimReportFile(folder, true)).toThrow('not a regular file');
  expect(() => claimReportFile(os.devNull, true)).toThrow('not a regular file');
  fs.writeFileSync(at('real.json'), 'old');
  fs.symlinkSync(at('real.json'), at('link.json'));
  claimReportFile(at('link.json'), true).write('new');
  expect(fs.readFileSync(at('real.json'), 'utf8')).toBe('new');
  expect(fs.lstatSync(at('link.json')).isSymbolicLink()).toBe(true);
});
