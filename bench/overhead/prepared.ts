// A fused run that can be made again and again: kernels, Plan, memory and operands once, then runs that differ in nothing but what the
// benchmark does between their epochs.
import { EpilogueValues } from '../../src/emulate/epilogue.ts';
import { Faults } from '../../src/emulate/faults.ts';
import { probeSpec } from '../../src/emulate/footprint.ts';
import { runFused, type FusedRun } from '../../src/emulate/fused.ts';
import { Gemms } from '../../src/emulate/gemms.ts';
import { allocate, reachOf, type DeviceMemory } from '../../src/emulate/memory.ts';
import { laidOut, operandSource } from '../../src/emulate/operands.ts';
import { Arena, type Gpu } from '../../src/gpu/gpu.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf, type Plan } from '../../src/plan/plan.ts';
import type { Spec } from '../../src/spec/spec.ts';

export type TriggerMode = 'host' | 'device';
/** Modes that the engine has; the figures of others are null. */
export const MODES: readonly TriggerMode[] = ['host', 'device'];

export interface RunHow {
  readonly mode: TriggerMode;
  /** Only this many stages of each device: then the run ends with triggers pending. */
  readonly stages?: number;
  readonly beforeSubmit?: (epoch: number) => Promise<void>;
}

export class Prepared {
  private constructor(
    readonly gpu: Gpu,
    readonly arena: Arena,
    readonly spec: Spec,
    readonly plan: Plan,
    readonly gemms: Gemms,
    readonly memory: DeviceMemory,
  ) {}

  static async create(gpu: Gpu, spec: Spec): Promise<Prepared> {
    const arena = new Arena(gpu);
    try {
      const gemms = new Gemms(gpu, arena, spec);
      const footprint = gemms.text.splits.count > 1 ? await probeSpec(gpu, spec) : builtInFootprint(spec);
      const plan = planOf(spec, footprint);
      const fill = await laidOut(gpu, arena, await operandSource(gpu, arena, spec, gemms.text), gemms.text, spec);
      const memory = allocate(arena, spec, plan, gemms.text, reachOf(gemms, plan), await new EpilogueValues(spec, gemms.text).bindings(gpu, arena));
      for (const [device, buffers] of memory.operands.entries()) fill(device, buffers);
      await gpu.idle();
      return new Prepared(gpu, arena, spec, plan, gemms, memory);
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  /** Epochs that have a GEMM stage of some device. */
  get epochs(): number {
    return Math.max(...this.plan.stages.map(({ length }) => length));
  }

  async run({ mode, stages, beforeSubmit }: RunHow): Promise<FusedRun> {
    const { gpu, gemms, memory } = this;
    const spec = { ...this.spec, triggers: mode } as Spec;
    const plan = stages === undefined ? this.plan : { ...this.plan, stages: this.plan.stages.map((all) => all.slice(0, stages)) };
    const encoder = gpu.device.createCommandEncoder({ label: 'counters' });
    for (const { buffer, offset, size } of [...memory.gemmCounters, ...memory.nmcCounters]) encoder.clearBuffer(buffer, offset, size);
    gpu.device.queue.submit([encoder.finish()]);
    // What a run takes besides: commands, frames.
    const arena = new Arena(gpu);
    try {
      const run = await runFused({ gpu, arena, spec, plan, gemms, memory, faults: new Faults(spec, plan), after: null, progress: () => {}, ...(beforeSubmit === undefined ? {} : { beforeSubmit }) });
      if (stages === undefined && run.pending.length > 0) throw new Error(`a run did not end: ${run.pending[0]}`);
      return run;
    } finally {
      arena.destroy();
    }
  }

  destroy(): void {
    this.arena.destroy();
  }
}
