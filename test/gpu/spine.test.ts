// What kernels bring that ours do not have: split-K, batches, gaps between rows, epilogues; and a K that the devices do not
// divide. On real numbers, where the order of additions shows, with devices that run apart, and broken on purpose.
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import type { ErrorRecord } from '../../src/errors.ts';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import { ALGORITHMS, type SpecDraft } from '../../src/spec/spec.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { galleryKernel } from '../support/gallery.ts';
import { gpuTest } from './page-client.ts';

const outcomeOf = (page: Page, spec: SpecDraft): Promise<Outcome<RunResult>> => page.evaluate((job) => window.tilewire.run(job), { spec, baseline: true, memoryLimit: 2 ** 28, keepEvents: true });

async function run(page: Page, spec: SpecDraft): Promise<RunResult> {
  const outcome = await outcomeOf(page, spec);
  if (!outcome.ok) throw new Error(`${outcome.error.what} ${JSON.stringify(outcome.error.fields)}`);
  return outcome.value;
}

async function refusal(page: Page, spec: SpecDraft): Promise<ErrorRecord> {
  const outcome = await outcomeOf(page, spec);
  if (outcome.ok) throw new Error('it was accepted');
  return outcome.error;
}

/** The same with another K over all devices: `k` stays that of the first. */
const uneven = (spec: SpecDraft, kTotal: number): SpecDraft => ({ ...spec, gemm: { ...spec.gemm, kTotal } });

/** Row by row with one lane an element, the sizes in a uniform; what stands for the element's tile and its value is told. */
function smallKernel({ tile = 'vec2u(w.x % tn, w.x / tn)', value = 'sum', more = '', bindings = {} }: { tile?: string; value?: string; more?: string; bindings?: object }): NonNullable<SpecRequest['foreign']> {
  const source = `struct P { m: u32, n: u32, k: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
${more}
@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_id) l: vec3u) {
  let tn = (p.n + 7u) / 8u;
  let tm = (p.m + 7u) / 8u;
  let at = ${tile} * 8u + l.xy;
  if (at.x >= p.n || at.y >= p.m) { return; }
  var sum = 0f;
  for (var i = 0u; i < p.k; i++) { sum += a[at.y * p.k + i] * b[i * p.n + at.x]; }
  c[at.y * p.n + at.x] = ${value};
}`;
  return { name: 'small.wgsl', source, ...completeBindings(source, { grid: ['ceilDiv(n, 8) * ceilDiv(m, 8)', 1, 1], ...bindings }, undefined) };
}

const KERNELS = ['split-k-z', 'split-k-y-interleaved', 'split-k-x-rotated', 'batched-z', 'batched-transposed-strided', 'bias-vec4', 'blas-alpha-beta', 'row-bias-after', 'both-transposed', 'half-packed'];

for (const name of KERNELS)
  for (const algorithm of ['ring', 'direct'] as const)
    gpuTest(`${name}, ${algorithm}: real numbers, bit for bit in the order of the Plan, whatever the devices' pace and K`, async (page) => {
      for (const [at, request] of ([{ skew: 0, chunk: 'rows' }, { skew: 3, chunk: 'columns', overflow: 'stall', trackerSets: 2, trackerWays: 1 }] as const).entries()) {
        const spec = await resolveDraft({ m: 21, n: 40, k: 17, devices: 3, algorithm, operands: 'normal', stageTiles: 2, triggerTiles: 2, seed: 5 + at, foreign: galleryKernel(name), ...request });
        const { report } = await run(page, uneven(spec, 51 - at));
        expect(report.failures).toEqual([]);
        expect(report.check).toMatchObject({ mode: 'bounded', wrong: 0, coverage: 1, bitExactPlanOrder: true });
      }
    });

for (const kernelName of ['gemm-register', 'gemm-workgroup'])
  gpuTest(`${kernelName}: devices whose k differs by one`, async (page) => {
    for (const [kTotal, devices] of [[50, 3], [49, 3], [29, 4], [7, 7], [8, 7]] as const)
      for (const algorithm of ALGORITHMS) {
        const { report } = await run(page, uneven(await resolveDraft({ m: 33, n: 20, k: Math.ceil(kTotal / devices), devices, algorithm, kernelName }), kTotal));
        expect(report.failures, `${kTotal} over ${devices}`).toEqual([]);
        expect(report.check).toMatchObject({ mode: 'exact', wrong: 0, coverage: 1 });
      }
  });

gpuTest('a kernel that cuts C differently for k and k - 1 is refused', async (page) => {
  const request: SpecRequest = { m: 16, n: 16, k: 9, devices: 2 };
  // As many splits as there are eights in k: two for 9, one for 8.
  const foreign = galleryKernel('split-k-z', { overrides: { SPLIT_K: 'ceilDiv(k, 8)' }, grid: ['ceilDiv(n, 16)', 'ceilDiv(m, 8)', 'ceilDiv(k, 8)'], splits: { axis: 'z', count: 'ceilDiv(k, 8)' } });
  const spec = await resolveDraft({ ...request, foreign });
  expect((await run(page, spec)).report.failures).toEqual([]);
  expect(await refusal(page, uneven(spec, 17))).toMatchObject({ code: 'BAD_KERNEL', what: expect.stringContaining('different k') as string });
});

gpuTest('of a split-K kernel, a workgroup that stores nothing in one split is missed', async (page) => {
  // Tile 0 of split 0 on device 1, which computes chunk 0 last but one and passes it on to device 0.
  const spec = await resolveDraft({ m: 24, n: 16, k: 12, devices: 3, chunk: 'rows', triggerTiles: 1, foreign: galleryKernel('split-k-z'), faults: [{ kind: 'suppress-stores', device: 1, chunk: 0, tile: 0 }] });
  const { report } = await run(page, spec);
  const stalled = report.failures.filter(({ code }) => code === 'STALLED').map(({ message }) => message);
  // 8 x 16 elements in two wavefronts, each stored by four splits.
  expect(stalled.find((line) => line.startsWith('device 1'))).toMatch(/has 448 of 512 elements, missing .*\(192 of 256\)/);
  expect(report.check.wrong).toBeGreaterThan(100);
});

gpuTest('an epilogue that the kernel does not have, or has otherwise, is found out', async (page) => {
  const beta = (factor: number): object => ({ epilogue: { residual: { binding: 'Cin', beta: factor } } });
  const uniforms = { 'p.m': 'm', 'p.n': 'n', 'p.k': 'k', 'p.lda': 'k', 'p.ldb': 'n', 'p.ldc': 'ceilDiv(n, 16) * 16', 'p.alpha': 1, 'p.beta': 2 };
  for (const [name, more, right] of [['naive-global-id', { epilogue: { alpha: 2 } }, false], ['blas-alpha-beta', { uniforms, ...beta(3) }, false], ['blas-alpha-beta', { uniforms, ...beta(2) }, true]] as const) {
    const { report } = await run(page, await resolveDraft({ m: 12, n: 20, k: 5, devices: 2, foreign: galleryKernel(name, more) }));
    expect(report.failures.map(({ code }) => code), name).toEqual(right ? [] : ['WRONG_VALUES', 'WRONG_VALUES']);
    if (!right) expect(report.check.wrong).toBeGreaterThan(200);
  }
});

gpuTest('each matrix of a batch is a collective of its own', async (page) => {
  const { report, events } = await run(page, await resolveDraft({ m: 16, n: 16, k: 5, devices: 4, chunk: 'rows', triggerTiles: 1, foreign: galleryKernel('batched-z') }));
  expect(report.failures).toEqual([]);
  expect(report.check.elements).toBe(2 * 16 * 16);
  // Ring: in its first step a device stores chunk d + 1 of a matrix to its neighbour, once for each matrix.
  const remote = events!.filter(({ kind, device, peer }) => kind === 'store' && device === 0 && peer !== 0);
  expect(remote.every(({ peer }) => peer === 3)).toBe(true);
  expect(report.ledger.devices[0].linkBytes).toBe(2 * 3 * 4 * 16 * 4);
});

gpuTest('a kernel whose order of tiles follows from k: the footprint is that of its own k', async (page) => {
  // Down the columns where k is large; the last workgroup has the last tile either way.
  const foreign = smallKernel({ tile: 'select(vec2u(w.x % tn, w.x / tn), vec2u(w.x / tm, w.x % tm), p.k > 64u)' });
  for (const [m, k, devices] of [[32, 96, 2], [32, 48, 2], [32, 96, 1], [64, 96, 3]] as const) {
    const { report } = await run(page, await resolveDraft({ m, n: 40, k, devices, foreign }));
    expect(report.failures, `m ${m}, k ${k}`).toEqual([]);
  }
});

gpuTest('splits that are dealt to workgroups by k are not the same for k and k - 1', async (page) => {
  const foreign = galleryKernel('split-k-x-rotated');
  const byK = { ...foreign, source: foreign.source.replace('split * 3u', 'split * s.k') };
  const spec = await resolveDraft({ m: 48, n: 40, k: 21, devices: 2, foreign: byK });
  expect((await run(page, spec)).report.failures).toEqual([]);
  expect(await refusal(page, uneven(spec, 41))).toMatchObject({ code: 'BAD_KERNEL', what: expect.stringContaining('different k') as string });
});

gpuTest('a bias in vectors is read to its last value, whatever n is', async (page) => {
  const foreign = smallKernel({ more: '@group(0) @binding(4) var<storage, read> bias: array<vec4f>;', value: 'sum + bias[at.x / 4u][at.x % 4u]', bindings: { epilogue: { bias: { binding: 'bias', along: 'n' } } } });
  for (const n of [2, 6, 19]) expect((await run(page, await resolveDraft({ m: 8, n, k: 5, devices: 2, foreign }))).report.failures, `n ${n}`).toEqual([]);
});

gpuTest('what is no number for one sign of A is not linear', async (page) => {
  for (const value of ['sqrt(sum)', 'sum / (1.0 + exp(-sum))', 'abs(sum)']) expect(await refusal(page, await resolveDraft({ m: 16, n: 16, k: 5, devices: 2, foreign: smallKernel({ value }) })), value).toMatchObject({ code: 'BAD_KERNEL', what: expect.stringContaining('not linear') as string });
});

gpuTest('a stage is never more than one dispatch takes', async (page) => {
  const { report } = await run(page, await resolveDraft({ m: 600, n: 512, k: 1, devices: 1, foreign: galleryKernel('dot-per-workgroup') }));
  expect(report.failures).toEqual([]);
  expect(report.spec.stageTiles).toBe(65_535);
});

gpuTest('a fault strikes in any matrix of a batch, and only in those that there are', async (page) => {
  const at = (chunk: number, tile: number): Promise<SpecDraft> => resolveDraft({ m: 8, n: 24, k: 5, devices: 3, chunk: 'columns', foreign: galleryKernel('batched-z'), faults: [{ kind: 'suppress-stores', device: 1, chunk, tile }] });
  // Of the second matrix: chunks 3 to 5, workgroups 3 to 5.
  expect((await run(page, await at(4, 4))).report.check.firstWrong[0]).toMatchObject({ chunk: 4, device: 1, row: 8 });
  expect(await refusal(page, await at(6, 4))).toMatchObject({ code: 'BAD_SPEC', fields: { limit: '6 chunks, from 0' } });
});
