// The measured figures of real runs: what must hold between them whatever the machine's speed, and what is null, with
// its reason, where nothing could be measured.
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { RunReport } from '../../src/verify/run-report.ts';
import { gpuTest } from './page-client.ts';

const shape: SpecRequest = { m: 96, n: 256, k: 64, devices: 4, stageTiles: 1, triggerTiles: 2 };
const reasonOf = ({ notes }: RunReport, field: string): string | undefined => notes.find(({ path }) => path === `measured.${field}`)?.reason;

gpuTest('with a baseline every figure is there, and they agree with each other', async (page, facts) => {
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: await resolveSpec(shape), baseline: true, memoryLimit: 2 ** 28 });
  if (!outcome.ok) throw new Error(outcome.error.what);
  const { report } = outcome.value;
  const { measured } = report;
  expect(report.failures).toEqual([]);
  expect(measured.plainPartsMs).toBeCloseTo(measured.gemmMs! + measured.collectiveMs!, 6);
  expect(measured.exposedMs).toBeCloseTo(measured.fusedMs! - measured.gemmMs!, 6);
  expect(measured.gemmMs).toBeGreaterThan(0);
  expect(measured.collectiveMs).toBeGreaterThan(0);
  expect(measured.stageEfficiency).toBeGreaterThan(0);
  expect(measured.interleaved).toBeGreaterThan(0.5);
  expect(measured.stages).toBe(4 * (report.tracker.pieces / 3)); // one tile each; three of four chunks are tracked on a device
  const { fused, plain, replayed } = report.time;
  expect(fused!.gemmMs + fused!.transferMs + fused!.reductionMs + fused!.trackerMs - fused!.overlappedMs + fused!.gapsMs + fused!.endsMs).toBeCloseTo(measured.fusedMs!, 6);
  expect(Math.min(fused!.gemmMs, fused!.transferMs, fused!.reductionMs, plain!.transferMs, plain!.reductionMs)).toBeGreaterThan(0);
  expect(plain!.transferMs + plain!.reductionMs).toBeCloseTo(measured.collectiveMs!, 6);
  expect(replayed!.path.gemmMs + replayed!.path.transferMs + replayed!.path.reductionMs).toBeCloseTo(report.replayed.fusedMs!, 6);
  if (!facts.environment.adapter.isSerial) return;
  // One dispatch at a time: nothing overlaps, and no group's time lies outside of the wall time.
  expect(measured.overlapMeasured).toBe(0);
  expect(reasonOf(report, 'overlapMeasured')).toBe('adapter is serial');
  expect(measured.gpuBusy).toBeLessThanOrEqual(1);
  expect(fused!.overlappedMs).toBeCloseTo(0, 6);
  expect(fused!.endsMs).toBeGreaterThan(0);
  expect(measured.gemmMs).toBeLessThanOrEqual(measured.sequentialMs!);
});

gpuTest('where nothing travels but stores, both overlaps are null with that reason', async (page) => {
  for (const request of [{ ...shape, devices: 1 }, { ...shape, devices: 2 }, { ...shape, algorithm: 'direct' as const }]) {
    const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: await resolveSpec(request), baseline: false, memoryLimit: 2 ** 28 });
    if (!outcome.ok) throw new Error(outcome.error.what);
    const { report } = outcome.value;
    expect(report.failures).toEqual([]);
    expect(report.measured).toMatchObject({ overlapMeasured: null, interleaved: null, gemmMs: null, sequentialMs: null });
    expect(reasonOf(report, 'interleaved')).toMatch(/no transfer/);
    expect(reasonOf(report, 'gemmMs')).toBe('needs --baseline');
  }
});

gpuTest('without timestamps: the same result, wall times, and the reasons', async (page) => {
  const report = await page.evaluate((spec) => window.tilewireTest.withoutTimestamps(spec), await resolveSpec(shape));
  expect(report.failures).toEqual([]);
  expect(report.measured).toMatchObject({ overlapMeasured: null, gpuBusy: null, stageEfficiency: null });
  expect(report.time).toEqual({ fused: null, plain: null, replayed: null });
  expect(report.measured.interleaved).toBeGreaterThan(0.5);
  expect(report.measured.gemmMs).toBeGreaterThan(0);
  for (const field of ['overlapMeasured', 'gpuBusy', 'stageEfficiency', 'gemmMs']) expect(reasonOf(report, field), field).toMatch(/timestamp-query/);
});
