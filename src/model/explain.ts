// Why a schedule takes the time that it takes. `breakdownOf`: where a device's workgroups spent it, by cause, to the picosecond.
// `criticalPath`: the chain of what waited for what, from the last update of the run back to its beginning. `crossover`:
// where on a map of shapes and machines fusion wins, breaks even, or loses.
import { bug } from '../errors.ts';
import { chunkOfBlock, piecesOfBlock, routeOf } from '../plan/plan.ts';
import type { DeviceFigures, GemmFigures } from './fused.ts';
import type { ArbitrationPolicy, Machine, Parameters } from './machine.ts';
import { runSchedule } from './schedules.ts';
import type { Settings } from './settings.ts';
import { Subject, type Shape } from './subject.ts';
import { Trace } from './trace.ts';

/** A device's time by cause, means over the workgroups that it can hold; they sum to when it finished. */
export interface Breakdown {
  readonly compute: number;
  /** A slab was not there: memory and its queue. */
  readonly data: number;
  /** The link's queue was full. */
  readonly link: number;
  /** Others of the stage were not done. */
  readonly barrier: number;
  /** No tile was left for a CU in the stage (wave quantisation), and launches. */
  readonly quantisation: number;
  /** The GEMM had ended, updates had not. */
  readonly afterGemm: number;
}

export function breakdownOf({ computeBusyPs, stalls, gemmPs, finishedPs }: DeviceFigures, { cus, workgroupsPerCu }: Pick<Settings, 'cus' | 'workgroupsPerCu'>): Breakdown {
  const slots = cus * workgroupsPerCu;
  const [compute, data, link, barrier] = [computeBusyPs, stalls.data, stalls.link, stalls.barrier].map((ps) => ps / slots);
  return { compute, data, link, barrier, quantisation: gemmPs - compute - data - link - barrier, afterGemm: finishedPs - gemmPs };
}

export type PathCause =
  /** From the run's beginning to the end of a tile; `breakdownOf` says what of it. */
  | 'gemm'
  /** A finished tile had to wait for room at its link. */
  | 'link back-pressure'
  /** Stores, reads of the DMA and arriving updates at the memory: waiting and service. */
  | 'memory: own store'
  | 'memory: DMA read'
  | 'memory: update'
  /** From a block's last update to the first request for a piece: set-up, and blocks and pieces before it. */
  | 'trigger and DMA'
  /** In the link's queue and on it. */
  | 'link'
  | 'latency';

export interface PathSegment {
  readonly cause: PathCause;
  readonly device: number;
  /** What it is about. */
  readonly piece: number;
  readonly fromPs: number;
  readonly toPs: number;
}

/** The path to the piece that is complete last, from its beginning; segments follow on each other without a gap. */
export function criticalPath(trace: Trace): PathSegment[] {
  const { plan } = trace;
  const pieces = plan.tiling.parts * plan.tiling.wavefronts;
  let [device, piece, end] = [0, -1, -1];
  trace.completed.forEach((time, at) => {
    if (time > end) [device, piece, end] = [Math.floor(at / pieces), at % pieces, time];
  });
  const path: PathSegment[] = [];
  if (piece < 0) return path;
  const back = (cause: PathCause, on: number, from: number): void => {
    if (from > end || from < 0) throw bug(`a critical path goes forward in time (${cause})`, { actual: from, limit: end });
    if (from < end) path.push({ cause, device: on, piece, fromPs: from, toPs: end });
    end = from;
  };
  // A piece's last update: its own store, or one of a peer's.
  for (;;) {
    const chunk = plan.tiling.partChunk[Math.floor(piece / plan.tiling.wavefronts)];
    const here = device;
    const source = routeOf(plan, here, chunk).expects.find((of) => (of.kind === 'local' ? trace.stored : trace.landed)[trace.at(of.kind === 'local' ? here : of.from, piece)] === end);
    if (source === undefined) throw bug('nothing completes a piece of the critical path', { actual: piece });
    if (source.kind === 'local') {
      back('memory: own store', here, trace.computed[trace.at(here, piece)]);
      break;
    }
    device = source.from;
    const at = trace.at(device, piece);
    const latencyEnd = trace.sent[at] + trace.latencyPs;
    back('memory: update', here, latencyEnd);
    back('latency', device, trace.sent[at]);
    back('link', device, trace.queued[at]);
    if (source.kind === 'remote') {
      back('link back-pressure', device, trace.computed[at]);
      break;
    }
    back('memory: DMA read', device, trace.asked[at]);
    const block = plan.tiling.partBlock[Math.floor(piece / plan.tiling.wavefronts)];
    back('trigger and DMA', device, trace.triggered[device * plan.tiling.blocks + block]);
    // On with what completed the block.
    piece = [...piecesOfBlock(plan, block)].reduce((late, other) => (trace.completed[trace.at(device, other)] > trace.completed[trace.at(device, late)] ? other : late));
    if (chunkOfBlock(plan, block) !== chunk) throw bug('a block of another chunk on the critical path');
  }
  back('gemm', device, 0);
  return path.toReversed();
}

/** The path's time by cause, picoseconds. */
export function byCause(path: readonly PathSegment[]): Partial<Record<PathCause, number>> {
  const sums: Partial<Record<PathCause, number>> = {};
  for (const { cause, fromPs, toPs } of path) sums[cause] = (sums[cause] ?? 0) + toPs - fromPs;
  return sums;
}

/** A fused ring run with its critical path: all devices are simulated, since a path goes from one to the next. */
export function explainFused(subject: Subject, policy: ArbitrationPolicy): { readonly figures: GemmFigures; readonly path: readonly PathSegment[] } {
  const plan = subject.plan();
  const trace = new Trace(plan, Math.max(1, Math.round(subject.conditions.machine.linkLatencyNs * 1e3)));
  const figures = subject.simulate({ plan, policy, writes: 'updates', isConnected: true, trace });
  return { figures, path: criticalPath(trace) };
}

export interface CrossoverCell {
  readonly x: number;
  readonly y: number;
  readonly speedup: number;
  readonly verdict: 'wins' | 'breaks even' | 'loses';
}

/** Less than this either way is even. */
const EVEN = 0.02;

/**
 * Speedup of a schedule over `sequential` (with the all-gather) on a map of two axes; `at` says what a cell is.
 * Shapes that the machine cannot take are the caller's to leave out.
 */
export function crossover(xs: readonly number[], ys: readonly number[], schedule: string, at: (x: number, y: number) => { readonly shape: Shape; readonly machine: Machine; readonly parameters: Parameters }): CrossoverCell[] {
  return ys.flatMap((y) =>
    xs.map((x): CrossoverCell => {
      const { shape, machine, parameters } = at(x, y);
      const subject = new Subject(shape, { machine, parameters, fold: true });
      const speedup = runSchedule(subject, 'sequential').timePs / runSchedule(subject, schedule).timePs;
      return { x, y, speedup, verdict: speedup > 1 + EVEN ? 'wins' : speedup < 1 - EVEN ? 'loses' : 'breaks even' };
    }),
  );
}
