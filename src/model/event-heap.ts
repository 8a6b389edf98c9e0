// The model's one queue of events. They come out by time, at one time by kind, of one kind by device, and of one device in
// the order in which they went in. What one device does to another always takes at least a picosecond, so that order
// never depends on which device was looked at first: this is what makes a folded run equal to an unfolded one.

const CAPACITY = 1 << 12;
/** Events of one kind and device that a run may see. */
const SEQUENCE = 2 ** 32;

export class EventHeap {
  /** Of the event that `next` took out. */
  time = 0;
  kind = 0;
  device = 0;
  payload = 0;
  /** Events taken out so far. */
  taken = 0;
  /** Most events that waited at one time. */
  peak = 0;
  #times = new Float64Array(CAPACITY);
  #orders = new Float64Array(CAPACITY);
  #payloads = new Int32Array(CAPACITY);
  #length = 0;
  #sequence = 0;

  constructor(readonly devices: number) {}

  /** At `time` ≥ the present, picoseconds. */
  add(time: number, kind: number, device: number, payload = 0): void {
    if (this.#length === this.#times.length) this.#grow();
    const order = (kind * this.devices + device) * SEQUENCE + this.#sequence++;
    const times = this.#times;
    const orders = this.#orders;
    const payloads = this.#payloads;
    let at = this.#length++;
    if (this.#length > this.peak) this.peak = this.#length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (times[above] < time || (times[above] === time && orders[above] < order)) break;
      times[at] = times[above];
      orders[at] = orders[above];
      payloads[at] = payloads[above];
      at = above;
    }
    times[at] = time;
    orders[at] = order;
    payloads[at] = payload;
  }

  /** Takes the earliest event out, into the fields; false when there is none. */
  next(): boolean {
    if (this.#length === 0) return false;
    const times = this.#times;
    const orders = this.#orders;
    const payloads = this.#payloads;
    const subject = Math.floor(orders[0] / SEQUENCE);
    this.time = times[0];
    this.kind = Math.floor(subject / this.devices);
    this.device = subject - this.kind * this.devices;
    this.payload = payloads[0];
    this.taken++;
    const length = --this.#length;
    const time = times[length];
    const order = orders[length];
    // The hole goes down to a leaf, the last entry up from there: it mostly belongs near the end.
    let at = 0;
    for (let below = 1; below < length; below = 2 * at + 1) {
      const right = below + 1;
      if (right < length && (times[right] < times[below] || (times[right] === times[below] && orders[right] < orders[below]))) below = right;
      times[at] = times[below];
      orders[at] = orders[below];
      payloads[at] = payloads[below];
      at = below;
    }
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (times[above] < time || (times[above] === time && orders[above] < order)) break;
      times[at] = times[above];
      orders[at] = orders[above];
      payloads[at] = payloads[above];
      at = above;
    }
    times[at] = time;
    orders[at] = order;
    payloads[at] = payloads[length];
    return true;
  }

  #grow(): void {
    const size = 2 * this.#times.length;
    const grown = <T extends Float64Array | Int32Array>(of: T, into: T): T => (into.set(of), into);
    this.#times = grown(this.#times, new Float64Array(size));
    this.#orders = grown(this.#orders, new Float64Array(size));
    this.#payloads = grown(this.#payloads, new Int32Array(size));
  }
}
