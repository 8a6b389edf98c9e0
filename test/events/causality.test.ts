// Logs of right runs are accepted whatever the order in which things happened; and whatever is then changed about
// one of their events is seen.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkCausality } from '../../src/events/causality.ts';
import { EVENT_KINDS, EventLog, type Event, type EventKind } from '../../src/events/log.ts';
import { piecesOfBlock, type Plan } from '../../src/plan/plan.ts';
import { planCases, planFor, type PlanCase } from '../support/plans.ts';
import { randomOf, type Random } from '../support/random.ts';
import { simulate } from '../support/simulate.ts';

const cases = planCases({ side: 8, devices: 5 });

function logOf(events: readonly Event[]): EventLog {
  const log = new EventLog();
  for (const { kind, time, device, subject, peer, value, via } of events) log.add(kind, time, device, subject, peer, value, via);
  return log;
}

test('accepts every run of a Plan that was simulated, both algorithms and policies', () => {
  fc.assert(
    fc.property(cases, fc.nat(), fc.constantFrom('spill' as const, 'stall' as const), (given, seed, overflow) => {
      const plan = planFor(given);
      const { log } = simulate(plan, { seed, geometry: { sets: 2, ways: 2, overflow } });
      expect(checkCausality(plan, log)).toEqual([]);
    }),
    { numRuns: 80 },
  );
});

test('accepts any beginning of it as a run that stopped half-way, but not as a whole one', () => {
  fc.assert(
    fc.property(cases, fc.nat(), fc.nat(), (given, seed, upTo) => {
      const plan = planFor(given);
      const events = [...simulate(plan, { seed }).log];
      const lastComplete = events.findLastIndex(({ kind }) => kind === 'complete');
      const part = logOf(events.slice(0, upTo % (lastComplete + 1)));
      expect(checkCausality(plan, part, { complete: false })).toEqual([]);
      expect(checkCausality(plan, part).length).toBeGreaterThan(0);
    }),
    { numRuns: 40 },
  );
});

describe('an event that did not happen', () => {
  test.each(EVENT_KINDS)('%s', (kind) => {
    flags(kind, (events, at) => events.toSpliced(at, 1));
  });
});

describe('an event that happened twice', () => {
  test.each(EVENT_KINDS)('%s', (kind) => {
    flags(kind, (events, at) => events.toSpliced(at, 0, events[at]));
  });
});

describe('an event on another device', () => {
  test.each(EVENT_KINDS)('%s', (kind) => {
    flags(kind, (events, at, { devices }) => (devices === 1 ? undefined : events.with(at, { ...events[at], device: (events[at].device + 1) % devices })));
  });
});

describe('an event with another peer', () => {
  test.each(['store', 'landed', 'send', 'apply'] as const)('%s', (kind) => {
    flags(kind, (events, at, { devices }) => (devices === 1 ? undefined : events.with(at, { ...events[at], peer: (events[at].peer + 1) % devices })));
  });
});

/** The next event that cannot be without this one. */
function effectOf(plan: Plan, events: readonly Event[], cause: number): number {
  const { kind, device, subject, peer } = events[cause];
  const { wavefronts, partBlock, pieceElements } = plan.tiling;
  const partOf = (piece: number): number => Math.floor(piece / wavefronts);
  if (kind === 'store') {
    // A split's store: the first landing for which those before it are not enough, unless the next split is stored before it: a
    // log does not tell splits apart.
    const stores = [...events.keys()].filter((at) => events[at].kind === 'store' && events[at].device === device && events[at].subject === subject && events[at].peer === peer);
    const earlier = stores.indexOf(cause);
    const landed = new Map<number, number>();
    const effect = events.findIndex((event) => {
      if (event.kind !== 'landed' || event.via === 'dma' || event.peer !== device || partOf(event.subject) !== subject || event.device !== peer) return false;
      landed.set(event.subject, (landed.get(event.subject) ?? 0) + event.value);
      return landed.get(event.subject)! > earlier * pieceElements[event.subject];
    });
    return stores[earlier + 1] < effect ? -1 : effect;
  }
  const follows: Record<Exclude<EventKind, 'store'>, (event: Event) => boolean> = {
    landed: (event) => event.kind === 'complete' && event.device === device && event.subject === subject,
    complete: (event) => event.kind === 'trigger' && event.device === device && event.subject === partBlock[partOf(subject)],
    trigger: (event) => event.kind === 'send' && event.device === device && event.subject === subject,
    send: (event) => event.kind === 'apply' && event.peer === device && partBlock[event.subject] === subject,
    apply: (event) => event.kind === 'landed' && event.via === 'dma' && event.device === device && partOf(event.subject) === subject,
  };
  return events.findIndex((event, at) => at > cause && follows[kind](event));
}

describe('cause and effect exchanged', () => {
  test.each(EVENT_KINDS)('%s and what follows from it, in the log', (kind) => {
    flags(kind, (events, at, plan) => {
      const effect = effectOf(plan, events, at);
      return effect < 0 ? undefined : events.with(at, events[effect]).with(effect, events[at]);
    });
  });

  test.each(EVENT_KINDS)('%s and what follows from it, in time alone', (kind) => {
    flags(kind, (events, at, plan) => {
      const effect = effectOf(plan, events, at);
      return effect < 0 || events[at].time === events[effect].time ? undefined : events.with(at, { ...events[at], time: events[effect].time }).with(effect, { ...events[effect], time: events[at].time });
    });
  });
});

describe('a rule broken at one place', () => {
  test('a block sent before its trigger', () => {
    flags('trigger', (events, at, plan) => {
      const send = effectOf(plan, events, at);
      return send < 0 ? undefined : moved(events, send, at);
    });
  });

  test('a trigger before the last piece of its block was complete', () => {
    flags('trigger', (events, at, plan) => {
      const { device, subject } = events[at];
      const pieces = new Set(piecesOfBlock(plan, subject));
      const last = events.findLastIndex((event, index) => index < at && event.kind === 'complete' && event.device === device && pieces.has(event.subject));
      return moved(events, at, last);
    });
  });

  test('a trigger dated before the last update of its block landed', () => {
    flags('trigger', (events, at) => events.with(at, { ...events[at], time: events[at].time - 1 }));
  });

  test('a read in the same moment as the last update', () => {
    flags('send', (events, at, plan) => {
      const { device, subject } = events[at];
      const pieces = new Set(piecesOfBlock(plan, subject));
      const last = events.findLast((event) => event.kind === 'landed' && event.device === device && pieces.has(event.subject))!;
      return events.with(at, { ...events[at], time: last.time });
    });
  });

  test('a piece that completes with an element too few', () => {
    flags('landed', (events, at) => events.with(at, { ...events[at], value: events[at].value - 1 }));
  });

  test('an update that lands on a piece after it was complete', () => {
    flags('complete', (events, at) => {
      const { device, subject } = events[at];
      const landed = events.findLastIndex((event, index) => index < at && event.kind === 'landed' && event.device === device && event.subject === subject);
      return moved(events, at, landed);
    });
  });

  test('an update too many, after the piece was complete', () => {
    flags('complete', (events, at) => {
      const { device, subject } = events[at];
      const landed = events.findLast((event, index) => index < at && event.kind === 'landed' && event.device === device && event.subject === subject)!;
      return events.toSpliced(at + 1, 0, landed);
    });
  });

  test('a trigger dated after the read', () => {
    flags('trigger', (events, at, plan) => {
      const send = effectOf(plan, events, at);
      return send < 0 ? undefined : events.with(at, { ...events[at], time: events[send].time + 1 });
    });
  });

  test('an update applied in the moment in which its block was read', () => {
    flags('send', (events, at, plan) => {
      const apply = effectOf(plan, events, at);
      return apply < 0 ? undefined : events.with(apply, { ...events[apply], time: events[at].time });
    });
  });

  test('an update said to be another device’s store', () => {
    flags('landed', (events, at) => (events[at].via === 'dma' ? events.with(at, { ...events[at], via: 'remote' }) : undefined));
  });
});

describe('an update with the other op', () => {
  test.each(['store', 'apply'] as const)('%s', (kind) => {
    flags(kind, (events, at) => events.with(at, { ...events[at], value: 1 - events[at].value }));
  });
});

describe('split-K', () => {
  const split = fc.tuple(cases, fc.integer({ min: 2, max: 4 })).map(([given, count]): PlanCase => ({ ...given, splits: { count, axis: 'z', seed: count } }));

  test('a part stored once more than there are splits, as an update that nobody counts', () => {
    flags('store', (events, at) => [...events, { ...events[at], time: events.at(-1)!.time, value: 1 }], split);
  });

  test('a part stored once more, counted as well, before it was complete', () => {
    flags('store', (events, at, { tiling: { wavefronts } }) => {
      const { device, subject, peer } = events[at];
      const landed = events.findIndex((event) => event.kind === 'landed' && event.via !== 'dma' && event.peer === device && Math.floor(event.subject / wavefronts) === subject && event.device === peer);
      return events.toSpliced(landed + 1, 0, { ...events[at], time: events[landed].time, value: 1 }, events[landed]);
    }, split);
  });

  test('a split whose updates land though nobody stored it', () => {
    // The last of a part in a memory: the op bits of the others stay right.
    flags('store', (events, at) => {
      const { device, subject, peer } = events[at];
      return events.toSpliced(events.findLastIndex((event) => event.kind === 'store' && event.device === device && event.subject === subject && event.peer === peer && event.value === 1), 1);
    }, split);
  });

  test('a split that nobody stored, nor saw land', () => {
    flags('store', (events, at, { tiling: { wavefronts } }) => {
      const { device, subject, peer } = events[at];
      const stored = events.findLastIndex((event) => event.kind === 'store' && event.device === device && event.subject === subject && event.peer === peer && event.value === 1);
      const piece = events.find((event) => event.kind === 'landed' && event.via !== 'dma' && event.peer === device && event.device === peer && Math.floor(event.subject / wavefronts) === subject)!.subject;
      const landed = events.findLastIndex((event) => event.kind === 'landed' && event.via !== 'dma' && event.peer === device && event.device === peer && event.subject === piece);
      return events.filter((_, index) => index !== stored && index !== landed);
    }, split);
  });

  test('splits that are all said to be the first', () => {
    flags('store', (events, at) => (events[at].value === 0 ? undefined : events.with(at, { ...events[at], value: 0 })), split);
  });

  test('says which part, by whom, and how often', () => {
    const given: PlanCase = { m: 2, n: 2, devices: 2, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 1, threadN: 2, lanesX: 1, lanesY: 1, wavefront: 1 }, splits: { count: 3, axis: 'x', seed: 1 } };
    const plan = planFor(given);
    const events = [...simulate(plan, { seed: 2 }).log];
    const { time } = events.at(-1)!;
    const again = { ...events.find(({ kind }) => kind === 'store')!, time, value: 1 };
    const key = `part ${again.subject} by ${again.device} to ${again.peer}`;
    expect(checkCausality(plan, logOf([...events, again, again]))).toEqual([
      `store at ${time} on device ${again.device}: happened 4 times (${key})`,
      `store at ${time} on device ${again.device}: happened 5 times (${key})`,
    ]);
  });
});

test('says what is wrong, when and where', () => {
  const given: PlanCase = { m: 3, n: 3, devices: 3, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 1, threadN: 3, lanesX: 1, lanesY: 1, wavefront: 1 } };
  const plan = planFor(given);
  const events = [...simulate(plan, { seed: 1 }).log];
  const at = (kind: EventKind, device: number): number => events.findIndex((event) => event.kind === kind && event.device === device);
  const send = events[at('send', 1)];
  expect(checkCausality(plan, logOf(events.toSpliced(at('trigger', 1), 1)))).toEqual([
    `send at ${send.time} on device 1: block 0 (chunk 0) was read without a trigger`,
    'device 1: block 0 never fired',
  ]);
  const trigger = events[at('trigger', 1)];
  expect(checkCausality(plan, logOf(events.toSpliced(at('trigger', 1), 0, trigger)))).toEqual([`trigger at ${trigger.time} on device 1: happened twice (block 0 of 1)`]);
  const complete = events[at('complete', 1)];
  expect(checkCausality(plan, logOf(events.toSpliced(at('complete', 1), 1)))).toContain(`trigger at ${complete.time} on device 1: block 0 fired before chunk 0 tile 0 wavefront 0 was complete`);
  expect(checkCausality(plan, new EventLog(), { complete: false })).toEqual([]);
  expect(checkCausality(plan, new EventLog())).toHaveLength(9);
});

function moved(events: readonly Event[], from: number, to: number): Event[] {
  return events.toSpliced(from, 1).toSpliced(to, 0, events[from]);
}

/** Changes a random event of this kind in the log of a random run; the change must be seen wherever it can be made. */
function flags(kind: EventKind, change: (events: readonly Event[], at: number, plan: Plan, random: Random) => readonly Event[] | undefined, of = cases): void {
  let times = 0;
  fc.assert(
    fc.property(of, fc.nat(), (given, seed) => {
      const plan = planFor(given);
      const random = randomOf(seed);
      const events = [...simulate(plan, { seed }).log];
      const candidates = [...events.keys()].filter((at) => events[at].kind === kind);
      fc.pre(candidates.length > 0);
      const changed = change(events, candidates[random(candidates.length)], plan, random);
      fc.pre(changed !== undefined);
      times++;
      expect(checkCausality(plan, logOf(changed!)).length).toBeGreaterThan(0);
    }),
    { numRuns: 40 },
  );
  expect(times).toBeGreaterThan(10);
}
