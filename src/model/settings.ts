// What a simulated device is made of, all of it in plain numbers: rates a second, times in picoseconds, sizes in bytes. machine.ts
// makes it of a described machine and a parameter set; the engine knows no other source.
import type { Arbitration } from './arbitration.ts';
import type { MemorySettings } from './memory.ts';

export type Topology = 'ring' | 'fully-connected' | 'switch' | 'two-level';

export interface ComputeSettings {
  readonly cus: number;
  /** FLOP a second of one CU, as a kernel reaches it. */
  readonly cuFlops: number;
  readonly workgroupsPerCu: number;
  /** Slabs that a workgroup loads ahead of the one that it computes. */
  readonly prefetch: number;
  /** A stage starts when the one before it has ended; else a workgroup starts as soon as another one ends. */
  readonly stageBarrier: boolean;
  /** A stage holds tiles of several steps, where its step has too few left. */
  readonly straddleSteps: boolean;
  readonly llcBytes: number;
  /** From the memory's end of a read to its operand in a CU. */
  readonly readLatencyPs: number;
}

export interface LinkSettings {
  readonly topology: Topology;
  /** Of a device, one direction: of its one link (ring, switch), or of all its links together (fully connected). */
  readonly linkBandwidth: number;
  readonly linkLatencyPs: number;
  /** What may wait for a link before a workgroup that stores to a peer has to wait. */
  readonly linkQueueBytes: number;
  /** Room for what arrived and waits for the memory, and for what is on its way there, of each sender. */
  readonly incomingBytes: number;
  /** Two levels: devices of a node, and the bandwidth between nodes. */
  readonly nodeDevices: number;
  readonly nodeBandwidth: number;
}

export interface DmaSettings {
  /** Of one block. */
  readonly dmaSetupPs: number;
  /** Read, or asked for, and not yet on the link. */
  readonly dmaWindowBytes: number;
  /** Reads that wait for the memory. */
  readonly dmaReadBytes: number;
}

export interface CollectiveSettings {
  /** Bytes that a collective's kernel has asked for and not yet sent or written. */
  readonly collectiveWindowBytes: number;
  /** Of one CU that copies or reduces: bytes moved a second; null where that never limits. */
  readonly cuCopyBandwidth: number | null;
  /** CUs that a collective's kernel has. */
  readonly collectiveCus: number;
  /** Start of a kernel after the one before it. */
  readonly launchPs: number;
}

export interface Settings extends ComputeSettings, MemorySettings, LinkSettings, DmaSettings, CollectiveSettings {
  /** Unit of all traffic; a piece's last granule may be smaller. */
  readonly granuleBytes: number;
  readonly elementBytes: number;
  readonly separateStoreQueue: boolean;
  readonly arbitration: Arbitration;
}
