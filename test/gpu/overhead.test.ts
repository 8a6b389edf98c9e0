// The overhead benchmark's page on tiny shapes and a few pairs: every part runs, says what it must, and its figures hang together.
// How large they are is the benchmark's business, not a test's.
import esbuild from 'esbuild';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer';
import { beforeAll, expect } from 'vitest';
import type { Outcome } from '../../src/page/api.ts';
import { gpuTest } from './page-client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let bundle: string;
beforeAll(async () => {
  const built = await esbuild.build({ absWorkingDir: root, entryPoints: ['bench/overhead/page.ts'], bundle: true, format: 'iife', loader: { '.wgsl': 'text' }, platform: 'browser', target: 'es2023', write: false });
  bundle = built.outputFiles[0].text;
});

async function withBench(page: Page): Promise<void> {
  if (!(await page.evaluate(() => 'tilewireOverhead' in window))) await page.addScriptTag({ content: bundle });
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.error.what} ${(outcome.error.fields.lines ?? []).join('\n')}`);
  return outcome.value;
}

const shape = { m: 32, n: 256, k: 64 };
const job = { ...shape, devices: 4, chunk: 'columns' as const, triggerTiles: 2 };
const soon = (): number => Date.now() + 600_000;

gpuTest('tracked over plain: a ratio of each draw, of one kernel that did the same twice', async (page) => {
  await withBench(page);
  const result = valueOf(await page.evaluate((of) => window.tilewireOverhead.tracked(of), { name: 'tiny', shape, axis: 'columns' as const, devices: 4, pairs: 4, storeDevices: 2, draws: 3, fewPairs: 6, tiles: 1, deadline: soon() }));
  expect(result.draws).toHaveLength(3);
  expect(result.ratio).toMatchObject({ median: result.draws.toSorted((one, other) => one - other)[1], pairs: 12 });
  // A step of k is 1 deep at least.
  expect(result.stores.k).toBeGreaterThanOrEqual(2);
  expect(result.stores.k).toBeLessThan(shape.k);
  expect(result.stores.plainMicroseconds).toHaveLength(2);
  const shares = result.stores.plainMicroseconds.map((plain, at) => (result.stores.trackedMicroseconds[at]! - plain) / ((1000 * result.sliceMs) / result.workgroups));
  expect(result.stores.ratio.upper).toBeCloseTo(1 + Math.max(...shares), 9);
  expect(result.stores.ratio.lower).toBeCloseTo(1 + Math.min(...shares), 9);
  expect(result.ratio.lower).toBeLessThanOrEqual(result.ratio.median);
  expect(result.ratio.median).toBeLessThanOrEqual(result.ratio.upper);
  expect(result.ratio.median).toBeGreaterThan(0);
  expect(result.controls.length).toBeGreaterThanOrEqual(1);
  expect(result.more.map(({ what }) => what)).toEqual(expect.arrayContaining([expect.stringMatching(/^2 slots/), expect.stringMatching(/^4 slots/), 'one slot, chunks by rows']));
});

gpuTest('fused over plain parts: the steps of whole runs, each with its plain parts', async (page) => {
  await withBench(page);
  const result = valueOf(await page.evaluate((of) => window.tilewireOverhead.fused(of), { ...job, name: 'tiny', pairs: 8, wholeRuns: 2, tiles: 1, deadline: soon(), checkTokens: null }));
  expect(result).toMatchObject({ units: 4, areSteps: true, wholeRuns: 2, checkOverFused: null });
  expect(result.memory?.peakMemoryRatio).toBeGreaterThan(1);
  expect(result.modes.map(({ mode }) => mode)).toEqual(['host', 'device']);
  for (const { units, draws, controlPairs, whole, gpuBusy, breakdown, stageEfficiency } of result.modes) {
    // Two devices, four steps each.
    expect(units.pairs).toBe(8);
    expect(draws).toHaveLength(2);
    expect(units.median).toBeCloseTo((draws[0]! + draws[1]!) / 2, 9);
    expect(controlPairs).toBeGreaterThan(0);
    for (const { lower, median, upper } of [units, whole, stageEfficiency]) {
      expect(lower).toBeGreaterThan(0);
      expect(lower).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(upper);
    }
    expect(gpuBusy).toBeGreaterThan(0);
    expect(gpuBusy).toBeLessThanOrEqual(1);
    expect(breakdown.idle).toBeGreaterThanOrEqual(0);
    expect(breakdown.idle).toBeLessThan(1);
  }
  const [host, device] = result.modes;
  expect(host.hostMicrosecondsPerTrigger).toBeGreaterThan(0);
  expect(device.hostMicrosecondsPerTrigger).toBe(0);
});

gpuTest('scaling: chunks that tiles straddle, and a tile chosen by its fused time', async (page) => {
  await withBench(page);
  const plain = valueOf(await page.evaluate((of, until) => window.tilewireOverhead.rank(of, until), job, Date.now()));
  const row = valueOf(await page.evaluate((of, choices) => window.tilewireOverhead.scaling(of, choices), { ...job, devices: 8, chunk: 'rows' as const, pairs: 1, draws: 1, candidates: 2, looks: 2, deadline: soon(), hardDeadline: soon() }, plain.slice(0, 1)));
  expect(row).toMatchObject({ devices: 8, chunk: 'rows' });
  expect(row.tile).toMatch(/^\d+x\d+x\d+$/);
  expect(row.pairs).toBe(row.units);
  expect(row.candidates.length).toBeGreaterThan(0);
  expect(row.own.median).toBeGreaterThan(0);
  const drawn = valueOf(await page.evaluate((of, choices) => window.tilewireOverhead.scaling(of, choices), { ...job, devices: 8, chunk: 'rows' as const, pairs: 1, draws: 3, candidates: 1, looks: 1, deadline: soon(), hardDeadline: soon() }, plain.slice(0, 1)));
  expect(row.draws).toBe(null);
  expect(drawn.draws).toHaveLength(3);
  // Fewer devices than the steps that are looked at.
  expect(drawn).toMatchObject({ pairs: 3 * 8, units: 8 });
  expect(drawn.own.lower).toBeLessThanOrEqual(drawn.own.upper);
  // A tile over all chunks makes one step: few units, so the run is paired again; a whole run has no more of them than that.
  const wide = { ...plain[0]!, name: 'gemm-register', tile: { m: shape.m, n: 16, k: 2 } };
  const few = valueOf(await page.evaluate((of, choices) => window.tilewireOverhead.scaling(of, choices), { ...job, devices: 8, chunk: 'rows' as const, pairs: 1, draws: 2, candidates: 1, looks: 1, deadline: soon(), hardDeadline: soon() }, [wide]));
  expect(few.straddling).toMatchObject({ mostChunks: 8 });
  expect(few.units).toBeLessThanOrEqual(4);
  expect(few.pairs).toBe(2 * few.units * Math.round(8 / few.units));
  // Where the fused run takes the fastest plain tile, both are held against the same plain parts.
  const alone = { ...job, pairs: 1, draws: 1, candidates: 1, looks: 1, deadline: soon(), hardDeadline: soon() };
  const first = valueOf(await page.evaluate((of, choices) => window.tilewireOverhead.scaling(of, choices), alone, plain.slice(0, 1)));
  const [m, n, k] = first.tile.split('x').map(Number) as [number, number, number];
  const same = { ...plain[0]!, name: first.fused.split(' ')[0]!, tile: { m, n, k } };
  const both = valueOf(await page.evaluate((of, choices) => window.tilewireOverhead.scaling(of, choices), alone, [same]));
  expect(both).toMatchObject({ fused: first.fused, plainBest: first.fused });
  expect(both.best).toEqual(both.own);
  const late = await page.evaluate((of, choices) => window.tilewireOverhead.scaling(of, choices), { ...job, pairs: 1, draws: 1, candidates: 2, looks: 1, deadline: soon(), hardDeadline: Date.now() }, plain.slice(0, 1));
  expect(late).toMatchObject({ ok: false, error: { code: 'TIMEOUT' } });
  const stages = valueOf(await page.evaluate((of, choice) => window.tilewireOverhead.stages(of, choice, 2), job, plain[0]));
  expect(stages.ratio.pairs).toBe(4);
});
