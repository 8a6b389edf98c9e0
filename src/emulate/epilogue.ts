// What a kernel's epilogue adds to the product, so that the sum over devices has it once: device 0's bias and residual hold the
// values, those of all others zeros, and the kernel needs no change. A bias that comes after the reduction is added
// by the owners. The values are generated like operands; the check reckons with the same ones.
import type { Arena, Bindable, Gpu } from '../gpu/gpu.ts';
import { strideOf, type KernelText } from '../gpu/kernel-text.ts';
import { structLayout } from '../gpu/reflect.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { SHADERS } from '../gpu/shaders.ts';
import type { Chunk } from '../plan/tiling.ts';
import { fillOperand, MATRIX, operandValue, type OperandStream } from '../spec/operands.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { EMULATED } from '../spec/scope.ts';
import { generatorOf, matrixFill } from './operands.ts';

/** Encodes the epilogue of a rectangle of C that lies in `values`, from element `first` on, rows `stride` apart. */
export type Apply = (pass: GPUComputePassEncoder, at: Pick<Chunk, 'row' | 'column' | 'rows' | 'columns'>, memory: { readonly values: Bindable; readonly first: number; readonly stride: number }) => void;

/** The device whose GEMM adds bias and residual. */
const ADDER = 0;

export class EpilogueValues {
  readonly alpha: number;
  readonly #spec: SpecDraft;
  readonly #text: KernelText;
  readonly #bias: Float32Array;

  constructor(spec: SpecDraft, text: KernelText) {
    this.#spec = spec;
    this.#text = text;
    this.alpha = text.epilogue.alpha;
    const { along } = text.epilogue.bias ?? { along: 'n' };
    this.#bias = text.epilogue.bias === null ? new Float32Array(0) : fillOperand({ ...generatorOf(spec), ...this.#stream('bias'), rows: 1, columns: spec.gemm[along] });
  }

  /** Streams that no device's operands use. */
  #stream(what: 'bias' | 'residual'): OperandStream {
    return { seed: this.#spec.seed, device: EMULATED.devices, matrix: what === 'bias' ? MATRIX.a : MATRIX.b };
  }

  /** Whether C is anything else than A·B. */
  get isNone(): boolean {
    const { alpha, bias, residual } = this.#text.epilogue;
    return alpha === 1 && bias === null && residual === null;
  }

  get biasIsAfter(): boolean {
    return this.#text.epilogue.bias?.binding === null;
  }

  /** Bias of an element, and beta · residual; 0 where there is none. */
  addends(row: number, column: number): { readonly bias: number; readonly residual: number } {
    const { bias, residual } = this.#text.epilogue;
    const { kind, range } = generatorOf(this.#spec);
    return {
      bias: bias === null ? 0 : this.#bias[bias.along === 'n' ? column : row % this.#spec.gemm.m],
      residual: residual === null ? 0 : residual.beta * operandValue(kind, range, this.#stream('residual'), row, column),
    };
  }

  /** A device's contribution to an element, of which `product` is what A_d·B_d gives; float64. A bias after the reduction counts as device 0's. */
  contribution(device: number, product: number, row: number, column: number): number {
    if (device !== ADDER) return this.alpha * product;
    const { bias, residual } = this.addends(row, column);
    return this.alpha * product + bias + residual;
  }

  /** What the kernel's epilogue reads, by its own names; zeros for all devices but one. Without `device`, zeros. */
  async bindings(gpu: Gpu, arena: Arena): Promise<(device?: number) => Record<string, GPUBuffer>> {
    const values = await this.#buffers(gpu, arena);
    const zeros = Object.fromEntries(Object.entries(values).map(([name, { size }]) => [name, arena.storage(`no ${name}`, size)]));
    return (device) => (device === ADDER ? values : zeros);
  }

  async #buffers(gpu: Gpu, arena: Arena): Promise<Record<string, GPUBuffer>> {
    const { bias, residual } = this.#text.epilogue;
    return {
      ...(bias?.binding == null ? {} : { [bias.binding]: this.#biasBuffer(arena, bias.binding) }),
      ...(residual === null ? {} : { [residual.binding]: await this.#residualBuffer(gpu, arena) }),
    };
  }

  /** Whole elements of the kernel's array, which may be vectors. */
  #bytes(elements: number, name: string): number {
    const stride = strideOf(this.#text.facts, name);
    return Math.ceil((4 * elements) / stride) * stride;
  }

  #biasBuffer(arena: Arena, name: string): GPUBuffer {
    const words = new Uint32Array(this.#bytes(this.#bias.length, name) / 4);
    words.set(new Uint32Array(this.#bias.buffer));
    return arena.words('bias', words);
  }

  /** Laid out like C: the gaps between rows hold values that nobody uses. */
  async #residualBuffer(gpu: Gpu, arena: Arena): Promise<GPUBuffer> {
    const { batch, pitch } = this.#text;
    const rows = batch * this.#spec.gemm.m;
    const buffer = arena.storage('residual', this.#bytes(rows * pitch, this.#text.epilogue.residual?.binding ?? ''));
    (await matrixFill(gpu, arena))(buffer, { ...generatorOf(this.#spec), ...this.#stream('residual'), rows, columns: pitch });
    return buffer;
  }

  /** The whole C of products, dense, becomes what the result must be; encoded and submitted. */
  async applyAll(gpu: Gpu, arena: Arena, reference: GPUBuffer): Promise<void> {
    if (this.isNone) return;
    const { gemm: { m, n } } = this.#spec;
    const { residual } = this.#text.epilogue;
    const encoder = gpu.device.createCommandEncoder({ label: 'epilogue' });
    const pass = encoder.beginComputePass({ label: 'epilogue' });
    const apply = await this.#apply(gpu, arena, { alpha: this.alpha, beta: residual?.beta ?? 0, residual: residual === null ? null : await this.#residualBuffer(gpu, arena) });
    apply(pass, { row: 0, column: 0, rows: this.#text.batch * m, columns: n }, { values: reference, first: 0, stride: n });
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  }

  /** What an owner adds to its chunk after the reduction: null where that is nothing. */
  async after(gpu: Gpu, arena: Arena): Promise<Apply | null> {
    return this.biasIsAfter ? this.#apply(gpu, arena, { alpha: 1, beta: 0, residual: null }) : null;
  }

  async #apply(gpu: Gpu, arena: Arena, { alpha, beta, residual }: { alpha: number; beta: number; residual: GPUBuffer | null }): Promise<Apply> {
    const kernel = await gpu.kernel('epilogue', SHADERS.epilogue);
    const layout = structLayout(SHADERS.epilogue, 'Params');
    const nothing = arena.storage('nothing', 4);
    const bias = this.#text.epilogue.bias === null ? nothing : this.#biasBuffer(arena, this.#text.epilogue.bias.binding ?? '');
    const along = { none: 0, m: 1, n: 2 }[this.#text.epilogue.bias?.along ?? 'none'];
    const bits = new Uint32Array(Float32Array.of(alpha, beta).buffer);
    return (pass, { row, column, rows, columns }, { values, first, stride }) => {
      const record = new RecordBuffer(4);
      record.add(layout, { row, column, rows, columns, first, stride, m: this.#spec.gemm.m, pitch: this.#text.pitch, alpha: bits[0], beta: bits[1], along });
      const params = arena.words('epilogue parameters', record.words.subarray(0, layout.size / 4), GPUBufferUsage.UNIFORM);
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, gpu.bind(kernel, 0, { params, bias, residual: residual ?? nothing, values }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil((rows * columns) / 64)));
    };
  }
}
