// What `tilewire explain` tells of a modelled schedule, as the JSON has it and table and page show it: what fusing changes against
// `sequential`, the critical path, where the CUs' time went, and the maps of where the schedule wins, breaks even or
// loses. Every number is the virtual clock's: none was measured.
import { TilewireError } from '../errors.ts';
import { breakdownOf, crossover, explainFused, type Breakdown, type CrossoverCell, type PathSegment } from '../model/explain.ts';
import { PAPER_PARAMETER_FILE, parametersOn, settingsOf, valuesOf, type ArbitrationPolicy, type MachineFile, type ParameterFile } from '../model/machine.ts';
import { runSchedule } from '../model/schedules.ts';
import { sizeProblem, slabsOf, type SizeProblem } from '../model/size.ts';
import { Subject } from '../model/subject.ts';
import type { SplitGemmShape } from '../spec/spec.ts';

export interface ExplainMap {
  /** What its columns and its rows are, and the place of this run. */
  readonly x: Axis;
  readonly y: Axis;
  readonly cells: readonly CrossoverCell[];
}

export interface Axis {
  readonly name: string;
  readonly values: readonly number[];
  readonly own: number;
}

/** A schedule's time from its parts; of a fused one the reduce-scatter is within the GEMM's. */
export interface ScheduleTime {
  readonly schedule: string;
  readonly timePs: number;
  /** GEMM and reduce-scatter, and each of them by itself; the latter null where they are one run. */
  readonly withoutAllGatherPs: number;
  readonly gemmPs: number;
  readonly reduceScatterPs: number | null;
  readonly allGatherPs: number;
}

/** What fusing changes of the time of `sequential`, picoseconds; the three sum to the difference. */
export interface FusionChange {
  /** The reduce-scatter that nobody waits for any more: negative. */
  readonly reduceScatter: number;
  /** The GEMM by itself in its fused order, its output past the LLC, against the plain one. */
  readonly order: number;
  /** Communication beside it and after it. */
  readonly communication: number;
}

export interface ExplainReport {
  readonly version: 1;
  readonly name: string;
  readonly gemm: SplitGemmShape;
  readonly chunk: 'rows' | 'columns';
  readonly schedule: string;
  readonly devices: number;
  readonly parameters: { readonly machine: MachineFile; readonly parameters: ParameterFile };
  /** `sequential`, the schedule, `ideal-overlap`. */
  readonly times: readonly [ScheduleTime, ScheduleTime, ScheduleTime];
  readonly change: FusionChange;
  readonly path: readonly PathSegment[];
  /** The device that finishes last, picoseconds. */
  readonly device: number;
  readonly breakdown: Breakdown;
  readonly maps: readonly ExplainMap[];
}

/** Schedules that are one fused run on the engine, which alone has a critical path. */
const POLICIES: Readonly<Record<string, ArbitrationPolicy>> = { t3: 'round-robin', 't3-mca': 'mca', 't3-compute-first': 'compute-first' };
/** Slabs that a GEMM computes over all devices, which are all simulated and traced. */
const MOST_SLABS = 2 ** 24;
/** Of a cell of a map, where one device stands for all. */
const MOST_CELL_SLABS = 2 ** 22;

const ROWS = [512, 2048, 8192, 32_768];
const TILES = [64, 128, 256];
const DEVICES = [2, 4, 8, 16, 32];
const LINKS = [25, 50, 100, 150, 300, 600];

/** The policy of a schedule that can be explained; BAD_FLAG for any other. */
export function explainedPolicy(schedule: string): ArbitrationPolicy {
  const policy = Object.hasOwn(POLICIES, schedule) ? POLICIES[schedule] : undefined;
  if (policy === undefined) throw new TilewireError('BAD_FLAG', 'no schedule with a critical path', { path: '--schedule', actual: schedule, limit: Object.keys(POLICIES).join(', '), fix: 'name one of them; `tilewire model --schedule all` compares all schedules' });
  return policy;
}

export interface Explained {
  readonly name: string;
  readonly gemm: SplitGemmShape;
  readonly devices: number;
  readonly chunk: 'rows' | 'columns';
}

/** Why a shape cannot be explained on a machine, with what was found and the limit; null where it can. */
export function unexplained({ gemm, devices }: Explained, machine: MachineFile): (SizeProblem & { readonly flag: 'rows' | 'devices' }) | null {
  if (devices < 2) return { what: 'one device has nobody to wait for', flag: 'devices', actual: String(devices), limit: 'at least 2', fix: 'explain a run of several devices' };
  const problem = sizeProblem({ gemm, devices, machine: valuesOf(machine), parameters: valuesOf(parametersOn(machine, PAPER_PARAMETER_FILE)), mostSlabs: MOST_SLABS, simulated: devices });
  return problem === null ? null : { ...problem, flag: 'rows' };
}

/** @param of a shape that `unexplained` has nothing against */
export function explainRecord({ name, gemm, devices, chunk }: Explained, schedule: string, machine: MachineFile, progress: (step: string, done: number, total: number) => void): ExplainReport {
  const policy = explainedPolicy(schedule);
  const set = parametersOn(machine, PAPER_PARAMETER_FILE);
  const [values, parameters] = [valuesOf(machine), valuesOf(set)];
  const shape = { m: gemm.m, n: gemm.n, kTotal: gemm.kTotal, devices, chunk };
  progress('tracing', 0, 4);
  const { figures, path } = explainFused(new Subject(shape, { machine: values, parameters, fold: false }), policy);
  const last = figures.devices.reduce((late, of, at) => (of.finishedPs > figures.devices[late].finishedPs ? at : late), 0);
  progress('schedules', 1, 4);
  const { times, change } = against(new Subject(shape, { machine: values, parameters, fold: true }), schedule);
  const mapOf = (x: Axis, y: Axis, at: Parameters<typeof crossover>[3]): ExplainMap => {
    const cells = y.values.flatMap((row) => x.values.flatMap((column): CrossoverCell[] => {
      const { shape: { m, kTotal, devices: count }, parameters: { tileM, tileN } } = at(column, row);
      // Each device needs at least one column of A.
      return count > kTotal || slabsOf({ m, n: gemm.n, k: Math.ceil(kTotal / count) }, { ...parameters, tileM, tileN }) > MOST_CELL_SLABS ? [] : crossover([column], [row], schedule, at);
    }));
    return { x, y, cells };
  };
  progress('map of rows and tiles', 2, 4);
  // Tiles other than the parameters' are squares; its own may be none.
  const shapes = mapOf(axis('m', ROWS, gemm.m), axis('square tile', TILES, parameters.tileM), (m, tile) => ({ shape: { ...shape, m }, machine: values, parameters: tile === parameters.tileM ? parameters : { ...parameters, tileM: tile, tileN: tile } }));
  progress('map of devices and links', 3, 4);
  const machines = mapOf(axis('link GB/s', LINKS, values.linkGBs), axis('devices', DEVICES, devices), (linkGBs, count) => ({ shape: { ...shape, devices: count }, machine: { ...values, linkGBs }, parameters }));
  return { version: 1, name, gemm, chunk, schedule, devices, parameters: { machine, parameters: set }, times, change, path, device: last, breakdown: breakdownOf(figures.devices[last], settingsOf(values, parameters, policy)), maps: [shapes, machines] };
}

/** This run's own place is on the map. */
const axis = (name: string, values: readonly number[], own: number): Axis => ({ name, values: [...new Set([...values, own])].toSorted((one, other) => one - other), own });

function against(subject: Subject, schedule: string): Pick<ExplainReport, 'times' | 'change'> {
  const timeOf = (name: string): ScheduleTime => {
    const { timePs, timeWithoutAllGatherPs, gemmPs, reduceScatter, allGather } = runSchedule(subject, name);
    return { schedule: name, timePs, withoutAllGatherPs: timeWithoutAllGatherPs, gemmPs: reduceScatter === null ? gemmPs : subject.gemm.timePs, reduceScatterPs: reduceScatter?.timePs ?? null, allGatherPs: allGather.timePs };
  };
  const times = [timeOf('sequential'), timeOf(schedule), timeOf('ideal-overlap')] as const;
  const alone = subject.ringed.fusedGemm.timePs;
  return { times, change: { reduceScatter: -times[0].reduceScatterPs!, order: alone - subject.gemm.timePs, communication: times[1].withoutAllGatherPs - alone } };
}
