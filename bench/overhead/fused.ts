// Fused over plain parts for one shape: the fastest plain kernel found first, the kernel and tile of the fused run chosen by the fused run itself;
// then pairs of whole runs on several devices, each of which compiles anew.
import { bug } from '../../src/errors.ts';
import { runSpec } from '../../src/emulate/run.ts';
import { traitsOf } from '../../src/gpu/adapter.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { Spec } from '../../src/spec/spec.ts';
import type { RunReport } from '../../src/verify/run-report.ts';
import { candidatesFor, nameOf, type BuiltIn } from './candidates.ts';
import { drawnRuns, spreadOfDraws, withPrepared } from './drawn.ts';
import { onFreshDevice } from './fresh.ts';
import { likelyFused } from './likely.ts';
import { pairedRun, type FusedJob, type Pair, type PairedRun } from './paired.ts';
import type { PlainParts, Work } from './parts.ts';
import { MODES, type Prepared } from './prepared.ts';
import type { Breakdown, FusedModeResult, FusedResult } from './results.ts';
import { controlled, median, wholeOf, type Spread } from './statistics.ts';
import { tournament, type Ranked } from './tournament.ts';
import { idleOf, unitsOf, type WholeRun } from './units.ts';

export interface FusedBenchJob extends FusedJob {
  readonly name: string;
  /** Of each trigger mode: as many devices are drawn as make them. */
  readonly pairs: number;
  readonly wholeRuns: number;
  /** Tiles of each kernel to be tried at most. */
  readonly tiles?: number;
  /** Epoch milliseconds at which it must be done. */
  readonly deadline: number;
  /** Tokens of the run whose check is timed; null leaves that out. */
  readonly checkTokens: number | null;
}

export type Say = (line: string) => void;

const MEMORY_LIMIT = 4e9;
/** Steps by which kernels and tiles of the fused run are compared. */
const FEW = 3;
/** Devices, each of which compiles anew, on which these are compared, while there is time. */
const LOOKS = 2;
/** So much slower than the best no compilation makes a tile that is as good. */
const HOPELESS = 1.12;
/** Of the time that is left before the pairs, what the run of {@link checkOverFused} may take. */
const CHECK_SHARE = 0.25;

export async function fusedBench(gpu: Gpu, job: FusedBenchJob, say: Say): Promise<FusedResult> {
  const left = (): number => job.deadline - Date.now();
  const started = Date.now();
  /** Whether less than this share of the time is spent: what comes first must leave room for the pairs. */
  const isWithin = (share: number): boolean => Date.now() - started < share * (job.deadline - started);
  const { ranked, tried } = await tournament(gpu, job, await candidatesFor(job, job.devices, job.tiles), () => isWithin(0.12));
  const [fastest] = ranked;
  say(`plain: ${nameOf(fastest.choice)} is the fastest of ${tried}, ${(2 * job.m * job.n * job.k / fastest.ms / 1e6).toFixed(2)} GFLOP/s`);
  const { choice, candidates } = await fusedChoice(gpu, job, ranked, () => isWithin(0.25), say);
  const memory = isWithin(0.3) ? await memoryOf(gpu, job, choice) : null;
  say(memory === null ? 'no time for a checked run: its memory is not measured' : `a checked run is right; peak memory ${memory.peakMemoryRatio.toFixed(3)} of operands and outputs`);
  const check = await checkOverFused(gpu, job, { msPerFlop: fastest.ms / (2 * job.m * job.n * job.k), leftMs: CHECK_SHARE * left() });
  let tookMs = 0;
  const { value, control, controls } = await controlled(
    async (number) => {
      const begun = Date.now();
      const found = await drawnRuns(job, choice, [fastest.choice, choice], {
        modes: MODES,
        steps: job.devices,
        wholeRuns: job.wholeRuns,
        isTimeLeft: (draws, lastMs) => draws < Math.ceil(job.pairs / job.devices) && left() > lastMs,
      }, factsOf);
      const ratios = [...found.runs.values()].flat().flatMap((run) => run.control);
      say(`try ${number}: control ${median(ratios).toFixed(4)} (${ratios.length} pairs of plain GEMMs) on ${found.runs.get(MODES[0])!.length} devices, ${(left() / 1000).toFixed(0)} s left`);
      tookMs = Date.now() - begun;
      return { control: median(ratios), ratios, ...found };
    },
    () => left() > tookMs,
  );
  const { plainNames, units, areSteps, stagesPerStep, stageTiles, triggerTiles } = value.facts;
  // The pairs know better than the tournament which of the two is faster.
  const all = [...value.runs.values()].flat().flatMap(({ pairs }) => pairs);
  const medians = plainNames.map((_, kernel) => median(all.map(({ plainMs }) => plainMs[kernel])));
  const base = medians.indexOf(Math.min(...medians));
  const own = plainNames.length - 1;
  const modes = MODES.map((mode): FusedModeResult => {
    const runs = value.runs.get(mode)!;
    const wholes = value.wholes.get(mode)!;
    const { draws, ...steps } = spreadOfDraws(runs, ({ unit, plainMs }) => unit.ms / plainMs[base]);
    return {
      mode,
      units: steps,
      draws,
      whole: withWholes(steps, wholes, runs, units, base),
      control,
      controls,
      controlPairs: value.ratios.length,
      breakdown: breakdownOf(runs.flatMap(({ pairs }) => pairs), base),
      setUpMs: median(wholes.map(({ setUpMs }) => setUpMs)),
      drainMs: median(wholes.map(({ drainMs }) => drainMs)),
      idleMs: median(wholes.map(({ idleMs }) => idleMs)),
      gpuBusy: median(wholes.map(({ gpuBusy }) => gpuBusy)),
      stageEfficiency: spreadOfDraws(runs, ({ unit, plainGemmMs }) => plainGemmMs[own] / unit.gemmMs),
      hostMicrosecondsPerTrigger: perTrigger(runs),
    };
  });
  return { shape: job.name, fused: nameOf(choice), plain: plainNames[base], plainGflops: (2 * job.m * job.n * job.k) / medians[base] / 1e6, stagesPerStep, stageTiles, triggerTiles, units, areSteps, wholeRuns: value.wholes.get(MODES[0])!.length, candidates, modes, memory, ...check };
}

function factsOf({ plan, spec }: Prepared, plain: readonly PlainParts[]) {
  const { starts, areSteps } = unitsOf(plan, spec.devices);
  const stagesPerStep = starts.slice(1).reduce((least, start, at) => Math.min(least, start - starts[at]), Infinity);
  return { plainNames: plain.map(({ choice }) => nameOf(choice)), units: starts.length - 1, areSteps, stagesPerStep, stageTiles: spec.stageTiles, triggerTiles: spec.triggerTiles };
}

/** Adds set-up, drain and what the whole runs idled more than the units to the ratio of the units. */
export function withWholes(units: Spread, wholes: readonly WholeRun[], runs: readonly PairedRun[], count: number, kernel: number): Spread {
  const pairs = runs.flatMap((run) => run.pairs);
  const bytesOf = ({ transferBytes, reductionBytes }: Work): number => transferBytes + reductionBytes;
  const perByte = pairs.filter(({ unit }) => bytesOf(unit) > 0).map(({ unit, plainMs, plainGemmMs }) => (plainMs[kernel] - plainGemmMs[kernel]) / bytesOf(unit));
  const idle = Math.max(0, median(wholes.map(({ idleMs }) => idleMs)) - median(runs.map(({ idleMs }) => idleMs)));
  return wholeOf(units, {
    stepsMs: count * median(pairs.map(({ plainMs }) => plainMs[kernel])),
    extraMs: median(wholes.map(({ setUpMs, drainMs }) => setUpMs + drainMs)) + idle,
    extraPlainMs: perByte.length === 0 ? 0 : median(perByte) * bytesOf(wholes[0].drained),
  });
}

export function breakdownOf(pairs: readonly Pair[], kernel: number): Breakdown {
  const sum = (of: (pair: Pair) => number): number => pairs.reduce((total, pair) => total + of(pair), 0);
  const ms = sum(({ unit }) => unit.ms);
  const moving = sum(({ unit }) => unit.transferMs + unit.reductionMs);
  const plainMoving = sum(({ plainMs, plainGemmMs }) => plainMs[kernel] - plainGemmMs[kernel]);
  return {
    gemm: sum(({ unit }) => unit.gemmMs) / sum(({ plainGemmMs }) => plainGemmMs[kernel]),
    moved: plainMoving === 0 ? null : moving / plainMoving,
    moving: moving / ms,
    idle: sum(({ unit }) => idleOf(unit)) / ms,
  };
}

/** Host time of reading counters and tracking them, over the triggers that came of it. */
export function perTrigger(runs: readonly PairedRun[]): number | null {
  const all = runs.filter(({ triggers }) => triggers > 0);
  return all.length === 0 ? null : median(all.map(({ watchMs, triggers }) => (1000 * watchMs) / triggers));
}

/** Of the product's default and these, the one that is fastest when fused: a few units each, all against the plain parts of the first. */
async function fusedChoice(gpu: Gpu, job: FusedJob, ranked: readonly Ranked[], isTimeLeft: () => boolean, say: Say): Promise<{ choice: BuiltIn; candidates: FusedResult['candidates'] }> {
  const { kernel } = await resolveSpec(job, await traitsOf(gpu));
  const [{ choice: fastest }] = ranked;
  const likely = await likelyFused(job, ranked, navigator.hardwareConcurrency);
  const all = new Map([...likely.slice(0, 3), kernel].map((one) => [nameOf(one), one]));
  const looks = new Map<string, ReturnType<typeof leasts>[]>();
  const ratios = (): { readonly name: string; readonly ratio: number }[] => {
    // One device's plain parts would lend its luck to all that was measured beside them.
    const plainMs = median([...looks.values()].flat().map(({ plain }) => plain));
    return [...looks].map(([name, of]) => ({ name, ratio: median(of.map(({ unit }) => unit)) / plainMs })).toSorted((one, other) => one.ratio - other.ratio);
  };
  for (let look = 0; look < LOOKS; look++)
    for (const [name, one] of all) {
      if (looks.size > 0 && !isTimeLeft()) break;
      if (look > 0 && ratios().find((of) => of.name === name)!.ratio > HOPELESS * ratios()[0].ratio) continue;
      looks.set(name, [...(looks.get(name) ?? []), leasts(await onFreshDevice((gpu) => fewSteps(gpu, job, one, fastest)))]);
      say(`fused with ${name}${one === kernel ? ', the default,' : ''}: ${ratios().find((of) => of.name === name)!.ratio.toFixed(3)} of the fastest plain parts, in its first units`);
    }
  const candidates = ratios();
  return { choice: all.get(candidates[0].name)!, candidates };
}

/** Of a few pairs: where so little is measured, the least of each side says more than a median, for other programs only add time. */
export function leastOverLeast(run: PairedRun): number {
  const { unit, plain } = leasts(run);
  return unit / plain;
}

/** Of units and of the plain parts beside them, ms per FLOP. */
function leasts({ pairs }: PairedRun): { readonly unit: number; readonly plain: number } {
  const least = (of: (pair: Pair) => number): number => Math.min(...pairs.map((pair) => of(pair) / pair.unit.flops));
  return { unit: least(({ unit }) => unit.ms), plain: least(({ plainMs: [ms] }) => ms) };
}

/** A run cut off after its first steps, each a unit: the epochs of a step may differ, when its last stage leaves a core idle. */
const fewSteps = (gpu: Gpu, job: FusedJob, choice: BuiltIn, reference: BuiltIn): Promise<PairedRun> =>
  withPrepared(gpu, job, choice, [reference], (prepared, plain, clock) =>
    pairedRun(prepared, { mode: 'host', stages: Math.ceil((FEW * prepared.epochs) / job.devices), plain, clock, units: FEW, share: 1, phase: 0 }));

/** A checked run on a GPU device of its own: what its buffers took at the peak. */
function memoryOf({ adapter }: Gpu, job: FusedJob, { name, tile }: BuiltIn): Promise<NonNullable<FusedResult['memory']>> {
  return onFreshDevice(async (gpu) => {
    const spec = await resolveSpec({ ...job, kernelName: name, tile });
    const { report } = await runSpec(gpu, spec, { baseline: false, memoryLimit: MEMORY_LIMIT, isSerial: adapter.info.isFallbackAdapter });
    if (report.failures.length > 0) throw bug('the run is wrong', { lines: report.failures.map(({ message }) => message) });
    return { peakBytes: gpu.memory.peak, peakMemoryRatio: gpu.memory.peak / leastBytes(spec) };
  });
}

/** Operands, and an m × n output of every device. */
const leastBytes = ({ devices, gemm: { m, n, kTotal } }: Spec): number => 4 * ((m + n) * kTotal + devices * m * n);

/** What a run's own report says of these, ms. */
const CHECK_FIELDS = ['operandsMs', 'checkMs', 'reportMs'] as const;
/** How much longer such a run takes than the plain GEMMs in it, at most. */
const LONGER = 2;

/** Operand generation, check and report over the fused wall, by the report of a run at its defaults; null, with the reason, where that does not time them. */
async function checkOverFused(gpu: Gpu, job: FusedBenchJob, { msPerFlop, leftMs }: { readonly msPerFlop: number; readonly leftMs: number }): Promise<Pick<FusedResult, 'checkOverFused' | 'checkNote'>> {
  const none = (checkNote: string): Pick<FusedResult, 'checkOverFused' | 'checkNote'> => ({ checkOverFused: null, checkNote });
  if (job.checkTokens === null) return none('left out');
  const how = { baseline: false, memoryLimit: MEMORY_LIMIT, isSerial: true };
  const timesOf = ({ measured }: RunReport): unknown[] => CHECK_FIELDS.map((field) => (measured as unknown as Record<string, unknown>)[field]);
  const small = await runSpec(gpu, await resolveSpec({ m: 32, n: 64, k: 16, devices: 2 }), how);
  if (!timesOf(small.report).every((ms) => typeof ms === 'number')) return none(`a run's report does not time ${CHECK_FIELDS.join(', ')}`);
  const spec = await resolveSpec({ ...job, m: job.checkTokens }, await traitsOf(gpu));
  if (2 * spec.gemm.m * spec.gemm.n * spec.gemm.kTotal * msPerFlop * LONGER > leftMs) return none(`no time left for a run of ${job.checkTokens} tokens`);
  const { report } = await runSpec(gpu, spec, how);
  if (report.failures.length > 0) throw bug('the run is wrong', { lines: report.failures.map(({ message }) => message) });
  const times = timesOf(report) as number[];
  const { fusedMs } = report.measured;
  return { checkOverFused: times.reduce((sum, ms) => sum + ms, 0) / fusedMs!, checkNote: `${job.checkTokens} tokens: ${times.map((ms, at) => `${CHECK_FIELDS[at]} ${ms.toFixed(1)}`).join(', ')}, fused ${fusedMs!.toFixed(0)} ms` };
}
