// The README says what the program says: its commands exist, and each printed figure is explained in the words of the
// one place that defines them.
import fs from 'node:fs';
import { expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { CHECK_TERMS, LEDGER_TERMS, MEASURED_FIGURES, REPLAYED_BASIS, REPLAYED_FIGURES } from '../src/report/figures.ts';

const readme = fs.readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test('begins with the two commands, and they are scripts', () => {
  expect(readme.split('\n').slice(0, 6).join('\n')).toMatch(/npm start.*\n.*npm test/);
  expect(Object.keys(packageJson.scripts)).toEqual(expect.arrayContaining(['start', 'test', 'tilewire']));
});

test.each([...MEASURED_FIGURES, ...CHECK_TERMS, ...LEDGER_TERMS])('explains $name', ({ name, definition }) => {
  expect(readme).toContain(name);
  expect(readme).toContain(definition);
});

test.each(REPLAYED_FIGURES)('explains replayed.$name', ({ name, definition }) => {
  expect(readme).toContain(`(${REPLAYED_BASIS})`);
  expect(readme).toContain(`| \`replayed.${name}\` | ${definition} |`);
});

test('the pasted output is of a run that was right, with every figure in it', () => {
  const [, pasted] = /```\n(adapter:[^]*?)\n```/.exec(readme) ?? [];
  expect(pasted).toMatch(/all of 2 runs are right/);
  for (const { name } of MEASURED_FIGURES) expect(pasted).toContain(`\n  ${name} `);
});
