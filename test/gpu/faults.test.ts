// The tests that break the system and must see it caught. Each fault is a Spec of its own; what has to be reported is
// spelled out: a check that passes here by failing for another reason is no check.
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { Fault } from '../../src/spec/spec.ts';
import { gpuTest } from './page-client.ts';

// 4 devices, chunks of 16 columns, tiles of 8 x 8: 2 x 2 tiles a chunk, of which tile 4 is the first of chunk 2. A stage
// is one tile row half, a block one tile, so that a fault stays local.
const base: SpecRequest = { m: 16, n: 64, k: 12, devices: 4, tile: { m: 8, n: 8, k: 2 }, stageTiles: 2, triggerTiles: 1 };

async function run(page: Page, request: SpecRequest): Promise<RunResult> {
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: await resolveSpec(request), baseline: false, memoryLimit: 2 ** 28, keepEvents: true });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  return outcome.value;
}

const broken = (page: Page, fault: Fault, more: SpecRequest = {}): Promise<RunResult> => run(page, { ...base, ...more, faults: [fault] });
const codes = ({ report }: RunResult): string[] => [...new Set(report.failures.map(({ code }) => code))].toSorted();
const messages = ({ report }: RunResult, code: string): string[] => report.failures.filter((failure) => failure.code === code).map(({ message }) => message);

/** Where what is missing or doubled happens to sum up to 0, an element is right all the same. */
function expectMostOf({ report }: RunResult, elements: number): void {
  expect(report.check.wrong).toBeLessThanOrEqual(elements);
  expect(report.check.wrong).toBeGreaterThan(elements * 0.85);
}

gpuTest('the same run without a fault is right', async (page) => {
  const { report } = await run(page, base);
  expect(report.failures).toEqual([]);
  expect(report.check.wrong).toBe(0);
});

gpuTest("one workgroup's stores suppressed on one device: the piece, its count, threshold and missing source; no DMA of its block; all dependents wait", async (page) => {
  // Device 1 computes chunk 3 in step 2, on its way 1 → 0 → 3; tile 6 is the first of chunk 3.
  const result = await broken(page, { kind: 'suppress-stores', device: 1, chunk: 3, tile: 6 });
  expect(codes(result)).toEqual(['LEDGER', 'STALLED', 'TRACKER', 'WRONG_VALUES']);
  const stalled = messages(result, 'STALLED');
  expect(stalled[0]).toMatch(/^device 0: trigger of block 12 to device 3 waits for 1 piece: chunk 3 tile 6 wavefront 0 has 64 of 128 elements, missing DMA from device 1 \(0 of 64\)$/);
  expect(stalled[1]).toMatch(/^device 1: trigger of block 12 to device 0 waits for 1 piece: chunk 3 tile 6 wavefront 0 has 64 of 128 elements, missing local \(0 of 64\)$/);
  expect(stalled[2]).toMatch(/^device 3: result block 12 waits for 1 piece: chunk 3 tile 6 wavefront 0 has 64 of 128 elements, missing DMA from device 0 \(0 of 64\)$/);
  expect(stalled).toHaveLength(3);
  const sends = result.events!.filter(({ kind, subject }) => kind === 'send' && subject === 12);
  expect(sends).toEqual([]);
  expectMostOf(result, 64);
  // The tile on the owner holds only its own contribution.
  expect(result.report.check.firstWrong[0]).toMatchObject({ device: 3, chunk: 3, tile: 6, row: 0, column: 48, missing: [0, 1, 2], doubled: [] });
});

for (const delta of [-1, 1])
  gpuTest(`a threshold that is off by ${delta} element`, async (page) => {
    const result = await broken(page, { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta });
    expect(messages(result, 'TRACKER')).toContain(`device 2: chunk 1 tile 3 wavefront 0 is tracked with threshold ${128 + delta}, the Plan says 128`);
    if (delta > 0) expect(messages(result, 'STALLED').some((line) => line.includes('device 2') && line.includes('chunk 1 tile 3 wavefront 0 has 128 of 129 elements, missing nothing'))).toBe(true);
    else expect(result.report.check.wrong).toBe(0);
  });

gpuTest('a threshold so low that the trigger fires before the last update', async (page) => {
  const result = await broken(page, { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta: -64 });
  expect(messages(result, 'CAUSALITY')[0]).toContain('chunk 1 tile 3 wavefront 0 has 64 of 128 elements');
});

gpuTest('a transfer that is dropped', async (page) => {
  // Device 2 computes chunk 0 in step 2 and sends it to device 1.
  const result = await broken(page, { kind: 'drop-transfer', device: 2, chunk: 0, tile: 0 });
  expect(messages(result, 'STALLED')[0]).toMatch(/^device 0: .*missing DMA from device 1/);
  expect(messages(result, 'STALLED')[1]).toMatch(/^device 1: trigger of block 0 to device 0 waits for 1 piece: chunk 0 tile 0 .*missing DMA from device 2/);
  expect(codes(result)).toContain('LEDGER');
  // Devices 3 and 2 had added up when the transfer was lost; device 1 waits for them with its own.
  expect(result.report.check.firstWrong[0]).toMatchObject({ chunk: 0, tile: 0, missing: [1, 2, 3], doubled: [] });
  expectMostOf(result, 64);
});

gpuTest('an update that is applied twice', async (page) => {
  const result = await broken(page, { kind: 'double-update', device: 1, chunk: 0, tile: 0 });
  expect(messages(result, 'TRACKER')[0]).toContain('device 0: chunk 0 tile 0 wavefront 0 ended with 192 of 128 elements');
  expect(codes(result)).toContain('LEDGER');
  expectMostOf(result, 64);
  // What device 1 sent held the contributions of 3, 2 and 1.
  expect(result.report.check.firstWrong[0]).toMatchObject({ device: 0, chunk: 0, tile: 0, missing: [], doubled: [1, 2, 3] });
});

gpuTest('a tile that is corrupted in memory', async (page) => {
  const result = await broken(page, { kind: 'corrupt-tile', device: 3, chunk: 1, tile: 2 });
  expect(codes(result)).toEqual(['WRONG_VALUES']);
  expect(result.report.check.wrong).toBe(1);
  expect(result.report.check.firstWrong[0]).toMatchObject({ row: 0, column: 16, device: 1, chunk: 1, tile: 2, missing: null, doubled: null });
});

gpuTest('a block that is read too early', async (page) => {
  // Device 0 computes chunk 2 in step 2; the remote update comes from device 1.
  const result = await broken(page, { kind: 'early-read', device: 3, chunk: 2, tile: 4 });
  expect(messages(result, 'CAUSALITY')[0]).toMatch(/send at \d+ on device 3: block 8 \(chunk 2\) was read without a trigger/);
});

gpuTest('an output that is never written: all elements are wrong', async (page) => {
  const result = await broken(page, { kind: 'unwritten-output' });
  expect(codes(result)).toContain('NO_WORK');
  expect(result.report.check.wrong).toBe(16 * 64);
  expect(result.report.check.firstWrong[0]).toMatchObject({ actual: '0x7fc0dead', missing: [0, 1, 2, 3] });
});

gpuTest('an output that is never written, real mode', async (page) => {
  const result = await broken(page, { kind: 'unwritten-output' }, { operands: 'normal' });
  expect(result.report.check.wrong).toBe(16 * 64);
});
