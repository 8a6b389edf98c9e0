// `--check projection` on the GPU: what is projected there is what the host projects, no wrong element escapes, and a run
// that is wrong is told in the same words as by the full comparison.
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import type { Outcome, RunJob, RunResult } from '../../src/page/api.ts';
import { depthOf } from '../../src/spec/chunks.ts';
import { fillOperand, MATRIX, mix } from '../../src/spec/operands.ts';
import { resolveDraft, resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { Fault, Spec } from '../../src/spec/spec.ts';
import { POISON_BITS } from '../../src/verify/exact.ts';
import { MODULUS, projected, residueOf, vectorsOf, VECTORS } from '../../src/verify/projection.ts';
import { galleryKernel } from '../support/gallery.ts';
import { gpuTest } from './page-client.ts';

async function run(page: Page, job: Partial<RunJob> & Pick<RunJob, 'spec'>): Promise<RunResult> {
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { baseline: false, memoryLimit: 2 ** 28, ...job });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  return outcome.value;
}

const exactRange = ({ operands }: Spec): number => (operands.kind === 'exact' ? operands.range : 0);

function operandsOf(spec: Spec, device: number, batch: number): { k: number; a: Float32Array; b: Float32Array } {
  const { gemm: { m, n }, seed } = spec;
  const k = depthOf(spec, device);
  const common = { kind: 'exact', range: exactRange(spec), seed, device } as const;
  return { k, a: fillOperand({ ...common, matrix: MATRIX.a, rows: batch * m, columns: k }), b: fillOperand({ ...common, matrix: MATRIX.b, rows: batch * k, columns: n }) };
}

/** Σ_d A_d·(B_d·x) with each product reduced by itself: another way through the same numbers. */
function onHost(spec: Spec, batch: number): number[] {
  const { gemm: { m, n }, devices, seed } = spec;
  const vectors = vectorsOf(seed, n);
  const sums = Array.from({ length: batch * m * VECTORS }, () => 0);
  for (let device = 0; device < devices; device++) {
    const { k, a, b } = operandsOf(spec, device, batch);
    const { sums: withB } = projected(b, n, vectors);
    for (let row = 0; row < batch * m; row++)
      for (let at = 0; at < k; at++)
        for (let v = 0; v < VECTORS; v++) sums[row * VECTORS + v] = (sums[row * VECTORS + v]! + residueOf(a[row * k + at]! * withB[(Math.floor(row / m) * k + at) * VECTORS + v]!)) % MODULUS;
  }
  return sums;
}

gpuTest('projected on the GPU is projected on the host: ragged, several segments, all ranges, uneven slices, a batch', async (page) => {
  const requests: readonly (readonly [SpecRequest & { range?: number }, batch: number])[] = [
    [{ m: 1, n: 1, k: 1, devices: 1 }, 1],
    [{ m: 300, n: 37, k: 11, devices: 3 }, 1],
    [{ m: 9, n: 1031, k: 523, devices: 2, seed: 0xffffffff }, 1],
    [{ m: 5, n: 17_003, k: 3, devices: 2 }, 1],
    [{ m: 7, n: 12, k: 17_003, devices: 2 }, 1],
    [{ m: 33, n: 20, k: 9, devices: 64 }, 1],
    [{ m: 17, n: 530, k: 261, devices: 2 }, 5],
  ];
  for (const [index, [request, batch]] of requests.entries()) {
    const spec = await resolveSpec(request);
    for (const range of [exactRange(spec), 1 + (index % 4)]) {
      const ranged: Spec = { ...spec, operands: { kind: 'exact', range } };
      expect(await page.evaluate((s, b) => window.tilewireTest.projection(s, b), ranged, batch), JSON.stringify({ ...request, range })).toEqual(onHost(ranged, batch));
    }
  }
  const uneven: Spec = await resolveSpec({ m: 40, n: 70, k: 13, devices: 3 });
  const less: Spec = { ...uneven, gemm: { ...uneven.gemm, kTotal: 37 } };
  expect(await page.evaluate((s) => window.tilewireTest.projection(s, 1), less)).toEqual(onHost(less, 1));
});

gpuTest('one element of a right result is changed: 200 seeds, and never does it pass', async (page) => {
  const base = await resolveSpec({ m: 13, n: 23, k: 6, devices: 3 });
  const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const changes: readonly ((value: number) => number)[] = [
    (value) => bitsOf(value + 1),
    (value) => bitsOf(value - 1),
    (value) => bitsOf(value === 0 ? -1 : -value),
    (value) => bitsOf(value + MODULUS),
    (value) => bitsOf(value > 0 ? -(2 ** 24) : 2 ** 24),
    (value) => bitsOf(value) ^ 1,
    () => 0x7fc00000,
    () => 0xff800000,
    () => POISON_BITS,
    () => bitsOf(12_345),
  ];
  const cases = Array.from({ length: 200 }, (_, seed) => {
    const spec: Spec = { ...base, seed };
    const { m, n } = spec.gemm;
    const result = Array.from({ length: m * n }, () => 0);
    for (let device = 0; device < spec.devices; device++) {
      const { k, a, b } = operandsOf(spec, device, 1);
      for (let at = 0; at < result.length; at++) for (let step = 0; step < k; step++) result[at]! += a[Math.floor(at / n) * k + step]! * b[step * n + (at % n)]!;
    }
    const at = mix(seed) % result.length;
    return { spec, result, at, bits: changes[seed % changes.length]!(result[at]!) };
  });
  const rows = await page.evaluate((all) => window.tilewireTest.freivalds(all), cases);
  expect(rows).toEqual(cases.map(({ at }) => [-1, Math.floor(at / base.gemm.n)]));
});

gpuTest('one contribution missing, counted twice, or swapped with that of another row', async (page) => {
  const spec = await resolveSpec({ m: 13, n: 23, k: 6, devices: 3, seed: 5 });
  const { m, n } = spec.gemm;
  const withWeights = (weights: readonly number[]): number[] => {
    const result = Array.from({ length: m * n }, () => 0);
    for (let device = 0; device < spec.devices; device++) {
      const { k, a, b } = operandsOf(spec, device, 1);
      for (let at = 0; at < result.length; at++) for (let step = 0; step < k; step++) result[at]! += weights[device]! * a[Math.floor(at / n) * k + step]! * b[step * n + (at % n)]!;
    }
    return result;
  };
  const right = withWeights([1, 1, 1]);
  const swapped = [...right.slice(0, 3 * n), ...right.slice(4 * n, 5 * n), ...right.slice(3 * n, 4 * n), ...right.slice(5 * n)];
  const same = (result: number[]) => ({ spec, result, at: 0, bits: new Uint32Array(Float32Array.of(result[0]!).buffer)[0]! });
  const rows = await page.evaluate((all) => window.tilewireTest.freivalds(all), [right, withWeights([1, 0, 1]), withWeights([1, 1, 2]), withWeights([0, 0, 0]), swapped].map(same));
  expect(rows.map(([row]) => row)).toEqual([-1, 0, 0, 0, 3]);
});

// Four devices, 64 × 64 in tiles of 8 × 8: chunk 3 is columns 48..63, as in faults.test.ts.
const base: SpecRequest = { m: 16, n: 64, k: 8, devices: 4, tile: { m: 16, n: 8, k: 2 }, stageTiles: 2, triggerTiles: 1 };

gpuTest('a right run says how it was checked', async (page) => {
  const spec = await resolveSpec(base);
  const { report } = await run(page, { spec, check: 'projection', baseline: true });
  expect(report.failures).toEqual([]);
  expect(report.check).toMatchObject({ mode: 'projection', wrong: 0, coverage: 1, elements: 16 * 64, maxError: null, bound: 0, freivalds: { vectors: 3, modulus: MODULUS, probability: MODULUS ** -3 } });
  const { report: full } = await run(page, { spec, check: 'full', baseline: true });
  expect(full.check).toMatchObject({ mode: 'exact', freivalds: null, outputHash: report.check.outputHash });
  expect(report.specHash).toBe(full.specHash);
  for (const { operandsMs, checkMs, reportMs, checkOverFused, fusedMs } of [report.measured, full.measured]) expect(checkOverFused).toBeCloseTo((operandsMs + checkMs + reportMs) / fusedMs!, 10);
});

gpuTest('the default is by size', async (page) => {
  const { report } = await run(page, { spec: await resolveSpec(base) });
  expect(report.check.mode).toBe('exact');
  expect(report.notes).toContainEqual({ path: 'check.mode', reason: '--check full: the default up to 2 GFLOP' });
});

const FAULTS: readonly Fault[] = [
  { kind: 'suppress-stores', device: 1, chunk: 3, tile: 6 },
  { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta: -64 },
  { kind: 'threshold', device: 2, chunk: 1, tile: 3, delta: -1 },
  { kind: 'drop-transfer', device: 2, chunk: 0, tile: 0 },
  { kind: 'double-update', device: 1, chunk: 0, tile: 0 },
  { kind: 'early-read', device: 3, chunk: 2, tile: 4 },
  { kind: 'unwritten-output' },
  // The owner of every chunk, its first and its last tile.
  ...[0, 1, 2, 3].flatMap((chunk): Fault[] => [0, 1].map((tile) => ({ kind: 'corrupt-tile', device: chunk, chunk, tile: 2 * chunk + tile }))),
];

for (const fault of FAULTS)
  gpuTest(`${JSON.stringify(fault)}: the same is found, and said, as by the full comparison`, async (page) => {
    const spec = await resolveSpec({ ...base, faults: [fault] });
    const [full, projection] = [(await run(page, { spec, check: 'full' })).report, (await run(page, { spec, check: 'projection' })).report];
    expect(projection.failures).toEqual(full.failures);
    expect(projection.check.wrong).toBe(full.check.wrong);
    expect(projection.check.firstWrong).toEqual(full.check.firstWrong);
    expect(projection.check.outputHash).toBe(full.check.outputHash);
    expect(projection.check.mode).toBe('projection');
    if (fault.kind === 'corrupt-tile') expect(projection.failures.map(({ code }) => code)).toEqual(['WRONG_VALUES']);
  });

gpuTest('batches, splits, layouts and epilogues are projected too, and their faults found', async (page) => {
  const kernels: readonly (readonly [string, Record<string, unknown>?])[] = [
    ['batched-z'], ['split-k-z'], ['both-transposed'], ['blas-alpha-beta'], ['row-bias-after'],
    // An alpha that is not one unit.
    ['blas-alpha-beta', { epilogue: { alpha: -1.5, residual: { binding: 'Cin', beta: 0.25 } } }],
  ];
  for (const [name, more] of kernels) {
    const request: SpecRequest = { m: 24, n: 52, k: 10, devices: 3, foreign: galleryKernel(name, more) };
    const { report } = await run(page, { spec: await resolveDraft(request), check: 'projection', baseline: true });
    expect(report.failures, name).toEqual([]);
    expect(report.check, name).toMatchObject({ mode: 'projection', wrong: 0, coverage: 1 });
    const broken = await run(page, { spec: await resolveDraft({ ...request, faults: [{ kind: 'unwritten-output' }] }), check: 'projection' });
    expect(broken.report.check.wrong, name).toBe(broken.report.check.elements);
    const [, , tile] = /tiles of chunk (\d+): (\d+)/.exec(await page.evaluate((spec) => window.tilewire.run({ spec, baseline: false, memoryLimit: 2 ** 28 }).then((outcome) => (outcome.ok ? '' : JSON.stringify(outcome.error))), await resolveDraft({ ...request, faults: [{ kind: 'corrupt-tile', device: 0, chunk: 0, tile: 9999 }] })))!;
    const corrupt = await run(page, { spec: await resolveDraft({ ...request, faults: [{ kind: 'corrupt-tile', device: 0, chunk: 0, tile: Number(tile) }] }), check: 'projection' });
    expect(corrupt.report.check.wrong, name).toBeGreaterThan(0);
    expect(corrupt.report.failures.map(({ code }) => code), name).toEqual(['WRONG_VALUES']);
  }
});

gpuTest('real operands: the plan order of the tiles of some rows, with their share', async (page) => {
  const spec = await resolveSpec({ m: 1000, n: 40, k: 8, devices: 4, operands: 'normal', tile: { m: 8, n: 8, k: 2 } });
  const { report } = await run(page, { spec, check: 'projection' });
  expect(report.failures).toEqual([]);
  expect(report.check).toMatchObject({ mode: 'bounded', bitExactPlanOrder: true, freivalds: null });
  expect(report.check.planOrderCoverage).toBeGreaterThan(0.005);
  expect(report.check.planOrderCoverage).toBeLessThanOrEqual(1 / 32);
  expect((await run(page, { spec, check: 'full' })).report.check).toMatchObject({ bitExactPlanOrder: true, planOrderCoverage: 1, outputHash: report.check.outputHash });
});
