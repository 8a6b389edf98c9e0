// GPU time of passes: by timestamps, all passes in one submission; where the adapter has none, by wall time, each pass submitted
// alone and waited for.
import { Arena, readBack, type Gpu } from '../../src/gpu/gpu.ts';
import { PassTimer } from '../../src/gpu/timestamps.ts';

export type Encode = (pass: GPUComputePassEncoder) => void;

export class PassClock {
  readonly #arena: Arena;
  readonly #timer: PassTimer;
  readonly #resolved: GPUBuffer;

  /** @param capacity passes of one submission */
  constructor(readonly gpu: Gpu, readonly capacity: number) {
    this.#arena = new Arena(gpu);
    this.#timer = new PassTimer(gpu, this.#arena, 'bench', capacity);
    this.#resolved = this.#arena.buffer('bench times', 16 * capacity, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  }

  /** Milliseconds of each pass, in order; the queue is idle afterwards. */
  async time(passes: readonly Encode[]): Promise<number[]> {
    if (!this.gpu.hasTimestamps) return this.#byWall(passes);
    const times: number[] = [];
    for (let first = 0; first < passes.length; first += this.capacity) for (const { start, end } of await this.#submit(passes.slice(first, first + this.capacity))) times.push((end - start) / 1e6);
    return times;
  }

  /** When the queue reached this point, ns on the GPU's clock; null without timestamps. The queue is idle afterwards. */
  async mark(): Promise<number | null> {
    if (!this.gpu.hasTimestamps) {
      await this.gpu.idle();
      return null;
    }
    const [{ start }] = await this.#submit([() => {}]);
    return start;
  }

  async #submit(passes: readonly Encode[]): Promise<{ start: number; end: number }[]> {
    const { gpu } = this;
    const encoder = gpu.device.createCommandEncoder({ label: 'bench' });
    for (const encode of passes) {
      const pass = this.#timer.pass(encoder, 'bench');
      encode(pass);
      pass.end();
    }
    this.#timer.resolve(encoder, this.#resolved, 0);
    gpu.device.queue.submit([encoder.finish()]);
    const { buffer } = await readBack(gpu, this.#resolved, 16 * passes.length);
    return this.#timer.read(buffer, 0, passes.length).map((interval) => interval!);
  }

  async #byWall(passes: readonly Encode[]): Promise<number[]> {
    const times: number[] = [];
    for (const encode of passes) {
      await this.gpu.idle();
      const encoder = this.gpu.device.createCommandEncoder({ label: 'bench' });
      const pass = encoder.beginComputePass({ label: 'bench' });
      encode(pass);
      pass.end();
      const start = performance.now();
      this.gpu.device.queue.submit([encoder.finish()]);
      await this.gpu.idle();
      times.push(performance.now() - start);
    }
    return times;
  }

  destroy(): void {
    this.#timer.destroy();
    this.#arena.destroy();
  }
}
