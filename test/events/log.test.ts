import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EVENT_KINDS, EventLog, type Event } from '../../src/events/log.ts';

const events = fc.record<Event>({
  kind: fc.constantFrom(...EVENT_KINDS),
  time: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  device: fc.nat({ max: 63 }),
  subject: fc.nat(),
  peer: fc.integer({ min: -1, max: 63 }),
  value: fc.nat(),
  via: fc.constantFrom('local', 'remote', 'dma', null),
});

function logOf(list: readonly Event[]): EventLog {
  const log = new EventLog();
  for (const { kind, time, device, subject, peer, value, via } of list) log.add(kind, time, device, subject, peer, value, via);
  return log;
}

test('gives back what was added, in order', () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 40 }), (list) => {
      const log = logOf(list);
      expect(log.length).toBe(list.length);
      expect([...log]).toEqual(list);
      expect(list.map((_, index) => log.at(index))).toEqual(list);
    }),
  );
});

test('gives back those of some kinds alone, in order', () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 40 }), fc.subarray([...EVENT_KINDS]), (list, kinds) => {
      expect([...logOf(list).of(...kinds)]).toEqual(list.filter(({ kind }) => kinds.includes(kind)));
    }),
  );
});

test('what is not given is -1, 0 and null', () => {
  const log = new EventLog();
  log.add('complete', 3, 1, 7);
  expect(log.at(0)).toEqual({ kind: 'complete', time: 3, device: 1, subject: 7, peer: -1, value: 0, via: null });
});

test('grows past every size that it has had, and loses nothing', () => {
  const log = new EventLog();
  for (let index = 0; index < 5000; index++) log.add(EVENT_KINDS[index % 6], index, index % 64, 2 * index, index % 3, index + 1, 'dma');
  expect(log.length).toBe(5000);
  for (const index of [0, 1, 1023, 1024, 1025, 2047, 2048, 4095, 4096, 4999])
    expect(log.at(index)).toEqual({ kind: EVENT_KINDS[index % 6], time: index, device: index % 64, subject: 2 * index, peer: index % 3, value: index + 1, via: 'dma' });
});

test('equal logs have equal bytes, and any difference shows; room that is not used yet is no part of them', () => {
  fc.assert(
    fc.property(fc.array(events, { minLength: 1, maxLength: 20 }), fc.nat(), (list, pick) => {
      const bytes = logOf(list).bytes();
      expect(logOf(list).bytes()).toEqual(bytes);
      expect(bytes.length).toBe(list.length * 7 * 8);
      const at = pick % list.length;
      const event = list[at];
      for (const other of [{ ...event, time: event.time + 2 }, { ...event, device: event.device + 1 }, { ...event, via: event.via === 'dma' ? null : ('dma' as const) }]) expect(logOf(list.with(at, other)).bytes()).not.toEqual(bytes);
      expect(logOf(list.slice(1)).bytes()).not.toEqual(bytes);
    }),
    { numRuns: 50 },
  );
});
