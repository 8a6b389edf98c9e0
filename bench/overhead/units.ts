// What a unit of a fused run is, and what its epochs say of it. Pure.
//
// A run is one pipeline: while the GPU works on epoch e, the host reads the counters of e − 1 and encodes e + 1. A unit is the epochs in which
// a step's GEMM stages run, with all transfers and near-memory updates that run in them (those of blocks that this step and the one before made
// ready). It begins with the first pass of its first epoch and ends when the last of its work, the counters' copies included, is done. Between
// two units the run rests with the next epoch encoded and not yet submitted: so each unit has, during its own GPU work, the host work of as many
// epochs as it has itself; nothing in flight is lost, and nothing is done ahead while plain parts run.
import type { TimedGroup } from '../../src/emulate/frame.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Work } from './parts.ts';

/** Where each unit begins, as epochs, and at last where the GEMM stages end. */
export interface Units {
  readonly starts: readonly number[];
  /** Whether they are the steps of the Plan, on every device alike; else they are as many equal shares of the epochs. */
  readonly areSteps: boolean;
}

/** One unit a step where all devices' steps begin in the same epochs; `count` equal ones otherwise, or where `count` is not the number of steps. */
export function unitsOf({ stages, mapping }: Plan, count: number): Units {
  const epochs = Math.max(...stages.map(({ length }) => length));
  const steps = mapping.order[0].length;
  const starts = Array.from({ length: steps }, (_, step) => stages.map((of) => of.findIndex((stage) => stage.step === step)));
  const aligned = starts.every((of) => of[0] >= 0 && of.every((start) => start === of[0]));
  if (aligned && count === steps) return { starts: [...starts.map(([start]) => start), epochs], areSteps: true };
  const units = Math.min(count, epochs);
  return { starts: Array.from({ length: units + 1 }, (_, at) => Math.round((at * epochs) / units)), areSteps: false };
}

export interface UnitTimes extends Work {
  /** From its first pass to its end, ms. */
  readonly ms: number;
  /** Of its passes. */
  readonly gemmMs: number;
  readonly transferMs: number;
  readonly reductionMs: number;
  readonly gemmPasses: number;
}

/** @param end when all of its work was done, ns on the GPU's clock */
export function unitTimes(groups: readonly TimedGroup[], first: number, beyond: number, end: number): UnitTimes {
  const mine = groups.filter(({ epoch }) => epoch >= first && epoch < beyond);
  const ms = (kind: TimedGroup['kind']): number => mine.reduce((sum, group) => sum + (group.kind === kind ? group.interval!.end - group.interval!.start : 0), 0) / 1e6;
  const bytes = (kind: TimedGroup['kind']): number => mine.reduce((sum, group) => sum + (group.kind === kind ? group.bytes : 0), 0);
  const start = mine.reduce((least, { interval }) => Math.min(least, interval!.start), Infinity);
  return {
    ms: (end - start) / 1e6,
    gemmMs: ms('gemm'),
    transferMs: ms('transfer'),
    reductionMs: ms('reduction'),
    gemmPasses: mine.filter(({ kind }) => kind === 'gemm').length,
    flops: mine.reduce((sum, { flops }) => sum + flops, 0),
    transferBytes: bytes('transfer'),
    reductionBytes: bytes('reduction'),
  };
}

export const idleOf = ({ ms, gemmMs, transferMs, reductionMs }: UnitTimes): number => ms - gemmMs - transferMs - reductionMs;

/** What a run that never rested had besides its units. */
export interface WholeRun {
  readonly wallMs: number;
  /** Before the first pass and after the last one: the host's. */
  readonly setUpMs: number;
  /** From the end of the last epoch that has a GEMM stage. */
  readonly drainMs: number;
  /** Without a pass between the two. */
  readonly idleMs: number;
  /** What was moved after the last GEMM stage's epoch. */
  readonly drained: Work;
  /** Share of the wall time in which a pass ran. */
  readonly gpuBusy: number;
}

export function wholeRun(groups: readonly TimedGroup[], wallMs: number, epochs: number): WholeRun {
  const ends = (of: readonly TimedGroup[]): number => of.reduce((most, { interval }) => Math.max(most, interval!.end), -Infinity);
  const first = groups.reduce((least, { interval }) => Math.min(least, interval!.start), Infinity);
  const steady = groups.filter(({ epoch }) => epoch < epochs);
  const drain = groups.filter(({ epoch }) => epoch >= epochs);
  const busy = (of: readonly TimedGroup[]): number => of.reduce((sum, { interval }) => sum + interval!.end - interval!.start, 0) / 1e6;
  const last = ends(steady);
  const spanMs = (last - first) / 1e6;
  const drainMs = Math.max(0, (ends(groups) - last) / 1e6);
  return { wallMs, setUpMs: wallMs - spanMs - drainMs, drainMs, idleMs: spanMs - busy(steady), drained: unitTimes(drain, 0, Infinity, 0), gpuBusy: busy(groups) / wallMs };
}

/** Units whose plain parts run at this boundary (before unit `boundary`): each next to its unit, every second one in front of it (ABBA). */
export function plainAt(boundary: number, units: number, phase: 0 | 1): number[] {
  if (boundary % 2 === phase) return [];
  return [boundary - 1, boundary].filter((unit) => unit >= 0 && unit < units);
}
