// A footprint as it crosses from the page to the host, and as --json writes it: owners in runs along the rows, one
// after another over the whole output, instead of a number for each element.
import { bug } from '../errors.ts';
import type { Footprint } from './footprint.ts';

export interface FootprintRuns extends Omit<Footprint, 'owner' | 'twins'> {
  readonly twins: readonly (readonly number[])[];
  /** Owner and length of each run, alternating: `[owner, length, owner, length, …]`; lengths sum to m · n. */
  readonly runs: readonly number[];
}

export function toOwnerRuns({ owner, twins, ...facts }: Footprint): FootprintRuns {
  const runs: number[] = [];
  for (let from = 0; from < owner.length; ) {
    let to = from + 1;
    while (to < owner.length && owner[to] === owner[from]) to++;
    runs.push(owner[from], to - from);
    from = to;
  }
  return { ...facts, twins: twins.map((of) => [...of]), runs };
}

/** @throws BUG when the runs do not cover the output exactly */
export function fromOwnerRuns({ runs, twins, ...facts }: FootprintRuns): Footprint {
  const owner = new Uint32Array(facts.m * facts.n);
  let at = 0;
  for (let run = 0; run < runs.length; run += 2) {
    owner.fill(runs[run], at, at + runs[run + 1]);
    at += runs[run + 1];
  }
  if (at !== owner.length) throw bug('the runs of a footprint do not cover its output', { actual: at, limit: owner.length });
  return { ...facts, twins: twins.map((of) => Uint32Array.from(of)), owner };
}
