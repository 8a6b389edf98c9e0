// The page of the overhead benchmark: the product's page, and the benchmark's parts beside it as `window.tilewireOverhead`.
import { bug, TilewireError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Outcome } from '../../src/page/api.ts';
import { Page } from '../../src/page/page.ts';
import type { BuiltIn } from './candidates.ts';
import { fusedBench, type FusedBenchJob } from './fused.ts';
import type { FusedJob } from './paired.ts';
import { plainRanking, scalingRow, stagesRow, type ScalingJob } from './scaling.ts';
import { trackedBench, type TrackedBenchJob } from './tracked-bench.ts';

const page = new Page((progress) => window.tilewireProgress?.(progress));
window.tilewire = page;
const say = (line: string): void => window.overheadSay?.(line);

async function outcome<T>(work: (gpu: Gpu) => Promise<T>): Promise<Outcome<T>> {
  try {
    const gpu = await page.gpu();
    const value = await work(gpu);
    gpu.check();
    return { ok: true, value };
  } catch (error) {
    const known = error instanceof TilewireError ? error : bug(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return { ok: false, error: known.toRecord() };
  }
}

const parts = {
  tracked: (job: TrackedBenchJob) => outcome((gpu) => trackedBench(gpu, job, say)),
  fused: (job: FusedBenchJob) => outcome((gpu) => fusedBench(gpu, job, say)),
  /** The fastest plain kernels and tiles of a shape. */
  rank: (job: FusedJob, deadline: number) => outcome(async (gpu) => (await plainRanking(gpu, job, () => Date.now() < deadline)).map(({ choice }) => choice)),
  scaling: (job: ScalingJob, plain: readonly BuiltIn[]) => outcome((gpu) => scalingRow(gpu, job, plain, say)),
  stages: (job: FusedJob, choice: BuiltIn, stagesPerStep: number) => outcome((gpu) => stagesRow(gpu, job, choice, choice, stagesPerStep)),
};

declare global {
  interface Window {
    tilewireOverhead: typeof parts;
    /** Set by the driver, when it wants to hear of progress. */
    overheadSay?: (line: string) => void;
  }
}

window.tilewire = page;
window.tilewireOverhead = parts;
