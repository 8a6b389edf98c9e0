// A contest in rounds: each entrant gives one sample a round, in random order but for the first round, which goes by the given
// order, sorts out what cannot run or is hopeless, and is not compared. Nothing here knows what is timed. Entrants
// leave for what they throw, for being hopeless, or because time is up; nobody is dropped without saying why.
import { TilewireError } from '../errors.ts';
import { mix } from '../spec/operands.ts';
import { roughShares } from './statistics.ts';
import type { Fate } from './tiles-report.ts';

export type Sample = { readonly ms: number } | { readonly unranked: string };

export interface Entrant {
  /** Prepares, proves that its results are right, and times it once; whatever TilewireError it throws is why it failed. */
  first(): Promise<Sample>;
  again(): Promise<number>;
  /** Proves (once more) that its results are right. */
  confirm(): Promise<void>;
  /** What that will take, ms. */
  readonly confirmMs: number;
}

export interface Trial {
  /** By round, ms; null where it took no part. */
  readonly samples: readonly (number | null)[];
  readonly fate: Fate;
}

export interface ContestOptions {
  /** Beside the first one. */
  readonly rounds: number;
  /** Budget; half of it is the first round's, and up to a quarter more is spent to confirm the last ones. */
  readonly seconds: number;
  readonly seed: number;
  /** Milliseconds. */
  readonly now: () => number;
  /** Samples taken, and how many there may be: those who leave early, and time, make it fewer. */
  readonly progress: (step: string, done: number, total: number) => void;
}

export interface ContestResult {
  readonly trials: readonly Trial[];
  /** Rounds that were begun, the first one included. */
  readonly rounds: number;
  /** Whether time was up before the last round was over. */
  readonly cut: boolean;
}

/**
 * Share of the best rate below which an entrant is given up, by the compared rounds that are over (the last one for all later
 * ones). The first three go by least times, which are minutes apart at first; the others by paired rounds as well, whichever is
 * kinder.
 */
export const STOP_BELOW = [0.12, 0.25, 0.4, 0.55, 0.65, 0.75, 0.8, 0.85] as const;
const PAIRED_FROM = 3;

const MOST_CONFIRMING = 1 / 4;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** What is no entrant's own fault ends the contest. */
const FATAL: readonly string[] = ['DEVICE_LOST', 'BUG'];

export async function compete(entrants: readonly Entrant[], { rounds, seconds, seed, now, progress }: ContestOptions): Promise<ContestResult> {
  const start = now();
  const spent = (): number => (now() - start) / 1000;
  let drawn = 0;
  const random = (below: number): number => mix((seed + drawn++) | 0) % below;
  const samples: number[][] = entrants.map(() => []);
  const fates = new Map<number, Fate>();
  const running = (): number[] => entrants.map((_, id) => id).filter((id) => !fates.has(id));
  const least = (id: number): number => samples[id].reduce((min, ms) => Math.min(min, ms), Infinity);

  let taken = 0;
  /** @param left samples of this round that are still to be taken */
  const told = (round: number, left: number): void => progress(`round ${round} of ${rounds + 1}`, taken, taken + left + running().length * (rounds + 1 - round));

  async function attempt(id: number, work: () => Promise<void>): Promise<void> {
    taken++;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof TilewireError) || FATAL.includes(error.code)) throw error;
      fates.set(id, { kind: 'failed', reason: reasonOf(error) });
    }
  }

  /** The hopeless ones leave. @param over rounds, the first one included */
  function stop(over: number): void {
    const ids = running();
    const compared = over - 1;
    if (ids.length === 0) return;
    const best = Math.min(...ids.map(least));
    const byLeast = ids.map((id) => best / least(id));
    const paired = compared < PAIRED_FROM ? null : roughShares(ids.map((id) => samples[id].slice(1)));
    const shares = byLeast.map((share, at) => Math.max(share, paired?.[at] ?? 0));
    const below = STOP_BELOW[Math.min(compared, STOP_BELOW.length - 1)];
    for (const [at, id] of ids.entries()) if (shares[at] < below) fates.set(id, { kind: 'stopped', rounds: over, share: shares[at] });
  }

  for (const [id, entrant] of entrants.entries()) {
    told(1, entrants.length - id);
    if (id > 0 && spent() > seconds / 2) fates.set(id, { kind: 'skipped', reason: `the first round may take half of the ${seconds} s` });
    else
      await attempt(id, async () => {
        const sample = await entrant.first();
        if ('ms' in sample) samples[id].push(sample.ms);
        else fates.set(id, { kind: 'unranked', reason: sample.unranked });
      });
  }
  stop(1);
  let begun = 1;
  let cut = false;
  for (let round = 1; round <= rounds && running().length > 0 && !cut; round++) {
    const order = shuffled(running(), random);
    begun++;
    for (const [at, id] of order.entries()) {
      cut = spent() + Math.min(seconds * MOST_CONFIRMING, sum(running().map((one) => entrants[one].confirmMs)) / 1000) > seconds;
      if (cut) break;
      told(round + 1, order.length - at);
      await attempt(id, async () => {
        samples[id][round] = await entrants[id].again();
      });
    }
    if (!cut) stop(round + 1);
  }
  // The better ones first, in case that time does not suffice for all.
  const last = running().toSorted((one, other) => least(one) - least(other));
  for (const [at, id] of last.entries()) {
    progress('the outputs once more', taken, taken + last.length - at);
    if (at > 0 && spent() > seconds * (1 + MOST_CONFIRMING)) fates.set(id, { kind: 'unranked', reason: `no time was left to prove its results: more than ${seconds} s are needed` });
    else await attempt(id, () => entrants[id].confirm());
  }
  const trials = samples.map((of, id): Trial => ({ samples: Array.from({ length: begun }, (_, round) => of[round] ?? null), fate: fates.get(id) ?? { kind: 'ranked' } }));
  return { trials, rounds: begun, cut };
}

function shuffled(ids: readonly number[], random: (below: number) => number): number[] {
  const order = [...ids];
  for (let last = order.length - 1; last > 0; last--) {
    const at = random(last + 1);
    [order[last], order[at]] = [order[at], order[last]];
  }
  return order;
}

function reasonOf({ what, fields: { path, actual, limit, lines = [] } }: TilewireError): string {
  const facts = [path, actual === undefined ? undefined : `found ${typeof actual === 'string' ? actual : JSON.stringify(actual)}`, limit === undefined ? undefined : `limit ${String(limit)}`].filter((fact) => fact !== undefined);
  return [`${what}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`, ...lines.slice(0, 2)].join('; ').replace(/\s+/g, ' ');
}
