// Replays worked out by hand, in nanoseconds, and their bounds over runs in random order.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TimedGroup } from '../../src/emulate/frame.ts';
import { replayed } from '../../src/emulate/replayed.ts';
import { EventLog } from '../../src/events/log.ts';
import { chunkOfBlock, routeOf, type Plan } from '../../src/plan/plan.ts';
import type { KindTimes, Replayed, ReplayedTime } from '../../src/verify/run-report.ts';
import { planCases, planFor, type PlanCase } from '../support/plans.ts';
import { randomOf } from '../support/random.ts';
import { simulate } from '../support/simulate.ts';

/** `tiles` tiles of one element to a chunk, a stage to a step. */
const drawing = (devices: number, { algorithm = 'ring', tiles = 1, triggerTiles = 1 }: { algorithm?: 'ring' | 'direct'; tiles?: number; triggerTiles?: number } = {}): Plan =>
  planFor({ m: 1, n: devices * tiles, devices, algorithm, chunk: 'columns', stageTiles: tiles, triggerTiles, tiles: { kind: 'grid', threadM: 1, threadN: 1, lanesX: 1, lanesY: 1, wavefront: 1 } });

interface Part {
  readonly kind: TimedGroup['kind'];
  readonly device: number;
  readonly epoch: number;
  readonly ns: number;
  /** Places of stages, or blocks. */
  readonly subjects: readonly number[];
}

const timed = (kind: TimedGroup['kind'], device: number, epoch: number, ns: number, start = 0): TimedGroup => ({ kind, device, epoch, bytes: kind === 'gemm' ? 0 : 4, flops: 0, interval: { start, end: start + ns } });

/** A run's log and groups, one after the other as on a serial adapter. */
function run(plan: Plan, parts: readonly Part[]): { log: EventLog; groups: TimedGroup[] } {
  const log = new EventLog();
  let now = 1000;
  const { tiling } = plan;
  const groups = parts.map(({ kind, device, epoch, ns, subjects }) => {
    for (const subject of subjects)
      if (kind === 'gemm') {
        for (const part of plan.stages[device][subject].tiles.flatMap((tile) => tiling.tileParts[tile])) log.add('store', epoch, device, part, routeOf(plan, device, tiling.partChunk[part]).storeTo);
      } else if (kind === 'transfer') log.add('send', epoch, device, subject, (device + plan.devices - 1) % plan.devices);
      else for (let part = tiling.blockParts[subject]; part < tiling.blockParts[subject + 1]; part++) log.add('apply', epoch, device, part, (device + 1) % plan.devices);
    const group = timed(kind, device, epoch, ns, now);
    now += ns;
    return group;
  });
  return { log, groups };
}

const ids = (plan: Plan): number[] => Array.from({ length: plan.devices }, (_, d) => d);
/** All stages of all devices, a stage an epoch. */
const stages = (plan: Plan, ns: (device: number, stage: number) => number): Part[] => ids(plan).flatMap((device) => plan.stages[device].map((_, stage): Part => ({ kind: 'gemm', device, epoch: stage, ns: ns(device, stage), subjects: [stage] })));
/** What each device of a ring sends of the chunk of its step, and what its neighbour makes of it, in one group each. */
const hop = (plan: Plan, step: number, epoch: number, transfer: (device: number) => number, reduction: (device: number) => number): Part[] =>
  ids(plan).flatMap((device): Part[] => {
    const chunk = (device + step) % plan.devices;
    const subjects = Array.from({ length: plan.tiling.blocks }, (_, block) => block).filter((block) => chunkOfBlock(plan, block) === chunk);
    return [
      { kind: 'transfer', device, epoch, ns: transfer(device), subjects },
      { kind: 'reduction', device: (device + plan.devices - 1) % plan.devices, epoch: epoch + 1, ns: reduction(device), subjects },
    ];
  });
/** The plain run: a GEMM of each device, then the rounds. */
const baseline = (plan: Plan, gemm: (device: number) => number, transfer: number, reduction: number): { groups: TimedGroup[] } => ({
  groups: [...ids(plan).map((device) => timed('gemm', device, 0, gemm(device))), ...plan.mapping.rounds.flatMap((moves, round) => moves.flatMap(({ from, to }) => [timed('transfer', from, round, transfer), timed('reduction', to, round, reduction)]))],
});

interface Result {
  /** As replayed, ns. */
  readonly ns: Record<string, number | null>;
  readonly reasons: Record<string, string>;
  readonly figures: Replayed;
  readonly time: ReplayedTime | null;
}

function replay(plan: Plan, fused: { log: EventLog; groups: readonly TimedGroup[] }, plain: { groups: readonly TimedGroup[] } | null): Result {
  const notes: { path: string; reason: string }[] = [];
  const { figures, time } = replayed({ plan, fused, plain, notes });
  const { overlap, ...times } = figures;
  const ns = Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, ms === null ? null : Math.round(ms * 1e9) / 1e3]));
  for (const [name, value] of Object.entries(figures)) if (value === null) expect(notes.map(({ path }) => path)).toContain(`replayed.${name}`);
  return { ns: { ...ns, overlap }, reasons: Object.fromEntries(notes.map(({ path, reason }) => [path.replace('replayed.', ''), reason])), figures, time };
}

describe('by hand', () => {
  test('one device: its stages one after the other, and nothing that could overlap', () => {
    const plan = drawing(1, { tiles: 2 });
    const { ns, reasons } = replay(plan, run(plan, stages(plan, () => 12)), baseline(plan, () => 10, 0, 0));
    expect(ns).toEqual({ gemmMs: 10, sequentialMs: 10, fusedMs: 12, exposedMs: 2, overlap: null });
    expect(reasons).toEqual({ overlap: expect.stringContaining('no transfer') });
  });

  test('a ring of two: the slower device; the plain collective is one hop', () => {
    const plan = drawing(2);
    const { ns, reasons } = replay(plan, run(plan, stages(plan, (device, stage) => [[10, 11], [20, 5]][device][stage])), baseline(plan, (device) => [18, 22][device], 7, 3));
    expect(ns).toEqual({ gemmMs: 22, sequentialMs: 32, fusedMs: 25, exposedMs: 3, overlap: null });
    expect(reasons).toEqual({ overlap: expect.stringContaining('stores are all there is'), fusedMs: expect.stringContaining('stores to peers') });
  });

  test('what the replay is made of: the critical tasks, and the busiest of each resource', () => {
    const plan = drawing(3);
    const ns = ({ gemmMs, transferMs, reductionMs }: KindTimes): number[] => [gemmMs, transferMs, reductionMs].map((ms) => Math.round(ms * 1e6));
    // Fast links: three stages, of any device. Slow ones: two stages of each device until the block is there, then 400 and 2.
    const fast = replay(plan, run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 4, () => 2)]), null).time!;
    expect({ path: ns(fast.path), busiest: ns(fast.busiest), tasks: fast.pathTasks, devices: fast.pathDevices }).toEqual({ path: [30, 0, 0], busiest: [30, 4, 2], tasks: 3, devices: 1 });
    const slow = replay(plan, run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 400, () => 2)]), null).time!;
    expect({ path: ns(slow.path), busiest: ns(slow.busiest), tasks: slow.pathTasks, devices: slow.pathDevices }).toEqual({ path: [20, 400, 2], busiest: [30, 400, 2], tasks: 4, devices: 2 });
  });

  test('a ring of three with fast links: the whole collective disappears', () => {
    const plan = drawing(3);
    // Stages to 10, 20, 30; sent 20–24, applied 24–26. Plain: 28, then twice 4 + 2.
    const { ns, reasons } = replay(plan, run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 4, () => 2)]), baseline(plan, (device) => [25, 28, 27][device], 4, 2));
    expect(ns).toEqual({ gemmMs: 28, sequentialMs: 40, fusedMs: 30, exposedMs: 2, overlap: 1 });
    expect(reasons).toEqual({});
  });

  test('a ring of three with unequal devices', () => {
    const plan = drawing(3);
    // Device 0: stages to 10, 20, 30; device 1: 20, 40, 60; device 2: 30, 60, 90.
    // 0 sends its chunk 2, which device 1 stored first (20): 20–27, applied on 2: 27–28.
    // 1 sends chunk 0, device 2's first (30): 40–47, on 0: 47–48. 2 sends chunk 1: 60–67, on 1: 67–68.
    // Busy: device 0 20–27 and 47–48, computing until 30; 1 40–47, 67–68, until 60; 2 60–67, 27–28, until 90.
    const { ns } = replay(plan, run(plan, [...stages(plan, (device) => 10 * (device + 1)), ...hop(plan, 2, 3, () => 7, () => 1)]), null);
    expect(ns).toEqual({ gemmMs: null, sequentialMs: null, fusedMs: 90, exposedMs: null, overlap: (7 + 7 + 8) / 24 });
  });

  test('a ring of four with slow links: each hop waits for the one before it', () => {
    const plan = drawing(4);
    // Stages to 40. Sent 20–35, applied 35–36; the next chunk is computed at 30, whole at 36: 36–51, 51–52.
    // Busy 20–52, computing until 40. Plain: 39, then three times 15 + 1.
    const { ns } = replay(plan, run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 15, () => 1), ...hop(plan, 3, 6, () => 15, () => 1)]), baseline(plan, () => 39, 15, 1));
    expect(ns).toEqual({ gemmMs: 39, sequentialMs: 87, fusedMs: 52, exposedMs: 13, overlap: 20 / 32 });
  });

  test('a group of two blocks is shared out by bytes, and the second is sent while the first is applied', () => {
    // Three tiles a chunk, blocks of 2 and 1: sent in 9: 20–26, 26–29; applied in 6: 26–30, 30–32. Plain, twice: 0–6, 6–9
    // and 6–10, 10–12; then 10–16, 16–19 and 16–20, 20–22.
    const plan = drawing(3, { tiles: 3, triggerTiles: 2 });
    const { ns } = replay(plan, run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 9, () => 6)]), baseline(plan, () => 30, 9, 6));
    expect(ns).toEqual({ gemmMs: 30, sequentialMs: 52, fusedMs: 32, exposedMs: 2, overlap: 10 / 12 });
  });

  test('direct: each pair has its link, each receiver one memory lane', () => {
    const plan = drawing(3, { algorithm: 'direct' });
    // Plain: all sent at once, 0–14; applied one after the other, 14–16, 16–18.
    const { ns, reasons } = replay(plan, run(plan, stages(plan, () => 10)), baseline(plan, () => 27, 14, 2));
    expect(ns).toEqual({ gemmMs: 27, sequentialMs: 45, fusedMs: 30, exposedMs: 3, overlap: null });
    expect(Object.keys(reasons).sort()).toEqual(['fusedMs', 'overlap']);
  });

  test('nothing took any time but the GEMM: no share of no time', () => {
    const plan = drawing(3);
    const { ns, reasons } = replay(plan, run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 0, () => 0)]), null);
    expect(ns).toMatchObject({ fusedMs: 30, overlap: null });
    expect(reasons['overlap']).toMatch(/step of the timer/);
  });

  test('what one device did in one epoch in several passes adds up', () => {
    const plan = drawing(3);
    const { log, groups } = run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 14, () => 2)]);
    const cut = groups.flatMap((group) => [{ ...group, interval: { start: group.interval!.start, end: group.interval!.end - 1 } }, { ...group, interval: { start: group.interval!.end - 1, end: group.interval!.end } }]);
    // Sent 20–34, applied 34–36, computing until 30.
    for (const of of [groups, cut]) expect(replay(plan, { log, groups: of }, null).ns).toMatchObject({ fusedMs: 36, overlap: 10 / 16 });
  });

  test('what all devices did in one pass is shared out over them', () => {
    const plan = drawing(3);
    const { log, groups } = run(plan, [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 14, () => 2)]);
    const of = (kind: TimedGroup['kind'], ns: number, epoch: number): TimedGroup => timed(kind, -1, epoch, ns);
    const merged = [...groups.filter(({ kind }) => kind === 'gemm'), of('transfer', 3 * 14, 3), of('reduction', 3 * 2, 4)];
    expect(replay(plan, { log, groups: merged }, null).ns).toMatchObject({ fusedMs: 36, overlap: 10 / 16 });
    // One that nobody's work is in: a pass of another epoch.
    expect(replay(plan, { log, groups: [...merged, of('transfer', 5, 9)] }, null).ns['fusedMs']).toBeNull();
  });

  test('epochs are nothing but names of groups: when the emulation came to it changes nothing', () => {
    const plan = drawing(4);
    const figures = [3, 1, 40].map((late) => replay(plan, run(plan, [...stages(plan, (device, stage) => 5 + 3 * device + stage), ...hop(plan, 3, 2 * late, (device) => 15 + device, () => 2), ...hop(plan, 2, late, (device) => 9 - device, () => 1)]), null).ns);
    expect(figures[1]).toEqual(figures[0]);
    expect(figures[2]).toEqual(figures[0]);
  });
});

describe('what is not there has its reason', () => {
  const plan = drawing(3);
  const good = (): Part[] => [...stages(plan, () => 10), ...hop(plan, 2, 3, () => 4, () => 2)];
  const nothing = { gemmMs: null, sequentialMs: null, fusedMs: null, exposedMs: null, overlap: null };

  test('no timestamps at all, in either run; one group without a time, or that ends before it begins', () => {
    const { log, groups } = run(plan, good());
    const plain = baseline(plan, () => 10, 4, 2);
    const without = (of: readonly TimedGroup[], which: number, interval: TimedGroup['interval']): TimedGroup[] => of.map((group, at) => (which < 0 || at === which ? { ...group, interval } : group));
    const none = replay(plan, { log, groups: without(groups, -1, null) }, { groups: without(plain.groups, -1, null) });
    expect(none.figures).toEqual(nothing);
    expect(Object.values(none.reasons)).toEqual(Array.from({ length: 5 }, () => expect.stringContaining('timestamp-query')));
    for (const result of [replay(plan, { log, groups: without(groups, 4, null) }, plain), replay(plan, { log, groups }, { groups: without(plain.groups, 2, null) }), replay(plan, { log, groups: without(groups, 4, { start: 9, end: 8 }) }, null)]) {
      expect(result.figures).toEqual(nothing);
      expect(result.reasons['fusedMs']).toMatch(/no measured time/);
    }
  });

  test('without a baseline', () => {
    const { figures, reasons } = replay(plan, run(plan, good()), null);
    expect(figures).toMatchObject({ gemmMs: null, sequentialMs: null, exposedMs: null });
    expect(reasons).toEqual({ gemmMs: 'needs --baseline', sequentialMs: 'needs --baseline', exposedMs: 'needs --baseline' });
  });

  test('a run that did less than its Plan, more, or something twice; the plain one is replayed all the same', () => {
    const parts = good();
    const bad = [
      run(plan, parts.slice(0, -1)), // never applied
      run(plan, parts.filter(({ kind, device }) => kind !== 'transfer' || device !== 1)), // never sent
      run(plan, parts.slice(1)), // a stage is missing
      run(plan, [...parts, { ...parts.at(-2)!, epoch: 9 }]), // sent twice
      run(plan, [...parts, { kind: 'transfer', device: 0, epoch: 9, ns: 5, subjects: [] }]), // a group of nothing
      run(plan, [...parts, { kind: 'transfer', device: 0, epoch: 3, ns: 5, subjects: [1] }]), // a block that stays
      { log: run(plan, parts).log, groups: run(plan, parts.slice(0, -1)).groups }, // one group's time was lost
    ];
    for (const [at, fused] of bad.entries()) {
      const { ns, reasons } = replay(plan, fused, baseline(plan, () => 28, 4, 2));
      expect(ns, String(at)).toEqual({ gemmMs: 28, sequentialMs: 40, fusedMs: null, exposedMs: null, overlap: null });
      expect(reasons['fusedMs']).toMatch(/all that its Plan asks for/);
    }
    // One of two blocks that were sent together is sent again: each group has something, and one block is in both.
    const pair = drawing(3, { tiles: 3, triggerTiles: 2 });
    const hops = hop(pair, 2, 3, () => 9, () => 6);
    const again: Part = { ...hops[0], epoch: 9, subjects: hops[0].subjects.slice(0, 1) };
    expect(replay(pair, run(pair, [...stages(pair, () => 10), ...hops]), null).ns['fusedMs']).toBe(32);
    expect(replay(pair, run(pair, [...stages(pair, () => 10), ...hops, again]), null).ns['fusedMs']).toBeNull();
    expect(replay(plan, run(plan, parts), { groups: baseline(plan, () => 28, 4, 2).groups.slice(0, -1) }).ns).toEqual({ gemmMs: null, sequentialMs: null, fusedMs: 30, exposedMs: null, overlap: 1 });
  });
});

/** A run in random order with groups of random grain and length: what a log says that ran in one stretch of time is one group. */
function random(given: PlanCase, seed: number, stretch: number): { plan: Plan; fused: { log: EventLog; groups: TimedGroup[] } } {
  const plan = planFor(given);
  const draw = randomOf(seed);
  const log = new EventLog();
  const groups = new Map<string, TimedGroup>();
  for (const { kind, time, device, subject, peer, value, via } of simulate(plan, { seed }).log) {
    const epoch = Math.floor(time / stretch);
    log.add(kind, epoch, device, subject, peer, value, via);
    const of = kind === 'store' ? 'gemm' : kind === 'send' ? 'transfer' : kind === 'apply' ? 'reduction' : undefined;
    if (of !== undefined && !groups.has(`${of} ${device} ${epoch}`)) groups.set(`${of} ${device} ${epoch}`, timed(of, device, epoch, draw(4) === 0 ? 0 : draw(100_000)));
  }
  return { plan, fused: { log, groups: [...groups.values()] } };
}

const cases = fc.tuple(planCases({ side: 20, devices: 8 }), fc.nat(), fc.constantFrom(1, 7, 40));
const lengthOf = ({ interval }: TimedGroup): number => interval!.end - interval!.start;

test('of every run: busiest resource ≤ replayed ≤ sum of all durations, and a share is a share', () => {
  let some = 0;
  fc.assert(
    fc.property(cases, ([given, seed, stretch]) => {
      const { plan, fused } = random(given, seed, stretch);
      const { ns, figures, time } = replay(plan, fused, null);
      if (time !== null) expect(time.path.gemmMs + time.path.transferMs + time.path.reductionMs).toBeCloseTo(figures.fusedMs!, 9);
      expect(time === null).toBe(figures.fusedMs === null);
      const busy = new Map<string, number>();
      for (const group of fused.groups) busy.set(`${group.kind} ${group.device}`, (busy.get(`${group.kind} ${group.device}`) ?? 0) + lengthOf(group));
      expect(ns['fusedMs']).toBeGreaterThanOrEqual(Math.max(...busy.values()));
      expect(ns['fusedMs']).toBeLessThanOrEqual(fused.groups.reduce((sum, group) => sum + lengthOf(group), 0));
      if (figures.overlap === null) return;
      some++;
      expect(figures.overlap).toBeGreaterThanOrEqual(0);
      expect(figures.overlap).toBeLessThanOrEqual(1);
    }),
    { numRuns: 80 },
  );
  expect(some).toBeGreaterThan(20);
});

test('of every run: the same again, whatever the order of the groups', () => {
  fc.assert(
    fc.property(cases, ([given, seed, stretch]) => {
      const { plan, fused } = random(given, seed, stretch);
      const { figures } = replay(plan, fused, null);
      expect(replay(plan, { ...fused, groups: fused.groups.toReversed() }, null).figures).toEqual(figures);
    }),
    { numRuns: 40 },
  );
});
