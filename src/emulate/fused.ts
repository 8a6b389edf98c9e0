// The fused run: epochs of GEMM stages, transfers and near-memory updates, with the trackers between them. What the
// counters of epoch e show is executed in epoch e + lag, never earlier or later for when a readback happened to
// arrive: that keeps a run a function of its Spec. It ends when nothing can run; whoever still waits then, waits for ever.
import { EventLog } from '../events/log.ts';
import type { Arena, Gpu } from '../gpu/gpu.ts';
import { ownerOf, type Plan } from '../plan/plan.ts';
import type { Spec } from '../spec/spec.ts';
import { Tracker } from '../tracker/tracker.ts';
import type { Apply } from './epilogue.ts';
import { EpochEncoder } from './epoch.ts';
import { runOnDevice } from './fused-device.ts';
import type { Faults } from './faults.ts';
import type { Gemms } from './gemms.ts';
import { Frame, type Reading, type TimedGroup } from './frame.ts';
import { Journal } from './journal.ts';
import { chunkMemory, type DeviceMemory } from './memory.ts';
import { Timetable } from './timetable.ts';
import { Watch } from './watch.ts';

export interface FusedRun {
  readonly log: EventLog;
  readonly trackers: readonly Tracker[];
  /** In the order of submission. */
  readonly groups: readonly TimedGroup[];
  /** Wall time from the first submit to the last completion, ms. */
  readonly wallMs: number;
  /** Pending triggers and results of a run that stopped half-way, one line each; empty when all completed. */
  readonly pending: readonly string[];
  /** Times that the host had to wait for counters before it could encode. */
  readonly counterWaits: number;
  /** Where the trackers on the GPU and the host's replay of them disagree, one line each; none with triggers on the host. */
  readonly mismatches: readonly string[];
  /** Dispatches of the trackers: none with triggers on the host. */
  readonly trackerGroups: readonly TimedGroup[];
  /** Stages' dispatches, and lists of blocks, that touch a chunk memory which an earlier one of their epoch writes. */
  readonly conflicts: number;
  /** Host time that reading counters and tracking them took, ms. */
  readonly watchMs: number;
}

export interface FusedInput {
  readonly gpu: Gpu;
  readonly arena: Arena;
  readonly spec: Spec;
  readonly plan: Plan;
  readonly gemms: Gemms;
  readonly memory: DeviceMemory;
  readonly faults: Faults;
  /** What each owner adds to the reduced chunk. */
  readonly after: Apply | null;
  readonly progress: (done: number, total: number) => void;
  /** With triggers on the GPU: items that a list of ready blocks may hold; where left out, what one dispatch may. */
  readonly mostListItems?: number | undefined;
  /** Waited for between the encoding of each epoch and its submission: there a benchmark can let the run rest. */
  readonly beforeSubmit?: (epoch: number) => Promise<void>;
}

/** With the trackers where the Spec wants them: `fused-device.ts` has those on the GPU. */
export const runFused = (input: FusedInput): Promise<FusedRun> => (input.spec.triggers === 'device' ? runOnDevice(input) : runOnHost(input));

async function runOnHost({ gpu, arena, spec, plan, gemms, memory, faults, after, progress, beforeSubmit }: FusedInput): Promise<FusedRun> {
  const log = new EventLog();
  const trackers = Array.from({ length: spec.devices }, (_, d) => new Tracker(plan, d, { ...spec.tracker, overflow: spec.overflow }, faults.thresholds(d)));
  const watch = new Watch(plan, trackers, log);
  const encoder = await EpochEncoder.create(gpu, arena, spec, plan, gemms, memory, faults, new Journal(plan, log));
  const counters = [...memory.gemmCounters, ...memory.nmcCounters];
  // A frame is free again when its reading was taken, `lag` epochs later.
  const frames = Array.from({ length: spec.lag + 1 }, (_, at) => new Frame(gpu, arena, `frame ${at}`, counters, 3 * spec.devices));
  const readings: (Promise<Reading> | null)[] = [];
  const timetable = new Timetable(spec, plan, memory.landingElements);
  const groups: TimedGroup[] = [];
  let counterWaits = 0;
  let watchMs = 0;
  let taken = 0;

  const take = async (epoch: number): Promise<void> => {
    const reading = await readings[epoch];
    taken = epoch + 1;
    // A run has many epochs, and each reading holds all counters.
    readings[epoch] = null;
    if (reading === null || reading === undefined) return;
    groups.push(...reading.groups);
    const began = performance.now();
    watch.read(epoch, reading.counters, memory.gemmCounters[0].size / 4, (device, block) => {
      // A block that was read early has been sent already, one that is dropped never is: see faults.ts.
      if (!faults.strikes('drop-transfer', device, block) && !faults.strikes('early-read', device, block)) timetable.ready(device, block);
    });
    reading.release();
    watchMs += performance.now() - began;
  };

  await gpu.idle();
  const start = performance.now();
  for (let epoch = 0; ; epoch++) {
    if (epoch >= spec.lag) {
      if (!frames[(epoch - spec.lag) % frames.length].arrived) counterWaits++;
      await take(epoch - spec.lag);
    }
    const { stages, sent, applied } = timetable.next();
    for (const { device, stage } of stages) encoder.gemmStage(epoch, device, stage);
    encoder.transfers(epoch, sent);
    encoder.updates(epoch, applied);
    const frame = frames[epoch % frames.length];
    encoder.encode(frame);
    if (beforeSubmit !== undefined) await beforeSubmit(epoch);
    // Stages alone write the GEMMs' counters: where there are none, half of the counters need not travel.
    readings[epoch] = frame.submit(stages.length === 0 ? memory.gemmCounters.length : 0);
    for (const { device, stage } of stages) {
      for (const part of faults.corrupted(device, stage.tiles)) corrupt(gpu, plan, memory, device, part);
      for (const block of faults.early(device, stage.tiles)) timetable.ready(device, block);
    }
    progress(timetable.stagesDone, timetable.stages);
    // With skew, an epoch may pass in which every device that has a stage left is still at work on it.
    if (timetable.isIdle && readings.slice(taken).every((reading) => reading === null)) break;
  }
  if (after !== null) applyEpilogue(gpu, plan, memory, after);
  await gpu.idle();
  const wallMs = performance.now() - start;
  for (const frame of frames) frame.destroy();
  gpu.check();
  return { log, trackers, groups, wallMs, pending: watch.pending(), counterWaits, mismatches: [], trackerGroups: [], conflicts: encoder.conflicts, watchMs };
}

/** What each owner adds to its reduced chunk. */
export function applyEpilogue(gpu: Gpu, plan: Plan, memory: DeviceMemory, after: Apply): void {
  const encoder = gpu.device.createCommandEncoder({ label: 'epilogue' });
  const pass = encoder.beginComputePass({ label: 'epilogue' });
  plan.tiling.chunks.forEach((chunk, j) => {
    if (chunk.elements > 0) after(pass, chunk, { values: chunkMemory(memory, ownerOf(plan, j), j), first: 0, stride: chunk.columns });
  });
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

/** Overwrites one element of the part, behind everybody's back. */
export function corrupt(gpu: Gpu, { tiling }: Plan, memory: DeviceMemory, device: number, part: number): void {
  const run = tiling.pieceRuns[part * tiling.wavefronts];
  const { buffer, offset } = chunkMemory(memory, device, tiling.partChunk[part]);
  gpu.device.queue.writeBuffer(buffer, offset + tiling.runs[2 * run] * 4, new Float32Array([12_345]));
}
