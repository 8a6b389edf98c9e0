// The page of the GPU tests: the product's page, and hooks into what lies under it. Every hook runs inside error scopes and
// destroys what it made.
import { Gemm } from '../../src/gpu/gemm.ts';
import { Arena, Gpu, readBack } from '../../src/gpu/gpu.ts';
import { probeFootprint } from '../../src/gpu/probe.ts';
import { RecordBuffer } from '../../src/gpu/records.ts';
import { structLayout } from '../../src/gpu/reflect.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { compareChunks } from '../../src/emulate/compare.ts';
import { estimateMemory, poison } from '../../src/emulate/memory.ts';
import { laidOut, operandSource } from '../../src/emulate/operands.ts';
import { runSpec } from '../../src/emulate/run.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { tilingOf } from '../../src/plan/tiling.ts';
import { Page } from '../../src/page/main.ts';
import type { Spec, SpecDraft } from '../../src/spec/spec.ts';
import type { RunReport } from '../../src/verify/run-report.ts';

const page = new Page();

/** What an item of the transfer or near-memory kernel says; `counter` and `update` are for the latter. */
interface DmaItem {
  readonly first_run: number;
  readonly runs: number;
  readonly landing: number;
  readonly counter?: number;
  readonly update?: number;
}

interface DmaJob {
  readonly items: readonly DmaItem[];
  /** Start and length in the chunk's memory. */
  readonly runs: readonly (readonly [number, number])[];
  /** What is read: the chunk's memory (transfer), or the landing buffer (nmc). */
  readonly input: Float32Array;
  /** Initial contents of what is written. */
  readonly output: Float32Array;
  readonly counters?: Uint32Array;
}

/** Runs one of the two kernels as the engine does: items in a range of a larger buffer, over-long dispatches in two dimensions. */
async function dma(gpu: Gpu, arena: Arena, name: 'transfer' | 'nmc', { items, runs, input, output, counters = new Uint32Array(1) }: DmaJob): Promise<{ output: Float32Array; counters: Uint32Array }> {
  const kernel = await gpu.kernel(name, SHADERS[name]);
  const layout = structLayout(SHADERS[name], 'Item');
  const records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
  // Before and behind the items lie those of somebody else, which must not run.
  const stranger = { first_run: 0, runs: runs.length, landing: 0, ...(name === 'nmc' ? { counter: 0, update: 1 } : {}) };
  for (let at = 0; at < 50; at++) records.add(layout, stranger);
  const offset = records.align();
  for (const item of items) records.add(layout, { ...item });
  const size = records.bytes - offset;
  for (let at = 0; at < 50; at++) records.add(layout, stranger);
  const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer, values.byteOffset, values.length);
  const copied = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  const written = arena.words('written', bits(output), copied);
  const counted = arena.words('counted', counters, copied);
  const read = arena.words('read', bits(input));
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(kernel.pipeline);
  pass.setBindGroup(
    0,
    gpu.bind(kernel, 0, {
      items: { buffer: arena.words('items', records.words.subarray(0, records.bytes / 4)), offset, size },
      runs: arena.words('runs', Uint32Array.from(runs.flat())),
      ...(name === 'transfer' ? { source: read, landing: written } : { landing: read, memory: written, counters: counted }),
    }),
  );
  const most = gpu.limits.maxComputeWorkgroupsPerDimension;
  pass.dispatchWorkgroups(Math.min(items.length, most), Math.ceil(items.length / most));
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  return { output: new Float32Array((await readBack(gpu, written)).buffer), counters: await readBack(gpu, counted) };
}

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
      const gemm = new Gemm(gpu, arena, spec.kernel, spec.gemm, spec.wavefront);
      const probed = await probeFootprint(gemm, (run) => {
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
  gemm: (spec: SpecDraft) =>
    scoped(async (gpu, arena) => {
      const { m, n, k } = spec.gemm;
      const source = await operandSource(gpu, arena, spec);
      const buffers = { a: arena.storage('a', m * k * 4), b: arena.storage('b', k * n * 4), c: arena.storage('c', m * n * 4) };
      
      poison(gpu, await gpu.kernel('fill', SHADERS.fill), [buffers.c]);
      const gemm = new Gemm(gpu, arena, spec.kernel, spec.gemm, spec.wavefront);
      (await laidOut(gpu, arena, source, gemm.text.layout, spec.gemm))(0, buffers);
      const kernel = await gemm.plain();
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(kernel.pipeline);
      gemm.bind(kernel, buffers, { [gemm.text.output]: buffers.c }).forEach((group, index) => pass.setBindGroup(index, group));
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

  /** A run on a device of its own without timestamps, and its report. */
  withoutTimestamps: async (spec: Spec): Promise<RunReport> => {
    const gpu = await Gpu.open(navigator.gpu, { timestamps: false });
    const { report } = await runSpec(gpu, spec, { baseline: true, memoryLimit: 2 ** 30, isSerial: true });
    gpu.device.destroy();
    return report;
  },

  /** Memory (transfer: landing buffer) and counters after one dispatch over hand-made run tables. */
  dma: (name: 'transfer' | 'nmc', { input, output, counters = [0], ...job }: { items: readonly DmaItem[]; runs: readonly (readonly [number, number])[]; input: readonly number[]; output: readonly number[]; counters?: readonly number[] }) =>
    scoped(async (gpu, arena) => {
      const after = await dma(gpu, arena, name, { ...job, input: Float32Array.from(input), output: Float32Array.from(output), counters: Uint32Array.from(counters) });
      return { output: [...after.output], counters: [...after.counters] };
    }),

  /** As many items as are asked for, of one element each, in reverse order: how many elements and counters are wrong. */
  manyItems: (name: 'transfer' | 'nmc', count: number) =>
    scoped(async (gpu, arena) => {
      const items = Array.from({ length: count }, (_, at): DmaItem => ({ first_run: at, runs: 1, landing: at, ...(name === 'nmc' ? { counter: at % 1000, update: 1 } : {}) }));
      const runs = Array.from({ length: count }, (_, at) => [count - 1 - at, 1] as const);
      const input = Float32Array.from({ length: count }, (_, at) => at);
      const { output, counters } = await dma(gpu, arena, name, { items, runs, input, output: new Float32Array(count).fill(0.5), counters: new Uint32Array(1000) });
      return {
        wrong: output.filter((value, at) => value !== count - 1 - at + (name === 'nmc' ? 0.5 : 0)).length,
        miscounted: counters.filter((value, at) => value !== (name === 'nmc' ? Math.ceil((count - at) / 1000) : 0)).length,
      };
    }),

  /** Bytes that a run on a device of its own takes at its peak, and what was estimated for it. */
  memory: async (spec: Spec, baseline: boolean): Promise<{ peak: number; estimate: number }> => {
    const gpu = await Gpu.open(navigator.gpu);
    const arena = new Arena(gpu);
    const { maxSlots } = new Gemm(gpu, arena, spec.kernel, spec.gemm, spec.wavefront);
    const { report } = await runSpec(gpu, spec, { baseline, memoryLimit: 2 ** 30, isSerial: true });
    const { peak } = gpu.memory;
    arena.destroy();
    gpu.device.destroy();
    if (report.failures.length > 0) throw new Error(report.failures[0]!.message);
    return { peak, estimate: estimateMemory(spec, planOf(spec, builtInFootprint(spec)), baseline, maxSlots).total };
  },

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
