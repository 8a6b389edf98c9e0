// The gallery: kernels that were never meant for this, unmodified. Each runs fused, ring and direct, and is exact; the
// untouched kernel runs beside it (the baseline) and is held against the same reference; and alone on one
// device the tracked kernel's output equals the untouched one's bit for bit, on real numbers.
import fs from 'node:fs';
import { expect } from 'vitest';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { trackedText } from '../../src/gpu/tracked-text.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';
import { resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import { gpuTest } from './page-client.ts';

const folder = new URL('../gallery/', import.meta.url);

const kernels = fs
  .readdirSync(folder)
  .filter((file) => file.endsWith('.wgsl'))
  .map((file) => ({ file, source: fs.readFileSync(new URL(file, folder), 'utf8'), json: JSON.parse(fs.readFileSync(new URL(file.replace('.wgsl', '.json'), folder), 'utf8')) as Record<string, unknown> }));

kernels.forEach(({ file, source, json }, index) => {
  gpuTest(`${file}: fused, exact; tracked equals untouched`, async (page, facts) => {
    const foreign = { name: file, source, ...completeBindings(source, parseBindings(json, file), undefined) };
    const n = json['requires'] === undefined ? 53 : 52;
    const requests: SpecRequest[] = [
      { m: 37, n, k: 29, devices: 3, stageTiles: index % 2 === 0 ? undefined : 2, triggerTiles: 1 + (index % 3) },
      { m: 19, n: n + 8, k: 5, devices: 4, algorithm: 'direct', chunk: 'rows', lag: 1 + (index % 3) },
      { m: 30, n: n - 12, k: 11, devices: 7, algorithm: index % 2 === 0 ? 'direct' : 'ring', chunk: index % 3 === 0 ? 'rows' : 'columns', stageTiles: 1 + (index % 4), triggerTiles: 1 + (index % 5), skew: index % 2 },
    ];
    if (/^enable f16;/m.test(source) && !facts.features.includes('shader-f16')) {
      // Nowhere to run it: what can be seen is that it is rewritten, the extension still in front, and refused for that reason alone.
      const spec = await resolveDraft({ ...requests[0], foreign });
      expect(trackedText(kernelText(spec.kernel, spec.gemm), spec.gemm, spec.wavefront, spec.chunk, { slots: 2, op: 'mixed', where: 'ordered' })).toMatch(/^(\/\/.*\n|\s)*enable f16;[^]*tw_store4\(/);
      const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec, baseline: true, memoryLimit: 2 ** 28 });
      expect(outcome).toMatchObject({ ok: false, error: { code: 'NO_FEATURE', fields: { path: 'enable f16' } } });
      return;
    }
    for (const request of requests) {
      const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: await resolveDraft({ ...request, foreign }), baseline: true, memoryLimit: 2 ** 28 });
      if (!outcome.ok) throw new Error(`${outcome.error.what} ${JSON.stringify(outcome.error.fields)}`);
      expect(outcome.value.report.failures).toEqual([]);
      expect(outcome.value.report.check).toMatchObject({ wrong: 0, coverage: 1 });
    }
    const alone = await resolveDraft({ m: 23, n: n - 16, k: 17, devices: 1, operands: 'normal', foreign });
    const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec: alone, baseline: false, memoryLimit: 2 ** 28, keepOutput: true });
    if (!outcome.ok) throw new Error(outcome.error.what);
    expect(outcome.value.output).toEqual(await page.evaluate((spec) => window.tilewireTest.gemm(spec), alone));
  });
});
