// A device's memory: streams of requests in order, an arbiter, a bounded queue, and a server of the rated bandwidth. A
// near-memory update takes `updateFactor` times its bytes. What was served is counted by kind of request, to the byte.
// One server stands for all channels: they interleave by less than a granule, which is therefore spread over all of them.
import { Arbiter, COMMUNICATION, COMPUTE, NOBODY, type Arbitration } from './arbitration.ts';
import { Fifo, KIND_MASK } from './fifo.ts';
import { Rate } from './rate.ts';
import { Waits } from './waits.ts';

/** Operand blocks into the LLC; writes of the LLC or of a kernel; near-memory updates by their way; reads by the DMA or of a kernel. */
export const FILL = 0;
export const WRITE = 1;
export const LOCAL_UPDATE = 2;
export const REMOTE_UPDATE = 3;
export const DMA_UPDATE = 4;
export const DMA_READ = 5;
export const READ = 6;
export const RECEIVED = 7;
export const KINDS = 8;

/** Streams. Stores stand in the compute stream, before the reads of the next stage, unless they have a queue of their own. */
export const COMPUTE_STREAM = 0;
export const STORES = 1;
export const INCOMING = 2;
export const DMA_READS = 3;
export const STREAMS = 4;

export interface MemorySettings {
  readonly memoryBandwidth: number;
  readonly queueBytes: number;
  readonly updateFactor: number;
  /**
   * What an access costs more, as a share of its time, when the one before it was of the other side (compute, communication): each
   * side finds the rows that it opened closed again. By bytes, so that it means the same at any granule.
   */
  readonly interleavePenalty: number;
}

/** DRAM traffic over time: bytes by kind, `bins[kind · count + bin]`. */
export interface Traffic {
  readonly binPs: number;
  readonly bins: Float64Array[];
}

export class Memory {
  readonly streams = Array.from({ length: STREAMS }, () => new Fifo());
  /** From entry into a stream to the start of its service, by stream. */
  readonly waits = Array.from({ length: STREAMS }, () => new Waits());
  readonly arbiter: Arbiter;
  /** Bytes served, by kind. */
  readonly served = new Float64Array(KINDS);
  busyPs = 0;
  /** Of the request in service; its fields are those of the queue's head. */
  serving = false;
  readonly queue = new Fifo();
  readonly #queueStream = new Fifo();
  readonly #rate: Rate;
  readonly #factor: Float64Array;
  readonly #queueBytes: number;
  readonly #penalty: number;
  #lastSide = NOBODY;
  #storesNext = false;
  #dmaNext = false;

  constructor(
    settings: MemorySettings,
    arbitration: Arbitration,
    readonly traffic: Traffic | null,
  ) {
    this.arbiter = new Arbiter(arbitration);
    this.#rate = new Rate(settings.memoryBandwidth);
    this.#queueBytes = settings.queueBytes;
    this.#penalty = settings.interleavePenalty;
    this.#factor = new Float64Array(KINDS).fill(1);
    for (const kind of [LOCAL_UPDATE, REMOTE_UPDATE, DMA_UPDATE]) this.#factor[kind] = settings.updateFactor;
  }

  push(stream: number, what: number, bytes: number, from: number, now: number): void {
    this.streams[stream].push(what, bytes, from, now);
  }

  /**
   * Fills the queue from the streams and sets the server to work. `admitted` hears of each request of a bounded stream that left it.
   * @returns when what it began to serve is served; −1 when it began nothing
   */
  pump(now: number, admitted: (stream: number, bytes: number, from: number) => void): number {
    const { streams, queue } = this;
    for (;;) {
      const reads = streams[COMPUTE_STREAM];
      const stores = streams[STORES];
      const incoming = streams[INCOMING];
      const dma = streams[DMA_READS];
      // Nothing is left to choose, or there is no room for anything.
      if (queue.bytes >= this.#queueBytes || (reads.length === 0 && stores.length === 0 && incoming.length === 0 && dma.length === 0)) break;
      const compute = stores.length > 0 && (this.#storesNext || reads.length === 0) ? STORES : COMPUTE_STREAM;
      const communication = dma.length > 0 && (this.#dmaNext || incoming.length === 0) ? DMA_READS : INCOMING;
      const since = communication === INCOMING && incoming.length === 0 ? now : streams[communication].since;
      const who = this.arbiter.choose(now, streams[compute].length > 0, streams[communication].length > 0, since, queue.bytes);
      if (who === NOBODY) break;
      const stream = who === COMPUTE ? compute : communication;
      if (who === COMMUNICATION) this.#dmaNext = communication === INCOMING;
      else this.#storesNext = compute === COMPUTE_STREAM;
      const first = streams[stream];
      const { what, size, from } = first;
      queue.push(what, size, from, first.since);
      this.#queueStream.push(stream, 0, 0, 0);
      first.shift();
      if (who === COMMUNICATION) admitted(stream, size, from);
    }
    if (this.serving || queue.length === 0) return -1;
    this.serving = true;
    const kind = queue.what & KIND_MASK;
    const stream = this.#queueStream.what;
    this.#queueStream.shift();
    this.waits[stream].add(now - queue.since);
    const side = stream <= STORES ? COMPUTE : COMMUNICATION;
    const changes = this.#lastSide !== NOBODY && side !== this.#lastSide;
    this.#lastSide = side;
    const ps = this.#rate.take(Math.round(queue.size * this.#factor[kind] * (changes ? 1 + this.#penalty : 1)));
    this.busyPs += ps;
    return now + ps;
  }

  /** The request at the queue's head is served: the caller reads its fields before this. */
  done(now: number): void {
    const kind = this.queue.what & KIND_MASK;
    const bytes = this.queue.size;
    this.served[kind] += bytes;
    if (this.traffic !== null) {
      const bins = (this.traffic.bins[Math.floor(now / this.traffic.binPs)] ??= new Float64Array(KINDS));
      bins[kind] += bytes;
    }
    this.queue.shift();
    this.serving = false;
  }
}
