// Encodes one epoch: a GEMM stage of every device that has one left, the transfers of blocks that are ready, and the
// near-memory updates of what was transferred in the epoch before. None of them reads an element that another of them
// writes; where they share a buffer all the same, a GPU keeps them in order, and that is counted.
// The op of an update (store or add) is settled here, in the order in which the queue will execute them.
import { structLayout } from '../gpu/reflect.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { SHADERS } from '../gpu/shaders.ts';
import type { Arena, Gpu, Kernel } from '../gpu/gpu.ts';
import type { EventLog } from '../events/log.ts';
import { chunkOfBlock, routeOf, splitsOf, type Plan, type Stage } from '../plan/plan.ts';
import { depthOf } from '../spec/chunks.ts';
import type { Spec } from '../spec/spec.ts';
import { partOf } from './dispatches.ts';
import type { Faults } from './faults.ts';
import type { Frame, Group } from './frame.ts';
import type { Gemms } from './gemms.ts';
import { chunkBuffer, type DeviceMemory } from './memory.ts';
import { TrackedGemm, type Job } from './tracked-gemm.ts';

/** A block in a link's landing buffer, to be applied in the next epoch. */
export interface Arrival {
  readonly from: number;
  readonly to: number;
  readonly block: number;
  /** First element in the landing buffer of this parity. */
  readonly landing: number;
  readonly parity: 0 | 1;
}

export class EpochEncoder {
  /** Dispatches that touch a chunk memory which an earlier one of their epoch writes: they stay in queue order. */
  conflicts = 0;
  readonly #records: RecordBuffer;
  /** Whether the first update of a part on a device was encoded already: `device · parts + part`. */
  readonly #seen: Uint8Array;
  #commands: GPUBuffer | undefined;
  #jobs: { readonly group: Group; readonly job: Job }[] = [];
  #written = new Set<GPUBuffer>();

  private constructor(
    readonly gpu: Gpu,
    readonly arena: Arena,
    readonly spec: Spec,
    readonly plan: Plan,
    readonly gemm: TrackedGemm,
    readonly memory: DeviceMemory,
    readonly faults: Faults,
    readonly log: EventLog,
    readonly kernels: { readonly transfer: Kernel; readonly nmc: Kernel },
  ) {
    this.#records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
    this.#seen = new Uint8Array(plan.devices * plan.tiling.parts);
  }

  /** Compiles all that the run's epochs will need. */
  static async create(gpu: Gpu, arena: Arena, spec: Spec, plan: Plan, gemms: Gemms, memory: DeviceMemory, faults: Faults, log: EventLog): Promise<EpochEncoder> {
    const kernels = { transfer: await gpu.kernel('transfer', SHADERS.transfer), nmc: await gpu.kernel('nmc', SHADERS.nmc) };
    const muted = Array.from({ length: plan.devices }, (_, device) => faults.muted(device));
    const tracked = await TrackedGemm.create(gpu, arena, spec, plan, gemms, muted);
    return new EpochEncoder(gpu, arena, spec, plan, tracked, memory, faults, log, kernels);
  }

  gemmStage(epoch: number, device: number, stage: Stage): void {
    const { plan, spec, gemm } = this;
    const { tiling } = plan;
    const elements = stage.tiles.reduce((sum, tile) => sum + tiling.tileParts[tile].reduce((of, part) => of + this.#elementsOf(part), 0), 0);
    const group: Group = { kind: 'gemm', device, epoch, bytes: 0, flops: 2 * depthOf(spec, device) * elements };
    // Splits of a tile add to the same elements: one dispatch after another.
    for (let split = 0; split < splitsOf(plan); split++)
      for (const dispatch of gemm.dispatches(stage.tiles)) {
        const targets = dispatch.slots.map((chunk) => routeOf(plan, device, chunk).storeTo);
        const bits = dispatch.tiles.map((tile) =>
          dispatch.slots.map((chunk, slot) => {
            const part = partOf(plan, tile, chunk);
            const bit = this.#firstOrLater(targets[slot], part);
            this.log.add('store', epoch, device, part, targets[slot], bit);
            return bit;
          }),
        );
        const memories = dispatch.slots.map((chunk, slot) => this.#writes(chunkBuffer(this.memory, targets[slot], chunk)));
        const buffers = { operands: this.memory.operands[device], counters: this.memory.gemmCounters[device], memories };
        this.#jobs.push({ group, job: gemm.job(this.#records, { device, split, dispatch, bits, buffers, muted: this.faults.muted(device) }) });
      }
  }

  /** Copies blocks of one chunk from a device's memory into its link's landing buffer. */
  transfers(epoch: number, device: number, arrivals: readonly Arrival[]): void {
    const group: Group = { kind: 'transfer', device, epoch, bytes: this.#bytesOf(arrivals), flops: 0 };
    const { transfer } = this.kernels;
    this.#byChunk(arrivals).forEach(([chunk, blocks]) => {
      const items = this.#items(ITEM.transfer, blocks, () => ({}));
      if (this.#written.has(chunkBuffer(this.memory, device, chunk))) this.conflicts++;
      for (const { block, to } of blocks) this.log.add('send', epoch, device, block, to);
      const bind = (commands: GPUBuffer): GPUBindGroup[] => [
        this.gpu.bind(transfer, 0, {
          items: { buffer: commands, offset: items.offset, size: items.size },
          runs: this.memory.runs,
          source: chunkBuffer(this.memory, device, chunk),
          landing: this.memory.landing[device]![arrivals[0].parity],
        }),
      ];
      this.#jobs.push({ group, job: { kernel: transfer, workgroups: items.count, bind } });
    });
  }

  /** Applies blocks that arrived from one device to the receiver's memory. */
  updates(epoch: number, arrivals: readonly Arrival[]): void {
    const [{ from, to, parity }] = arrivals;
    const group: Group = { kind: 'reduction', device: to, epoch, bytes: this.#bytesOf(arrivals), flops: 0 };
    const { nmc } = this.kernels;
    const apply = (blocks: readonly Arrival[], chunk: number, updateOf: (part: number) => number): void => {
      const items = this.#items(ITEM.nmc, blocks, (piece) => ({ counter: piece, update: updateOf(Math.floor(piece / this.plan.tiling.wavefronts)) }));
      const memory = this.#writes(chunkBuffer(this.memory, to, chunk));
      const bind = (commands: GPUBuffer): GPUBindGroup[] => [
        this.gpu.bind(nmc, 0, {
          items: { buffer: commands, offset: items.offset, size: items.size },
          runs: this.memory.runs,
          landing: this.memory.landing[from]![parity],
          memory,
          counters: this.memory.nmcCounters[to],
        }),
      ];
      this.#jobs.push({ group, job: { kernel: nmc, workgroups: items.count, bind } });
    };
    this.#byChunk(arrivals).forEach(([chunk, blocks]) => {
      const ops = new Map<number, number>();
      for (const { block } of blocks)
        for (let part = this.plan.tiling.blockParts[block]; part < this.plan.tiling.blockParts[block + 1]; part++) {
          const bit = this.#firstOrLater(to, part);
          ops.set(part, bit);
          this.log.add('apply', epoch, to, part, from, bit);
        }
      apply(blocks, chunk, (part) => ops.get(part)!);
      const doubled = blocks.filter(({ block }) => this.faults.strikes('double-update', from, block));
      if (doubled.length > 0) apply(doubled, chunk, () => 1);
    });
  }

  /** Encodes what was gathered into the frame. */
  encode(frame: Frame): void {
    if (this.#jobs.length > 0) {
      const { bytes, words } = this.#records;
      if (this.#commands === undefined || this.#commands.size < bytes) this.#commands = this.arena.storage('commands', Math.max(65_536, 2 * bytes));
      this.gpu.device.queue.writeBuffer(this.#commands, 0, words, 0, bytes / 4);
    }
    for (const { group, job: { kernel, workgroups, bind } } of this.#jobs) {
      const pass = frame.pass(group);
      pass.setPipeline(kernel.pipeline);
      bind(this.#commands!).forEach((bindGroup, index) => pass.setBindGroup(index, bindGroup));
      const most = this.gpu.limits.maxComputeWorkgroupsPerDimension;
      pass.dispatchWorkgroups(Math.min(workgroups, most), Math.ceil(workgroups / most));
    }
    this.#jobs = [];
    this.#records.reset();
    this.#written = new Set();
  }

  /** Op bit of the next update of a part in a device's memory: 0 for the first in the order of execution. */
  #firstOrLater(device: number, part: number): number {
    const at = device * this.plan.tiling.parts + part;
    const bit = this.#seen[at];
    this.#seen[at] = 1;
    return bit;
  }

  #writes(buffer: GPUBuffer): GPUBuffer {
    if (this.#written.has(buffer)) this.conflicts++;
    this.#written.add(buffer);
    return buffer;
  }

  #elementsOf(part: number): number {
    const { wavefronts, pieceElements } = this.plan.tiling;
    let elements = 0;
    for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++) elements += pieceElements[piece];
    return elements;
  }

  #bytesOf(arrivals: readonly Arrival[]): number {
    return arrivals.reduce((sum, { block }) => sum + this.plan.tiling.blockElements[block] * 4, 0);
  }

  #byChunk(arrivals: readonly Arrival[]): [number, Arrival[]][] {
    const chunks = new Map<number, Arrival[]>();
    for (const arrival of arrivals) {
      const chunk = chunkOfBlock(this.plan, arrival.block);
      chunks.set(chunk, [...(chunks.get(chunk) ?? []), arrival]);
    }
    return [...chunks];
  }

  /** One record per existing piece of the blocks, packed in the landing buffer in this order. */
  #items(layout: typeof ITEM.nmc, blocks: readonly Arrival[], more: (piece: number) => Record<string, number>): { offset: number; size: number; count: number } {
    const { tiling } = this.plan;
    const { pieceRuns } = this.memory;
    const offset = this.#records.align();
    let count = 0;
    for (const { block, landing } of blocks) {
      let at = landing;
      for (let piece = tiling.blockParts[block] * tiling.wavefronts; piece < tiling.blockParts[block + 1] * tiling.wavefronts; piece++) {
        if (tiling.pieceElements[piece] === 0) continue;
        this.#records.add(layout, { first_run: pieceRuns[piece], runs: pieceRuns[piece + 1] - pieceRuns[piece], landing: at, ...more(piece) });
        at += tiling.pieceElements[piece];
        count++;
      }
    }
    return { offset, size: this.#records.bytes - offset, count };
  }
}

const ITEM = { transfer: structLayout(SHADERS.transfer, 'Item'), nmc: structLayout(SHADERS.nmc, 'Item') };
