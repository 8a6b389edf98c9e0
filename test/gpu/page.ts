// The page of the GPU tests: the product's page, and hooks into what lies under it. Every hook runs inside error scopes and
// destroys what it made.
import { dmaKernels, ITEM } from '../../src/gpu/dma.ts';
import { Gemm } from '../../src/gpu/gemm.ts';
import { TilewireError } from '../../src/errors.ts';
import { Arena, Gpu, readBack } from '../../src/gpu/gpu.ts';
import { probe, probeFootprint } from '../../src/gpu/probe.ts';
import { RecordBuffer } from '../../src/gpu/records.ts';
import { measureTriggerCost } from '../../src/gpu/trigger-cost.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { compareChunks } from '../../src/emulate/compare.ts';
import { estimateMemory, poison, probeMemory, reachOf } from '../../src/emulate/memory.ts';
import { probeSpec } from '../../src/emulate/footprint.ts';
import { calibrate } from '../../src/tune/calibrate.ts';
import { EpilogueValues } from '../../src/emulate/epilogue.ts';
import { Gemms } from '../../src/emulate/gemms.ts';
import { laidOut, operandBuffers, operandSource, PLAIN_OPERANDS } from '../../src/emulate/operands.ts';
import { projectedOperands } from '../../src/emulate/projection.ts';
import { runWords } from '../../src/emulate/runs.ts';
import { outputElements, untouched } from '../../src/emulate/untouched.ts';
import { runSpec } from '../../src/emulate/run.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf, settled } from '../../src/plan/plan.ts';
import { tilingOf } from '../../src/plan/tiling.ts';
import { trackerAlone } from './tracker-alone.ts';
import { Page } from '../../src/page/page.ts';
import type { Spec, SpecDraft } from '../../src/spec/spec.ts';
import type { CheckChoice } from '../../src/verify/choice.ts';
import { firstWrongRow, projected, vectorsOf } from '../../src/verify/projection.ts';
import type { RunReport } from '../../src/verify/run-report.ts';

const page = new Page((progress) => window.tilewireProgress?.(progress));

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
  /** Start and length in the chunk's memory; count and stride of what is more than one stretch. */
  readonly runs: readonly (readonly [number, number, number?, number?])[];
  /** What is read: the chunk's memory (transfer), or the landing buffer (nmc). */
  readonly input: Float32Array;
  /** Initial contents of what is written. */
  readonly output: Float32Array;
  readonly counters?: Uint32Array;
}

/** Runs one of the two kernels as the engine does: items in a range of a larger buffer, over-long dispatches in two dimensions. */
async function dma(gpu: Gpu, arena: Arena, name: 'transfer' | 'nmc', { items, runs, input, output, counters = new Uint32Array(1) }: DmaJob): Promise<{ output: Float32Array; counters: Uint32Array }> {
  const kernel = (await dmaKernels(gpu))[name];
  const records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
  // Before and behind the items lie those of somebody else, which must not run.
  const stranger = { first_run: 0, runs: runs.length, landing: 0, counter: 0, update: 1, memory: 0 };
  for (let at = 0; at < 50; at++) records.add(ITEM, stranger);
  const offset = records.align();
  for (const item of items) records.add(ITEM, { ...item });
  const size = records.bytes - offset;
  for (let at = 0; at < 50; at++) records.add(ITEM, stranger);
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
      runs: arena.words('runs', runWords(runs.map(([start, length, count = 1, stride = 0]) => ({ start, length, count, stride })))),
      ...(name === 'transfer' ? { memory: read, landing: written } : { landing: read, memory: written, counters: counted }),
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

/** The GPU, but that its adapter says to be a piece of hardware. */
const hardware = (gpu: Gpu): Gpu => altered(gpu, { adapter: altered(gpu.adapter, { isFallbackAdapter: false, info: altered(gpu.adapter.info, { isFallbackAdapter: false, architecture: 'some', description: 'hardware' }) }) });

/** The GPU, but that a binding may have so many bytes. */
const limited = (gpu: Gpu, most: number): Gpu => altered(gpu, { limits: altered(gpu.limits, { maxStorageBufferBindingSize: most }) });

function altered<T extends object>(of: T, values: Readonly<Record<string, unknown>>): T {
  return new Proxy(of, {
    get(target, key) {
      if (typeof key === 'string' && Object.hasOwn(values, key)) return values[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

/** The GPU, but that the text of one of its kernels is another. */
function sabotaged(gpu: Gpu, label: string, find: string, replacement: string): Gpu {
  return altered(gpu, {
    kernel: (name: string, code: string, entry?: string) => {
      if (name === label && !code.includes(find)) throw new Error(`${label} has no ${find}`);
      return gpu.kernel(name, name === label ? code.replaceAll(find, replacement) : code, entry);
    },
  });
}

const hooks = {
  /** Calibrates with a kernel that is wrong. */
  calibrateWrong: (label: string, find: string, replacement: string) =>
    scoped(async (gpu) => {
      try {
        await calibrate(sabotaged(gpu, label, find, replacement), { bytes: 2 ** 20, samples: 1, timerStepNs: 1, progress: () => {} });
        return null;
      } catch (error) {
        return error instanceof TilewireError ? error.toRecord() : String(error);
      }
    }),

  /** A run on a device of its own, whose quads are other lanes than local indices say; what refuses it. */
  quadless: async (spec: SpecDraft) => {
    const gpu = await Gpu.open(navigator.gpu);
    try {
      await runSpec(sabotaged(gpu, 'quads of 16', 'quadSwapY(lane)', 'quadSwapX(lane)'), spec, { baseline: false, memoryLimit: 2 ** 30, isSerial: true });
      return null;
    } catch (error) {
      return error instanceof TilewireError ? error.toRecord() : String(error);
    } finally {
      gpu.device.destroy();
    }
  },

  /** Owners as probed, and as the lane layout says. */
  /** @param promised whose lane layout says the footprint */
  probe: (spec: Spec, promised: Spec) =>
    scoped(async (gpu, arena) => {
      const gemm = new Gemm(gpu, arena, spec.kernel, spec.gemm, spec.wavefront);
      const operands = await operandSource(gpu, arena, spec, gemm.text);
      const inputs = operandBuffers(arena, spec, gemm.text);
      const probed = await probeFootprint(gemm, (run) => {
        operands.fill(0, inputs, { seed: run + 1 });
        return inputs;
      });
      const known = builtInFootprint(promised);
      // Only workgroups of the first split have twins.
      const of = ({ owner, twins, grid }: typeof known): number[][] => [[...owner], ...twins.map((list) => [...list.subarray(0, grid[0] * grid[1])])];
      return { probed: of(probed), known: of(known) };
    }),

  /** A_d and B_d as the GPU generates them, as bits. */
  operands: (spec: Spec, device: number, half: boolean) =>
    scoped(async (gpu, arena) => {
      const source = await operandSource(gpu, arena, spec, { ...PLAIN_OPERANDS, halves: { a: half, b: half } });
      const buffers = operandBuffers(arena, spec, PLAIN_OPERANDS, device);
      source.fill(device, buffers);
      return { a: [...(await readBack(gpu, buffers.a))], b: [...(await readBack(gpu, buffers.b))] };
    }),

  /** C of the untouched kernel over device 0's operands, its rows without what lies between them. */
  gemm: (spec: SpecDraft) =>
    scoped(async (gpu, arena) => {
      const gemms = new Gemms(gpu, arena, spec);
      const gemm = gemms.of(0);
      const { batch, pitch } = gemm.text;
      const { m, n } = spec.gemm;
      const epilogue = new EpilogueValues(spec, gemm.text);
      const buffers = { ...operandBuffers(arena, spec, gemm.text), epilogue: (await epilogue.bindings(gpu, arena))(0) };
      const output = arena.storage('c', outputElements(gemm) * 4);
      poison(gpu, await gpu.kernel('fill', SHADERS.fill), [output]);
      (await laidOut(gpu, arena, await operandSource(gpu, arena, spec, gemm.text), gemm.text, spec))(0, buffers);
      const run = await untouched(gpu, arena, gemm);
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      run(pass, buffers, output);
      (await epilogue.after(gpu, arena))?.(pass, { row: 0, column: 0, rows: batch * m, columns: n }, { values: output, first: 0, stride: pitch });
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      const values = new Float32Array((await readBack(gpu, output)).buffer);
      return Array.from({ length: batch * m }, (_, row) => [...values.subarray(row * pitch, row * pitch + n)]).flat();
    }),

  /** The compare kernel's verdict on a result (bits, row-major) cut into chunks, against a reference. */
  compare: (spec: Spec, result: readonly number[], reference: readonly number[]) =>
    scoped(async (gpu, arena) => {
      const tiling = tilingOf(builtInFootprint(spec), spec.chunk, spec.devices, spec.triggerTiles);
      const chunks = tiling.chunks.map(({ row, column, columns, elements }, j) => {
        const words = Uint32Array.from({ length: elements }, (_, at) => result[(row + Math.floor(at / columns)) * tiling.n + column + (at % columns)]);
        return elements === 0 ? null : arena.words(`chunk ${j}`, words);
      });
      return compareChunks(gpu, tiling, (j) => chunks[j]!, arena.words('reference', Uint32Array.from(reference)));
    }),

  /** Σ_d A_d·(B_d·x) as the GPU projects it, with the vectors of the Spec's seed. */
  projection: (spec: Spec, batch: number) => scoped(async (gpu) => [...(await projectedOperands(gpu, spec, batch, vectorsOf(spec.seed, spec.gemm.n), () => {}))]),

  /** For each of these Specs, results and changed elements (index and bits): the first wrong row of the result as it is, and as changed. */
  freivalds: (cases: readonly { readonly spec: Spec; readonly result: readonly number[]; readonly at: number; readonly bits: number }[]) =>
    scoped(async (gpu) => {
      const rows: [right: number, changed: number][] = [];
      for (const { spec, result, at, bits } of cases) {
        const { n } = spec.gemm;
        const vectors = vectorsOf(spec.seed, n);
        const expected = await projectedOperands(gpu, spec, 1, vectors, () => {});
        const values = Float32Array.from(result);
        const right = firstWrongRow(projected(values, n, vectors), expected, n);
        new Uint32Array(values.buffer)[at] = bits;
        rows.push([right, firstWrongRow(projected(values, n, vectors), expected, n)]);
      }
      return rows;
    }),

  /** A run on a device of its own without timestamps, and its report. */
  withoutTimestamps: async (spec: Spec): Promise<RunReport> => {
    const gpu = await Gpu.open(navigator.gpu, { timestamps: false });
    const { report } = await runSpec(gpu, spec, { baseline: true, memoryLimit: 2 ** 30, isSerial: true });
    gpu.device.destroy();
    return report;
  },

  /** The same run as on this adapter, as on a GPU, and on a software adapter that binds no more than `most` bytes: reports, and devices of the groups that move. */
  ways: (spec: SpecDraft, most: number) =>
    scoped(async (gpu) => {
      const runOn = async (of: Gpu): Promise<{ report: RunReport; moved: readonly number[]; result: number[] }> => {
        const { report, groups, result } = await runSpec(of, spec, { baseline: true, memoryLimit: 2 ** 30, isSerial: true });
        return { report, moved: [...new Set(groups.filter(({ kind }) => kind === 'transfer' || kind === 'reduction').map(({ device }) => device))].toSorted((one, other) => one - other), result: [...result] };
      };
      return [await runOn(gpu), await runOn(hardware(gpu)), await runOn(limited(gpu, most))];
    }),

  /** A run's report, and the timed groups that its replay was made of. */
  groups: (spec: SpecDraft, baseline: boolean) =>
    scoped(async (gpu) => {
      const { report, groups } = await runSpec(gpu, spec, { baseline, memoryLimit: 2 ** 30, isSerial: true });
      return { report, groups };
    }),

  /**
   * A run as the engine does it on a GPU, on whatever adapter is here: one that does not say that a processor plays it, so that each device has passes
   * and each chunk a buffer of its own. Devices that its passes name.
   */
  asOnGpu: async (draft: SpecDraft, check: CheckChoice): Promise<{ report: RunReport; passesOf: number[] }> => {
    const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<unknown> => {
      const adapter = (await navigator.gpu.requestAdapter(options))!;
      return { limits: adapter.limits, features: adapter.features, info: { vendor: 'nobody', architecture: 'a GPU', description: '' }, requestDevice: (wanted: GPUDeviceDescriptor) => adapter.requestDevice(wanted) };
    };
    const gpu = await Gpu.open({ requestAdapter } as unknown as GPU);
    try {
      const { report, groups } = await runSpec(gpu, draft, { baseline: true, check, memoryLimit: 2 ** 30, isSerial: true });
      return { report, passesOf: [...new Set(groups.filter(({ kind }) => kind === 'transfer').map(({ device }) => device))] };
    } finally {
      gpu.device.destroy();
    }
  },

  /** Costs of triggers on this adapter, µs. */
  triggerCost: () => scoped((gpu) => measureTriggerCost(gpu)),

  /** A run in which a text of the GPU's tracker is replaced, or a list may hold so many items only. */
  brokenTracker: (spec: Spec, edit: readonly [text: string, by: string] | null, mostListItems?: number) =>
    scoped(async (gpu) => {
      const whole = SHADERS.tracker;
      if (edit !== null && whole.split(edit[0]).length !== 2) throw new Error(`the tracker does not have one ${edit[0]}`);
      if (edit !== null) SHADERS.tracker = whole.replace(edit[0], edit[1]);
      try {
        const { report } = await runSpec(gpu, spec, { baseline: false, memoryLimit: 2 ** 30, isSerial: true, ...(mostListItems === undefined ? {} : { mostListItems }) });
        return { failures: report.failures, wrong: report.check.wrong };
      } finally {
        SHADERS.tracker = whole;
      }
    }),

  /**
   * The GPU's tracker alone: shown counters that grow from epoch to epoch at random, with all windows open. What it found
   * (block, epoch in which it was seen, epoch in which it was sent), and what the host's trackers and timetable find; and the items and ops of
   * each list against the Plan.
   */
  trackerAlone: (spec: Spec, seed: number, epochs: number) => scoped((gpu, arena) => trackerAlone(gpu, arena, spec, seed, epochs)),

  /** Memory (transfer: landing buffer) and counters after one dispatch over hand-made run tables. */
  dma: (name: 'transfer' | 'nmc', { input, output, counters = [0], ...job }: { items: readonly DmaItem[]; runs: readonly (readonly [number, number, number?, number?])[]; input: readonly number[]; output: readonly number[]; counters?: readonly number[] }) =>
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
  memory: async (draft: SpecDraft, baseline: boolean, check: CheckChoice = 'full'): Promise<{ peak: number; estimate: number }> => {
    const gpu = await Gpu.open(navigator.gpu);
    const footprint = await probeSpec(await page.gpu(), draft);
    const spec = settled(draft, footprint);
    const gemms = new Gemms(gpu, new Arena(gpu), spec);
    const plan = planOf(spec, footprint);
    const { report } = await runSpec(gpu, spec, { baseline, check, memoryLimit: 2 ** 30, isSerial: true });
    const { peak } = gpu.memory;
    gpu.device.destroy();
    if (report.failures.length > 0 && spec.faults.length === 0) throw new Error(report.failures[0]!.message);
    return { peak, estimate: Math.max(probeMemory(spec, gemms.text).total, estimateMemory(spec, plan, baseline, { ...reachOf(gemms, plan), text: gemms.text }, check).total) };
  },

  /** Milliseconds of one plain run of the kernel, and of a probe of its footprint: GPU, readback and analysis, compiled before. */
  probeCost: (spec: SpecDraft): Promise<{ plain: number; probe: number }> =>
    scoped(async (gpu, arena) => {
      const gemms = new Gemms(gpu, arena, spec);
      const gemm = gemms.of(0);
      const epilogue = (await new EpilogueValues(spec, gemm.text).bindings(gpu, arena))(0);
      const inputs = { ...operandBuffers(arena, spec, gemm.text), epilogue };
      const output = arena.storage('c', outputElements(gemm) * 4);
      const fill = await laidOut(gpu, arena, await operandSource(gpu, arena, spec, gemm.text), gemm.text, spec);
      fill(0, inputs);
      const [run] = [await untouched(gpu, arena, gemm), await gemm.probing({ packed: true })];
      const timed = async (work: () => Promise<unknown>): Promise<number> => {
        await gpu.idle();
        const start = performance.now();
        await work();
        await gpu.idle();
        return performance.now() - start;
      };
      const plain = (): Promise<unknown> => {
        const encoder = gpu.device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        run(pass, inputs, output);
        pass.end();
        gpu.device.queue.submit([encoder.finish()]);
        return gpu.idle();
      };
      // What a page does once is done twice here: what a first run of a pipeline costs is compilation.
      await probe(gemm, () => inputs);
      await plain();
      return { plain: Math.min(await timed(plain), await timed(plain)), probe: Math.min(await timed(() => probe(gemm, () => inputs)), await timed(() => probe(gemm, () => inputs))) };
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
