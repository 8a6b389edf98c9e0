// The machine that a calibration makes: the rates are those of the medians, what could not be timed or was not measured is no
// measurement, and a kernel that was not found right gives none. Numbers are made up.
import { expect, test } from 'vitest';
import { machineSchema, PAPER_PARAMETER_FILE, parametersOn } from '../../src/model/machine.ts';
import { calibrationTable, machineTable } from '../../src/report/calibration-table.ts';
import { counts, fastest, machineOf, missing, unsure, type Calibration, type Timing } from '../../src/tune/calibration.ts';
import type { CandidateResult, Contest, TimerFacts } from '../../src/tune/tiles-report.ts';
import type { Environment } from '../../src/verify/run-report.ts';

const gpuTimer: TimerFacts = { kind: 'GPU timestamps', resolutionNs: 1000, leastSampleMs: 5 };
const clock: TimerFacts = { kind: 'wall clock', resolutionNs: 100_000, leastSampleMs: 50 };
const environment: Environment = { backend: 'chrome', browser: 'Chrome/143', adapter: { vendor: 'acme', architecture: 'one', description: '', isFallback: false, isSerial: false }, timerResolutionNs: 1000 };

const candidate = (change: Partial<CandidateResult> = {}): CandidateResult => ({
  kernel: 'gemm-vector', tile: { m: 64, n: 64, k: 16 }, overrides: null, granularity: null, fate: { kind: 'ranked' }, rank: 1, verified: true, repeats: 1, part: 1, wholeMs: 10,
  samplesMs: [11, 10, 10, 10], minMs: 10, medianMs: 10, spread: 0.01, gflops: 2000, gflopsBest: 2000, share: null, replayedMs: null, ...change,
});
const contest = (...candidates: CandidateResult[]): Contest => ({ timer: gpuTimer, rounds: 4, pairs: 3, candidates, notes: [] });
const timing = (ms: number, change: Partial<Timing> = {}): Timing => ({ timer: gpuTimer, repeats: 10, samplesMs: [0.99 * ms, ms, 1.01 * ms], ...change });

/** 64 MiB copied in 1 ms and added in 1.5 ms, a dispatch of 10 µs, 20 workgroups at one time, 2 TFLOP/s. */
const measured: Calibration = {
  shape: { m: 1000, n: 1000, k: 10_000 },
  gemm: contest(candidate()),
  at: '2026-03-04T05:06:07.000Z',
  bytes: 2 ** 26,
  transfer: timing(1),
  update: timing(1.5),
  verified: 2 ** 25,
  dispatch: timing(0.01, { timer: clock, repeats: 6000 }),
  concurrency: { workgroups: 20, oneMs: 6, allMs: 6.3, moreMs: 12, tries: 9, timer: gpuTimer },
};

test('rates are those of the medians, each with its samples, spread, adapter and date', () => {
  const machine = machineOf(measured, environment);
  expect(machineSchema.parse(machine)).toEqual(machine);
  const { cus, clockGHz, flopsPerClockPerCu, memoryGBs, linkGBs, linkLatencyNs, parameters } = machine;
  expect(machine.name).toBe('this');
  expect(cus.value).toBe(20);
  expect((cus.value * clockGHz.value * flopsPerClockPerCu.value) / 2000).toBeCloseTo(1, 3);
  expect(Number.isInteger(Math.log2(flopsPerClockPerCu.value))).toBe(true);
  expect(clockGHz.value).toBeLessThanOrEqual(2);
  expect(memoryGBs.value).toBe(134.2);
  expect(linkGBs.value).toBe(67.11);
  expect(linkLatencyNs.value).toBe(10_000);
  expect(Object.fromEntries(Object.entries(parameters!).map(([key, of]) => [key, of!.value]))).toEqual({ elementBytes: 4, cuCopyGBs: 3.355, updateFactor: 3, launchNs: 10_000 });
  for (const of of [clockGHz, memoryGBs, parameters!.updateFactor!, parameters!.launchNs!]) expect(of.source).toMatch(/^measured: .*; median of 3 samples, spread \d\.\d %; acme one, 2026-03-04$/);
  for (const of of [linkGBs, machine.llcBytes, machine.topology, flopsPerClockPerCu]) expect(of.source).toMatch(/^assumption: /);
  expect(machine.about).not.toContain('cores');
  expect(machineOf(measured, { ...environment, adapter: { ...environment.adapter, isFallback: true } }).about).toContain('its CUs are cores of a processor');
});

test('what was measured takes the place of the assumption, and nothing else does', () => {
  const { parameters } = machineOf(measured, environment);
  const used = parametersOn(machineOf(measured, environment), PAPER_PARAMETER_FILE);
  expect(used).toEqual({ ...PAPER_PARAMETER_FILE, ...parameters });
  expect(used.launchNs).toEqual(parameters!.launchNs);
  expect(used.tileM).toEqual(PAPER_PARAMETER_FILE.tileM);
});

test('what is below the timer does not count: the assumption stays, or there is no machine', () => {
  const short = timing(0.1, { repeats: 1 });
  expect([counts(measured.transfer), counts(short), counts(timing(0.5)), counts(timing(0.5, { samplesMs: [0.49, 0.5, 0.5] }))]).toEqual([true, false, false, false]);
  const { linkLatencyNs, parameters, cus } = machineOf({ ...measured, dispatch: short, update: short, concurrency: { ...measured.concurrency, workgroups: null } }, environment);
  expect(Object.keys(parameters!).toSorted()).toEqual(['cuCopyGBs', 'elementBytes']);
  expect(linkLatencyNs).toEqual({ value: 1000, source: expect.stringContaining('below what the timer resolves') });
  expect(cus).toEqual({ value: 1, source: expect.stringMatching(/^assumption/) });
  expect(missing(measured)).toEqual([]);
  expect(missing({ ...measured, transfer: short, gemm: contest() })).toHaveLength(2);
});

test('an update that is cheaper than an access was disturbed: it is left out', () => {
  expect(machineOf({ ...measured, update: timing(0.51, { repeats: 20 }) }, environment).parameters).toHaveProperty('updateFactor', expect.objectContaining({ value: 1.02 }));
  expect(machineOf({ ...measured, update: timing(0.49, { repeats: 20 }) }, environment).parameters).not.toHaveProperty('updateFactor');
});

test('a kernel that was not found right has no rate, however fast', () => {
  expect(fastest(contest(candidate({ verified: false, gflops: 1e6 })))).toBeUndefined();
  expect(fastest(contest(candidate({ rank: null, fate: { kind: 'failed', reason: 'wrong' } })))).toBeUndefined();
  expect(fastest(contest(candidate()))?.gflops).toBe(2000);
});

test('samples that lie far apart are said to', () => {
  expect(unsure(measured)).toEqual([]);
  expect(unsure({ ...measured, transfer: timing(1, { samplesMs: [1, 1, 1.5, 2] }), gemm: contest(candidate({ spread: 0.5 })) })).toEqual(['GEMM', 'copy']);
});

test('the table has each figure with unit, samples, spread and timer; what does not count is marked', () => {
  const row = (text: string, name: string): string => text.split('\n').find((line) => line.trim().startsWith(`${name} `))!;
  const text = calibrationTable(measured);
  expect(row(text, 'GEMM')).toMatch(/2000 GFLOP\/s\s+10\.0 ms\s+3\s+1\.0 %\s+10\.0 ms\s+1\.00 µs, GPU timestamps/);
  expect(row(text, 'copy')).toMatch(/134 GB\/s\s+1\.00 ms\s+3\s+1\.0 %\s+9\.90 ms/);
  expect(row(text, 'update')).toMatch(/3\.00 accesses\s+1\.50 ms/);
  expect(row(text, 'dispatch')).toMatch(/10\.0 µs\s+10\.0 µs\s+3\s+1\.0 %\s+59\.4 ms\s+100 µs, wall clock/);
  expect(row(text, 'workgroups')).toMatch(/20\s+6\.30 ms\s+9/);
  expect(text).not.toContain('!');
  const below = calibrationTable({ ...measured, dispatch: timing(0.01, { timer: clock, repeats: 10 }) });
  expect(row(below, 'dispatch')).toContain('10.0 µs !');
  expect(below).toContain('not used');
  const machine = machineOf(measured, environment);
  for (const [key, of] of Object.entries({ ...machine, ...machine.parameters })) if (typeof of === 'object' && 'value' in of) expect(machineTable(machine)).toMatch(new RegExp(`^  ${key} +${of.value}  `, 'm'));
});
