// A run without a GPU: it is causal and balanced, like one with; its windows hold every block that becomes ready; fed with
// counters, it finds what these say and names what they cannot mean.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Faults } from '../../src/emulate/faults.ts';
import { landingElements } from '../../src/emulate/memory.ts';
import { rehearse, type Rehearsal } from '../../src/emulate/rehearsal.ts';
import { windowsOf } from '../../src/emulate/windows.ts';
import { checkCausality } from '../../src/events/causality.ts';
import { checkLedger, ledgerOf } from '../../src/events/ledger.ts';
import { expectedLedger } from '../../src/plan/closed-forms.ts';
import { chunkOfBlock, routeOf, type Plan } from '../../src/plan/plan.ts';
import type { Fault, Spec } from '../../src/spec/spec.ts';
import { checkTracker } from '../../src/tracker/tracker.ts';
import { planCases, planFor, type PlanCase } from '../support/plans.ts';

const conditions = fc.record({ lag: fc.integer({ min: 1, max: 6 }), skew: fc.constantFrom(0, 0.6, 4), seed: fc.nat(99) });

function run(plan: Plan, more: Partial<Spec>, counters?: Uint32Array, maxSlots = 8): Rehearsal {
  const spec = { lag: 2, skew: 0, seed: 1, overflow: 'spill', tracker: { sets: 256, ways: 8 }, faults: [] as readonly Fault[], ...more } as Spec;
  return rehearse({ spec, plan, faults: new Faults(spec, plan), maxSlots, landingElements: landingElements(plan), ...(counters === undefined ? {} : { counters }) });
}

/** What counters come to in a whole run. */
function whole(plan: Plan, { log }: Rehearsal): Uint32Array {
  const pieces = plan.tiling.parts * plan.tiling.wavefronts;
  const counters = new Uint32Array(2 * plan.devices * pieces);
  for (const { kind, device, subject, peer, value, via } of log) if (kind === 'landed') counters[(via === 'dma' ? plan.devices + device : peer) * pieces + subject]! += value;
  return counters;
}

test('stages go from the first device to the last, and back in the next epoch', () => {
  const plan = planFor({ m: 12, n: 12, devices: 3, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 4, threadN: 4, lanesX: 1, lanesY: 1, wavefront: 1 } });
  const { works } = run(plan, {});
  expect(works.slice(0, 3).map(({ stages }) => stages.map(({ device }) => device))).toEqual([[0, 1, 2], [2, 1, 0], [0, 1, 2]]);
});

test('any Plan, lag and skew: complete, causal, balanced', () => {
  fc.assert(
    fc.property(planCases({ side: 16, devices: 6 }), conditions, fc.integer({ min: 1, max: 3 }), (given, more, maxSlots) => {
      const plan = planFor(given);
      const rehearsal = run(plan, more, undefined, maxSlots);
      expect(rehearsal.watch.pending()).toEqual([]);
      expect(checkCausality(plan, rehearsal.log)).toEqual([]);
      expect(checkLedger(ledgerOf(plan, rehearsal.log), expectedLedger(given.algorithm, plan))).toEqual([]);
      expect(rehearsal.trackers.flatMap(checkTracker)).toEqual([]);
      // Blocks of a device leave at the earliest `lag` epochs after they were seen.
      for (const { seen, sent } of rehearsal.triggers.values()) expect(sent).toBeGreaterThanOrEqual(seen + more.lag);
    }),
    { numRuns: 80 },
  );
});

test('windows: each block is looked at when it becomes ready, and its list is open when it is sent; no other list is', () => {
  fc.assert(
    fc.property(planCases({ side: 16, devices: 6 }), conditions, (given, more) => {
      const plan = planFor(given);
      const { triggers, works } = run(plan, more);
      const { after, width, firstSent } = windowsOf(plan, triggers, works.length);
      const { tiling } = plan;
      for (const [at, { seen, sent }] of triggers) {
        const device = Math.floor(at / tiling.blocks);
        const chunk = chunkOfBlock(plan, at % tiling.blocks);
        expect(after[seen]).toContainEqual(expect.objectContaining({ device, chunk }));
        expect(after[sent - 1]).toContainEqual(expect.objectContaining({ device, chunk, open: true }));
        expect(firstSent.get(device * tiling.chunks.length + chunk)).toBeLessThanOrEqual(sent);
      }
      for (const row of after) {
        expect(new Set(row.map(({ device, list }) => `${device} ${list}`)).size).toBe(row.length);
        for (const { device, chunk, list } of row) {
          expect(list).toBeLessThan(width);
          expect(routeOf(plan, device, chunk).whenComplete.kind).toBe('dma');
        }
        // In the order of the device's steps.
        for (let device = 0; device < plan.devices; device++) {
          const steps = row.filter((window) => window.device === device).map(({ chunk }) => plan.mapping.order[device]!.indexOf(chunk));
          expect(steps).toEqual(steps.toSorted((one, other) => one - other));
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('fed with the counters of a whole run it is the same run', () => {
  fc.assert(
    fc.property(planCases({ side: 14, devices: 5 }), conditions, (given, more) => {
      const plan = planFor(given);
      const first = run(plan, more);
      const again = run(plan, more, whole(plan, first));
      expect(again.unexplained).toEqual([]);
      expect([...again.log.bytes()]).toEqual([...first.log.bytes()]);
    }),
    { numRuns: 40 },
  );
});

describe('counters that are not those of a whole run', () => {
  const given: PlanCase = { m: 8, n: 12, devices: 3, algorithm: 'ring', chunk: 'columns', stageTiles: 2, triggerTiles: 1, tiles: { kind: 'grid', threadM: 2, threadN: 2, lanesX: 2, lanesY: 2, wavefront: 4 } };
  const plan = planFor(given);
  const first = run(plan, {});
  const pieces = plan.tiling.parts * plan.tiling.wavefronts;

  test('a store that is missing: its block never leaves, and it is said who is missing', () => {
    const counters = whole(plan, first);
    const at = counters.findIndex((count, index) => count > 0 && index < pieces && routeOf(plan, 0, plan.tiling.partChunk[Math.floor(index / plan.tiling.wavefronts)]!).whenComplete.kind === 'dma');
    counters[at]! -= 1;
    const { triggers, watch, unexplained } = run(plan, {}, counters);
    expect(triggers.size).toBeLessThan(first.triggers.size);
    expect(watch.pending()[0]).toContain('missing local');
    // What was sent all the same in the run that these counters are from.
    expect(unexplained).not.toEqual([]);
  });

  test('more than all that ran', () => {
    const counters = whole(plan, first);
    const at = counters.findLastIndex((count) => count > 0);
    counters[at]! += 5;
    const { unexplained } = run(plan, {}, counters);
    expect(unexplained).toHaveLength(1);
    expect(unexplained[0]).toMatch(/^the near-memory unit of device \d counted 5 elements more than stages and transfers account for: chunk \d piece \d+$/);
  });
});
