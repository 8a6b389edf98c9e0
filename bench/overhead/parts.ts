// The plain parts of a run: the untouched GEMM of one device in one dispatch, and copies and reductions of whole chunks as GEMM-then-collective
// makes them. They run on outputs and landing buffers of their own, and are scaled to the operations and bytes that a unit of the fused run had.
import { copyOf, dispatch } from '../../src/emulate/baseline.ts';
import { Gemms } from '../../src/emulate/gemms.ts';
import type { OperandBuffers } from '../../src/emulate/operands.ts';
import { poison } from '../../src/emulate/memory.ts';
import { untouched, type Untouched } from '../../src/emulate/untouched.ts';
import { dmaKernels, type DmaKernels } from '../../src/gpu/dma.ts';
import type { Arena, Gpu, Kernel } from '../../src/gpu/gpu.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { depthOf } from '../../src/spec/chunks.ts';
import type { Spec } from '../../src/spec/spec.ts';
import type { BuiltIn } from './candidates.ts';
import type { PassClock } from './clock.ts';
import { sliceOf } from './tournament.ts';

/** What a unit of the fused run did. */
export interface Work {
  readonly flops: number;
  readonly transferBytes: number;
  readonly reductionBytes: number;
}

/** Milliseconds a unit of work, and what of it was measured. */
export interface PlainRates {
  /** Of the GEMM or the part of it that ran, and its share of one device's. */
  readonly gemmMs: number;
  readonly msPerFlop: number;
  readonly msPerTransferByte: number;
  readonly msPerReductionByte: number;
}

export const plainMs = ({ flops, transferBytes, reductionBytes }: Work, rates: PlainRates): number => flops * rates.msPerFlop + transferBytes * rates.msPerTransferByte + reductionBytes * rates.msPerReductionByte;

/** Whole outputs that copies and reductions walk over, so that they do not find all they need in a cache. */
const OUTPUTS = 8;

export class PlainParts {
  readonly #outputs: readonly GPUBuffer[];
  readonly #landing: GPUBuffer;
  readonly #counters: GPUBuffer;
  readonly #copies: readonly ReturnType<typeof copyOf>[];

  private constructor(
    readonly gpu: Gpu,
    arena: Arena,
    readonly spec: Spec,
    readonly plan: Plan,
    readonly operands: readonly OperandBuffers[],
    readonly choice: BuiltIn,
    readonly gemms: Gemms,
    readonly runs: ReadonlyMap<Gemms['distinct'][number], Untouched>,
    readonly kernels: DmaKernels,
  ) {
    const { m, n, chunks } = plan.tiling;
    this.#outputs = Array.from({ length: Math.min(OUTPUTS, spec.devices) }, (_, at) => arena.storage(`plain output ${at}`, m * n * 4));
    this.#landing = arena.storage('plain landing', Math.max(...chunks.map(({ elements }) => elements)) * 4);
    this.#copies = chunks.map((chunk) => copyOf(arena, chunk, n));
    this.#counters = arena.storage('unused counters', 4 * Math.max(1, ...this.#copies.map(({ count }) => count)));
  }

  /** @param operands of the fused run, which the kernel must take as they are */
  static async create(gpu: Gpu, arena: Arena, spec: Spec, plan: Plan, operands: readonly OperandBuffers[], choice: BuiltIn): Promise<PlainParts> {
    const gemms = new Gemms(gpu, arena, { ...spec, kernel: choice });
    const runs = new Map(await Promise.all(gemms.distinct.map(async (gemm) => [gemm, await untouched(gpu, arena, gemm)] as const)));
    const kernels = await dmaKernels(gpu);
    const parts = new PlainParts(gpu, arena, spec, plan, operands, choice, gemms, runs, kernels);
    poison(gpu, await gpu.kernel('fill', SHADERS.fill), parts.#outputs);
    return parts;
  }

  /**
   * The GEMM of a device (its first workgroups, `share` of them about), then a round of the collective: a chunk of every device copied and
   * reduced.
   */
  async time(clock: PassClock, unit: number, share: number): Promise<PlainRates> {
    const { spec, plan } = this;
    const device = unit % spec.devices;
    const gemm = this.gemms.of(device);
    const [x, y, z] = gemm.grid;
    const grid = share >= 0.9 || gemm.text.splits.count > 1 ? gemm.grid : sliceOf(gemm.grid, x * y * share);
    const ran = (grid[0] * grid[1] * grid[2]) / (x * y * z);
    const output = (at: number): GPUBuffer => this.#outputs[at % this.#outputs.length];
    const bytes = plan.tiling.m * plan.tiling.n * 4;
    const [gemmMs, transferMs, reductionMs] = await clock.time([
      (pass) => this.runs.get(gemm)!(pass, this.operands[device], output(unit), grid),
      (pass) => this.#round(pass, (chunk) => [this.kernels.transfer, { items: this.#copies[chunk].items, runs: this.#copies[chunk].runs, memory: output(unit + chunk + 1), landing: this.#landing }]),
      (pass) => this.#round(pass, (chunk) => [this.kernels.nmc, { items: this.#copies[chunk].items, runs: this.#copies[chunk].runs, landing: this.#landing, memory: output(unit + chunk + 2), counters: this.#counters }]),
    ]);
    const { m, n } = spec.gemm;
    return { gemmMs, msPerFlop: gemmMs / (ran * 2 * m * n * depthOf(spec, device)), msPerTransferByte: transferMs / bytes, msPerReductionByte: reductionMs / bytes };
  }

  #round(pass: GPUComputePassEncoder, of: (chunk: number) => [Kernel, Record<string, GPUBuffer>]): void {
    this.plan.tiling.chunks.forEach(({ elements }, chunk) => {
      if (elements === 0) return;
      const [kernel, buffers] = of(chunk);
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, this.gpu.bind(kernel, 0, buffers));
      dispatch(this.gpu, pass, this.#copies[chunk].count);
    });
  }
}
