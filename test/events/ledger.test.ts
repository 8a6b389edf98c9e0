import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkLedger, ledgerOf, totalOf } from '../../src/events/ledger.ts';
import { collectiveLedger, expectedLedger } from '../../src/plan/closed-forms.ts';
import { EventLog, type Event } from '../../src/events/log.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { ALGORITHMS, type Algorithm } from '../../src/spec/spec.ts';
import { planCases, planFor } from '../support/plans.ts';
import { randomOf } from '../support/random.ts';
import { simulate } from '../support/simulate.ts';

const closedForm = (plan: Plan, algorithm: Algorithm) => expectedLedger(algorithm, plan);

function logOf(events: readonly Event[]): EventLog {
  const log = new EventLog();
  for (const { kind, time, device, subject, peer, value, via } of events) log.add(kind, time, device, subject, peer, value, via);
  return log;
}

describe('the closed forms, written out by hand for chunks of 5, 4, 4 and 0 elements of 4 bytes', () => {
  test('ring', () => {
    expect(collectiveLedger('ring', [5, 4, 4, 0])).toEqual([
      { storeBytes: 36, transferBytes: 16, linkBytes: 32, reductionBytes: 36 },
      { storeBytes: 36, transferBytes: 20, linkBytes: 36, reductionBytes: 36 },
      { storeBytes: 52, transferBytes: 36, linkBytes: 36, reductionBytes: 52 },
      { storeBytes: 32, transferBytes: 32, linkBytes: 52, reductionBytes: 32 },
    ]);
  });

  test('direct', () => {
    expect(collectiveLedger('direct', [5, 4, 4, 0])).toEqual([
      { storeBytes: 20, transferBytes: 0, linkBytes: 32, reductionBytes: 60 },
      { storeBytes: 16, transferBytes: 0, linkBytes: 36, reductionBytes: 48 },
      { storeBytes: 16, transferBytes: 0, linkBytes: 36, reductionBytes: 48 },
      { storeBytes: 0, transferBytes: 0, linkBytes: 52, reductionBytes: 0 },
    ]);
  });

  test.each(ALGORITHMS)('%s: one device stores everything and moves nothing', (algorithm) => {
    expect(collectiveLedger(algorithm, [7])).toEqual([{ storeBytes: 28, transferBytes: 0, linkBytes: 0, reductionBytes: 0 }]);
    expect(collectiveLedger(algorithm, [7], 3)).toEqual([{ storeBytes: 84, transferBytes: 0, linkBytes: 0, reductionBytes: 0 }]);
  });

  test('ring, two splits: every store twice, those of step 1 over the link; each transfer once', () => {
    expect(collectiveLedger('ring', [5, 4, 4, 0], 2)).toEqual([
      { storeBytes: 72, transferBytes: 16, linkBytes: 48, reductionBytes: 52 },
      { storeBytes: 72, transferBytes: 20, linkBytes: 52, reductionBytes: 36 },
      { storeBytes: 104, transferBytes: 36, linkBytes: 36, reductionBytes: 72 },
      { storeBytes: 64, transferBytes: 32, linkBytes: 72, reductionBytes: 48 },
    ]);
  });

  test('ring of two, three splits: everything but the own chunk over the link, three times', () => {
    expect(collectiveLedger('ring', [5, 4], 3)).toEqual([
      { storeBytes: 60, transferBytes: 0, linkBytes: 48, reductionBytes: 60 },
      { storeBytes: 48, transferBytes: 0, linkBytes: 60, reductionBytes: 48 },
    ]);
  });

  test('direct, three splits: three of everything', () => {
    expect(collectiveLedger('direct', [5, 4, 4, 0], 3)).toEqual([
      { storeBytes: 60, transferBytes: 0, linkBytes: 96, reductionBytes: 180 },
      { storeBytes: 48, transferBytes: 0, linkBytes: 108, reductionBytes: 144 },
      { storeBytes: 48, transferBytes: 0, linkBytes: 108, reductionBytes: 144 },
      { storeBytes: 0, transferBytes: 0, linkBytes: 156, reductionBytes: 0 },
    ]);
  });

  test('a batch: each matrix is a collective of its own, and a device moves the sum', () => {
    // Two matrices of 13 × 1, rows over 4 devices: chunks of 4, 3, 3, 3.
    const plan = planFor({ m: 13, n: 1, batch: 2, devices: 4, algorithm: 'ring', chunk: 'rows', stageTiles: 1, triggerTiles: 1, tiles: { kind: 'grid', threadM: 2, threadN: 1, lanesX: 1, lanesY: 1, wavefront: 1 } });
    expect(expectedLedger('ring', plan)).toEqual([
      { storeBytes: 80, transferBytes: 48, linkBytes: 72, reductionBytes: 80 },
      { storeBytes: 80, transferBytes: 56, linkBytes: 80, reductionBytes: 80 },
      { storeBytes: 80, transferBytes: 56, linkBytes: 80, reductionBytes: 80 },
      { storeBytes: 72, transferBytes: 48, linkBytes: 80, reductionBytes: 72 },
    ]);
  });
});

test('equal chunks, in units of a chunk: N − 2 read by DMAs, 2N − 2 written, N − 1 over the link', () => {
  for (let devices = 2; devices <= 64; devices++)
    for (const { storeBytes, transferBytes, linkBytes, reductionBytes } of collectiveLedger('ring', Array.from({ length: devices }, () => 1))) {
      const chunks = [transferBytes, storeBytes + reductionBytes, linkBytes].map((bytes) => bytes / 4);
      if (chunks.join() !== [devices - 2, 2 * devices - 2, devices - 1].join()) throw new Error(`${devices} devices: ${chunks.join()}`);
    }
});

test('what leaves over links arrives, for any chunks', () => {
  fc.assert(
    fc.property(fc.constantFrom('ring' as const, 'direct' as const), fc.array(fc.nat({ max: 1e6 }), { minLength: 1, maxLength: 64 }), fc.integer({ min: 1, max: 4 }), (algorithm, chunks, splits) => {
      const { linkBytes, reductionBytes } = totalOf(collectiveLedger(algorithm, chunks, splits));
      expect(linkBytes).toBe(reductionBytes);
    }),
  );
});

test('the sums of a run are the closed forms: any devices, splits and matrices, unequal and empty chunks, all algorithms', () => {
  fc.assert(
    fc.property(planCases({ side: 13, devices: 13 }), fc.nat(), (given, seed) => {
      const plan = planFor(given);
      const rows = ledgerOf(plan, simulate(plan, { seed }).log);
      expect(rows).toEqual(closedForm(plan, given.algorithm));
      expect(checkLedger(rows, closedForm(plan, given.algorithm))).toEqual([]);
    }),
    { numRuns: 80 },
  );
});

test.each([1, 2, 3, 16, 31, 64])('so with %i devices', (devices) => {
  for (const algorithm of ALGORITHMS)
    for (const [m, more] of [[3, {}], [65, {}], [33, { splits: { count: 3, axis: 'x', seed: 5 } }], [17, { batch: 2, splits: { count: 2, axis: 'z', seed: 5 } }]] as const) {
      const plan = planFor({ ...more, m, n: 1, devices, algorithm, chunk: 'rows', stageTiles: 5, triggerTiles: 2, tiles: { kind: 'grid', threadM: 3, threadN: 1, lanesX: 2, lanesY: 1, wavefront: 1 } });
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
