import { test } from 'vitest';
import { detectRaces, WgslExec, WgslParser } from 'wgsl_reflect/wgsl_reflect.module.js';
import { instrument, INSTRUMENTED_ENTRY } from '../../src/gpu/instrument.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { kernelNamed } from '../../src/spec/kernels.ts';
test('x', () => {
  for (const name of ['gemm-register', 'gemm-workgroup']) {
  const shape = { m: 5, n: 6, k: 3 }, tile = { m: 4, n: 4, k: 2 };
  const kernel = kernelNamed(name)!;
  const { code } = specialise(KERNEL_SOURCES[name], kernel.constantsFor(shape, tile));
  const grid = kernel.grid(shape, tile);
  const wg = kernel.workgroupSize(tile);
  console.log(grid, wg);
  const space = specialise(SHADERS.outputSpace, { SLOTS: 2, OP: 2, COLUMNS: 1, GUARD: 1, MUTED: 0, TW_MUTED: 0, TW_PITCH: 6, TW_WAVEFRONT: 2 }).code;
  const result = instrument(code, { entry: 'main', output: 'c', workgroupSize: wg, grid, elements: 30, space });
  if (name === 'gemm-register') console.log(result.split('\n').slice(-110).join('\n'));
  const a = Float32Array.from({ length: 15 }, (_, i) => i % 5 - 2), b = Float32Array.from({ length: 18 }, (_, i) => i % 7 - 3);
  const order = Uint32Array.from([3, 0, 1, 4, 0,   0, 4, 1, 8, 1]);
  const counters = new Uint32Array(12);
  const slots = Uint32Array.from([0, 3, 3, 3]);
  const c0 = new Float32Array(15).fill(100), c1 = new Float32Array(15).fill(200);
  for (const how of ['exec','races']) {
  try {
    const bind = { 0: { 0: a, 1: b }, 1: { 0: order, 1: counters, 2: { uniform: slots }, 3: c0, 4: c1 } };
    if (how === 'exec') { const exec = new WgslExec(new WgslParser().parse(result)); exec.dispatchWorkgroups(INSTRUMENTED_ENTRY, [2,1,1], bind); }
    else console.log(detectRaces(result, INSTRUMENTED_ENTRY, [2, 1, 1], bind));
    console.log(how, [...c0], [...c1], [...counters]);
  } catch (e) { console.log(how, e); }
  }
  }
});
