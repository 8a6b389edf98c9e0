// Encodes one epoch: a GEMM stage of every device that has one left, the transfers of blocks that are ready, and the
// near-memory updates of what was transferred in the epoch before. None of them reads an element that another of them
// writes; where they share a buffer all the same, a GPU keeps them in order, and that is counted.
// What it encodes it writes into the journal, in the order in which the queue will execute it, and learns the ops from there.
import { structLayout } from '../gpu/reflect.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { dmaKernels, type DmaKernels } from '../gpu/dma.ts';
import type { Arena, Gpu } from '../gpu/gpu.ts';
import { chunkOfBlock, routeOf, splitsOf, type Plan, type Stage } from '../plan/plan.ts';
import { depthOf } from '../spec/chunks.ts';
import type { Spec } from '../spec/spec.ts';
import type { Faults } from './faults.ts';
import { ALL_DEVICES, type Frame, type Group } from './frame.ts';
import type { Gemms } from './gemms.ts';
import type { Journal } from './journal.ts';
import { chunkBuffer, type DeviceMemory } from './memory.ts';
import { bySender, type Arrival } from './timetable.ts';
import { TrackedGemm, type Dispatched } from './tracked-gemm.ts';

export class EpochEncoder {
  /** Dispatches that touch a chunk memory which an earlier one of their epoch writes: they stay in queue order. */
  conflicts = 0;
  readonly #records: RecordBuffer;
  #commands: GPUBuffer | undefined;
  #jobs: { readonly group: Group; readonly job: Dispatched }[] = [];
  #written = new Set<GPUBuffer>();

  private constructor(
    readonly gpu: Gpu,
    readonly arena: Arena,
    readonly spec: Spec,
    readonly plan: Plan,
    readonly gemm: TrackedGemm,
    readonly memory: DeviceMemory,
    readonly faults: Faults,
    readonly journal: Journal,
    readonly kernels: DmaKernels,
  ) {
    this.#records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
  }

  /** Compiles all that the run's epochs will need. */
  static async create(gpu: Gpu, arena: Arena, spec: Spec, plan: Plan, gemms: Gemms, memory: DeviceMemory, faults: Faults, journal: Journal): Promise<EpochEncoder> {
    const kernels = await dmaKernels(gpu);
    const muted = Array.from({ length: plan.devices }, (_, device) => faults.muted(device));
    const tracked = await TrackedGemm.create(gpu, arena, spec, plan, gemms, muted);
    return new EpochEncoder(gpu, arena, spec, plan, tracked, memory, faults, journal, kernels);
  }

  gemmStage(epoch: number, device: number, stage: Stage): void {
    const { plan, gemm } = this;
    const group = gemmGroup(this.spec, plan, epoch, device, stage);
    // Splits of a tile add to the same elements: one dispatch after another.
    for (let split = 0; split < splitsOf(plan); split++)
      for (const dispatch of gemm.dispatches(stage.tiles)) {
        const bits = this.journal.store(epoch, device, dispatch);
        const memories = dispatch.slots.map((chunk) => this.#writes(chunkBuffer(this.memory, routeOf(plan, device, chunk).storeTo, chunk)));
        const buffers = { operands: this.memory.operands[device], counters: this.memory.gemmCounters[device], memories };
        this.#jobs.push({ group, job: gemm.job(this.#records, { device, split, dispatch, bits, buffers, muted: this.faults.muted(device) }) });
      }
  }

  /** Copies blocks from their devices' memories into the landing buffers of their links. All of an epoch's are one group: a pass costs more than its dispatches. */
  transfers(epoch: number, arrivals: readonly Arrival[]): void {
    const group: Group = { kind: 'transfer', device: ALL_DEVICES, epoch, bytes: bytesOf(this.plan, arrivals), flops: 0 };
    const { transfer } = this.kernels;
    for (const mine of bySender(arrivals))
      for (const [chunk, blocks] of byChunk(this.plan, mine)) {
        const [{ from, parity }] = mine;
        const items = this.#items(ITEM.transfer, blocks, () => ({}));
        const source = chunkBuffer(this.memory, from, chunk);
        if (this.#written.has(source)) this.conflicts++;
        for (const arrival of blocks) this.journal.send(epoch, arrival);
        const bind = (commands: GPUBuffer): GPUBindGroup[] => [
          this.gpu.bind(transfer, 0, {
            items: { buffer: commands, offset: items.offset, size: items.size },
            runs: this.memory.runs,
            source,
            landing: this.memory.landing[from]![parity],
          }),
        ];
        this.#jobs.push({ group, job: { kernel: transfer, workgroups: items.count, bind } });
      }
  }

  /** Applies blocks that arrived to the receivers' memories; one group, as transfers are. */
  updates(epoch: number, arrivals: readonly Arrival[]): void {
    const group: Group = { kind: 'reduction', device: ALL_DEVICES, epoch, bytes: bytesOf(this.plan, arrivals), flops: 0 };
    for (const mine of bySender(arrivals))
      for (const [chunk, blocks] of byChunk(this.plan, mine)) {
        const ops = new Map<number, number>();
        for (const arrival of blocks) this.journal.apply(epoch, arrival).forEach((bit, at) => ops.set(this.plan.tiling.blockParts[arrival.block] + at, bit));
        this.#apply(group, chunk, blocks, (part) => ops.get(part)!);
        const doubled = blocks.filter(({ from, block }) => this.faults.strikes('double-update', from, block));
        if (doubled.length > 0) this.#apply(group, chunk, doubled, () => 1);
      }
  }

  /** @param blocks of one chunk from one device */
  #apply(group: Group, chunk: number, blocks: readonly Arrival[], updateOf: (part: number) => number): void {
    const [{ from, to, parity }] = blocks;
    const { nmc } = this.kernels;
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

  #writes(buffer: GPUBuffer): GPUBuffer {
    if (this.#written.has(buffer)) this.conflicts++;
    this.#written.add(buffer);
    return buffer;
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

export function gemmGroup(spec: Spec, { tiling }: Plan, epoch: number, device: number, { tiles }: Stage): Group {
  const { wavefronts, tileParts, pieceElements } = tiling;
  let elements = 0;
  for (const tile of tiles) for (const part of tileParts[tile]) for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++) elements += pieceElements[piece];
  return { kind: 'gemm', device, epoch, bytes: 0, flops: 2 * depthOf(spec, device) * elements };
}

export const bytesOf = ({ tiling }: Plan, arrivals: readonly Arrival[]): number => arrivals.reduce((sum, { block }) => sum + tiling.blockElements[block] * 4, 0);

function byChunk(plan: Plan, arrivals: readonly Arrival[]): [number, Arrival[]][] {
  const chunks = new Map<number, Arrival[]>();
  for (const arrival of arrivals) {
    const chunk = chunkOfBlock(plan, arrival.block);
    const list = chunks.get(chunk);
    if (list === undefined) chunks.set(chunk, [arrival]);
    else list.push(arrival);
  }
  return [...chunks];
}

const ITEM = { transfer: structLayout(SHADERS.transfer, 'Item'), nmc: structLayout(SHADERS.nmc, 'Item') };
