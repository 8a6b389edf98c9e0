// Simulates a GEMM by its Plan: fused with its collective (tracker, DMA, links), or alone on one device or many. The time is that of the
// last access of the last device's memory. Equal devices are folded to a period of them where that is asked for and the
// Plan allows it; the result is the same to the picosecond.
import { TilewireError } from '../errors.ts';
import type { EventLog } from '../events/log.ts';
import { splitsOf, type Plan } from '../plan/plan.ts';
import { elementAt, type Tiling } from '../plan/tiling.ts';
import { checkTracker, type TrackerCounts, type TrackerGeometry } from '../tracker/tracker.ts';
import type { ArbiterCounts } from './arbitration.ts';
import type { Stalls, Work } from './compute.ts';
import { Device, type DeviceInput, type Writes } from './device.ts';
import { EventHeap } from './event-heap.ts';
import { Fold, periodOf } from './fold.ts';
import { COMPUTE_STREAM, DMA_READS, INCOMING, STORES, type Traffic } from './memory.ts';
import type { Settings } from './settings.ts';
import type { Trace } from './trace.ts';
import { Waits } from './waits.ts';

export interface GemmInput {
  readonly settings: Settings;
  readonly plan: Plan;
  readonly tile: { readonly m: number; readonly n: number; readonly k: number };
  /** k of each device. */
  readonly depths: readonly number[];
  readonly writes: Writes;
  /** False: whatever would cross to a peer is dropped. */
  readonly isConnected: boolean;
  /** Each of the Plan's stages is a kernel of its own. */
  readonly kernelPerStage?: boolean;
  readonly geometry?: TrackerGeometry;
  readonly skew?: number;
  readonly seed?: number;
  /** Whose skew the first device has, the others the next ones': 0 where left out. */
  readonly rank?: number;
  readonly fold?: boolean;
  readonly log?: EventLog;
  /** When each piece came where, for its critical path. */
  readonly trace?: Trace;
  /** DRAM traffic over time, in bins of so many picoseconds. */
  readonly binPs?: number;
}

export interface WaitFigures {
  readonly count: number;
  readonly meanPs: number;
  readonly p50Ps: number;
  readonly p99Ps: number;
}

export interface DeviceFigures {
  readonly finishedPs: number;
  /** When its last workgroup ended. */
  readonly gemmPs: number;
  /** Bytes served by the memory, by kind of request (memory.ts). */
  readonly served: readonly number[];
  readonly linkBytes: number;
  readonly memoryBusyPs: number;
  /** Of the busiest link. */
  readonly linkBusyPs: number;
  readonly linkBlockedPs: number;
  /** Workgroup time. */
  readonly computeBusyPs: number;
  readonly stalls: Stalls;
  readonly stages: number;
  readonly waits: { readonly compute: WaitFigures; readonly stores: WaitFigures; readonly incoming: WaitFigures; readonly dma: WaitFigures; readonly link: WaitFigures };
  readonly arbiter: ArbiterCounts & { readonly intensity: number | null; readonly thresholdBytes: number | null };
  readonly llc: { readonly hits: number; readonly merged: number; readonly misses: number };
  readonly tracker: TrackerCounts | null;
  readonly dmaBlocks: number;
  readonly traffic: readonly (readonly number[])[] | null;
}

export interface GemmFigures {
  readonly timePs: number;
  /** When the last device's last workgroup ended. */
  readonly gemmPs: number;
  /** One for each simulated device; of a folded run, the period's. */
  readonly devices: readonly DeviceFigures[];
  readonly events: number;
  readonly peakEvents: number;
}

const GEOMETRY: TrackerGeometry = { sets: 256, ways: 8, overflow: 'spill' };

export function simulateGemm(input: GemmInput): GemmFigures {
  const heap = new EventHeap(input.plan.devices);
  const devices = devicesOf(input, heap);
  for (const device of devices) device.start();
  while (heap.next()) devices[heap.device].happens(heap.kind, heap.payload);
  return gemmFigures(devices, heap);
}

/** What is simulated of a GEMM: all its devices, or a period of them. */
export function devicesOf(input: GemmInput, heap: EventHeap, shared?: DeviceInput['shared']): Device[] {
  const { settings, plan, tile, depths, writes, isConnected, geometry = GEOMETRY, skew = 0, log = null, trace = null, binPs = 0 } = input;
  const places = placesOfTiles(plan.tiling, tile);
  const period = input.fold === true && canFold(input) ? foldPeriod(plan, places, settings) : plan.devices;
  const fold = new Fold(plan.devices, period, plan);
  const devices: Device[] = [];
  const rows = Math.ceil(plan.tiling.m / tile.m);
  const columns = Math.ceil(plan.tiling.n / tile.n);
  for (let device = 0; device < period; device++) {
    const slabs = slabsOf(depths[device], tile.k, splitsOf(plan));
    const all = slabs.flat();
    const work: Work = { ...orderOf(plan, device, settings.straddleSteps && input.kernelPerStage !== true), ...workgroupsOf(plan, places, slabs, rows), slabs, tile, skew, seed: input.seed ?? 0, rank: (input.rank ?? 0) + device, launchPs: input.kernelPerStage === true ? settings.launchPs : 0 };
    devices.push(
      new Device({
        device, settings, plan, work, writes, isConnected, geometry, heap, fold, log, trace, peers: devices, ...(shared === undefined ? {} : { shared }),
        traffic: binPs > 0 ? ({ binPs, bins: [] } satisfies Traffic) : null,
        blocks: (rows + columns) * all.length,
        blockBytes: bytesOfBlocks(plan.tiling, tile, rows, all, settings.elementBytes),
      }),
    );
  }
  return devices;
}

/** @throws STALLED where not everything has happened */
export function gemmFigures(devices: readonly Device[], heap: EventHeap): GemmFigures {
  refuseUnfinished(devices);
  const figures = devices.map(figuresOf);
  return { timePs: Math.max(...figures.map(({ finishedPs }) => finishedPs)), gemmPs: Math.max(...figures.map(({ gemmPs }) => gemmPs)), devices: figures, events: heap.taken, peakEvents: heap.peak };
}

function refuseUnfinished(devices: readonly Device[]): void {
  const lines = devices.flatMap(({ tracker, compute }, device) => [...(compute.isDone ? [] : [`device ${device}: its GEMM did not end`]), ...(tracker === null ? [] : checkTracker(tracker))]);
  if (lines.length > 0) throw new TilewireError('STALLED', 'nothing is left to happen, and not everything has', { lines: lines.slice(0, 16), fix: 'please report this with the machine and the parameters' });
}

/** Devices that differ in k, in speed or in what happens to a full tracker cannot stand for each other. */
export function canFold({ depths, skew = 0, log, trace, geometry = GEOMETRY }: Pick<GemmInput, 'depths' | 'skew' | 'log' | 'trace' | 'geometry'>): boolean {
  return skew === 0 && log === undefined && trace === undefined && geometry.overflow === 'spill' && depths.every((k) => k === depths[0]);
}

function foldPeriod(plan: Plan, places: Int32Array, { topology, nodeDevices }: Settings): number {
  const period = periodOf(plan, places);
  return topology === 'two-level' && period % nodeDevices !== 0 ? plan.devices : period;
}

/** Tile row and column of each tile, by where its first element lies. */
export function placesOfTiles(tiling: Tiling, tile: { readonly m: number; readonly n: number }): Int32Array {
  const { tileParts, wavefronts, pieceRuns, runs, partChunk, chunks } = tiling;
  const places = new Int32Array(2 * tiling.tiles);
  tileParts.forEach((parts, id) => {
    if (parts.length === 0) return;
    const { row, column } = elementAt(chunks[partChunk[parts[0]]], runs[2 * pieceRuns[parts[0] * wavefronts]]);
    places[2 * id] = Math.floor(row / tile.m);
    places[2 * id + 1] = Math.floor(column / tile.n);
  });
  return places;
}

/** By split, of which each has ⌈k / splits⌉, as the kernels cut it: the last ones may have less, or nothing. */
function slabsOf(k: number, depth: number, splits: number): number[][] {
  const slice = Math.ceil(k / splits);
  return Array.from({ length: splits }, (_, split) => {
    const own = Math.max(0, Math.min(slice, k - split * slice));
    return Array.from({ length: Math.ceil(own / depth) }, (_, slab) => Math.min(depth, own - slab * depth));
  });
}

/** The splits of a stage one after the other, as the emulation dispatches them. */
function orderOf({ stages, twins }: Plan, device: number, straddles: boolean): Pick<Work, 'order' | 'cuts'> {
  const order: number[] = [];
  const cuts = stages[device].map(({ tiles }) => {
    const first = order.length;
    for (const tile of tiles) order.push(tile);
    for (const twin of twins) for (const tile of tiles) order.push(twin[tile]);
    return first;
  });
  return { order: Int32Array.from(order), cuts: Int32Array.from(straddles ? cuts.slice(0, 1) : cuts) };
}

function workgroupsOf({ tiling: { tiles, tileParts }, twins }: Plan, places: Int32Array, slabs: readonly (readonly number[])[], rows: number): Pick<Work, 'tileOf' | 'splitOf' | 'aBlock' | 'bBlock'> {
  const tileOf = Int32Array.from({ length: tiles }, (_, workgroup) => workgroup);
  const splitOf = new Uint8Array(tiles);
  twins.forEach((twin, further) =>
    tileParts.forEach((parts, tile) => {
      if (parts.length === 0) return;
      tileOf[twin[tile]] = tile;
      splitOf[twin[tile]] = further + 1;
    }),
  );
  // All splits' slabs of a line of tiles follow each other.
  let all = 0;
  const first = slabs.map((of) => (all += of.length) - of.length);
  return {
    tileOf,
    splitOf,
    aBlock: tileOf.map((tile, workgroup) => places[2 * tile] * all + first[splitOf[workgroup]]),
    bBlock: tileOf.map((tile, workgroup) => (rows + places[2 * tile + 1]) * all + first[splitOf[workgroup]]),
  };
}

function bytesOfBlocks({ m, n }: Tiling, tile: { readonly m: number; readonly n: number }, rows: number, slabs: readonly number[], elementBytes: number): (block: number) => number {
  return (block) => {
    const line = Math.floor(block / slabs.length);
    const side = line < rows ? Math.min(tile.m, m - line * tile.m) : Math.min(tile.n, n - (line - rows) * tile.n);
    return side * slabs[block - line * slabs.length] * elementBytes;
  };
}

function waitFigures(waits: Waits): WaitFigures {
  return { count: waits.count, meanPs: waits.count === 0 ? 0 : waits.totalPs / waits.count, p50Ps: waits.quantile(0.5), p99Ps: waits.quantile(0.99) };
}

function figuresOf({ finishedPs, compute, memory, links, llc, tracker, dma }: Device): DeviceFigures {
  const { arbiter, waits } = memory;
  const busiest = links.toSorted((a, b) => b.busyPs - a.busyPs)[0];
  return {
    finishedPs,
    gemmPs: compute.endedPs,
    served: [...memory.served],
    linkBytes: links.reduce((sum, link) => sum + link.sentBytes, 0),
    memoryBusyPs: memory.busyPs,
    linkBusyPs: busiest?.busyPs ?? 0,
    linkBlockedPs: busiest?.blockedPs ?? 0,
    computeBusyPs: compute.busyPs,
    stalls: { ...compute.stalls },
    stages: compute.stagesDone,
    waits: { compute: waitFigures(waits[COMPUTE_STREAM]), stores: waitFigures(waits[STORES]), incoming: waitFigures(waits[INCOMING]), dma: waitFigures(waits[DMA_READS]), link: waitFigures(busiest?.waits ?? new Waits()) },
    arbiter: { ...arbiter.counts, intensity: arbiter.intensity, thresholdBytes: Number.isFinite(arbiter.thresholdBytes) ? arbiter.thresholdBytes : null },
    llc: { hits: llc.hits, merged: llc.merged, misses: llc.misses },
    tracker: tracker === null ? null : { ...tracker.counts },
    dmaBlocks: dma.blocks,
    traffic: memory.traffic === null ? null : Array.from(memory.traffic.bins, (bin) => [...(bin ?? [])]),
  };
}
