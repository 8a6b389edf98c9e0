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
  /** Slabs multiplied, as long as the stage's tiles would take on CUs that were all at work. */
  | 'compute'
  /** The rest of the time in which they were multiplied: the stage had no tiles for some of the CUs. */
  | 'wave quantisation'
  /** A slab of A or B was not there: memory and its queue. */
  | 'DRAM: operands'
  /** A finished tile had to wait for room at its link. */
  | 'link back-pressure'
  /** Stores, reads of the DMA and arriving updates at the memory: waiting and service. */
  | 'DRAM: own store'
  | 'DRAM: DMA read'
  | 'DRAM: update'
  /** From a block's last update to the first request for a piece: blocks and pieces before it in the DMA engine, then its set-up there. */
  | 'DMA queue'
  | 'trigger'
  /** In the link's queue and on it. */
  | 'link'
  | 'latency';

export interface PathSegment {
  readonly cause: PathCause;
  readonly device: number;
  /** What it is about. */
  readonly tile: number;
  readonly fromPs: number;
  readonly toPs: number;
}

/**
 * The path to the piece that is complete last, from the run's beginning; segments follow on each other without a gap. Through
 * the GEMM it goes from a workgroup to the one whose end it waited for. Within a workgroup its waits for slabs come first.
 */
export function criticalPath(trace: Trace): PathSegment[] {
  const { plan } = trace;
  const { partTile, partChunk, partBlock, parts, wavefronts } = plan.tiling;
  const pieces = parts * wavefronts;
  let [device, piece, end] = [0, -1, -1];
  trace.completed.forEach((time, at) => {
    if (time > end) [device, piece, end] = [Math.floor(at / pieces), at % pieces, time];
  });
  const path: PathSegment[] = [];
  if (piece < 0) return path;
  let tile = 0;
  const back = (cause: PathCause, on: number, from: number): void => {
    if (from > end || from < 0) throw bug(`a critical path goes forward in time (${cause})`, { actual: from, limit: end });
    if (from < end) path.push({ cause, device: on, tile, fromPs: from, toPs: end });
    end = from;
  };
  // A piece's last update: its own store, or one of a peer's.
  for (;;) {
    const part = Math.floor(piece / wavefronts);
    const here = device;
    tile = partTile[part];
    const source = routeOf(plan, here, partChunk[part]).expects.find((of) => (of.kind === 'local' ? trace.stored : trace.landed)[trace.at(of.kind === 'local' ? here : of.from, piece)] === end);
    if (source === undefined) throw bug('nothing completes a piece of the critical path', { actual: piece });
    if (source.kind === 'local') {
      back('DRAM: own store', here, trace.released[trace.tileAt(here, tile)]);
      break;
    }
    device = source.from;
    const at = trace.at(device, piece);
    const latencyEnd = trace.sent[at] + trace.latencyPs;
    back('DRAM: update', here, latencyEnd);
    back('latency', device, trace.sent[at]);
    back('link', device, trace.queued[at]);
    if (source.kind === 'remote') break;
    back('DRAM: DMA read', device, trace.asked[at]);
    const block = partBlock[part];
    const triggered = trace.triggered[device * plan.tiling.blocks + block];
    back('trigger', device, Math.max(triggered, end - trace.setUpPs));
    back('DMA queue', device, triggered);
    // On with what completed the block.
    piece = [...piecesOfBlock(plan, block)].reduce((late, other) => (trace.completed[trace.at(device, other)] > trace.completed[trace.at(device, late)] ? other : late));
    if (chunkOfBlock(plan, block) !== partChunk[part]) throw bug('a block of another chunk on the critical path');
  }
  const order = plan.stages[device].flatMap(({ tiles }) => tiles);
  for (let place = order.indexOf(tile); ; ) {
    tile = order[place];
    const at = trace.tileAt(device, tile);
    const { began, ended, multiplied, filled } = trace;
    back('link back-pressure', device, ended[at]);
    const empty = Math.round(multiplied[at] * (1 - filled[at]));
    back('wave quantisation', device, ended[at] - empty);
    back('compute', device, ended[at] - multiplied[at]);
    back('DRAM: operands', device, began[at]);
    if (end === 0) return path.toReversed();
    // With barriers the last one of the stage before this one, without them the one whose place it took.
    do place--;
    while (place >= 0 && trace.released[trace.tileAt(device, order[place])] !== end);
    if (place < 0) throw bug('a tile of the critical path waited for none', { actual: tile });
  }
}

/** The path's time by cause, picoseconds. */
export function byCause(path: readonly PathSegment[]): Partial<Record<PathCause, number>> {
  const sums: Partial<Record<PathCause, number>> = {};
  for (const { cause, fromPs, toPs } of path) sums[cause] = (sums[cause] ?? 0) + toPs - fromPs;
  return sums;
}

/** A fused ring run with its critical path: all devices are simulated, since a path goes from one to the next. */
export function explainFused(subject: Subject, policy: ArbitrationPolicy): { readonly figures: GemmFigures; readonly path: readonly PathSegment[] } {
  if ((subject.shape.splits ?? 1) > 1) throw bug('a path through workgroups that share a tile is not traced', { actual: subject.shape.splits });
  const { ringed } = subject;
  const plan = ringed.plan();
  const { machine, parameters } = ringed.conditions;
  const trace = new Trace(plan, Math.max(1, Math.round(machine.linkLatencyNs * 1e3)), Math.max(1, Math.round(parameters.dmaSetupNs * 1e3)));
  const figures = ringed.simulate({ plan, policy, writes: 'updates', isConnected: true, trace });
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
