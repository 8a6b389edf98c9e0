// Runs in the page: the tracker kernel on its own, against the tracker that the host has.
import { DeviceTracker } from '../../src/emulate/device-tracker.ts';
import { Faults } from '../../src/emulate/faults.ts';
import { Frame } from '../../src/emulate/frame.ts';
import { allocate, reachOf } from '../../src/emulate/memory.ts';
import { PLAIN_OPERANDS } from '../../src/emulate/operands.ts';
import { Timetable } from '../../src/emulate/timetable.ts';
import { Watch } from '../../src/emulate/watch.ts';
import type { Window } from '../../src/emulate/windows.ts';
import { EventLog } from '../../src/events/log.ts';
import type { Arena, Gpu } from '../../src/gpu/gpu.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf, routeOf, updatesOf, type Plan } from '../../src/plan/plan.ts';
import type { Spec } from '../../src/spec/spec.ts';
import { Tracker } from '../../src/tracker/tracker.ts';
import { randomOf } from '../support/random.ts';

/** `device.block: seen, sent, landing`, of what was seen. */
export interface Alone {
  readonly gpu: readonly string[];
  readonly host: readonly string[];
}

/** What a piece gets from each writer in all, and so where counters may not go beyond. */
function dueOf(plan: Plan): Uint32Array {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const due = new Uint32Array(2 * devices * pieces);
  for (let device = 0; device < devices; device++)
    for (let piece = 0; piece < pieces; piece++)
      for (const source of routeOf(plan, device, tiling.partChunk[Math.floor(piece / tiling.wavefronts)]).expects) {
        const writer = source.kind === 'local' ? device : source.kind === 'remote' ? source.from : devices + device;
        due[writer * pieces + piece] = tiling.pieceElements[piece] * updatesOf(plan, source);
      }
  return due;
}

export async function trackerAlone(gpu: Gpu, arena: Arena, spec: Spec, seed: number, epochs: number): Promise<Alone> {
  const plan = planOf(spec, builtInFootprint(spec));
  const { tiling, devices } = plan;
  const random = randomOf(seed);
  const faults = new Faults(spec, plan);
  const memory = allocate(arena, spec, plan, PLAIN_OPERANDS, reachOf({ gpu, maxSlots: 1 }, plan), () => ({}));
  const chunks = Array.from({ length: devices }, (_, device) => plan.mapping.order[device].filter((chunk) => tiling.chunks[chunk].elements > 0 && routeOf(plan, device, chunk).whenComplete.kind === 'dma'));
  const row = chunks.flatMap((list, device) => list.map((chunk, at): Window => ({ device, chunk, list: at, open: true })));
  const windows = { width: Math.max(...chunks.map((list) => list.length)), after: Array.from({ length: epochs }, () => row), firstSent: new Map<number, number>() };
  const orders = arena.storage('orders', 4);
  const tracker = await DeviceTracker.create({ gpu, arena, spec, plan, memory, faults, windows, orders, firstStores: new Map(), mostItems: 65_535 });
  const frame = new Frame(gpu, arena, 'alone', [], 1);

  const trackers = Array.from({ length: devices }, (_, device) => new Tracker(plan, device, { ...spec.tracker, overflow: spec.overflow }, faults.thresholds(device)));
  const watch = new Watch(plan, trackers, new EventLog());
  const timetable = new Timetable(spec, plan, memory.landingElements);
  const host = new Map<string, { seen: number; sent: number; landing: number }>();
  const due = dueOf(plan);
  const shown: Uint32Array<ArrayBuffer>[] = [];
  let counters = new Uint32Array(due.length);
  const send = (epoch: number): void => {
    for (const { from, block, landing } of timetable.next().sent) Object.assign(host.get(`${from}.${block}`)!, { sent: epoch, landing });
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    // Some counters reach what is due, some go half-way, most stay.
    counters = counters.map((count, at) => (random(4) === 0 ? due[at] : random(8) === 0 ? Math.max(count, Math.floor((due[at] * random(3)) / 2)) : count)).map((count, at) => Math.max(counters[at], Math.min(due[at], count)));
    shown.push(counters);
    [...memory.gemmCounters, ...memory.nmcCounters].forEach(({ buffer, offset }, writer) => gpu.device.queue.writeBuffer(buffer, offset, counters, writer * tiling.parts * tiling.wavefronts, tiling.parts * tiling.wavefronts));
    tracker.look(frame, { kind: 'tracker', device: -1, epoch, bytes: 0, flops: 0 });
    (await frame.submit())?.release();
    if (epoch >= spec.lag) watch.read(epoch - spec.lag, shown[epoch - spec.lag], tiling.parts * tiling.wavefronts, (device, block) => (host.set(`${device}.${block}`, { seen: epoch - spec.lag, sent: -1, landing: -1 }), timetable.ready(device, block)));
    send(epoch);
  }
  // The GPU has seen the last `lag` epochs already, and settled what the next one sends.
  for (let epoch = epochs; epoch < epochs + spec.lag; epoch++) {
    watch.read(epoch - spec.lag, shown[epoch - spec.lag], tiling.parts * tiling.wavefronts, (device, block) => (host.set(`${device}.${block}`, { seen: epoch - spec.lag, sent: -1, landing: -1 }), timetable.ready(device, block)));
    if (epoch === epochs) send(epoch);
  }
  frame.destroy();
  const { blocks } = await tracker.findings();
  const line = (name: string, { seen, sent, landing }: { seen: number; sent: number; landing: number }): string => `${name}: ${seen}, ${sent}${sent < 0 ? '' : `, ${landing}`}`;
  return {
    gpu: blocks.flatMap((found, at) => (found.seen < 0 ? [] : [line(`${Math.floor(at / tiling.blocks)}.${at % tiling.blocks}`, found)])).toSorted(),
    host: [...host].map(([name, found]) => line(name, found)).toSorted(),
  };
}
