// What `tilewire model` tells of a schedule, as the JSON has it and the table prints it: the fields of the paper's cases, and where the
// time went. A figure that the schedule has not got (a tracker, a queue that nothing entered) is null.
import type { MachineFile, ParameterFile } from '../model/machine.ts';
import { US, type CaseRecord } from '../model/paper.ts';
import { SCHEDULES, type Modelled } from '../model/schedules.ts';
import type { DeviceFigures, WaitFigures } from '../model/fused.ts';
import type { OverflowPolicy } from '../spec/spec.ts';

/** Picoseconds; of several devices the longest. */
export interface QueueWait {
  readonly p50Ps: number;
  readonly p99Ps: number;
}

export const QUEUES = ['compute', 'stores', 'incoming', 'dma', 'link'] as const satisfies readonly (keyof DeviceFigures['waits'])[];

/** Shares of its workgroups' time; the rest they compute. */
export interface Stalled {
  readonly memory: number;
  readonly link: number;
  readonly barrier: number;
}

export interface ModelCase extends Omit<CaseRecord, 'model' | 'sublayer'> {
  /** Null for a shape that was given by numbers. */
  readonly model: string | null;
  readonly sublayer: string | null;
  readonly made: 'simulated' | 'composed';
  readonly gemmUs: number;
  /** Time beyond the plain GEMM's, with the all-gather and without; may be negative. */
  readonly exposedUs: number;
  readonly exposedWithoutAllGatherUs: number;
  /** The same schedule where no device is skewed; null where none is. */
  readonly withoutSkewUs: number | null;
  readonly overlapEfficiency: number | null;
  readonly shareOfIdealGain: number | null;
  readonly linkBytes: number;
  /** Of several devices the most. */
  readonly tracker: { readonly peakEntries: number; readonly overflows: number; readonly triggers: number } | null;
  readonly waits: { readonly [Q in (typeof QUEUES)[number]]: QueueWait | null };
  readonly stalls: Stalled;
  /** Likewise; of the schedules whose arbiter has a rule. */
  readonly arbiter: { readonly thresholdBytes: number | null; readonly heldBack: number; readonly starved: number } | null;
}

export interface ModelReport {
  readonly version: 1;
  readonly name: string;
  readonly gemm: { readonly m: number; readonly n: number; readonly k: number; readonly kTotal: number };
  readonly devices: number;
  readonly chunk: 'rows' | 'columns';
  /** Of K. */
  readonly splits: number;
  /** Null where no device is skewed; of the plain GEMM: each device's, and what it takes without. */
  readonly skew: { readonly factor: number; readonly seed: number; readonly gemmUs: readonly number[]; readonly gemmWithoutUs: number } | null;
  /** What a tracker does whose set is full; its size is in the parameters. */
  readonly overflow: OverflowPolicy;
  readonly parameters: { readonly machine: MachineFile; readonly parameters: ParameterFile };
  readonly cases: readonly ModelCase[];
}

/** What the schedules of one shape are held against. */
export interface Against {
  readonly machine: string;
  readonly model: string | null;
  readonly sublayer: string | null;
  readonly devices: number;
  readonly sequential: Modelled;
  readonly ideal: Modelled;
}

/** @param unskewed the same schedule without skew, where there is any */
export function modelCase(of: Modelled, { machine, model, sublayer, devices, sequential, ideal }: Against, unskewed: Modelled | null = null): ModelCase {
  const { schedule, gemmTime, timePs, timeWithoutAllGatherPs, dramBytes, gemm } = of;
  const speedup = sequential.timePs / timePs;
  const idealGain = sequential.timePs / ideal.timePs - 1;
  const withoutGather = (one: Modelled): number => one.exposedPs - (one.timePs - one.timeWithoutAllGatherPs);
  return {
    machine, model, tp: devices, sublayer, schedule, gemmTime,
    timeUs: timePs / US,
    speedup,
    speedupWithoutAllGather: sequential.timeWithoutAllGatherPs / timeWithoutAllGatherPs,
    dramBytes,
    made: SCHEDULES.find(({ name }) => name === schedule)!.made,
    gemmUs: of.gemmPs / US,
    exposedUs: of.exposedPs / US,
    exposedWithoutAllGatherUs: withoutGather(of) / US,
    withoutSkewUs: unskewed === null ? null : unskewed.timePs / US,
    overlapEfficiency: withoutGather(sequential) > 0 ? 1 - withoutGather(of) / withoutGather(sequential) : null,
    // Where the ideal gains nothing there is nothing to have a share of.
    shareOfIdealGain: idealGain > 0 ? (speedup - 1) / idealGain : null,
    linkBytes: of.linkBytes,
    tracker: trackerOf(gemm.devices),
    waits: Object.fromEntries(QUEUES.map((queue) => [queue, longest(gemm.devices.map(({ waits }) => waits[queue]))])) as ModelCase['waits'],
    stalls: stallsOf(gemm.devices),
    arbiter: arbiterOf(schedule, gemm.devices),
  };
}

const most = <T>(of: readonly T[], value: (one: T) => number): number => Math.max(...of.map(value));
const sum = <T>(of: readonly T[], value: (one: T) => number): number => of.reduce((total, one) => total + value(one), 0);

function trackerOf(devices: readonly DeviceFigures[]): ModelCase['tracker'] {
  const counts = devices.flatMap(({ tracker }) => (tracker === null || tracker.pieces === 0 ? [] : [tracker]));
  if (counts.length === 0) return null;
  return { peakEntries: most(counts, ({ peakEntries }) => peakEntries), overflows: most(counts, ({ overflows }) => overflows), triggers: most(counts, ({ triggers }) => triggers) };
}

function longest(waits: readonly WaitFigures[]): QueueWait | null {
  const entered = waits.filter(({ count }) => count > 0);
  return entered.length === 0 ? null : { p50Ps: most(entered, ({ p50Ps }) => p50Ps), p99Ps: most(entered, ({ p99Ps }) => p99Ps) };
}

function stallsOf(devices: readonly DeviceFigures[]): Stalled {
  const [memory, link, barrier] = (['data', 'link', 'barrier'] as const).map((cause) => sum(devices, ({ stalls }) => stalls[cause]));
  const all = sum(devices, ({ computeBusyPs }) => computeBusyPs) + memory + link + barrier;
  return { memory: memory / all, link: link / all, barrier: barrier / all };
}

function arbiterOf(schedule: string, devices: readonly DeviceFigures[]): ModelCase['arbiter'] {
  if (schedule !== 't3-mca' && schedule !== 't3-compute-first') return null;
  const thresholds = devices.flatMap(({ arbiter: { thresholdBytes } }) => (thresholdBytes === null ? [] : [thresholdBytes]));
  return { thresholdBytes: thresholds.length === 0 ? null : Math.min(...thresholds), heldBack: most(devices, ({ arbiter }) => arbiter.heldBack), starved: most(devices, ({ arbiter }) => arbiter.starved) };
}
