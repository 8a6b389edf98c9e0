// One GEMM kernel at one shape and tile, in all the forms in which a run needs it: plain, tracked (by number of
// chunk slots and kind of op), and probing. The text of the kernel is the same in all of them.
import type { ChunkAxis, GemmShape, KernelChoice } from '../spec/spec.ts';
import { TilewireError } from '../errors.ts';
import type { Arena, Bindable, Gpu, Kernel } from './gpu.ts';
import { INSTRUMENTED_ENTRY } from './instrument.ts';
import { kernelText, type KernelText } from './kernel-text.ts';
import { structLayout, type KernelFacts, type StructLayout } from './reflect.ts';
import { atSourceLineLater, probeText, splitText, trackedText, type ProbeVariant, type Variant } from './tracked-text.ts';

export interface GemmInputs {
  readonly a: Bindable;
  readonly b: Bindable;
  /** What its epilogue reads, by the kernel's own names. */
  readonly epilogue?: Readonly<Record<string, Bindable>> | undefined;
}

export interface TrackedKernel {
  readonly kernel: Kernel;
  readonly entry: StructLayout;
  readonly slots: StructLayout;
}

/** Largest k of `shallow`. */
const SHALLOW = 16;

/** Buffers of a dispatch that belong to the instrumentation: order table and counters. */
const TRACKER_BUFFERS = 2;

export class Gemm {
  readonly text: KernelText;
  readonly wavefronts: number;
  readonly #constants: Readonly<Record<string, GPUBuffer>>;
  readonly #probing = new Map<string, Promise<Kernel>>();
  readonly #bound = new WeakMap<GemmInputs, Map<Kernel, GPUBindGroup[]>>();

  /** @param arena takes the kernel's constant buffers */
  constructor(
    readonly gpu: Gpu,
    arena: Arena,
    readonly kernel: KernelChoice,
    readonly shape: GemmShape,
    readonly wavefront: number,
  ) {
    this.text = kernelText(kernel, shape);
    const [x, y, z] = this.facts.workgroupSize;
    this.wavefronts = Math.ceil((x * y * z) / wavefront);
    this.#constants = Object.fromEntries(this.text.constants.map(({ name, kind, words }) => [name, arena.words(name, words, kind === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE)]));
  }

  get facts(): KernelFacts {
    return this.text.facts;
  }

  get grid(): readonly [number, number, number] {
    return this.text.grid;
  }

  /** The kernel and all that it is told, at its shape: what is found out about it once holds for all of that identity. */
  get identity(): string {
    const { entry, a, b, output, layout, halves, batch, pitch, grid, splits, epilogue, constants, code } = this.text;
    return JSON.stringify([this.shape, entry, a, b, output, layout, halves, batch, pitch, grid, splits, epilogue, constants.map(({ name, words }) => [name, [...words]]), code]);
  }

  /** All bind groups of a kernel made from this one: operands, the kernel's constants, and what else it binds. Groups of operands and constants alone are made once. */
  bind(kernel: Kernel, inputs: GemmInputs, more: Readonly<Record<string, Bindable>>): GPUBindGroup[] {
    const { a, b, epilogue = {} } = inputs;
    const buffers = { ...this.#constants, [this.text.a]: a, [this.text.b]: b, ...epilogue, ...more };
    let kept = this.#bound.get(inputs);
    if (kept === undefined) this.#bound.set(inputs, (kept = new Map()));
    const own = kept.get(kernel) ?? [];
    kept.set(kernel, own);
    return kernel.layouts.map((_, group) => {
      if (kernel.facts.bindings.some((binding) => binding.group === group && Object.hasOwn(more, binding.name))) return this.gpu.bind(kernel, group, buffers);
      return (own[group] ??= this.gpu.bind(kernel, group, buffers));
    });
  }

  /** Most chunks that one dispatch stores to: as many as it can bind on this adapter, each a buffer of its own (P of the design). */
  get maxSlots(): number {
    const own = this.facts.bindings.filter(({ kind }) => kind !== 'uniform').length - 1;
    const { maxStorageBuffersPerShaderStage } = this.gpu.limits;
    const slots = maxStorageBuffersPerShaderStage - own - TRACKER_BUFFERS;
    if (slots < 1) throw new TilewireError('BAD_KERNEL', 'the kernel binds so many storage buffers that none is left for a chunk', { path: this.text.name, actual: own, limit: maxStorageBuffersPerShaderStage - TRACKER_BUFFERS - 1, fix: 'pack its inputs into fewer buffers' });
    return slots;
  }

  /**
   * The same kernel, text and grid, at a small k, which its uniforms tell it; null where k is in its text or decides its
   * grid. What is left of k over a depth of 16 stays, for the sake of kernels whose last step differs.
   */
  shallow(arena: Arena): Gemm | null {
    const k = ((this.shape.k - 1) % SHALLOW) + 1;
    if (k === this.shape.k) return this;
    // Their k is a constant of the text.
    if (this.kernel.kind === 'built-in') return null;
    try {
      const gemm = new Gemm(this.gpu, arena, this.kernel, { ...this.shape, k }, this.wavefront);
      const placed = ({ text: { code, grid, batch, pitch, splits } }: Gemm): string => JSON.stringify([code, grid, batch, pitch, splits]);
      return placed(gemm) === placed(this) ? gemm : null;
    } catch (error) {
      // It does not take that k.
      if (error instanceof TilewireError) return null;
      throw error;
    }
  }

  /** The kernel as it is. Of a split-K kernel that is all splits at once, each storing over the other: see `split`. */
  plain(): Promise<Kernel> {
    return this.#compiled(this.text.name, this.text.code, this.text.entry);
  }

  /** One split of it, that of the uniform `tw_split`, storing to `tw_output`. */
  async split(): Promise<Kernel> {
    return this.#compiled(`${this.text.name}, one split`, splitText(this.text, this.shape), INSTRUMENTED_ENTRY);
  }

  /** Rewritten, reflected and compiled once: the plan-order reference needs the fused run's, and so does the next run. */
  tracked(axis: ChunkAxis, variant: Variant): Promise<TrackedKernel> {
    return this.gpu.remember(`tracked ${this.wavefront} ${axis} ${JSON.stringify(variant)} ${this.identity}`, async () => {
      const code = trackedText(this.text, this.shape, this.wavefront, axis, variant);
      const kernel = await this.#compiled(`${this.text.name} tracked, ${variant.slots} slots, ${variant.op}`, code, INSTRUMENTED_ENTRY);
      return { kernel, entry: structLayout(code, 'TwEntry'), slots: structLayout(code, 'TwSlots') };
    });
  }

  /** Rewritten and compiled once. */
  async probing(variant: ProbeVariant): Promise<Kernel> {
    const key = JSON.stringify(variant);
    const kernel = this.#probing.get(key) ?? this.#compiled(`${this.text.name} probe`, probeText(this.text, this.shape, this.wavefront, this.wavefronts, variant), INSTRUMENTED_ENTRY);
    this.#probing.set(key, kernel);
    return kernel;
  }

  #compiled(label: string, code: string, entry: string): Promise<Kernel> {
    return atSourceLineLater(this.text, this.gpu.kernel(label, code, entry));
  }
}
