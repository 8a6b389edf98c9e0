// The estimate that a run is refused by is the memory that it takes: never less than its peak, and not much more.
import { expect } from 'vitest';
import { resolveDraft, type SpecRequest } from '../../src/spec/resolve.ts';
import { galleryKernel } from '../support/gallery.ts';
import type { CheckChoice } from '../../src/verify/choice.ts';
import { gpuTest } from './page-client.ts';

const requests: readonly (readonly [SpecRequest, baseline: boolean, check?: CheckChoice])[] = [
  [{ m: 512, n: 512, k: 4, devices: 1, operands: 'normal' }, false],
  [{ m: 256, n: 512, k: 4, devices: 4, tile: { m: 8, n: 8, k: 2 } }, false],
  [{ m: 256, n: 512, k: 4, devices: 4, tile: { m: 8, n: 8, k: 2 }, operands: 'normal' }, true],
  [{ m: 512, n: 96, k: 8, devices: 7, chunk: 'rows' }, true],
  [{ m: 512, n: 96, k: 8, devices: 7, chunk: 'columns', algorithm: 'direct' }, true],
  [{ m: 64, n: 256, k: 256, devices: 3 }, true],
  [{ m: 256, n: 256, k: 8, devices: 2, foreign: galleryKernel('split-k-z') }, true],
  [{ m: 128, n: 256, k: 8, devices: 4, foreign: galleryKernel('batched-z') }, true],
  [{ m: 128, n: 128, k: 256, devices: 2, foreign: galleryKernel('both-transposed') }, false],
  [{ m: 256, n: 250, k: 8, devices: 3, foreign: galleryKernel('blas-alpha-beta') }, false],
  [{ m: 256, n: 512, k: 4, devices: 4, tile: { m: 8, n: 8, k: 2 }, triggers: 'device' }, false],
  [{ m: 64, n: 512, k: 4, devices: 16, tile: { m: 16, n: 8, k: 2 }, triggers: 'device', skew: 3, lag: 4 }, false],
  // Rows far apart: what the test for linearity keeps is more than anything else.
  [{ m: 256, n: 16, k: 8, devices: 2, foreign: galleryKernel('blas-alpha-beta', { ldc: 'n + 8192', uniforms: { 'p.m': 'm', 'p.n': 'n', 'p.k': 'k', 'p.lda': 'k', 'p.ldb': 'n', 'p.ldc': 'n + 8192', 'p.alpha': 'alpha', 'p.beta': 'beta' } }) }, false],
  // Many small chunks: their parameters count.
  [{ m: 8, n: 64, k: 4, devices: 64, chunk: 'columns', foreign: galleryKernel('row-bias-after') }, true],
  [{ m: 256, n: 250, k: 8, devices: 3, operands: 'normal', foreign: galleryKernel('blas-alpha-beta') }, true],
];

const projections: typeof requests = [
  // A projection, and what follows where it fails: with little and with much to give back first.
  [{ m: 512, n: 512, k: 4, devices: 4 }, false, 'projection'],
  [{ m: 64, n: 64, k: 2000, devices: 4 }, false, 'projection'],
  [{ m: 512, n: 512, k: 4, devices: 2, faults: [{ kind: 'unwritten-output' }] }, false, 'projection'],
  [{ m: 512, n: 512, k: 4, devices: 8, faults: [{ kind: 'unwritten-output' }] }, false, 'projection'],
  [{ m: 128, n: 256, k: 8, devices: 4, foreign: galleryKernel('batched-z') }, true, 'projection'],
];

for (const [name, all] of Object.entries({ run: requests, projection: projections }))
  gpuTest(`the peak of a ${name} is within its estimate`, async (page) => {
    for (const [request, baseline, check] of all) {
      const { peak, estimate } = await page.evaluate((spec, with_, how) => window.tilewireTest.memory(spec, with_, how), await resolveDraft(request), baseline, check ?? 'full');
      expect(peak, JSON.stringify({ ...request, foreign: request.foreign?.name })).toBeLessThanOrEqual(estimate);
      expect(estimate, JSON.stringify({ ...request, foreign: request.foreign?.name })).toBeLessThan(1.5 * peak + 1e6);
    }
  });
