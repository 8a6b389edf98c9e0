// How the time of the bench is dealt out. A shape's share is what is left of the total by its work over the work still to
// come; within a share each peer is first run by itself, then all that are not too slow in rounds, A B A B. Pure.
import type { GemmShape } from '../../src/spec/spec.ts';

/** Floating-point operations that are of use: 2·m·n·k. */
export const flopsOf = ({ m, n, k }: GemmShape): number => 2 * m * n * k;
/** From milliseconds to GFLOP/s. */
export const rateOf = (shape: GemmShape, ms: number): number => flopsOf(shape) / ms / 1e6;

/** What all shapes together are planned to take, of the 15 minutes in which the bench ends. */
export const PLANNED_MS = 12.5 * 60_000;
/** When whatever still runs is given up, and the browser ended. */
export const GIVEN_UP_MS = 14.5 * 60_000;
/** Nothing is begun that would end later than this before. */
export const RESERVE_MS = 15_000;
/** A shape at which no peer is slow, to know beforehand what the others take; and the work for which it is worth that. */
export const CALIBRATION: GemmShape = { m: 256, n: 256, k: 256 };
export const WORTH_CALIBRATING = 1e9;
/** Of a shape's time, for one run of one peer. */
export const MOST_OF_SHARE = 0.5;
/** Work that a shape counts for besides its own: preparing and checking, and short slices. */
const SET_UP_FLOPS = 1e9;
/** Completions are delivered in steps of about 2.5 ms: a slice is long enough that one step is 1 % of it. */
const SLICE_MS = 250;
const MOST_TIMES = 60;
/** Results that a peer keeps until it has computed all of a slice. */
const MOST_RESULT_BYTES = 2 ** 28;
/** Of which the least time counts. */
export const MOST_ROUNDS = 16;
/** Fewer than these tell little: ours and the fastest peer get as many even beyond a shape's share. */
export const FEWEST_ROUNDS = 3;
/** Times the best time beyond which a peer is run once per shape. */
export const TOO_SLOW = 10;
/** A run of a large shape that takes longer than this is not repeated for the sake of its compilation. */
export const SHORT_MS = 3000;
const LARGE_FLOPS = 1e9;

/** Whether what a run took is its work; a small one may take seconds to compile where others use the machine. */
export const isLong = (shape: GemmShape, ms: number): boolean => ms > SHORT_MS && flopsOf(shape) > LARGE_FLOPS;

/** Milliseconds for the first of the shapes that are left. */
export function shareOf(left: readonly GemmShape[], msLeft: number): number {
  const weights = left.map((shape) => flopsOf(shape) + SET_UP_FLOPS);
  return (Math.max(0, msLeft) * weights[0]) / weights.reduce((sum, weight) => sum + weight, 0);
}

/** Runs in a slice of `sliceMs` of a peer that takes `ms` for one. */
export function timesOf({ m, n }: GemmShape, ms: number, sliceMs = SLICE_MS): number {
  const byMemory = Math.max(1, Math.floor(MOST_RESULT_BYTES / (4 * m * n)));
  return Math.max(1, Math.min(MOST_TIMES, byMemory, Math.ceil(sliceMs / Math.max(ms, 0.01))));
}
