// What the measured intervals say. `overlapMeasured`: of all the time in which a transfer or a reduction ran, the
// share in which a GEMM ran as well (interval unions over real GPU times). `interleaved`: of all bytes transferred
// or reduced, the share whose GPU work began before the last GEMM stage ended. Two different things: the first is the hardware's, the
// second the schedule's.
import type { FusedTime } from '../verify/run-report.ts';
import type { TimedGroup } from './frame.ts';

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Overlapping spans merged, by time. */
export function union(spans: readonly Span[]): Span[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of spans.toSorted((one, other) => one.start - other.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** Total length of the intersection of two unions. */
export function intersection(one: readonly Span[], other: readonly Span[]): number {
  let total = 0;
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    total += Math.max(0, Math.min(one[i].end, other[j].end) - Math.max(one[i].start, other[j].start));
    if (one[i].end < other[j].end) i++;
    else j++;
  }
  return total;
}

const NS_PER_MS = 1e6;
const length = (spans: readonly Span[]): number => spans.reduce((sum, { start, end }) => sum + end - start, 0);
const moves = ({ kind }: TimedGroup): boolean => kind !== 'gemm';

export interface Overlap {
  /** Null when nothing was transferred or reduced, or nothing was timed. */
  readonly overlapMeasured: number | null;
  readonly interleaved: number | null;
  /** Summed GPU time of all groups, ms; null without timestamps. */
  readonly gpuMs: number | null;
}

/** @param groups in the order of submission, which stands in for the time of an interval that was not measured */
export function overlapOf(groups: readonly TimedGroup[]): Overlap {
  const moving = groups.filter(moves);
  const bytes = moving.reduce((sum, group) => sum + group.bytes, 0);
  const timed = groups.every(({ interval }) => interval !== null);
  const spans = (of: readonly TimedGroup[]): Span[] => union(of.map(({ interval }) => interval!));
  const gpuMs = timed ? groups.reduce((sum, { interval }) => sum + interval!.end - interval!.start, 0) / NS_PER_MS : null;
  if (bytes === 0) return { overlapMeasured: null, interleaved: null, gpuMs };
  const gemms = groups.filter((group) => !moves(group));
  if (!timed) {
    const last = groups.findLastIndex((group) => !moves(group));
    return { overlapMeasured: null, interleaved: groups.slice(0, Math.max(0, last)).filter(moves).reduce((sum, group) => sum + group.bytes, 0) / bytes, gpuMs };
  }
  const end = gemms.reduce((latest, { interval }) => Math.max(latest, interval!.end), -Infinity);
  const before = moving.filter(({ interval }) => interval!.start < end).reduce((sum, group) => sum + group.bytes, 0);
  const busy = length(spans(moving));
  return { overlapMeasured: busy === 0 ? null : intersection(spans(moving), spans(gemms)) / busy, interleaved: before / bytes, gpuMs };
}

/** Whether every group has an interval, and none that a GPU whose clock was reset in the middle tells of. */
export const allTimed = (groups: readonly TimedGroup[]): boolean => groups.every(({ interval }) => interval !== null && interval.end >= interval.start);

export const kindMs = (groups: readonly TimedGroup[], wanted: TimedGroup['kind']): number => groups.reduce((sum, { kind, interval }) => sum + (kind === wanted ? interval!.end - interval!.start : 0), 0) / NS_PER_MS;

/** @param groups of the fused run, the trackers' among them; null where they were not all timed */
export function fusedTime(groups: readonly TimedGroup[], wallMs: number): FusedTime | null {
  if (groups.length === 0 || !allTimed(groups)) return null;
  const busy = union(groups.map(({ interval }) => interval!));
  const busyMs = length(busy) / NS_PER_MS;
  const spanMs = (busy.at(-1)!.end - busy[0].start) / NS_PER_MS;
  const [gemmMs, transferMs, reductionMs, trackerMs] = (['gemm', 'transfer', 'reduction', 'tracker'] as const).map((kind) => kindMs(groups, kind));
  return { gemmMs, transferMs, reductionMs, trackerMs, overlappedMs: gemmMs + transferMs + reductionMs + trackerMs - busyMs, gapsMs: spanMs - busyMs, endsMs: wallMs - spanMs };
}

/** Mean GEMM rate of a stage over that of the whole GEMM in one dispatch; null where either was not timed. */
export function stageEfficiency(groups: readonly TimedGroup[], gemmFlops: number, gemmMs: number | null): number | null {
  const stages = groups.filter(({ kind, interval }) => kind === 'gemm' && interval !== null && interval.end > interval.start);
  if (gemmMs === null || gemmMs === 0 || stages.length === 0) return null;
  const rates = stages.map(({ flops, interval }) => flops / (interval!.end - interval!.start));
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length / (gemmFlops / (gemmMs * NS_PER_MS));
}
