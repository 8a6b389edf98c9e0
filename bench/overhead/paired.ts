// Fused units and plain parts in turn. The run rests at the boundaries of its units, plain parts run there, and each ratio is that of
// neighbours in time. Two plain parts that stand side by side are the control.
import { TilewireError } from '../../src/errors.ts';
import type { Arena } from '../../src/gpu/gpu.ts';
import type { Algorithm, ChunkAxis } from '../../src/spec/spec.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import { nameOf, type BuiltIn } from './candidates.ts';
import type { PassClock } from './clock.ts';
import { PlainParts, plainMs, type PlainRates } from './parts.ts';
import { Prepared, type RunHow } from './prepared.ts';
import { idleOf, plainAt, unitsOf, unitTimes, wholeRun, type UnitTimes, type WholeRun } from './units.ts';

export interface FusedJob {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly devices: number;
  readonly chunk: ChunkAxis;
  readonly algorithm?: Algorithm;
  readonly triggerTiles: number;
  readonly stageTiles?: number;
}

export async function prepareFused(gpu: Prepared['gpu'], job: FusedJob, { name, tile }: Pick<BuiltIn, 'name' | 'tile'>): Promise<Prepared> {
  return Prepared.create(gpu, await resolveSpec({ ...job, kernelName: name, tile }));
}

export async function plainOf({ gpu, spec, plan, memory }: Prepared, arena: Arena, choices: readonly BuiltIn[]): Promise<PlainParts[]> {
  const distinct = [...new Map(choices.map((choice) => [nameOf(choice), choice])).values()];
  return Promise.all(distinct.map((choice) => PlainParts.create(gpu, arena, spec, plan, memory.operands, choice)));
}

export interface Pair {
  readonly unit: UnitTimes;
  /** By plain kernel: the time of its parts for the work of this unit, ms. */
  readonly plainMs: readonly number[];
  /** By plain kernel: GEMM alone. */
  readonly plainGemmMs: readonly number[];
}

export interface PairedRun {
  readonly pairs: readonly Pair[];
  /** One plain GEMM over the next one, by the first of the plain kernels. */
  readonly control: readonly number[];
  /** Without a pass, in all units together, ms. */
  readonly idleMs: number;
  readonly watchMs: number;
  readonly triggers: number;
}

export interface PairedHow extends Omit<RunHow, 'beforeSubmit'> {
  readonly plain: readonly PlainParts[];
  readonly clock: PassClock;
  readonly units: number;
  /** Of one device's GEMM that a unit's plain GEMM is. */
  readonly share: number;
  readonly phase: 0 | 1;
}

export async function pairedRun(prepared: Prepared, { plain, clock, units: count, share, phase, ...how }: PairedHow): Promise<PairedRun> {
  const plan = how.stages === undefined ? prepared.plan : { ...prepared.plan, stages: prepared.plan.stages.map((all) => all.slice(0, how.stages)) };
  const { starts } = unitsOf(plan, count);
  const units = starts.length - 1;
  const ends: number[] = [];
  const rates: PlainRates[][] = Array.from({ length: units }, () => []);
  const control: number[] = [];
  const rest = async (epoch: number): Promise<void> => {
    // An epoch may begin several units only where units are empty: they never are.
    const boundary = starts.indexOf(epoch);
    if (boundary < 0) return;
    // Queued behind all that the unit submitted.
    const end = await clock.mark();
    if (end === null) throw new TilewireError('NO_FEATURE', 'units of a fused run are timed by GPU timestamps', { path: 'timestamp-query', fix: 'use a browser and adapter that have it: `tilewire doctor`' });
    if (boundary > 0) ends.push(end);
    const due = plainAt(boundary, units, phase);
    for (const [at, unit] of due.entries()) {
      // The first kernel's GEMMs side by side, whatever stands around them.
      const order = at === 0 ? plain.map((_, kernel) => kernel).toReversed() : plain.map((_, kernel) => kernel);
      for (const kernel of order) rates[unit][kernel] = await plain[kernel].time(clock, unit, share);
    }
    if (due.length === 2) control.push(rates[due[0]][0].msPerFlop / rates[due[1]][0].msPerFlop);
  };
  const run = await prepared.run({ ...how, beforeSubmit: rest });
  if (ends.length < units) {
    // Nothing came behind the last unit, no counters to read and nothing to drain: it ended with its last pass.
    await rest(starts[units]);
    ends[units - 1] = run.groups.reduce((end, { epoch, interval }) => (epoch < starts[units] ? Math.max(end, interval!.end) : end), -Infinity);
  }
  const pairs = rates.map((of, unit): Pair => {
    const times = unitTimes(run.groups, starts[unit], starts[unit + 1], ends[unit]);
    return { unit: times, plainMs: of.map((rate) => plainMs(times, rate)), plainGemmMs: of.map(({ msPerFlop }) => times.flops * msPerFlop) };
  });
  return { pairs, control, idleMs: pairs.reduce((sum, { unit }) => sum + idleOf(unit), 0), watchMs: run.watchMs, triggers: run.trackers.reduce((sum, { counts }) => sum + counts.triggers, 0) };
}

export async function timedWhole(prepared: Prepared, how: Omit<RunHow, 'beforeSubmit'>): Promise<WholeRun> {
  const { groups, wallMs } = await prepared.run(how);
  return wholeRun(groups, wallMs, prepared.epochs);
}
