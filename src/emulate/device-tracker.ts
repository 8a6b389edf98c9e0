// The trackers on the GPU (shaders/tracker.wgsl): their tables, the lists that they make and how these are dispatched, and what
// they say at the end. One dispatch an epoch for all devices, over a copy of the counters, so that the kernels that count
// share no buffer with it.
import { bug } from '../errors.ts';
import { dmaKernels, type DmaKernels } from '../gpu/dma.ts';
import { readBack, type Arena, type Bindable, type Gpu, type Kernel, type Range } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { structLayout, type StructLayout } from '../gpu/reflect.ts';
import { SHADERS } from '../gpu/shaders.ts';
import type { Source } from '../plan/mapping.ts';
import { routeOf, updatesOf, type Plan } from '../plan/plan.ts';
import type { Tiling } from '../plan/tiling.ts';
import type { Spec } from '../spec/spec.ts';
import type { Faults } from './faults.ts';
import type { Frame, Group } from './frame.ts';
import { chunkMemory, type DeviceMemory } from './memory.ts';
import type { Window, Windows } from './windows.ts';

const NONE = 0xffff_ffff;
const layoutOf = (name: string): StructLayout => structLayout(SHADERS.tracker, name);
const LAYOUT = { run: layoutOf('Run'), window: layoutOf('Window'), piece: layoutOf('Piece'), store: layoutOf('Store'), item: layoutOf('Item'), block: layoutOf('Block'), log: layoutOf('Log') };
/** Places in a list are a multiple of this: lists are bound one by one, and bindings are aligned. */
const LIST_STEP = 64;

/** Of a part of a device's, in the memory where it will be applied: the first GEMM store there. */
export interface FirstStore {
  readonly epoch: number;
  /** Word of its op bit in the order tables. */
  readonly word: number;
}

export interface DeviceTrackerInput {
  readonly gpu: Gpu;
  readonly arena: Arena;
  readonly spec: Spec;
  readonly plan: Plan;
  readonly memory: Pick<DeviceMemory, 'chunks' | 'landing' | 'gemmCounters' | 'nmcCounters' | 'runs' | 'pieceRuns' | 'landingElements'>;
  readonly faults: Faults;
  readonly windows: Windows;
  /** Order tables of all stages: the op bits of what an update precedes are written there. */
  readonly orders: GPUBuffer;
  /** By `device · parts + part`, the device being the one that sends. */
  readonly firstStores: ReadonlyMap<number, FirstStore>;
  /** Items that a list may hold. */
  readonly mostItems: number;
}

/** What the GPU says of a block; epochs, -1 for never. */
export interface Found {
  readonly seen: number;
  readonly sent: number;
  readonly landing: number;
}

export interface Findings {
  /** By `device · blocks + block`. */
  readonly blocks: readonly Found[];
  /** Op of the update of each part that a device sent: `device · parts + part`; -1 where none was settled. */
  readonly ops: readonly number[];
  /** Devices with a list that was longer than it may be. */
  readonly overflows: readonly number[];
}

export class DeviceTracker {
  readonly #input: DeviceTrackerInput;
  readonly #kernels: DmaKernels & { readonly tracker: Kernel };
  readonly #buffers: Readonly<Record<string, GPUBuffer>>;
  readonly #group: GPUBindGroup;
  readonly #listItems: number;
  readonly #bound = new Map<string, GPUBindGroup>();

  private constructor(input: DeviceTrackerInput, kernels: DmaKernels & { readonly tracker: Kernel }) {
    const { gpu, arena, plan, memory, windows, orders, spec, mostItems } = input;
    const { tiling, devices } = plan;
    this.#input = input;
    this.#kernels = kernels;
    this.#listItems = Math.ceil(Math.max(1, ...tiling.chunks.map((_, j) => (tiling.chunkParts[j + 1] - tiling.chunkParts[j]) * tiling.wavefronts)) / LIST_STEP) * LIST_STEP;
    const lists = 2 * devices * windows.width;
    const blockParts = tiling.blockParts.reduce((most, from, block) => Math.max(most, (tiling.blockParts[block + 1] ?? from) - from), 1);
    const run = new RecordBuffer(4);
    run.add(LAYOUT.run, {
      devices, windows: windows.width, counters: memory.gemmCounters[0].size / 4, parts: tiling.parts, blocks: tiling.blocks, wavefronts: tiling.wavefronts, block_parts: blockParts,
      lag: spec.lag, landing: memory.landingElements, list_items: this.#listItems, most: Math.min(mostItems, this.#listItems),
    });
    this.#buffers = {
      run: arena.words('tracker run', words(run), GPUBufferUsage.UNIFORM),
      windows: arena.words('windows', words(windowRecords(input))),
      pieces: arena.words('tracker pieces', words(pieceRecords(tiling, memory.pieceRuns))),
      counters: arena.storage('counters seen', 2 * devices * memory.gemmCounters[0].size),
      stores: arena.words('first stores', words(storeRecords(input)), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC),
      journal: arena.storage('tracker journal', LAYOUT.log.fields['blocks'].offset + devices * tiling.blocks * LAYOUT.block.size),
      orders,
      lists: arena.storage('ready lists', lists * this.#listItems * LAYOUT.item.size),
      dispatches: arena.buffer('ready dispatches', lists * 12, GPUBufferUsage.STORAGE | GPUBufferUsage.INDIRECT),
    };
    this.#group = gpu.bind(kernels.tracker, 0, this.#buffers);
  }

  static async create(input: DeviceTrackerInput): Promise<DeviceTracker> {
    const { gpu } = input;
    return new DeviceTracker(input, { tracker: await gpu.kernel('tracker', SHADERS.tracker), ...(await dmaKernels(gpu)) });
  }

  /** Transfers of what the trackers found one epoch before, into the links. */
  transfer(pass: GPUComputePassEncoder, epoch: number, window: Window): void {
    const { memory } = this.#input;
    const { transfer } = this.#kernels;
    this.#dispatch(pass, transfer, epoch, window, () => ({ memory: chunk(memory, window.device, window.chunk), landing: memory.landing[window.device]![epoch % 2] }));
  }

  /** Near-memory updates of what was sent in `epoch`, in the epoch after. */
  update(pass: GPUComputePassEncoder, epoch: number, window: Window): void {
    const { memory } = this.#input;
    const to = this.receiver(window);
    this.#dispatch(pass, this.#kernels.nmc, epoch, window, () => ({ landing: memory.landing[window.device]![epoch % 2], memory: chunk(memory, to, window.chunk), counters: memory.nmcCounters[to] }));
  }

  /** The device to which a window's blocks go. */
  receiver({ device, chunk }: Window): number {
    const { whenComplete } = routeOf(this.#input.plan, device, chunk);
    if (whenComplete.kind !== 'dma') throw bug(`chunk ${chunk} of device ${device} has a window and no DMA`);
    return whenComplete.to;
  }

  /** Looks at the counters when the epoch is over, its stages, transfers and updates encoded. */
  look(frame: Frame, group: Group): void {
    const { plan, memory, windows } = this.#input;
    const due = windows.after[group.epoch];
    if (due.length === 0) return;
    const writers = new Set(due.flatMap(({ device, chunk }) => writersOf(plan, device, chunk)));
    const all = [...memory.gemmCounters, ...memory.nmcCounters];
    const copies = [...writers].toSorted((one, other) => one - other).map((writer) => ({ ...all[writer], to: writer * all[writer].size }));
    frame.copy(copies, this.#buffers['counters']);
    const pass = frame.pass(group);
    pass.setPipeline(this.#kernels.tracker.pipeline);
    pass.setBindGroup(0, this.#group);
    pass.dispatchWorkgroups(plan.devices);
  }

  async findings(): Promise<Findings> {
    const { gpu, plan: { devices, tiling } } = this.#input;
    const journal = await readBack(gpu, this.#buffers['journal']);
    const stores = await readBack(gpu, this.#buffers['stores']);
    const at = (layout: StructLayout, first: number, index: number, name: string): number => first + (index * layout.size + layout.fields[name].offset) / 4;
    const first = LAYOUT.log.fields['blocks'].offset / 4;
    return {
      blocks: Array.from({ length: devices * tiling.blocks }, (_, block) => ({
        seen: journal[at(LAYOUT.block, first, block, 'seen')] - 1,
        sent: journal[at(LAYOUT.block, first, block, 'sent')] - 1,
        landing: journal[at(LAYOUT.block, first, block, 'landing')],
      })),
      ops: Array.from({ length: devices * tiling.parts }, (_, part) => stores[at(LAYOUT.store, 0, part, 'op')] - 1),
      overflows: Array.from({ length: devices }, (_, device) => device).filter((device) => journal[LAYOUT.log.fields['overflow'].offset / 4 + device] !== 0),
    };
  }

  #dispatch(pass: GPUComputePassEncoder, kernel: Kernel, epoch: number, { device, chunk, list }: Window, bind: () => Record<string, Bindable>): void {
    const { gpu, memory, plan, windows } = this.#input;
    const at = ((epoch % 2) * plan.devices + device) * windows.width + list;
    const key = `${kernel.label} ${at} ${chunk}`;
    let group = this.#bound.get(key);
    if (group === undefined) {
      const size = this.#listItems * LAYOUT.item.size;
      group = gpu.bind(kernel, 0, { items: { buffer: this.#buffers['lists'], offset: at * size, size }, runs: memory.runs, ...bind() });
      this.#bound.set(key, group);
    }
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroupsIndirect(this.#buffers['dispatches'], at * 12);
  }
}

const words = (records: RecordBuffer): Uint32Array => records.words.slice(0, Math.max(1, records.bytes / 4));
const chunk = (memory: DeviceTrackerInput['memory'], device: number, j: number): Range => chunkMemory(memory, device, j);

/** Counters that add up for a chunk on a device, as `Watch` has them: GEMMs, then near-memory units. */
function writersOf(plan: Plan, device: number, chunk: number): number[] {
  const writer = (source: Source): number => (source.kind === 'local' ? device : source.kind === 'remote' ? source.from : plan.devices + device);
  return routeOf(plan, device, chunk).expects.map(writer);
}

/** A row for each epoch after which there is anything to look at. */
function windowRecords({ plan, windows, faults }: DeviceTrackerInput): RecordBuffer {
  const { tiling, devices } = plan;
  const records = new RecordBuffer(4);
  windows.after.forEach((due, epoch) => {
    if (due.length === 0) return;
    for (let device = 0; device < devices; device++)
      for (let list = 0; list < windows.width; list++) {
        const window = due.find((of) => of.device === device && of.list === list);
        if (window === undefined) {
          records.add(LAYOUT.window, { epoch });
          continue;
        }
        const { chunk, open } = window;
        const firstPart = tiling.chunkParts[chunk];
        const endPart = tiling.chunkParts[chunk + 1];
        const writers = writersOf(plan, device, chunk);
        if (writers.length > 2) throw bug(`chunk ${chunk} on device ${device} is counted by ${writers.length} writers, the GPU's tracker adds up two`);
        const [odd, ...more] = [...faults.thresholds(device)].filter(([piece]) => piece >= firstPart * tiling.wavefronts && piece < endPart * tiling.wavefronts);
        if (more.length > 0) throw bug(`chunk ${chunk} on device ${device} has several thresholds that are off`);
        records.add(LAYOUT.window, {
          epoch, first_block: tiling.partBlock[firstPart], blocks: tiling.partBlock[endPart - 1] - tiling.partBlock[firstPart] + 1, first_part: firstPart, end_part: endPart,
          one: writers[0] ?? NONE, other: writers[1] ?? NONE, updates: routeOf(plan, device, chunk).expects.reduce((sum, source) => sum + updatesOf(plan, source), 0),
          odd_piece: odd?.[0] ?? NONE, odd_delta: odd?.[1] ?? 0, open: open ? 1 : 0,
        });
      }
  });
  return records;
}

function pieceRecords({ blocks, blockParts, wavefronts, pieceElements }: Tiling, pieceRuns: Int32Array): RecordBuffer {
  const records = new RecordBuffer(4);
  for (let block = 0; block < blocks; block++) {
    let landing = 0;
    let item = 0;
    for (let part = blockParts[block]; part < blockParts[block + 1]; part++) {
      let leads = 1;
      for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++) {
        const elements = pieceElements[piece];
        records.add(LAYOUT.piece, { elements, landing, item, leads: elements > 0 ? leads : 0, first_run: pieceRuns[piece], runs: pieceRuns[piece + 1] - pieceRuns[piece] });
        if (elements === 0) continue;
        landing += elements;
        item++;
        leads = 0;
      }
    }
  }
  return records;
}

function storeRecords({ plan: { devices, tiling }, firstStores }: DeviceTrackerInput): RecordBuffer {
  const records = new RecordBuffer(4);
  for (let at = 0; at < devices * tiling.parts; at++) {
    const { epoch, word } = firstStores.get(at) ?? { epoch: NONE, word: NONE };
    records.add(LAYOUT.store, { epoch, word });
  }
  return records;
}
