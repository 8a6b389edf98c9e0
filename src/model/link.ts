// One direction of a link: a queue, a wire of a rated bandwidth, a latency, and credits: a granule leaves when the receiver has
// room for it, and room comes back one latency after the memory took a granule in. Everything that crosses to
// another device takes at least a picosecond (event-heap.ts says why).
import type { EventHeap } from './event-heap.ts';
import { Fifo } from './fifo.ts';
import { Rate } from './rate.ts';
import { Waits } from './waits.ts';

export interface LinkFacts {
  readonly bandwidth: number;
  readonly latencyPs: number;
  readonly roomBytes: number;
}

export class Link {
  sentBytes = 0;
  busyPs = 0;
  /** Time in which something waited and the receiver had no room. */
  blockedPs = 0;
  /** From entry into the queue to the start of the transmission. */
  readonly waits = new Waits();
  /** The receiver of each granule is its `from`. */
  readonly queue = new Fifo();
  readonly latencyPs: number;
  readonly #rate: Rate;
  /** By receiver. */
  readonly #room = new Map<number, number>();
  readonly #returned = new Map<number, Fifo>();
  #busy = false;
  #blockedSince = -1;
  #due = false;

  constructor(
    readonly device: number,
    readonly index: number,
    readonly facts: LinkFacts,
    readonly heap: EventHeap,
    readonly sentKind: number,
    readonly creditKind: number,
  ) {
    this.#rate = new Rate(facts.bandwidth);
    this.latencyPs = Math.max(1, facts.latencyPs);
  }

  send(what: number, bytes: number, to: number): void {
    this.queue.push(what, bytes, to, this.heap.time);
    this.pump();
  }

  /** The head of the queue is on the wire as a whole: the caller reads its fields, then calls `sent`. */
  sent(): void {
    this.sentBytes += this.queue.size;
    this.queue.shift();
    this.#busy = false;
  }

  pump(): void {
    const { queue } = this;
    if (this.#busy || queue.length === 0) return;
    const now = this.heap.time;
    const to = queue.from;
    const bytes = queue.size;
    let room = this.#room.get(to) ?? this.facts.roomBytes;
    const returned = this.#returned.get(to);
    if (returned !== undefined)
      for (; returned.length > 0 && returned.since <= now; returned.shift()) room += returned.size;
    this.#room.set(to, room);
    if (room < bytes) {
      if (this.#blockedSince < 0) this.#blockedSince = now;
      if (returned !== undefined && returned.length > 0) this.#await(returned.since);
      return;
    }
    if (this.#blockedSince >= 0) this.blockedPs += now - this.#blockedSince;
    this.#blockedSince = -1;
    this.#room.set(to, room - bytes);
    this.#busy = true;
    this.waits.add(now - queue.since);
    const ps = this.#rate.take(bytes);
    this.busyPs += ps;
    this.heap.add(now + ps, this.sentKind, this.device, this.index);
  }

  /** The receiver's memory took a granule in; seen here one latency later. */
  credit(to: number, bytes: number): void {
    const at = this.heap.time + this.latencyPs;
    let returned = this.#returned.get(to);
    if (returned === undefined) this.#returned.set(to, (returned = new Fifo()));
    returned.push(0, bytes, 0, at);
    if (this.#blockedSince >= 0 && this.queue.length > 0 && this.queue.from === to) this.#await(returned.since);
  }

  /** What was awaited is there. */
  credited(): void {
    this.#due = false;
    this.pump();
  }

  #await(time: number): void {
    if (this.#due) return;
    this.#due = true;
    this.heap.add(time, this.creditKind, this.device, this.index);
  }
}
