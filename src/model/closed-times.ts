// Closed forms of time, for equal chunks: limits that the engine is held against, and what the ideals are made of. S output bytes,
// C = S/N, B the link's bandwidth, W the memory's, L the link's latency; picoseconds.
import type { Subject } from './subject.ts';

interface Terms {
  readonly devices: number;
  /** The longest chunk. */
  readonly chunkPs: number;
  readonly latencyPs: number;
  readonly memoryPs: number;
}

function termsOf({ chunkBytes, conditions: { machine } }: Subject): Terms {
  const chunk = Math.max(...chunkBytes);
  return { devices: chunkBytes.length, chunkPs: (chunk / machine.linkGBs) * 1e3, latencyPs: machine.linkLatencyNs * 1e3, memoryPs: (chunk / machine.memoryGBs) * 1e3 };
}

export const closedTimes = {
  /** (N − 1)(C/B + L) + 3C/W */
  reduceScatter(subject: Subject): number {
    const { devices, chunkPs, latencyPs, memoryPs } = termsOf(subject);
    return devices === 1 ? 0 : (devices - 1) * (chunkPs + latencyPs) + 3 * memoryPs;
  },
  /** (N − 1)(C/B + L), of the reduce-scatter with near-memory updates and of the all-gather */
  stepped(subject: Subject): number {
    const { devices, chunkPs, latencyPs } = termsOf(subject);
    return (devices - 1) * (chunkPs + latencyPs);
  },
  /** (N − 1)·C/B + L */
  pipelinedReduceScatter(subject: Subject): number {
    const { devices, chunkPs, latencyPs } = termsOf(subject);
    return devices === 1 ? 0 : Math.round((devices - 1) * chunkPs + latencyPs);
  },
  /** L + S/B: what a switch that reduces takes for the whole output */
  inSwitch(subject: Subject): number {
    const { devices, latencyPs } = termsOf(subject);
    const bytes = subject.chunkBytes.reduce((sum, of) => sum + of, 0);
    return devices === 1 ? 0 : Math.round(latencyPs + (bytes / subject.conditions.machine.linkGBs) * 1e3);
  },
};
