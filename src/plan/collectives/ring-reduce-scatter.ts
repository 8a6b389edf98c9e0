// Ring reduce-scatter fused with its GEMM (T3, its figure for four devices). In step s device d computes chunk
// d + s. Step 1's stores go to the neighbour's memory; from step 2 on a chunk is complete on d when the local
// and the incoming update are both there, and then each block travels on to d − 1. Step N leaves chunk d on d.
import { ringNext, type Mapping, type Route, type Source } from '../mapping.ts';

export function ringReduceScatter(devices: number): Mapping {
  const ids = Array.from({ length: devices }, (_, d) => d);
  const chunkAt = (d: number, step: number) => (d + step) % devices;
  const route = (d: number, chunk: number): Route => {
    // Step in 1..N at which d computes this chunk.
    const step = ((chunk - d - 1 + devices) % devices) + 1;
    const next = ringNext(d, devices);
    const upstream = (d + 1) % devices;
    if (devices === 1) return { storeTo: d, expects: [{ kind: 'local' }], whenComplete: { kind: 'done' } };
    if (step === 1) return { storeTo: next, expects: [], whenComplete: { kind: 'untracked' } };
    // The upstream neighbour's first step is mapped here; its later ones arrive by DMA.
    const incoming: Source = { kind: step === 2 ? 'remote' : 'dma', from: upstream };
    return {
      storeTo: d,
      expects: [{ kind: 'local' }, incoming],
      whenComplete: step === devices ? { kind: 'done' } : { kind: 'dma', to: next },
    };
  };
  return {
    order: ids.map((d) => ids.map((s) => chunkAt(d, s + 1))),
    routes: ids.map((d) => ids.map((chunk) => route(d, chunk))),
    rounds: ids.slice(1).map((s) => ids.map((d) => ({ from: d, to: ringNext(d, devices), chunk: chunkAt(d, s) }))),
  };
}
