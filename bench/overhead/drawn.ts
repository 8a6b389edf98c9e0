// Paired runs on GPU devices of their own, each of which compiles anew: on a software adapter two compilations of one text differ by more than
// the pairs of one device do, so that a figure is one of several devices.
import { Arena, type Gpu } from '../../src/gpu/gpu.ts';
import type { BuiltIn } from './candidates.ts';
import { PassClock } from './clock.ts';
import { onFreshDevice } from './fresh.ts';
import { pairedRun, plainOf, prepareFused, timedWhole, type FusedJob, type PairedRun } from './paired.ts';
import type { PlainParts } from './parts.ts';
import type { Prepared, TriggerMode } from './prepared.ts';
import { median, spreadOf, type Sampled } from './statistics.ts';
import type { WholeRun } from './units.ts';

/** A fused run and plain parts by these kernels, ready to be timed; all of it destroyed afterwards. */
export async function withPrepared<T>(gpu: Gpu, job: FusedJob, choice: BuiltIn, plain: readonly BuiltIn[], work: (prepared: Prepared, plain: readonly PlainParts[], clock: PassClock) => Promise<T>): Promise<T> {
  const arena = new Arena(gpu);
  const clock = new PassClock(gpu, 8);
  const prepared = await prepareFused(gpu, job, choice);
  try {
    return await work(prepared, await plainOf(prepared, arena, plain), clock);
  } finally {
    clock.destroy();
    prepared.destroy();
    arena.destroy();
  }
}

export interface DrawnHow {
  readonly modes: readonly TriggerMode[];
  /** Steps of a run that are looked at, each a unit. */
  readonly steps: number;
  /** Devices on which a whole run is timed, the first ones. */
  readonly wholeRuns: number;
  /** Asked before each device, with how many there were and how long the last took, ms; the first is not asked for. */
  readonly isTimeLeft: (draws: number, lastMs: number) => boolean;
}

export interface Drawn<T> {
  /** By mode, of each device. */
  readonly runs: ReadonlyMap<TriggerMode, readonly PairedRun[]>;
  readonly wholes: ReadonlyMap<TriggerMode, readonly WholeRun[]>;
  /** That a whole run has, of the length of those that were paired. */
  readonly units: number;
  /** What was asked of the first device's run. */
  readonly facts: T;
}

/** @param factsOf what else is wanted of the prepared run; the same on every device */
export async function drawnRuns<T>(job: FusedJob, choice: BuiltIn, plainChoices: readonly BuiltIn[], { modes, steps, wholeRuns, isTimeLeft }: DrawnHow, factsOf: (prepared: Prepared, plain: readonly PlainParts[]) => T): Promise<Drawn<T>> {
  const runs = new Map(modes.map((mode) => [mode, [] as PairedRun[]]));
  const wholes = new Map(modes.map((mode) => [mode, [] as WholeRun[]]));
  let facts: { readonly of: T } | undefined;
  let units = 0;
  let lastMs = 0;
  for (let draw = 0; draw === 0 || isTimeLeft(draw, lastMs); draw++) {
    const started = Date.now();
    await onFreshDevice((gpu) =>
      withPrepared(gpu, job, choice, plainChoices, async (prepared, plain, clock) => {
        facts ??= { of: factsOf(prepared, plain) };
        const stages = Math.ceil((steps * prepared.epochs) / job.devices);
        for (const [at, mode] of modes.entries()) {
          // What nothing has touched yet costs its first user, memory above all: a run goes ahead, and a few epochs ahead of that where it is timed.
          if (draw < wholeRuns) {
            await prepared.run({ mode, stages: Math.min(2, stages) });
            wholes.get(mode)!.push(await timedWhole(prepared, { mode }));
          } else if (at === 0) await prepared.run({ mode, stages });
          const all: PairedRun[] = [];
          // Where tiles over many chunks make few steps, and so few units, again.
          for (let again = 0; again === 0 || again < Math.round(steps / all[0].pairs.length); again++)
            all.push(await pairedRun(prepared, { mode, stages, plain, clock, units: steps, share: 1, phase: ((draw + again) % 2) as 0 | 1 }));
          units = (all[0].pairs.length * prepared.epochs) / stages;
          const sum = (of: (run: PairedRun) => number): number => all.reduce((total, run) => total + of(run), 0);
          runs.get(mode)!.push({
            pairs: all.flatMap(({ pairs }) => pairs),
            control: all.flatMap(({ control }) => control),
            // As of a whole run.
            idleMs: (sum(({ idleMs }) => idleMs) * prepared.epochs) / stages / all.length,
            watchMs: sum(({ watchMs }) => watchMs),
            triggers: sum(({ triggers }) => triggers),
          });
        }
      }),
    );
    lastMs = Date.now() - started;
  }
  return { runs, wholes, units, facts: facts!.of };
}

/** Of each device the median of what `of` says of its pairs; median and interval of these, and how many pairs there were. */
export function spreadOfDraws(runs: readonly PairedRun[], of: (pair: PairedRun['pairs'][number]) => number): Sampled & { readonly draws: readonly number[] } {
  const draws = runs.map(({ pairs }) => median(pairs.map(of)));
  return { ...spreadOf(draws), pairs: runs.reduce((sum, { pairs }) => sum + pairs.length, 0), draws };
}
