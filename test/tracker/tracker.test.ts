import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { piecesOfBlock, routeOf, thresholdOf, type Plan } from '../../src/plan/plan.ts';
import type { OverflowPolicy } from '../../src/spec/spec.ts';
import { checkTracker, pieceName, Tracker, type TrackerGeometry } from '../../src/tracker/tracker.ts';
import { planCases, planFor, unstraddledCases, type PlanCase } from '../support/plans.ts';
import { randomOf, shuffled } from '../support/random.ts';
import { isRight, simulate } from '../support/simulate.ts';

const geometries = fc.record<TrackerGeometry>({
  sets: fc.constantFrom(1, 2, 4, 16, 256),
  ways: fc.integer({ min: 1, max: 8 }),
  overflow: fc.constantFrom<OverflowPolicy>('spill', 'stall'),
});

interface Update {
  readonly piece: number;
  readonly elements: number;
}

/** Every update that a device's tracker is to see, a GEMM's one for each split; some in two instalments, as counters may show them. */
function updatesOf(plan: Plan, device: number, halved: (piece: number) => boolean = () => false): Update[] {
  const { tiling, twins } = plan;
  return Array.from({ length: tiling.parts * tiling.wavefronts }, (_, piece) => piece).flatMap((piece) => {
    const elements = tiling.pieceElements[piece];
    const { expects } = routeOf(plan, device, tiling.partChunk[Math.floor(piece / tiling.wavefronts)]);
    if (elements === 0) return [];
    const updates = expects.flatMap(({ kind }) => Array.from({ length: kind === 'dma' ? 1 : 1 + twins.length }, () => ({ piece, elements })));
    return updates.flatMap((update) => (elements > 1 && halved(piece) ? [{ piece, elements: 1 }, { piece, elements: elements - 1 }] : [update]));
  });
}

/**
 * The tracker as its description has it and nothing else: a list of entries, a list of held-back updates in
 * order of arrival, and after each step a look at everything.
 */
class Oracle {
  readonly completed: number[] = [];
  readonly ready: number[] = [];
  readonly pieces = new Set<number>();
  peak = 0;
  overflows = 0;
  #entries: { piece: number; set: number; count: number; spilled: boolean }[] = [];
  #held: Update[] = [];
  constructor(
    readonly plan: Plan,
    readonly device: number,
    readonly geometry: TrackerGeometry,
  ) {}

  update({ piece, elements }: Update): void {
    const first = this.#entry(piece) === undefined && !this.#held.some((held) => held.piece === piece);
    if (first && this.#used(this.#set(piece)) === this.geometry.ways) this.overflows++;
    this.#held.push({ piece, elements });
    while (this.#letIn());
  }

  /** One update that may land lands; or one entry gives way to an update of an earlier step. */
  #letIn(): boolean {
    const { geometry } = this;
    const fits = (held: Update): boolean => geometry.overflow === 'spill' || this.#used(this.#set(held.piece)) < geometry.ways;
    const next =
      this.#held.find((held) => this.#entry(held.piece) !== undefined) ??
      this.#held.filter(fits).reduce<Update | undefined>((first, held) => (first === undefined || this.#step(held.piece) < this.#step(first.piece) ? held : first), undefined);
    if (next !== undefined) {
      this.#held.splice(this.#held.indexOf(next), 1);
      this.#land(next);
      return true;
    }
    for (const held of this.#held) {
      const rivals = this.#entries.filter((entry) => entry.set === this.#set(held.piece));
      const latest = rivals.find((entry) => rivals.every((other) => this.#step(other.piece) <= this.#step(entry.piece)))!;
      if (this.#step(latest.piece) <= this.#step(held.piece)) continue;
      this.#entries = this.#entries.filter((entry) => entry !== latest);
      this.#held.push({ piece: latest.piece, elements: latest.count });
      return true;
    }
    return false;
  }

  get waiting(): number[] {
    return [...new Set([...this.#entries, ...this.#held].map(({ piece }) => piece))].toSorted((one, other) => one - other);
  }

  #set(piece: number): number {
    const { tiling } = this.plan;
    return tiling.partTile[Math.floor(piece / tiling.wavefronts)] % this.geometry.sets;
  }
  #step(piece: number): number {
    const { tiling, mapping } = this.plan;
    return mapping.order[this.device].indexOf(tiling.partChunk[Math.floor(piece / tiling.wavefronts)]);
  }
  #entry(piece: number) {
    return this.#entries.find((entry) => entry.piece === piece);
  }
  #used(set: number): number {
    return this.#entries.filter((entry) => entry.set === set && !entry.spilled).length;
  }
  #land({ piece, elements }: Update): void {
    let entry = this.#entry(piece);
    if (entry === undefined) {
      const set = this.#set(piece);
      entry = { piece, set, count: 0, spilled: this.#used(set) === this.geometry.ways };
      this.#entries.push(entry);
      this.peak = Math.max(this.peak, this.#entries.length);
    }
    entry.count += elements;
    if (entry.count !== thresholdOf(this.plan, this.device, piece)) return;
    this.#entries = this.#entries.filter((one) => one !== entry);
    this.completed.push(piece);
    this.pieces.add(piece);
    const { tiling } = this.plan;
    const part = Math.floor(piece / tiling.wavefronts);
    const block = tiling.partBlock[part];
    if (routeOf(this.plan, this.device, tiling.partChunk[part]).whenComplete.kind === 'dma' && [...piecesOfBlock(this.plan, block)].every((of) => this.pieces.has(of))) this.ready.push(block);
  }
}

/** Feeds both and compares what each update led to. */
function compare(plan: Plan, device: number, geometry: TrackerGeometry, updates: readonly Update[]): { tracker: Tracker; oracle: Oracle } {
  const tracker = new Tracker(plan, device, geometry);
  const oracle = new Oracle(plan, device, geometry);
  const output = { completed: [] as number[], ready: [] as number[] };
  for (const update of updates) {
    tracker.update(update.piece, update.elements, output);
    oracle.update(update);
    if (output.completed.length !== oracle.completed.length || output.ready.length !== oracle.ready.length) break;
  }
  expect(output).toEqual({ completed: oracle.completed, ready: oracle.ready });
  return { tracker, oracle };
}

const tracked = (plan: Plan, device: number): number[] => [...plan.tiling.pieceElements.keys()].filter((piece) => thresholdOf(plan, device, piece) > 0);

describe('against a list of entries looked through one by one', () => {
  test('any order of updates, either policy, any geometry: each piece completes once, each block is ready once, when all its pieces are', () => {
    fc.assert(
      fc.property(planCases({ side: 16, devices: 6 }), geometries, fc.nat(), (given, geometry, seed) => {
        const plan = planFor(given);
        const random = randomOf(seed);
        const device = random(plan.devices);
        const updates = shuffled(updatesOf(plan, device, () => random(3) === 0), random);
        const { tracker, oracle } = compare(plan, device, geometry, updates);
        expect(oracle.completed.toSorted((one, other) => one - other)).toEqual(tracked(plan, device));
        const sent = [...plan.tiling.blockElements.keys()].filter((block) => routeOf(plan, device, plan.tiling.partChunk[plan.tiling.blockParts[block]]).whenComplete.kind === 'dma');
        expect(oracle.ready.toSorted((one, other) => one - other)).toEqual(sent);
        expect(tracker.counts).toMatchObject({ pieces: tracked(plan, device).length, updates: updates.length, triggers: sent.length, peakEntries: oracle.peak });
        expect(tracker.open()).toEqual([]);
        expect(checkTracker(tracker)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  test('spill: each piece whose first update found its set full is counted, once', () => {
    fc.assert(
      fc.property(planCases({ side: 16, devices: 6 }), geometries, fc.nat(), (given, geometry, seed) => {
        const plan = planFor(given);
        const random = randomOf(seed);
        const { tracker, oracle } = compare(plan, 0, { ...geometry, overflow: 'spill' }, shuffled(updatesOf(plan, 0, () => random(3) === 0), random));
        expect(tracker.counts.overflows).toBe(oracle.overflows);
      }),
      { numRuns: 60 },
    );
  });

  test('stall: each piece whose first update found its set full is counted, once', () => {
    fc.assert(
      fc.property(planCases({ side: 16, devices: 6 }), geometries, fc.nat(), (given, geometry, seed) => {
        const plan = planFor(given);
        const { tracker, oracle } = compare(plan, 0, { ...geometry, overflow: 'stall' }, shuffled(updatesOf(plan, 0), randomOf(seed)));
        expect(tracker.counts.overflows).toBe(oracle.overflows);
      }),
      { numRuns: 60 },
    );
  });

  test('half-way: what is open is what has some updates and not all', () => {
    fc.assert(
      fc.property(planCases({ side: 16, devices: 6 }), geometries, fc.nat(), fc.nat(), (given, geometry, seed, upTo) => {
        const plan = planFor(given);
        const updates = shuffled(updatesOf(plan, 0), randomOf(seed));
        const { tracker, oracle } = compare(plan, 0, geometry, updates.slice(0, upTo % (updates.length + 1)));
        expect([...new Set(tracker.open())]).toEqual(oracle.waiting);
      }),
      { numRuns: 60 },
    );
  });
});

function* permutations<T>(list: readonly T[]): Generator<T[]> {
  if (list.length === 0) yield [];
  for (let at = 0; at < list.length; at++) for (const rest of permutations(list.toSpliced(at, 1))) yield [list[at], ...rest];
}

/** A chunk of one column per device, two tiles of one piece in it: device 0 of 3 tracks 2 chunks, 4 pieces. */
const tiny: PlanCase = { m: 2, n: 3, devices: 3, algorithm: 'ring', chunk: 'columns', stageTiles: 1, triggerTiles: 2, tiles: { kind: 'grid', threadM: 1, threadN: 1, lanesX: 1, lanesY: 1, wavefront: 1 } };

test.each(['spill', 'stall'] as const)('%s: all 720 orders of two updates of three pieces, in 1 and 2 sets of 1 and 2 ways', (overflow) => {
  const plan = planFor(tiny);
  const pieces = tracked(plan, 0).slice(0, 3);
  const orders = [...permutations(pieces.flatMap((piece) => [{ piece, elements: 1 }, { piece, elements: 1 }]))];
  expect(orders).toHaveLength(720);
  for (const sets of [1, 2]) for (const ways of [1, 2]) for (const order of orders) compare(plan, 0, { sets, ways, overflow }, order);
});

describe('written out by hand', () => {
  const plan = planFor({ ...tiny, tiles: { ...tiny.tiles, kind: 'grid', threadM: 1, threadN: 1, lanesX: 1, lanesY: 1, wavefront: 1 } });
  // Tiles are numbered row by row: 0 1 2 / 3 4 5. Chunk j has tiles j and j + 3, parts and pieces 2j and 2j + 1.
  const at = (chunk: number, row: number): number => 2 * chunk + row;

  test('device 0 of a ring of 3 tracks chunk 2 (sent on) and chunk 0 (done), not chunk 1', () => {
    const tracker = new Tracker(plan, 0, { sets: 1, ways: 8, overflow: 'spill' });
    expect([0, 1, 2].map((chunk) => tracker.thresholdOf(at(chunk, 0)))).toEqual([2, 0, 2]);
    const output = { completed: [] as number[], ready: [] as number[] };
    const seen: string[] = [];
    for (const [chunk, row] of [[2, 0], [2, 1], [2, 1], [0, 0], [2, 0], [0, 0], [0, 1], [0, 1]]) {
      tracker.update(at(chunk, row), 1, output);
      seen.push(`${output.completed.splice(0).map((piece) => pieceName(plan, piece)).join()}; ${output.ready.splice(0).join()}`);
    }
    expect(seen).toEqual(['; ', '; ', 'chunk 2 tile 5 wavefront 0; ', '; ', 'chunk 2 tile 2 wavefront 0; 2', 'chunk 0 tile 0 wavefront 0; ', '; ', 'chunk 0 tile 3 wavefront 0; ']);
    expect(tracker.counts).toEqual({ pieces: 4, updates: 8, triggers: 1, peakEntries: 2, overflows: 0 });
  });

  test('one way: spill keeps the second entry outside of the set, stall keeps its update back', () => {
    const run = (overflow: OverflowPolicy): [Tracker, number[][]] => {
      const tracker = new Tracker(plan, 0, { sets: 1, ways: 1, overflow });
      const output = { completed: [] as number[], ready: [] as number[] };
      const after = [at(2, 0), at(2, 1), at(0, 0), at(0, 0), at(2, 0), at(2, 1)].map((piece) => {
        tracker.update(piece, 1, output);
        return output.completed.splice(0);
      });
      return [tracker, after];
    };
    const [spilling, spilled] = run('spill');
    expect(spilled).toEqual([[], [], [], [at(0, 0)], [at(2, 0)], [at(2, 1)]]);
    expect(spilling.counts).toMatchObject({ peakEntries: 3, overflows: 2 });
    const [stalling, stalled] = run('stall');
    // When the way is free again, the oldest update that was held back gets it.
    expect(stalled).toEqual([[], [], [], [], [at(2, 0)], [at(2, 1), at(0, 0)]]);
    expect(stalling.counts).toMatchObject({ peakEntries: 1 });
    expect(stalling.open()).toEqual([]);
  });

  test('stall: an entry of a later step gives its way up to an update of an earlier one, and comes back with what it had', () => {
    const tracker = new Tracker(plan, 0, { sets: 1, ways: 1, overflow: 'stall' });
    const output = { completed: [] as number[], ready: [] as number[] };
    // Device 0 computes chunk 2 before chunk 0.
    const after = [at(0, 0), at(2, 0), at(0, 0), at(2, 0)].map((piece) => {
      tracker.update(piece, 1, output);
      return output.completed.splice(0);
    });
    expect(after).toEqual([[], [], [], [at(2, 0), at(0, 0)]]);
    expect(tracker.counts.peakEntries).toBe(1);
    expect(tracker.open()).toEqual([]);
  });

  test('the set is the low bits of the tile: tiles that are a multiple of the sets apart share one', () => {
    const overflowsOf = (sets: number, tiles: readonly number[]): number => {
      const tracker = new Tracker(plan, 0, { sets, ways: 1, overflow: 'spill' });
      for (const tile of tiles) tracker.update(plan.tiling.tileParts[tile][0], 1, { completed: [], ready: [] });
      return tracker.counts.overflows;
    };
    expect(overflowsOf(2, [0, 2])).toBe(1);
    expect(overflowsOf(2, [0, 3])).toBe(0);
    expect(overflowsOf(4, [0, 2])).toBe(0);
  });
});

describe('a whole run of all devices, in random order', () => {
  const runs = (cases: fc.Arbitrary<PlanCase>, overflow: OverflowPolicy, numRuns = 60): void =>
    fc.assert(
      fc.property(cases, geometries, fc.nat(), (given, geometry, seed) => {
        const plan = planFor(given);
        const simulated = simulate(plan, { seed, geometry: { ...geometry, overflow } });
        expect(simulated.trackers.flatMap(checkTracker)).toEqual([]);
        expect(isRight(plan, simulated)).toBe(true);
        simulated.trackers.forEach(({ counts, geometry: { sets, ways } }, device) => {
          expect(counts.pieces).toBe(tracked(plan, device).length);
          if (overflow === 'stall') expect(counts.peakEntries).toBeLessThanOrEqual(sets * ways);
        });
      }),
      { numRuns },
    );

  test('spill: every element ends with every contribution, every piece fires once', () => runs(planCases({ side: 20, devices: 9 }), 'spill'));
  test('so with 64 devices', () => runs(planCases({ side: 9, devices: 64 }).map((given) => ({ ...given, devices: 64 })), 'spill', 5));
  test('stall never deadlocks where no tile straddles two chunks', () => runs(unstraddledCases({ side: 12, devices: 7 }), 'stall'));
  test('stall never deadlocks where tiles straddle chunks', () => runs(planCases({ side: 20, devices: 9 }), 'stall'));
});

describe('what is wrong is seen', () => {
  const cases = planCases({ side: 14, devices: 6 });

  test.each([1, -1])('a threshold off by %i', (delta) => {
    fc.assert(
      fc.property(cases, geometries, fc.nat(), (given, geometry, seed) => {
        const plan = planFor(given);
        const random = randomOf(seed);
        const device = random(plan.devices);
        const pieces = tracked(plan, device);
        fc.pre(pieces.length > 0);
        const piece = pieces[random(pieces.length)];
        const tracker = new Tracker(plan, device, geometry, new Map([[piece, delta]]));
        for (const update of shuffled(updatesOf(plan, device), random)) tracker.update(update.piece, update.elements, { completed: [], ready: [] });
        const problems = checkTracker(tracker);
        expect(problems).toContain(`device ${device}: ${pieceName(plan, piece)} is tracked with threshold ${thresholdOf(plan, device, piece) + delta}, the Plan says ${thresholdOf(plan, device, piece)}`);
        // Too high a threshold never fires; the block that it is in never is ready.
        if (delta > 0 && geometry.overflow === 'spill') expect(tracker.open()).toEqual([piece]);
      }),
      { numRuns: 60 },
    );
  });

  test.each([['missing', 0], ['doubled', 2]] as const)('an update that is %s', (_what, times) => {
    fc.assert(
      fc.property(cases, geometries, fc.nat(), (given, geometry, seed) => {
        const plan = planFor(given);
        const random = randomOf(seed);
        const device = random(plan.devices);
        const updates = shuffled(updatesOf(plan, device), random);
        fc.pre(updates.length > 0);
        const struck = random(updates.length);
        const tracker = new Tracker(plan, device, geometry);
        for (const [at, { piece, elements }] of updates.entries()) for (let time = 0; time < (at === struck ? times : 1); time++) tracker.update(piece, elements, { completed: [], ready: [] });
        const { piece, elements } = updates[struck];
        const threshold = thresholdOf(plan, device, piece);
        expect(checkTracker(tracker)).toContain(`device ${device}: ${pieceName(plan, piece)} ended with ${threshold + (times - 1) * elements} of ${threshold} elements`);
      }),
      { numRuns: 60 },
    );
  });

  test('an update of a piece that is not tracked here', () => {
    const plan = planFor(tiny);
    const tracker = new Tracker(plan, 0, { sets: 1, ways: 8, overflow: 'spill' });
    const output = { completed: [] as number[], ready: [] as number[] };
    tracker.update(2, 1, output);
    expect(output).toEqual({ completed: [], ready: [] });
    expect(tracker.open()).toEqual([2]);
    expect(checkTracker(tracker)).toContain('device 0: chunk 1 tile 1 wavefront 0 ended with 1 of 0 elements');
  });

  test('a piece that never had an update', () => {
    const plan = planFor(tiny);
    expect(checkTracker(new Tracker(plan, 0, { sets: 1, ways: 8, overflow: 'spill' }))).toEqual([0, 3, 2, 5].map((tile, at) => `device 0: chunk ${at < 2 ? 0 : 2} tile ${tile} wavefront 0 ended with 0 of 2 elements`));
  });
});
