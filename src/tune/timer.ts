// Times slices of GPU work: by timestamps around a pass where the adapter has them, else by the clock until the queue is idle. The
// resolution of whichever it is, is measured before anything is timed, and a sample that is not well above it does not
// count: `WELL_ABOVE` steps, so that a step is at most 2 % of it.
import { Arena, readBack, type Gpu } from '../gpu/gpu.ts';
import { PassTimer } from '../gpu/timestamps.ts';
import type { TimerFacts } from './tiles-report.ts';

/** Steps of the timer in the shortest sample that counts. */
export const WELL_ABOVE = 50;
/** Shorter samples are mostly start-up; by the clock, mostly the delivery of the completion. */
const LEAST_MS = { 'GPU timestamps': 5, 'wall clock': 50 } as const;
const EMPTY_SUBMISSIONS = 20;

export class SliceTimer {
  readonly #timer: PassTimer | null;
  readonly #resolved: GPUBuffer | null;

  private constructor(
    readonly gpu: Gpu,
    arena: Arena,
    readonly facts: TimerFacts,
  ) {
    this.#timer = facts.kind === 'GPU timestamps' ? new PassTimer(gpu, arena, 'slice', 1) : null;
    this.#resolved = this.#timer === null ? null : arena.buffer('slice times', this.#timer.bytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  }

  /** @param stepNs measured step of the GPU timestamps; null where there are none, or none was seen */
  static async create(gpu: Gpu, arena: Arena, stepNs: number | null): Promise<SliceTimer> {
    const kind = gpu.hasTimestamps && stepNs !== null ? 'GPU timestamps' : 'wall clock';
    return new SliceTimer(gpu, arena, timerFacts(kind, kind === 'wall clock' ? await completionStepNs(gpu) : stepNs!));
  }

  /** Milliseconds of one pass. */
  async time(encode: (pass: GPUComputePassEncoder) => void): Promise<number> {
    const { gpu } = this;
    const encoder = gpu.device.createCommandEncoder({ label: 'slice' });
    const pass = this.#timer === null ? encoder.beginComputePass({ label: 'slice' }) : this.#timer.pass(encoder, 'slice');
    encode(pass);
    pass.end();
    if (this.#timer === null || this.#resolved === null) {
      const commands = encoder.finish();
      await gpu.idle();
      const start = performance.now();
      gpu.device.queue.submit([commands]);
      await gpu.idle();
      return performance.now() - start;
    }
    this.#timer.resolve(encoder, this.#resolved, 0);
    gpu.device.queue.submit([encoder.finish()]);
    const [interval] = this.#timer.read((await readBack(gpu, this.#resolved)).buffer, 0, 1);
    return (interval!.end - interval!.start) / 1e6;
  }

  destroy(): void {
    this.#timer?.destroy();
  }
}

export function timerFacts(kind: TimerFacts['kind'], resolutionNs: number): TimerFacts {
  return { kind, resolutionNs, leastSampleMs: Math.max(LEAST_MS[kind], (WELL_ABOVE * resolutionNs) / 1e6) };
}

/** Smallest step of the page's clock, ns. */
export function clockStepNs(): number {
  let least = Infinity;
  for (let step = 0; step < EMPTY_SUBMISSIONS; step++) {
    const start = performance.now();
    let end = start;
    while (end === start) end = performance.now();
    least = Math.min(least, end - start);
  }
  return least * 1e6;
}

/** How far apart the clock times of empty submissions lie, or the clock's own step where that is more, ns. */
async function completionStepNs(gpu: Gpu): Promise<number> {
  const times: number[] = [];
  await gpu.idle();
  for (let at = 0; at < EMPTY_SUBMISSIONS; at++) {
    const start = performance.now();
    gpu.device.queue.submit([]);
    await gpu.idle();
    times.push(performance.now() - start);
  }
  const sorted = times.toSorted((one, other) => one - other);
  // The slowest one or two are other programs.
  return Math.max(clockStepNs(), (sorted[sorted.length - 3] - sorted[0]) * 1e6);
}
