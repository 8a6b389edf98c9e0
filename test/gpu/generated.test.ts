// Generated kernels: seeded WGSL GEMMs in many styles, fused on 3, 4 and 7 devices, ragged shapes, slices of K of two lengths,
// both algorithms, several granularities; each exact, and its untouched self beside it, which alone on one device gives the same bits. GENERATED=500 runs that many.
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { resolveDraft } from '../../src/spec/resolve.ts';
import { generateKernel } from '../support/generate-kernel.ts';
import { gpuTest } from './page-client.ts';

const count = Number(process.env['GENERATED'] ?? 36);
const shapes = [
  { m: 37, n: 53, k: 29 },
  { m: 61, n: 11, k: 7 },
  { m: 5, n: 67, k: 13 },
  { m: 32, n: 48, k: 16 },
];

for (let seed = 1; seed <= count; seed++) {
  const { source, bindings, features } = generateKernel(seed);
  gpuTest(`kernel ${seed}: ${features}`, async (page) => {
    const foreign = { name: `generated-${seed}.wgsl`, source, ...completeBindings(source, bindings, undefined) };
    const draft = await resolveDraft({
      ...shapes[seed % shapes.length],
      devices: [3, 4, 7][seed % 3],
      algorithm: seed % 2 === 0 ? 'ring' : 'direct',
      chunk: seed % 5 < 2 ? 'rows' : 'columns',
      stageTiles: [undefined, 1, 3, 100][(seed >> 1) % 4],
      triggerTiles: [1, 8, 2][(seed >> 2) % 3],
      seed,
      foreign,
    });
    // Every fourth K is two short of a multiple of the devices: the last two have one product of each element less.
    const spec = seed % 4 === 3 ? { ...draft, gemm: { ...draft.gemm, kTotal: draft.gemm.kTotal - 2 } } : draft;
    const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec, baseline: true, memoryLimit: 2 ** 28 });
    if (!outcome.ok) throw new Error(`${outcome.error.what} ${JSON.stringify(outcome.error.fields)}\n${source}`);
    expect(outcome.value.report.failures, source).toEqual([]);
    expect(outcome.value.report.check).toMatchObject({ wrong: 0, coverage: 1 });
    // Alone on one device, on real numbers, tracked and untouched give the same bits.
    const alone = await resolveDraft({ ...shapes[(seed + 1) % shapes.length], devices: 1, operands: 'normal', seed, foreign });
    const tracked: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: alone, baseline: false, memoryLimit: 2 ** 28, keepOutput: true });
    if (!tracked.ok) throw new Error(`${tracked.error.what}\n${source}`);
    expect(tracked.value.output, source).toEqual(await page.evaluate((of) => window.tilewireTest.gemm(of), alone));
  });
}
