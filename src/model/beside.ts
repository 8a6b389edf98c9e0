// A plain GEMM on some of the CUs and a collective of the GEMM before it on the others, both at once and in one memory, whose arbiter
// has the GEMM as its compute stream and the collective's accesses as communication. Each starts at 0; the time is that of the
// later one. What both are by themselves is fused.ts's and collective.ts's.
import { collectiveFigures, foldsCollective, KERNEL, Member, SERVED, type CollectiveFigures, type CollectiveInput } from './collective.ts';
import { ARRIVAL, type Device } from './device.ts';
import { EventHeap } from './event-heap.ts';
import { canFold, devicesOf, gemmFigures, type GemmFigures, type GemmInput } from './fused.ts';
import { Memory } from './memory.ts';

export interface BesideInput {
  /** Of one device by itself, but `depths` of them all. */
  readonly gemm: Omit<GemmInput, 'isConnected' | 'log' | 'trace' | 'binPs'>;
  /** With the settings of the GEMM, and the CUs that it has. */
  readonly collective: Omit<CollectiveInput, 'settings' | 'binPs'>;
}

export interface BesideFigures {
  readonly timePs: number;
  readonly gemm: GemmFigures;
  readonly collective: CollectiveFigures;
}

/** Kinds of the collective's events: a GEMM without peers has none from ARRIVAL on. */
const FIRST_KIND = ARRIVAL;

export function simulateBeside({ gemm, collective: { kind, chunkBytes, fold = false } }: BesideInput): BesideFigures {
  const { settings } = gemm;
  const heap = new EventHeap(chunkBytes.length);
  const members: Member[] = [];
  const devices: Device[] = [];
  const pumps: (() => void)[] = [];
  for (let at = 0; at < (fold && canFold(gemm) && foldsCollective({ settings, chunkBytes }) ? 1 : chunkBytes.length); at++) {
    const memory = new Memory(settings, settings.arbitration, null);
    const member = new Member(at, settings, kind, chunkBytes, heap, members, memory, FIRST_KIND);
    const pump = (): void => {
      const servedAt = memory.pump(heap.time, member.admitted);
      if (servedAt >= 0) heap.add(servedAt, SERVED, at);
    };
    members.push(member);
    pumps.push(pump);
    devices.push(...devicesOf({ ...gemm, isConnected: false, depths: [gemm.depths[at]], rank: at }, heap, { memory, pump, at }));
  }
  for (const at of members.keys()) {
    members[at].start();
    devices[at].start();
  }
  while (heap.next()) {
    const { device: at, kind: event, payload } = heap;
    const isKernels = event >= FIRST_KIND || (event === SERVED && members[at].memory.queue.from === KERNEL);
    if (!isKernels) {
      devices[at].happens(event, payload);
      continue;
    }
    members[at].happens(event);
    pumps[at]();
  }
  const collective = collectiveFigures(members, heap);
  const both = gemmFigures(devices, heap);
  // The memory's bytes are those of both.
  const figures = { ...both, devices: both.devices.map((of, at) => ({ ...of, served: of.served.map((bytes, kindOf) => bytes - members[at].served[kindOf]) })) };
  return { timePs: Math.max(figures.timePs, collective.timePs), gemm: figures, collective };
}
