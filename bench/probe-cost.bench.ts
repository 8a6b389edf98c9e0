// What finding a footprint costs, over one plain run of the same kernel: the probe's two runs, readback and analysis, compiled
// before; each the lesser of two. The whole gallery and both kernels of ours, at three shapes. It should stay below 1, or
// below 20 ms where that is more.
import fs from 'node:fs';
import { resolveDraft, type SpecRequest } from '../src/spec/resolve.ts';
import { gpuTest } from '../test/gpu/page-client.ts';
import { galleryKernel } from '../test/support/gallery.ts';

const SHAPES = [{ m: 64, n: 64, k: 1024 }, { m: 256, n: 512, k: 512 }, { m: 1024, n: 1024, k: 64 }];
/** One workgroup an element: a software adapter takes ten seconds for a million of them. */
const SLOW = 'dot-per-workgroup';

gpuTest('probe over plain run', async (page, facts) => {
  const names = fs
    .readdirSync(new URL('../test/gallery/', import.meta.url))
    .filter((file) => file.endsWith('.wgsl'))
    .map((file) => file.replace('.wgsl', ''));
  const requests = SHAPES.flatMap((shape): [name: string, request: SpecRequest][] => [
    ...['gemm-register', 'gemm-workgroup'].map((kernelName): [string, SpecRequest] => [kernelName, { ...shape, devices: 2, kernelName }]),
    ...names.filter((name) => name !== SLOW || shape.m < 1024).map((name): [string, SpecRequest] => [name, { ...shape, devices: 2, foreign: galleryKernel(name) }]),
  ]);
  const rows: { readonly ratio: number; readonly text: string }[] = [];
  for (const [name, request] of requests) {
    if (/^enable f16;/m.test(request.foreign?.source ?? '') && !facts.features.includes('shader-f16')) continue;
    const { plain, probe } = await page.evaluate((spec) => window.tilewireTest.probeCost(spec), await resolveDraft(request));
    rows.push({ ratio: probe / Math.max(plain, 20), text: `${plain.toFixed(1).padStart(9)} ${probe.toFixed(1).padStart(9)}  ${request.m}x${request.n}x${request.k} ${name}` });
  }
  const table = rows.toSorted((one, other) => other.ratio - one.ratio).map(({ ratio, text }) => `${ratio.toFixed(2).padStart(6)} ${text}`);
  process.stdout.write(`probe over the longer of one plain run and 20 ms; plain ms, probe ms\n${table.join('\n')}\n`);
});
