// Footprints as the page probes them, what the browser says of a kernel that does not compile, and the whole command.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { completeBindings } from '../../src/gpu/foreign.ts';
import type { Outcome } from '../../src/page/api.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { fromOwnerRuns, type FootprintRuns } from '../../src/plan/owner-runs.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';
import { resolveDraft, resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import { gpuTest } from './page-client.ts';

const gallery = new URL('../gallery/', import.meta.url);
const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const foreign = (name: string, source: string, bindings: unknown): SpecRequest => ({ foreign: { name, source, ...completeBindings(source, parseBindings(bindings, name), undefined) } });

gpuTest('probe: owners of a built-in kernel as its lane layout says, of a foreign one as its text says', async (page) => {
  const known = await resolveSpec({ m: 37, n: 53, k: 5, devices: 3, wavefront: 4 });
  const outcome: Outcome<FootprintRuns> = await page.evaluate((spec) => window.tilewire.probe({ spec }), known);
  if (!outcome.ok) throw new Error(outcome.error.what);
  expect(fromOwnerRuns(outcome.value)).toEqual(builtInFootprint(known));

  const source = fs.readFileSync(new URL('classic-shared-tile.wgsl', gallery), 'utf8');
  const bindings = JSON.parse(fs.readFileSync(new URL('classic-shared-tile.json', gallery), 'utf8'));
  const spec = await resolveDraft({ m: 37, n: 53, k: 5, devices: 3, ...foreign('classic-shared-tile.wgsl', source, bindings) });
  const probed: Outcome<FootprintRuns> = await page.evaluate((spec) => window.tilewire.probe({ spec }), spec);
  if (!probed.ok) throw new Error(probed.error.what);
  const { owner, grid, wavefronts } = fromOwnerRuns(probed.value);
  expect({ grid, wavefronts }).toEqual({ grid: [4, 3, 1], wavefronts: 4 });
  const expected = Array.from({ length: 37 * 53 }, (_, at) => {
    const [row, column] = [Math.floor(at / 53), at % 53];
    return (Math.floor(column / 16) + 4 * Math.floor(row / 16)) * 4 + Math.floor((row % 16) / 4);
  });
  expect([...owner]).toEqual(expected);
});

gpuTest("a kernel that does not compile: the browser's message at the line of the file", async (page) => {
  const source = `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
override m: u32; override n: u32; override k: u32;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = 0f;
  // @unroll
  for (var i = 0u; i < 5u; i++) {
    sum += a[i];
  }
  sum += a[0] * 2u;
  c[id.x] = sum * b[k];
}
`;
  const spec = await resolveDraft({ m: 8, n: 8, k: 8, devices: 2, ...foreign('broken.wgsl', source, { grid: [1, 1, 1] }) });
  for (const outcome of [
    await page.evaluate((spec) => window.tilewire.probe({ spec }), spec),
    await page.evaluate((spec) => window.tilewire.run({ spec, baseline: false, memoryLimit: 2 ** 28 }), spec),
  ]) {
    expect(outcome).toMatchObject({ ok: false, error: { code: 'BAD_KERNEL', fields: { path: 'line 11', actual: 'sum += a[0] * 2u;' } } });
    // About the user's own text, not about what was made of it.
    if (!outcome.ok) expect(outcome.error.what).toMatch(/^broken\.wgsl: /);
  }
});

gpuTest('the command: a text that the browser compiles, the footprint in table, JSON and picture', async (page) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    const [json, svg] = [path.join(folder, 'rows.json'), path.join(folder, 'footprint.svg')];
    const file = fileURLToPath(new URL('packed-vec4-tile.wgsl', gallery));
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'instrument', file, '--m', '64', '--n', '96', '--k', '8', '--devices', '4', '--svg', svg, '--json', json], { encoding: 'utf8' });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const messages = await page.evaluate(async (code) => {
      const adapter = await navigator.gpu.requestAdapter();
      const device = await adapter!.requestDevice();
      const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
      device.destroy();
      return messages.map(({ type, message, lineNum }) => `${type} ${lineNum}: ${message}`);
    }, stdout);
    expect(messages.filter((message) => message.startsWith('error'))).toEqual([]);
    const report = JSON.parse(fs.readFileSync(json, 'utf8'));
    expect(stdout.startsWith(report.code)).toBe(true);
    expect(report.placements.reduce((sum: number, { elements }: { elements: number }) => sum + elements, 0)).toBe(64 * 96);
    expect(fromOwnerRuns(report.footprint).owner).toHaveLength(64 * 96);
    for (const part of ['probed: every element is stored exactly once', '// adapter: ', 'device 0 of 4, ring', '// step  stage  chunk']) expect(stdout).toContain(part);
    expect(fs.readFileSync(svg, 'utf8')).toContain('packed-vec4-tile.wgsl: who writes what of C, 64 × 96');
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
