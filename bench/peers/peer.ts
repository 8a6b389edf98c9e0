// What a GEMM library is to the comparison: it takes the operands to a GPU device of its own, computes C = A·B some times over,
// and gives C back. The clock runs from the first call to the completion of the last one on the GPU; operands stay on the
// GPU, and no copy to the host is timed. Each peer is one file.
import type { GemmShape } from '../../src/spec/spec.ts';

/** The name of ours among the peers. */
export const OURS = 'tilewire';

/** Row-major f32: A is m × k, B is k × n. */
export interface Operands {
  readonly a: Float32Array<ArrayBuffer>;
  /** −A, so that two runs in a row give different results: what is left of an earlier run is seen to be wrong. */
  readonly negated: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

export interface Prepared {
  /** What the peer chose for this shape, for the reader. */
  readonly detail?: string;
  /** Computes A·B (or −A·B) `times` times; milliseconds until all of it is done. */
  run(times: number, negated: boolean): Promise<number>;
  /** C of the last run, m × n row-major. */
  output(): Promise<Float32Array>;
  dispose(): void | Promise<void>;
}

export interface Peer {
  readonly name: string;
  prepare(shape: GemmShape, operands: Operands): Promise<Prepared>;
}

/** Milliseconds from now to the end of `work`, which ends when the GPU is done. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
