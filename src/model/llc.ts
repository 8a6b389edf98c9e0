// The last-level cache over blocks of its own choice of size: operand slabs, and, unless they bypass it, output pieces, which
// are allocated dirty. Least recently used goes first. A block that is being read is known by everybody, so it is
// read once (misses in flight are merged); it takes its place when it is there.

const ABSENT = 0;
const IN_FLIGHT = 1;
const PRESENT = 2;
const DIRTY = 3;
const NONE = -1;

export class Llc {
  /** Accesses of operands that found their block, that found it on its way, that did not find it. */
  hits = 0;
  merged = 0;
  misses = 0;
  bytes = 0;
  readonly #state: Uint8Array;
  readonly #size: Int32Array;
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;

  /** @param blocks ids are 0..blocks − 1 @param writeBack hears of a dirty block that has to go, with its bytes */
  constructor(
    readonly capacity: number,
    blocks: number,
    readonly writeBack: (block: number, bytes: number) => void,
  ) {
    this.#state = new Uint8Array(blocks);
    this.#size = new Int32Array(blocks);
    this.#older = new Int32Array(blocks).fill(NONE);
    this.#newer = new Int32Array(blocks).fill(NONE);
  }

  /** Whoever misses must read the block and say so by `filled`. @returns 0 hit, 1 in flight, 2 miss */
  read(block: number): 0 | 1 | 2 {
    const state = this.#state[block];
    if (state >= PRESENT) {
      this.hits++;
      if (this.#newest !== block) {
        this.#unlink(block);
        this.#link(block);
      }
      return 0;
    }
    if (state === IN_FLIGHT) {
      this.merged++;
      return 1;
    }
    this.misses++;
    this.#state[block] = IN_FLIGHT;
    return 2;
  }

  filled(block: number, bytes: number): void {
    this.#place(block, bytes, PRESENT);
  }

  /** A whole block is written: nothing needs to be read for it. @returns whether it was here before */
  write(block: number, bytes: number): boolean {
    const isPresent = this.#state[block] >= PRESENT;
    if (isPresent) this.#drop(block);
    this.#place(block, bytes, DIRTY);
    return isPresent;
  }

  /** All dirty blocks go to memory, oldest first; they stay, clean. */
  flush(): void {
    for (let block = this.#oldest; block !== NONE; block = this.#newer[block]) {
      if (this.#state[block] !== DIRTY) continue;
      this.#state[block] = PRESENT;
      this.writeBack(block, this.#size[block]);
    }
  }

  #place(block: number, bytes: number, state: number): void {
    this.#state[block] = state;
    this.#size[block] = bytes;
    this.#link(block);
    this.bytes += bytes;
    while (this.bytes > this.capacity) {
      const oldest = this.#oldest;
      const isDirty = this.#state[oldest] === DIRTY;
      this.#drop(oldest);
      if (isDirty) this.writeBack(oldest, this.#size[oldest]);
    }
  }

  #drop(block: number): void {
    this.#unlink(block);
    this.#state[block] = ABSENT;
    this.bytes -= this.#size[block];
  }

  #link(block: number): void {
    this.#older[block] = this.#newest;
    this.#newer[block] = NONE;
    if (this.#newest === NONE) this.#oldest = block;
    else this.#newer[this.#newest] = block;
    this.#newest = block;
  }

  #unlink(block: number): void {
    const older = this.#older[block];
    const newer = this.#newer[block];
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }
}
