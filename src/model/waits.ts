// How long requests waited, as counts by logarithmic classes (an eighth of a doubling each, so a quantile is off by at most
// 9 %), because a run has millions of them.

const PER_DOUBLING = 8;
/** Up to 2^48 ps, five minutes. */
const CLASSES = 48 * PER_DOUBLING + 1;

export class Waits {
  count = 0;
  totalPs = 0;
  mostPs = 0;
  readonly #classes = new Float64Array(CLASSES);

  add(ps: number): void {
    this.count++;
    this.totalPs += ps;
    if (ps > this.mostPs) this.mostPs = ps;
    this.#classes[ps < 1 ? 0 : Math.min(CLASSES - 1, 1 + Math.floor(Math.log2(ps) * PER_DOUBLING))]++;
  }

  /** Upper end of the class in which the quantile lies, picoseconds; 0 of nothing. */
  quantile(share: number): number {
    let left = share * this.count;
    for (let at = 0; at < CLASSES; at++) {
      left -= this.#classes[at];
      if (left <= 0 && this.#classes[at] > 0) return at === 0 ? 0 : Math.min(this.mostPs, Math.round(2 ** (at / PER_DOUBLING)));
    }
    return this.mostPs;
  }
}
