// Requests in the order in which they came, in columns: what (kind and subject in one number), its bytes, whose it is, when it came.
// Grows as it must; whoever bounds it asks for `bytes` first.

/** Kinds of request, as the low bits of `what`; the subject is above them. */
export const KIND_BITS = 3;
export const KIND_MASK = (1 << KIND_BITS) - 1;

export class Fifo {
  length = 0;
  /** Of all that is in it. */
  bytes = 0;
  #what = new Int32Array(64);
  #size = new Int32Array(64);
  #from = new Int32Array(64);
  #since = new Float64Array(64);
  #head = 0;

  push(what: number, bytes: number, from: number, now: number): void {
    if (this.length === this.#what.length) this.#grow();
    const at = (this.#head + this.length++) & (this.#what.length - 1);
    this.#what[at] = what;
    this.#size[at] = bytes;
    this.#from[at] = from;
    this.#since[at] = now;
    this.bytes += bytes;
  }

  get what(): number {
    return this.#what[this.#head];
  }
  get size(): number {
    return this.#size[this.#head];
  }
  get from(): number {
    return this.#from[this.#head];
  }
  get since(): number {
    return this.#since[this.#head];
  }

  /** Drops the first one, whose fields were read before. */
  shift(): void {
    this.bytes -= this.#size[this.#head];
    this.#head = (this.#head + 1) & (this.#what.length - 1);
    this.length--;
  }

  #grow(): void {
    const size = this.#what.length;
    const turned = <T extends Float64Array | Int32Array>(of: T, into: T): T => {
      into.set(of.subarray(this.#head));
      into.set(of.subarray(0, this.#head), size - this.#head);
      return into;
    };
    this.#what = turned(this.#what, new Int32Array(2 * size));
    this.#size = turned(this.#size, new Int32Array(2 * size));
    this.#from = turned(this.#from, new Int32Array(2 * size));
    this.#since = turned(this.#since, new Float64Array(2 * size));
    this.#head = 0;
  }
}
