// Runs as the transfer and near-memory kernels take them: `count` stretches of `length` elements, `stride` apart. A tile's rows
// are one such run, where the Plan's list has one of start and length for each. Elements keep their order, and with it
// their place in a landing buffer.
import type { Tiling } from '../plan/tiling.ts';

export interface Run {
  /** First element. */
  readonly start: number;
  readonly length: number;
  readonly count: number;
  readonly stride: number;
}

export interface RunTable {
  /** Four words a run, in the order of the kernels' `Run`. */
  readonly words: Uint32Array;
  /** Runs of piece p: `pieceRuns[p]..pieceRuns[p + 1]`. */
  readonly pieceRuns: Int32Array;
}

/** Stretches into which a single long one is cut: what the kernels move in one turn of their loop. */
const STRETCHES = 4;
/** Elements from which on that pays: each lane has some of every stretch. */
const LONG = 128;

/** Stretches of equal length at equal distances become one run; a single long one is cut into several. */
export function merged(stretches: Iterable<readonly [start: number, length: number]>): Run[] {
  const found: { start: number; length: number; count: number; stride: number }[] = [];
  for (const [start, length] of stretches) {
    const last = found.at(-1);
    const stride = last === undefined ? 0 : start - last.start - (last.count - 1) * last.stride;
    if (last !== undefined && length === last.length && stride >= length && (last.count === 1 || stride === last.stride)) {
      last.count++;
      last.stride = stride;
    } else found.push({ start, length, count: 1, stride: 0 });
  }
  return found.flatMap((run) => {
    if (run.count > 1 || run.length < LONG) return [run];
    const length = Math.floor(run.length / STRETCHES);
    const rest = run.length - STRETCHES * length;
    return [{ start: run.start, length, count: STRETCHES, stride: length }, ...(rest === 0 ? [] : [{ start: run.start + STRETCHES * length, length: rest, count: 1, stride: 0 }])];
  });
}

export const runWords = (runs: readonly Run[]): Uint32Array => Uint32Array.from(runs.flatMap(({ start, length, count, stride }) => [start, length, count, stride]));

export function runTable({ pieceRuns, runs, parts, wavefronts }: Tiling): RunTable {
  const words: number[] = [];
  const of = new Int32Array(parts * wavefronts + 1);
  for (let piece = 0; piece < parts * wavefronts; piece++) {
    const stretches = Array.from({ length: pieceRuns[piece + 1] - pieceRuns[piece] }, (_, at) => [runs[2 * (pieceRuns[piece] + at)], runs[2 * (pieceRuns[piece] + at) + 1]] as const);
    for (const { start, length, count, stride } of merged(stretches)) words.push(start, length, count, stride);
    of[piece + 1] = words.length / 4;
  }
  return { words: Uint32Array.from(words), pieceRuns: of };
}
