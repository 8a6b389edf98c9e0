// What `tilewire model` makes of a schedule's figures, and how it prints them: formulas worked out by hand, dashes for what is not
// there, and whether the arbitration did anything.
import { expect, test } from 'vitest';
import { MACHINE_FILES, PAPER_PARAMETER_FILE } from '../../src/model/machine.ts';
import type { Modelled } from '../../src/model/schedules.ts';
import { modelCase, type Against, type ModelReport } from '../../src/report/model-record.ts';
import { MODELLED_FIGURES, modelTable } from '../../src/report/model-table.ts';
import { deviceFigures, modelled, waits } from './modelled-sample.ts';

// Plain GEMM 60 µs: sequential 100 + 20, ideal 70 + 20.
const against: Against = { machine: 'paper', model: 't-nlg', sublayer: 'op', devices: 8, sequential: modelled('sequential', 100), ideal: modelled('ideal-overlap', 70) };
const TRACKER = { pieces: 10, updates: 20, triggers: 5, peakEntries: 30, overflows: 2 };
const wait = (p50Ps: number, p99Ps: number) => ({ count: 3, meanPs: 0, p50Ps, p99Ps });
const fused = (over: Parameters<typeof deviceFigures>[0] = {}): Modelled => modelled('t3-mca', 80, [deviceFigures({ tracker: TRACKER, waits: waits({ compute: wait(500, 9e6), dma: wait(0, 2000) }), ...over }), deviceFigures({ tracker: { ...TRACKER, peakEntries: 40, overflows: 1 }, waits: waits({ compute: wait(700, 8e6) }) })]);

const reportOf = (...cases: Modelled[]): ModelReport => ({
  version: 1, name: 't-nlg op TP 8', gemm: { m: 8192, n: 4256, k: 532, kTotal: 4256 }, devices: 8, chunk: 'rows', splits: 1, skew: null, overflow: 'spill',
  parameters: { machine: MACHINE_FILES[0], parameters: PAPER_PARAMETER_FILE }, cases: cases.map((of) => modelCase(of, against)),
});
const rowOf = (text: string, name: string): string[] => text.split('\n').find((line) => line.startsWith(`  ${name}  `))!.trim().slice(name.length).trim().split(/ {2,}/);

test('the record of a schedule, worked out by hand', () => {
  const record = modelCase(fused(), against);
  expect(record).toMatchObject({ machine: 'paper', model: 't-nlg', tp: 8, sublayer: 'op', schedule: 't3-mca', gemmTime: 'own', made: 'simulated', timeUs: 100, gemmUs: 50, exposedUs: 40, exposedWithoutAllGatherUs: 20, linkBytes: 7e6 });
  expect(record.speedup).toBeCloseTo(120 / 100, 12);
  expect(record.speedupWithoutAllGather).toBeCloseTo(100 / 80, 12);
  // ECT 20 of 40; a gain of 0.2 where the ideal gains 120 / 90 − 1.
  expect(record.overlapEfficiency).toBeCloseTo(0.5, 12);
  expect(record.shareOfIdealGain).toBeCloseTo(0.2 / (120 / 90 - 1), 12);
  expect(record.tracker).toEqual({ peakEntries: 40, overflows: 2, triggers: 5 });
  expect(record.waits).toEqual({ compute: { p50Ps: 700, p99Ps: 9e6 }, stores: null, incoming: null, dma: { p50Ps: 0, p99Ps: 2000 }, link: null });
  // Of 2 × (70 + 20 + 4 + 6).
  expect(record.stalls).toEqual({ memory: 0.2, link: 0.04, barrier: 0.06 });
});

test('what there is none of is null, and never a number', () => {
  const record = modelCase(against.sequential, against);
  expect(record).toMatchObject({ speedup: 1, overlapEfficiency: 0, shareOfIdealGain: 0, tracker: null, arbiter: null, made: 'composed' });
  // One device: nothing to overlap, and an ideal that gains nothing.
  const alone = modelled('sequential', 60);
  expect(modelCase(alone, { ...against, sequential: alone, ideal: alone })).toMatchObject({ overlapEfficiency: null, shareOfIdealGain: null });
});

test('the table: a row a figure, a column a schedule, and each figure explained under it', () => {
  const text = modelTable(reportOf(against.sequential, fused()));
  expect(text).toContain('8192 x 4256 x 532 (m x n x k per device)');
  expect(text).toMatch(/ sequential \* +t3-mca\n/);
  expect(rowOf(text, 'time')).toEqual(['120 µs', '100 µs']);
  expect(rowOf(text, 'speedup')).toEqual(['1.000', '1.200']);
  expect(rowOf(text, 'speedup, no AG')).toEqual(['1.000', '1.250']);
  expect(rowOf(text, 'ECT')).toEqual(['40.0 µs', '20.0 µs']);
  expect(rowOf(text, 'DRAM: RS reads')).toEqual(['2.00 MB', '2.00 MB']);
  expect(rowOf(text, 'tracker peak')).toEqual(['–', '40, 2']);
  expect(rowOf(text, 'wait: compute')).toEqual(['–', '0.700 ns / 9.00 µs']);
  expect(rowOf(text, 'wait: dma')).toEqual(['–', '0 / 2.00 ns']);
  expect(rowOf(text, 'stalled: memory')).toEqual(['20.0 %', '20.0 %']);
  // Nothing went through it: no row, and nothing to explain.
  expect(text).not.toContain('wait: stores');
  const below = text.slice(text.indexOf('* put together'));
  for (const { name, definition } of MODELLED_FIGURES.filter(({ name }) => !['wait: stores', 'wait: incoming', 'wait: link', 'skew adds'].includes(name))) expect(below).toMatch(new RegExp(`^ {2}${name} +${definition.replaceAll(/[()/|*+?.]/g, String.raw`\$&`)}$`, 'm'));
});

test('skew and split-K are said where there are any, and what skew did', () => {
  const plain = modelTable(reportOf(fused()));
  for (const word of ['skew', 'split-K']) expect(plain).not.toContain(word);
  const report = reportOf(fused());
  // 100 µs with it, 80 + 20 − 30 without.
  const cases = [modelCase(fused(), against, modelled('t3-mca', 50))];
  const text = modelTable({ ...report, cases, splits: 3, skew: { factor: 1, seed: 7, gemmUs: [70, 66, 90], gemmWithoutUs: 60 } });
  expect(text).toContain('3 workgroups for each tile');
  expect(text).toContain('1, seed 7: a device computes a stage 1 to 2.50 times as long');
  expect(text).toContain('66.0 µs (device 1) to 90.0 µs (device 2), without skew 60.0 µs');
  expect(cases[0].withoutSkewUs).toBe(70);
  expect(rowOf(text, 'skew adds')).toEqual(['30.0 µs']);
});

test('says what the threshold of the arbitration did', () => {
  const line = (arbiter: { thresholdBytes: number | null; heldBack: number; starved: number }): string => modelTable(reportOf(fused({ arbiter: { intensity: 0.3, ...arbiter } }))).split('\n').find((of) => of.includes('starvation limit'))!;
  expect(line({ thresholdBytes: null, heldBack: 0, starved: 4 })).toContain('no threshold, so it does what t3-compute-first does; the starvation limit gave it 4 turns');
  expect(line({ thresholdBytes: 20480, heldBack: 0, starved: 0 })).toContain('the threshold of 20.5 kB had no effect');
  expect(line({ thresholdBytes: 20480, heldBack: 6, starved: 0 })).toContain('held communication back 6 times');
  expect(modelTable(reportOf(modelled('t3', 90)))).not.toContain('starvation');
});
