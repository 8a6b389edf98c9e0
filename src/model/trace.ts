// When each tile and each piece came through each place of a fused run: what the critical path is read from. One record for a run,
// times in picoseconds, −1 where one never came. Optional: it holds six numbers for each piece and device, and five for each tile.
import type { Plan } from '../plan/plan.ts';

export class Trace {
  /** By device and tile: its workgroup began, had multiplied its last slab, and was rid of its stores; the time of all its slabs, and the share of the CUs that its stage had tiles for. */
  readonly began: Float64Array;
  readonly ended: Float64Array;
  readonly released: Float64Array;
  readonly multiplied: Float64Array;
  readonly filled: Float64Array;
  /** By device and piece: its own store had landed, all updates had. */
  readonly stored: Float64Array;
  readonly completed: Float64Array;
  /** By the device that sends a piece: the DMA asked for it, all of it had entered the link's queue, left the link, and landed at the receiver. */
  readonly asked: Float64Array;
  readonly queued: Float64Array;
  readonly sent: Float64Array;
  readonly landed: Float64Array;
  /** By device and block. */
  readonly triggered: Float64Array;
  readonly #pieces: number;

  /** @param latencyPs of a link, and setUpPs of a block in the DMA engine, at least 1 each: the least that the heap counts */
  constructor(
    readonly plan: Plan,
    readonly latencyPs: number,
    readonly setUpPs: number,
  ) {
    const { devices, tiling } = plan;
    this.#pieces = tiling.parts * tiling.wavefronts;
    const column = (each: number): Float64Array => new Float64Array(devices * each).fill(-1);
    [this.began, this.ended, this.released, this.multiplied, this.filled] = [column(tiling.tiles), column(tiling.tiles), column(tiling.tiles), column(tiling.tiles), column(tiling.tiles)];
    [this.stored, this.completed, this.asked, this.queued, this.sent, this.landed] = [column(this.#pieces), column(this.#pieces), column(this.#pieces), column(this.#pieces), column(this.#pieces), column(this.#pieces)];
    this.triggered = column(tiling.blocks);
  }

  at(device: number, piece: number): number {
    return device * this.#pieces + piece;
  }

  tileAt(device: number, tile: number): number {
    return device * this.plan.tiling.tiles + tile;
  }

  /** @param slabsPs of each slab */
  begin(device: number, tile: number, time: number, slabsPs: Float64Array, filled: number): void {
    const at = this.tileAt(device, tile);
    this.began[at] = time;
    this.multiplied[at] = slabsPs.reduce((sum, ps) => sum + ps, 0);
    this.filled[at] = filled;
  }

  /** The first time counts. */
  first(column: Float64Array, device: number, piece: number, time: number): void {
    const at = this.at(device, piece);
    if (column[at] < 0) column[at] = time;
  }

  /** The last time counts: that of a piece's last granule. */
  last(column: Float64Array, device: number, piece: number, time: number): void {
    column[this.at(device, piece)] = time;
  }
}
