// The estimate that a run is refused by is the memory that it takes: never less than its peak, and not much more.
import { expect } from 'vitest';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import { gpuTest } from './page-client.ts';

const requests: readonly (readonly [SpecRequest, baseline: boolean])[] = [
  [{ m: 512, n: 512, k: 4, devices: 1, operands: 'normal' }, false],
  [{ m: 256, n: 512, k: 4, devices: 4, tile: { m: 8, n: 8, k: 2 } }, false],
  [{ m: 256, n: 512, k: 4, devices: 4, tile: { m: 8, n: 8, k: 2 }, operands: 'normal' }, true],
  [{ m: 512, n: 96, k: 8, devices: 7, chunk: 'rows' }, true],
  [{ m: 512, n: 96, k: 8, devices: 7, chunk: 'columns', algorithm: 'direct' }, true],
  [{ m: 64, n: 256, k: 256, devices: 3 }, true],
];

gpuTest('the peak of a run is within its estimate', async (page) => {
  for (const [request, baseline] of requests) {
    const { peak, estimate } = await page.evaluate((spec, with_) => window.tilewireTest.memory(spec, with_), await resolveSpec(request), baseline);
    expect(peak, JSON.stringify(request)).toBeLessThanOrEqual(estimate);
    expect(estimate, JSON.stringify(request)).toBeLessThan(1.5 * peak + 1e6);
  }
});
