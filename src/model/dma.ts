// The DMA engine of a device: blocks in the order in which they were triggered, one at a time: a set-up, then its pieces' granules are
// read, as far as the window of what is read and not yet on the link, and the queue of its reads, let it.
import { piecesOfBlock, type Plan } from '../plan/plan.ts';
import type { EventHeap } from './event-heap.ts';
import { KIND_BITS } from './fifo.ts';
import { DMA_READ, DMA_READS, type Memory } from './memory.ts';
import type { DmaSettings } from './settings.ts';

const NONE = -1;

export class Dma {
  blocks = 0;
  /** Read, or asked for, and not yet on the link. */
  outstanding = 0;
  readonly #ready: number[] = [];
  #head = 0;
  #isSettingUp = false;
  #pieces: number[] = [];
  #at = NONE;
  #offset = 0;

  /** @param begins hears of each block whose reads begin @param asks hears of each piece that is asked for */
  constructor(
    readonly device: number,
    readonly settings: DmaSettings & { readonly granuleBytes: number; readonly elementBytes: number },
    readonly plan: Plan,
    readonly memory: Memory,
    readonly heap: EventHeap,
    readonly setUpKind: number,
    readonly begins: (block: number) => void,
    readonly asks: ((piece: number) => void) | null = null,
  ) {}

  trigger(block: number): void {
    this.#ready.push(block);
    this.#setUp();
  }

  /** Its set-up is done. */
  isSetUp(): void {
    const block = this.#ready[this.#head++];
    this.#isSettingUp = false;
    this.blocks++;
    this.begins(block);
    this.#pieces = [...piecesOfBlock(this.plan, block)];
    this.#at = 0;
    this.#offset = 0;
    this.resume();
  }

  /** Bytes that it read are on the link. */
  sent(bytes: number): void {
    this.outstanding -= bytes;
    this.resume();
  }

  /** Asks for as much as it may. */
  resume(): void {
    const { granuleBytes, elementBytes, dmaWindowBytes, dmaReadBytes } = this.settings;
    const reads = this.memory.streams[DMA_READS];
    while (this.#at !== NONE && reads.bytes < dmaReadBytes && this.outstanding < dmaWindowBytes) {
      const piece = this.#pieces[this.#at];
      if (this.#offset === 0) this.asks?.(piece);
      const whole = this.plan.tiling.pieceElements[piece] * elementBytes;
      const bytes = Math.min(granuleBytes, whole - this.#offset);
      this.memory.push(DMA_READS, DMA_READ | (piece << KIND_BITS), bytes, this.device, this.heap.time);
      this.outstanding += bytes;
      this.#offset += bytes;
      if (this.#offset < whole) continue;
      this.#offset = 0;
      if (++this.#at === this.#pieces.length) {
        this.#at = NONE;
        this.#setUp();
      }
    }
  }

  #setUp(): void {
    if (this.#isSettingUp || this.#at !== NONE || this.#head === this.#ready.length) return;
    this.#isSettingUp = true;
    // At least a picosecond: what is read was complete before.
    this.heap.add(this.heap.time + Math.max(1, this.settings.dmaSetupPs), this.setUpKind, this.device);
  }
}
