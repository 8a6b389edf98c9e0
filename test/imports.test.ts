// Imports point to what comes earlier in the flow, never to what comes later: the folder list alone tells it.
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const FLOW = ['errors.ts', 'units.ts', 'spec', 'plan', 'tracker', 'events', 'model', 'verify', 'gpu', 'emulate', 'tune', 'report', 'page', 'host', 'cli'];
const src = new URL('../src/', import.meta.url).pathname;
const place = (file: string): number => FLOW.indexOf(path.relative(src, file).split(path.sep)[0]);

const files = fs.readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'));

test('every file is in a folder of the flow', () => {
  expect(files.length).toBeGreaterThan(60);
  expect(files.filter((file) => place(path.join(src, file)) < 0)).toEqual([]);
});

test.each(files)('%s imports what comes before it', (file) => {
  const text = fs.readFileSync(path.join(src, file), 'utf8');
  const later = [...text.matchAll(/from '(\.[^']+\.ts)'/g)].map(([, to]) => path.resolve(path.dirname(path.join(src, file)), to)).filter((to) => place(to) > place(path.join(src, file)));
  expect(later.map((to) => path.relative(src, to))).toEqual([]);
});
