// A rate in whole picoseconds: what is done since the beginning always takes ⌊work · 10¹² / rate⌋, so that a million small
// pieces take as long as one large one. Rates are whole millions a second (MB/s, MFLOP/s), which keeps all of it exact.
import { bug } from '../errors.ts';

const MILLION = 1e6;

export class Rate {
  readonly #perSecond: number;
  #remainder = 0;

  /** @param perSecond bytes or operations a second; rounded to a whole million */
  constructor(perSecond: number) {
    this.#perSecond = Math.round(perSecond / MILLION);
    if (!(this.#perSecond >= 1)) throw bug('a rate below a million a second', { actual: perSecond });
  }

  /** Picoseconds that `work` takes after all that was taken before. */
  take(work: number): number {
    const due = work * MILLION + this.#remainder;
    const ps = Math.floor(due / this.#perSecond);
    this.#remainder = due - ps * this.#perSecond;
    return ps;
  }
}

/** Picoseconds of `work` by itself, rounded down. */
export const durationOf = (work: number, perSecond: number): number => new Rate(perSecond).take(work);
