// Mapping: what a collective is, before any tile is known. For each device and chunk: where the device's own
// stores of that chunk go, which updates its memory expects for it, and what happens when they are all
// there. A collective algorithm is one small file under `collectives/` that fills a Mapping; the Plan expands it to tiles.

/** An update that lands in a device's memory: its own GEMM's store, a peer's store mapped here, or a peer's DMA. */
export type Source = { readonly kind: 'local' } | { readonly kind: 'remote' | 'dma'; readonly from: number };

export type Completion =
  /** Not tracked here: this memory expects nothing of the chunk. */
  | { readonly kind: 'untracked' }
  /** The chunk's final owner: the result is here. */
  | { readonly kind: 'done' }
  /** dma_map: each block goes to a peer, which applies it as an update. */
  | { readonly kind: 'dma'; readonly to: number };

export interface Route {
  /** Device whose memory takes this device's GEMM stores of the chunk: itself (local) or a peer (remote_map). */
  readonly storeTo: number;
  /** Updates that each element of the chunk gets in this device's memory, by source. */
  readonly expects: readonly Source[];
  readonly whenComplete: Completion;
}

export interface Mapping {
  /** `order[d][s]` is the chunk that device d computes in step s + 1 (staggering). */
  readonly order: readonly (readonly number[])[];
  /** `routes[d][j]`: what device d does with chunk j. */
  readonly routes: readonly (readonly Route[])[];
  /** The unfused collective over the same data, round by round: `from`'s chunk is copied to `to` and added there. */
  readonly rounds: readonly (readonly { readonly from: number; readonly to: number; readonly chunk: number }[])[];
}

/** A collective for each of `matrices` outputs, one after another; chunk b · N + j is chunk j of matrix b, and ends where chunk j does. */
export function batched({ order, routes, rounds }: Mapping, matrices: number): Mapping {
  const each = <T>(of: (first: number) => readonly T[]): T[] => Array.from({ length: matrices }, (_, b) => of(b * routes.length)).flat();
  return {
    order: order.map((chunks) => each((first) => chunks.map((chunk) => first + chunk))),
    routes: routes.map((of) => each(() => of)),
    rounds: each((first) => rounds.map((round) => round.map((move) => ({ ...move, chunk: first + move.chunk })))),
  };
}

/** What the links allow: the peer to which a device may send on a ring. */
export const ringNext = (device: number, devices: number): number => (device - 1 + devices) % devices;
