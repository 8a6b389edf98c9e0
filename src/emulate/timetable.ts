// What happens in which epoch, decided in this one place: stages when their device has time for them, a block when the
// trigger of it is `lag` epochs old and its link has room, an update in the epoch after its transfer. Pure: the engine runs it
// with counters from the GPU; a rehearsal, with counters that follow from the Plan.
// Stages go from the first device to the last, in the next epoch backwards. Blocks go by device, those of one in the Plan's order
// (step, block), whatever the order in which they became ready.
import { bug } from '../errors.ts';
import { chunkOfBlock, routeOf, type Plan, type Stage } from '../plan/plan.ts';
import { stageFactor } from '../spec/skew.ts';
import type { Spec } from '../spec/spec.ts';

/** A block in a link's landing buffer, to be applied in the epoch after it was sent. */
export interface Arrival {
  readonly from: number;
  readonly to: number;
  readonly block: number;
  /** First element in the landing buffer of this parity. */
  readonly landing: number;
  readonly parity: 0 | 1;
}

/** Of one epoch, in the order of execution. */
export interface Work {
  readonly stages: readonly { readonly device: number; readonly stage: Stage }[];
  /** By sender. */
  readonly sent: readonly Arrival[];
  /** What the epoch before sent. */
  readonly applied: readonly Arrival[];
}

export class Timetable {
  /** Of all devices. */
  readonly stages: number;
  stagesDone = 0;
  readonly #nextStage: number[];
  /** A share of a stage that each device has time for: an epoch brings 1 / factor, a stage takes 1. */
  readonly #credit: number[];
  /** Blocks that may leave, in the Plan's order. */
  readonly #ready: number[][];
  readonly #stepOfChunk: Int32Array[];
  #sent: readonly Arrival[] = [];
  #epoch = 0;

  constructor(
    readonly spec: Pick<Spec, 'skew' | 'seed'>,
    readonly plan: Plan,
    readonly landingElements: number,
  ) {
    const devices = Array.from({ length: plan.devices }, (_, d) => d);
    this.stages = plan.stages.reduce((sum, of) => sum + of.length, 0);
    this.#nextStage = devices.map(() => 0);
    this.#credit = devices.map(() => 0);
    this.#ready = devices.map(() => []);
    this.#stepOfChunk = devices.map((d) => {
      const steps = new Int32Array(plan.tiling.chunks.length);
      plan.mapping.order[d].forEach((chunk, step) => (steps[chunk] = step));
      return steps;
    });
  }

  /** From the next epoch on the block may leave. */
  ready(device: number, block: number): void {
    const list = this.#ready[device];
    const place = (of: number): number => this.#stepOfChunk[device][chunkOfBlock(this.plan, of)] * this.plan.tiling.blocks + of;
    const at = list.findIndex((other) => place(other) > place(block));
    list.splice(at < 0 ? list.length : at, 0, block);
  }

  next(): Work {
    const work = { stages: this.#stages(), sent: this.#send(), applied: this.#sent };
    this.#sent = work.sent;
    this.#epoch++;
    return work;
  }

  /** Nothing is left but what counters may still bring. */
  get isIdle(): boolean {
    return this.stagesDone === this.stages && this.#sent.length === 0 && this.#ready.every((blocks) => blocks.length === 0);
  }

  #stages(): Work['stages'] {
    const { plan, spec } = this;
    const due = plan.stages.flatMap((stages, device) => {
      const index = this.#nextStage[device];
      const stage = stages[index];
      if (stage === undefined) return [];
      this.#credit[device] += 1 / stageFactor(spec.skew, spec.seed, device, index);
      if (this.#credit[device] < 1) return [];
      this.#credit[device]--;
      this.#nextStage[device]++;
      this.stagesDone++;
      return [{ device, stage }];
    });
    // There and back again: the devices share one GPU's caches, which then still hold operands of those that ran last.
    return this.#epoch % 2 === 0 ? due : due.toReversed();
  }

  #send(): Arrival[] {
    const { plan } = this;
    const parity = (this.#epoch % 2) as 0 | 1;
    return this.#ready.flatMap((blocks, from) => {
      const sent: Arrival[] = [];
      let landing = 0;
      while (blocks.length > 0 && landing + plan.tiling.blockElements[blocks[0]] <= this.landingElements) {
        const block = blocks.shift()!;
        const { whenComplete } = routeOf(plan, from, chunkOfBlock(plan, block));
        if (whenComplete.kind !== 'dma') continue;
        sent.push({ from, to: whenComplete.to, block, landing, parity });
        landing += plan.tiling.blockElements[block];
      }
      if (sent.length === 0 && blocks.length > 0) throw bug(`block ${blocks[0]} does not fit into an empty landing buffer`);
      return sent;
    });
  }
}

/** What is sent or applied, by the device that sent it; in order. */
export function bySender(arrivals: readonly Arrival[]): Arrival[][] {
  const lists = new Map<number, Arrival[]>();
  for (const arrival of arrivals) {
    const list = lists.get(arrival.from);
    if (list === undefined) lists.set(arrival.from, [arrival]);
    else list.push(arrival);
  }
  return [...lists.values()];
}
