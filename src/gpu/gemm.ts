// One GEMM kernel at one shape and tile, in all the forms in which a run needs it: plain, tracked (by number of
// chunk slots and kind of op), and probing. The text of the kernel is the same in all of them.
import type { ChunkAxis, GemmShape, KernelChoice } from '../spec/spec.ts';
import { TilewireError } from '../errors.ts';
import type { Arena, Bindable, Gpu, Kernel } from './gpu.ts';
import { instrument, INSTRUMENTED_ENTRY } from './instrument.ts';
import { kernelText, type KernelText } from './kernel-text.ts';
import { structLayout, type KernelFacts, type StructLayout } from './reflect.ts';
import { SHADERS } from './shaders.ts';
import { specialise } from './specialise.ts';

/** How the pieces of a dispatch are written: all stored, all updated, or by the op bit of each. */
export type Op = 'store' | 'update' | 'mixed';
const OP_NUMBER: Record<Op, number> = { store: 0, update: 1, mixed: 2 };

export interface Variant {
  /** Chunk memories that the dispatch binds. */
  readonly slots: number;
  readonly op: Op;
  /** Some stores may fall outside of the bound chunks and are masked. */
  readonly guard: boolean;
  /** A deliberate defect: this workgroup (or `all`) stores nothing. */
  readonly muted?: number | 'all';
}

/** Buffers of a dispatch that belong to the instrumentation: order table and counters. */
const TRACKER_BUFFERS = 2;

export class Gemm {
  readonly text: KernelText;
  readonly wavefronts: number;
  readonly #constants: Readonly<Record<string, GPUBuffer>>;

  /** @param arena takes the kernel's constant buffers */
  constructor(
    readonly gpu: Gpu,
    arena: Arena,
    kernel: KernelChoice,
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

  /** All bind groups of a kernel made from this one: operands, the kernel's constants, and what else it binds. */
  bind(kernel: Kernel, { a, b }: { readonly a: Bindable; readonly b: Bindable }, more: Readonly<Record<string, Bindable>>): GPUBindGroup[] {
    const buffers = { ...this.#constants, [this.text.a]: a, [this.text.b]: b, ...more };
    return kernel.layouts.map((_, group) => this.gpu.bind(kernel, group, buffers));
  }

  /** Most chunk memories that one dispatch can bind on this adapter (P of the design). */
  get maxSlots(): number {
    const own = this.facts.bindings.filter(({ kind }) => kind !== 'uniform').length - 1;
    const { maxStorageBuffersPerShaderStage } = this.gpu.limits;
    const slots = maxStorageBuffersPerShaderStage - own - TRACKER_BUFFERS;
    if (slots < 1) throw new TilewireError('BAD_KERNEL', 'the kernel binds so many storage buffers that none is left for a chunk', { path: this.text.name, actual: own, limit: maxStorageBuffersPerShaderStage - TRACKER_BUFFERS - 1, fix: 'pack its inputs into fewer buffers' });
    return slots;
  }

  plain(): Promise<Kernel> {
    return this.gpu.kernel(this.text.name, this.text.code, this.text.entry);
  }

  async tracked(axis: ChunkAxis, variant: Variant): Promise<{ kernel: Kernel; entry: StructLayout; slots: StructLayout }> {
    const { slots, op, guard, muted } = variant;
    const space = specialise(SHADERS.outputSpace, {
      SLOTS: slots,
      OP: OP_NUMBER[op],
      COLUMNS: axis === 'columns' ? 1 : 0,
      GUARD: guard ? 1 : 0,
      MUTED: muted === undefined ? 0 : muted === 'all' ? 2 : 1,
      TW_MUTED: typeof muted === 'number' ? muted : 0,
      TW_PITCH: this.shape.n,
      TW_WAVEFRONT: this.wavefront,
    }).code;
    const code = this.#instrumented(space);
    const kernel = await this.gpu.kernel(`${this.text.name} tracked, ${slots} slots, ${op}`, code, INSTRUMENTED_ENTRY);
    return { kernel, entry: structLayout(code, 'TwEntry'), slots: structLayout(code, 'TwSlots') };
  }

  probing(): Promise<Kernel> {
    const space = specialise(SHADERS.probeSpace, {
      TW_ELEMENTS: this.shape.m * this.shape.n,
      TW_WAVEFRONT: this.wavefront,
      TW_WAVEFRONTS: this.wavefronts,
      TW_GRID_X: this.grid[0],
      TW_GRID_Y: this.grid[1],
    }).code;
    return this.gpu.kernel(`${this.text.name} probe`, this.#instrumented(space), INSTRUMENTED_ENTRY);
  }

  #instrumented(space: string): string {
    const { m, n } = this.shape;
    const { code, entry, output, grid, facts } = this.text;
    return instrument(code, { entry, output, workgroupSize: facts.workgroupSize, grid, elements: m * n, space: `${space}\n${SHADERS.vectorStores}` });
  }
}
