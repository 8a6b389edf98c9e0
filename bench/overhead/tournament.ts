// The fastest plain kernel for a shape, out of all candidates: slices of the GEMM (its first workgroups, as untouched
// kernels have no others), interleaved and compared by their minima, over what they would be of the whole. What is far off is left early.
import { TilewireError } from '../../src/errors.ts';
import { operandBuffers, operandSource, PLAIN_OPERANDS, type OperandBuffers } from '../../src/emulate/operands.ts';
import { outputElements, untouched, type Untouched } from '../../src/emulate/untouched.ts';
import { Gemm } from '../../src/gpu/gemm.ts';
import { Arena, type Gpu } from '../../src/gpu/gpu.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { GemmShape } from '../../src/spec/spec.ts';
import { nameOf, type BuiltIn } from './candidates.ts';
import { PassClock, type Encode } from './clock.ts';

export interface Ranked {
  readonly choice: BuiltIn;
  /** Of a whole GEMM. */
  readonly ms: number;
}

export interface Tournament {
  /** Fastest first, those that came to the last round. */
  readonly ranked: readonly Ranked[];
  readonly tried: number;
  /** Kernels that could not be compiled here, and why. */
  readonly refused: readonly string[];
}

interface Entry {
  readonly choice: BuiltIn;
  readonly gemm: Gemm;
  readonly run: Untouched;
  /** Of a whole GEMM, the least seen in the round. */
  ms: number;
}

/** Workgroups of about this many operations make a slice at first; later as long as `SLICE_MS`. */
const FIRST_FLOPS = 2e8;
const SLICE_MS = 40;
/** A kernel whose defaults are so much slower than the fastest is not tried at other tiles. */
const HOPELESS = 1.8;
const ROUNDS = [
  { keep: 10, within: 1.25, samples: 3 },
  { keep: 6, within: 1.15, samples: 5 },
  { keep: 4, within: 1.08, samples: 10 },
];

/** Columns and rows of the first workgroups of a grid, about `count` of them. */
export function sliceOf([x, y]: readonly [number, number, number], count: number): [number, number, 1] {
  return count <= x ? [Math.max(1, Math.round(count)), 1, 1] : [x, Math.min(y, Math.round(count / x)), 1];
}

export async function tournament(gpu: Gpu, shape: GemmShape, lists: readonly (readonly BuiltIn[])[], isTimeLeft: () => boolean = () => true): Promise<Tournament> {
  const arena = new Arena(gpu);
  const clock = new PassClock(gpu, 64);
  try {
    const spec = await resolveSpec({ ...shape, devices: 1 });
    const operands: OperandBuffers = operandBuffers(arena, spec, PLAIN_OPERANDS);
    (await operandSource(gpu, arena, spec, PLAIN_OPERANDS)).fill(0, operands);
    const output = arena.storage('C', shape.m * shape.n * 4);
    const flops = 2 * shape.m * shape.n * shape.k;
    const refused: string[] = [];
    const entries: Entry[] = [];
    const slice = ({ gemm: { grid, text }, run }: Entry, ms: number): { share: number; encode: Encode } => {
      const [x, y, z] = grid;
      // Splits are dispatched one by one, and whole: what sums them knows no slices.
      const part = text.splits.count > 1 ? grid : sliceOf(grid, (x * y * z * SLICE_MS) / ms);
      return { share: (part[0] * part[1] * part[2]) / (x * y * z), encode: (pass) => run(pass, operands, output, part) };
    };
    const timed = async (round: readonly Entry[], samples: number): Promise<void> => {
      const parts = round.map((entry) => slice(entry, entry.ms));
      const least = round.map(() => Infinity);
      for (let sample = 0; sample < samples; sample++) {
        const times = await clock.time(parts.map(({ encode }) => encode));
        times.forEach((ms, at) => (least[at] = Math.min(least[at], ms / parts[at].share)));
      }
      round.forEach((entry, at) => (entry.ms = least[at]));
    };

    let best = Infinity;
    let tried = 0;
    for (const list of lists) {
      let bestOfKernel = Infinity;
      for (const [at, choice] of list.entries()) {
        // Its defaults come first.
        if ((at >= 3 && bestOfKernel > HOPELESS * best) || (entries.length > 0 && !isTimeLeft())) break;
        tried++;
        try {
          const gemm = new Gemm(gpu, arena, choice, shape, 64);
          if (outputElements(gemm) !== shape.m * shape.n) continue;
          const entry: Entry = { choice, gemm, run: await untouched(gpu, arena, gemm), ms: (SLICE_MS * flops) / FIRST_FLOPS };
          // The first run of a pipeline compiles it.
          await clock.time([(pass) => entry.run(pass, operands, output, gemm.text.splits.count > 1 ? gemm.grid : [1, 1, 1])]);
          await timed([entry], 2);
          entries.push(entry);
          bestOfKernel = Math.min(bestOfKernel, entry.ms);
          best = Math.min(best, entry.ms);
        } catch (error) {
          if (!(error instanceof TilewireError)) throw error;
          refused.push(`${nameOf(choice)}: ${error.what}`);
        }
      }
    }
    let left = entries;
    for (const { keep, within, samples } of ROUNDS) {
      left = left.toSorted((one, other) => one.ms - other.ms).filter(({ ms }, at, all) => at < keep && ms <= within * all[0].ms);
      if (left.length > 1) await timed(left, samples);
    }
    gpu.check();
    return { ranked: left.toSorted((one, other) => one.ms - other.ms).map(({ choice, ms }) => ({ choice, ms })), tried, refused };
  } finally {
    clock.destroy();
    arena.destroy();
  }
}
