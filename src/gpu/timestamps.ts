// GPU timestamps, one pair per pass, and the one place that copes with an adapter that has none: its passes
// then have no interval, and whoever wanted one says so. Times are nanoseconds on the GPU's own clock.
import type { Arena, Gpu } from './gpu.ts';

/** A pass on the GPU; nanoseconds, null without timestamps. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

/** Timestamps of up to `capacity` passes, used again after each read. */
export class PassTimer {
  readonly bytes: number;
  readonly #queries: GPUQuerySet | undefined;
  readonly #resolved: GPUBuffer | undefined;
  #used = 0;

  constructor(gpu: Gpu, arena: Arena, label: string, readonly capacity: number) {
    this.bytes = gpu.hasTimestamps ? capacity * 16 : 0;
    if (!gpu.hasTimestamps) return;
    this.#queries = gpu.device.createQuerySet({ label, type: 'timestamp', count: capacity * 2 });
    this.#resolved = arena.buffer(`${label} timestamps`, this.bytes, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  }

  /** Opens a compute pass whose interval will be at the returned place of `read`. */
  pass(encoder: GPUCommandEncoder, label: string): GPUComputePassEncoder {
    const at = this.#used++;
    if (this.#queries === undefined || at >= this.capacity) return encoder.beginComputePass({ label });
    return encoder.beginComputePass({ label, timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 2 * at, endOfPassWriteIndex: 2 * at + 1 } });
  }

  /** Copies the pairs of all passes since the last call into `destination`. */
  resolve(encoder: GPUCommandEncoder, destination: GPUBuffer, offset: number): void {
    const used = Math.min(this.#used, this.capacity);
    this.#used = 0;
    if (this.#queries === undefined || this.#resolved === undefined || used === 0) return;
    encoder.resolveQuerySet(this.#queries, 0, 2 * used, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, destination, offset, used * 16);
  }

  /** Intervals of `count` passes from resolved bytes; all null without timestamps. */
  read(bytes: ArrayBuffer, offset: number, count: number): (Interval | null)[] {
    if (this.#queries === undefined) return Array.from({ length: count }, () => null);
    const times = new BigUint64Array(bytes, offset, 2 * Math.min(count, this.capacity));
    return Array.from({ length: count }, (_, at) => (at < this.capacity ? { start: Number(times[2 * at]), end: Number(times[2 * at + 1]) } : null));
  }

  destroy(): void {
    this.#queries?.destroy();
  }
}
