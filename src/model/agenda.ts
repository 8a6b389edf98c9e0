// What is due when: ids come out by time, and of one time by id, in whatever order they went in. A binary heap: the
// schedule of a large run has some hundred thousand entries.

export class Agenda {
  /** Entry i is no later than entries 2i + 1 and 2i + 2. */
  readonly #times: number[] = [];
  readonly #ids: number[] = [];

  get length(): number {
    return this.#ids.length;
  }

  add(time: number, id: number): void {
    let at = this.#ids.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!earlier(time, id, this.#times[above], this.#ids[above])) break;
      this.#put(at, this.#times[above], this.#ids[above]);
      at = above;
    }
    this.#put(at, time, id);
  }

  /** Takes the earliest entry out. */
  next(): { readonly time: number; readonly id: number } | undefined {
    if (this.#ids.length === 0) return undefined;
    const first = { time: this.#times[0], id: this.#ids[0] };
    const time = this.#times.pop()!;
    const id = this.#ids.pop()!;
    const length = this.#ids.length;
    if (length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      if (below + 1 < length && earlier(this.#times[below + 1], this.#ids[below + 1], this.#times[below], this.#ids[below])) below++;
      if (!earlier(this.#times[below], this.#ids[below], time, id)) break;
      this.#put(at, this.#times[below], this.#ids[below]);
      at = below;
    }
    this.#put(at, time, id);
    return first;
  }

  #put(at: number, time: number, id: number): void {
    this.#times[at] = time;
    this.#ids[at] = id;
  }
}

const earlier = (time: number, id: number, otherTime: number, otherId: number): boolean => time < otherTime || (time === otherTime && id < otherId);
