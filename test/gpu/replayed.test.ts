// Replays of real runs: their figures against bounds taken from the very groups that they were made of, whatever the
// machine's speed, and reasons where there is no figure.
import { expect } from 'vitest';
import { resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import { galleryKernel } from '../support/gallery.ts';
import { gpuTest } from './page-client.ts';

const shape: SpecRequest = { m: 96, n: 256, k: 64, devices: 4, stageTiles: 1, triggerTiles: 2 };
const NS_PER_MS = 1e6;
/** Durations are rounded to picoseconds. */
const SLACK_MS = 1e-6;

for (const [name, request] of [
  ['a ring, a tile a stage', shape],
  ['devices that run apart, chunks by rows, one tile a block', { ...shape, chunk: 'rows', skew: 2, lag: 3, triggerTiles: 1 }],
  ['ragged, seven devices', { ...shape, m: 61, n: 131, devices: 7, stageTiles: 2 }],
  ['split-K, whose splits are one group', { ...shape, foreign: galleryKernel('split-k-z') }],
  ['a batch: several collectives in one graph', { ...shape, m: 32, n: 64, foreign: galleryKernel('batched-z') }],
] as const satisfies readonly (readonly [string, SpecRequest])[])
  gpuTest(`busiest resource ≤ replayed ≤ sum of all groups: ${name}`, async (page) => {
    const { report, groups } = await page.evaluate((spec) => window.tilewireTest.groups(spec, true), await resolveDraft(request));
    expect(report.failures).toEqual([]);
    const { gemmMs, sequentialMs, fusedMs, exposedMs, overlap } = report.replayed;
    const busy = new Map<string, number>();
    let sum = 0;
    for (const { kind, device, interval } of groups) {
      const ms = (interval!.end - interval!.start) / NS_PER_MS;
      // What all devices did in one pass: the busiest of them has at least its share.
      busy.set(`${kind} ${device}`, (busy.get(`${kind} ${device}`) ?? 0) + (device < 0 ? ms / report.spec.devices : ms));
      sum += ms;
    }
    expect(groups.some(({ kind }) => kind === 'transfer')).toBe(true);
    expect(fusedMs).toBeGreaterThanOrEqual(Math.max(...busy.values()) - SLACK_MS);
    expect(fusedMs).toBeLessThanOrEqual(sum + SLACK_MS);
    // The last hop ends on a link and in a memory after all but the last steps were computed: less than all one after the other.
    expect(fusedMs).toBeLessThan(sum);
    expect(overlap).toBeGreaterThanOrEqual(0);
    expect(overlap).toBeLessThanOrEqual(1);
    expect(exposedMs).toBeCloseTo(fusedMs! - gemmMs!, 9);
    // One of D devices computes at least a D-th of all, and at most all of it; the collective likewise.
    const { gemmMs: allGemms, collectiveMs } = report.measured;
    const { devices } = report.spec;
    expect(gemmMs).toBeGreaterThanOrEqual(allGemms! / devices - SLACK_MS);
    expect(gemmMs).toBeLessThanOrEqual(allGemms! + SLACK_MS);
    expect(sequentialMs! - gemmMs!).toBeGreaterThanOrEqual(collectiveMs! / (2 * devices) - SLACK_MS);
    expect(sequentialMs! - gemmMs!).toBeLessThanOrEqual(collectiveMs! + SLACK_MS);
    expect(report.notes.filter(({ path }) => path.startsWith('replayed.'))).toEqual([]);
  });

gpuTest('reasons where there is no figure: no baseline, nothing that travels but stores, no timestamps, a run that stalled', async (page) => {
  const reasons = async (request: SpecRequest): Promise<unknown> => {
    const { report } = await page.evaluate((spec) => window.tilewireTest.groups(spec, false), await resolveDraft(request));
    return { null: Object.entries(report.replayed).flatMap(([name, value]) => (value === null ? [name] : [])), noted: report.notes.flatMap(({ path }) => (path.startsWith('replayed.') ? [path.slice(9)] : [])).sort() };
  };
  const plain = ['exposedMs', 'gemmMs', 'sequentialMs'];
  expect(await reasons(shape)).toEqual({ null: ['gemmMs', 'sequentialMs', 'exposedMs'], noted: plain });
  expect(await reasons({ ...shape, devices: 1 })).toEqual({ null: ['gemmMs', 'sequentialMs', 'exposedMs', 'overlap'], noted: [...plain, 'overlap'].sort() });
  // That a link's time is not in the figure is noted at the figure.
  for (const request of [{ ...shape, devices: 2 }, { ...shape, algorithm: 'direct' as const }]) expect(await reasons(request)).toEqual({ null: ['gemmMs', 'sequentialMs', 'exposedMs', 'overlap'], noted: [...plain, 'fusedMs', 'overlap'].sort() });
  const stalled = await reasons({ ...shape, faults: [{ kind: 'drop-transfer', device: 2, chunk: 0, tile: 0 }] });
  expect(stalled).toEqual({ null: ['gemmMs', 'sequentialMs', 'fusedMs', 'exposedMs', 'overlap'], noted: [...plain, 'fusedMs', 'overlap'].sort() });
  const untimed = await page.evaluate((spec) => window.tilewireTest.withoutTimestamps(spec), await resolveDraft(shape).then((draft) => ({ ...draft, stageTiles: 1 })));
  expect(Object.values(untimed.replayed)).toEqual([null, null, null, null, null]);
  expect(untimed.notes.filter(({ path }) => path.startsWith('replayed.')).map(({ reason }) => reason)).toEqual(Array.from({ length: 5 }, () => 'the adapter has no timestamp-query'));
});

for (const triggers of ['host', 'device'] as const)
  gpuTest(`triggers on the ${triggers}: whether devices are served together or one by one, in one buffer or in many, the run is the same`, async (page, facts) => {
    // Of this size a binding holds each operand, and not the counters of all devices; of triggers on the GPU not all of their tables.
    const most = triggers === 'host' ? 65_536 : 2 ** 28;
    const devices = 32;
    const request: SpecRequest = { m: 32, n: 160, k: 8, devices, kernelName: 'gemm-register', tile: { m: 4, n: 4, k: 1 }, stageTiles: 4, triggerTiles: 2, triggers };
    const [own, asHardware, small] = await page.evaluate((spec, bytes) => window.tilewireTest.ways(spec, bytes), await resolveDraft(request), most);
    const each = Array.from({ length: devices }, (_, device) => device);
    expect([own.moved, asHardware.moved]).toEqual([facts.environment.adapter.isFallback ? [-1] : each, each]);
    for (const { report, result } of [own, asHardware, small]) {
      expect(report.failures).toEqual([]);
      expect(report.notes.filter(({ path }) => path.startsWith('replayed.'))).toEqual([]);
      expect(report.causality).toEqual(own.report.causality);
      expect(report.measured.bufferConflicts).toBe(own.report.measured.bufferConflicts);
      expect(result).toEqual(own.result);
    }
  });
