// The checker accepts every Plan that planOf makes, and no Plan that something was done to: each kind of damage is
// done at a random place of random Plans.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPlan } from '../../src/plan/check.ts';
import { planOf, type Plan } from '../../src/plan/plan.ts';
import type { Tiling } from '../../src/plan/tiling.ts';
import { ALGORITHMS } from '../../src/spec/spec.ts';
import { NO_TWIN, planCases, planFor, footprintFor, type PlanCase } from '../support/plans.ts';
import { randomOf, type Random } from '../support/random.ts';

/** A Plan that may be damaged: plain data, so a clone of it is one. */
type Mutable<T> = T extends Int32Array | Uint32Array ? T : T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
type Damaged = Mutable<Plan>;

const cases = fc.oneof({ arbitrary: planCases({ side: 70, devices: 13 }), weight: 4 }, { arbitrary: planCases({ side: 40, devices: 64 }), weight: 1 });
const small = planCases({ side: 24, devices: 9 });

test('finds nothing wrong with what planOf makes', () => {
  fc.assert(
    fc.property(cases, (given) => {
      expect(checkPlan(planFor(given))).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test.each([1, 2, 3, 5, 7, 8, 13, 16, 64])('nor with %i devices, prime shapes, fewer rows than devices', (devices) => {
  for (const algorithm of ALGORITHMS)
    for (const chunk of ['rows', 'columns'] as const)
      for (const [m, n] of [[1, 1], [2, 61], [61, 53]]) {
        const given: PlanCase = { m, n, devices, algorithm, chunk, stageTiles: 3, triggerTiles: 2, tiles: { kind: 'grid', threadM: 2, threadN: 3, lanesX: 2, lanesY: 3, wavefront: 4 } };
        for (const more of [{}, { batch: 3 }, { splits: { count: 4, axis: 'x', seed: m } }] as const) expect(checkPlan(planOf(given, footprintFor({ ...given, ...more })))).toEqual([]);
      }
});

const pick = <T>(list: readonly T[], random: Random): T | undefined => list[random(Math.max(1, list.length))];
const keysOf = (list: ArrayLike<unknown>): number[] => Array.from({ length: list.length }, (_, at) => at);

/** A stage of any device that has one. */
function pickStage({ stages }: Damaged, random: Random): { device: number; index: number } | undefined {
  return pick(stages.flatMap((mine, device) => mine.map((_, index) => ({ device, index }))), random);
}

/** A chunk that is not empty, and a device. */
function pickRoute({ devices, tiling }: Damaged, random: Random): { device: number; chunk: number } {
  return { device: random(devices), chunk: pick(keysOf(tiling.chunks).filter((j) => tiling.chunks[j].elements > 0), random)! };
}

/** A copy to damage, in which no two routes are one object: those of a batch are shared. */
function damageable(given: PlanCase): Damaged {
  const plan = structuredClone(planFor(given)) as Damaged;
  plan.mapping.routes = plan.mapping.routes.map((routes) => routes.map((route) => structuredClone(route)));
  return plan;
}

const other = (not: number, below: number, random: Random): number => (not + 1 + random(below - 1)) % below;

/** Does one kind of damage; false where the Plan has no place for it. */
type Damage = (plan: Damaged, random: Random) => boolean;

const STAGES: Record<string, Damage> = {
  'a tile dropped': (plan, random) => {
    const at = pickStage(plan, random)!;
    const { tiles } = plan.stages[at.device][at.index];
    tiles.splice(random(tiles.length), 1);
    return true;
  },
  'a tile repeated in its stage': (plan, random) => {
    const at = pickStage(plan, random)!;
    const { tiles } = plan.stages[at.device][at.index];
    tiles.push(tiles[random(tiles.length)]);
    return true;
  },
  'a tile repeated in another step': (plan, random) => {
    const from = pickStage(plan, random)!;
    const to = pick(plan.stages[from.device].filter((_, index) => index !== from.index), random);
    to?.tiles.push(plan.stages[from.device][from.index].tiles[0]);
    return to !== undefined;
  },
  'a tile moved to another step': (plan, random) => {
    const from = pickStage(plan, random)!;
    const mine = plan.stages[from.device];
    const to = pick(mine.filter(({ step }) => step !== mine[from.index].step), random);
    if (to !== undefined) to.tiles.push(mine[from.index].tiles.pop()!);
    return to !== undefined;
  },
  'a whole stage dropped': (plan, random) => {
    const at = pickStage(plan, random)!;
    plan.stages[at.device].splice(at.index, 1);
    return true;
  },
  'a stage that claims another step': (plan, random) => {
    const at = pickStage(plan, random)!;
    const steps = plan.tiling.chunks.length;
    if (steps === 1) return false;
    const stage = plan.stages[at.device][at.index];
    stage.step = other(stage.step, steps, random);
    return true;
  },
  'two stages of different steps exchanged': (plan, random) => {
    const mine = pick(plan.stages, random)!;
    const at = mine.findIndex(({ step }, index) => index > 0 && step !== mine[index - 1].step);
    if (at >= 0) [mine[at - 1], mine[at]] = [mine[at], mine[at - 1]];
    return at >= 0;
  },
  'two steps of a device exchanged in its order alone': ({ mapping, tiling }, random) => {
    // Only where some tile lies in one of the two chunks alone: a tile that touches both may run in either step.
    const whole = new Set(tiling.tileParts.filter((parts) => parts.length === 1).map(([part]) => tiling.partChunk[part]));
    const order = pick(mapping.order, random)!;
    const at = order.findIndex((chunk, s) => s > 0 && (whole.has(chunk) || whole.has(order[s - 1])));
    if (at >= 0) [order[at - 1], order[at]] = [order[at], order[at - 1]];
    return at >= 0;
  },
};

const ROUTES: Record<string, Damage> = {
  'stores that go to another device': (plan, random) => {
    if (plan.devices === 1) return false;
    const { device, chunk } = pickRoute(plan, random);
    const route = plan.mapping.routes[device][chunk];
    route.storeTo = other(route.storeTo, plan.devices, random);
    return true;
  },
  'an expected update forgotten': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const { expects } = plan.mapping.routes[device][chunk];
    if (expects.length === 0) return false;
    expects.splice(random(expects.length), 1);
    return true;
  },
  'an update expected twice': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const { expects } = plan.mapping.routes[device][chunk];
    if (expects.length === 0) return false;
    expects.push(expects[random(expects.length)]);
    return true;
  },
  'an update expected from another device': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const { expects } = plan.mapping.routes[device][chunk];
    const at = expects.findIndex(({ kind }) => kind !== 'local');
    if (at < 0) return false;
    const source = expects[at] as { kind: 'remote' | 'dma'; from: number };
    expects[at] = { kind: source.kind, from: other(source.from, plan.devices, random) };
    return true;
  },
  'an update expected by another way': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const { expects } = plan.mapping.routes[device][chunk];
    const at = expects.findIndex(({ kind }) => kind !== 'local');
    if (at < 0) return false;
    const source = expects[at] as { kind: 'remote' | 'dma'; from: number };
    expects[at] = { kind: source.kind === 'dma' ? 'remote' : 'dma', from: source.from };
    return true;
  },
  'a chunk that is done on another device too': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const route = plan.mapping.routes[device][chunk];
    if (route.whenComplete.kind === 'done') return false;
    route.whenComplete = { kind: 'done' };
    return true;
  },
  'a chunk that is done nowhere': (plan, random) => {
    const { chunk } = pickRoute(plan, random);
    plan.mapping.routes[chunk % plan.devices][chunk].whenComplete = { kind: 'untracked' };
    return true;
  },
  'a DMA to another device': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const { whenComplete } = plan.mapping.routes[device][chunk];
    if (whenComplete.kind !== 'dma') return false;
    whenComplete.to = other(whenComplete.to, plan.devices, random);
    return true;
  },
  'a DMA that is not sent': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const route = plan.mapping.routes[device][chunk];
    if (route.whenComplete.kind !== 'dma') return false;
    route.whenComplete = { kind: 'untracked' };
    return true;
  },
  'two devices whose DMAs wait for each other, though each expects what the other sends': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    if (plan.devices < 3) return false;
    const [one, two] = [0, 1, 2].map((hop) => (device + hop) % plan.devices).filter((d) => d !== chunk % plan.devices);
    for (const [here, there] of [[one, two], [two, one]])
      plan.mapping.routes[here][chunk] = { storeTo: here, expects: [{ kind: 'local' }, { kind: 'dma', from: there }], whenComplete: { kind: 'dma', to: there } };
    return true;
  },
  'a chunk that stops half-way, and nobody expects more of it': (plan, random) => {
    const { device, chunk } = pickRoute(plan, random);
    const route = plan.mapping.routes[device][chunk];
    if (route.whenComplete.kind !== 'dma') return false;
    const next = plan.mapping.routes[route.whenComplete.to][chunk];
    next.expects = next.expects.filter((source) => source.kind !== 'dma' || source.from !== device);
    route.whenComplete = { kind: 'done' };
    return true;
  },
  'two chunks that end on each other’s owners': (plan, random) => {
    if (plan.devices === 1) return false;
    const { chunk } = pickRoute(plan, random);
    const second = other(chunk % plan.devices, plan.devices, random) + plan.devices * random(plan.tiling.chunks.length / plan.devices);
    for (const routes of plan.mapping.routes) [routes[chunk], routes[second]] = [routes[second], routes[chunk]];
    return true;
  },
};

const TILING: Record<string, Damage> = {
  'a run shifted': ({ tiling }, random) => {
    tiling.runs[2 * random(tiling.runs.length / 2)] += 1 + random(3);
    return true;
  },
  'a run longer': ({ tiling }, random) => {
    tiling.runs[2 * random(tiling.runs.length / 2) + 1]++;
    return true;
  },
  'a run that another piece has': ({ tiling }, random) => {
    const last = tiling.pieceRuns.length - 1;
    const piece = pick(keysOf(tiling.pieceElements).filter((p) => p + 1 < last && tiling.pieceElements[p] > 0), random);
    if (piece === undefined || tiling.pieceRuns[piece + 1] === tiling.pieceRuns[last]) return false;
    tiling.pieceRuns[piece + 1]++;
    return true;
  },
  'a piece that claims an element more': ({ tiling }, random) => {
    tiling.pieceElements[random(tiling.pieceElements.length)]++;
    return true;
  },
  'a part of another chunk': ({ tiling }, random) => {
    if (tiling.chunks.length === 1) return false;
    const part = random(tiling.parts);
    tiling.partChunk[part] = other(tiling.partChunk[part], tiling.chunks.length, random);
    return true;
  },
  'the end of a chunk’s parts moved': ({ tiling }, random) => {
    const j = random(tiling.chunks.length);
    tiling.chunkParts[j + 1] += tiling.chunkParts[j + 1] > tiling.chunkParts[j] ? -1 : 1;
    return true;
  },
  'the last block without its last part': ({ tiling }) => {
    tiling.blockParts[tiling.blocks]--;
    return true;
  },
  'a block boundary moved over the end of a chunk': ({ tiling }, random) => {
    const at = pick(keysOf(tiling.blockParts).filter((b) => b > 0 && b < tiling.blocks && tiling.partChunk[tiling.blockParts[b]] !== tiling.partChunk[tiling.blockParts[b - 1]]), random);
    if (at === undefined) return false;
    tiling.blockParts[at] += random(2) === 0 ? 1 : -1;
    return true;
  },
  'a block boundary moved within a chunk': ({ tiling }, random) => {
    const at = pick(keysOf(tiling.blockParts).filter((b) => b > 0 && b < tiling.blocks && tiling.partChunk[tiling.blockParts[b]] === tiling.partChunk[tiling.blockParts[b - 1]]), random);
    if (at === undefined) return false;
    tiling.blockParts[at] -= 1;
    return true;
  },
  'a part that names another block': ({ tiling }, random) => {
    if (tiling.blocks === 1) return false;
    const part = random(tiling.parts);
    tiling.partBlock[part] = other(tiling.partBlock[part], tiling.blocks, random);
    return true;
  },
  'a block that claims an element more': ({ tiling }, random) => {
    tiling.blockElements[random(tiling.blocks)]++;
    return true;
  },
  'a part missing from its tile': ({ tiling }, random) => {
    const parts = pick(tiling.tileParts.filter((list) => list.length > 1), random);
    parts?.pop();
    return parts !== undefined;
  },
  'a part that names another tile': ({ tiling }, random) => {
    if (tiling.tiles === 1) return false;
    const part = random(tiling.parts);
    tiling.partTile[part] = other(tiling.partTile[part], tiling.tiles, random);
    return true;
  },
  'a chunk that lies elsewhere in the output': ({ tiling }, random) => {
    const chunk = pick(tiling.chunks.filter(({ elements }) => elements > 0), random)!;
    chunk[random(2) === 0 ? 'row' : 'column'] += random(2) === 0 ? 1 : -1;
    return true;
  },
  'a chunk that claims an element more, or less': ({ tiling }, random) => {
    const chunk = pick(tiling.chunks.filter(({ elements }) => elements > 0), random)!;
    chunk.elements += random(2) === 0 ? 1 : -1;
    return true;
  },
  'an output that goes on behind its last chunk': ({ tiling, devices }) => {
    if (tiling.axis === 'columns') tiling.n++;
    else tiling.m += tiling.chunks.length / devices;
    return true;
  },
  'two matrices of a batch that lie in each other’s place': ({ tiling, devices }, random) => {
    const matrices = tiling.chunks.length / devices;
    if (matrices === 1) return false;
    const first = random(matrices - 1);
    for (let j = first * devices; j < (first + 1) * devices; j++) [tiling.chunks[j].row, tiling.chunks[j + devices].row] = [tiling.chunks[j + devices].row, tiling.chunks[j].row];
    return true;
  },
  'a batch one matrix short, though all chunks are there': ({ tiling, devices }) => {
    if (tiling.chunks.length === devices) return false;
    tiling.m -= (tiling.m * devices) / tiling.chunks.length;
    return true;
  },
  'a chunk with its sides exchanged': ({ tiling }, random) => {
    const chunk = pick(tiling.chunks.filter(({ rows, columns }) => rows !== columns), random);
    if (chunk !== undefined) [chunk.rows, chunk.columns] = [chunk.columns, chunk.rows];
    return chunk !== undefined;
  },
};

/** A split other than the first, and a tile that is computed; none where there is one split only. */
function pickTwin({ twins, tiling }: Damaged, random: Random): { of: Uint32Array; tile: number } | undefined {
  const of = pick(twins, random);
  return of && { of, tile: pick(keysOf(tiling.tileParts).filter((tile) => tiling.tileParts[tile].length > 0), random)! };
}

const SPLITS: Record<string, Damage> = {
  'a workgroup that computes two tiles of its split': (plan, random) => {
    const twin = pickTwin(plan, random);
    const others = keysOf(plan.tiling.tileParts).filter((tile) => plan.tiling.tileParts[tile].length > 0 && tile !== twin?.tile);
    if (twin === undefined || others.length === 0) return false;
    twin.of[twin.tile] = twin.of[pick(others, random)!];
    return true;
  },
  'a workgroup that computes its tile for two splits': (plan, random) => {
    const twin = pickTwin(plan, random);
    if (twin === undefined || plan.twins.length < 2) return false;
    twin.of[twin.tile] = plan.twins[other(plan.twins.indexOf(twin.of), plan.twins.length, random)][twin.tile];
    return true;
  },
  'a whole split that another one computes again': ({ twins }, random) => {
    if (twins.length < 2) return false;
    const at = random(twins.length);
    twins[at] = twins[other(at, twins.length, random)];
    return true;
  },
  'a further split that is computed by the first': (plan, random) => {
    const twin = pickTwin(plan, random);
    if (twin !== undefined) twin.of[twin.tile] = twin.tile;
    return twin !== undefined;
  },
  'a tile whose split has no workgroup': (plan, random) => {
    const twin = pickTwin(plan, random);
    if (twin !== undefined) twin.of[twin.tile] = NO_TWIN;
    return twin !== undefined;
  },
  'a tile whose split is a workgroup beyond the grid': (plan, random) => {
    const twin = pickTwin(plan, random);
    if (twin !== undefined) twin.of[twin.tile] = plan.tiling.tiles;
    return twin !== undefined;
  },
  'a list of workgroups that ends before the last tile': (plan) => {
    const last = plan.tiling.tileParts.findLastIndex((parts) => parts.length > 0);
    if (plan.twins.length > 0) plan.twins[0] = plan.twins[0].slice(0, last);
    return plan.twins.length > 0;
  },
};

describe.each(Object.entries({ stages: STAGES, routes: ROUTES, tiling: TILING, splits: SPLITS }))('sees in the %s', (_where, kinds) => {
  test.each(Object.entries(kinds))('%s', (_what, damage) => {
    let times = 0;
    fc.assert(
      fc.property(small, fc.nat(), (given, seed) => {
        const plan = damageable(given);
        fc.pre(damage(plan, randomOf(seed)));
        times++;
        expect(checkPlan(plan as Plan).length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
    expect(times).toBeGreaterThan(20);
  });
});

test('names what is wrong, and where', () => {
  const given: PlanCase = { m: 8, n: 4, devices: 4, algorithm: 'ring', chunk: 'rows', stageTiles: 9, triggerTiles: 1, tiles: { kind: 'grid', threadM: 2, threadN: 4, lanesX: 1, lanesY: 1, wavefront: 1 } };
  const problemsOf = (damage: (plan: Damaged) => void): string[] => {
    const plan = damageable(given);
    damage(plan);
    return checkPlan(plan as Plan);
  };
  expect(problemsOf(({ stages }) => stages[2][1].tiles.pop())).toEqual(['device 2: tile 0 runs 0 times, not 1']);
  expect(problemsOf(({ stages }) => (stages[2] = stages[2].toReversed()))).toHaveLength(3);
  expect(problemsOf(({ tiling }) => tiling.runs[0]++)).toEqual(['chunk 0: element 0 is in 0 pieces, not in one']);
  expect(problemsOf(({ mapping }) => (mapping.routes[1][0].storeTo = 2))).toEqual([
    'chunk 0 on device 1 expects [local, dma 2], the Plan sends [dma 2]',
    'chunk 0 on device 2 expects [local, remote 3], the Plan sends [remote 1, local, remote 3]',
  ]);
  expect(problemsOf(({ mapping }) => (mapping.routes[2][0].whenComplete = { kind: 'done' }))).toEqual([
    'chunk 0 on its owner sums the contributions of devices [0, 1]',
    'chunk 0 on device 1 expects [local, dma 2], the Plan sends [local]',
    'chunk 0 ends on device 2',
    'chunk 0 on its owner sums the contributions of devices [2, 3]',
    'chunk 0 is done on 2 devices, not on one',
  ]);
  expect(
    problemsOf(({ mapping }) => {
      mapping.routes[1][0] = { storeTo: 1, expects: [{ kind: 'local' }, { kind: 'dma', from: 2 }], whenComplete: { kind: 'dma', to: 2 } };
      mapping.routes[2][0] = { storeTo: 2, expects: [{ kind: 'local' }, { kind: 'remote', from: 3 }, { kind: 'dma', from: 1 }], whenComplete: { kind: 'dma', to: 1 } };
    }),
  ).toContain('chunk 0: circular wait through device 1');
});

test('names the workgroup that a split lacks, or that runs for two', () => {
  // Two tiles, two splits: workgroups 0 and 2 are the first split's.
  const given: PlanCase = { m: 4, n: 4, devices: 2, algorithm: 'ring', chunk: 'rows', stageTiles: 9, triggerTiles: 1, tiles: { kind: 'grid', threadM: 2, threadN: 4, lanesX: 1, lanesY: 1, wavefront: 1 }, splits: { count: 2, axis: 'x', seed: 3 } };
  const problemsOf = (ofTile0: number, ofTile2: number): string[] => {
    const plan = damageable(given);
    plan.twins[0][0] = ofTile0;
    plan.twins[0][2] = ofTile2;
    return checkPlan(plan as Plan);
  };
  expect([...problemsOf(1, 3), ...problemsOf(3, 1)]).toEqual([]);
  expect(problemsOf(1, 1)).toEqual(['split 1 of tile 2 is workgroup 1, which runs for tile 0']);
  expect(problemsOf(1, 2)).toEqual(['split 1 of tile 2 is workgroup 2, which runs for tile 2']);
  expect(problemsOf(0, 3)).toEqual(['split 1 of tile 0 is workgroup 0, which runs for tile 0']);
  expect(problemsOf(4, 3)).toEqual(['split 1 of tile 0 is workgroup 4, which there is not']);
});

test('leaves the Plan as it was', () => {
  fc.assert(
    fc.property(small, (given) => {
      const plan = planFor(given);
      const before: Tiling = structuredClone(plan.tiling);
      checkPlan(plan);
      expect(plan.tiling).toEqual(before);
    }),
    { numRuns: 10 },
  );
});
