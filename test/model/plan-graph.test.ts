import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { listSchedule } from '../../src/model/list-schedule.ts';
import { collectiveGraph, fusedGraph, stagesOfTiles, type Work } from '../../src/model/plan-graph.ts';
import { expectedLedger } from '../../src/plan/closed-forms.ts';
import { chunkOfBlock, routeOf, type Plan } from '../../src/plan/plan.ts';
import { planCases, planFor, type PlanCase } from '../support/plans.ts';

const cases = fc.oneof({ arbitrary: planCases({ side: 24, devices: 8 }), weight: 4 }, { arbitrary: planCases({ side: 10, devices: 33 }), weight: 1 });

/** One tile of 4 bytes for each chunk: the grain of the drawings in T3. */
const drawing = (devices: number, algorithm: 'ring' | 'direct' = 'ring'): PlanCase => ({
  m: 1, n: devices, devices, algorithm, chunk: 'columns', stageTiles: 1, triggerTiles: 1,
  tiles: { kind: 'grid', threadM: 1, threadN: 1, lanesX: 1, lanesY: 1, wavefront: 1 },
});
const text = (work: readonly Work[]): string[] => work.map(({ kind, device, subject, peer, resource, needs }, at) => `${at}: ${resource}: ${kind} ${subject} of ${device}${peer < 0 ? '' : ` ${peer}`} after [${needs.join()}]`);

test('by hand: a ring of three, one tile a chunk', () => {
  // Device d computes chunks d+1, d+2, d. Chunk d+2 completes with its own stage and with the first of device d+1 (stored
  // here), and goes to d−1; chunk d completes with what device d+1 sends, and stays.
  expect(text(fusedGraph(planFor(drawing(3))))).toEqual([
    '0: compute 0: gemm 0 of 0 after []',
    '1: compute 0: gemm 1 of 0 after [0]',
    '2: compute 0: gemm 2 of 0 after [1]',
    '3: compute 1: gemm 0 of 1 after []',
    '4: compute 1: gemm 1 of 1 after [3]',
    '5: compute 1: gemm 2 of 1 after [4]',
    '6: compute 2: gemm 0 of 2 after []',
    '7: compute 2: gemm 1 of 2 after [6]',
    '8: compute 2: gemm 2 of 2 after [7]',
    '9: link 0→2: transfer 2 of 0 2 after [1,3]',
    '10: memory 2: reduction 2 of 2 0 after [9]',
    '11: link 1→0: transfer 0 of 1 0 after [4,6]',
    '12: memory 0: reduction 0 of 0 1 after [11]',
    '13: link 2→1: transfer 1 of 2 1 after [7,0]',
    '14: memory 1: reduction 1 of 1 2 after [13]',
  ]);
});

test('by hand: on a ring of four a block goes on when the one from upstream was applied', () => {
  const work = text(fusedGraph(planFor(drawing(4))));
  // Device 0: chunks 1, 2, 3, 0. Chunk 2 has device 1's first stage (4), chunk 3 what device 1 sends of it.
  expect(work.slice(16, 20)).toEqual([
    '16: link 0→3: transfer 2 of 0 3 after [1,4]',
    '17: memory 3: reduction 2 of 3 0 after [16]',
    '18: link 0→3: transfer 3 of 0 3 after [2,21]',
    '19: memory 3: reduction 3 of 3 0 after [18]',
  ]);
  expect(work.slice(20, 22)).toEqual(['20: link 1→0: transfer 3 of 1 0 after [5,8]', '21: memory 0: reduction 3 of 0 1 after [20]']);
});

test('one device, two on a ring, and direct: stages, and nothing else', () => {
  for (const given of [drawing(1), drawing(2), drawing(5, 'direct')]) {
    const work = fusedGraph(planFor(given));
    expect(work.map(({ kind, needs }) => `${kind} ${needs.length}`)).toEqual(planFor(given).stages.flatMap((stages) => stages.map((_, at) => `gemm ${Math.min(at, 1)}`)));
  }
});

test('by hand: the unfused collective, ring and direct', () => {
  const rounds = (given: PlanCase): string[] => collectiveGraph(planFor(given)).map(({ round }, at) => `round ${round}, ${text(collectiveGraph(planFor(given)))[at]}`);
  expect(rounds(drawing(3))).toEqual([
    'round 0, 0: link 0→2: transfer 1 of 0 2 after []',
    'round 0, 1: memory 2: reduction 1 of 2 0 after [0]',
    'round 0, 2: link 1→0: transfer 2 of 1 0 after []',
    'round 0, 3: memory 0: reduction 2 of 0 1 after [2]',
    'round 0, 4: link 2→1: transfer 0 of 2 1 after []',
    'round 0, 5: memory 1: reduction 0 of 1 2 after [4]',
    'round 1, 6: link 0→2: transfer 2 of 0 2 after [3]',
    'round 1, 7: memory 2: reduction 2 of 2 0 after [6]',
    'round 1, 8: link 1→0: transfer 0 of 1 0 after [5]',
    'round 1, 9: memory 0: reduction 0 of 0 1 after [8]',
    'round 1, 10: link 2→1: transfer 1 of 2 1 after [1]',
    'round 1, 11: memory 1: reduction 1 of 1 2 after [10]',
  ]);
  // A link for each pair; the receiver's memory is one lane.
  const direct = collectiveGraph(planFor(drawing(3, 'direct')));
  expect(direct.filter(({ kind }) => kind === 'transfer').map(({ resource, needs }) => `${resource} ${needs.length}`)).toEqual(['link 0→1 0', 'link 1→2 0', 'link 2→0 0', 'link 0→2 0', 'link 1→0 0', 'link 2→1 0']);
  expect(direct.filter(({ resource }) => resource === 'memory 0').map(({ peer }) => peer)).toEqual([2, 1]);
});

/** What must have happened, straight from the words of the Plan: every store and DMA that is expected on each part of the block. */
function dueBefore(plan: Plan, device: number, block: number): Set<string> {
  const { tiling } = plan;
  const due = new Set<string>();
  for (let part = tiling.blockParts[block]; part < tiling.blockParts[block + 1]; part++)
    for (const source of routeOf(plan, device, tiling.partChunk[part]).expects)
      if (source.kind === 'dma') due.add(`reduction ${device} ${block} ${source.from}`);
      else {
        const by = source.kind === 'local' ? device : source.from;
        due.add(`gemm ${by} ${plan.stages[by].findIndex(({ tiles }) => tiles.includes(tiling.partTile[part]))} -1`);
      }
  return due;
}

test('of every Plan: a transfer comes after all that its block expects, and the graph has no circle', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const plan = planFor(given);
      const work = fusedGraph(plan);
      const { starts, ends } = listSchedule(work, work.map(() => 1));
      const at = new Map(work.map(({ kind, device, subject, peer }, index) => [`${kind} ${device} ${subject} ${peer}`, index]));
      expect(at.size).toBe(work.length);
      work.forEach(({ kind, device, subject, peer, needs }, index) => {
        if (kind === 'gemm') expect(needs).toEqual(subject === 0 ? [] : [at.get(`gemm ${device} ${subject - 1} -1`)]);
        if (kind === 'reduction') expect(needs).toEqual([at.get(`transfer ${peer} ${subject} ${device}`)]);
        if (kind !== 'transfer') return;
        const due = dueBefore(plan, device, subject);
        for (const name of due) expect(ends[at.get(name)!], name).toBeLessThanOrEqual(starts[index]);
        // And nothing that is not due holds it up.
        for (const need of needs) expect(due).toContain(`${work[need].kind} ${work[need].device} ${work[need].subject} ${work[need].peer}`);
      });
    }),
    { numRuns: 60 },
  );
});

test('of every Plan: all stages once, and the bytes are those of the closed forms', () => {
  fc.assert(
    fc.property(cases, (given) => {
      const plan = planFor(given);
      const work = fusedGraph(plan);
      const sum = (of: readonly Work[], kind: Work['kind'], device: number): number => of.filter((each) => each.kind === kind && each.device === device).reduce((total, { bytes }) => total + bytes, 0);
      const all = plan.tiling.m * plan.tiling.n * 4;
      const expected = expectedLedger(given.algorithm, plan);
      for (let device = 0; device < plan.devices; device++) {
        expect(sum(work, 'gemm', device)).toBe(all);
        expect(sum(work, 'transfer', device)).toBe(expected[device].transferBytes);
        expect(work.filter(({ kind, device: by }) => kind === 'gemm' && by === device).map(({ subject }) => subject)).toEqual(plan.stages[device].map((_, at) => at));
      }
      const moved = collectiveGraph(plan);
      // Every chunk but one's own is sent away by each device, once.
      for (let device = 0; device < plan.devices; device++) {
        const own = plan.tiling.chunks.reduce((bytes, { elements }, j) => bytes + (j % plan.devices === device ? 4 * elements : 0), 0);
        expect(sum(moved, 'transfer', device)).toBe(plan.devices === 1 ? 0 : all - own);
      }
      expect(listSchedule(moved, moved.map(() => 1)).ends.every((end) => end > 0)).toBe(true);
      for (const { kind, device, peer, resource } of [...work, ...moved])
        expect(resource).toBe(kind === 'gemm' ? `compute ${device}` : kind === 'transfer' ? `link ${device}→${peer}` : `memory ${device}`);
      for (const { kind, subject, device, peer } of work) if (kind === 'transfer') expect(routeOf(plan, device, chunkOfBlock(plan, subject)).whenComplete).toEqual({ kind: 'dma', to: peer });
    }),
    { numRuns: 60 },
  );
});

test('a tile that stores nothing is in no stage', () => {
  const plan = planFor({ ...drawing(2), tiles: { kind: 'scattered', tiles: 30, wavefronts: 1, seed: 3 } });
  expect(stagesOfTiles(plan).map((of) => [...of].map((stage) => stage >= 0))).toEqual([0, 1].map(() => plan.tiling.tileParts.map((parts) => parts.length > 0)));
});
