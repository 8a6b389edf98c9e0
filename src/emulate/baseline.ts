// GEMM, then collective: the same kernels without tracking. Every device's whole GEMM in one dispatch, then the
// Plan's rounds, each a copy of a chunk into the link's landing buffer and its reduction at the receiver.
import { areTogether, dmaKernels, ITEM } from '../gpu/dma.ts';
import { readBack, type Arena, type Gpu } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { ownerOf, type Plan } from '../plan/plan.ts';
import type { Chunk } from '../plan/tiling.ts';
import { depthOf } from '../spec/chunks.ts';
import type { Spec } from '../spec/spec.ts';
import type { Apply } from './epilogue.ts';
import { ALL_DEVICES, Frame, type Group, type TimedGroup } from './frame.ts';
import type { Gemms } from './gemms.ts';
import { kindMs } from './measure.ts';
import { ITEM_SIDE, poison, type DeviceMemory } from './memory.ts';
import { runWords, type Run } from './runs.ts';
import { outputElements, untouched } from './untouched.ts';

export interface BaselineRun {
  readonly gemmMs: number;
  readonly collectiveMs: number;
  readonly sequentialMs: number;
  /** Whether the first two are GPU times; else they are the wall time until the queue was idle. */
  readonly timed: boolean;
  /** The collective's GPU time by kind; null where it was not timed. */
  readonly parts: { readonly transferMs: number; readonly reductionMs: number } | null;
  /** A GEMM of each device, then the copies and reductions of each round, which stands for their epoch. */
  readonly groups: readonly TimedGroup[];
  /** Bits of the m × n result, row-major, gathered from the owners' chunks. */
  result(): Promise<Uint32Array<ArrayBuffer>>;
}

export async function runBaseline(gpu: Gpu, arena: Arena, spec: Spec, plan: Plan, gemms: Gemms, operands: DeviceMemory['operands'], after: Apply | null, progress: (done: number, total: number) => void): Promise<BaselineRun> {
  const { devices } = spec;
  const { tiling } = plan;
  const { m, n } = tiling;
  const { pitch } = gemms.text;
  const [{ transfer, nmc }, fill] = await Promise.all([dmaKernels(gpu), gpu.kernel('fill', SHADERS.fill)]);
  const plain = new Map(await Promise.all(gemms.distinct.map(async (gemm) => [gemm, await untouched(gpu, arena, gemm)] as const)));
  const outputs = operands.map((_, d) => arena.storage(`whole output of device ${d}`, outputElements(gemms.of(d)) * 4));
  const largest = Math.max(...tiling.chunks.map(({ elements }) => elements));
  const landing = operands.map((_, d) => arena.storage(`landing of device ${d}`, devices > 1 ? largest * 4 : 4));
  const copies = tiling.chunks.map((chunk) => copyOf(arena, chunk, pitch));
  const counters = arena.storage('unused counters', 4 * Math.max(1, ...copies.map(({ count }) => count)));
  poison(gpu, fill, outputs);

  const gemmFrames = operands.map((_, d) => new Frame(gpu, arena, `plain GEMM ${d}`, [], 1));
  const roundFrames = plan.mapping.rounds.map((_, r) => new Frame(gpu, arena, `round ${r}`, [], 2 * devices));
  const readings: Promise<{ groups: readonly TimedGroup[] }>[] = [];
  const submit = (frame: Frame): void => {
    const reading = frame.submit();
    if (reading !== null) readings.push(reading);
  };
  await gpu.idle();
  const start = performance.now();
  operands.forEach((inputs, device) => {
    const pass = gemmFrames[device].pass({ kind: 'gemm', device, epoch: 0, bytes: 0, flops: 2 * m * n * depthOf(spec, device) });
    plain.get(gemms.of(device))!(pass, inputs, outputs[device]);
    submit(gemmFrames[device]);
  });
  const gemmDone = gpu.hasTimestamps ? start : (await gpu.idle(), performance.now());
  plan.mapping.rounds.forEach((round, r) => {
    const moves = round.filter(({ chunk }) => tiling.chunks[chunk].elements > 0);
    // Passes as the fused run has them.
    const bytes = (of: readonly { readonly chunk: number }[]): number => of.reduce((sum, { chunk }) => sum + tiling.chunks[chunk].elements * 4, 0);
    const all = (['transfer', 'reduction'] as const).map((kind): Group => ({ kind, device: ALL_DEVICES, epoch: r, bytes: bytes(moves), flops: 0 }));
    const groupOf = (which: 0 | 1, device: number, move: { readonly chunk: number }): Group => (areTogether(gpu) ? all[which] : { ...all[which], device, bytes: bytes([move]) });
    for (const move of moves) {
      const { from, chunk } = move;
      const { items, runs, count } = copies[chunk];
      const pass = roundFrames[r].pass(groupOf(0, from, move));
      pass.setPipeline(transfer.pipeline);
      pass.setBindGroup(0, gpu.bind(transfer, 0, { items, runs, memory: outputs[from], landing: landing[from] }));
      dispatch(gpu, pass, count);
    }
    for (const move of moves) {
      const { from, to, chunk } = move;
      const { items, runs, count } = copies[chunk];
      const pass = roundFrames[r].pass(groupOf(1, to, move));
      pass.setPipeline(nmc.pipeline);
      pass.setBindGroup(0, gpu.bind(nmc, 0, { items, runs, landing: landing[from], memory: outputs[to], counters }));
      dispatch(gpu, pass, count);
    }
    submit(roundFrames[r]);
  });
  if (after !== null) {
    const encoder = gpu.device.createCommandEncoder({ label: 'epilogue' });
    const pass = encoder.beginComputePass({ label: 'epilogue' });
    tiling.chunks.forEach((chunk, j) => {
      if (chunk.elements > 0) after(pass, chunk, { values: outputs[ownerOf(plan, j)], first: chunk.row * pitch + chunk.column, stride: pitch });
    });
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  }
  const groups: TimedGroup[] = [];
  for (const [at, reading] of readings.entries()) {
    groups.push(...(await reading).groups);
    progress(at + 1, readings.length);
  }
  await gpu.idle();
  const sequentialMs = performance.now() - start;
  for (const frame of [...gemmFrames, ...roundFrames]) frame.destroy();
  gpu.check();

  const timed = groups.every(({ interval }) => interval !== null);
  const result: BaselineRun['result'] = async () => {
    const gathered = new Uint32Array(m * n);
    for (let device = 0; device < devices; device++) {
      const whole = await readBack(gpu, outputs[device]);
      tiling.chunks.forEach((chunk, j) => {
        if (chunk.elements === 0 || ownerOf(plan, j) !== device) return;
        for (let row = chunk.row; row < chunk.row + chunk.rows; row++) gathered.set(whole.subarray(row * pitch + chunk.column, row * pitch + chunk.column + chunk.columns), row * n + chunk.column);
      });
    }
    return gathered;
  };
  if (!timed) return { gemmMs: gemmDone - start, collectiveMs: sequentialMs - (gemmDone - start), sequentialMs, timed, parts: null, groups, result };
  const [gemmMs, transferMs, reductionMs] = (['gemm', 'transfer', 'reduction'] as const).map((kind) => kindMs(groups, kind));
  return { gemmMs, collectiveMs: transferMs + reductionMs, sequentialMs, timed, parts: { transferMs, reductionMs }, groups, result };
}

export function dispatch(gpu: Gpu, pass: GPUComputePassEncoder, workgroups: number): void {
  const most = gpu.limits.maxComputeWorkgroupsPerDimension;
  pass.dispatchWorkgroups(Math.min(workgroups, most), Math.ceil(workgroups / most));
}

export interface Copy {
  /** Of either kernel. */
  readonly items: GPUBuffer;
  readonly runs: GPUBuffer;
  readonly count: number;
}

/** Items that move a chunk of a whole row-major output, rows `pitch` elements apart: squares, or as much of one behind the other. */
export function copyOf(arena: Arena, chunk: Chunk, pitch: number): Copy {
  const records = new RecordBuffer(4);
  const runs: Run[] = [];
  let landing = 0;
  const item = (run: Run): void => {
    records.add(ITEM, { first_run: runs.length, runs: 1, landing, counter: runs.length, update: 1, memory: 0 });
    landing += run.length * run.count;
    runs.push(run);
  };
  const first = chunk.row * pitch + chunk.column;
  // Without gaps between its rows a chunk is one stretch.
  const dense = chunk.columns === pitch;
  const columns = dense ? Math.min(ITEM_SIDE, chunk.elements) : chunk.columns;
  const rows = columns === 0 ? 0 : Math.floor(chunk.elements / columns);
  const stride = dense ? columns : pitch;
  for (let row = 0; row < rows; row += ITEM_SIDE)
    for (let column = 0; column < columns; column += ITEM_SIDE)
      item({ start: first + row * stride + column, length: Math.min(ITEM_SIDE, columns - column), count: Math.min(ITEM_SIDE, rows - row), stride });
  const rest = chunk.elements - rows * columns;
  if (rest > 0) item({ start: first + rows * stride, length: rest, count: 1, stride: 0 });
  return { items: arena.words('plain items', records.words.subarray(0, records.bytes / 4)), runs: arena.words('plain runs', runWords(runs)), count: runs.length };
}
