// Causality over the event log, checked on every run of either engine: no trigger before its last update, no
// read of a piece before it was complete, nothing applied that was not sent. The thresholds are the Plan's,
// not the tracker's, so that a tracker that is wrong is seen.
import { chunkOfBlock, piecesOfBlock, routeOf, splitsOf, thresholdOf, type Plan } from '../plan/plan.ts';
import { pieceName } from '../tracker/tracker.ts';
import type { EventLog } from './log.ts';

/** Violations, one line each, in the order of the log; `complete: false` for a run that stopped half-way. */
export function checkCausality(plan: Plan, log: EventLog, { complete = true } = {}): string[] {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const splits = splitsOf(plan);
  const violations: string[] = [];
  const landed = new Int32Array(devices * pieces);
  const lastLanded = new Float64Array(devices * pieces).fill(-Infinity);
  const completedAt = new Float64Array(devices * pieces).fill(NaN);
  /** Updates made of each part in each memory so far: the first must be a store, the later ones adds. */
  const made = new Int32Array(devices * tiling.parts);
  // Keys are numbers, for there are many: (subject, device, peer); of what landed (piece in a memory, way, sender).
  const key = (subject: number, one: number, other: number): number => (subject * devices + one) * devices + other;
  /** Of each split's store (part, writer, memory) the time by which it and those before it were made. */
  const stored = new Map<number, number[]>();
  /** (block, device), (block, sender, receiver), (part, receiver, sender). */
  const triggered = new Map<number, number>();
  const sent = new Map<number, number>();
  const applied = new Map<number, number>();
  const landedFrom = new Map<number, number>();

  for (const { kind, time, device, subject, peer, value, via } of log) {
    const violated = (what: string): void => void violations.push(`${kind} at ${time} on device ${device}: ${what}`);
    const once = (map: Map<number, number>, key: number, what: () => string): void => {
      if (map.has(key)) violated(`happened twice (${what()})`);
      map.set(key, time);
    };
    const op = (memory: number): void => {
      const earlier = made[memory * tiling.parts + subject]++;
      if (value !== Math.min(earlier, 1)) violated(`update ${earlier + 1} of part ${subject} in the memory of device ${memory} ${value === 0 ? 'overwrites the one before it' : 'adds to what nobody stored'}`);
    };
    if (kind === 'store') {
      const times = stored.get(key(subject, device, peer)) ?? [];
      times.push(Math.max(time, times.at(-1) ?? -Infinity));
      stored.set(key(subject, device, peer), times);
      if (times.length > splits) violated(`happened ${times.length === 2 ? 'twice' : `${times.length} times`} (part ${subject} by ${device} to ${peer})`);
      op(peer);
    } else if (kind === 'landed') {
      const part = Math.floor(subject / tiling.wavefronts);
      const index = device * pieces + subject;
      const source = (index * 3 + (via === 'local' ? 0 : via === 'remote' ? 1 : 2)) * devices + peer;
      const fromSource = (landedFrom.get(source) ?? 0) + value;
      landedFrom.set(source, fromSource);
      // A store is an update of all elements: so many must have been made as it takes for so many to land.
      const updates = Math.ceil(fromSource / tiling.pieceElements[subject]);
      const cause = via === 'dma' ? applied.get(key(part, device, peer)) : stored.get(key(part, peer, device))?.[updates - 1];
      if (cause === undefined || cause > time || (via === 'local') !== (peer === device)) violated(`${pieceName(plan, subject)}, an update from device ${peer} that nobody made`);
      const most = tiling.pieceElements[subject] * (via === 'dma' ? 1 : splits);
      if (fromSource > most) violated(`${pieceName(plan, subject)}: ${fromSource} elements from device ${peer}, the piece has ${most}`);
      landed[index] += value;
      lastLanded[index] = Math.max(lastLanded[index], time);
      if (!Number.isNaN(completedAt[index])) violated(`${pieceName(plan, subject)} was complete already`);
    } else if (kind === 'complete') {
      const index = device * pieces + subject;
      const threshold = thresholdOf(plan, device, subject);
      if (!Number.isNaN(completedAt[index])) violated(`${pieceName(plan, subject)} was complete already`);
      if (landed[index] !== threshold) violated(`${pieceName(plan, subject)} has ${landed[index]} of ${threshold} elements`);
      if (lastLanded[index] > time) violated(`${pieceName(plan, subject)} completes before its last update, at ${lastLanded[index]}`);
      completedAt[index] = time;
    } else if (kind === 'trigger') {
      once(triggered, key(subject, device, 0), () => `block ${subject} of ${device}`);
      for (const piece of piecesOfBlock(plan, subject))
        if (!(completedAt[device * pieces + piece] <= time)) violated(`block ${subject} fired before ${pieceName(plan, piece)} was complete`);
    } else if (kind === 'send') {
      const trigger = triggered.get(key(subject, device, 0));
      if (trigger === undefined || trigger > time) violated(`block ${subject} (chunk ${chunkOfBlock(plan, subject)}) was read without a trigger`);
      for (const piece of piecesOfBlock(plan, subject)) {
        const index = device * pieces + piece;
        if (landed[index] < thresholdOf(plan, device, piece) || lastLanded[index] >= time)
          violated(`${pieceName(plan, piece)} was read before it was complete (${landed[index]} of ${thresholdOf(plan, device, piece)} elements)`);
      }
      once(sent, key(subject, device, peer), () => `block ${subject} of ${device} to ${peer}`);
    } else {
      const send = sent.get(key(tiling.partBlock[subject], peer, device));
      if (send === undefined || send >= time) violated(`part ${subject} from device ${peer} was applied before it was sent`);
      once(applied, key(subject, device, peer), () => `part ${subject} on ${device} from ${peer}`);
      op(device);
    }
  }
  if (complete) violations.push(...unfinished(plan, completedAt, (block, device) => triggered.has(key(block, device, 0))));
  return violations;
}

function unfinished(plan: Plan, completedAt: Float64Array, triggered: (block: number, device: number) => boolean): string[] {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const missing: string[] = [];
  for (let device = 0; device < devices; device++) {
    for (let piece = 0; piece < pieces; piece++)
      if (thresholdOf(plan, device, piece) > 0 && Number.isNaN(completedAt[device * pieces + piece])) missing.push(`device ${device}: ${pieceName(plan, piece)} never completed`);
    for (let block = 0; block < tiling.blocks; block++)
      if (routeOf(plan, device, chunkOfBlock(plan, block)).whenComplete.kind === 'dma' && !triggered(block, device)) missing.push(`device ${device}: block ${block} never fired`);
  }
  return missing;
}
