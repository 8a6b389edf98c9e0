// What the engine does on a GPU, where it does otherwise on a software adapter: a pass for each device's transfers and updates, a buffer for
// each chunk, a binding for each chunk that a tile straddles. Here the adapter is told to be a GPU; the bits and the order of events
// must be those of the run that says what it is.
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import { ALL_DEVICES } from '../../src/emulate/frame.ts';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import { pairwise } from '../support/pairwise.ts';
import { gpuTest } from './page-client.ts';

/** Tiles that straddle chunks, more of them than a dispatch binds in the thin one. */
const shapes = { ragged: { m: 37, n: 53, k: 8, tile: { m: 16, n: 20, k: 4 } }, thin: { m: 9, n: 67, k: 5, tile: { m: 8, n: 64, k: 2 } } } as const;

const cases = pairwise({
  shape: ['ragged', 'thin'],
  devices: [2, 5, 8],
  algorithm: ['ring', 'direct', 'chunk-ring'],
  chunk: ['rows', 'columns'],
  triggers: ['host', 'device'],
  operands: ['exact', 'normal'],
} as const);

async function bothWays(page: Page, request: SpecRequest, check: 'full' | 'projection') {
  const spec = await resolveDraft(request);
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec, baseline: true, check, memoryLimit: 2 ** 28 });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  const { report, passesOf } = await page.evaluate((draft, how) => window.tilewireTest.asOnGpu(draft, how), spec, check);
  return { here: outcome.value.report, there: report, passesOf };
}

for (const { shape, ...rest } of cases)
  gpuTest(`${shape} ${JSON.stringify(rest)}`, async (page) => {
    const { here, there, passesOf } = await bothWays(page, { ...shapes[shape], ...rest, kernelName: 'gemm-register', stageTiles: 3, triggerTiles: 2 }, 'full');
    expect(there.failures).toEqual([]);
    expect(there.check).toEqual(here.check);
    expect(there.causality).toEqual(here.causality);
    expect(there.ledger).toEqual(here.ledger);
    expect(there.tracker).toEqual(here.tracker);
    // It was the other way indeed.
    if (rest.algorithm !== 'direct') expect(passesOf).not.toContain(ALL_DEVICES);
  });

gpuTest('a fault that a projection finds is named alike', async (page) => {
  const { here, there } = await bothWays(page, { ...shapes.ragged, devices: 4, kernelName: 'gemm-register', faults: [{ kind: 'corrupt-tile', device: 1, chunk: 1, tile: 1 }] }, 'projection');
  expect(here.check.wrong).toBeGreaterThan(0);
  expect(there.failures).toEqual(here.failures);
  expect(there.check).toEqual(here.check);
});
