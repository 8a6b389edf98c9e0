// A device's CUs: a workgroup repeats {load a slab of A and one of B, compute}; while it computes, the next slabs load. Workgroups
// of a stage start together and end with the stores of their tile, of which split-K has a workgroup for each split. Where the operands come from is the LLC's business,
// where stores go the device's.
import { stageFactor } from '../spec/skew.ts';
import type { EventHeap } from './event-heap.ts';
import type { Llc } from './llc.ts';
import type { ComputeSettings } from './settings.ts';

/** What the CUs of one device have to do. */
export interface Work {
  /** Workgroups in the order in which they start. */
  readonly order: Int32Array;
  /** Places in the order at which a new stage must begin: 0 and the begin of each kernel, or of each step where stages do not straddle. */
  readonly cuts: Int32Array;
  /** Tile of each workgroup, and the split of K that it multiplies: without split-K its own id and 0. */
  readonly tileOf: Int32Array;
  readonly splitOf: Uint8Array;
  /** LLC blocks of a workgroup: slab s of A is `aBlock[workgroup] + s`, of B `bBlock[workgroup] + s`. */
  readonly aBlock: Int32Array;
  readonly bBlock: Int32Array;
  /** k of each slab, by split; the last one of a split may be shorter, and a split may have none. */
  readonly slabs: readonly (readonly number[])[];
  readonly tile: { readonly m: number; readonly n: number };
  readonly skew: number;
  readonly seed: number;
  /** Whose skew it has. */
  readonly rank: number;
  /** From one kernel to the next, at each cut but the first. */
  readonly launchPs: number;
}

/** What the CUs ask of their device. */
export interface ComputeHost {
  /** A workgroup takes a tile: how long each of its slabs takes to multiply, and the share of the CUs that its stage has tiles for. */
  began(tile: number, slabsPs: Float64Array, filled: number): void;
  /** Reads an operand block that the LLC does not have. */
  fetch(block: number): void;
  /** Stores a tile's output. @returns false when it has to wait; the device calls `stored` when it no longer has */
  store(tile: number, slot: number): boolean;
  /** The first stage has ended. */
  firstStage(): void;
  /** All stages have ended. */
  ended(): void;
}

/** Summed over workgroups, picoseconds. */
export interface Stalls {
  /** A slab was not there yet. */
  data: number;
  /** The stores to a peer had to wait for the link. */
  link: number;
  /** Done, while others of the stage were not. */
  barrier: number;
}

const NONE = -1;

export class Compute {
  readonly stalls: Stalls = { data: 0, link: 0, barrier: 0 };
  /** Of all workgroups together. */
  busyPs = 0;
  stagesDone = 0;
  endedPs = 0;
  isDone = false;
  readonly #resident: number;
  readonly #workgroup: Int32Array;
  readonly #slab: Int32Array;
  readonly #slabs: Int32Array;
  readonly #issued: Int32Array;
  readonly #busy: Uint8Array;
  readonly #since: Float64Array;
  readonly #pending: Uint8Array;
  readonly #table: (Float64Array | undefined)[];
  /** Waiting for a block: node = (slot · window + slab mod window) · 2 + operand, in lists by block. */
  readonly #waiting: Int32Array;
  readonly #nextWaiting: Int32Array;
  readonly #window: number;
  #next = 0;
  #open = 0;
  #stage = NONE;
  #stageEnd = 0;
  #cut = 0;
  #firstEnded = false;
  /** Workgroups that found no further tile in their stage, and the negative sum of when. */
  #drained = 0;
  #waited = 0;

  constructor(
    readonly device: number,
    readonly settings: ComputeSettings,
    readonly work: Work,
    readonly llc: Llc,
    readonly heap: EventHeap,
    readonly computedKind: number,
    readonly stageKind: number,
    readonly host: ComputeHost,
    blocks: number,
  ) {
    const resident = settings.cus * settings.workgroupsPerCu;
    this.#resident = resident;
    this.#window = settings.prefetch + 1;
    this.#workgroup = new Int32Array(resident).fill(NONE);
    this.#slab = new Int32Array(resident);
    this.#slabs = new Int32Array(resident);
    this.#issued = new Int32Array(resident);
    this.#busy = new Uint8Array(resident);
    this.#since = new Float64Array(resident);
    this.#pending = new Uint8Array(resident * this.#window);
    this.#table = Array.from({ length: resident });
    this.#waiting = new Int32Array(blocks).fill(NONE);
    this.#nextWaiting = new Int32Array(2 * resident * this.#window);
  }

  start(): void {
    this.#startStage();
  }

  /** A new stage was due after a launch. */
  launched(): void {
    this.#startTiles();
  }

  /** A slab is computed. */
  computed(slot: number): void {
    this.#busy[slot] = 0;
    this.#since[slot] = this.heap.time;
    if (++this.#slab[slot] < this.#slabs[slot]) {
      this.#issue(slot);
      this.#compute(slot);
    } else if (this.host.store(this.work.tileOf[this.#workgroup[slot]], slot)) this.#release(slot);
  }

  /** A tile whose stores had to wait is stored. */
  stored(slot: number): void {
    this.stalls.link += this.heap.time - this.#since[slot];
    this.#since[slot] = this.heap.time;
    this.#release(slot);
  }

  /** A block that was asked for is there. */
  filled(block: number): void {
    const window = this.#window;
    let node = this.#waiting[block];
    this.#waiting[block] = NONE;
    while (node !== NONE) {
      const next = this.#nextWaiting[node];
      const at = node >> 1;
      this.#pending[at]--;
      const slot = Math.floor(at / window);
      if (this.#pending[at] === 0 && at === slot * window + (this.#slab[slot] % window)) this.#compute(slot);
      node = next;
    }
  }

  #startStage(): void {
    const { work } = this;
    const from = this.#next;
    if (from >= work.order.length) {
      this.isDone = true;
      this.endedPs = this.heap.time;
      this.host.ended();
      return;
    }
    const isCut = work.cuts[this.#cut] === from;
    if (isCut) this.#cut++;
    const end = this.#cut < work.cuts.length ? work.cuts[this.#cut] : work.order.length;
    this.#stageEnd = Math.min(end, from + this.#resident);
    if (isCut && from > 0 && work.launchPs > 0) this.heap.add(this.heap.time + work.launchPs, this.stageKind, this.device);
    else this.#startTiles();
  }

  #startTiles(): void {
    const from = this.#next;
    const count = this.#stageEnd - from;
    // Without barriers the first ones start together, and every one that ends makes place for the next up to the cut.
    if (!this.settings.stageBarrier) this.#stageEnd = this.#cut < this.work.cuts.length ? this.work.cuts[this.#cut] : this.work.order.length;
    this.#stage++;
    this.#open = count;
    const perCu = Math.ceil(count / this.settings.cus);
    const tables = this.#tablesOf(this.#stage, perCu);
    const filled = this.settings.stageBarrier ? count / (perCu * this.settings.cus) : 1;
    for (let slot = 0; slot < count; slot++) this.#begin(slot, tables, filled);
  }

  #begin(slot: number, tables: readonly Float64Array[], filled = 1): void {
    const workgroup = this.work.order[this.#next++];
    const table = tables[this.work.splitOf[workgroup]];
    this.#workgroup[slot] = workgroup;
    this.host.began(this.work.tileOf[workgroup], table, filled);
    this.#slab[slot] = 0;
    this.#slabs[slot] = table.length;
    this.#issued[slot] = 0;
    this.#since[slot] = this.heap.time;
    this.#table[slot] = table;
    // A split of nothing stores its zeros at once.
    if (table.length === 0) return this.heap.add(this.heap.time, this.computedKind, this.device, slot);
    this.#issue(slot);
    this.#compute(slot);
  }

  /** The durations of a workgroup's slabs, by split: what is computed up to each takes ⌊FLOP / rate⌋, so that nothing is lost by rounding. */
  #tablesOf(stage: number, perCu: number): Float64Array[] {
    const { slabs, tile, skew, seed, rank } = this.work;
    const factor = (perCu * (skew === 0 ? 1 : stageFactor(skew, seed, rank, stage)) * 1e6) / Math.round(this.settings.cuFlops / 1e6);
    return slabs.map((depths) => {
      let k = 0;
      let before = 0;
      return Float64Array.from(depths, (depth) => {
        k += depth;
        const end = Math.floor(2 * tile.m * tile.n * k * factor);
        const ps = end - before;
        before = end;
        return ps;
      });
    });
  }

  #issue(slot: number): void {
    const { work, llc, settings } = this;
    const workgroup = this.#workgroup[slot];
    const last = Math.min(this.#slabs[slot] - 1, this.#slab[slot] + settings.prefetch);
    while (this.#issued[slot] <= last) {
      const slab = this.#issued[slot]++;
      const at = slot * this.#window + (slab % this.#window);
      this.#pending[at] = 2;
      this.#load(work.aBlock[workgroup] + slab, at, 0, llc);
      this.#load(work.bBlock[workgroup] + slab, at, 1, llc);
    }
  }

  #load(block: number, at: number, operand: number, llc: Llc): void {
    const found = llc.read(block);
    if (found === 0) {
      this.#pending[at]--;
      return;
    }
    const node = 2 * at + operand;
    this.#nextWaiting[node] = this.#waiting[block];
    this.#waiting[block] = node;
    if (found === 2) this.host.fetch(block);
  }

  #compute(slot: number): void {
    const slab = this.#slab[slot];
    if (this.#busy[slot] === 1 || this.#issued[slot] <= slab || this.#pending[slot * this.#window + (slab % this.#window)] > 0) return;
    this.#busy[slot] = 1;
    this.stalls.data += this.heap.time - this.#since[slot];
    const ps = this.#table[slot]![slab];
    this.busyPs += ps;
    this.heap.add(this.heap.time + ps, this.computedKind, this.device, slot);
  }

  #release(slot: number): void {
    const { time } = this.heap;
    this.#workgroup[slot] = NONE;
    if (!this.settings.stageBarrier) {
      if (!this.#firstEnded) this.#endFirst();
      if (this.#next < this.#stageEnd) {
        this.#begin(slot, this.#tablesOf(Math.floor(this.#next / this.#resident), this.settings.workgroupsPerCu));
        return;
      }
    }
    this.#waited -= time;
    this.#drained++;
    if (--this.#open > 0) return;
    this.stalls.barrier += this.#waited + this.#drained * time;
    this.#waited = 0;
    this.#drained = 0;
    this.stagesDone++;
    if (!this.#firstEnded) this.#endFirst();
    this.#startStage();
  }

  #endFirst(): void {
    this.#firstEnded = true;
    this.host.firstStage();
  }
}
