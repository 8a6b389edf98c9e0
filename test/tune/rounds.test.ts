// Who leaves a contest, when and why, with entrants whose times are made up and a clock that they move.
import { expect, test } from 'vitest';
import { bug, TilewireError } from '../../src/errors.ts';
import { contestOf, type Entry } from '../../src/tune/contest.ts';
import { compete, STOP_BELOW, type ContestOptions, type ContestResult, type Entrant, type Sample } from '../../src/tune/rounds.ts';

interface Made {
  readonly ms: number | ((round: number) => number);
  readonly first?: () => Sample;
  readonly again?: (round: number) => void;
  readonly confirm?: () => void;
  readonly confirmMs?: number;
}

interface Ran {
  readonly result: ContestResult;
  /** Entrants in the order of their samples. */
  readonly order: readonly number[];
  readonly told: readonly string[];
}

async function ran(made: readonly Made[], options: Partial<ContestOptions> = {}): Promise<Ran> {
  let clock = 0;
  const order: number[] = [];
  const told: string[] = [];
  const entrants = made.map(({ ms, first, again, confirm, confirmMs = 0 }, id): Entrant => {
    let round = 0;
    const sample = (): number => {
      const time = typeof ms === 'number' ? ms : ms(round);
      order.push(id);
      round++;
      clock += time;
      return time;
    };
    return {
      first: async () => {
        const given = first?.();
        const time = sample();
        return given ?? { ms: time };
      },
      again: async () => {
        again?.(round);
        return sample();
      },
      confirm: async () => {
        clock += confirmMs;
        confirm?.();
      },
      confirmMs,
    };
  });
  const result = await compete(entrants, { rounds: 8, seconds: 1e6, seed: 1, now: () => clock, progress: (step, done, total) => told.push(`${step} ${done}/${total}`), ...options });
  return { result, order, told };
}

const refuse = (code: 'BAD_KERNEL' | 'DEVICE_LOST'): never => {
  throw new TilewireError(code, 'it does not compile', { path: 'line 3', actual: 'let a = ;' });
};

test('all take part in every round, the first in the given order, the others in changing ones', async () => {
  const { result, order, told } = await ran(Array.from({ length: 6 }, () => ({ ms: 10 })));
  expect(result.rounds).toBe(9);
  expect(result.cut).toBe(false);
  for (const { samples, fate } of result.trials) expect({ samples, fate }).toEqual({ samples: Array.from({ length: 9 }, () => 10), fate: { kind: 'ranked' } });
  const rounds = Array.from({ length: 9 }, (_, round) => order.slice(6 * round, 6 * round + 6));
  expect(rounds[0]).toEqual([0, 1, 2, 3, 4, 5]);
  for (const round of rounds) expect(round.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(new Set(rounds.map(String)).size).toBeGreaterThan(6);
  expect(told[0]).toBe('round 1 of 9 0/54');
  expect(told[53]).toBe('round 9 of 9 53/54');
});

test('the hopeless are stopped, the sooner the worse they are, and it is said at what share', async () => {
  const { result: { trials } } = await ran([{ ms: 10 }, { ms: 100 }, { ms: 50 }, { ms: 30 }, { ms: 22 }, { ms: 15 }, { ms: 12.2 }, { ms: 11 }], { rounds: 9 });
  expect(trials.map(({ fate }) => (fate.kind === 'stopped' ? { ...fate, share: Number(fate.share.toFixed(6)) } : fate.kind))).toEqual([
    'ranked',
    { kind: 'stopped', rounds: 1, share: 0.1 },
    { kind: 'stopped', rounds: 2, share: 0.2 },
    { kind: 'stopped', rounds: 3, share: 0.333333 },
    { kind: 'stopped', rounds: 4, share: 0.454545 },
    { kind: 'stopped', rounds: 6, share: 0.666667 },
    { kind: 'stopped', rounds: 8, share: 0.819672 },
    'ranked',
  ]);
  expect(STOP_BELOW.every((share, at) => share >= (STOP_BELOW[at - 1] ?? 0) && share < 1)).toBe(true);
  expect(trials[3].samples).toEqual([30, 30, 30, ...Array.from({ length: 7 }, () => null)]);
});

test('a machine that slows down in common stops nobody', async () => {
  const { result: { trials } } = await ran([{ ms: 10 }, { ms: 11 }].map(({ ms }) => ({ ms: (round: number) => ms * (round === 0 ? 1 : 1 + round) })), { rounds: 9 });
  expect(trials.map(({ fate }) => fate.kind)).toEqual(['ranked', 'ranked']);
});

test('a lucky sample stops nobody for good', async () => {
  const { result: { trials } } = await ran([{ ms: (round) => (round === 0 ? 5 : 10) }, { ms: 10 }]);
  expect(trials.map(({ fate }) => fate.kind)).toEqual(['ranked', 'ranked']);
});

test('a slow sample is forgiven', async () => {
  const { result: { trials } } = await ran([{ ms: 10 }, { ms: (round) => (round === 1 ? 100 : 10) }]);
  expect(trials[1].fate).toEqual({ kind: 'ranked' });
});

test('who fails says why, whenever it is; who cannot be timed is not ranked', async () => {
  let late = 0;
  const { result: { trials } } = await ran([{ ms: 10, first: () => refuse('BAD_KERNEL') }, { ms: 10 }, { ms: 10, again: () => (late++ === 3 ? refuse('BAD_KERNEL') : undefined) }, { ms: 1, first: () => ({ unranked: 'too short' }) }, { ms: 10, confirm: () => refuse('BAD_KERNEL') }]);
  const failed = { kind: 'failed', reason: 'it does not compile (line 3, found let a = ;)' };
  expect(trials.map(({ fate }) => fate)).toEqual([failed, { kind: 'ranked' }, failed, { kind: 'unranked', reason: 'too short' }, failed]);
});

test('a lost device or a bug is nobody’s own failure', async () => {
  await expect(ran([{ ms: 10 }, { ms: 10, again: () => refuse('DEVICE_LOST') }])).rejects.toThrow('DEVICE_LOST');
  await expect(ran([{ ms: 10, first: () => { throw bug('oh'); } }])).rejects.toThrow('oh');
  await expect(ran([{ ms: 10, first: () => { throw new TypeError('no function'); } }])).rejects.toThrow('no function');
});

test('time is kept for the proofs; who cannot be proven any more is not ranked, the slower ones first', async () => {
  const kept = await ran(Array.from({ length: 2 }, () => ({ ms: 1000, confirmMs: 1000 })), { seconds: 12, rounds: 50 });
  // 2 samples in the first round, 2 s of the 12 for the proofs.
  expect(kept.result.trials.flatMap(({ samples }) => samples).filter((ms) => ms !== null).length).toBe(11);
  const { result: { trials } } = await ran([1000, 900, 1100].map((ms) => ({ ms, confirmMs: 7000 })), { seconds: 12, rounds: 50 });
  expect(trials.map(({ fate }) => fate.kind)).toEqual(['unranked', 'ranked', 'unranked']);
  expect(trials[0].fate).toMatchObject({ reason: expect.stringContaining('no time was left to prove') });
});

test('half of the time is the first round’s; those who got no turn are told', async () => {
  const { result } = await ran(Array.from({ length: 10 }, () => ({ ms: 1000 })), { seconds: 10 });
  expect(result.trials.map(({ fate }) => fate.kind)).toEqual([...Array.from({ length: 6 }, () => 'ranked'), ...Array.from({ length: 4 }, () => 'skipped')]);
  expect(result.cut).toBe(true);
  expect(result.trials.slice(0, 6).flatMap(({ samples }) => samples).filter((ms) => ms !== null).length).toBe(11);
});

const entry = (kernel: string): Entry => ({ name: { kernel, tile: null, overrides: null, granularity: null }, batch: 1, verified: true, repeats: 1, part: 1, wholeMs: null, replayedMs: [] });
const TIMER = { kind: 'GPU timestamps', resolutionNs: 1, leastSampleMs: 5 } as const;

test('a table of it: by rank, the first round not compared, rates only of what counts', async () => {
  const { result } = await ran([{ ms: (round) => (round === 0 ? 11 : 12) }, { ms: (round) => (round === 0 ? 12 : 11) }, { ms: 100 }, { ms: 11, confirm: () => refuse('BAD_KERNEL') }]);
  const contest = contestOf(['a', 'b', 'slow', 'wrong'].map(entry), result, 33e6, TIMER, ['a note']);
  expect(contest.candidates.map(({ kernel, rank, fate, medianMs, minMs, gflops }) => ({ kernel, rank, fate: fate.kind, medianMs, minMs, gflops }))).toEqual([
    { kernel: 'b', rank: 1, fate: 'ranked', medianMs: 11, minMs: 11, gflops: 3 },
    { kernel: 'a', rank: 2, fate: 'ranked', medianMs: 12, minMs: 11, gflops: 2.75 },
    { kernel: 'slow', rank: null, fate: 'stopped', medianMs: 100, minMs: 100, gflops: 0.33 },
    { kernel: 'wrong', rank: null, fate: 'failed', medianMs: null, minMs: null, gflops: null },
  ]);
  expect(contest.candidates[1].share).toMatchObject({ value: expect.closeTo(11 / 12, 12), differs: true });
  expect(contest.pairs).toBe(8);
  expect(contest.notes).toEqual(['a note']);
});

test('a round that time cut short is compared by nobody, and too few rounds are said', async () => {
  const { result } = await ran([{ ms: 1000 }, { ms: 1100 }], { seconds: 5.5 });
  const contest = contestOf(['a', 'b'].map(entry), result, 1e9, TIMER, []);
  expect([result.cut, result.rounds, contest.pairs]).toEqual([true, 4, 2]);
  expect(contest.notes).toEqual([expect.stringContaining('time was up'), expect.stringContaining('2 paired rounds cannot tell 2 candidates apart: at least 6')]);
});

test('where no round is complete, rates and shares are both of the first one', async () => {
  const { result } = await ran([{ ms: (round) => (round === 0 ? 1000 : 4000) }, { ms: (round) => (round === 0 ? 1100 : 3000) }], { seconds: 4.5 });
  const { candidates, pairs } = contestOf(['a', 'b'].map(entry), result, 1e9, TIMER, []);
  expect([pairs, result.cut]).toEqual([0, true]);
  expect(candidates.map(({ kernel, medianMs, share }) => [kernel, medianMs, share!.value.toFixed(6)])).toEqual([['a', 1000, '1.000000'], ['b', 1100, (1000 / 1100).toFixed(6)]]);
});

test('parts of GEMMs that do not agree with the whole ones are told', async () => {
  const { result } = await ran([{ ms: 10 }, { ms: 10 }]);
  const told = (wholeMs: number, part: number): readonly string[] => contestOf(['a', 'b'].map((kernel) => ({ ...entry(kernel), part, wholeMs })), result, 1e9, TIMER, []).notes;
  expect(told(25, 0.1)).toEqual([expect.stringContaining('2.50 times')]);
  expect(told(6, 0.1)).toEqual([expect.stringContaining('0.600 times')]);
  expect(told(11, 0.1)).toEqual([]);
  expect(told(25, 1)).toEqual([]);
});
