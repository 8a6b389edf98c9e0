// Dispatches of the tracked GEMM: order table entries, the variant for what they write, and the chunk memories that
// they bind: of joint ones the buffer that all of them lie in. Used by the fused run, and again by the plan-order reference, which must run the very same variants.
import { bug } from '../errors.ts';
import type { Gemm, TrackedKernel } from '../gpu/gemm.ts';
import type { Arena, Bindable, Gpu, Kernel, Range } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import type { StructLayout } from '../gpu/reflect.ts';
import type { Op, Where } from '../gpu/tracked-text.ts';
import type { Plan } from '../plan/plan.ts';
import type { Spec } from '../spec/spec.ts';
import { dispatchesOf, partOf, type Dispatch } from './dispatches.ts';
import type { Gemms } from './gemms.ts';
import type { DeviceMemory, Reach } from './memory.ts';

export type Muted = number | 'all' | undefined;

/** One dispatch of the tracked GEMM. */
export interface Job extends Dispatched {
  /** Its order table in the commands, bytes. */
  readonly order: { readonly offset: number; readonly entry: StructLayout };
}

/** What is encoded of any kernel: its records lie in a commands buffer still to be written. */
export interface Dispatched {
  readonly kernel: Kernel;
  readonly workgroups: number;
  readonly bind: (commands: GPUBuffer) => readonly GPUBindGroup[];
}

export interface StageBuffers {
  readonly operands: { readonly a: GPUBuffer; readonly b: GPUBuffer };
  readonly counters: Bindable;
  /** Chunk memory of each slot of the dispatch. */
  readonly memories: readonly Range[];
}

export interface JobInput {
  readonly device: number;
  /** Of split-K; 0 of others. */
  readonly split: number;
  readonly dispatch: Dispatch;
  /** Op bit of each tile's part in each slot: 0 store, 1 update. */
  readonly bits: readonly (readonly number[])[];
  /** How the pieces are written; where left out, as all bits say. */
  readonly op?: Op | undefined;
  readonly buffers: StageBuffers;
  readonly muted: Muted;
}

export class TrackedGemm {
  readonly #variants = new Map<Gemm, Map<string, TrackedKernel>>();
  readonly #slotBuffers = new Map<string, GPUBuffer>();

  private constructor(
    readonly gpu: Gpu,
    readonly arena: Arena,
    readonly plan: Plan,
    readonly gemms: Gemms,
    readonly reach: Reach,
  ) {}

  /** Compiles every variant that the Plan's stages can need, for these muted workgroups. */
  static async create(gpu: Gpu, arena: Arena, spec: Spec, plan: Plan, gemms: Gemms, { reach }: Pick<DeviceMemory, 'reach'>, muted: Iterable<Muted>): Promise<TrackedGemm> {
    const tracked = new TrackedGemm(gpu, arena, plan, gemms, reach);
    const shapes = new Map<string, Dispatch>();
    for (const stage of plan.stages.flat()) for (const dispatch of tracked.dispatches(stage.tiles)) shapes.set(`${dispatch.slots.length} ${dispatch.where}`, dispatch);
    for (const gemm of gemms.distinct) {
      const variants = new Map<string, TrackedKernel>();
      tracked.#variants.set(gemm, variants);
      for (const { slots, where } of shapes.values())
        for (const op of ['store', 'mixed'] as const)
          for (const mute of new Set(muted))
            variants.set(key(slots.length, op, where, mute), await gemm.tracked(spec.chunk, { slots: slots.length, joint: reach.joint, op, where, ...(mute === undefined ? {} : { muted: mute }) }));
    }
    return tracked;
  }

  dispatches(tiles: readonly number[]): Dispatch[] {
    return dispatchesOf(this.plan, tiles, this.reach.maxSlots);
  }

  job(records: RecordBuffer, { device, split, dispatch, bits, op = opOf(bits), buffers: { operands, counters, memories }, muted }: JobInput): Job {
    const { slots: chunks, tiles, where } = dispatch;
    const gemm = this.gemms.of(device);
    const { kernel, entry, slots } = this.#variants.get(gemm)!.get(key(chunks.length, op, where, muted))!;
    const { joint } = this.reach;
    if (joint && memories.some(({ buffer }) => buffer !== memories[0].buffer)) throw bug('joint chunk memories lie in several buffers');
    const offset = records.align();
    tiles.forEach((tile, at) => {
      const record: Record<string, number> = { workgroup: split === 0 ? tile : this.plan.twins[split - 1][tile] };
      chunks.forEach((chunk, slot) => {
        record[`counter${slot}`] = partOf(this.plan, tile, chunk) * this.plan.tiling.wavefronts;
        record[`update${slot}`] = bits[at][slot];
        if (joint) record[`first${slot}`] = memories[slot].offset / 4;
      });
      records.add(entry, record);
    });
    const size = records.bytes - offset;
    return {
      kernel,
      workgroups: tiles.length,
      order: { offset, entry },
      bind: (commands) =>
        gemm.bind(kernel, operands, {
          tw_order: { buffer: commands, offset, size },
          tw_counters: counters,
          tw_slots: this.#slotBuffer(chunks, slots),
          ...(joint ? { tw_chunk0: memories[0].buffer } : Object.fromEntries(memories.map((memory, slot) => [`tw_chunk${slot}`, memory]))),
        }),
    };
  }

  #slotBuffer(chunks: readonly number[], layout: TrackedKernel['slots']): GPUBuffer {
    const name = chunks.join();
    let buffer = this.#slotBuffers.get(name);
    if (buffer === undefined) {
      const record = new RecordBuffer(4);
      record.add(layout, Object.fromEntries(chunks.flatMap((chunk, slot) => (['row', 'rows', 'column', 'columns'] as const).map((field) => [`${field}${slot}`, this.plan.tiling.chunks[chunk][field]]))));
      buffer = this.arena.words(`slots ${name}`, record.words.subarray(0, layout.size / 4), GPUBufferUsage.UNIFORM);
      this.#slotBuffers.set(name, buffer);
    }
    return buffer;
  }
}

/** The op of a dispatch whose pieces have these bits. One for all that are updated would spare little, and take as long to compile. */
export const opOf = (bits: JobInput['bits']): Op => (bits.flat().every((bit) => bit === 0) ? 'store' : 'mixed');

const key = (slots: number, op: Op, where: Where, muted: Muted): string => `${slots} ${op} ${where} ${muted}`;
