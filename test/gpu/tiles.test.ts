// Tiles are profiled in the page: every candidate is proven right before it is ranked, what cannot be timed or is wrong is not,
// and of a kernel with override constants every combination is told of. Times are not looked at.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer';
import { expect } from 'vitest';
import { completeBindings } from '../../src/gpu/foreign.ts';
import type { Outcome, ProfileJob } from '../../src/page/api.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';
import { BASE_LIMITS } from '../../src/spec/kernel-layouts.ts';
import { parseTile, resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import type { KernelChoice, SpecDraft } from '../../src/spec/spec.ts';
import { builtInCandidates, variedCandidates, type Candidate } from '../../src/tune/candidates.ts';
import { nameOf, type Contest, type TilesReport } from '../../src/tune/tiles-report.ts';
import { lookAt } from './drawn.ts';
import { gpuTest } from './page-client.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const gallery = new URL('../gallery/', import.meta.url);

async function profile(page: Page, spec: SpecDraft, candidates: readonly Candidate[], job: Partial<ProfileJob> = {}): Promise<Contest> {
  const all: ProfileJob = { kind: 'plain', spec, candidates, limit: 12, rounds: 3, seconds: 100, memoryLimit: 2 ** 30, notes: [], ...job };
  const outcome: Outcome<Contest> = await page.evaluate((of) => window.tilewire.profile(of), all);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  return outcome.value;
}

async function builtIn(request: SpecRequest & { m: number; n: number; k: number; devices: number }, limit: number): Promise<{ spec: SpecDraft; list: readonly Candidate[] }> {
  const spec = await resolveDraft(request);
  const { list } = await builtInCandidates(spec.gemm, { limits: BASE_LIMITS, limit, chunk: spec.chunk, chunks: [request.n] });
  return { spec, list };
}

type Foreign = Extract<KernelChoice, { kind: 'foreign' }>;

/** A kernel of the gallery, its text changed by `edit`. */
async function galleryKernel(name: string, shape: { m: number; n: number; k: number }, edit = (source: string): string => source): Promise<{ spec: SpecDraft; kernel: Foreign }> {
  const text = fs.readFileSync(new URL(`${name}.wgsl`, gallery), 'utf8');
  const source = edit(text);
  const bindings = parseBindings(JSON.parse(fs.readFileSync(new URL(`${name}.json`, gallery), 'utf8')), name);
  const spec = await resolveDraft({ ...shape, devices: 1, foreign: { name: `${name}.wgsl`, source, ...completeBindings(source, bindings, undefined) } });
  return { spec, kernel: spec.kernel as Foreign };
}

const asIs = (kernel: Foreign): Candidate => ({ name: { kernel: kernel.name, tile: null, overrides: {}, granularity: null }, kernel });

gpuTest('three candidates: all proven right, timed in rounds by samples well above the timer, and ranked', async (page, facts) => {
  const { spec, list } = await builtIn({ m: 53, n: 70, k: 24, devices: 1 }, 3);
  const contest = await profile(page, spec, list, { notes: ['a note'] });
  const { kind, resolutionNs, leastSampleMs } = contest.timer;
  expect(kind).toBe(facts.environment.timerResolutionNs === null ? 'wall clock' : 'GPU timestamps');
  expect(leastSampleMs * 1e6).toBeGreaterThanOrEqual(50 * resolutionNs);
  expect(contest.candidates.map(nameOf).toSorted()).toEqual(list.map(({ name }) => nameOf(name)).toSorted());
  expect(contest.notes[0]).toBe('a note');
  for (const [at, { fate, rank, samplesMs, repeats, minMs, medianMs, gflops, verified, part, wholeMs, share }] of contest.candidates.entries()) {
    expect(['ranked', 'stopped']).toContain(fate.kind);
    if (fate.kind === 'stopped') continue;
    expect({ rank, verified, part, samples: samplesMs.length }).toEqual({ rank: at + 1, verified: true, part: 1, samples: 4 });
    expect(repeats).toBeGreaterThan(1);
    expect(minMs).toBe(Math.min(...samplesMs.map(Number)));
    expect(gflops).toBeCloseTo((2 * 53 * 70 * 24) / (medianMs! * 1e6), 9);
    expect(share!.value).toBeGreaterThan(0);
    expect(wholeMs).toBeGreaterThan(0);
  }
  expect(contest.candidates[0]!.share!.value).toBe(1);
});

gpuTest('what is below the resolution of the timer is not ranked, and that is said', async (page) => {
  const { spec, list } = await builtIn({ m: 8, n: 8, k: 4, devices: 1 }, 2);
  const { candidates } = await profile(page, spec, list, { mostRepeats: 1 });
  for (const { fate, rank, gflops, verified } of candidates) {
    expect({ rank, gflops, verified }).toEqual({ rank: null, gflops: null, verified: true });
    expect(fate).toEqual({ kind: 'unranked', reason: expect.stringMatching(/^1 dispatch takes .*, a sample must be at least .* \(the timer has steps of/) });
  }
});

gpuTest('a long GEMM is timed by a part of its grid, and proven as a whole', async (page, facts) => {
  const spec = await resolveDraft({ m: 256, n: 512, k: 2048, devices: 1 });
  const tile = parseTile('16x16x2');
  const { list } = await builtInCandidates(spec.gemm, { limits: BASE_LIMITS, limit: 1, chunk: spec.chunk, chunks: [512] });
  const [{ kernel }] = list;
  if (kernel.kind !== 'built-in') throw new Error('not built in');
  const { candidates: [found] } = await profile(page, spec, [{ kernel: { ...kernel, tile }, name: { ...list[0]!.name, tile } }], { rounds: 1 });
  expect(found).toMatchObject({ rank: 1, verified: true });
  expect(found!.wholeMs).toBeGreaterThan(0);
  if (facts.environment.adapter.isFallback) expect(found!.part).toBeLessThan(1);
  expect(found!.part * 512).toBeGreaterThanOrEqual(64);
});

gpuTest('a wrong kernel is never ranked, however fast it is', async (page) => {
  const shape = { m: 40, n: 48, k: 32 };
  const { spec, list } = await builtIn({ ...shape, devices: 1 }, 1);
  const wrong = await galleryKernel('naive-global-id', shape, (source) => {
    const shorter = source.replace(/(for\s*\(var \w+ = 0u; \w+ < )([\w.]+)/, '$1$2 - 1u');
    expect(shorter).not.toBe(source);
    return shorter;
  });
  const right = await galleryKernel('naive-global-id', shape);
  const { candidates } = await profile(page, spec, [...list, asIs(wrong.kernel), asIs(right.kernel)]);
  const failed = candidates.filter(({ fate }) => fate.kind === 'failed');
  expect(failed).toMatchObject([{ kernel: 'naive-global-id.wgsl', rank: null, verified: false, gflops: null, share: null, fate: { reason: expect.stringMatching(/wrong result: \d+ of 1920 elements differ from the reference/) } }]);
  expect(candidates.filter(({ verified }) => verified)).toHaveLength(2);
  expect(candidates[0]).toMatchObject({ rank: 1, verified: true });
});

gpuTest('all combinations of a kernel’s overrides: those that can run are ranked with the tile that was found, the others say why not', async (page) => {
  const { spec, kernel } = await galleryKernel('override-tiles', { m: 37, n: 45, k: 29 });
  const { list } = variedCandidates(kernel, new Map([['TX', [0, 8, 16]], ['TY', [4, 64]], ['ROWS_PER_THREAD', [2, 5]]]), 100);
  const more = variedCandidates(kernel, new Map([['TX', [8]], ['DEPTH', [4, 2048]]]), 100).list;
  const { candidates } = await profile(page, spec, [...list, ...more], { rounds: 1 });
  expect(candidates).toHaveLength(14);
  const of = (name: string): (typeof candidates)[number] => candidates.find((one) => nameOf(one) === `override-tiles.wgsl ${name}`)!;
  expect(of('TX=8 TY=4 ROWS_PER_THREAD=2')).toMatchObject({ verified: true, tile: { m: 8, n: 8, k: null } });
  expect(of('TX=16 TY=4 ROWS_PER_THREAD=2')).toMatchObject({ verified: true, tile: { m: 8, n: 16, k: null } });
  // The other overrides stay those of the bindings file: 4 lanes by 3 rows.
  expect(of('TX=8 DEPTH=4')).toMatchObject({ verified: true, tile: { m: 12, n: 8, k: null } });
  expect(of('TX=16 TY=64 ROWS_PER_THREAD=2').fate).toEqual({ kind: 'failed', reason: expect.stringContaining('too many invocations in a workgroup (found 16 x 64 x 1') });
  expect(of('TX=8 DEPTH=2048').fate).toEqual({ kind: 'failed', reason: expect.stringMatching(/too much workgroup memory \(found 65536 bytes, limit \d+/) });
  // It holds four sums: a fifth row is another one's.
  expect(of('TX=8 TY=4 ROWS_PER_THREAD=5').fate.kind).toBe('failed');
  expect(of('TX=0 TY=4 ROWS_PER_THREAD=2').fate.kind).toBe('failed');
  for (const { fate, rank, verified } of candidates) if (fate.kind === 'failed') expect({ rank, verified, reason: fate.reason.length > 10 }).toEqual({ rank: null, verified: false, reason: true });
});

gpuTest('fused: tiles at several granularities, each run proven right; a wrong run is not ranked', async (page) => {
  const { spec, list } = await builtIn({ m: 24, n: 90, k: 16, devices: 3, tile: parseTile('8x8x2') }, 64);
  const small = list.filter(({ name }) => name.tile!.m <= 16 && name.tile!.n <= 16 && name.kernel === 'gemm-register').slice(0, 2);
  const { candidates, timer } = await profile(page, spec, small, { kind: 'fused', limit: 3, rounds: 1 });
  expect(timer.kind).toBe('wall clock');
  expect(new Set(candidates.map(nameOf)).size).toBe(3);
  for (const { fate, granularity, verified, replayedMs } of candidates) {
    expect(['ranked', 'stopped']).toContain(fate.kind);
    expect(granularity).not.toBeNull();
    expect(verified).toBe(true);
    expect(replayedMs === null || replayedMs > 0).toBe(true);
  }
  const broken = await profile(page, { ...spec, faults: [{ kind: 'corrupt-tile', device: 1, chunk: 0, tile: 0 }] }, small, { kind: 'fused', limit: 1, rounds: 1 });
  expect(broken.candidates).toMatchObject([{ fate: { kind: 'failed', reason: expect.stringContaining('wrong run: ') }, rank: null, verified: false }]);
});

gpuTest('the whole command, and the files that it writes; the maps are drawn from the file alone', async (page) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    const [json, csv, html] = ['tiles.json', 'tiles.csv', 'tiles.html'].map((name) => path.join(folder, name));
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'tiles', '--m', '32', '--n', '40', '--k', '24', '--kernels', 'gemm-register', '--limit', '2', '--rounds', '2', '--json', json!, '--csv', csv!, '--html', html!], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('2 candidates, up to 120 s') });
    for (const part of ['tiles of 32x40x24', 'verified', 'not kept in the cache: only some of the kernels were tried']) expect(stdout).toContain(part);
    const report = JSON.parse(fs.readFileSync(json!, 'utf8')) as TilesReport;
    expect(report.shapes.map(({ name, gemm, plain }) => [name, gemm, plain.candidates.length])).toEqual([['32x40x24', { m: 32, n: 40, k: 24 }, 2]]);
    expect(fs.readFileSync(csv!, 'utf8').split('\r\n')).toHaveLength(4);
    await lookAt(page, html!, async (drawn) => {
      // Both tiles in one panel, the best of them framed and starred.
      expect(await drawn.$eval('#maps-0 .panel', (panel) => ({ cells: [...panel.querySelectorAll('rect > title')].map((title) => title.textContent!.split(':')[0]!), star: panel.textContent!.includes('★'), labels: ['tileM (rows of C)', 'tileN (columns of C)'].filter((label) => panel.textContent!.includes(label)) }))).toEqual({
        cells: expect.arrayContaining([expect.stringContaining('gemm-register ')]),
        star: true,
        labels: ['tileM (rows of C)', 'tileN (columns of C)'],
      });
    });
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
