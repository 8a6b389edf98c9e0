import { expect, test } from 'vitest';
import type { RunReport } from '../../src/verify/run-report.ts';
import { environment, run as sample } from '../report/sample.ts';
import type { FullCase } from './grid.ts';
import { adapterName, casesLeft, complaintsOf, resultsIn, tableOf, type Result } from './results.ts';

const right: RunReport = { ...sample, failures: [] };

test('a right run is not complained about', () => {
  expect(complaintsOf(right, true)).toEqual([]);
  expect(complaintsOf({ ...right, kernel: { ...right.kernel, batch: 3 }, check: { ...right.check, elements: 3 * 256 * 4256 } }, true)).toEqual([]);
  expect(complaintsOf({ ...right, spec: { ...right.spec, operands: { kind: 'normal' } }, check: { ...right.check, bitExactPlanOrder: true } }, true)).toEqual([]);
});

test.each<[string, RunReport, string]>([
  ['a failure', { ...right, failures: [{ code: 'STALLED', message: 'waits' }] }, '[STALLED] waits'],
  ['a wrong element', { ...right, check: { ...right.check, wrong: 1 } }, '1 elements are wrong'],
  ['elements that were not compared', { ...right, check: { ...right.check, coverage: 0.5 } }, '0.5 were compared'],
  ['too few elements', { ...right, check: { ...right.check, elements: 5 } }, '5 elements'],
  ['one matrix of a batch', { ...right, kernel: { ...right.kernel, batch: 3 } }, '1089536 elements, of which 1 were compared, of 3 x 256 x 4256'],
  ['another order of additions', { ...right, spec: { ...right.spec, operands: { kind: 'normal' } }, check: { ...right.check, bitExactPlanOrder: false } }, 'plan-order reference is false'],
  ['no order of additions', { ...right, spec: { ...right.spec, operands: { kind: 'normal' } } }, 'plan-order reference is null'],
  ['causality', { ...right, causality: { ...right.causality, violations: 2 } }, '2 violations'],
  ['the ledger', { ...right, ledger: { ...right.ledger, balanced: false } }, 'does not balance'],
  ['no work', { ...right, tracker: { ...right.tracker, updates: 0 } }, 'saw no update'],
  ['no baseline', { ...right, measured: { ...right.measured, sequentialMs: null } }, 'baseline was not run'],
])('complained about: %s', (_what, report, complaint) => {
  expect(complaintsOf(report, true)).toEqual([expect.stringContaining(complaint)]);
});

test('an adapter is known again whatever a session measures of it', () => {
  const { adapter } = environment;
  expect(adapterName(environment)).toBe('google swiftshader (software fallback) in Chrome/143.0.0.0');
  expect(adapterName({ ...environment, timerResolutionNs: 51, adapter: { ...adapter, isSerial: !adapter.isSerial } })).toBe(adapterName(environment));
  for (const other of [{ ...environment, browser: 'Chrome/144.0.0.0' }, { ...environment, adapter: { ...adapter, isFallback: false } }, { ...environment, adapter: { ...adapter, description: 'other' } }]) expect(adapterName(other)).not.toBe(adapterName(environment));
});

const caseOf = (devices: number, algorithm: 'ring' | 'direct'): FullCase => ({ flags: `--devices ${devices} --algorithm ${algorithm}`, request: { devices, algorithm, kernelName: 'gemm-register' }, baseline: false });
const foreignCase: FullCase = { flags: '--devices 2 --kernel test/gallery/mine.wgsl', request: { devices: 2, algorithm: 'ring', foreign: { name: 'mine.wgsl' } as NonNullable<FullCase['request']['foreign']> }, baseline: false };
const cases = [caseOf(2, 'ring'), caseOf(2, 'direct'), caseOf(16, 'ring'), caseOf(16, 'direct')];
const resultOf = ({ flags }: FullCase, complaints: readonly string[] = [], more: Partial<Result> = {}): Result => ({ build: 'b', adapter: 'a', flags, complaints, ms: 1, ...more });
const fileOf = (...results: readonly Result[]): string => results.map((result) => `${JSON.stringify(result)}\n`).join('');

test('results of another build or adapter do not count; of two, the last one does', () => {
  const text = fileOf(resultOf(cases[0]!), resultOf(cases[1]!, [], { build: 'other' }), resultOf(cases[2]!, [], { adapter: 'other' }), resultOf(cases[0]!, ['wrong']));
  expect([...resultsIn(text, 'b', 'a').values()]).toEqual([resultOf(cases[0]!, ['wrong'])]);
  expect(resultsIn('', 'b', 'a').size).toBe(0);
});

test('a torn line is no result, and takes no other with it', () => {
  const whole = fileOf(resultOf(cases[0]!));
  const torn = fileOf(resultOf(cases[1]!));
  for (let length = 1; length < torn.length - 2; length++) {
    const results = resultsIn(`${whole}${torn.slice(0, length)}\n${fileOf(resultOf(cases[2]!))}`, 'b', 'a');
    expect([...results.keys()]).toEqual([cases[0]!.flags, cases[2]!.flags]);
  }
});

test('what has passed is not run again; what failed or is missing is', () => {
  const results = resultsIn(fileOf(resultOf(cases[0]!), resultOf(cases[1]!, ['wrong'])), 'b', 'a');
  expect(casesLeft(cases, results)).toEqual(cases.slice(1));
});

test('the table counts by devices, algorithm and kernel, and names each failure with its command', () => {
  const results = resultsIn(fileOf(resultOf(cases[0]!), resultOf(cases[1]!, ['[LEDGER] of two\nlines', 'more']), resultOf(cases[2]!)), 'b', 'a');
  expect(tableOf(cases, results)).toMatchInlineSnapshot(`
    "passed/finished cases
    devices  direct gemm-register  ring gemm-register              all
          2            0/1 FAILED                 1/1       1/2 FAILED
         16              0/0 of 1                 1/1         1/1 of 2
        all       0/1 of 2 FAILED                 2/2  2/3 of 4 FAILED

    FAILED: npm run tilewire -- run --devices 2 --algorithm direct
      [LEDGER] of two
        lines
      more"
  `);
});

test('a kernel of the gallery has a column of its own', () => {
  expect(tableOf([cases[0]!, foreignCase], resultsIn(fileOf(resultOf(foreignCase)), 'b', 'a'))).toContain('devices  ring gemm-register  ring mine       all');
});
