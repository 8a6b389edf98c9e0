// What counters say, whichever of them were read.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Watch } from '../../src/emulate/watch.ts';
import { EventLog } from '../../src/events/log.ts';
import { routeOf, type Plan } from '../../src/plan/plan.ts';
import { Tracker } from '../../src/tracker/tracker.ts';
import { planCases, planFor } from '../support/plans.ts';
import { randomOf } from '../support/random.ts';

function watching(plan: Plan) {
  const trackers = Array.from({ length: plan.devices }, (_, device) => new Tracker(plan, device, { sets: 4, ways: 2, overflow: 'spill' }));
  const log = new EventLog();
  return { trackers, log, watch: new Watch(plan, trackers, log), ready: [] as string[] };
}

/** Counters of a run: after every epoch some more of what the Plan expects, in the end all, in words of a stride that is no number of pieces; and whether a GEMM wrote in it. */
function epochsOf(plan: Plan, seed: number, stride: number): { counters: Uint32Array; stored: boolean }[] {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const random = randomOf(seed);
  const counters = new Uint32Array(2 * devices * stride);
  return Array.from({ length: 8 }, (_, epoch) => {
    const isLast = epoch === 7;
    const stored = epoch < 2 || isLast || random(3) === 0;
    for (let writer = stored ? 0 : devices; writer < 2 * devices; writer++)
      for (let piece = 0; piece < pieces; piece++) {
        const chunk = tiling.partChunk[Math.floor(piece / tiling.wavefronts)];
        const isDue = writer < devices || routeOf(plan, writer - devices, chunk).expects.some(({ kind }) => kind === 'dma');
        if (isDue && (isLast || random(3) === 0)) counters[writer * stride + piece] = tiling.pieceElements[piece];
      }
    return { counters: counters.slice(), stored };
  });
}

test('where no GEMM stored, the near-memory units’ counters alone tell the same: events, triggers, trackers', () => {
  fc.assert(
    fc.property(planCases({ side: 16, devices: 5 }), fc.nat(), fc.integer({ min: 0, max: 3 }), (given, seed, more) => {
      const plan = planFor(given);
      const stride = plan.tiling.parts * plan.tiling.wavefronts + more;
      const [whole, half] = [watching(plan), watching(plan)];
      for (const [epoch, { counters, stored }] of epochsOf(plan, seed, stride).entries())
        for (const { watch, ready, some } of [{ ...whole, some: counters }, { ...half, some: stored ? counters : counters.subarray(plan.devices * stride) }])
          watch.read(epoch, some, stride, (device, block) => ready.push(`${epoch}: ${device} ${block}`));
      expect([...half.log]).toEqual([...whole.log]);
      expect(half.ready).toEqual(whole.ready);
      expect(half.trackers.map(({ landed }) => [...landed])).toEqual(whole.trackers.map(({ landed }) => [...landed]));
      expect(whole.log.length).toBeGreaterThan(0);
      // An event names what its update is: nothing of the one before is left.
      expect([...whole.log.of('trigger')].map(({ time, device, subject }) => `${time}: ${device} ${subject}`)).toEqual(whole.ready);
      expect(new Set(whole.ready.map((of) => of.split(': ')[1])).size).toBe(whole.ready.length);
      expect(new Set([...whole.log.of('complete')].map(({ device, subject }) => `${device} ${subject}`)).size).toBe([...whole.log.of('complete')].length);
    }),
  );
});
