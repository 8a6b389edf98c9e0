// Who enters the DRAM's queue next: the compute stream (operand reads, the GEMM's own stores) or communication (updates that
// arrived, reads by the DMA). Three policies, one decision; nothing here knows what a request is.
//   round-robin    turns, where both have something ready
//   compute-first  communication when no compute access is ready, or it has starved
//   mca            T3's: the same, and only while the queue holds less than a threshold, which is chosen from the memory
//                  intensity of the device's first stage, when there is no communication yet
// None of them leaves the queue empty while anything is ready: the memory works whenever there is work.

export interface RoundRobin {
  readonly policy: 'round-robin';
  /** Accesses of each side in its turn. */
  readonly computeTurns: number;
  readonly communicationTurns: number;
}

export interface ComputeFirst {
  readonly policy: 'compute-first';
  /** An access of communication that has waited so long goes first. By age and not by turns, so that it means the same at any granule. */
  readonly starvationPs: number;
}

export interface Mca {
  readonly policy: 'mca';
  readonly starvationPs: number;
  /** By memory intensity, ascending: the first whose `upTo` is not exceeded counts; bytes in the queue, at least one, null for no threshold. */
  readonly thresholds: readonly { readonly upTo: number; readonly bytes: number | null }[];
}

export type Arbitration = RoundRobin | ComputeFirst | Mca;

export const NOBODY = 0;
export const COMPUTE = 1;
export const COMMUNICATION = 2;

export interface ArbiterCounts {
  /** Times that communication was ready, no compute access was, and the threshold alone held it back. */
  heldBack: number;
  /** Turns that communication had because it had starved. */
  starved: number;
}

export class Arbiter {
  readonly counts: ArbiterCounts = { heldBack: 0, starved: 0 };
  /** Bytes in the queue from which on communication is held back. */
  thresholdBytes = Infinity;
  /** Of the first stage, as it was told; null before. */
  intensity: number | null = null;
  readonly #starvationPs: number;
  readonly #compute: number;
  readonly #communication: number;
  /** Place in the round: turns of compute, then those of communication. */
  #turn = 0;

  constructor(readonly arbitration: Arbitration) {
    const turns = arbitration.policy === 'round-robin';
    this.#compute = turns ? arbitration.computeTurns : 0;
    this.#communication = turns ? arbitration.communicationTurns : 0;
    this.#starvationPs = turns ? Infinity : arbitration.starvationPs;
  }

  /** DRAM time over all time of the first stage, 0..1. */
  settle(intensity: number): void {
    this.intensity = intensity;
    if (this.arbitration.policy !== 'mca') return;
    const { thresholds } = this.arbitration;
    this.thresholdBytes = (thresholds.find(({ upTo }) => intensity <= upTo) ?? thresholds.at(-1))?.bytes ?? Infinity;
  }

  /**
   * @param compute, communication whether they have an access ready
   * @param since when communication's first access became ready
   * @param occupancy bytes in the queue
   */
  choose(now: number, compute: boolean, communication: boolean, since: number, occupancy: number): number {
    if (!communication) return compute ? this.#computes() : NOBODY;
    if (this.#compute > 0) {
      if (!compute) return this.#communicates();
      return this.#turn < this.#compute ? this.#computes() : this.#communicates();
    }
    if (now - since >= this.#starvationPs) {
      this.counts.starved++;
      return this.#communicates();
    }
    if (compute) return COMPUTE;
    if (occupancy < this.thresholdBytes) return this.#communicates();
    this.counts.heldBack++;
    return NOBODY;
  }

  #computes(): number {
    if (this.#turn < this.#compute) this.#turn++;
    return COMPUTE;
  }

  #communicates(): number {
    // A turn that the other side did not want is over.
    if (this.#turn < this.#compute) this.#turn = this.#compute;
    if (++this.#turn >= this.#compute + this.#communication) this.#turn = 0;
    return COMMUNICATION;
  }
}
