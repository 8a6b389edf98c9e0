// A run without a GPU: timetable, trackers and journal as the engine has them, and counters that follow from what runs. Before a
// run with triggers on the GPU it says how many epochs there are and in which of them a list of ready blocks can hold
// anything; after it, fed with what the counters came to, it is the host's replay of the trackers: it must find the
// triggers that the GPU found.
import { EventLog } from '../events/log.ts';
import { splitsOf, type Plan } from '../plan/plan.ts';
import type { Spec } from '../spec/spec.ts';
import { Tracker } from '../tracker/tracker.ts';
import { dispatchesOf, type Dispatch } from './dispatches.ts';
import type { Faults } from './faults.ts';
import { Journal } from './journal.ts';
import { Timetable, type Work } from './timetable.ts';
import { Watch } from './watch.ts';

export interface RehearsalInput {
  readonly spec: Spec;
  readonly plan: Plan;
  readonly faults: Faults;
  /** Chunk memories that a dispatch binds at most. */
  readonly maxSlots: number;
  readonly landingElements: number;
  /** What the counters end with, by `writer · pieces + piece`, GEMMs before near-memory units; where left out, what the Plan and the faults make of it. */
  readonly counters?: Uint32Array;
}

/** One dispatch of a GEMM stage and the ops of its stores. */
export interface Stored {
  readonly epoch: number;
  readonly device: number;
  readonly split: number;
  readonly dispatch: Dispatch;
  readonly bits: readonly (readonly number[])[];
}

/** Of a block with a DMA command, on the device that sends it. */
export interface Trigger {
  /** In which epoch's counters it was seen. */
  readonly seen: number;
  /** -1 when it never was. */
  sent: number;
  landing: number;
  /** Ops of the block's parts where they were applied. */
  ops: readonly number[];
}

export interface Rehearsal {
  readonly works: readonly Work[];
  readonly stored: readonly Stored[];
  /** By `device · blocks + block`. */
  readonly triggers: ReadonlyMap<number, Trigger>;
  readonly log: EventLog;
  readonly trackers: readonly Tracker[];
  readonly watch: Watch;
  /** What was counted beyond what ran, or never, one line each. */
  readonly unexplained: readonly string[];
}

export function rehearse({ spec, plan, faults, maxSlots, landingElements, counters }: RehearsalInput): Rehearsal {
  const { tiling, devices } = plan;
  const pieces = tiling.parts * tiling.wavefronts;
  const log = new EventLog();
  const trackers = Array.from({ length: devices }, (_, d) => new Tracker(plan, d, { ...spec.tracker, overflow: spec.overflow }, faults.thresholds(d)));
  const watch = new Watch(plan, trackers, log);
  const journal = new Journal(plan, log);
  const timetable = new Timetable(spec, plan, landingElements);
  const works: Work[] = [];
  const stored: Stored[] = [];
  const triggers = new Map<number, Trigger>();
  /** Of each epoch. */
  const landings: (Map<number, number> | undefined)[] = [];
  const left = counters?.slice();
  const land = (landed: Map<number, number>, writer: number, part: number, isMuted: boolean): void => {
    for (let piece = part * tiling.wavefronts; piece < (part + 1) * tiling.wavefronts; piece++) {
      const at = writer * pieces + piece;
      const elements = left === undefined ? (isMuted ? 0 : tiling.pieceElements[piece]) : Math.min(left[at], tiling.pieceElements[piece]);
      if (left !== undefined) left[at] -= elements;
      if (elements > 0) landed.set(at, (landed.get(at) ?? 0) + elements);
    }
  };

  for (let epoch = 0; ; epoch++) {
    const seen = epoch - spec.lag;
    if (seen >= 0) {
      const landed = [...(landings[seen] ?? [])].toSorted(([one], [other]) => one - other);
      landings[seen] = undefined;
      watch.feed(seen, landed, (device, block) => {
        triggers.set(device * tiling.blocks + block, { seen, sent: -1, landing: -1, ops: [] });
        timetable.ready(device, block);
      });
    }
    const work = timetable.next();
    const landed = new Map<number, number>();
    for (const { device, stage } of work.stages) {
      const muted = faults.muted(device);
      for (let split = 0; split < splitsOf(plan); split++)
        for (const dispatch of dispatchesOf(plan, stage.tiles, maxSlots)) {
          stored.push({ epoch, device, split, dispatch, bits: journal.store(epoch, device, dispatch) });
          for (const tile of dispatch.tiles)
            for (const part of tiling.tileParts[tile]) if (dispatch.slots.includes(tiling.partChunk[part])) land(landed, device, part, muted === 'all' || (split === 0 && tile === muted));
        }
    }
    for (const arrival of work.sent) {
      journal.send(epoch, arrival);
      const trigger = triggers.get(arrival.from * tiling.blocks + arrival.block)!;
      trigger.sent = epoch;
      trigger.landing = arrival.landing;
    }
    for (const arrival of work.applied) {
      triggers.get(arrival.from * tiling.blocks + arrival.block)!.ops = journal.apply(epoch, arrival);
      for (let part = tiling.blockParts[arrival.block]; part < tiling.blockParts[arrival.block + 1]; part++) land(landed, devices + arrival.to, part, false);
    }
    works.push(work);
    landings[epoch] = landed;
    if (timetable.isIdle && landings.every((of) => of === undefined || of.size === 0)) break;
  }
  const unexplained = left === undefined ? [] : [...left.entries()].filter(([, elements]) => elements > 0).map(([at, elements]) => counterName(plan, Math.floor(at / pieces), at % pieces, `${elements} elements more than stages and transfers account for`));
  // Of the last epochs nothing is left to do.
  while (works.length > 0 && isEmpty(works.at(-1)!)) works.pop();
  return { works, stored, triggers, log, trackers, watch, unexplained };
}

const isEmpty = ({ stages, sent, applied }: Work): boolean => stages.length + sent.length + applied.length === 0;

const counterName = ({ devices, tiling }: Plan, writer: number, piece: number, what: string): string =>
  `the ${writer < devices ? 'GEMM' : 'near-memory unit'} of device ${writer % devices} counted ${what}: chunk ${tiling.partChunk[Math.floor(piece / tiling.wavefronts)]} piece ${piece}`;
