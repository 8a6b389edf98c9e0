// Tracker: one device's track-and-trigger hardware (T3, section "tracker and triggers"). A pure state machine:
// updates in, triggers out; it knows neither WebGPU nor a clock, and is the same code in both engines.
// Entries live in sets of a few ways: the set is the low bits of the tile's id, the tag its high bits, the
// wavefront and the chunk. The first update of a piece allocates its entry, whichever source it comes from;
// when the elements that landed reach the threshold the piece is complete, the entry is free again, and a block whose
// pieces are all complete has its DMA marked ready.
import { piecesOfBlock, routeOf, thresholdOf, type Plan } from '../plan/plan.ts';
import type { OverflowPolicy } from '../spec/spec.ts';

export interface TrackerGeometry {
  readonly sets: number;
  readonly ways: number;
  /**
   * What happens to the first update of a piece when its set is full (the paper does not say): `spill` keeps the entry
   * in memory outside the sets; `stall` holds the update back until a way is free. An entry of a later step gives its
   * way up to an update of an earlier one and is held back itself: else tiles that straddle chunks, whose later
   * parts land early, could hold every way and wait for each other around the ring.
   */
  readonly overflow: OverflowPolicy;
}

/** What an update led to. Arrays are in order of occurrence and owned by the caller. */
export interface TrackerOutput {
  readonly completed: number[];
  /** Blocks whose pieces are all complete and that have a DMA command. */
  readonly ready: number[];
}

export interface TrackerCounts {
  pieces: number;
  /** Updates that landed on tracked pieces, a piece's wavefront counted once per update. */
  updates: number;
  triggers: number;
  peakEntries: number;
  /** Pieces whose first update found its set full. */
  overflows: number;
}

export class Tracker {
  readonly counts: TrackerCounts = { pieces: 0, updates: 0, triggers: 0, peakEntries: 0, overflows: 0 };
  /** Elements that landed on each piece so far, over all its entries. */
  readonly landed: Int32Array;
  /** Times that each piece reached its threshold. */
  readonly fired: Uint8Array;
  readonly #threshold: Int32Array;
  readonly #pendingOfBlock: Int32Array;
  readonly #sets: Map<number, number>[];
  readonly #spilled = new Map<number, number>();
  readonly #stalled: { piece: number; elements: number }[][];
  /** Step in which this device computes each chunk. */
  readonly #stepOfChunk: Int32Array;
  #entries = 0;

  /** @param adjust a deliberate error of thresholds (elements to add, by piece), to see it caught */
  constructor(
    readonly plan: Plan,
    readonly device: number,
    readonly geometry: TrackerGeometry,
    adjust: ReadonlyMap<number, number> = new Map(),
  ) {
    const { tiling } = plan;
    const pieces = tiling.parts * tiling.wavefronts;
    this.landed = new Int32Array(pieces);
    this.fired = new Uint8Array(pieces);
    this.#threshold = Int32Array.from({ length: pieces }, (_, piece) => thresholdOf(plan, device, piece) + (adjust.get(piece) ?? 0));
    this.#pendingOfBlock = Int32Array.from({ length: tiling.blocks }, (_, block) => {
      const pending = [...piecesOfBlock(plan, block)].filter((piece) => thresholdOf(plan, device, piece) > 0).length;
      this.counts.pieces += pending;
      return pending;
    });
    this.#sets = Array.from({ length: geometry.sets }, () => new Map());
    this.#stalled = Array.from({ length: geometry.sets }, () => []);
    this.#stepOfChunk = new Int32Array(tiling.chunks.length);
    plan.mapping.order[device].forEach((chunk, step) => (this.#stepOfChunk[chunk] = step));
  }

  /** `elements` of a piece landed, from any source. */
  update(piece: number, elements: number, output: TrackerOutput): void {
    this.counts.updates++;
    this.landed[piece] += elements;
    this.#take(piece, elements, output);
  }

  /** Pieces with an entry, spilled or not, or an update held back: what still waits for something. */
  open(): number[] {
    const held = this.#stalled.flatMap((queue) => queue.map(({ piece }) => piece));
    return [...new Set([...this.#sets.flatMap((set) => [...set.keys()]), ...this.#spilled.keys(), ...held])].toSorted((a, b) => a - b);
  }

  /** Threshold in elements that this tracker was configured with. */
  thresholdOf(piece: number): number {
    return this.#threshold[piece];
  }

  #setOf(piece: number): number {
    const { tiling } = this.plan;
    return tiling.partTile[Math.floor(piece / tiling.wavefronts)] % this.geometry.sets;
  }

  #take(piece: number, elements: number, output: TrackerOutput): void {
    const index = this.#setOf(piece);
    const set = this.#sets[index];
    const home = set.has(piece) ? set : this.#spilled.has(piece) ? this.#spilled : undefined;
    if (home === undefined && set.size >= this.geometry.ways) {
      if (this.landed[piece] === elements) this.counts.overflows++;
      if (this.geometry.overflow === 'stall' && !this.#makeRoom(index, piece)) {
        this.#stalled[index].push({ piece, elements });
        return;
      }
    }
    this.#count(home ?? (set.size < this.geometry.ways ? set : this.#spilled), piece, elements, output);
    this.#release(index, output);
  }

  #stepOf(piece: number): number {
    const { tiling } = this.plan;
    return this.#stepOfChunk[tiling.partChunk[Math.floor(piece / tiling.wavefronts)]];
  }

  /** Holds back the entry of the latest step, if it is later than the piece's. */
  #makeRoom(index: number, piece: number): boolean {
    const set = this.#sets[index];
    const latest = [...set.keys()].reduce((late, other) => (this.#stepOf(other) > this.#stepOf(late) ? other : late));
    if (this.#stepOf(latest) <= this.#stepOf(piece)) return false;
    this.#stalled[index].push({ piece: latest, elements: set.get(latest)! });
    set.delete(latest);
    this.#entries--;
    return true;
  }

  /** Lets held-back updates in: those whose entry exists, then, while there is room, those of the earliest step, oldest first. */
  #release(index: number, output: TrackerOutput): void {
    const queue = this.#stalled[index];
    const set = this.#sets[index];
    while (queue.length > 0) {
      let at = queue.findIndex(({ piece }) => set.has(piece));
      if (at < 0 && set.size < this.geometry.ways) at = queue.reduce((first, { piece }, other) => (this.#stepOf(piece) < this.#stepOf(queue[first].piece) ? other : first), 0);
      if (at < 0) return;
      const [{ piece, elements }] = queue.splice(at, 1);
      this.#count(set, piece, elements, output);
    }
  }

  #count(home: Map<number, number>, piece: number, elements: number, output: TrackerOutput): void {
    const before = home.get(piece);
    if (before === undefined) this.counts.peakEntries = Math.max(this.counts.peakEntries, ++this.#entries);
    const count = (before ?? 0) + elements;
    if (count < this.#threshold[piece] || this.#threshold[piece] === 0) {
      home.set(piece, count);
      return;
    }
    home.delete(piece);
    this.#entries--;
    this.fired[piece]++;
    output.completed.push(piece);
    const { tiling } = this.plan;
    const part = Math.floor(piece / tiling.wavefronts);
    const block = tiling.partBlock[part];
    // A piece that fires again is an error (checkTracker), but not one that may fire its block early.
    if (this.fired[piece] > 1 || --this.#pendingOfBlock[block] > 0) return;
    if (routeOf(this.plan, this.device, tiling.partChunk[part]).whenComplete.kind === 'dma') {
      this.counts.triggers++;
      output.ready.push(block);
    }
  }
}

/** Every entry ended at its threshold and fired once: problems, one line each. */
export function checkTracker(tracker: Tracker): string[] {
  const { plan, device } = tracker;
  const problems: string[] = [];
  for (let piece = 0; piece < tracker.fired.length; piece++) {
    const threshold = thresholdOf(plan, device, piece);
    if (tracker.thresholdOf(piece) !== threshold) problems.push(`device ${device}: ${pieceName(plan, piece)} is tracked with threshold ${tracker.thresholdOf(piece)}, the Plan says ${threshold}`);
    if (tracker.landed[piece] !== threshold) problems.push(`device ${device}: ${pieceName(plan, piece)} ended with ${tracker.landed[piece]} of ${threshold} elements`);
    else if (threshold > 0 && tracker.fired[piece] !== 1) problems.push(`device ${device}: ${pieceName(plan, piece)} fired ${tracker.fired[piece]} times`);
  }
  const open = tracker.open();
  if (open.length > 0) problems.push(`device ${device}: ${open.length} entries never ended, first ${pieceName(plan, open[0])}`);
  return problems;
}

/** `chunk 3 tile 17 wavefront 0`: how every message names a piece. */
export function pieceName({ tiling }: Plan, piece: number): string {
  const part = Math.floor(piece / tiling.wavefronts);
  return `chunk ${tiling.partChunk[part]} tile ${tiling.partTile[part]} wavefront ${piece % tiling.wavefronts}`;
}
