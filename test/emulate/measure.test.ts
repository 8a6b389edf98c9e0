import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TimedGroup } from '../../src/emulate/frame.ts';
import { fusedTime, intersection, overlapOf, stageEfficiency, union } from '../../src/emulate/measure.ts';

interface Span {
  start: number;
  end: number;
}

const spans = fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 12 })).map(([start, length]): Span => ({ start, end: start + length })), { maxLength: 12 });
/** The unit intervals that a list of spans covers. */
const covered = (list: readonly Span[]): Set<number> => new Set(list.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at)));
const lengthOf = (list: readonly Span[]): number => list.reduce((sum, { start, end }) => sum + end - start, 0);

describe('unions and intersections of intervals', () => {
  test('a union covers what its spans cover, in order, with gaps between', () => {
    fc.assert(
      fc.property(spans, (list) => {
        const merged = union(list);
        expect(covered(merged)).toEqual(covered(list));
        expect(lengthOf(merged)).toBe(covered(list).size);
        for (let at = 1; at < merged.length; at++) expect(merged[at].start).toBeGreaterThan(merged[at - 1].end);
      }),
    );
  });

  test('an intersection is as long as what both cover', () => {
    fc.assert(
      fc.property(spans, spans, (one, other) => {
        const both = [...covered(one)].filter((at) => covered(other).has(at)).length;
        expect(intersection(union(one), union(other))).toBe(both);
        expect(intersection(union(other), union(one))).toBe(both);
      }),
    );
  });

  test('written out by hand', () => {
    expect(union([{ start: 5, end: 7 }, { start: 0, end: 2 }, { start: 2, end: 3 }, { start: 1, end: 2 }])).toEqual([{ start: 0, end: 3 }, { start: 5, end: 7 }]);
    expect(union([])).toEqual([]);
    expect(intersection([{ start: 0, end: 4 }, { start: 6, end: 9 }], [{ start: 3, end: 7 }])).toBe(2);
    expect(intersection([{ start: 0, end: 4 }], [{ start: 4, end: 8 }])).toBe(0);
    expect(intersection([], [{ start: 0, end: 1 }])).toBe(0);
  });

  test('leave what they were given as it was', () => {
    const list = [{ start: 3, end: 4 }, { start: 0, end: 3 }];
    union(list);
    expect(list).toEqual([{ start: 3, end: 4 }, { start: 0, end: 3 }]);
  });
});

const group = (kind: TimedGroup['kind'], bytes: number, interval: [number, number] | null, flops = 0): TimedGroup => ({
  kind, device: 0, epoch: 0, bytes, flops, interval: interval === null ? null : ({ start: interval[0], end: interval[1] }),
});

describe('overlapMeasured and interleaved', () => {
  test('serial, with work between the stages: nothing overlaps, what began before the last stage ended is interleaved', () => {
    const groups = [group('gemm', 0, [0, 10]), group('transfer', 30, [10, 12]), group('gemm', 0, [12, 20]), group('transfer', 50, [20, 23]), group('reduction', 20, [23, 24])];
    expect(overlapOf(groups)).toEqual({ overlapMeasured: 0, interleaved: 0.3, gpuMs: 24 / 1e6 });
  });

  test('overlapping: unions, not sums, on both sides', () => {
    // Moving: 5..15 (two that overlap each other) and 30..40. GEMMs: 0..10, 8..12 and 35..50. Both: 5..12 and 35..40.
    const groups = [group('gemm', 0, [0, 10]), group('gemm', 0, [8, 12]), group('transfer', 10, [5, 15]), group('reduction', 10, [6, 9]), group('gemm', 0, [35, 50]), group('transfer', 20, [30, 40])];
    expect(overlapOf(groups)).toEqual({ overlapMeasured: 12 / 20, interleaved: 1, gpuMs: (10 + 4 + 10 + 3 + 15 + 10) / 1e6 });
  });

  test('interleaved counts bytes by when their work began, the last moment of the last stage excluded', () => {
    const at = (start: number) => overlapOf([group('gemm', 0, [0, 10]), group('transfer', 8, [start, start + 5])]).interleaved;
    expect([0, 9, 10, 11].map(at)).toEqual([1, 1, 0, 0]);
  });

  test('nothing transferred or reduced: both are null, the GPU time is not', () => {
    expect(overlapOf([group('gemm', 0, [0, 10]), group('gemm', 0, [10, 15])])).toEqual({ overlapMeasured: null, interleaved: null, gpuMs: 15 / 1e6 });
    expect(overlapOf([group('gemm', 0, [0, 10]), group('transfer', 0, [10, 15])])).toMatchObject({ overlapMeasured: null, interleaved: null });
    expect(overlapOf([])).toMatchObject({ overlapMeasured: null, interleaved: null });
  });

  test('not timed: interleaved goes by the order of submission, the rest is null', () => {
    const groups = [group('gemm', 0, null), group('transfer', 30, null), group('reduction', 10, null), group('gemm', 0, null), group('reduction', 60, null)];
    expect(overlapOf(groups)).toEqual({ overlapMeasured: null, interleaved: 0.4, gpuMs: null });
    // One interval that is missing is enough: the others alone would say something else.
    expect(overlapOf([group('gemm', 0, [0, 10]), group('transfer', 30, null), group('gemm', 0, [12, 20])])).toEqual({ overlapMeasured: null, interleaved: 1, gpuMs: null });
  });

  test('no GEMM at all: nothing can have been interleaved with one, timed or not', () => {
    expect(overlapOf([group('transfer', 30, [0, 1]), group('reduction', 10, [1, 2])]).interleaved).toBe(0);
    expect(overlapOf([group('transfer', 30, null), group('reduction', 10, null)]).interleaved).toBe(0);
  });

  test('transfers too short to be measured: no share of no time', () => {
    expect(overlapOf([group('gemm', 0, [0, 10]), group('transfer', 30, [5, 5])])).toMatchObject({ overlapMeasured: null, interleaved: 1 });
  });

  test('both are shares, and time that is not of transfers or reductions changes neither', () => {
    fc.assert(
      fc.property(spans, fc.array(fc.tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 100 })), { minLength: 1, maxLength: 8 }), (gemms, moving) => {
        const groups = [...gemms.map(({ start, end }) => group('gemm', 0, [start, end])), ...moving.map(([start, length, bytes]) => group('transfer', bytes, [start, start + length]))];
        const { overlapMeasured, interleaved, gpuMs } = overlapOf(groups);
        const busy = covered(moving.map(([start, length]) => ({ start, end: start + length })));
        expect(overlapMeasured).toBeCloseTo([...busy].filter((at) => covered(gemms).has(at)).length / busy.size, 12);
        const last = Math.max(-1, ...gemms.map(({ end }) => end));
        const before = moving.filter(([start]) => start < last).reduce((sum, [, , bytes]) => sum + bytes, 0);
        expect(interleaved).toBeCloseTo(before / moving.reduce((sum, [, , bytes]) => sum + bytes, 0), 12);
        expect(gpuMs).toBeCloseTo((lengthOf(gemms) + moving.reduce((sum, [, length]) => sum + length, 0)) / 1e6, 12);
      }),
    );
  });
});

describe('stageEfficiency', () => {
  test('the mean of the stages’ rates over the rate of the whole GEMM', () => {
    // 100 FLOP in 10 ns and 100 in 20 ns: 10 and 5 a nanosecond; the whole: 200 FLOP in 20 ns, 10 a nanosecond.
    const groups = [group('gemm', 0, [0, 10], 100), group('transfer', 5, [10, 11]), group('gemm', 0, [11, 31], 100)];
    expect(stageEfficiency(groups, 200, 20 / 1e6)).toBeCloseTo(0.75, 12);
  });

  test('null where the whole GEMM or every stage was not timed', () => {
    const groups = [group('gemm', 0, [0, 10], 100)];
    expect(stageEfficiency(groups, 100, null)).toBeNull();
    expect(stageEfficiency(groups, 100, 0)).toBeNull();
    expect(stageEfficiency([group('gemm', 0, null, 100), group('transfer', 4, [0, 10])], 100, 1)).toBeNull();
    expect(stageEfficiency([], 100, 1)).toBeNull();
  });

  test('a stage below the timer’s resolution has no rate', () => {
    expect(stageEfficiency([group('gemm', 0, [0, 10], 100), group('gemm', 0, [10, 10], 100)], 200, 20 / 1e6)).toBeCloseTo(1, 12);
  });
});

describe('what the wall time was made of', () => {
  const group = (kind: TimedGroup['kind'], start: number, end: number): TimedGroup => ({ kind, device: 0, epoch: 0, bytes: 0, flops: 0, interval: { start, end } });

  test('by hand: 3 ms of GEMM, 1 of it beside a transfer of 2, a gap of 1, a reduction, a tracker, 0.5 outside', () => {
    const groups = [group('gemm', 1e6, 4e6), group('transfer', 3e6, 5e6), group('reduction', 6e6, 6.5e6), group('tracker', 6.5e6, 6.75e6)];
    expect(fusedTime(groups, 6.25)).toEqual({ gemmMs: 3, transferMs: 2, reductionMs: 0.5, trackerMs: 0.25, overlappedMs: 1, gapsMs: 1, endsMs: 0.5 });
    expect(fusedTime(groups.toReversed(), 6.25)).toEqual(fusedTime(groups, 6.25));
  });

  test('nothing of it where a group was not timed, or nothing ran', () => {
    expect(fusedTime([], 1)).toBeNull();
    expect(fusedTime([group('gemm', 0, 1), { ...group('gemm', 0, 1), interval: null }], 1)).toBeNull();
    expect(fusedTime([group('gemm', 5, 1)], 1)).toBeNull();
  });

  test('sums to the wall time, whatever ran beside what', () => {
    const kinds = fc.constantFrom<TimedGroup['kind'][]>('gemm', 'transfer', 'reduction', 'tracker');
    fc.assert(
      fc.property(fc.array(fc.tuple(kinds, fc.nat(1000), fc.nat(100)), { minLength: 1, maxLength: 12 }), fc.nat(2000), (of, wall) => {
        const { overlappedMs, gapsMs, endsMs, ...sums } = fusedTime(of.map(([kind, start, long]) => group(kind, start, start + long)), wall / 1e6)!;
        expect(Object.values(sums).reduce((sum, ms) => sum + ms, 0) - overlappedMs + gapsMs + endsMs).toBeCloseTo(wall / 1e6, 12);
        expect(Math.min(overlappedMs, gapsMs)).toBeGreaterThan(-1e-12);
      }),
    );
  });
});
