// Direct reduce-scatter on fully connected devices (named by T3 among its other mappings): chunk j of every device is
// remote-mapped to device j, whose memory adds the N updates of each element. No DMA at all: the stores
// are the transfer. Staggered like the ring, so that no two devices store to one peer in the same step.
import type { Mapping } from '../mapping.ts';

export function directReduceScatter(devices: number): Mapping {
  const ids = Array.from({ length: devices }, (_, d) => d);
  return {
    order: ids.map((d) => ids.map((s) => (d + s + 1) % devices)),
    routes: ids.map((d) =>
      ids.map((chunk) => ({
        storeTo: chunk,
        expects: chunk === d ? ids.map((from) => (from === d ? { kind: 'local' as const } : { kind: 'remote' as const, from })) : [],
        whenComplete: chunk === d ? { kind: 'done' as const } : { kind: 'untracked' as const },
      })),
    ),
    rounds: ids.slice(1).map((r) => ids.map((d) => ({ from: d, to: (d + r) % devices, chunk: (d + r) % devices }))),
  };
}
