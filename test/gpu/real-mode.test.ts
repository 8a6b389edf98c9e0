// Real mode above 2 GFLOP: the float64 bound is held against whole seeded rows, not against all, and says how many; the
// plan-order reference looks at every element. A tile that is corrupted is seen by either.
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import type { Outcome, RunJob, RunResult } from '../../src/page/api.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { runTable } from '../../src/report/table.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { Fault } from '../../src/spec/spec.ts';
import { FULL_CHECK_FLOP, rowsToCheck } from '../../src/verify/bounded.ts';
import type { RunReport } from '../../src/verify/run-report.ts';
import { gpuTest } from './page-client.ts';

// 2.46 GFLOP over 8 devices: 81 % of the rows can be checked.
const LARGE = { m: 300, n: 250, k: 2048, devices: 8, operands: 'normal', seed: 4 } as const;
const K_TOTAL = LARGE.k * LARGE.devices;
const { rows } = rowsToCheck(LARGE.m, LARGE.n, K_TOTAL, LARGE.seed);

async function run(page: Page, request: SpecRequest, more: Partial<RunJob> = {}): Promise<RunReport> {
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: await resolveSpec(request), baseline: false, memoryLimit: 2 ** 30, ...more });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  return outcome.value.report;
}

gpuTest('more than 2 GFLOP: seeded rows against the bound, with the share printed; every element in plan order', async (page) => {
  expect(2 * LARGE.m * LARGE.n * K_TOTAL).toBeGreaterThan(FULL_CHECK_FLOP);
  const report = await run(page, LARGE);
  expect(report.failures).toEqual([]);
  const { check } = report;
  expect(check).toMatchObject({ mode: 'bounded', elements: LARGE.m * LARGE.n, wrong: 0, bitExactPlanOrder: true, coverage: rows.length / LARGE.m });
  expect(check.coverage).toBeGreaterThanOrEqual(0.01);
  expect(check.coverage).toBeLessThan(1);
  // Real numbers are rounded: an error of 0 would be a comparison with itself. The bound is not so loose that it says nothing.
  expect(check.maxError).toBeGreaterThan(0);
  expect(check.maxError).toBeLessThanOrEqual(check.bound!);
  expect(check.bound).toBeLessThan(Math.sqrt(K_TOTAL));
  expect(runTable(report)).toContain(`${(check.coverage * 100).toPrecision(3)} %`);
});

/** A part on its owner whose first element, the one that `corrupt-tile` overwrites, lies in a row that the bound does not check. */
async function hiddenFault(): Promise<{ fault: Fault; row: number }> {
  const spec = await resolveSpec(LARGE);
  const { tiling } = planOf(spec, builtInFootprint(spec));
  for (let part = 0; part < tiling.parts; part++) {
    const chunk = tiling.partChunk[part]!;
    const row = tiling.chunks[chunk]!.row + Math.floor(tiling.runs[2 * tiling.pieceRuns[part * tiling.wavefronts]!]! / LARGE.n);
    if (!rows.includes(row)) return { fault: { kind: 'corrupt-tile', device: chunk, chunk, tile: tiling.partTile[part]! }, row };
  }
  throw new Error('every tile begins in a row that is checked: choose another seed');
}

let hidden: Promise<RunReport> | undefined;
const hiddenRun = (page: Page): Promise<RunReport> => (hidden ??= hiddenFault().then(({ fault }) => run(page, { ...LARGE, faults: [fault] }, { check: 'full' })));

gpuTest('an element that is corrupted in a row without a bound is seen by the plan order, which says where', async (page) => {
  const { row } = await hiddenFault();
  const { check, notes } = await hiddenRun(page);
  expect(check).toMatchObject({ wrong: 1, bitExactPlanOrder: false, coverage: (rows.length + 1) / LARGE.m });
  const note = notes.find(({ path }) => path === 'check.bitExactPlanOrder');
  expect(note?.reason).toMatch(new RegExp(`^row ${row}, column \\d+: plan order gives \\S+, the run \\S+$`));
});

gpuTest('an element that is corrupted in a row without a bound fails the run', async (page) => {
  const { failures } = await hiddenRun(page);
  expect(failures.map(({ code }) => code)).toContain('WRONG_VALUES');
});

for (const algorithm of ['ring', 'direct'] as const)
  gpuTest(`an element that is corrupted in a small run is beyond its bound, and not in plan order: ${algorithm}`, async (page) => {
    const { check, failures } = await run(page, { m: 16, n: 64, k: 12, devices: 4, operands: 'normal', algorithm, tile: { m: 8, n: 8, k: 2 }, faults: [{ kind: 'corrupt-tile', device: 1, chunk: 1, tile: 3 }] });
    expect(failures.map(({ code }) => code)).toEqual(['WRONG_VALUES']);
    expect(check).toMatchObject({ coverage: 1, wrong: 1, bitExactPlanOrder: false });
    expect(check.firstWrong[0]).toMatchObject({ row: 0, column: 24, device: 1, chunk: 1, tile: 3 });
  });
