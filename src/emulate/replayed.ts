// Replayed: what D real devices would do with the durations that were measured on this one adapter. Each timed group's
// duration is shared out, by bytes, over the stages or blocks that ran in it; these are list-scheduled on the Plan's graph
// (model/plan-graph.ts), which knows nothing of epochs, lag and skew. Neither a measurement of such devices nor a model
// of one: no link speed is assumed, a transfer takes as long as the copy took here, and stores to a peer no longer than they did.
import type { EventLog } from '../events/log.ts';
import { criticalTasks, listSchedule, type Schedule } from '../model/list-schedule.ts';
import { collectiveGraph, fusedGraph, stagesOfTiles, type Work } from '../model/plan-graph.ts';
import type { Plan } from '../plan/plan.ts';
import type { KindTimes, Replayed, ReplayedTime } from '../verify/run-report.ts';
import { ALL_DEVICES, type TimedGroup } from './frame.ts';
import { allTimed, intersection, union, type Span } from './measure.ts';
import type { Note } from './measured.ts';

const PS_PER_NS = 1000;
const PS_PER_MS = 1e9;
const KINDS: readonly Work['kind'][] = ['gemm', 'transfer', 'reduction'];

export interface ReplayInput {
  readonly plan: Plan;
  readonly fused: { readonly log: EventLog; readonly groups: readonly TimedGroup[] };
  /** GEMM-then-collective, its rounds as epochs; null without a baseline. */
  readonly plain: { readonly groups: readonly TimedGroup[] } | null;
  readonly notes: Note[];
}

/** The figures, a note for each that is null, and what the fused run's is made of; null where it is. */
export function replayed({ plan, fused, plain, notes }: ReplayInput): { readonly figures: Replayed; readonly time: ReplayedTime | null } {
  const note = (fields: readonly (keyof Replayed)[], reason: string): void => void notes.push(...fields.map((field) => ({ path: `replayed.${field}`, reason })));
  const untimed = untimedReason([...fused.groups, ...(plain?.groups ?? [])]);
  if (untimed !== undefined) {
    note(['gemmMs', 'sequentialMs', 'fusedMs', 'exposedMs', 'overlap'], untimed);
    return { figures: { gemmMs: null, sequentialMs: null, fusedMs: null, exposedMs: null, overlap: null }, time: null };
  }

  const work = fusedGraph(plan);
  const schedule = scheduled(work, durationsOf(plan, fused.groups, work, epochsOf(plan, fused.log, work)));
  const moves = work.some(({ kind }) => kind !== 'gemm');
  const overlap = schedule === null ? null : overlapIn(work, schedule);
  if (schedule === null) note(['fusedMs', 'exposedMs', 'overlap'], 'the run did not do all that its Plan asks for, each thing once');
  else if (!moves) note(['overlap'], "no transfer and no near-memory dispatch: here the GEMM's stores are all there is");
  else if (overlap === null) note(['overlap'], 'transfers and reductions took less than a step of the timer');
  if (schedule !== null && !moves && plan.devices > 1) note(['fusedMs'], 'all that travels are stores to peers, which take here what they took on this adapter: what a link would add is not in this figure');

  const baseline = plain === null ? null : sequential(plan, plain.groups);
  if (baseline === null) note(schedule === null ? ['gemmMs', 'sequentialMs'] : ['gemmMs', 'sequentialMs', 'exposedMs'], plain === null ? 'needs --baseline' : 'the baseline did not do all of its rounds');
  const fusedMs = schedule === null ? null : schedule.makespan / PS_PER_MS;
  return {
    figures: {
      gemmMs: baseline?.gemmMs ?? null,
      sequentialMs: baseline?.sequentialMs ?? null,
      fusedMs,
      exposedMs: fusedMs === null || baseline === null ? null : fusedMs - baseline.gemmMs,
      overlap,
    },
    time: schedule === null ? null : timeOf(work, schedule),
  };
}

/** The makespan by what its critical tasks do, and how busy the busiest resources were. */
function timeOf(work: readonly Work[], schedule: Schedule): ReplayedTime {
  const duration = (at: number): number => schedule.ends[at] - schedule.starts[at];
  const path = criticalTasks(work, schedule);
  const busy = new Map<string, number>();
  work.forEach(({ resource }, at) => busy.set(resource, (busy.get(resource) ?? 0) + duration(at)));
  const times = (of: (kind: Work['kind']) => number): KindTimes => ({ gemmMs: of('gemm') / PS_PER_MS, transferMs: of('transfer') / PS_PER_MS, reductionMs: of('reduction') / PS_PER_MS });
  return {
    path: times((kind) => path.reduce((sum, at) => sum + (work[at].kind === kind ? duration(at) : 0), 0)),
    pathTasks: path.length,
    pathDevices: new Set(path.map((at) => work[at].device)).size,
    busiest: times((kind) => work.reduce((most, of) => (of.kind === kind ? Math.max(most, busy.get(of.resource)!) : most), 0)),
  };
}

function untimedReason(groups: readonly TimedGroup[]): string | undefined {
  if (groups.every(({ interval }) => interval === null)) return 'the adapter has no timestamp-query';
  // A GPU may reset its clock in the middle.
  return allTimed(groups) ? undefined : 'a dispatch group has no measured time';
}

/** All GEMMs at once, each as long as it took alone, then the collective's rounds. */
function sequential(plan: Plan, groups: readonly TimedGroup[]): { gemmMs: number; sequentialMs: number } | null {
  const gemms = new Float64Array(plan.devices);
  for (const group of groups) if (group.kind === 'gemm') gemms[group.device] += picoseconds(group);
  const work = collectiveGraph(plan);
  const schedule = scheduled(work, durationsOf(plan, groups.filter(({ kind }) => kind !== 'gemm'), work, work.map(({ round }) => round)));
  if (schedule === null) return null;
  const gemm = gemms.reduce((longest, of) => Math.max(longest, of), 0);
  return { gemmMs: gemm / PS_PER_MS, sequentialMs: (gemm + schedule.makespan) / PS_PER_MS };
}

const scheduled = (work: readonly Work[], durations: Float64Array | null): Schedule | null => (durations === null ? null : listSchedule(work, durations));

const picoseconds = ({ interval }: Pick<TimedGroup, 'interval'>): number => Math.round((interval!.end - interval!.start) * PS_PER_NS);

/** The epoch in which each task ran, as the log has it; NaN where it ran in none or in several, null when more ran than the graph knows. */
function epochsOf(plan: Plan, log: EventLog, work: readonly Work[]): Float64Array | null {
  const { partTile, partBlock } = plan.tiling;
  const stageOf = stagesOfTiles(plan);
  // Numbers for names: a run of 64 devices has some hundred thousand.
  const name = (kind: Work['kind'], device: number, subject: number, peer: number): number => ((subject * KINDS.length + KINDS.indexOf(kind)) * plan.devices + device) * (plan.devices + 1) + peer + 1;
  const places = new Map(work.map(({ kind, device, subject, peer }, at) => [name(kind, device, subject, peer), at]));
  const epochs = new Float64Array(work.length).fill(-1);
  for (const { kind, time, device, subject, peer } of log.of('store', 'send', 'apply')) {
    const at = places.get(
      kind === 'store' ? name('gemm', device, stageOf[device][partTile[subject]], -1) : kind === 'send' ? name('transfer', device, subject, peer) : name('reduction', device, partBlock[subject], peer),
    );
    if (at === undefined) return null;
    epochs[at] = epochs[at] === -1 || epochs[at] === time ? time : NaN;
  }
  return epochs;
}

/**
 * Picoseconds of each task: of a group's time the share that its bytes have of all that ran in the group, be it one device's or
 * all devices', rounded so that the shares add up to it. Null when a task ran in no group, or a group ran no task.
 */
function durationsOf({ devices }: Plan, groups: readonly TimedGroup[], work: readonly Work[], epochs: ArrayLike<number> | null): Float64Array | null {
  if (epochs === null) return null;
  const name = (kind: Work['kind'], device: number, epoch: number): number => (epoch * (devices + 1) + device + 1) * KINDS.length + KINDS.indexOf(kind);
  const measured = new Map<number, { time: number; bytes: number; seen: number }>();
  for (const { kind, ...group } of groups) {
    // The GPU's tracker is no device's, and a list of it may have been empty.
    if (kind === 'tracker' || (kind !== 'gemm' && group.bytes === 0)) continue;
    const key = name(kind, group.device, group.epoch);
    measured.set(key, { time: (measured.get(key)?.time ?? 0) + picoseconds(group), bytes: 0, seen: 0 });
  }
  const of = work.map(({ kind, device }, at) => measured.get(name(kind, device, epochs[at])) ?? measured.get(name(kind, ALL_DEVICES, epochs[at])));
  for (const [at, group] of of.entries()) {
    if (group === undefined) return null;
    group.bytes += work[at].bytes;
  }
  if ([...measured.values()].some(({ bytes }) => bytes === 0)) return null;
  return Float64Array.from(of, (group, at) => {
    const { time, bytes, seen } = group!;
    group!.seen += work[at].bytes;
    return Math.round((time * group!.seen) / bytes) - Math.round((time * seen) / bytes);
  });
}

/** The formula of `overlapMeasured`, device by device and then summed: the time of its link and memory lane during which it computed. */
function overlapIn(work: readonly Work[], { starts, ends }: Schedule): number | null {
  const computes = new Map<number, Span[]>();
  const moves = new Map<number, Span[]>();
  work.forEach(({ kind, device }, at) => {
    const of = kind === 'gemm' ? computes : moves;
    const mine = of.get(device);
    const span = { start: starts[at], end: ends[at] };
    if (mine === undefined) of.set(device, [span]);
    else mine.push(span);
  });
  let both = 0;
  let moving = 0;
  for (const [device, of] of moves) {
    const busy = union(of);
    moving += busy.reduce((sum, { start, end }) => sum + end - start, 0);
    both += intersection(busy, union(computes.get(device) ?? []));
  }
  return moving === 0 ? null : both / moving;
}
