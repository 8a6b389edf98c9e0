// The fused run with its triggers on the GPU: the same epochs, the same order, the same values as with triggers on the host, but
// nothing travels. All is encoded ahead: stages from order tables that lie on the GPU from the start, with the op bits that
// the trackers write into them; transfers and updates as indirect dispatches of the lists that the trackers made.
// At the end the host replays the trackers, from what the counters came to, and must find what the GPU found.
import { EventLog } from '../events/log.ts';
import { areTogether } from '../gpu/dma.ts';
import { readBack, type Range } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { routeOf, type Plan } from '../plan/plan.ts';
import { partOf } from './dispatches.ts';
import { DeviceTracker, type FirstStore } from './device-tracker.ts';
import { bytesOf, gemmGroup } from './epoch.ts';
import { ALL_DEVICES, Frame, type Group, type Reading, type TimedGroup } from './frame.ts';
import { applyEpilogue, corrupt, type FusedInput, type FusedRun } from './fused.ts';
import { Journal } from './journal.ts';
import { chunkMemory } from './memory.ts';
import { rehearse, type Rehearsal, type Stored } from './rehearsal.ts';
import { mismatches } from './replay.ts';
import { opOf, TrackedGemm, type Job } from './tracked-gemm.ts';
import { windowsOf, type Window, type Windows } from './windows.ts';

/** Epochs that are encoded before the first of them must be done: so deep that the GPU never waits, so shallow that a progress bar is true. */
const AHEAD = 4;

export async function runOnDevice(input: FusedInput): Promise<FusedRun> {
  const { gpu, arena, spec, plan, gemms, memory, faults, after, progress, beforeSubmit } = input;
  const facts = { spec, plan, faults, maxSlots: memory.reach.maxSlots, landingElements: memory.landingElements };
  const rehearsal = rehearse(facts);
  const { works, stored } = rehearsal;
  const windows = windowsOf(plan, rehearsal.triggers, works.length);
  const tracked = await TrackedGemm.create(gpu, arena, spec, plan, gemms, memory, Array.from({ length: plan.devices }, (_, device) => faults.muted(device)));
  const tables = orderTables(input, tracked, stored, staticBits(plan, stored), windows);
  const orders = arena.words('order tables', tables.records.words.slice(0, Math.max(1, tables.records.bytes / 4)), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const mostItems = input.mostListItems ?? gpu.limits.maxComputeWorkgroupsPerDimension;
  const tracker = windows.width === 0 ? null : await DeviceTracker.create({ gpu, arena, spec, plan, memory, faults, windows, orders, firstStores: tables.firstStores, mostItems });
  const frames = Array.from({ length: AHEAD }, (_, at) => new Frame(gpu, arena, `frame ${at}`, [], 3 * spec.devices + 1));
  const readings: (Promise<Reading> | null)[] = [];
  const groups: TimedGroup[] = [];
  const stages = works.map(({ stages }) => stages.length);
  const stagesInAll = stages.reduce((sum, of) => sum + of, 0);
  let stagesDone = 0;
  let conflicts = 0;
  let next = 0;
  const take = async (epoch: number): Promise<void> => {
    const reading = await readings[epoch];
    readings[epoch] = null;
    if (reading !== null && reading !== undefined) {
      groups.push(...reading.groups);
      reading.release();
    }
    stagesDone += stages[epoch];
    progress(stagesDone, stagesInAll);
  };

  await gpu.idle();
  const start = performance.now();
  for (const [epoch, work] of works.entries()) {
    if (epoch >= AHEAD) await take(epoch - AHEAD);
    const frame = frames[epoch % AHEAD];
    const written = new Set<Range>();
    const touches = (range: Range, writes: boolean): void => {
      if (written.has(range)) conflicts++;
      if (writes) written.add(range);
    };
    for (const { device, stage } of work.stages) {
      const group = gemmGroup(spec, plan, epoch, device, stage);
      for (; next < stored.length && stored[next].epoch === epoch && stored[next].device === device; next++) {
        for (const chunk of stored[next].dispatch.slots) touches(chunkMemory(memory, routeOf(plan, device, chunk).storeTo, chunk), true);
        dispatch(frame.pass(group), tables.jobs[next], orders);
      }
    }
    if (tracker !== null) {
      const open = (of: number): Window[] => (windows.after[of] ?? []).filter((window) => window.open);
      const groupOf = (kind: Group['kind'], device: number): Group => ({ kind, device, epoch, bytes: 0, flops: 0 });
      let group: Group | undefined;
      // Windows come by sender, and each has one receiver.
      const inGroup = (kind: Group['kind'], device: number): Group => (group?.kind === kind && (group.device === ALL_DEVICES || group.device === device) ? group : (group = groupOf(kind, areTogether(gpu) ? ALL_DEVICES : device)));
      for (const window of open(epoch - 1)) {
        touches(chunkMemory(memory, window.device, window.chunk), false);
        tracker.transfer(frame.pass(inGroup('transfer', window.device)), epoch, window);
      }
      for (const window of open(epoch - 2)) {
        touches(chunkMemory(memory, tracker.receiver(window), window.chunk), true);
        tracker.update(frame.pass(inGroup('reduction', tracker.receiver(window))), epoch - 1, window);
      }
      tracker.look(frame, groupOf('tracker', ALL_DEVICES));
    }
    if (beforeSubmit !== undefined) await beforeSubmit(epoch);
    readings[epoch] = frame.submit();
    for (const { device, stage } of work.stages) for (const part of faults.corrupted(device, stage.tiles)) corrupt(gpu, plan, memory, device, part);
  }
  for (let epoch = Math.max(0, works.length - AHEAD); epoch < works.length; epoch++) await take(epoch);
  if (after !== null) applyEpilogue(gpu, plan, memory, after);
  await gpu.idle();
  const wallMs = performance.now() - start;
  for (const frame of frames) frame.destroy();
  gpu.check();

  const replay = rehearse({ ...facts, counters: await countersOf(input) });
  const expected = orderTables(input, tracked, replay.stored, replay.stored.map(({ bits }) => bits), windows);
  const found = tracker === null ? null : await tracker.findings();
  const differences = mismatches(plan, replay, found, { expected: expected.records, actual: await readBack(gpu, orders), jobs: expected.jobs, stored: replay.stored });
  return {
    log: replay.log,
    trackers: replay.trackers,
    groups: groups.filter(({ kind }) => kind !== 'tracker').map((group) => withBytes(plan, replay, group)),
    wallMs,
    pending: replay.watch.pending(),
    counterWaits: 0,
    mismatches: differences,
    trackerGroups: groups.filter(({ kind }) => kind === 'tracker'),
    conflicts,
    watchMs: 0,
  };
}

/** Ops as far as the GEMMs' own order settles them: a later store of a part adds. */
function staticBits(plan: Plan, stored: readonly Stored[]): number[][][] {
  const journal = new Journal(plan, new EventLog());
  return stored.map(({ epoch, device, dispatch }) => journal.store(epoch, device, dispatch));
}

interface OrderTables {
  readonly records: RecordBuffer;
  readonly jobs: readonly Job[];
  readonly firstStores: Map<number, FirstStore>;
}

/** Tables of all stages, one behind the other, and of each part that is sent on: which GEMM stores first where it goes. */
function orderTables({ gpu, plan, memory, faults }: FusedInput, tracked: TrackedGemm, stored: readonly Stored[], bits: readonly Stored['bits'][], windows: Windows): OrderTables {
  const { tiling } = plan;
  const records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
  const senders = sendersOf(plan);
  const firstStores = new Map<number, FirstStore>();
  const jobs = stored.map(({ epoch, device, split, dispatch }, index) => {
    const { slots, tiles } = dispatch;
    const targets = slots.map((chunk) => routeOf(plan, device, chunk).storeTo);
    // An update may come before the first of these stores where its list is dispatched at least two epochs earlier.
    const isOpen = slots.map((chunk, slot) => {
      const sender = senders.get(targets[slot] * tiling.chunks.length + chunk);
      const sent = sender === undefined ? undefined : windows.firstSent.get(sender * tiling.chunks.length + chunk);
      return sent !== undefined && sent + 1 < epoch;
    });
    const mayAdd = isOpen.some((open, slot) => open && bits[index].some((of) => of[slot] === 0));
    const memories = slots.map((chunk, slot) => chunkMemory(memory, targets[slot], chunk));
    const buffers = { operands: memory.operands[device], counters: memory.gemmCounters[device], memories };
    const job = tracked.job(records, { device, split, dispatch, bits: bits[index], op: mayAdd ? 'mixed' : opOf(bits[index]), buffers, muted: faults.muted(device) });
    tiles.forEach((tile, at) =>
      slots.forEach((chunk, slot) => {
        const sender = senders.get(targets[slot] * tiling.chunks.length + chunk);
        if (sender === undefined || bits[index][at][slot] !== 0) return;
        const { offset, entry } = job.order;
        firstStores.set(sender * tiling.parts + partOf(plan, tile, chunk), { epoch, word: (offset + at * entry.size + entry.fields[`update${slot}`].offset) / 4 });
      }),
    );
    return job;
  });
  return { records, jobs, firstStores };
}

/** Who sends a chunk to a device, by `device · chunks + chunk`. */
function sendersOf({ mapping, tiling }: Plan): Map<number, number> {
  const chunks = tiling.chunks.length;
  return new Map(mapping.routes.flatMap((routes, from) => routes.flatMap(({ whenComplete }, chunk) => (whenComplete.kind === 'dma' ? [[whenComplete.to * chunks + chunk, from] as const] : []))));
}

function dispatch(pass: GPUComputePassEncoder, { kernel, workgroups, bind }: Job, orders: GPUBuffer): void {
  pass.setPipeline(kernel.pipeline);
  bind(orders).forEach((group, index) => pass.setBindGroup(index, group));
  pass.dispatchWorkgroups(workgroups);
}

/** What a group moved: the lists' lengths are known when the run is over. */
function withBytes(plan: Plan, { works }: Rehearsal, group: TimedGroup): TimedGroup {
  const { kind, device, epoch } = group;
  if (kind === 'gemm') return group;
  const moved = (kind === 'transfer' ? works[epoch]?.sent : works[epoch]?.applied) ?? [];
  return { ...group, bytes: bytesOf(plan, device === ALL_DEVICES ? moved : moved.filter(({ from, to }) => device === (kind === 'transfer' ? from : to))) };
}

/** GEMMs' counters, then the near-memory units', as they are now, by `writer · pieces + piece`. */
async function countersOf({ gpu, arena, memory: { gemmCounters, nmcCounters }, plan: { tiling } }: FusedInput): Promise<Uint32Array> {
  const all = [...gemmCounters, ...nmcCounters];
  const bytes = tiling.parts * tiling.wavefronts * 4;
  const together = arena.storage('final counters', all.length * bytes);
  const encoder = gpu.device.createCommandEncoder({ label: together.label });
  all.forEach(({ buffer, offset }, at) => encoder.copyBufferToBuffer(buffer, offset, together, at * bytes, bytes));
  gpu.device.queue.submit([encoder.finish()]);
  const counters = await readBack(gpu, together);
  arena.release([together]);
  return counters;
}
