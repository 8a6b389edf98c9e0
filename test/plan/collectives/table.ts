// A mapping as a table that one can read and write by hand, and what its unfused rounds add up to.
import type { Mapping, Source } from '../../../src/plan/mapping.ts';

const sourceName = (source: Source): string => (source.kind === 'local' ? 'local' : `${source.kind} ${source.from}`);

/** For each device, its steps in order: chunk, where the stores go, what is expected, what happens then. */
export function tableOf({ order, routes }: Mapping): string[][] {
  return order.map((chunks, device) =>
    chunks.map((chunk) => {
      const { storeTo, expects, whenComplete } = routes[device][chunk];
      const stores = storeTo === device ? 'local' : `to ${storeTo}`;
      const then = whenComplete.kind === 'dma' ? `dma to ${whenComplete.to}` : whenComplete.kind;
      return `chunk ${chunk}: stores ${stores}; expects ${expects.map(sourceName).join(', ') || 'nothing'}; ${then}`;
    }),
  );
}

/** Plays the rounds; the copies of a round are all read before any of them is added. */
export function leavesEachOwnerWithAll({ routes, rounds }: Mapping): boolean {
  const held = routes.map((_, device) => routes.map(() => [device]));
  for (const round of rounds) {
    const read = round.map(({ from, chunk }) => [...held[from][chunk]]);
    round.forEach(({ to, chunk }, index) => held[to][chunk].push(...read[index]));
  }
  return held.every((chunks, owner) => chunks[owner].toSorted((one, other) => one - other).join() === [...routes.keys()].join());
}
