// The engine's parts one by one: event heap, rate, queue, arbiter, memory, LLC, link.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arbiter, COMMUNICATION, COMPUTE, NOBODY } from '../../src/model/arbitration.ts';
import { EventHeap } from '../../src/model/event-heap.ts';
import { Fifo, KIND_BITS } from '../../src/model/fifo.ts';
import { Link } from '../../src/model/link.ts';
import { Llc } from '../../src/model/llc.ts';
import { COMPUTE_STREAM, DMA_READS, DMA_UPDATE, FILL, INCOMING, Memory, STORES } from '../../src/model/memory.ts';
import { durationOf, Rate } from '../../src/model/rate.ts';
import { Waits } from '../../src/model/waits.ts';
import { PLAIN } from '../support/modelled.ts';

test('events come out by time, kind, device, and then as they went in', () => {
  const events = fc.array(fc.oneof({ arbitrary: fc.record({ time: fc.nat(4), kind: fc.nat(3), device: fc.nat(2) }), weight: 3 }, { arbitrary: fc.constant('next' as const), weight: 1 }), { size: 'max', maxLength: 80 });
  fc.assert(
    fc.property(events, (steps) => {
      const heap = new EventHeap(3);
      let plain: { time: number; kind: number; device: number; payload: number }[] = [];
      for (const [payload, step] of [...steps, ...steps.map(() => 'next' as const)].entries()) {
        if (step === 'next') {
          expect(heap.next()).toBe(plain.length > 0);
          if (plain.length > 0) expect({ time: heap.time, kind: heap.kind, device: heap.device, payload: heap.payload }).toEqual(plain[0]);
          plain = plain.slice(1);
        } else {
          heap.add(step.time, step.kind, step.device, payload);
          plain = [...plain, { ...step, payload }].sort((a, b) => a.time - b.time || a.kind - b.kind || a.device - b.device || a.payload - b.payload);
        }
      }
    }),
  );
});

test('the heap grows', () => {
  const heap = new EventHeap(1);
  for (let at = 10_000; at > 0; at--) heap.add(at, 0, 0, at);
  for (let at = 1; at <= 10_000; at++) expect([heap.next(), heap.payload]).toEqual([true, at]);
  expect(heap.next()).toBe(false);
});

test('a rate rounds what was done so far, not each piece', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000_000 }), fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 50 }), (millions, works) => {
      const rate = new Rate(millions * 1e6);
      const total = works.reduce((sum, work) => sum + rate.take(work), 0);
      const work = works.reduce((sum, of) => sum + of, 0);
      expect(BigInt(total)).toBe((BigInt(work) * 1_000_000n) / BigInt(millions));
    }),
  );
  expect(durationOf(3, 2e12)).toBe(1);
});

test('a queue keeps order and bytes while it grows', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { size: 'max', maxLength: 400 }), (steps) => {
      const fifo = new Fifo();
      const plain: number[] = [];
      for (const [at, step] of steps.entries()) {
        if (step === 0 && plain.length > 0) {
          expect([fifo.what, fifo.size, fifo.from, fifo.since]).toEqual([plain[0], plain[0] + 1, plain[0] + 2, plain[0] + 3]);
          fifo.shift();
          plain.shift();
        } else {
          fifo.push(at, at + 1, at + 2, at + 3);
          plain.push(at);
        }
        expect([fifo.length, fifo.bytes]).toEqual([plain.length, plain.reduce((sum, value) => sum + value + 1, 0)]);
      }
    }),
  );
});

test('waits: a quantile is right within its class', () => {
  const waits = new Waits();
  for (let ps = 1; ps <= 1000; ps++) waits.add(ps);
  expect(waits.quantile(0.5)).toBeGreaterThanOrEqual(500);
  expect(waits.quantile(0.5)).toBeLessThanOrEqual(500 * 1.1);
  expect(waits.quantile(1)).toBe(1000);
  expect(waits.totalPs).toBe(500_500);
  expect(new Waits().quantile(0.5)).toBe(0);
});

describe('arbiter', () => {
  test('round robin takes turns where both are ready, and gives them to whoever is', () => {
    const arbiter = new Arbiter({ policy: 'round-robin', computeTurns: 2, communicationTurns: 1 });
    const both = (): number => arbiter.choose(0, true, true, 0, 0);
    expect([both(), both(), both(), both(), both(), both()]).toEqual([COMPUTE, COMPUTE, COMMUNICATION, COMPUTE, COMPUTE, COMMUNICATION]);
    // A turn that nobody else wanted is a turn all the same.
    expect([arbiter.choose(0, false, true, 0, 0), both(), both(), both()]).toEqual([COMMUNICATION, COMPUTE, COMPUTE, COMMUNICATION]);
    expect(arbiter.choose(0, true, false, 0, 0)).toBe(COMPUTE);
    expect(arbiter.choose(0, false, false, 0, 0)).toBe(NOBODY);
  });

  test('compute first, until communication has waited for too long', () => {
    const arbiter = new Arbiter({ policy: 'compute-first', starvationPs: 100 });
    expect(arbiter.choose(99, true, true, 0, 0)).toBe(COMPUTE);
    expect(arbiter.choose(100, true, true, 0, 0)).toBe(COMMUNICATION);
    expect(arbiter.counts.starved).toBe(1);
    expect(arbiter.choose(100, false, true, 90, 1e9)).toBe(COMMUNICATION);
  });

  test('mca holds communication back above the threshold of the intensity, never where the queue is empty', () => {
    const arbiter = new Arbiter({ policy: 'mca', starvationPs: 1e9, thresholds: [{ upTo: 0.3, bytes: null }, { upTo: 0.6, bytes: 500 }, { upTo: 0.9, bytes: 1 }] });
    expect(arbiter.choose(0, false, true, 0, 1e6)).toBe(COMMUNICATION);
    arbiter.settle(0.3);
    expect(arbiter.thresholdBytes).toBe(Infinity);
    arbiter.settle(0.5);
    expect([arbiter.choose(0, false, true, 0, 499), arbiter.choose(0, false, true, 0, 500), arbiter.counts.heldBack]).toEqual([COMMUNICATION, NOBODY, 1]);
    arbiter.settle(0.95);
    expect(arbiter.thresholdBytes).toBe(1);
    expect(arbiter.choose(0, false, true, 0, 0)).toBe(COMMUNICATION);
  });
});

/** Serves all, one after another: kinds and times. */
function drain(memory: Memory): [kind: number, time: number][] {
  const served: [number, number][] = [];
  let now = 0;
  for (let at = memory.pump(now, () => {}); at >= 0; at = memory.pump(now, () => {})) {
    now = at;
    served.push([memory.queue.what & ((1 << KIND_BITS) - 1), now]);
    memory.done(now);
  }
  return served;
}

describe('memory', () => {
  test('serves at its rate, updates at their factor, streams in turns', () => {
    const memory = new Memory({ ...PLAIN, updateFactor: 2, queueBytes: 1 }, PLAIN.arbitration, null);
    for (let at = 0; at < 2; at++) memory.push(COMPUTE_STREAM, FILL, 100, 0, 0);
    for (let at = 0; at < 2; at++) memory.push(INCOMING, DMA_UPDATE, 100, 0, 0);
    expect(drain(memory)).toEqual([[FILL, 100], [DMA_UPDATE, 300], [FILL, 400], [DMA_UPDATE, 600]]);
    expect(memory.busyPs).toBe(600);
    expect([memory.served[FILL], memory.served[DMA_UPDATE]]).toEqual([200, 200]);
    expect(memory.waits[COMPUTE_STREAM].mostPs).toBe(300);
  });

  test('alternating sides cost the penalty, runs of one side do not', () => {
    const memory = new Memory({ ...PLAIN, interleavePenalty: 0.5, queueBytes: 1 }, PLAIN.arbitration, null);
    memory.push(COMPUTE_STREAM, FILL, 100, 0, 0);
    memory.push(COMPUTE_STREAM, FILL, 100, 0, 0);
    memory.push(DMA_READS, DMA_UPDATE, 100, 0, 0);
    expect(drain(memory).map(([, time]) => time)).toEqual([100, 250, 400]);
  });

  test('a queue of its own for stores takes turns with the reads', () => {
    const memory = new Memory({ ...PLAIN, queueBytes: 1 }, { policy: 'compute-first', starvationPs: 1e9 }, null);
    for (const kind of [FILL, FILL]) memory.push(COMPUTE_STREAM, kind, 10, 0, 0);
    for (let at = 0; at < 2; at++) memory.push(STORES, DMA_UPDATE, 10, 0, 0);
    expect(drain(memory).map(([kind]) => kind)).toEqual([FILL, DMA_UPDATE, FILL, DMA_UPDATE]);
  });

  test('communication has room in the queue as far as its bound, and is told of by `admitted`', () => {
    const memory = new Memory({ ...PLAIN, queueBytes: 200 }, PLAIN.arbitration, null);
    const admitted: number[] = [];
    for (let at = 0; at < 3; at++) memory.push(INCOMING, DMA_UPDATE, 100, 7, 0);
    memory.pump(0, (stream, bytes, from) => admitted.push(stream, bytes, from));
    expect(admitted).toEqual([INCOMING, 100, 7, INCOMING, 100, 7]);
  });
});

test('the memory works whenever there is work: whatever the policy, all is served by the time that a plain queue needs', () => {
  const arrivals = fc.array(fc.record({ after: fc.nat(300), stream: fc.constantFrom(COMPUTE_STREAM, STORES, INCOMING, DMA_READS), bytes: fc.integer({ min: 1, max: 200 }) }), { minLength: 1, maxLength: 40 });
  const policies = fc.constantFrom(
    { policy: 'round-robin', computeTurns: 1, communicationTurns: 2 } as const,
    { policy: 'compute-first', starvationPs: 50 } as const,
    { policy: 'mca', starvationPs: 1e9, thresholds: [{ upTo: 1, bytes: 1 }] } as const,
  );
  fc.assert(
    fc.property(arrivals, policies, fc.constantFrom(1, 100, 10_000), (list, policy, queueBytes) => {
      const memory = new Memory({ ...PLAIN, queueBytes }, policy, null);
      memory.arbiter.settle(1);
      const heap = new EventHeap(1);
      let free = 0;
      let time = 0;
      for (const { after, bytes } of list) {
        time += after;
        free = Math.max(free, time) + bytes;
      }
      let at = 0;
      list.forEach(({ after }, index) => heap.add((at += after), 0, 0, index));
      let last = 0;
      while (heap.next()) {
        if (heap.kind === 1) {
          last = heap.time;
          memory.done(heap.time);
        } else memory.push(list[heap.payload].stream, FILL, list[heap.payload].bytes, 0, heap.time);
        const next = memory.pump(heap.time, () => {});
        if (next >= 0) heap.add(next, 1, 0);
      }
      expect(last).toBe(free);
      expect(memory.busyPs).toBe(list.reduce((sum, { bytes }) => sum + bytes, 0));
      expect(memory.served[FILL]).toBe(memory.busyPs);
    }),
    { numRuns: 200 },
  );
});

describe('LLC', () => {
  const fresh = (capacity: number): { llc: Llc; written: [number, number][] } => {
    const written: [number, number][] = [];
    return { llc: new Llc(capacity, 9, (block, bytes) => written.push([block, bytes])), written };
  };

  test('merges misses in flight, drops the least recently used', () => {
    const { llc } = fresh(20);
    expect([llc.read(0), llc.read(0)]).toEqual([2, 1]);
    llc.filled(0, 10);
    llc.read(1);
    llc.filled(1, 10);
    expect(llc.read(0)).toBe(0);
    llc.read(2);
    llc.filled(2, 10);
    expect([llc.read(0), llc.read(1)]).toEqual([0, 2]);
    expect([llc.hits, llc.merged, llc.misses]).toEqual([2, 1, 4]);
  });

  test('writes dirty blocks back when they have to go, once, and the rest when it is flushed', () => {
    const { llc, written } = fresh(20);
    llc.write(0, 10);
    llc.write(1, 10);
    llc.write(1, 10);
    expect(written).toEqual([]);
    llc.write(2, 10);
    expect(written).toEqual([[0, 10]]);
    llc.flush();
    llc.flush();
    expect(written).toEqual([[0, 10], [1, 10], [2, 10]]);
  });

  test('holds no more than it can', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(8), fc.boolean())), fc.integer({ min: 5, max: 60 }), (steps, capacity) => {
        const { llc, written } = fresh(capacity);
        let dirty = 0;
        for (const [block, writes] of steps) {
          if (writes) {
            llc.write(block, block + 1);
            dirty++;
          } else if (llc.read(block) === 2) llc.filled(block, block + 1);
          expect(llc.bytes).toBeLessThanOrEqual(capacity);
        }
        llc.flush();
        expect(written.length).toBeLessThanOrEqual(dirty);
      }),
    );
  });
});

test('a link sends at its rate, one after another, as far as the receiver has room; room comes back a latency later', () => {
  const heap = new EventHeap(2);
  const link = new Link(0, 0, { bandwidth: 1e11, latencyPs: 30, roomBytes: 20 }, heap, 0, 1);
  for (let at = 0; at < 3; at++) link.send(at, 10, 1);
  const sent: number[] = [];
  while (heap.next()) {
    if (heap.kind === 1) link.credited();
    else {
      sent.push(heap.time);
      link.sent();
      link.pump();
      if (heap.time === 200) link.credit(1, 10);
    }
  }
  expect(sent).toEqual([100, 200, 330]);
  expect([link.sentBytes, link.busyPs, link.blockedPs]).toEqual([30, 300, 30]);
  // What crosses to another device takes a picosecond at least.
  expect(new Link(0, 0, { bandwidth: 1e11, latencyPs: 0, roomBytes: 20 }, heap, 0, 1).latencyPs).toBe(1);
});
