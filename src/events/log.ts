// The event log that both engines write: what was done (store, send, apply), what was seen to have landed, and
// what the trackers concluded (complete, trigger). Columns of numbers, since a run of 64 devices has millions
// of events; append-only, in causal order. `time` is the epoch in the emulation, picoseconds in the model.

export const EVENT_KINDS = ['store', 'landed', 'complete', 'trigger', 'send', 'apply'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/**
 * | kind | device | subject | peer | value |
 * |---|---|---|---|---|
 * | store: the GEMM wrote a part | writer | part | device whose memory took it | 1 when the op was update |
 * | landed: an update was counted | where it landed | piece | whose update it is | elements |
 * | complete: a piece reached its threshold | device | piece | – | – |
 * | trigger: a block was marked ready | device | block | – | – |
 * | send: the DMA read a block | sender | block | receiver | – |
 * | apply: near memory applied a part of a block | receiver | part | sender | 1 when the op was update |
 */
export interface Event {
  readonly kind: EventKind;
  readonly time: number;
  readonly device: number;
  readonly subject: number;
  readonly peer: number;
  readonly value: number;
  /** Of `landed` only: how the update came. */
  readonly via: 'local' | 'remote' | 'dma' | null;
}

const VIAS = ['local', 'remote', 'dma'] as const;
const COLUMNS = 7;

export class EventLog {
  #rows = new Float64Array(COLUMNS * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(kind: EventKind, time: number, device: number, subject: number, peer = -1, value = 0, via: Event['via'] = null): void {
    const at = this.#length++ * COLUMNS;
    if (at + COLUMNS > this.#rows.length) {
      const grown = new Float64Array(this.#rows.length * 2);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    this.#rows[at] = EVENT_KINDS.indexOf(kind);
    this.#rows[at + 1] = time;
    this.#rows[at + 2] = device;
    this.#rows[at + 3] = subject;
    this.#rows[at + 4] = peer;
    this.#rows[at + 5] = value;
    this.#rows[at + 6] = via === null ? -1 : VIAS.indexOf(via);
  }

  at(index: number): Event {
    const at = index * COLUMNS;
    const rows = this.#rows;
    // Read one by one: a run of many tiles has a million events, and a view of each would cost more than its check.
    const via = rows[at + 6];
    return { kind: EVENT_KINDS[rows[at]], time: rows[at + 1], device: rows[at + 2], subject: rows[at + 3], peer: rows[at + 4], value: rows[at + 5], via: via < 0 ? null : VIAS[via] };
  }

  *[Symbol.iterator](): Generator<Event> {
    for (let index = 0; index < this.#length; index++) yield this.at(index);
  }

  /** Those of some kinds: what a run did is few beside what it saw land. */
  *of(...kinds: readonly EventKind[]): Generator<Event> {
    const wanted = EVENT_KINDS.map((kind) => kinds.includes(kind));
    for (let index = 0; index < this.#length; index++) if (wanted[this.#rows[index * COLUMNS]]) yield this.at(index);
  }

  /** The log's bytes, for hashing: equal logs are equal runs. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#rows.buffer, 0, this.#length * COLUMNS * 8);
  }
}
