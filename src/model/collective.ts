// The unfused collectives of the baseline, step by step on a ring: reduce-scatter by a kernel on the CUs, or by DMA with near-memory
// updates, and all-gather. A device begins a step when it has sent all of the one before and has all of what that brought
// in its memory. Where devices are fully connected or behind a switch, rings are laid over that, with all of a device's
// bandwidth. On the CUs a step reads what is to be sent (from the second step on twice: the GEMM's output and
// what arrived), and after the last step the own chunk is reduced once more: 2N − 1 chunks read and N written.
import { bug, TilewireError } from '../errors.ts';
import { ringNext } from '../plan/mapping.ts';
import { EventHeap } from './event-heap.ts';
import { linksOf } from './fabric.ts';
import { Fifo, KIND_BITS, KIND_MASK } from './fifo.ts';
import type { Link } from './link.ts';
import { COMPUTE_STREAM, DMA_READ, DMA_READS, DMA_UPDATE, INCOMING, KINDS, Memory, READ, RECEIVED, WRITE } from './memory.ts';
import { Rate } from './rate.ts';
import type { Settings } from './settings.ts';

export type CollectiveKind = 'reduce-scatter' | 'near-memory reduce-scatter' | 'all-gather';

export interface CollectiveInput {
  readonly settings: Settings;
  readonly kind: CollectiveKind;
  /** Of each device's chunk. */
  readonly chunkBytes: readonly number[];
  /** One device for all, where their chunks are equal. */
  readonly fold?: boolean;
  readonly binPs?: number;
}

export interface CollectiveFigures {
  readonly timePs: number;
  readonly devices: readonly { readonly finishedPs: number; readonly served: readonly number[]; readonly linkBytes: number; readonly memoryBusyPs: number; readonly linkBusyPs: number; readonly traffic: readonly (readonly number[])[] | null }[];
  readonly events: number;
}

/** Kinds of event; beside a GEMM they come behind the GEMM's, but for what the one memory has served. */
export const SERVED = 0;
const SENT = 1;
const CREDIT = 2;
const COPIED = 3;
const BEGIN = 4;
const ARRIVAL = 5;

/** Whether one device stands for all. */
export const foldsCollective = ({ settings, chunkBytes }: Pick<CollectiveInput, 'settings' | 'chunkBytes'>): boolean => chunkBytes.every((bytes) => bytes === chunkBytes[0]) && settings.topology !== 'two-level';

export function simulateCollective({ settings, kind, chunkBytes, fold = false, binPs = 0 }: CollectiveInput): CollectiveFigures {
  const count = chunkBytes.length;
  const heap = new EventHeap(count);
  const members: Member[] = [];
  for (let device = 0; device < (fold && foldsCollective({ settings, chunkBytes }) ? 1 : count); device++) {
    const memory = new Memory(settings, settings.arbitration, binPs > 0 ? { binPs, bins: [] } : null);
    members.push(new Member(device, settings, kind, chunkBytes, heap, members, memory));
  }
  for (const member of members) member.start();
  while (heap.next()) {
    const member = members[heap.device];
    member.happens(heap.kind);
    const at = member.memory.pump(heap.time, member.admitted);
    if (at >= 0) heap.add(at, SERVED, heap.device);
  }
  return collectiveFigures(members, heap);
}

/** @throws STALLED where a member's steps are not all done */
export function collectiveFigures(members: readonly Member[], { taken }: EventHeap): CollectiveFigures {
  const [{ kind, chunkBytes: { length: count } }] = members;
  const stuck = members.filter((member) => count > 1 && !member.isDone);
  if (stuck.length > 0) throw new TilewireError('STALLED', `a ${kind} did not end`, { lines: stuck.map(({ device, round }) => `device ${device} is in step ${round + 1} of ${count - 1}`), fix: 'please report this with the machine and the parameters' });
  const devices = members.map(({ finishedPs, served, memory, link }) => ({ finishedPs, served: [...served], linkBytes: link?.sentBytes ?? 0, memoryBusyPs: memory.busyPs, linkBusyPs: link?.busyPs ?? 0, traffic: memory.traffic === null ? null : Array.from(memory.traffic.bins, (bin) => [...(bin ?? [])]) }));
  return { timePs: Math.max(...devices.map(({ finishedPs }) => finishedPs)), devices, events: taken };
}

/** Who asks, of what the kernel asks for: no device, so that whoever shares the memory with it knows its own. */
export const KERNEL = -1;

export class Member {
  /** Bytes that the memory served it, by kind. */
  readonly served = new Float64Array(KINDS);
  readonly link: Link | undefined;
  readonly inbound = new Fifo();
  finishedPs = 0;
  isDone = false;
  /** Sends done; N − 1 of them, and on the CUs the last reduction. */
  round = 0;
  readonly #copy: Rate | null;
  readonly #onCus: boolean;
  /** Reads of each granule that are still to come. */
  #open = new Uint8Array(0);
  /** Bytes of this step: whole, asked for, asked for and not on its way, done. */
  #bytes = 0;
  #asked = 0;
  #outstanding = 0;
  #done = 0;
  #received = 0;
  /** Must have been received by the end of this step, over all steps. */
  #due = 0;
  #copying = false;
  #running = false;

  constructor(
    readonly device: number,
    readonly settings: Settings,
    readonly kind: CollectiveKind,
    readonly chunkBytes: readonly number[],
    readonly heap: EventHeap,
    readonly members: readonly Member[],
    readonly memory: Memory,
    /** Of its kinds of event, SERVED aside; not 0 beside a GEMM, where its reads and writes are the memory's communication. */
    readonly firstKind = 0,
  ) {
    [this.link] = linksOf({ ...settings, topology: settings.topology === 'two-level' ? 'two-level' : 'ring' }, device, chunkBytes.length, heap, firstKind + SENT, firstKind + CREDIT);
    this.#onCus = kind !== 'near-memory reduce-scatter';
    this.#copy = this.#onCus && settings.cuCopyBandwidth !== null ? new Rate(settings.cuCopyBandwidth * settings.collectiveCus) : null;
  }

  start(): void {
    if (this.#devices > 1) this.heap.add(this.settings.launchPs, this.firstKind + BEGIN, this.device);
  }

  /** Of what it does, and of what its memory does for it; setting the memory to work is left to whoever has it. */
  happens(event: number): void {
    const kind = event === SERVED ? SERVED : event - this.firstKind;
    if (kind === SERVED) this.#served();
    else if (kind === SENT) this.#sent();
    else if (kind === CREDIT) this.link!.credited();
    else if (kind === COPIED) {
      this.#copying = false;
      this.#ask();
    } else if (kind === BEGIN) this.#begin();
    else {
      this.memory.push(INCOMING, this.inbound.what, this.inbound.size, KERNEL, this.heap.time);
      this.inbound.shift();
    }
  }

  /** A request left its stream for the memory's queue. */
  readonly admitted = (stream: number, bytes: number): void => {
    if (stream === INCOMING) this.#upstream.link!.credit(this.#frame(this.#upstream), bytes);
  };

  /** Where its own accesses stand. */
  get #stream(): number {
    return this.#onCus && this.firstKind === 0 ? COMPUTE_STREAM : DMA_READS;
  }

  get #devices(): number {
    return this.chunkBytes.length;
  }

  get #upstream(): Member {
    return this.members[(this.device + 1) % this.members.length];
  }

  /** What a member calls the one that it sends to. */
  #frame(of: Member): number {
    return ringNext(of.device, this.#devices);
  }

  /** Bytes that device d sends in a round. */
  #sends(d: number, round: number): number {
    return this.chunkBytes[(d + round + (this.kind === 'all-gather' ? 0 : 1)) % this.#devices];
  }

  get #isReduction(): boolean {
    return this.round === this.#devices - 1;
  }

  /** Reads of each element in this step. */
  get #sources(): number {
    return this.kind === 'reduce-scatter' && this.round > 0 ? 2 : 1;
  }

  #begin(): void {
    this.#running = true;
    this.#bytes = this.#isReduction ? this.chunkBytes[this.device] : this.#sends(this.device, this.round);
    if (!this.#isReduction) this.#due += this.#sends(this.device + 1, this.round);
    this.#asked = 0;
    this.#done = 0;
    const granules = Math.ceil(this.#bytes / this.settings.granuleBytes);
    if (this.#open.length < granules) this.#open = new Uint8Array(granules);
    this.#open.fill(this.#sources);
    this.#ask();
    this.#advance();
  }

  #ask(): void {
    const { granuleBytes, collectiveWindowBytes } = this.settings;
    while (this.#asked < this.#bytes && this.#outstanding < collectiveWindowBytes && !this.#copying) {
      const bytes = Math.min(granuleBytes, this.#bytes - this.#asked);
      const granule = this.#asked / granuleBytes;
      const kind = this.#onCus ? READ : DMA_READ;
      for (let source = 0; source < this.#sources; source++) this.memory.push(this.#stream, kind | (granule << KIND_BITS), bytes, KERNEL, this.heap.time);
      this.#asked += bytes;
      this.#outstanding += bytes;
      if (this.#copy === null) continue;
      this.#copying = true;
      this.heap.add(this.heap.time + this.#copy.take(bytes), this.firstKind + COPIED, this.device);
    }
  }

  #served(): void {
    const { what, size } = this.memory.queue;
    this.memory.done(this.heap.time);
    this.finishedPs = this.heap.time;
    const kind = what & KIND_MASK;
    this.served[kind] += size;
    if (kind === READ || kind === DMA_READ) {
      if (--this.#open[what >>> KIND_BITS] > 0) return;
      if (this.#isReduction) this.memory.push(this.#stream, WRITE, size, KERNEL, this.heap.time);
      else this.link!.send(kind === READ ? RECEIVED : DMA_UPDATE, size, ringNext(this.device, this.#devices));
    } else if (kind === WRITE) this.#finished(size);
    else if (kind === RECEIVED || kind === DMA_UPDATE) {
      this.#received += size;
      this.#advance();
    } else throw bug('a GEMM’s access in a collective');
  }

  #sent(): void {
    const link = this.link!;
    const { what, size } = link.queue;
    link.sent();
    const receiver = this.members[ringNext(this.device, this.members.length)];
    receiver.inbound.push(what, size, 0, this.heap.time);
    this.heap.add(this.heap.time + link.latencyPs, this.firstKind + ARRIVAL, receiver.device);
    link.pump();
    this.finishedPs = this.heap.time;
    this.#finished(size);
  }

  #finished(bytes: number): void {
    this.#outstanding -= bytes;
    this.#done += bytes;
    this.#ask();
    this.#advance();
  }

  /** On to the next step, where this one is done. */
  #advance(): void {
    if (!this.#running || this.#done < this.#bytes || this.#received < this.#due) return;
    this.#running = false;
    this.round++;
    const steps = this.kind === 'reduce-scatter' ? this.#devices : this.#devices - 1;
    if (this.round === steps) this.isDone = true;
    else this.#begin();
  }
}
