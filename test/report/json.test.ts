import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { adapterKey, reportToJson, specsFromJson } from '../../src/report/json.ts';
import { environment, run } from './sample.ts';

const report = { version: 1, environment, runs: [run, { ...run, spec: { ...run.spec, seed: 2 } }] } as const;

function refusal(text: string): string {
  try {
    specsFromJson(text, 'file.json');
    return 'accepted';
  } catch (error) {
    return error instanceof TilewireError ? `${error.code} ${error.message}` : String(error);
  }
}

test('a report is written as JSON and its Specs are read back with what was recorded of them', () => {
  const text = reportToJson(report);
  expect(JSON.parse(text)).toEqual(report);
  const specs = specsFromJson(text, 'file.json');
  expect(specs.map(({ spec }) => spec)).toEqual(report.runs.map(({ spec }) => spec));
  expect(specs[0]!.recorded).toMatchObject({ specHash: run.specHash, outputHash: run.check.outputHash, eventHash: run.causality.eventHash });
});

test('the same adapter through another backend is another one; what was measured of it makes no difference', () => {
  const keyOf = (changed: object): string => specsFromJson(JSON.stringify({ ...report, environment: { ...environment, ...changed } }), 'file.json')[0]!.recorded!.adapter;
  const key = keyOf({});
  expect(key).toBe(adapterKey(environment));
  expect(keyOf({ backend: 'node' })).not.toBe(key);
  expect(keyOf({ adapter: { ...environment.adapter, description: 'another' } })).not.toBe(key);
  expect(keyOf({ browser: 'Chrome/999', timerResolutionNs: 5, adapter: { ...environment.adapter, isSerial: false } })).toBe(key);
});

test('a Spec alone is read as well', () => {
  expect(specsFromJson(JSON.stringify(run.spec), 'file.json')).toEqual([{ spec: run.spec, recorded: null }]);
});

test('a figure that is not a number is a bug, not a null', () => {
  const broken = { ...report, runs: [{ ...run, measured: { ...run.measured, gpuBusy: Number.NaN } }] };
  expect(() => reportToJson(broken)).toThrow('gpuBusy');
});

test('what is neither is refused with its place', () => {
  expect(refusal('{')).toContain('BAD_FILE');
  expect(refusal('[]')).toContain('BAD_SPEC');
  expect(refusal('{"runs": []}')).toContain('this report holds no run');
  expect(refusal('{"runs": [3]}')).toContain('runs[0]');
  expect(refusal(JSON.stringify({ ...report, runs: [run, { ...run, spec: { ...run.spec, seed: -1 } }] }))).toContain('file.json runs[1].spec');
});
