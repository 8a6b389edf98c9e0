// What an engine did, in the order in which the queue executes it: the event log's stores, sends and updates, and with them
// the op of each update, store or add, which follows from that order alone.
import type { EventLog } from '../events/log.ts';
import { routeOf, type Plan } from '../plan/plan.ts';
import { partOf, type Dispatch } from './dispatches.ts';
import type { Arrival } from './timetable.ts';

export class Journal {
  /** Whether the first update of a part on a device was made already: `device · parts + part`. */
  readonly #seen: Uint8Array;

  constructor(
    readonly plan: Plan,
    readonly log: EventLog,
  ) {
    this.#seen = new Uint8Array(plan.devices * plan.tiling.parts);
  }

  /**
   * One dispatch of a device's stage, chunk after chunk: in that order tiles of many chunks are logged alike, whether this adapter stores to all
   * of them in one dispatch or in several. @returns op bits of each tile's part in each slot: 0 store, 1 update
   */
  store(epoch: number, device: number, { tiles, slots }: Dispatch): number[][] {
    const bits = tiles.map((): number[] => []);
    for (const chunk of slots) {
      const target = routeOf(this.plan, device, chunk).storeTo;
      tiles.forEach((tile, at) => {
        const part = partOf(this.plan, tile, chunk);
        const bit = this.#firstOrLater(target, part);
        this.log.add('store', epoch, device, part, target, bit);
        bits[at].push(bit);
      });
    }
    return bits;
  }

  send(epoch: number, { from, to, block }: Arrival): void {
    this.log.add('send', epoch, from, block, to);
  }

  /** @returns op bits of the block's parts */
  apply(epoch: number, { from, to, block }: Arrival): number[] {
    const { blockParts } = this.plan.tiling;
    return Array.from({ length: blockParts[block + 1] - blockParts[block] }, (_, at) => {
      const part = blockParts[block] + at;
      const bit = this.#firstOrLater(to, part);
      this.log.add('apply', epoch, to, part, from, bit);
      return bit;
    });
  }

  /** Op bit of the next update of a part in a device's memory: 0 for the first in the order of execution. */
  #firstOrLater(device: number, part: number): number {
    const at = device * this.plan.tiling.parts + part;
    const bit = this.#seen[at];
    this.#seen[at] = 1;
    return bit;
  }
}
