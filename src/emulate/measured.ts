// The measured figures of a report, and for each that is null the reason. Definitions are printed with the table.
import type { Gpu } from '../gpu/gpu.ts';
import type { Plan } from '../plan/plan.ts';
import type { Spec } from '../spec/spec.ts';
import type { Measured } from '../verify/run-report.ts';
import type { BaselineRun } from './baseline.ts';
import type { FusedRun } from './fused.ts';
import { allTimed, kindMs, overlapOf, stageEfficiency } from './measure.ts';

export interface Note {
  readonly path: string;
  readonly reason: string;
}

/** Workgroups per core below which the tail of a stage leaves cores idle. */
const WORKGROUPS_PER_CORE = 16;

export interface MeasuredInput {
  readonly gpu: Gpu;
  /** Whether the adapter runs one dispatch at a time. */
  readonly isSerial: boolean;
  readonly spec: Spec;
  readonly plan: Plan;
  readonly fused: FusedRun;
  readonly plain: BaselineRun | null;
  readonly extraFlops: number;
  /** What was done beside the fused run. */
  readonly beside: Pick<Measured, 'operandsMs' | 'checkMs' | 'reportMs'>;
  readonly notes: Note[];
}

export function measured({ gpu, isSerial, spec, plan, fused, plain, extraFlops, beside, notes }: MeasuredInput): Measured {
  const { m, n } = plan.tiling;
  const { overlapMeasured, interleaved, gpuMs } = overlapOf(fused.groups);
  const note = (fields: readonly string[], reason: string): void => void notes.push(...fields.map((field) => ({ path: `measured.${field}`, reason })));
  const noTimestamps = 'the adapter has no timestamp-query';
  if (fused.groups.every(({ kind }) => kind === 'gemm')) note(['overlapMeasured', 'interleaved'], 'no transfer and no near-memory dispatch: here the GEMM\'s stores are all there is');
  else if (overlapMeasured === null) note(['overlapMeasured'], noTimestamps);
  else if (overlapMeasured === 0 && isSerial) note(['overlapMeasured'], 'adapter is serial');
  if (!gpu.hasTimestamps) note(['gpuBusy', 'stageEfficiency'], noTimestamps);
  if (plain === null) note(['gemmMs', 'collectiveMs', 'plainPartsMs', 'sequentialMs', 'exposedMs', 'stageEfficiency'], 'needs --baseline');
  else if (!plain.timed) note(['gemmMs', 'collectiveMs'], `${noTimestamps}: wall time until the queue was idle`);
  const { isFallbackAdapter } = gpu.adapter.info;
  const cores = typeof navigator === 'undefined' ? undefined : navigator.hardwareConcurrency;
  if (!isFallbackAdapter || cores === undefined) note(['tailLimited'], 'WebGPU does not tell how many cores this GPU has');
  const largestStage = Math.max(0, ...plan.stages.flat().map(({ tiles }) => tiles.length));
  return {
    gemmMs: plain?.gemmMs ?? null,
    collectiveMs: plain?.collectiveMs ?? null,
    plainPartsMs: plain === null ? null : plain.gemmMs + plain.collectiveMs,
    sequentialMs: plain?.sequentialMs ?? null,
    fusedMs: fused.wallMs,
    ...beside,
    checkOverFused: (beside.operandsMs + beside.checkMs + beside.reportMs) / fused.wallMs,
    exposedMs: plain === null ? null : fused.wallMs - plain.gemmMs,
    overlapMeasured,
    interleaved,
    gpuBusy: gpuMs === null || !allTimed(fused.trackerGroups) ? null : (gpuMs + kindMs(fused.trackerGroups, 'tracker')) / fused.wallMs,
    stageEfficiency: plain?.timed === true ? stageEfficiency(fused.groups, 2 * m * n * spec.gemm.kTotal, plain.gemmMs) : null,
    extraFlops,
    stages: plan.stages.reduce((sum, stages) => sum + stages.length, 0),
    tailLimited: !isFallbackAdapter || cores === undefined ? null : largestStage < WORKGROUPS_PER_CORE * cores,
    counterWaits: fused.counterWaits,
    bufferConflicts: fused.conflicts,
  };
}

/** The time that making the figures took, which is known when they are made. */
export const withReport = (measured: Measured, reportMs: number): Measured => ({
  ...measured,
  reportMs,
  checkOverFused: measured.fusedMs === null ? measured.checkOverFused : (measured.operandsMs + measured.checkMs + reportMs) / measured.fusedMs,
});

/** Wall time of a run's parts, each until the GPU is idle. */
export class Stopwatch {
  #since = performance.now();

  constructor(readonly gpu: Gpu) {}

  /** Milliseconds since the last lap. */
  async lap(): Promise<number> {
    await this.gpu.idle();
    const from = this.#since;
    this.#since = performance.now();
    return this.#since - from;
  }
}
