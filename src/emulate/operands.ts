// Operand values: generated on the GPU where they are used, by the hash whose twin is spec/operands.ts, or taken
// from a trained model's matrices. Each device has its own rows of B and columns of A.
import type { Arena, Gpu, Kernel } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { structLayout } from '../gpu/reflect.ts';
import { RecordBuffer } from '../gpu/records.ts';
import type { KernelBindings } from '../spec/kernel-bindings.ts';
import { fillOperand, KIND, MATRIX, operandValue } from '../spec/operands.ts';
import type { GemmShape, SpecDraft } from '../spec/spec.ts';

/** Row-major f32 of the whole operands: A is m × (k·devices), B is (k·devices) × n. */
export interface TrainedMatrices {
  readonly a: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

export interface OperandSource {
  /** Fills the buffers with A_d (m × k) and B_d (k × n); `seed` other than the Spec's for the probe's second data. */
  fill(device: number, buffers: { readonly a: GPUBuffer; readonly b: GPUBuffer }, seed?: number): void;
  /** The same on the host; `rows` of A only, where given. */
  onHost(device: number, rows?: Uint32Array): { readonly a: Float32Array; readonly b: Float32Array };
  /** The device's contribution to one element of C, float64. */
  partial(device: number, row: number, column: number): number;
}

export async function operandSource(gpu: Gpu, arena: Arena, spec: SpecDraft, trained?: TrainedMatrices): Promise<OperandSource> {
  return trained === undefined ? generated(gpu, arena, spec, await gpu.kernel('operands', SHADERS.operands, 'fill_operand')) : sliced(gpu, spec, trained);
}

function generated(gpu: Gpu, arena: Arena, spec: SpecDraft, kernel: Kernel): OperandSource {
  const { gemm: { m, n, k }, operands } = spec;
  const kind = operands.kind === 'normal' ? 'normal' : 'exact';
  const range = operands.kind === 'exact' ? operands.range : 1;
  const layout = structLayout(SHADERS.operands, 'Params');
  const params = arena.buffer('operand parameters', layout.size, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const shape = { a: { rows: m, columns: k }, b: { rows: k, columns: n } };
  return {
    fill(device, buffers, seed = spec.seed) {
      for (const matrix of ['a', 'b'] as const) {
        const record = new RecordBuffer(4);
        record.add(layout, { seed, device, matrix: MATRIX[matrix], ...shape[matrix], range, kind: KIND[kind], first_row: 0 });
        gpu.device.queue.writeBuffer(params, 0, record.words, 0, layout.size / 4);
        const encoder = gpu.device.createCommandEncoder({ label: 'operands' });
        const pass = encoder.beginComputePass({ label: `${matrix} of device ${device}` });
        pass.setPipeline(kernel.pipeline);
        pass.setBindGroup(0, gpu.bind(kernel, 0, { params, output: buffers[matrix] }));
        pass.dispatchWorkgroups(Math.min(4096, shape[matrix].rows * Math.ceil(shape[matrix].columns / 1024)));
        pass.end();
        gpu.device.queue.submit([encoder.finish()]);
      }
    },
    onHost(device, rows) {
      const b = fillOperand({ kind, seed: spec.seed, device, matrix: MATRIX.b, range, rows: k, columns: n });
      if (rows === undefined) return { a: fillOperand({ kind, seed: spec.seed, device, matrix: MATRIX.a, range, rows: m, columns: k }), b };
      const a = new Float32Array(rows.length * k);
      rows.forEach((row, at) => fillOperand({ kind, seed: spec.seed, device, matrix: MATRIX.a, range, rows: 1, columns: k, firstRow: row }, a.subarray(at * k, (at + 1) * k)));
      return { a, b };
    },
    partial(device, row, column) {
      const value = (matrix: number, r: number, c: number): number => operandValue(kind, range, { seed: spec.seed, device, matrix } as Parameters<typeof operandValue>[2], r, c);
      let sum = 0;
      for (let at = 0; at < k; at++) sum += value(MATRIX.a, row, at) * value(MATRIX.b, at, column);
      return sum;
    },
  };
}

function sliced(gpu: Gpu, { gemm: { m, n, k }, devices }: SpecDraft, trained: TrainedMatrices): OperandSource {
  const rowsOfA = (device: number, rows: Uint32Array): Float32Array<ArrayBuffer> => {
    const a = new Float32Array(rows.length * k);
    rows.forEach((row, at) => a.set(trained.a.subarray(row * k * devices + device * k, row * k * devices + (device + 1) * k), at * k));
    return a;
  };
  const all = Uint32Array.from({ length: m }, (_, row) => row);
  const bOf = (device: number): Float32Array<ArrayBuffer> => trained.b.subarray(device * k * n, (device + 1) * k * n);
  return {
    fill(device, buffers, seed) {
      // Other data for the probe's second run: the matrices the other way round.
      const a = rowsOfA(device, all);
      const b = seed === undefined ? bOf(device) : bOf(device).toReversed();
      gpu.device.queue.writeBuffer(buffers.a, 0, seed === undefined ? a : a.toReversed());
      gpu.device.queue.writeBuffer(buffers.b, 0, b);
    },
    onHost: (device, rows = all) => ({ a: rowsOfA(device, rows), b: bOf(device) }),
    partial(device, row, column) {
      const b = bOf(device);
      let sum = 0;
      for (let at = 0; at < k; at++) sum += trained.a[row * k * devices + device * k + at] * b[at * n + column];
      return sum;
    },
  };
}

/** Fills operands as the kernel wants them laid out: A or B the other way round goes through a transpose. */
export async function laidOut(gpu: Gpu, arena: Arena, source: OperandSource, layout: KernelBindings['layout'], { m, n, k }: GemmShape): Promise<OperandSource['fill']> {
  if (layout === 'nn') return source.fill.bind(source);
  const kernel = await gpu.kernel('transpose', SHADERS.transpose);
  const scratch = { a: arena.storage('A as generated', m * k * 4), b: arena.storage('B as generated', k * n * 4) };
  const turned = (['a', 'b'] as const).filter((_, at) => layout[at] === 't');
  const params = { a: arena.words('shape of A', Uint32Array.of(m, k), GPUBufferUsage.UNIFORM), b: arena.words('shape of B', Uint32Array.of(k, n), GPUBufferUsage.UNIFORM) };
  return (device, buffers, seed) => {
    source.fill(device, { a: turned.includes('a') ? scratch.a : buffers.a, b: turned.includes('b') ? scratch.b : buffers.b }, seed);
    const encoder = gpu.device.createCommandEncoder({ label: 'transpose' });
    const pass = encoder.beginComputePass({ label: 'transpose' });
    pass.setPipeline(kernel.pipeline);
    for (const matrix of turned) {
      pass.setBindGroup(0, gpu.bind(kernel, 0, { params: params[matrix], input: scratch[matrix], output: buffers[matrix] }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil(scratch[matrix].size / 256)));
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  };
}
