// The engine over random Plans and machines: it does what the Plan says, in a causal order, to the byte; no resource does more than
// it can, and none rests while it has work. With the tracker of the other engine, held against that engine's bookkeeping.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Faults } from '../../src/emulate/faults.ts';
import { landingElements } from '../../src/emulate/memory.ts';
import { rehearse } from '../../src/emulate/rehearsal.ts';
import { checkCausality } from '../../src/events/causality.ts';
import { checkLedger, ledgerOf } from '../../src/events/ledger.ts';
import { EventLog } from '../../src/events/log.ts';
import { periodOf } from '../../src/model/fold.ts';
import { DMA_READ, DMA_UPDATE, LOCAL_UPDATE, REMOTE_UPDATE } from '../../src/model/memory.ts';
import { expectedLedger } from '../../src/plan/closed-forms.ts';
import { gridTiling, twinsOf } from '../../src/plan/grid-tiling.ts';
import { planOfMapping, REDUCE_SCATTERS, type Plan } from '../../src/plan/plan.ts';
import { ALGORITHMS, type Spec } from '../../src/spec/spec.ts';
import { planCases, planFor, type PlanCase } from '../support/plans.ts';
import { fusedRun, machines, PLAIN } from '../support/modelled.ts';

const cases = planCases({ side: 14, devices: 6 });
/** Where K is split, some splits of the smaller one are shorter than a slab, and some are empty. */
const depths = fc.constantFrom(24, 5);
/** A ring has no links for the direct collective. */
const topologyFor = ({ algorithm }: Pick<PlanCase, 'algorithm'>): 'ring' | 'fully-connected' => (algorithm === 'direct' ? 'fully-connected' : 'ring');
const skews = fc.constantFrom(0, 0.7, 3);

test('any Plan on any machine: complete, causal, balanced, with the triggers and the bytes of the emulation', () => {
  fc.assert(
    fc.property(cases, machines, skews, fc.constantFrom('spill', 'stall'), depths, (given, machine, skew, overflow, k) => {
      const plan = planFor(given);
      const log = new EventLog();
      const geometry = { sets: 4, ways: 2, overflow } as const;
      const { devices } = fusedRun(plan, { ...machine, topology: topologyFor(given) }, { log, skew, geometry, k });
      expect(checkCausality(plan, log)).toEqual([]);
      // Nothing is logged before what was logged before it.
      let before = 0;
      for (const { time } of log) {
        expect(time).toBeGreaterThanOrEqual(before);
        before = time;
      }
      const expected = expectedLedger(given.algorithm, plan);
      expect(checkLedger(ledgerOf(plan, log), expected)).toEqual([]);
      // The memories and the links served what the ledger says, no byte more.
      expect(devices.map(({ served, linkBytes }) => ({ storeBytes: served[LOCAL_UPDATE], transferBytes: served[DMA_READ], linkBytes, reductionBytes: served[REMOTE_UPDATE] + served[DMA_UPDATE] }))).toEqual(expected);

      const spec = { lag: 2, skew, seed: 1, overflow, tracker: geometry, faults: [] } as unknown as Spec;
      const rehearsal = rehearse({ spec, plan, faults: new Faults(spec, plan), maxSlots: 8, landingElements: landingElements(plan) });
      const facts = (of: EventLog): string[] => [...of.of('complete', 'trigger', 'send')].map(({ kind, device, subject, peer }) => `${kind} ${device} ${subject} ${peer}`).toSorted();
      expect(facts(log)).toEqual(facts(rehearsal.log));
      expect(devices.map(({ tracker }) => ({ pieces: tracker!.pieces, triggers: tracker!.triggers }))).toEqual(rehearsal.trackers.map(({ counts: { pieces, triggers } }) => ({ pieces, triggers })));
    }),
    { numRuns: 120 },
  );
});

test.each(Array.from({ length: 64 }, (_, index) => index + 1))('%i devices: bytes by the closed forms, chunks unequal and empty', (devices) => {
  for (const [m, n, axis] of [[2 * devices + 3, 5, 'rows'], [5, 1 + Math.floor(devices / 2), 'columns']] as const)
    for (const algorithm of devices % 9 === 1 || devices < 9 ? ALGORITHMS : (['ring'] as const)) {
      const plan = planOfMapping(REDUCE_SCATTERS[algorithm](devices), gridTiling({ m, n, tile: { m: 4, n: 4 }, waves: { m: 2, n: 1 }, swizzle: 2 }, axis, devices, 2));
      const run = fusedRun(plan, { ...PLAIN, topology: topologyFor({ algorithm }) });
      expect(run.devices.map(({ served, linkBytes }) => ({ storeBytes: served[LOCAL_UPDATE], transferBytes: served[DMA_READ], linkBytes, reductionBytes: served[REMOTE_UPDATE] + served[DMA_UPDATE] }))).toEqual(expectedLedger(algorithm, plan));
    }
});

test('a run is a function of its input: the same log, byte by byte', () => {
  fc.assert(
    fc.property(cases, machines, skews, (given, machine, skew) => {
      const [one, other] = [new EventLog(), new EventLog()];
      const run = (log: EventLog): unknown => fusedRun(planFor(given), { ...machine, topology: topologyFor(given) }, { log, skew });
      expect(run(one)).toEqual(run(other));
      expect(one.bytes()).toEqual(other.bytes());
    }),
    { numRuns: 20 },
  );
});

test('no resource works longer than the run, nor less than its bytes take', () => {
  fc.assert(
    fc.property(cases, machines, depths, (given, machine, k) => {
      const { timePs, gemmPs, devices } = fusedRun(planFor(given), { ...machine, topology: topologyFor(given) }, { k });
      for (const device of devices) {
        const { memoryBusyPs, linkBusyPs, computeBusyPs, served } = device;
        expect(memoryBusyPs).toBeLessThanOrEqual(timePs);
        expect(linkBusyPs).toBeLessThanOrEqual(timePs);
        expect(computeBusyPs).toBeLessThanOrEqual(timePs * machine.cus * machine.workgroupsPerCu);
        expect(gemmPs).toBeLessThanOrEqual(timePs);
        const updates = served[LOCAL_UPDATE] + served[REMOTE_UPDATE] + served[DMA_UPDATE];
        const bytes = served.reduce((sum, of) => sum + of, 0) + updates * (machine.updateFactor - 1);
        // Where alternating costs nothing, exactly; granules of an odd size round.
        if (machine.interleavePenalty === 0 && machine.updateFactor !== 1.5) expect(memoryBusyPs).toBe(bytes);
        else expect(memoryBusyPs).toBeGreaterThanOrEqual(Math.floor(bytes) - 1);
      }
    }),
    { numRuns: 60 },
  );
});

describe('folded', () => {
  // Chunks of whole tiles, or of one and a half: period 1 or 2.
  const folding = fc.record({ devices: fc.integer({ min: 2, max: 8 }), perChunk: fc.integer({ min: 1, max: 4 }), half: fc.boolean(), across: fc.integer({ min: 1, max: 20 }), axis: fc.constantFrom('rows', 'columns'), algorithm: fc.constantFrom(...ALGORITHMS), swizzle: fc.integer({ min: 1, max: 3 }), blockTiles: fc.integer({ min: 1, max: 3 }), splits: fc.integer({ min: 1, max: 3 }) });

  test('equals unfolded, to the picosecond and the byte', () => {
    let folded = 0;
    fc.assert(
      fc.property(folding, machines, ({ devices, perChunk, half, across, axis, algorithm, swizzle, blockTiles, splits }, machine) => {
        const along = devices * (4 * perChunk + (half ? 2 : 0));
        const [m, n] = axis === 'rows' ? [along, across] : [across, along];
        const kernel = { m, n, tile: { m: 4, n: 4 }, waves: { m: 2, n: 1 }, swizzle, splits };
        const plan = planOfMapping(REDUCE_SCATTERS[algorithm](devices), gridTiling(kernel, axis, devices, blockTiles), Infinity, twinsOf(kernel));
        const settings = { ...machine, topology: topologyFor({ algorithm }) };
        const whole = fusedRun(plan, settings);
        const part = fusedRun(plan, settings, { fold: true });
        if (part.devices.length < devices) folded++;
        expect(part.timePs).toBe(whole.timePs);
        expect(part.gemmPs).toBe(whole.gemmPs);
        // All but which sets of the tracker were full, since ids differ.
        const facts = (of: typeof whole.devices): unknown => of.map(({ tracker, ...rest }) => ({ ...rest, updates: tracker?.updates, triggers: tracker?.triggers }));
        expect(facts(part.devices)).toEqual(facts(whole.devices.slice(0, part.devices.length)));
      }),
      { numRuns: 120 },
    );
    expect(folded).toBeGreaterThan(60);
  });

  test('not where tiles straddle chunks in another order, though all else is alike', () => {
    // Each of three tiles lies in two chunks; shifted by one, tile 0 (first in chunks 0 and 2) would be tile 1 (first in 1, second in 0).
    const chunk = { row: 0, column: 0, rows: 1, columns: 2, elements: 2 };
    const tiling = { chunks: [chunk, chunk, chunk], chunkParts: Int32Array.of(0, 2, 4, 6), partTile: Int32Array.of(0, 1, 1, 2, 0, 2), partChunk: Int32Array.of(0, 0, 1, 1, 2, 2), tileParts: [[0, 4], [1, 2], [3, 5]], pieceElements: new Int32Array(6).fill(1), wavefronts: 1 };
    expect(periodOf({ devices: 3, tiling } as unknown as Plan, new Int32Array(6))).toBe(3);
    // Where each tile lies in one chunk, nothing is in the way.
    const apart = { ...tiling, partTile: Int32Array.of(0, 1, 2, 3, 4, 5), tileParts: [[0], [1], [2], [3], [4], [5]] };
    expect(periodOf({ devices: 3, tiling: apart } as unknown as Plan, new Int32Array(12))).toBe(1);
  });

  test('not where devices differ', () => {
    const plan = planOfMapping(REDUCE_SCATTERS.ring(4), gridTiling({ m: 16, n: 16, tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1 }, 'rows', 4, 1));
    expect(fusedRun(plan, PLAIN, { fold: true }).devices).toHaveLength(1);
    expect(fusedRun(plan, PLAIN, { fold: true, skew: 1 }).devices).toHaveLength(4);
    expect(fusedRun(plan, PLAIN, { fold: true, depths: [24, 24, 24, 23] }).devices).toHaveLength(4);
    expect(fusedRun(plan, PLAIN, { fold: true, geometry: { sets: 1, ways: 1, overflow: 'stall' } }).devices).toHaveLength(4);
  });
});
