// Triggers on the GPU: the same bits and the same order of events as with triggers on the host, whatever the Spec; the tracker
// kernel alone against the host's tracker; and each way to break it seen by the host's replay.
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveDraft, resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { Fault, Triggers } from '../../src/spec/spec.ts';
import type { RunReport } from '../../src/verify/run-report.ts';
import { galleryKernel } from '../support/gallery.ts';
import { pairwise } from '../support/pairwise.ts';
import { gpuTest } from './page-client.ts';

async function run(page: Page, request: SpecRequest, triggers: Triggers): Promise<RunReport> {
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: await resolveDraft({ ...request, triggers }), baseline: false, memoryLimit: 2 ** 28 });
  if (!outcome.ok) throw new Error(`${JSON.stringify(request)}: ${JSON.stringify(outcome.error)}`);
  return outcome.value.report;
}

/** Both modes, held against each other; the report with triggers on the GPU. */
async function both(page: Page, request: SpecRequest): Promise<RunReport> {
  const host = await run(page, request, 'host');
  const device = await run(page, request, 'device');
  const name = JSON.stringify({ ...request, foreign: request.foreign?.name });
  expect(device.failures, name).toEqual(host.failures);
  expect(device.check.outputHash, name).toBe(host.check.outputHash);
  expect(device.causality, name).toEqual(host.causality);
  expect(device.ledger, name).toEqual(host.ledger);
  expect(device.tracker, name).toEqual(host.tracker);
  expect(device.measured, name).toMatchObject({ counterWaits: 0, interleaved: device.measured.interleaved === null ? null : expect.any(Number) });
  return device;
}

const shapes = { even: { m: 32, n: 64, k: 12 }, prime: { m: 37, n: 53, k: 7 }, thin: { m: 61, n: 5, k: 3 }, flat: { m: 3, n: 67, k: 16 } } as const;

const cases = pairwise({
  shape: ['even', 'prime', 'thin', 'flat'],
  devices: [1, 2, 3, 5, 8],
  algorithm: ['ring', 'direct', 'chunk-ring'],
  chunk: ['rows', 'columns'],
  tile: [{ m: 8, n: 8, k: 2 }, { m: 16, n: 20, k: 4 }],
  operands: ['exact', 'normal'],
  stageTiles: [1, 3, 100],
  triggerTiles: [1, 3, 8],
  lag: [1, 2, 5],
  skew: [0, 0.7, 3],
  wavefront: [4, 64],
} as const);

for (const [index, { shape, ...rest }] of cases.entries())
  gpuTest(`case ${index}: both modes give the same bits and the same events`, async (page) => {
    const report = await both(page, { ...shapes[shape], ...rest, seed: index });
    expect(report.failures).toEqual([]);
    expect(report.check).toMatchObject({ wrong: 0, coverage: 1, bitExactPlanOrder: rest.operands === 'normal' ? true : null });
  });

for (const name of ['split-k-z', 'split-k-x-rotated', 'batched-z', 'persistent-tiles', 'diagonal-walk', 'strided-outputs', 'bias-vec4', 'row-bias-after'])
  gpuTest(`a kernel that is not ours: ${name}`, async (page) => {
    for (const request of [{ devices: 4, operands: 'exact', triggerTiles: 2 }, { devices: 3, operands: 'normal', chunk: 'rows', lag: 1, skew: 2 }] as const) {
      const report = await both(page, { m: 40, n: 48, k: 16, ...request, foreign: galleryKernel(name) });
      expect(report.failures).toEqual([]);
    }
  });

gpuTest('64 devices, some without a chunk', async (page) => {
  expect((await both(page, { m: 16, n: 60, k: 4, devices: 64, tile: { m: 8, n: 4, k: 2 }, chunk: 'columns' })).failures).toEqual([]);
});

gpuTest('a link too small for all that is ready: blocks wait, in the same order', async (page) => {
  // Skewed devices catch up: more blocks are ready than two stages' worth.
  const report = await both(page, { m: 48, n: 96, k: 4, devices: 4, tile: { m: 8, n: 8, k: 2 }, stageTiles: 1, triggerTiles: 1, lag: 6, skew: 4, seed: 3 });
  expect(report.failures).toEqual([]);
});

// As in faults.test.ts: 4 devices, tile 4 is the first of chunk 2.
const base = { m: 16, n: 64, k: 12, devices: 4, tile: { m: 8, n: 8, k: 2 }, stageTiles: 2, triggerTiles: 1 } as const satisfies SpecRequest;

for (const fault of [
  { kind: 'suppress-stores', device: 1, chunk: 3, tile: 6 },
  { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta: 1 },
  { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta: -1 },
  { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta: -64 },
  { kind: 'corrupt-tile', device: 3, chunk: 1, tile: 2 },
  { kind: 'unwritten-output' },
] as const satisfies readonly Fault[])
  gpuTest(`fault ${JSON.stringify(fault)}: reported as with triggers on the host`, async (page) => {
    const report = await both(page, { ...base, faults: [fault] });
    expect(report.failures.length).toBeGreaterThan(0);
  });

for (let seed = 1; seed <= 12; seed++)
  gpuTest(`the tracker kernel alone, counters at random, seed ${seed}: the triggers that the host's tracker finds`, async (page) => {
    const request = { m: 40, n: 72, k: 4, devices: [3, 4, 6][seed % 3]!, tile: seed % 2 === 0 ? { m: 8, n: 8, k: 2 } : { m: 16, n: 20, k: 4 }, triggerTiles: [1, 2, 5, 100][seed % 4]!, wavefront: seed % 5 === 0 ? 4 : 64, lag: 1 + (seed % 3), stageTiles: 3 };
    const { gpu, host } = await page.evaluate((spec, seed) => window.tilewireTest.trackerAlone(spec, seed, 12), await resolveSpec(request), seed);
    expect(host.length).toBeGreaterThan(0);
    expect(gpu).toEqual(host);
  });

const failuresOf = async (page: Page, request: SpecRequest, edit: readonly [string, string] | null, most?: number): Promise<{ codes: string[]; lines: string; wrong: number | undefined }> => {
  const { failures, wrong } = await page.evaluate((spec, edit, most) => window.tilewireTest.brokenTracker(spec, edit, most), await resolveSpec({ ...request, triggers: 'device' }), edit, most);
  return { codes: [...new Set(failures.map(({ code }) => code))].toSorted(), lines: failures.map(({ message }) => message).join('\n'), wrong };
};

gpuTest('a list that is longer than a dispatch may be fails the run', async (page) => {
  const request = { ...base, stageTiles: 4, triggerTiles: 4 };
  expect(await failuresOf(page, request, null)).toMatchObject({ codes: [], wrong: 0 });
  expect(await failuresOf(page, request, null, 4)).toMatchObject({ codes: [], wrong: 0 });
  const { codes, lines, wrong } = await failuresOf(page, request, null, 3);
  expect(codes).toContain('TRACKER');
  expect(lines).toMatch(/device \d: a list of ready blocks is longer than one dispatch may be/);
  expect(wrong).toBeGreaterThan(0);
});

gpuTest('red: a threshold compared wrongly', async (page) => {
  const early = await failuresOf(page, base, ['i32(count) >= threshold)', 'i32(count) >= threshold / 2)']);
  expect(early.lines).toMatch(/device \d: block \d+ of chunk \d became ready in epoch \d+ on the GPU, in epoch \d+ in the replay/);
  const late = await failuresOf(page, base, ['i32(count) >= threshold)', 'i32(count) > threshold)']);
  expect(late.lines).toMatch(/became ready never on the GPU/);
  expect(late.codes).toEqual(expect.arrayContaining(['STALLED', 'TRACKER', 'WRONG_VALUES']));
});

gpuTest('red: counters of one writer left out', async (page) => {
  expect((await failuresOf(page, base, ['landed(windows[row].one, piece) + landed(windows[row].other, piece)', 'landed(windows[row].one, piece)'])).codes).toContain('TRACKER');
});

gpuTest('red: op bits', async (page) => {
  // The update says that it stores, and the GEMM behind it is not told to add.
  const forgotten = await failuresOf(page, { ...base, triggerTiles: 2, stageTiles: 1 }, ['orders[stores[store].word] = 1u;', 'orders[stores[store].word] = 0u;']);
  expect(forgotten.codes).toEqual(['TRACKER', 'WRONG_VALUES']);
  expect(forgotten.lines).toMatch(/in epoch \d+ the order table of tile \d+ for chunk \d holds 0, the replay says 1/);
  // An update that comes behind a stage of its own epoch taken for one that comes before it.
  const swapped = await failuresOf(page, { ...base, lag: 1 }, ['stores[store].epoch <= epoch + 2u', 'stores[store].epoch < epoch + 2u']);
  expect(swapped.lines).toMatch(/the update of part \d+ stores on the GPU, adds in the replay/);
  expect(swapped.codes).toContain('WRONG_VALUES');
});

gpuTest('red: blocks in another order than the Plan\'s, and a lag that is not the Spec\'s', async (page) => {
  const request = { ...base, stageTiles: 4 };
  const order = await failuresOf(page, request, ['var which = first_block; which < end_block && !is_full; which++', 'var which = end_block - 1u; which + 1u > first_block && !is_full; which--']);
  expect(order.lines).toMatch(/lies at element \d+ of its link on the GPU, at \d+ in the replay/);
  const lag = await failuresOf(page, { ...base, stageTiles: 1 }, ['seen + run.lag > epoch + 2u', 'seen + run.lag > epoch + 3u']);
  expect(lag.lines).toMatch(/was sent in epoch \d+ on the GPU, in epoch \d+ in the replay/);
});
