// How fused over plain parts grows with the number of devices, either way of cutting the chunks; at each, the tile with the best fused time.
import { TilewireError } from '../../src/errors.ts';
import { extraFlops } from '../../src/emulate/dispatches.ts';
import { traitsOf } from '../../src/gpu/adapter.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import { candidatesFor, nameOf, sizeOf, type BuiltIn } from './candidates.ts';
import { drawnRuns, spreadOfDraws, withPrepared } from './drawn.ts';
import { onFreshDevice } from './fresh.ts';
import { breakdownOf, leastOverLeast, perTrigger, withWholes, type Say } from './fused.ts';
import { likelyFused } from './likely.ts';
import { pairedRun, timedWhole, type FusedJob, type Pair, type PairedRun } from './paired.ts';
import { MODES, type Prepared } from './prepared.ts';
import type { ScalingRow, StagesRow, Straddling } from './results.ts';
import { controlled, median, spreadOf, type Control, type Spread } from './statistics.ts';
import { tournament, type Ranked } from './tournament.ts';
import { unitsOf, type WholeRun } from './units.ts';

export interface ScalingJob extends FusedJob {
  /** At least, where there is time. */
  readonly pairs: number;
  /** Devices of their own on which the chosen tile is measured at most, some steps on each; 1: whole runs on one. */
  readonly draws: number;
  /** Epoch milliseconds at which it should be done: it takes fewer candidates and pairs for that. */
  readonly deadline: number;
  /** Epoch milliseconds at which it must be done, or not be begun. */
  readonly hardDeadline: number;
  /** Fused kernels and tiles to be compared at most; of one, the likeliest, nothing is measured ahead. */
  readonly candidates: number;
  /** Devices on which those that are ahead are compared, at most. */
  readonly looks: number;
}

/** Units of a run at most: where there are fewer devices, parts of a step. */
const MOST_UNITS = 64;
/** Units by which tiles are compared. */
const FEW = 5;
/** Up to so much slower than the best, a tile gets another look, on a device that compiles anew: compilations of one text differ by that. */
const EQUAL = 1.06;
/** Steps of a run on each of several devices. */
const STEPS_OF_A_DRAW = 34;

/** The fastest plain kernels of a shape, found once and looked at again at every k. */
export async function plainRanking(gpu: Gpu, job: FusedJob, isTimeLeft: () => boolean, among?: readonly BuiltIn[]): Promise<readonly Ranked[]> {
  return (await tournament(gpu, job, among === undefined ? await candidatesFor(job, job.devices) : [among], isTimeLeft)).ranked;
}

export async function scalingRow(gpu: Gpu, job: ScalingJob, plainChoices: readonly BuiltIn[], say: Say): Promise<ScalingRow> {
  const started = Date.now();
  const budget = job.deadline - started;
  const plain = await plainRanking(gpu, job, () => true, plainChoices);
  const [fastest] = plain;
  // A whole run, and one more in turn with its plain parts by two kernels; fused costs more than plain.
  const leastMs = 1.15 * fastest.ms * job.devices * 4;
  if (Date.now() + leastMs > job.hardDeadline) throw new TilewireError('TIMEOUT', 'no time for a run and its pairs', { actual: `${(leastMs / 1000).toFixed(0)} s`, limit: `${((job.hardDeadline - Date.now()) / 1000).toFixed(0)} s`, fix: 'give --minutes N, or --only scaling' });
  const likely = await likelyFused(job, plain, navigator.hardwareConcurrency);
  // And what `run` would take.
  const { kernel } = await resolveSpec(job, await traitsOf(gpu));
  const wanted = [...new Map([...likely.slice(0, Math.max(1, job.candidates - 1)), kernel].map((choice) => [nameOf(choice), choice])).values()].slice(0, job.candidates);
  const looks = new Map<string, { readonly choice: BuiltIn; readonly ratios: number[]; readonly straddling: number }>();
  const isTimeLeft = (): boolean => Date.now() - started < 0.5 * budget && Date.now() + leastMs < job.hardDeadline;
  for (let look = 0; look < job.looks && wanted.length > 1; look++)
    for (const choice of wanted) {
      if (looks.size > 0 && !isTimeLeft()) break;
      const name = nameOf(choice);
      if (look > 0 && !(median(looks.get(name)?.ratios ?? [Infinity]) < EQUAL * ranked(looks)[0].ratio)) continue;
      const { ratio, straddling } = await firstSteps(job, choice, fastest.choice);
      looks.set(name, { choice, straddling, ratios: [...(looks.get(name)?.ratios ?? []), ratio] });
    }
  const candidates = ranked(looks);
  const best = wanted.length > 1 ? looks.get(candidates[0].name)! : { choice: wanted[0] };
  const { whole, runs, units, areSteps, straddling, control } = await measured(gpu, job, best.choice, fastest.choice);
  const pairs = runs.flatMap((run) => run.pairs);
  const over = (kernel: number) => ({ unit, plainMs }: Pair): number => unit.ms / plainMs[kernel];
  // One plain kernel where the fused tile is the fastest plain one, else two.
  const last = pairs[0].plainMs.length - 1;
  const ratio = (kernel: number): Spread => (job.draws > 1 ? spreadOfDraws(runs, over(kernel)) : spreadOf(pairs.map(over(kernel))));
  const row: ScalingRow = {
    devices: job.devices,
    chunk: job.chunk,
    fused: nameOf(best.choice),
    tile: sizeOf(best.choice.tile),
    plainBest: nameOf(fastest.choice),
    units,
    areSteps,
    own: withWholes(ratio(0), [whole], runs, units, 0),
    best: withWholes(ratio(last), [whole], runs, units, last),
    draws: job.draws > 1 ? spreadOfDraws(runs, over(0)).draws : null,
    pairs: pairs.length,
    control,
    breakdown: breakdownOf(pairs, 0),
    setUpMs: whole.setUpMs,
    drainMs: whole.drainMs,
    wholeMs: whole.wallMs,
    straddling,
    candidates,
    hostMicrosecondsPerTrigger: perTrigger(runs),
  };
  say(`${job.devices} devices, chunks by ${job.chunk}: ${row.fused}, ${row.own.median.toFixed(3)} of its own plain parts, ${row.best.median.toFixed(3)} of the best tile's, ${row.pairs} pairs${row.draws === null ? '' : ` on ${row.draws.length} devices`} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return row;
}

/** Fused over plain parts, lowest first: of each the median of its looks. */
function ranked(looks: ReadonlyMap<string, { readonly ratios: readonly number[]; readonly straddling: number }>): ScalingRow['candidates'] {
  return [...looks].map(([name, { ratios, straddling }]) => ({ name, ratio: median(ratios), straddling })).toSorted((one, other) => one.ratio - other.ratio);
}

/** A run cut off after its first steps, on a GPU device of its own, against the plain parts by `reference`. */
const firstSteps = (job: ScalingJob, choice: BuiltIn, reference: BuiltIn): Promise<{ ratio: number; straddling: number }> =>
  onFreshDevice((gpu) =>
    withPrepared(gpu, job, choice, [reference], async (prepared, plain, clock) => {
      const epochs = Math.max(FEW, Math.ceil((FEW * prepared.epochs) / MOST_UNITS));
      const stages = Math.min(prepared.epochs, epochs);
      const units = Math.min(FEW, stages);
      const run = await pairedRun(prepared, { mode: 'host', stages, plain, clock, units, share: (job.devices * stages) / prepared.epochs / units, phase: 0 });
      const { tiles, of } = straddlingOf(prepared);
      return { ratio: leastOverLeast(run), straddling: tiles / of };
    }),
  );

interface Measured {
  readonly whole: WholeRun;
  readonly runs: readonly PairedRun[];
  /** Of a whole run. */
  readonly units: number;
  readonly areSteps: boolean;
  readonly straddling: Straddling;
  readonly control: Control;
}

/** The chosen tile: pairs of whole runs on this device; or pairs of some steps on each of several, as compilations of one text differ by more than pairs do. */
async function measured(gpu: Gpu, job: ScalingJob, choice: BuiltIn, reference: BuiltIn): Promise<Measured> {
  const plainChoices = [choice, reference];
  if (job.draws === 1)
    return withPrepared(gpu, job, choice, plainChoices, async (prepared, plain, clock) => {
      const whole = await timedWhole(prepared, { mode: MODES[0] });
      // One unit a step where there are many devices; parts of steps where there are few.
      const count = job.devices >= MOST_UNITS / 2 ? job.devices : Math.min(MOST_UNITS, prepared.epochs);
      const { starts, areSteps } = unitsOf(prepared.plan, count);
      const units = starts.length - 1;
      const { value, control } = await controlled(
        async () => {
          const runs: PairedRun[] = [];
          for (let run = 0; run < Math.ceil(job.pairs / units) && (run === 0 || Date.now() + whole.wallMs * (1 + plain.length) < job.deadline); run++)
            runs.push(await pairedRun(prepared, { mode: MODES[0], plain, clock, units: count, share: job.devices / units, phase: (run % 2) as 0 | 1 }));
          return { runs, control: median(runs.flatMap((run) => run.control)) };
        },
        () => Date.now() + whole.wallMs * (1 + plain.length) * Math.ceil(job.pairs / units) < job.deadline,
      );
      return { whole, runs: value.runs, units, areSteps, straddling: straddlingOf(prepared), control };
    });
  const steps = Math.min(STEPS_OF_A_DRAW, job.devices);
  let tookMs = 0;
  const { value, control } = await controlled(
    async () => {
      const begun = Date.now();
      const found = await drawnRuns(job, choice, plainChoices, {
        modes: [MODES[0]],
        steps,
        wholeRuns: 1,
        isTimeLeft: (draws, lastMs) => draws < job.draws && Date.now() + lastMs < (draws * steps < job.pairs ? job.hardDeadline : job.deadline),
      }, (prepared) => ({ areSteps: unitsOf(prepared.plan, job.devices).areSteps, straddling: straddlingOf(prepared) }));
      tookMs = Date.now() - begun;
      return { ...found, control: median([...found.runs.values()].flat().flatMap((run) => run.control)) };
    },
    () => Date.now() + tookMs < job.hardDeadline,
  );
  return { ...value.facts, units: value.units, whole: value.wholes.get(MODES[0])![0], runs: value.runs.get(MODES[0])!, control };
}

/** Fused over plain parts by stages per step, in the first steps of a run. */
export async function stagesRow(gpu: Gpu, job: FusedJob, choice: BuiltIn, reference: BuiltIn, stagesPerStep: number): Promise<StagesRow> {
  const whole = await resolveSpec({ ...job, kernelName: choice.name, tile: choice.tile });
  // The default is four a step.
  const stageTiles = Math.max(1, Math.ceil((4 * whole.stageTiles) / stagesPerStep));
  return withPrepared(gpu, { ...job, stageTiles }, choice, [reference], async (prepared, plain, clock) => {
    const steps = Math.min(4, job.devices);
    const stages = Math.ceil((steps * prepared.epochs) / job.devices);
    const { pairs } = await pairedRun(prepared, { mode: MODES[0], stages, plain, clock, units: steps, share: 1, phase: 0 });
    return { stagesPerStep: prepared.epochs / job.devices, stageTiles, ratio: spreadOf(pairs.map(({ unit, plainMs: [ms] }) => unit.ms / ms)) };
  });
}

function straddlingOf({ plan, spec, memory }: Prepared): Straddling {
  const { tileParts } = plan.tiling;
  const real = tileParts.filter(({ length }) => length > 0);
  const { m, n, kTotal } = spec.gemm;
  return {
    tiles: real.filter(({ length }) => length > 1).length,
    of: real.length,
    mostChunks: real.reduce((most, { length }) => Math.max(most, length), 0),
    extraFlops: extraFlops(plan, kTotal, memory.reach.maxSlots) / (2 * m * n * kTotal),
  };
}
