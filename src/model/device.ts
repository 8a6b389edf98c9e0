// One simulated device of a GEMM, fused with its collective or alone: CUs, LLC, memory, DMA engine, tracker and links, and what each
// event does to them. It executes its Plan with the Tracker that the emulation has; it decides nothing that the Plan does.
import type { EventLog } from '../events/log.ts';
import { chunkOfBlock, routeOf, type Plan } from '../plan/plan.ts';
import { Tracker, type TrackerGeometry, type TrackerOutput } from '../tracker/tracker.ts';
import { bug } from '../errors.ts';
import { Compute, type ComputeHost, type Work } from './compute.ts';
import { Dma } from './dma.ts';
import type { EventHeap } from './event-heap.ts';
import { linksOf, linkTo } from './fabric.ts';
import { Fifo, KIND_BITS, KIND_MASK } from './fifo.ts';
import type { Fold } from './fold.ts';
import type { Link } from './link.ts';
import { Llc } from './llc.ts';
import { COMPUTE_STREAM, DMA_READ, DMA_READS, DMA_UPDATE, FILL, INCOMING, LOCAL_UPDATE, Memory, READ, RECEIVED, REMOTE_UPDATE, STORES, WRITE, type Traffic } from './memory.ts';
import type { Settings } from './settings.ts';
import type { Trace } from './trace.ts';

/** Kinds of event, in the order in which those of one time happen. Those of ARRIVAL on are by the sender's distance. */
export const SERVED = 0;
export const SENT = 1;
export const CREDIT = 2;
export const COMPUTED = 3;
export const SET_UP = 4;
export const STAGE = 5;
export const FILLED = 6;
export const ARRIVAL = 7;

/** Where output goes: into the LLC, as plain stores past it, or as near-memory updates past it. */
export type Writes = 'cached' | 'stores' | 'updates';

export interface DeviceInput {
  readonly device: number;
  readonly settings: Settings;
  readonly plan: Plan;
  readonly work: Work;
  /** Rows or columns of the operands' blocks: bytes of block b. */
  readonly blockBytes: (block: number) => number;
  readonly blocks: number;
  readonly writes: Writes;
  /** False drops whatever crosses to a peer: the GEMM as if it were alone. */
  readonly isConnected: boolean;
  readonly geometry: TrackerGeometry;
  readonly heap: EventHeap;
  readonly fold: Fold;
  readonly log: EventLog | null;
  readonly trace: Trace | null;
  readonly traffic: Traffic | null;
  readonly peers: readonly Device[];
  /** A memory that a collective's kernel shares (beside.ts), and what sets it to work; its place among the heap's devices is then `at`. */
  readonly shared?: { readonly memory: Memory; readonly pump: () => void; readonly at: number };
}

export class Device implements ComputeHost {
  readonly memory: Memory;
  readonly llc: Llc;
  readonly compute: Compute;
  readonly dma: Dma;
  readonly links: readonly Link[];
  readonly tracker: Tracker | null;
  /** Granules on their way here, by the sender's distance; they arrive in the order in which they were sent. */
  readonly inbound: readonly Fifo[];
  /** When it last did anything that counts. */
  finishedPs = 0;
  readonly #input: DeviceInput;
  /** Its place among the heap's devices. */
  readonly #at: number;
  readonly #waitingStores: { readonly tile: number; readonly slot: number }[] = [];
  readonly #remaining: Int32Array;
  readonly #output: TrackerOutput = { completed: [], ready: [] };
  /** Elements that were logged so far, by part, source and way. */
  readonly #logged = new Map<number, number>();
  /** Pieces that a split of K has stored through the LLC; of split-K alone. */
  readonly #stored: Uint8Array | null;
  readonly #made: Uint8Array | null;
  readonly #admitted: (stream: number, bytes: number, from: number) => void;

  constructor(input: DeviceInput) {
    const { device, settings, plan, work, blocks, heap, geometry, log, trace, traffic, isConnected } = input;
    const { tiling, devices } = plan;
    this.#input = input;
    this.memory = input.shared?.memory ?? new Memory(settings, settings.arbitration, traffic);
    this.#at = input.shared?.at ?? device;
    this.llc = new Llc(settings.llcBytes, blocks + tiling.parts * tiling.wavefronts, (block, bytes) => this.#split(this.#storeStream, WRITE | ((block - blocks) << KIND_BITS), bytes));
    this.compute = new Compute(this.#at, settings, work, this.llc, heap, COMPUTED, STAGE, this, blocks);
    this.dma = new Dma(device, settings, plan, this.memory, heap, SET_UP, (block) => log?.add('send', heap.time, device, block, this.#target(block)), trace && ((piece) => trace.first(trace.asked, device, piece, heap.time)));
    this.links = linksOf(settings, device, devices, heap, SENT, CREDIT);
    this.tracker = isConnected && input.writes === 'updates' ? new Tracker(plan, device, geometry) : null;
    this.inbound = Array.from({ length: devices }, () => new Fifo());
    this.#remaining = new Int32Array(blocks);
    this.#stored = plan.twins.length === 0 ? null : new Uint8Array(tiling.parts * tiling.wavefronts);
    this.#made = log === null ? null : new Uint8Array(tiling.parts);
    this.#admitted = (stream, bytes, from) => {
      if (stream === INCOMING) this.#credit(from, bytes);
      else if (stream === DMA_READS) this.dma.resume();
    };
  }

  start(): void {
    this.compute.start();
    this.#pump();
  }

  /** An event of this device. */
  happens(kind: number, payload: number): void {
    if (kind === SERVED) this.#served();
    else if (kind === COMPUTED) this.compute.computed(payload);
    else if (kind === SENT) this.#sent(this.links[payload]);
    else if (kind === CREDIT) this.links[payload].credited();
    else if (kind === SET_UP) this.dma.isSetUp();
    else if (kind === STAGE) this.compute.launched();
    else if (kind === FILLED) this.#filled(payload);
    else this.#arrived(kind - ARRIVAL);
    this.#pump();
  }

  // ── What the CUs ask for ───────────────────────────────────────────────────────────────────────────────────────

  began(tile: number, slabsPs: Float64Array, filled: number): void {
    const { trace, device, heap } = this.#input;
    trace?.begin(device, tile, heap.time, slabsPs, filled);
  }

  fetch(block: number): void {
    const bytes = this.#input.blockBytes(block);
    this.#remaining[block] = Math.ceil(bytes / this.#input.settings.granuleBytes);
    this.#split(COMPUTE_STREAM, FILL | (block << KIND_BITS), bytes);
  }

  store(tile: number, slot: number): boolean {
    const { plan, device, settings, isConnected, trace, heap } = this.#input;
    const { tileParts, partChunk } = plan.tiling;
    if (trace !== null && trace.ended[trace.tileAt(device, tile)] < 0) trace.ended[trace.tileAt(device, tile)] = heap.time;
    if (isConnected)
      for (const part of tileParts[tile]) {
        const to = routeOf(plan, device, partChunk[part]).storeTo;
        if (to === device || this.#link(to).queue.bytes < settings.linkQueueBytes) continue;
        this.#waitingStores.push({ tile, slot });
        return false;
      }
    for (const part of tileParts[tile]) this.#storePart(part);
    if (trace !== null) trace.released[trace.tileAt(device, tile)] = heap.time;
    return true;
  }

  firstStage(): void {
    const { time } = this.#input.heap;
    this.memory.arbiter.settle(time === 0 ? 0 : this.memory.busyPs / time);
  }

  ended(): void {
    this.llc.flush();
    this.#finish();
  }

  #storePart(part: number): void {
    const { plan, device, settings, writes, isConnected, trace, heap } = this.#input;
    const { partChunk, wavefronts, pieceElements } = plan.tiling;
    const to = routeOf(plan, device, partChunk[part]).storeTo;
    for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++) {
      const bytes = pieceElements[piece] * settings.elementBytes;
      if (bytes === 0) continue;
      if (to !== device) {
        if (!isConnected) continue;
        const link = this.#link(to);
        trace?.last(trace.queued, device, piece, heap.time);
        for (let left = bytes; left > 0; left -= settings.granuleBytes) link.send(REMOTE_UPDATE | (piece << KIND_BITS), Math.min(left, settings.granuleBytes), to);
      } else if (writes === 'cached') this.#storeCached(piece, bytes);
      else this.#split(this.#storeStream, (writes === 'stores' ? WRITE : LOCAL_UPDATE) | (piece << KIND_BITS), bytes);
    }
  }

  /** Splits of K add in the LLC; a partial sum that it no longer holds is read first. */
  #storeCached(piece: number, bytes: number): void {
    const isPresent = this.llc.write(this.#input.blocks + piece, bytes);
    if (this.#stored === null) return;
    if (!isPresent && this.#stored[piece] === 1) this.#split(COMPUTE_STREAM, READ | (piece << KIND_BITS), bytes);
    this.#stored[piece] = 1;
  }

  get #storeStream(): number {
    return this.#input.settings.separateStoreQueue ? STORES : COMPUTE_STREAM;
  }

  #split(stream: number, what: number, bytes: number): void {
    const { device, settings: { granuleBytes }, heap } = this.#input;
    for (let left = bytes; left > 0; left -= granuleBytes) this.memory.push(stream, what, Math.min(left, granuleBytes), device, heap.time);
  }

  // ── Memory ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #pump(): void {
    const { heap, shared } = this.#input;
    if (shared !== undefined) return shared.pump();
    const at = this.memory.pump(heap.time, this.#admitted);
    if (at >= 0) heap.add(at, SERVED, this.#at);
  }

  #served(): void {
    const { memory } = this;
    const { what, size, from } = memory.queue;
    memory.done(this.#input.heap.time);
    this.#finish();
    const kind = what & KIND_MASK;
    const subject = what >>> KIND_BITS;
    if (kind === FILL) {
      if (--this.#remaining[subject] > 0) return;
      const { heap, settings: { readLatencyPs } } = this.#input;
      if (readLatencyPs === 0) this.#filled(subject);
      else heap.add(heap.time + readLatencyPs, FILLED, this.#at, subject);
    } else if (kind === LOCAL_UPDATE || kind === REMOTE_UPDATE || kind === DMA_UPDATE) this.#landed(kind, subject, size, from);
    else if (kind === DMA_READ) {
      const to = this.#targetOf(subject);
      const { trace, device, heap } = this.#input;
      trace?.last(trace.queued, device, subject, heap.time);
      this.#link(to).send(DMA_UPDATE | (subject << KIND_BITS), size, to);
    } else if (kind === RECEIVED) throw bug('a collective kernel’s access in a GEMM');
  }

  #filled(block: number): void {
    this.llc.filled(block, this.#input.blockBytes(block));
    this.compute.filled(block);
  }

  #landed(kind: number, piece: number, bytes: number, from: number): void {
    const { tracker } = this;
    const { plan, settings, log, trace, heap, device } = this.#input;
    if (tracker === null) return;
    trace?.last(kind === LOCAL_UPDATE ? trace.stored : trace.landed, from, piece, heap.time);
    const elements = bytes / settings.elementBytes;
    if (log !== null) {
      this.#logFirst(kind, Math.floor(piece / plan.tiling.wavefronts), from, elements, log);
      log.add('landed', heap.time, device, piece, from, elements, kind === LOCAL_UPDATE ? 'local' : kind === REMOTE_UPDATE ? 'remote' : 'dma');
    }
    const output = this.#output;
    output.completed.length = 0;
    output.ready.length = 0;
    tracker.update(piece, elements, output);
    if (log !== null) for (const completed of output.completed) log.add('complete', heap.time, device, completed);
    if (trace !== null) for (const completed of output.completed) trace.last(trace.completed, device, completed, heap.time);
    for (const block of output.ready) {
      if (trace !== null) trace.triggered[device * plan.tiling.blocks + block] = heap.time;
      log?.add('trigger', heap.time, device, block);
      this.dma.trigger(block);
    }
  }

  /** The first granule of a part from a source stands for the store (of each split) or the application of the whole part. */
  #logFirst(kind: number, part: number, from: number, elements: number, log: EventLog): void {
    const { plan, heap, device } = this.#input;
    const { wavefronts, pieceElements } = plan.tiling;
    const key = (part * plan.devices + from) * 2 + (kind === DMA_UPDATE ? 1 : 0);
    const before = this.#logged.get(key) ?? 0;
    this.#logged.set(key, before + elements);
    // What one source sends arrives in order: a split's stores of a part behind all of those of the split before.
    let whole = 0;
    for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++) whole += pieceElements[piece];
    if (before % whole !== 0) return;
    const isLater = this.#made![part];
    this.#made![part] = 1;
    if (kind === DMA_UPDATE) log.add('apply', heap.time, device, part, from, isLater);
    else log.add('store', heap.time, from, part, device, isLater);
  }

  // ── Links ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #sent(link: Link): void {
    const { fold, device, heap, peers, plan, settings, trace } = this.#input;
    const { what, size, from: to } = link.queue;
    link.sent();
    const kind = what & KIND_MASK;
    trace?.last(trace.sent, device, what >>> KIND_BITS, heap.time);
    const receiver = peers[fold.image(to)];
    const sender = fold.sender(device, to);
    const distance = (sender - receiver.#input.device + plan.devices) % plan.devices;
    receiver.inbound[distance].push(kind | (fold.piece(what >>> KIND_BITS, to) << KIND_BITS), size, sender, heap.time);
    heap.add(heap.time + link.latencyPs, ARRIVAL + distance, receiver.#input.device);
    if (kind === DMA_UPDATE) this.dma.sent(size);
    while (this.#waitingStores.length > 0 && link.queue.bytes < settings.linkQueueBytes) {
      const { tile, slot } = this.#waitingStores.shift()!;
      if (!this.store(tile, slot)) break;
      this.compute.stored(slot);
    }
    link.pump();
  }

  #arrived(distance: number): void {
    const inbound = this.inbound[distance];
    this.memory.push(INCOMING, inbound.what, inbound.size, inbound.from, this.#input.heap.time);
    inbound.shift();
  }

  #credit(from: number, bytes: number): void {
    const { peers, fold, device, plan } = this.#input;
    const sender = peers[fold.image(from)];
    const to = (device + fold.shift(from)) % plan.devices;
    sender.#link(to).credit(to, bytes);
  }

  #link(to: number): Link {
    const { settings, device, plan } = this.#input;
    return this.links[linkTo(settings, device, plan.devices, to)];
  }

  #target(block: number): number {
    const { whenComplete } = routeOf(this.#input.plan, this.#input.device, chunkOfBlock(this.#input.plan, block));
    if (whenComplete.kind !== 'dma') throw bug(`block ${block} has no DMA command`);
    return whenComplete.to;
  }

  #targetOf(piece: number): number {
    const { tiling } = this.#input.plan;
    return this.#target(tiling.partBlock[Math.floor(piece / tiling.wavefronts)]);
  }

  #finish(): void {
    this.finishedPs = this.#input.heap.time;
  }
}
