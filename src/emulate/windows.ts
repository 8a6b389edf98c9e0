// In which epochs a list of ready blocks can hold anything: a run's epochs follow from its Spec, so a rehearsal knows the
// first and the last block of each chunk to become ready and to be sent. The GPU looks at these chunks alone, and
// only these lists are dispatched.
import { chunkOfBlock, type Plan } from '../plan/plan.ts';
import type { Trigger } from './rehearsal.ts';

export interface Window {
  readonly device: number;
  readonly chunk: number;
  /** Its list, of those of the device. */
  readonly list: number;
  /** The epoch after this one dispatches the list. */
  readonly open: boolean;
}

export interface Windows {
  /** Lists of a device at one time, at most. */
  readonly width: number;
  /** By epoch: what to look at when it is over; by device, and in the order of its steps. */
  readonly after: readonly (readonly Window[])[];
  /** The first epoch in which a device can send a block of a chunk; `device · chunks + chunk`. */
  readonly firstSent: ReadonlyMap<number, number>;
}

export function windowsOf(plan: Plan, triggers: ReadonlyMap<number, Trigger>, epochs: number): Windows {
  const { tiling, mapping, devices } = plan;
  const chunks = tiling.chunks.length;
  const spans = new Map<number, { seen: number; first: number; last: number }>();
  for (const [at, { seen, sent }] of triggers) {
    const key = Math.floor(at / tiling.blocks) * chunks + chunkOfBlock(plan, at % tiling.blocks);
    const span = spans.get(key) ?? { seen, first: sent, last: sent };
    spans.set(key, { seen: Math.min(span.seen, seen), first: Math.min(span.first, sent), last: Math.max(span.last, sent) });
  }
  let width = 0;
  const after = Array.from({ length: epochs }, (_, epoch) =>
    Array.from({ length: devices }, (_, device) => device).flatMap((device) => {
      const due = mapping.order[device].flatMap((chunk) => {
        const span = spans.get(device * chunks + chunk);
        return span !== undefined && span.seen <= epoch && epoch < span.last ? [{ chunk, open: epoch + 1 >= span.first }] : [];
      });
      width = Math.max(width, due.length);
      return due.map(({ chunk, open }, list): Window => ({ device, chunk, list, open }));
    }),
  );
  return { width, after, firstSent: new Map([...spans].map(([key, { first }]) => [key, first])) };
}
