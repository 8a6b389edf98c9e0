// The fused run over a pairwise cover of devices, shapes, tiles, granularities, chunking, algorithms, kernels and
// tracker geometries: every element right, causality, ledger and tracker too. `GRID=n` runs every n-th case only.
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveSpec, parseTile } from '../../src/spec/resolve.ts';
import { pairwise } from '../support/pairwise.ts';
import { gpuTest } from './page-client.ts';

const cases = pairwise({
  devices: [1, 2, 3, 5, 7, 8, 13, 16, 64],
  shape: [
    { m: 37, n: 53, k: 29 },
    { m: 101, n: 11, k: 7 },
    { m: 3, n: 61, k: 1 },
    { m: 64, n: 64, k: 16 },
    { m: 1, n: 1, k: 5 },
    { m: 24, n: 96, k: 8 },
  ],
  tile: ['default', '8x8x2', '16x20x4', '32x64x8', '4x4x1'],
  algorithm: ['ring', 'direct', 'chunk-ring'],
  chunk: ['rows', 'columns'],
  kernelName: ['gemm-register', 'gemm-workgroup'],
  stageTiles: [undefined, 1, 3, 1000],
  triggerTiles: [1, 3, 8],
  lag: [2, 1, 3],
  skew: [0, 0.5, 4],
  wavefront: [64, 4],
  tracker: [
    { trackerSets: 256, trackerWays: 8, overflow: 'spill' },
    { trackerSets: 2, trackerWays: 1, overflow: 'spill' },
    { trackerSets: 1, trackerWays: 2, overflow: 'stall' },
  ],
  operands: ['exact', 'normal'],
} as const);

const every = Number(process.env['GRID'] ?? 1);
cases.forEach(({ shape, tile, tracker, ...rest }, index) => {
  if (index % every !== 0) return;
  const name = `${shape.m}x${shape.n}x${shape.k} ${Object.entries({ tile, ...rest, ...tracker }).map(([key, value]) => `${key}=${value}`).join(' ')}`;
  gpuTest(name, async (page) => {
    const spec = await resolveSpec({ ...shape, ...rest, ...tracker, tile: tile === 'default' ? undefined : parseTile(tile), seed: index });
    const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec, baseline: index % 8 === 0, memoryLimit: 2 ** 30 });
    if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
    const { report } = outcome.value;
    expect(report.failures).toEqual([]);
    expect(report.check).toMatchObject({ wrong: 0, coverage: 1, elements: shape.m * shape.n, ...(rest.operands === 'normal' ? { bitExactPlanOrder: true } : {}) });
    expect(report.causality.violations).toBe(0);
    expect(report.ledger.balanced).toBe(true);
    expect(report.tracker.updates).toBeGreaterThan(0);
  });
});
