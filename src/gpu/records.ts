// Host records for shaders, written by the layout that reflection finds in the kernel's own text.
import type { StructLayout } from './reflect.ts';

/** Collects records of several layouts into one buffer's words, each list aligned for its own binding. */
export class RecordBuffer {
  words = new Uint32Array(1024);
  #length = 0;

  constructor(readonly alignmentBytes: number) {}

  get bytes(): number {
    return this.#length * 4;
  }

  reset(): void {
    this.#length = 0;
  }

  /** Starts a list: returns its offset in bytes. */
  align(): number {
    const step = this.alignmentBytes / 4;
    this.#length = Math.ceil(this.#length / step) * step;
    return this.bytes;
  }

  /** Appends one record; every field is a u32. */
  add({ size, fields }: StructLayout, values: Readonly<Record<string, number>>): void {
    const at = this.#length;
    this.#length += size / 4;
    while (this.#length > this.words.length) {
      const grown = new Uint32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    }
    for (const name in values) this.words[at + fields[name].offset / 4] = values[name];
  }
}
