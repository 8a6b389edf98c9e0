// Ring reduce-scatter decomposed into chunks (collective matmul, async TP): the order of T3's ring, but nothing is mapped to a peer's
// memory: from the first step on a chunk is stored at home, and sent on as a whole when it is complete there. One
// transfer more than with remote stores: N − 1 DMAs of a chunk each.
import { ringNext, type Mapping, type Route } from '../mapping.ts';
import { ringReduceScatter } from './ring-reduce-scatter.ts';

export function chunkRingReduceScatter(devices: number): Mapping {
  const ring = ringReduceScatter(devices);
  if (devices === 1) return ring;
  const route = (d: number, chunk: number): Route => {
    const step = ((chunk - d - 1 + devices) % devices) + 1;
    return {
      storeTo: d,
      expects: step === 1 ? [{ kind: 'local' }] : [{ kind: 'local' }, { kind: 'dma', from: (d + 1) % devices }],
      whenComplete: step === devices ? { kind: 'done' } : { kind: 'dma', to: ringNext(d, devices) },
    };
  };
  return { ...ring, routes: ring.routes.map((routes, d) => routes.map((_, chunk) => route(d, chunk))) };
}
