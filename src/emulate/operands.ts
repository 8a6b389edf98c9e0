// Operand values: generated on the GPU where they are used, by the hash whose twin is spec/operands.ts, or taken
// from matrices that the host read. Each device has its own rows of B and columns of A. The matrices of a batch lie one
// below the other.
import { TilewireError } from '../errors.ts';
import type { GemmInputs } from '../gpu/gemm.ts';
import type { Arena, Gpu, Kernel } from '../gpu/gpu.ts';
import type { KernelText } from '../gpu/kernel-text.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { structLayout } from '../gpu/reflect.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { depthOf } from '../spec/chunks.ts';
import { fillOperand, KIND, MATRIX, operandValue, roundToHalf, type OperandFill } from '../spec/operands.ts';
import type { SpecDraft } from '../spec/spec.ts';

/** Row-major f32 by device: A_d is m × k_d, B_d is k_d × n. */
export interface DeviceMatrices {
  readonly a: readonly Float32Array<ArrayBuffer>[];
  readonly b: readonly Float32Array<ArrayBuffer>[];
}

export interface OperandBuffers extends GemmInputs {
  readonly a: GPUBuffer;
  readonly b: GPUBuffer;
}

export interface FillOptions {
  /** Other than the Spec's: for the probe's second data. */
  readonly seed?: number;
  /** One matrix of the batch instead of all. */
  readonly matrix?: number;
}

export interface OperandSource {
  /** Fills the buffers with A_d (batch·m × k_d) and B_d (batch·k_d × n). */
  fill(device: number, buffers: OperandBuffers, options?: FillOptions): void;
  /** The same on the host; of A the given rows only. */
  onHost(device: number, rows: Uint32Array): { readonly a: Float32Array; readonly b: Float32Array };
  /** The device's contribution to one element of C, float64. */
  partial(device: number, row: number, column: number): number;
}

/** How a kernel wants its operands. */
export type OperandFacts = Pick<KernelText, 'batch' | 'layout' | 'halves' | 'strides'>;

/** One matrix each, as they are generated: f32, A m × k, B k × n. */
export const PLAIN_OPERANDS: OperandFacts = { batch: 1, layout: 'nn', halves: { a: false, b: false }, strides: { a: 4, b: 4 } };

/** Values as f32, of a kernel that takes f16 rounded to that; how they are laid out is the business of `laidOut`. */
export async function operandSource(gpu: Gpu, arena: Arena, spec: SpecDraft, facts: OperandFacts, matrices?: DeviceMatrices, notes: { path: string; reason: string }[] = []): Promise<OperandSource> {
  return matrices === undefined ? generated(spec, facts, await matrixFill(gpu, arena)) : given(gpu, spec, rounded(matrices, facts, notes));
}

/** Room for the operands of one device; the first has most. */
export function operandBuffers(arena: Arena, spec: SpecDraft, facts: OperandFacts, device = 0): OperandBuffers {
  const bytes = operandBytes(spec, facts, device);
  return { a: arena.storage(`A of device ${device}`, bytes.a), b: arena.storage(`B of device ${device}`, bytes.b) };
}

/** Whole elements of the kernel's arrays, which may be vectors: what is left of the last one is nobody's. */
export function operandBytes(spec: SpecDraft, { batch, halves, strides }: Pick<OperandFacts, 'batch' | 'halves' | 'strides'>, device: number): { readonly a: number; readonly b: number } {
  const { gemm: { m, n } } = spec;
  const k = depthOf(spec, device);
  const size = (elements: number, half: boolean, stride: number): number => Math.ceil(((half ? 2 : 4) * elements) / stride) * stride;
  return { a: size(batch * m * k, halves.a, strides.a), b: size(batch * k * n, halves.b, strides.b) };
}

/** What a Spec's generated values are: of trained matrices and files, those of what is generated besides. */
export const generatorOf = ({ operands }: Pick<SpecDraft, 'operands'>, half = false): Pick<OperandFill, 'kind' | 'range'> => (operands.kind === 'exact' ? { kind: 'exact', range: operands.range } : { kind: half ? 'half' : 'normal', range: 1 });

/**
 * As the kernel takes them; what that changes is noted.
 * @throws BAD_FILE for a value that is beyond f16
 */
function rounded({ a, b }: DeviceMatrices, { halves }: OperandFacts, notes: { path: string; reason: string }[]): DeviceMatrices {
  const round = (matrices: DeviceMatrices['a'], name: string): DeviceMatrices['a'] => {
    let changed = 0;
    let zeroed = 0;
    const all = matrices.map((matrix) => {
      const halved = matrix.map(roundToHalf);
      const at = halved.findIndex((value) => !Number.isFinite(value));
      if (at >= 0) throw new TilewireError('BAD_FILE', `the kernel takes ${name} as f16, which does not hold all of its values`, { path: `--${name}`, actual: matrix[at], limit: 65_504, fix: 'use a kernel that takes f32' });
      halved.forEach((value, index) => {
        if (value !== matrix[index]) changed++;
        if (value === 0 && matrix[index] !== 0) zeroed++;
      });
      return halved;
    });
    const elements = matrices.reduce((sum, { length }) => sum + length, 0);
    if (changed > 0) notes.push({ path: 'spec.operands', reason: `the kernel takes ${name.toUpperCase()} as f16: ${changed} of ${elements} values were rounded to it, ${zeroed} of them, which are below its normal range, to 0` });
    return all;
  };
  return { a: halves.a ? round(a, 'a') : a, b: halves.b ? round(b, 'b') : b };
}

/** Of the shader: what a workgroup fills of a row. */
const COLUMNS_PER_BLOCK = 4096;

/** Generates matrices on the GPU: the twin of spec/operands.ts's fillOperand. */
export async function matrixFill(gpu: Gpu, arena: Arena): Promise<(buffer: GPUBuffer, fill: OperandFill) => void> {
  const kernel = await gpu.kernel('operands', SHADERS.operands, 'fill_operand');
  const layout = structLayout(SHADERS.operands, 'Params');
  const params = arena.buffer('operand parameters', layout.size, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  return (buffer, { seed, device, matrix, rows, columns, range, kind, firstRow = 0 }) => {
    const record = new RecordBuffer(4);
    record.add(layout, { seed, device, matrix, rows, columns, range, kind: KIND[kind], first_row: firstRow });
    gpu.device.queue.writeBuffer(params, 0, record.words, 0, layout.size / 4);
    const encoder = gpu.device.createCommandEncoder({ label: 'operands' });
    const pass = encoder.beginComputePass({ label: buffer.label });
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, gpu.bind(kernel, 0, { params, output: buffer }));
    pass.dispatchWorkgroups(Math.min(4096, rows * Math.ceil(columns / COLUMNS_PER_BLOCK)));
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  };
}

function generated(spec: SpecDraft, { batch, halves }: OperandFacts, fillMatrix: (buffer: GPUBuffer, fill: OperandFill) => void): OperandSource {
  const { gemm: { m, n }, seed } = spec;
  const values = { a: { ...generatorOf(spec, halves.a), matrix: MATRIX.a }, b: { ...generatorOf(spec, halves.b), matrix: MATRIX.b } };
  return {
    fill(device, buffers, { seed: other = seed, matrix } = {}) {
      const k = depthOf(spec, device);
      const [first, count] = matrix === undefined ? [0, batch] : [matrix, 1];
      fillMatrix(buffers.a, { ...values.a, seed: other, device, rows: count * m, columns: k, firstRow: first * m });
      fillMatrix(buffers.b, { ...values.b, seed: other, device, rows: count * k, columns: n, firstRow: first * k });
    },
    onHost(device, rows) {
      const k = depthOf(spec, device);
      const a = new Float32Array(rows.length * k);
      rows.forEach((row, at) => fillOperand({ ...values.a, seed, device, rows: 1, columns: k, firstRow: row }, a.subarray(at * k, (at + 1) * k)));
      return { a, b: fillOperand({ ...values.b, seed, device, rows: batch * k, columns: n }) };
    },
    partial(device, row, column) {
      const k = depthOf(spec, device);
      const firstOfB = Math.floor(row / m) * k;
      const value = ({ kind, range, matrix }: (typeof values)['a' | 'b'], r: number, c: number): number => operandValue(kind, range, { seed, device, matrix }, r, c);
      let sum = 0;
      for (let at = 0; at < k; at++) sum += value(values.a, row, at) * value(values.b, firstOfB + at, column);
      return sum;
    },
  };
}

function given(gpu: Gpu, spec: SpecDraft, { a, b }: DeviceMatrices): OperandSource {
  const { gemm: { n } } = spec;
  const rowsOfA = (device: number, rows: Uint32Array): Float32Array => {
    const k = depthOf(spec, device);
    const picked = new Float32Array(rows.length * k);
    rows.forEach((row, at) => picked.set(a[device].subarray(row * k, (row + 1) * k), at * k));
    return picked;
  };
  return {
    fill(device, buffers, { seed } = {}) {
      // Other data for the probe's second run: the matrices the other way round.
      for (const [buffer, matrix] of [[buffers.a, a[device]], [buffers.b, b[device]]] as const) gpu.device.queue.writeBuffer(buffer, 0, seed === undefined ? matrix : matrix.toReversed());
    },
    onHost: (device, rows) => ({ a: rowsOfA(device, rows), b: b[device] }),
    partial(device, row, column) {
      const k = depthOf(spec, device);
      let sum = 0;
      for (let at = 0; at < k; at++) sum += a[device][row * k + at] * b[device][at * n + column];
      return sum;
    },
  };
}

/** Fills operands as the kernel wants them laid out: A or B the other way round goes through a transpose, f16 through a packing. */
export async function laidOut(gpu: Gpu, arena: Arena, source: OperandSource, facts: OperandFacts, spec: SpecDraft): Promise<OperandSource['fill']> {
  const { layout, halves } = facts;
  const steps = (['a', 'b'] as const).map((matrix, at) => ({ matrix, turned: layout[at] === 't', half: halves[matrix] })).filter(({ turned, half }) => turned || half);
  if (steps.length === 0) return source.fill.bind(source);
  const [transpose, pack] = await Promise.all([gpu.kernel('transpose', SHADERS.transpose), gpu.kernel('pack-halves', SHADERS.packHalves)]);
  const params = structLayout(SHADERS.transpose, 'Params');
  const scratch = steps.map(({ matrix, turned, half }) => {
    const room = (what: string): GPUBuffer => arena.storage(`${matrix} before it is ${what}`, scratchBytes(spec, facts)[matrix]);
    return { asIs: room(turned ? 'transposed' : 'packed'), turned: turned && half ? room('packed') : null, shape: arena.buffer(`shape of ${matrix}`, params.size, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST) };
  });
  return (device, buffers, options) => {
    source.fill(device, { ...buffers, ...Object.fromEntries(steps.map(({ matrix }, at) => [matrix, scratch[at].asIs])) }, options);
    const k = depthOf(spec, device);
    const { gemm: { m, n } } = spec;
    const sizes = { a: { rows: m, columns: k }, b: { rows: k, columns: n } };
    const encoder = gpu.device.createCommandEncoder({ label: 'operands laid out' });
    const pass = encoder.beginComputePass({ label: 'operands laid out' });
    const run = (kernel: Kernel, bound: Record<string, GPUBuffer>, bytes: number): void => {
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, gpu.bind(kernel, 0, bound));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil(bytes / 256)));
    };
    for (const [at, { matrix, turned, half }] of steps.entries()) {
      const { asIs, turned: between, shape } = scratch[at];
      const record = new RecordBuffer(4);
      record.add(params, { ...sizes[matrix], matrices: options?.matrix === undefined ? facts.batch : 1 });
      gpu.device.queue.writeBuffer(shape, 0, record.words, 0, params.size / 4);
      if (turned) run(transpose, { params: shape, input: asIs, output: between ?? buffers[matrix] }, asIs.size);
      if (half) run(pack, { input: between ?? asIs, output: buffers[matrix] }, buffers[matrix].size);
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  };
}

/** Of one buffer of f32 between generation and what the kernel wants. */
const scratchBytes = (spec: SpecDraft, { batch }: OperandFacts): { readonly a: number; readonly b: number } => operandBytes(spec, { ...PLAIN_OPERANDS, batch }, 0);

/** Bytes that `laidOut` keeps. */
export function laidOutBytes(spec: SpecDraft, facts: OperandFacts): number {
  const bytes = scratchBytes(spec, facts);
  return (['a', 'b'] as const).reduce((sum, matrix, at) => sum + bytes[matrix] * (Number(facts.layout[at] === 't') + Number(facts.halves[matrix])), 0);
}
