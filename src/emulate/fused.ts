// The fused run: epochs of GEMM stages, transfers and near-memory updates, with the trackers between them. What the
// counters of epoch e show is executed in epoch e + lag, never earlier or later for when a readback happened to
// arrive: that keeps a run a function of its Spec. It ends when nothing can run; whoever still waits then, waits for ever.
import { bug } from '../errors.ts';
import { EventLog } from '../events/log.ts';
import type { Arena, Gpu } from '../gpu/gpu.ts';
import { chunkOfBlock, ownerOf, routeOf, type Plan } from '../plan/plan.ts';
import { stageFactor } from '../spec/skew.ts';
import type { Spec } from '../spec/spec.ts';
import { Tracker } from '../tracker/tracker.ts';
import type { Apply } from './epilogue.ts';
import { EpochEncoder, type Arrival } from './epoch.ts';
import type { Faults } from './faults.ts';
import type { Gemms } from './gemms.ts';
import { Frame, type Reading, type TimedGroup } from './frame.ts';
import { chunkBuffer, fits, type DeviceMemory } from './memory.ts';
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
  /** Dispatches of one epoch that write a chunk memory which another of them writes. */
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
  /** Waited for between the encoding of each epoch and its submission: there a benchmark can let the run rest. */
  readonly beforeSubmit?: (epoch: number) => Promise<void>;
}

export async function runFused({ gpu, arena, spec, plan, gemms, memory, faults, after, progress, beforeSubmit }: FusedInput): Promise<FusedRun> {
  const log = new EventLog();
  const devices = Array.from({ length: spec.devices }, (_, d) => d);
  const trackers = devices.map((d) => new Tracker(plan, d, { ...spec.tracker, overflow: spec.overflow }, faults.thresholds(d)));
  const watch = new Watch(plan, trackers, log);
  const encoder = await EpochEncoder.create(gpu, arena, spec, plan, gemms, memory, faults, log);
  const counters = [...memory.gemmCounters, ...memory.nmcCounters];
  // A frame is free again when its reading was taken, `lag` epochs later.
  const frames = Array.from({ length: spec.lag + 1 }, (_, at) => new Frame(gpu, arena, `frame ${at}`, counters, 3 * spec.devices));
  const readings: (Promise<Reading> | null)[] = [];
  const ready: number[][] = devices.map(() => []);
  const nextStage = devices.map(() => 0);
  // A share of a stage that each device has time for: an epoch brings 1 / factor, a stage takes 1.
  const credit = devices.map(() => 0);
  const groups: TimedGroup[] = [];
  const stages = plan.stages.reduce((sum, of) => sum + of.length, 0);
  let stagesDone = 0;
  let arrivals: Arrival[] = [];
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
    watch.read(epoch, reading.counters, (device, block) => {
      // A block that was read early has been sent already, one that is dropped never is: see faults.ts.
      if (!faults.strikes('drop-transfer', device, block) && !faults.strikes('early-read', device, block)) ready[device].push(block);
    });
    watchMs += performance.now() - began;
  };

  await gpu.idle();
  const start = performance.now();
  for (let epoch = 0; ; epoch++) {
    if (epoch >= spec.lag) {
      if (!frames[(epoch - spec.lag) % frames.length].arrived) counterWaits++;
      await take(epoch - spec.lag);
    }
    const early: { device: number; block: number }[] = [];
    const corrupted: { device: number; part: number }[] = [];
    for (const device of devices) {
      const stage = plan.stages[device][nextStage[device]];
      if (stage === undefined) continue;
      credit[device] += 1 / stageFactor(spec.skew, spec.seed, device, nextStage[device]);
      if (credit[device] < 1) continue;
      credit[device]--;
      nextStage[device]++;
      stagesDone++;
      encoder.gemmStage(epoch, device, stage);
      early.push(...faults.early(device, stage.tiles).map((block) => ({ device, block })));
      corrupted.push(...faults.corrupted(device, stage.tiles).map((part) => ({ device, part })));
    }
    const sent: Arrival[] = [];
    const parity = (epoch % 2) as 0 | 1;
    for (const device of devices) {
      const mine: Arrival[] = [];
      let used = 0;
      while (ready[device].length > 0 && fits(memory, plan, used, ready[device][0])) {
        const block = ready[device].shift()!;
        const { whenComplete } = routeOf(plan, device, chunkOfBlock(plan, block));
        if (whenComplete.kind !== 'dma') continue;
        mine.push({ from: device, to: whenComplete.to, block, landing: used, parity });
        used += plan.tiling.blockElements[block];
      }
      if (mine.length === 0 && ready[device].length > 0) throw bug(`block ${ready[device][0]} does not fit into an empty landing buffer`);
      if (mine.length > 0) encoder.transfers(epoch, device, mine);
      sent.push(...mine);
    }
    for (const from of devices) {
      const mine = arrivals.filter((arrival) => arrival.from === from);
      if (mine.length > 0) encoder.updates(epoch, mine);
    }
    arrivals = sent;
    const frame = frames[epoch % frames.length];
    encoder.encode(frame);
    if (beforeSubmit !== undefined) await beforeSubmit(epoch);
    readings[epoch] = frame.submit();
    for (const { device, part } of corrupted) corrupt(gpu, plan, memory, device, part);
    for (const { device, block } of early) ready[device].push(block);
    progress(stagesDone, stages);
    // With skew, an epoch may pass in which every device that has a stage left is still at work on it.
    const idle = stagesDone === stages && readings[epoch] === null && arrivals.length === 0 && ready.every((blocks) => blocks.length === 0);
    if (idle && readings.slice(taken).every((reading) => reading === null)) break;
  }
  if (after !== null) {
    const encoder = gpu.device.createCommandEncoder({ label: 'epilogue' });
    const pass = encoder.beginComputePass({ label: 'epilogue' });
    plan.tiling.chunks.forEach((chunk, j) => {
      if (chunk.elements > 0) after(pass, chunk, { values: chunkBuffer(memory, ownerOf(plan, j), j), first: 0, stride: chunk.columns });
    });
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  }
  await gpu.idle();
  const wallMs = performance.now() - start;
  for (const frame of frames) frame.destroy();
  gpu.check();
  return { log, trackers, groups, wallMs, pending: watch.pending(), counterWaits, conflicts: encoder.conflicts, watchMs };
}

/** Overwrites one element of the part, behind everybody's back. */
function corrupt(gpu: Gpu, { tiling }: Plan, memory: DeviceMemory, device: number, part: number): void {
  const run = tiling.pieceRuns[part * tiling.wavefronts];
  gpu.device.queue.writeBuffer(chunkBuffer(memory, device, tiling.partChunk[part]), tiling.runs[2 * run] * 4, new Float32Array([12_345]));
}
