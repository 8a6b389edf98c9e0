import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkLedger, ledgerOf, totalOf } from '../../src/events/ledger.ts';
import { expectedLedger } from '../../src/plan/closed-forms.ts';
import { EventLog, type Event } from '../../src/events/log.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { planCases, planFor } from '../support/plans.ts';
import { randomOf } from '../support/random.ts';
import { simulate } from '../support/simulate.ts';

const closedForm = (plan: Plan, algorithm: 'ring' | 'direct') => expectedLedger(algorithm, plan.tiling.chunks.map(({ elements }) => elements));

function logOf(events: readonly Event[]): EventLog {
  const log = new EventLog();
  for (const { kind, time, device, subject, peer, value, via } of events) log.add(kind, time, device, subject, peer, value, via);
  return log;
}

describe('the closed forms, written out by hand for chunks of 5, 4, 4 and 0 elements of 4 bytes', () => {
  test('ring', () => {
    expect(expectedLedger('ring', [5, 4, 4, 0])).toEqual([
      { storeBytes: 36, transferBytes: 16, linkBytes: 32, reductionBytes: 36 },
      { storeBytes: 36, transferBytes: 20, linkBytes: 36, reductionBytes: 36 },
      { storeBytes: 52, transferBytes: 36, linkBytes: 36, reductionBytes: 52 },
      { storeBytes: 32, transferBytes: 32, linkBytes: 52, reductionBytes: 32 },
    ]);
  });

  test('direct', () => {
    expect(expectedLedger('direct', [5, 4, 4, 0])).toEqual([
      { storeBytes: 20, transferBytes: 0, linkBytes: 32, reductionBytes: 60 },
      { storeBytes: 16, transferBytes: 0, linkBytes: 36, reductionBytes: 48 },
      { storeBytes: 16, transferBytes: 0, linkBytes: 36, reductionBytes: 48 },
      { storeBytes: 0, transferBytes: 0, linkBytes: 52, reductionBytes: 0 },
    ]);
  });

  test.each(['ring', 'direct'] as const)('%s: one device stores everything and moves nothing', (algorithm) => {
    expect(expectedLedger(algorithm, [7])).toEqual([{ storeBytes: 28, transferBytes: 0, linkBytes: 0, reductionBytes: 0 }]);
  });
});

test('equal chunks, in units of a chunk: N − 2 read by DMAs, 2N − 2 written, N − 1 over the link', () => {
  for (let devices = 2; devices <= 64; devices++)
    for (const { storeBytes, transferBytes, linkBytes, reductionBytes } of expectedLedger('ring', Array.from({ length: devices }, () => 1))) {
      const chunks = [transferBytes, storeBytes + reductionBytes, linkBytes].map((bytes) => bytes / 4);
      if (chunks.join() !== [devices - 2, 2 * devices - 2, devices - 1].join()) throw new Error(`${devices} devices: ${chunks.join()}`);
    }
});

test('what leaves over links arrives, for any chunks', () => {
  fc.assert(
    fc.property(fc.constantFrom('ring' as const, 'direct' as const), fc.array(fc.nat({ max: 1e6 }), { minLength: 1, maxLength: 64 }), (algorithm, chunks) => {
      const { linkBytes, reductionBytes } = totalOf(expectedLedger(algorithm, chunks));
      expect(linkBytes).toBe(reductionBytes);
    }),
  );
});

test('the sums of a run are the closed forms: any devices, unequal and empty chunks, both algorithms', () => {
  fc.assert(
    fc.property(planCases({ side: 13, devices: 13 }), fc.nat(), (given, seed) => {
      const plan = planFor(given);
      const rows = ledgerOf(plan, simulate(plan, { seed }).log);
      expect(rows).toEqual(closedForm(plan, given.algorithm));
      expect(checkLedger(rows, closedForm(plan, given.algorithm))).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test.each([1, 2, 3, 16, 31, 64])('so with %i devices', (devices) => {
  for (const algorithm of ['ring', 'direct'] as const)
    for (const m of [3, 65]) {
      const plan = planFor({ m, n: 1, devices, algorithm, chunk: 'rows', stageTiles: 5, triggerTiles: 2, tiles: { kind: 'grid', threadM: 3, threadN: 1, lanesX: 2, lanesY: 1, wavefront: 1 } });
      expect(ledgerOf(plan, simulate(plan, { seed: devices }).log)).toEqual(closedForm(plan, algorithm));
    }
});

test.each([['dropped', 0], ['doubled', 2]] as const)('a landing or a transfer that is %s breaks the balance of its device', (_what, times) => {
  fc.assert(
    fc.property(planCases({ side: 14, devices: 7 }), fc.nat(), (given, seed) => {
      const plan = planFor(given);
      const events = [...simulate(plan, { seed }).log];
      const candidates = [...events.keys()].filter((at) => events[at].kind === 'landed' || events[at].kind === 'send');
      const at = candidates[randomOf(seed)(candidates.length)];
      const changed = events.toSpliced(at, 1, ...Array.from({ length: times }, () => events[at]));
      const problems = checkLedger(ledgerOf(plan, logOf(changed)), closedForm(plan, given.algorithm));
      expect(problems.some((line) => line.startsWith(`device ${events[at].device}: `))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('a landing that came another way than it says breaks the balance', () => {
  fc.assert(
    fc.property(planCases({ side: 14, devices: 7 }), fc.nat(), (given, seed) => {
      const plan = planFor(given);
      const events = [...simulate(plan, { seed }).log];
      const candidates = [...events.keys()].filter((at) => events[at].kind === 'landed');
      const at = candidates[randomOf(seed)(candidates.length)];
      for (const via of (['local', 'remote', 'dma'] as const).filter((other) => other !== events[at].via))
        expect(checkLedger(ledgerOf(plan, logOf(events.with(at, { ...events[at], via }))), closedForm(plan, given.algorithm)).length).toBeGreaterThan(0);
    }),
    { numRuns: 40 },
  );
});

test('says which figure of which device is off, and what it should be; totals are sums', () => {
  const rows = [{ storeBytes: 1, transferBytes: 2, linkBytes: 3, reductionBytes: 4 }, { storeBytes: 10, transferBytes: 20, linkBytes: 30, reductionBytes: 40 }];
  expect(totalOf(rows)).toEqual({ storeBytes: 11, transferBytes: 22, linkBytes: 33, reductionBytes: 44 });
  expect(checkLedger(rows, [rows[0], { ...rows[1], linkBytes: 31 }])).toEqual(['device 1: linkBytes is 30, the closed form says 31']);
});
