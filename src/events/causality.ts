// Causality over the event log, checked on every run of either engine: no trigger before its last update, no
// read of a piece before it was complete, nothing applied that was not sent. The thresholds are the Plan's,
// not the tracker's, so that a tracker that is wrong is seen.
import { chunkOfBlock, piecesOfBlock, routeOf, thresholdOf, type Plan } from '../plan/plan.ts';
import { pieceName } from '../tracker/tracker.ts';
import type { EventLog } from './log.ts';

/** Violations, one line each, in the order of the log; `complete: false` for a run that stopped half-way. */
export function checkCausality(plan: Plan, log: EventLog, { complete = true } = {}): string[] {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const violations: string[] = [];
  const landed = new Int32Array(devices * pieces);
  const lastLanded = new Float64Array(devices * pieces).fill(-Infinity);
  const completed = new Uint8Array(devices * pieces);
  const stored = new Map<string, number>();
  const triggered = new Map<string, number>();
  const sent = new Map<string, number>();
  const applied = new Map<string, number>();

  for (const { kind, time, device, subject, peer, value, via } of log) {
    const at = (): string => `${kind} at ${time} on device ${device}`;
    const once = (map: Map<string, number>, key: string): void => {
      if (map.has(key)) violations.push(`${at()}: happened twice (${key})`);
      map.set(key, time);
    };
    if (kind === 'store') once(stored, `part ${subject} by ${device} to ${peer}`);
    else if (kind === 'landed') {
      const part = Math.floor(subject / tiling.wavefronts);
      const cause = via === 'dma' ? applied.get(`part ${part} on ${device} from ${peer}`) : stored.get(`part ${part} by ${peer} to ${device}`);
      if (cause === undefined || cause > time) violations.push(`${at()}: ${pieceName(plan, subject)}, an update from device ${peer} that nobody made`);
      const index = device * pieces + subject;
      landed[index] += value;
      lastLanded[index] = Math.max(lastLanded[index], time);
      if (completed[index] !== 0) violations.push(`${at()}: ${pieceName(plan, subject)} was complete already`);
    } else if (kind === 'complete') {
      const index = device * pieces + subject;
      const threshold = thresholdOf(plan, device, subject);
      if (landed[index] !== threshold) violations.push(`${at()}: ${pieceName(plan, subject)} has ${landed[index]} of ${threshold} elements`);
      completed[index]++;
    } else if (kind === 'trigger') {
      once(triggered, `block ${subject} of ${device}`);
      for (const piece of piecesOfBlock(plan, subject))
        if (completed[device * pieces + piece] === 0) violations.push(`${at()}: block ${subject} fired before ${pieceName(plan, piece)} was complete`);
    } else if (kind === 'send') {
      const trigger = triggered.get(`block ${subject} of ${device}`);
      if (trigger === undefined || trigger > time) violations.push(`${at()}: block ${subject} (chunk ${chunkOfBlock(plan, subject)}) was read without a trigger`);
      for (const piece of piecesOfBlock(plan, subject)) {
        const index = device * pieces + piece;
        if (landed[index] < thresholdOf(plan, device, piece) || lastLanded[index] >= time)
          violations.push(`${at()}: ${pieceName(plan, piece)} was read before it was complete (${landed[index]} of ${thresholdOf(plan, device, piece)} elements)`);
      }
      once(sent, `block ${subject} of ${device} to ${peer}`);
    } else {
      const send = sent.get(`block ${tiling.partBlock[subject]} of ${peer} to ${device}`);
      if (send === undefined || send >= time) violations.push(`${at()}: part ${subject} from device ${peer} was applied before it was sent`);
      once(applied, `part ${subject} on ${device} from ${peer}`);
    }
  }
  if (complete) violations.push(...unfinished(plan, completed, triggered));
  return violations;
}

function unfinished(plan: Plan, completed: Uint8Array, triggered: Map<string, number>): string[] {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const missing: string[] = [];
  for (let device = 0; device < devices; device++) {
    for (let piece = 0; piece < pieces; piece++)
      if (thresholdOf(plan, device, piece) > 0 && completed[device * pieces + piece] === 0) missing.push(`device ${device}: ${pieceName(plan, piece)} never completed`);
    for (let block = 0; block < tiling.blocks; block++)
      if (routeOf(plan, device, chunkOfBlock(plan, block)).whenComplete.kind === 'dma' && !triggered.has(`block ${block} of ${device}`)) missing.push(`device ${device}: block ${block} never fired`);
  }
  return missing;
}
