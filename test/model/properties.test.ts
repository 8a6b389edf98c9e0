// What holds of the engine whatever it runs: nothing is planned for the past, no resource rests while it has work, more bandwidth and
// less latency never cost time where theory says so, and what is held at one time does not grow with the run.
import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { simulateCollective, type CollectiveKind } from '../../src/model/collective.ts';
import { Device } from '../../src/model/device.ts';
import { Dma } from '../../src/model/dma.ts';
import { EventHeap } from '../../src/model/event-heap.ts';
import { Link } from '../../src/model/link.ts';
import { DMA_READS, Memory, STREAMS } from '../../src/model/memory.ts';
import { gridTiling } from '../../src/plan/grid-tiling.ts';
import { piecesOfBlock, planOfMapping, REDUCE_SCATTERS, type Plan } from '../../src/plan/plan.ts';
import { fusedRun, machines, PLAIN } from '../support/modelled.ts';
import { planCases, planFor } from '../support/plans.ts';

afterEach(() => void vi.restoreAllMocks());

const cases = planCases({ side: 14, devices: 6 });
const topologyFor = (algorithm: string): 'ring' | 'fully-connected' => (algorithm === 'direct' ? 'fully-connected' : 'ring');
const grid = (m: number, n: number, devices: number): Plan => planOfMapping(REDUCE_SCATTERS.ring(devices), gridTiling({ m, n, tile: { m: 4, n: 4 }, waves: { m: 1, n: 1 }, swizzle: 1 }, 'rows', devices, 1));

test('no time travel: nothing is planned for a time that has passed, and time does not go back', () => {
  const add = EventHeap.prototype.add;
  const late: [number, number][] = [];
  let planned = 0;
  vi.spyOn(EventHeap.prototype, 'add').mockImplementation(function (this: EventHeap, time, kind, device, payload) {
    planned++;
    if (!(time >= this.time) || !Number.isSafeInteger(time)) late.push([time, this.time]);
    add.call(this, time, kind, device, payload);
  });
  fc.assert(
    fc.property(cases, machines, fc.constantFrom(0, 2), fc.constantFrom('spill', 'stall'), (given, machine, skew, overflow) => {
      fusedRun(planFor(given), { ...machine, topology: topologyFor(given.algorithm) }, { skew, geometry: { sets: 2, ways: 1, overflow } });
    }),
    { numRuns: 60 },
  );
  expect(late).toEqual([]);
  expect(planned).toBeGreaterThan(10_000);
});

describe('work conservation', () => {
  test('the memory serves whenever anything waits for it', () => {
    let seen = 0;
    const happens = Device.prototype.happens;
    vi.spyOn(Device.prototype, 'happens').mockImplementation(function (this: Device, kind, payload) {
      happens.call(this, kind, payload);
      const { memory } = this;
      const waits = memory.queue.length > 0 || Array.from({ length: STREAMS }, (_, stream) => memory.streams[stream].length).some((length) => length > 0);
      if (waits) seen++;
      if (waits !== memory.serving) throw new Error(`the memory ${memory.serving ? 'serves what nobody asked for' : 'rests while something waits'}`);
    });
    fc.assert(fc.property(cases, machines, (given, machine) => void fusedRun(planFor(given), { ...machine, topology: topologyFor(given.algorithm) })), { numRuns: 60 });
    expect(seen).toBeGreaterThan(1000);
  });

  test('the DMA engine reads whenever a block is triggered, and its window and the queue of its reads have room', () => {
    const state = new Map<Dma, { readonly blocks: number[]; asked: number; rests: { readonly after: number; readonly since: number } | null }>();
    const engineOf = new Map<Memory, Dma>();
    const of = (dma: Dma) => state.get(dma) ?? state.set(dma, { blocks: [], asked: 0, rests: null }).get(dma)!;
    const { trigger } = Dma.prototype;
    vi.spyOn(Dma.prototype, 'trigger').mockImplementation(function (this: Dma, block) {
      engineOf.set(this.memory, this);
      of(this).blocks.push(block);
      trigger.call(this, block);
    });
    const { push } = Memory.prototype;
    vi.spyOn(Memory.prototype, 'push').mockImplementation(function (this: Memory, stream, what, bytes, from, now) {
      if (stream === DMA_READS) of(engineOf.get(this)!).asked += bytes;
      push.call(this, stream, what, bytes, from, now);
    });
    const seen = { full: 0, settingUp: 0 };
    const happens = Device.prototype.happens;
    vi.spyOn(Device.prototype, 'happens').mockImplementation(function (this: Device, kind, payload) {
      happens.call(this, kind, payload);
      const { dma } = this;
      const { heap, plan, settings } = dma;
      const mine = of(dma);
      const begun = mine.blocks.slice(0, dma.blocks).reduce((sum, block) => sum + [...piecesOfBlock(plan, block)].reduce((bytes, piece) => bytes + plan.tiling.pieceElements[piece] * settings.elementBytes, 0), 0);
      if (mine.asked < begun) {
        seen.full++;
        if (dma.outstanding < settings.dmaWindowBytes && this.memory.streams[DMA_READS].bytes < settings.dmaReadBytes) throw new Error('the DMA engine rests in the middle of a block');
      }
      // Between two blocks there is a set-up, and nothing else.
      if (mine.asked < begun || mine.blocks.length === dma.blocks) mine.rests = null;
      else {
        seen.settingUp++;
        if (mine.rests?.after !== dma.blocks) mine.rests = { after: dma.blocks, since: heap.time };
        if (heap.time > mine.rests.since + Math.max(1, settings.dmaSetupPs)) throw new Error('the DMA engine rests while a block waits');
      }
    });
    fc.assert(fc.property(cases, machines, (given, machine) => void fusedRun(planFor(given), { ...machine, topology: topologyFor(given.algorithm) })), { numRuns: 60 });
    expect(Math.min(seen.full, seen.settingUp)).toBeGreaterThan(100);
  });

  test('a link sends whenever anything waits and the receiver has room: all is sent by the time that a plain queue needs', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ after: fc.nat(3000), bytes: fc.integer({ min: 1, max: 200 }) }), { minLength: 1, maxLength: 40 }), (list) => {
        const heap = new EventHeap(1);
        const link = new Link(0, 0, { bandwidth: 1e11, latencyPs: 30, roomBytes: 1e9 }, heap, 0, 1);
        let [free, at] = [0, 0];
        list.forEach(({ after, bytes }, index) => {
          free = Math.max(free, (at += after)) + 10 * bytes;
          heap.add(at, 2, 0, index);
        });
        let last = 0;
        while (heap.next()) {
          if (heap.kind === 2) link.send(0, list[heap.payload].bytes, 1);
          else {
            last = heap.time;
            link.sent();
            link.pump();
          }
        }
        expect(last).toBe(free);
        expect([link.sentBytes, link.busyPs]).toEqual([list.reduce((sum, { bytes }) => sum + bytes, 0), 10 * list.reduce((sum, { bytes }) => sum + bytes, 0)]);
      }),
    );
  });

  test('a workgroup computes, or waits for data, its link or its stage: all CUs’ time is accounted for, where their number divides that of the tiles', () => {
    fc.assert(
      fc.property(machines, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (machine, devices, stages) => {
        const slots = machine.cus * machine.workgroupsPerCu;
        const run = fusedRun(grid(4 * devices, 4 * slots * stages, devices), machine);
        for (const { gemmPs, computeBusyPs, stalls } of run.devices) {
          const busy = computeBusyPs + stalls.data + stalls.link + stalls.barrier;
          // A CU's workgroups share it: each is as long as all of them. Without barriers the last ones leave their CUs.
          if (machine.stageBarrier) expect(busy).toBe(slots * gemmPs);
          else expect(busy).toBeLessThanOrEqual(slots * gemmPs);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('collectives, step by step: more bandwidth of the link and less latency never cost time, where no order of accesses does', () => {
  const chunks = fc.array(fc.nat(600).map((elements) => elements * 4), { minLength: 2, maxLength: 7 });
  fc.assert(
    fc.property(chunks, machines, fc.constantFrom<CollectiveKind>('reduce-scatter', 'near-memory reduce-scatter', 'all-gather'), (chunkBytes, machine, kind) => {
      // With memory to spare. One that is short serves in another order when others come at other times, and that may cost time
      // (as in any list schedule). A step may round by some picoseconds.
      const at = (more: object): number => simulateCollective({ settings: { ...machine, interleavePenalty: 0, memoryBandwidth: 1e15, ...more }, kind, chunkBytes }).timePs;
      const slack = 4 * chunkBytes.length;
      const [slow, faster, fastest] = [1, 2, 4].map((times) => at({ linkBandwidth: times * machine.linkBandwidth }));
      const [near, further, far] = [0, 300, 5000].map((more) => at({ linkLatencyPs: machine.linkLatencyPs + more }));
      for (const [less, more] of [[fastest, faster], [faster, slow], [near, further], [further, far]]) expect(less).toBeLessThanOrEqual(more + slack);
    }),
    { numRuns: 80 },
  );
});

test('a GEMM by itself on one CU, one workgroup at a time: more bandwidth of the memory and more FLOP/s never cost time', () => {
  // What it asks for comes in one order, which no rate changes: time is a sum of maxima of its parts. Two workgroups, or communication
  // beside them, ask in an order that depends on the rates, and a faster memory may serve the one that matters later (the
  // anomalies of list schedules): of those nothing is promised but that no resource rests.
  fc.assert(
    fc.property(machines, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 60 }), (machine, tiles, k) => {
      const at = (more: object): number => fusedRun(grid(4, 4 * tiles, 1), { ...machine, cus: 1, workgroupsPerCu: 1, ...more }, { k }).timePs;
      // Rounded cumulatively: by less than a picosecond for each access in a row.
      for (const rate of ['memoryBandwidth', 'cuFlops'] as const) {
        const times = [1, 2, 4, 64].map((factor) => at({ [rate]: factor * machine[rate] }));
        times.slice(1).forEach((time, index) => expect(time).toBeLessThanOrEqual(times[index] + 1));
      }
    }),
    { numRuns: 80 },
  );
});

test('what waits at one time does not grow with the run: four times the work, as many events at most', () => {
  const run = (k: number, stages: number) => fusedRun(grid(64, 4 * stages, 4), PLAIN, { k });
  const [short, deep, long] = [run(64, 16), run(256, 16), run(64, 64)];
  expect(deep.events).toBeGreaterThan(2 * short.events);
  expect(long.events).toBeGreaterThan(3 * short.events);
  for (const { peakEvents } of [deep, long]) expect(peakEvents).toBeLessThanOrEqual(short.peakEvents + 8);
});
