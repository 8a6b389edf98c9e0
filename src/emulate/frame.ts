// A frame: what one epoch in flight needs of its own. Its passes are timed, its copy of the counters travels to the
// host while later epochs run, and the promise of it is asked for `lag` epochs later.
import { PassTimer, type Interval } from '../gpu/timestamps.ts';
import type { Arena, Gpu, Range } from '../gpu/gpu.ts';

/** Device of a group whose work is that of all devices. */
export const ALL_DEVICES = -1;

/** What a pass was for: the unit of all measured times. */
export interface Group {
  readonly kind: 'gemm' | 'transfer' | 'reduction' | 'tracker';
  /** `ALL_DEVICES` where it is not one device's. */
  readonly device: number;
  readonly epoch: number;
  /** Bytes moved or reduced; 0 for a GEMM. */
  readonly bytes: number;
  /** Useful floating-point operations of a GEMM stage; 0 otherwise. */
  readonly flops: number;
}

export interface TimedGroup extends Group {
  readonly interval: Interval | null;
}

export interface Reading {
  /** Those that were asked for, in the order of the frame's ranges, all of their words. They lie where they arrived, until it is released. */
  readonly counters: Uint32Array;
  readonly groups: readonly TimedGroup[];
  /** Before the frame is submitted again. */
  readonly release: () => void;
}

/** Of what is mapped, bytes. */
const MAP_ALIGNMENT = 8;

/** A range and where in the destination it is copied, bytes. */
export type Copy = Range & { readonly to: number };

/** The same copies, fewer: neighbours at both ends at once. */
function merged(copies: readonly Copy[]): Copy[] {
  const all: Copy[] = [];
  for (const { buffer, offset, size, to } of copies) {
    const last = all.at(-1);
    if (last !== undefined && last.buffer === buffer && last.offset + last.size === offset && last.to + last.size === to) all[all.length - 1] = { ...last, size: last.size + size };
    else all.push({ buffer, offset, size, to });
  }
  return all;
}

/** One behind the other. */
function packed(ranges: readonly Range[]): Copy[] {
  let to = 0;
  return ranges.map((range) => ({ ...range, to: (to += range.size) - range.size }));
}

export class Frame {
  readonly #timer: PassTimer;
  readonly #staging: GPUBuffer;
  readonly #timesAt: number;
  readonly #counters: readonly Copy[];
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #groups: Group[] = [];
  /** Whether the last submitted reading has arrived. */
  arrived = true;

  constructor(
    readonly gpu: Gpu,
    arena: Arena,
    label: string,
    counters: readonly Range[],
    passes: number,
  ) {
    this.#timer = new PassTimer(gpu, arena, label, passes);
    this.#counters = packed(counters);
    this.#timesAt = Math.ceil(counters.reduce((sum, { size }) => sum + size, 0) / 8) * 8;
    this.#staging = arena.buffer(`${label} staging`, this.#timesAt + this.#timer.bytes, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  }

  /** The pass of this group; dispatches of one group share it. */
  pass(group: Group): GPUComputePassEncoder {
    if (this.#pass !== undefined && this.#groups.at(-1) === group) return this.#pass;
    this.#pass?.end();
    this.#encoder ??= this.gpu.device.createCommandEncoder({ label: 'epoch' });
    this.#groups.push(group);
    this.#pass = this.#timer.pass(this.#encoder, `${group.kind} of ${group.device === ALL_DEVICES ? 'all devices' : `device ${group.device}`}, epoch ${group.epoch}`);
    return this.#pass;
  }

  /** Copies behind what was encoded so far. */
  copy(copies: readonly Copy[], destination: GPUBuffer): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder ??= this.gpu.device.createCommandEncoder({ label: 'epoch' });
    for (const { buffer, offset, size, to } of merged(copies)) this.#encoder.copyBufferToBuffer(buffer, offset, destination, to, size);
  }

  /** Submits what was encoded; null when nothing was. @param first of the counters' ranges that may have changed: it and those behind it are read */
  submit(first = 0): Promise<Reading> | null {
    const encoder = this.#encoder;
    if (encoder === undefined) return null;
    const groups = this.#groups;
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder = undefined;
    this.#groups = [];
    const read = this.#counters.slice(first);
    for (const { buffer, offset, size, to } of merged(read)) encoder.copyBufferToBuffer(buffer, offset, this.#staging, to, size);
    this.#timer.resolve(encoder, this.#staging, this.#timesAt);
    this.gpu.device.queue.submit([encoder.finish()]);
    this.arrived = false;
    const reading = this.#read(groups, read);
    // Whoever awaits it is told; a run that has failed meanwhile awaits nothing.
    reading.catch(() => {});
    return reading;
  }

  async #read(groups: readonly Group[], read: readonly Copy[]): Promise<Reading> {
    const from = Math.floor((read[0]?.to ?? this.#timesAt) / MAP_ALIGNMENT) * MAP_ALIGNMENT;
    const size = this.#staging.size - from;
    await this.gpu.wait(this.#staging.mapAsync(GPUMapMode.READ, from, size));
    const bytes = this.#staging.getMappedRange(from, size);
    this.arrived = true;
    const intervals = this.#timer.read(bytes, this.#timesAt - from, groups.length);
    const words = read.reduce((sum, range) => sum + range.size, 0) / 4;
    return { counters: new Uint32Array(bytes, (read[0]?.to ?? from) - from, words), groups: groups.map((group, at) => ({ ...group, interval: intervals[at] })), release: () => this.#staging.unmap() };
  }

  destroy(): void {
    this.#timer.destroy();
  }
}
