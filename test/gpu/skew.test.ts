// Devices that run apart: updates arrive in orders that no run in step shows, and the result is the same. Without skew
// nothing changes, and a skewed run is as much a function of its Spec as any other.
import * as fc from 'fast-check';
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import { stageFactor } from '../../src/spec/skew.ts';
import { gpuTest } from './page-client.ts';

async function run(page: Page, request: SpecRequest): Promise<Required<Pick<RunResult, 'report' | 'events'>>> {
  const spec = await resolveSpec(request);
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec, baseline: false, memoryLimit: 2 ** 28, keepEvents: true });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  const { report, events } = outcome.value;
  expect(report.failures, JSON.stringify(request)).toEqual([]);
  expect(report.check).toMatchObject({ wrong: 0, coverage: 1, ...(request.operands === 'normal' ? { bitExactPlanOrder: true } : {}) });
  return { report, events: events! };
}

const RING: SpecRequest = { m: 67, n: 45, k: 19, devices: 5, operands: 'normal', tile: { m: 8, n: 8, k: 2 }, stageTiles: 3, triggerTiles: 2, seed: 11 };
const DIRECT: SpecRequest = { m: 30, n: 71, k: 23, devices: 3, algorithm: 'direct', tile: { m: 16, n: 8, k: 2 }, stageTiles: 2, lag: 1, seed: 12 };

// Seen to change twice since there is skew: when stages of odd epochs began to go from the last device to the first, and when a dispatch
// that stores to several chunks came to be logged chunk by chunk.
gpuTest('without skew the order of events is what it was before there was skew', async (page) => {
  expect((await run(page, RING)).report.causality.eventHash).toBe('097881086c1ca3f6e7b61ed514d37291ae8065f1edabebb2d2746b4f1998af33');
  expect((await run(page, { ...DIRECT, skew: 0 })).report.causality.eventHash).toBe('00997f5e0e7587038b49d2648ea986188d5809ef859ce8347a75492502370544');
});

gpuTest('a skewed run is a function of its Spec: the seed is part of it', async (page) => {
  const hash = async (request: SpecRequest): Promise<string> => (await run(page, request)).report.causality.eventHash;
  const skewed = { ...RING, skew: 2 };
  const first = await hash(skewed);
  expect(await hash(skewed)).toBe(first);
  const others = [await hash({ ...skewed, skew: 2.5 }), await hash({ ...skewed, seed: 12 }), await hash({ ...skewed, skew: 0 })];
  expect(new Set([first, ...others]).size).toBe(4);
});

gpuTest('a stage runs in the epoch in which the device has gathered credit for it', async (page) => {
  for (const [request, skew] of [[RING, 0.5], [RING, 4], [DIRECT, 4]] as const) {
    const { events } = await run(page, { ...request, skew });
    for (let device = 0; device < request.devices!; device++) {
      const epochs = [...new Set(events.flatMap((event) => (event.kind === 'store' && event.device === device ? [event.time] : [])))];
      let credit = 0;
      const expected: number[] = [];
      for (let epoch = 0; expected.length < epochs.length; epoch++) {
        credit += 1 / stageFactor(skew, request.seed!, device, expected.length);
        if (credit < 1) continue;
        credit--;
        expected.push(epoch);
      }
      expect(epochs).toEqual(expected);
    }
  }
});

gpuTest('on a ring, of the two updates of a part now the device\'s own comes first and now the one that arrives', async (page) => {
  /** Parts (in a memory) whose first update the DMA applied, and those that a GEMM stored first though one arrived. */
  const firsts = async (skew: number): Promise<{ applied: number; stored: number }> => {
    const { events } = await run(page, { ...RING, devices: 4, stageTiles: 2, triggerTiles: 1, lag: 1, skew });
    const applies = events.filter(({ kind }) => kind === 'apply');
    return { applied: applies.filter(({ value }) => value === 0).length, stored: applies.filter(({ value }) => value === 1).length };
  };
  const skewed = await firsts(4);
  expect(skewed.applied).toBeGreaterThan(0);
  expect(skewed.stored).toBeGreaterThan(0);
  expect(await firsts(0)).not.toEqual(skewed);
});

gpuTest('in direct, which device stores a part first changes', async (page) => {
  const firstWriters = async (skew: number): Promise<number[]> =>
    (await run(page, { ...DIRECT, devices: 5, skew })).events.filter(({ kind, value }) => kind === 'store' && value === 0).toSorted((one, other) => one.subject - other.subject).map(({ device }) => device);
  const inStep = await firstWriters(0);
  const skewed = await firstWriters(4);
  expect(skewed).toHaveLength(inStep.length);
  expect(skewed).not.toEqual(inStep);
});

gpuTest('an epoch in which no device has credit ends nothing', async (page) => {
  // One device, one tile a stage. A stage's own part is below 2, so that every stage takes at least 4 epochs: more than `lag` are empty in a row.
  const seed = Array.from({ length: 100 }, (_, seed) => seed).find((seed) => stageFactor(4, seed, 0, 0) / 2 >= 4)!;
  const { report, events } = await run(page, { m: 32, n: 32, k: 4, devices: 1, tile: { m: 8, n: 8, k: 2 }, stageTiles: 1, lag: 1, skew: 4, seed });
  expect(report.measured.stages).toBe(16);
  expect(Math.max(...events.map(({ time }) => time))).toBeGreaterThan(3 * 16);
});

// Few shapes and tiles, so that a compiled kernel is used again.
const shapes = fc.constantFrom({ m: 37, n: 53, k: 7 }, { m: 64, n: 24, k: 16 }, { m: 5, n: 61, k: 3 });

const requests: fc.Arbitrary<SpecRequest> = fc.tuple(shapes, fc.record({
  devices: fc.integer({ min: 1, max: 9 }),
  algorithm: fc.constantFrom('ring', 'direct'),
  operands: fc.constantFrom('exact', 'normal'),
  chunk: fc.constantFrom('rows', 'columns'),
  tile: fc.constantFrom({ m: 8, n: 8, k: 2 }, { m: 16, n: 20, k: 4 }),
  stageTiles: fc.constantFrom(1, 2, 5, 100),
  triggerTiles: fc.constantFrom(1, 3, 8),
  lag: fc.integer({ min: 1, max: 5 }),
  skew: fc.oneof(fc.constantFrom(0.01, 1, 4), fc.double({ min: 0, max: 4, noNaN: true })),
  overflow: fc.constantFrom('spill', 'stall'),
  trackerSets: fc.constantFrom(1, 2, 256),
  trackerWays: fc.constantFrom(1, 2, 8),
  seed: fc.nat(1000),
} as const)).map(([shape, rest]) => ({ ...shape, ...rest }));

gpuTest(
  'whatever the order of arrival, the result is right',
  async (page) => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => void (await run(page, request))),
      { numRuns: Number(process.env['SKEW_RUNS'] ?? 20), seed: 20240427 },
    );
  },
  600_000,
);
