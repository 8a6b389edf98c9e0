// When each piece came through each place of a fused run: what the critical path is read from. One record for a run, times in
// picoseconds, −1 where a piece never came. Optional: it holds ten numbers for each piece and device.
import type { Plan } from '../plan/plan.ts';

export class Trace {
  /** By device and piece: its workgroup (of the last split) had computed it, its own store had landed, all updates had. */
  readonly computed: Float64Array;
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

  /** @param latencyPs of a link, at least 1 */
  constructor(
    readonly plan: Plan,
    readonly latencyPs: number,
  ) {
    const { devices, tiling } = plan;
    this.#pieces = tiling.parts * tiling.wavefronts;
    const column = (): Float64Array => new Float64Array(devices * this.#pieces).fill(-1);
    [this.computed, this.stored, this.completed, this.asked, this.queued, this.sent, this.landed] = [column(), column(), column(), column(), column(), column(), column()];
    this.triggered = new Float64Array(devices * tiling.blocks).fill(-1);
  }

  at(device: number, piece: number): number {
    return device * this.#pieces + piece;
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
