// The page of the GPU tests: the product's page, and hooks into what lies under it. Every hook runs inside error scopes and
// destroys what it made.
import { Gemm } from '../../src/gpu/gemm.ts';
import { Arena, readBack, type Gpu } from '../../src/gpu/gpu.ts';
import { probeFootprint } from '../../src/gpu/probe.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { compareChunks } from '../../src/emulate/compare.ts';
import { poison } from '../../src/emulate/memory.ts';
import { operandSource } from '../../src/emulate/operands.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { tilingOf } from '../../src/plan/tiling.ts';
import { Page } from '../../src/page/main.ts';
import type { Spec } from '../../src/spec/spec.ts';

const page = new Page();

async function scoped<T>(body: (gpu: Gpu, arena: Arena) => Promise<T>): Promise<T> {
  const gpu = await page.gpu();
  const arena = new Arena(gpu);
  gpu.device.pushErrorScope('out-of-memory');
  gpu.device.pushErrorScope('validation');
  let value: T;
  try {
    value = await body(gpu, arena);
  } finally {
    arena.destroy();
  }
  for (const error of [await gpu.device.popErrorScope(), await gpu.device.popErrorScope()]) if (error !== null) throw new Error(`GPU: ${error.message}`);
  gpu.check();
  return value;
}

const hooks = {
  /** Owners as probed, and as the lane layout says. */
  probe: (spec: Spec) =>
    scoped(async (gpu, arena) => {
      const { m, n, k } = spec.gemm;
      const operands = await operandSource(gpu, arena, spec);
      const inputs = { a: arena.storage('a', m * k * 4), b: arena.storage('b', k * n * 4) };
      const gemm = new Gemm(gpu, spec.kernel.name, spec.gemm, spec.kernel.tile, spec.wavefront);
      const probed = await probeFootprint(gemm, async (run) => {
        operands.fill(0, inputs, run + 1);
        return inputs;
      });
      return { probed: [...probed.owner], known: [...builtInFootprint(spec).owner] };
    }),

  /** A_d and B_d as the GPU generates them, as bits. */
  operands: (spec: Spec, device: number) =>
    scoped(async (gpu, arena) => {
      const { m, n, k } = spec.gemm;
      const source = await operandSource(gpu, arena, spec);
      const buffers = { a: arena.storage('a', m * k * 4), b: arena.storage('b', k * n * 4) };
      source.fill(device, buffers);
      return { a: [...(await readBack(gpu, buffers.a))], b: [...(await readBack(gpu, buffers.b))] };
    }),

  /** C of the plain kernel over device 0's operands. */
  gemm: (spec: Spec) =>
    scoped(async (gpu, arena) => {
      const { m, n, k } = spec.gemm;
      const source = await operandSource(gpu, arena, spec);
      const buffers = { a: arena.storage('a', m * k * 4), b: arena.storage('b', k * n * 4), c: arena.storage('c', m * n * 4) };
      source.fill(0, buffers);
      poison(gpu, await gpu.kernel('fill', SHADERS.fill), [buffers.c]);
      const gemm = new Gemm(gpu, spec.kernel.name, spec.gemm, spec.kernel.tile, spec.wavefront);
      const kernel = await gemm.plain();
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, gpu.bind(kernel, 0, buffers));
      pass.dispatchWorkgroups(...gemm.grid);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      return [...new Float32Array((await readBack(gpu, buffers.c)).buffer)];
    }),

  /** The compare kernel's verdict on a result (bits, row-major) cut into chunks, against a reference. */
  compare: (spec: Spec, result: readonly number[], reference: readonly number[]) =>
    scoped(async (gpu, arena) => {
      const tiling = tilingOf(builtInFootprint(spec), spec.chunk, spec.devices, spec.triggerTiles);
      const chunks = tiling.chunks.map(({ start, columns, elements }, j) => {
        const words = Uint32Array.from({ length: elements }, (_, at) => {
          const row = Math.floor(at / columns) + (spec.chunk === 'rows' ? start : 0);
          return result[row * tiling.n + (at % columns) + (spec.chunk === 'rows' ? 0 : start)];
        });
        return elements === 0 ? null : arena.words(`chunk ${j}`, words);
      });
      return compareChunks(gpu, tiling, (j) => chunks[j]!, arena.words('reference', Uint32Array.from(reference)));
    }),

  /** Compiles WGSL as a kernel; the error's message, or null. */
  compile: (code: string) =>
    scoped(async (gpu) => {
      try {
        await gpu.kernel('test', code);
        return null;
      } catch (error) {
        return (error as Error).message;
      }
    }),
};

declare global {
  interface Window {
    tilewireTest: typeof hooks;
  }
}

window.tilewire = page;
window.tilewireTest = hooks;
