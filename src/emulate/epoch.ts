// Encodes one epoch: a GEMM stage of every device that has one left, the transfers of blocks that are ready, and the
// near-memory updates of what was transferred in the epoch before. None of them reads an element that another of them
// writes; where they share a chunk memory all the same, a GPU keeps them in order, and that is counted.
// What it encodes it writes into the journal, in the order in which the queue will execute it, and learns the ops from there.
import { RecordBuffer } from '../gpu/records.ts';
import { areTogether, dmaKernels, ITEM, type DmaKernels } from '../gpu/dma.ts';
import type { Arena, Gpu, Range } from '../gpu/gpu.ts';
import { chunkOfBlock, routeOf, splitsOf, type Plan, type Stage } from '../plan/plan.ts';
import { depthOf } from '../spec/chunks.ts';
import type { Spec } from '../spec/spec.ts';
import type { Faults } from './faults.ts';
import { ALL_DEVICES, type Frame, type Group } from './frame.ts';
import type { Gemms } from './gemms.ts';
import type { Journal } from './journal.ts';
import { chunkMemory, type DeviceMemory } from './memory.ts';
import { bySender, type Arrival } from './timetable.ts';
import { TrackedGemm, type Dispatched } from './tracked-gemm.ts';

/** Elements from which on a workgroup is not mostly its own cost, where a processor runs it. */
const WORTH_A_WORKGROUP = 4096;

/** Blocks of one chunk from one device to another. */
interface List {
  readonly blocks: readonly Arrival[];
  /** Where they are read, or applied. */
  readonly memory: Range;
  readonly landing: Range;
  /** The near-memory unit's. */
  readonly counters: Range | null;
  /** Op bit of the update of a part. */
  readonly updateOf: (part: number) => number;
}

export class EpochEncoder {
  /** Stages' dispatches, and lists of blocks, that touch a chunk memory which an earlier one of their epoch writes: they stay in queue order. */
  conflicts = 0;
  readonly #records: RecordBuffer;
  #commands: GPUBuffer | undefined;
  #jobs: { readonly group: Group; readonly job: Dispatched }[] = [];
  #written = new Set<Range>();

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
    const tracked = await TrackedGemm.create(gpu, arena, spec, plan, gemms, memory, muted);
    return new EpochEncoder(gpu, arena, spec, plan, tracked, memory, faults, journal, kernels);
  }

  gemmStage(epoch: number, device: number, stage: Stage): void {
    const { plan, gemm } = this;
    const group = gemmGroup(this.spec, plan, epoch, device, stage);
    // Splits of a tile add to the same elements: one dispatch after another.
    for (let split = 0; split < splitsOf(plan); split++)
      for (const dispatch of gemm.dispatches(stage.tiles)) {
        const bits = this.journal.store(epoch, device, dispatch);
        const memories = dispatch.slots.map((chunk) => this.#writes(chunkMemory(this.memory, routeOf(plan, device, chunk).storeTo, chunk)));
        const buffers = { operands: this.memory.operands[device], counters: this.memory.gemmCounters[device], memories };
        this.#jobs.push({ group, job: gemm.job(this.#records, { device, split, dispatch, bits, buffers, muted: this.faults.muted(device) }) });
      }
  }

  /** Copies blocks from their devices' memories into the landing buffers of their links. */
  transfers(epoch: number, arrivals: readonly Arrival[]): void {
    for (const of of this.#groups(arrivals)) this.#transfers(this.#group('transfer', of[0].from, epoch, of), of);
  }

  #transfers(group: Group, arrivals: readonly Arrival[]): void {
    const lists = bySender(arrivals).flatMap((mine) =>
      byChunk(this.plan, mine).map(([chunk, blocks]): List => {
        const [{ from, parity }] = mine;
        const source = chunkMemory(this.memory, from, chunk);
        if (this.#written.has(source)) this.conflicts++;
        for (const arrival of blocks) this.journal.send(group.epoch, arrival);
        return { blocks, memory: source, landing: this.memory.landing[from]![parity], counters: null, updateOf: () => 0 };
      }),
    );
    this.#move(group, 'transfer', lists);
  }

  /** Applies blocks that arrived to the receivers' memories. */
  updates(epoch: number, arrivals: readonly Arrival[]): void {
    for (const of of this.#groups(arrivals)) this.#updates(this.#group('reduction', of[0].to, epoch, of), of);
  }

  #updates(group: Group, arrivals: readonly Arrival[]): void {
    const lists = bySender(arrivals).flatMap((mine) =>
      byChunk(this.plan, mine).flatMap(([chunk, blocks]): List[] => {
        const [{ from, to, parity }] = mine;
        const ops = new Map<number, number>();
        for (const arrival of blocks) this.journal.apply(group.epoch, arrival).forEach((bit, at) => ops.set(this.plan.tiling.blockParts[arrival.block] + at, bit));
        const memory = this.#writes(chunkMemory(this.memory, to, chunk));
        const once: List = { blocks, memory, landing: this.memory.landing[from]![parity], counters: this.memory.nmcCounters[to], updateOf: (part) => ops.get(part)! };
        const doubled = blocks.filter(({ block }) => this.faults.strikes('double-update', from, block));
        return doubled.length === 0 ? [once] : [once, { ...once, blocks: doubled, memory: this.#writes(memory), updateOf: () => 1 }];
      }),
    );
    this.#move(group, 'nmc', lists);
  }

  #groups(arrivals: readonly Arrival[]): readonly (readonly Arrival[])[] {
    return arrivals.length > 0 && areTogether(this.gpu) ? [arrivals] : bySender(arrivals);
  }

  #group(kind: Group['kind'], device: number, epoch: number, arrivals: readonly Arrival[]): Group {
    return { kind, device: areTogether(this.gpu) ? ALL_DEVICES : device, epoch, bytes: bytesOf(this.plan, arrivals), flops: 0 };
  }

  /** Dispatches that each take all lists in turn which lie in the same buffers, and in memories of their own. */
  #move(group: Group, name: keyof DmaKernels, lists: readonly List[]): void {
    const kernel = this.kernels[name];
    for (let first = 0, end = 1; first < lists.length; first = end++) {
      const { memory, landing, counters } = lists[first];
      const taken = new Set([memory]);
      const fits = (other: List): boolean => other.memory.buffer === memory.buffer && other.landing.buffer === landing.buffer && other.counters?.buffer === counters?.buffer && !taken.has(other.memory);
      for (; end < lists.length && fits(lists[end]); end++) taken.add(lists[end].memory);
      const offset = this.#records.align();
      const count = lists.slice(first, end).reduce((sum, list) => sum + this.#items(list), 0);
      const size = this.#records.bytes - offset;
      const buffers = { runs: this.memory.runs, memory: memory.buffer, landing: landing.buffer, ...(counters === null ? {} : { counters: counters.buffer }) };
      const bind = (commands: GPUBuffer): GPUBindGroup[] => [this.gpu.bind(kernel, 0, { items: { buffer: commands, offset, size }, ...buffers })];
      this.#jobs.push({ group, job: { kernel, workgroups: count, bind } });
    }
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

  #writes(range: Range): Range {
    if (this.#written.has(range)) this.conflicts++;
    this.#written.add(range);
    return range;
  }

  /** Records of the blocks' existing pieces, packed in the landing buffer in this order, where a workgroup costs more than a small piece several in one. @returns how many */
  #items({ blocks, memory, landing: link, counters, updateOf }: List): number {
    const { tiling: { blockParts, pieceElements, wavefronts } } = this.plan;
    const { pieceRuns } = this.memory;
    const [linkBase, counterBase] = [link.offset / 4, (counters?.offset ?? 0) / 4];
    const worth = areTogether(this.gpu) ? WORTH_A_WORKGROUP : 1;
    const opOf = (piece: number): number => updateOf(Math.floor(piece / wavefronts));
    const isOneRun = (piece: number): boolean => pieceRuns[piece + 1] - pieceRuns[piece] === 1;
    let count = 0;
    for (const { block, landing } of blocks) {
      let at = linkBase + landing;
      const end = blockParts[block + 1] * wavefronts;
      for (let piece = blockParts[block] * wavefronts, next = piece; piece < end; piece = next) {
        let elements = pieceElements[next++];
        if (elements === 0) continue;
        // Counters are found by run, and an item has one op.
        const joins = (other: number): boolean => counters === null || (isOneRun(piece) && isOneRun(other) && opOf(other) === opOf(piece));
        while (next < end && elements < worth && joins(next)) elements += pieceElements[next++];
        const byRun = counters !== null && next > piece + 1 ? 2 : 0;
        this.#records.add(ITEM, { first_run: pieceRuns[piece], runs: pieceRuns[next] - pieceRuns[piece], landing: at, counter: counterBase + piece, update: opOf(piece) + byRun, memory: memory.offset / 4 });
        at += elements;
        count++;
      }
    }
    return count;
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
