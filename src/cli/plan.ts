// `tilewire plan`: derives, checks and prints a Plan. No browser, no GPU: the footprint is that of the kernel's
// lane layout, which `run` finds anew by probing.
import { bug, TilewireError } from '../errors.ts';
import { Faults } from '../emulate/faults.ts';
import { estimateMemory } from '../emulate/memory.ts';
import { checkPlan } from '../plan/check.ts';
import { builtInFootprint } from '../plan/footprint.ts';
import { kernelText } from '../gpu/kernel-text.ts';
import { planOf } from '../plan/plan.ts';
import { checkChoice } from '../verify/choice.ts';
import { summaryOf } from '../plan/summary.ts';
import { planTable } from '../report/plan-table.ts';
import { specHash } from '../spec/parse.ts';
import type { SpecFlags } from './flags.ts';
import { claimReportFile } from './report-file.ts';
import { fromFlags } from './run.ts';

/** Outputs beyond this many elements would need more host memory for the footprint than it is worth. */
const MOST_ELEMENTS = 2 ** 28;

/** Chunk memories that a dispatch binds on the least adapter that WebGPU allows: 8 storage buffers, less A, B and the tracker's two. */
const LEAST_SLOTS = 4;

export interface PlanFlags extends SpecFlags {
  readonly json?: string;
  readonly force?: boolean;
}

export async function planCommand(flags: PlanFlags): Promise<void> {
  const file = flags.json === undefined ? null : claimReportFile(flags.json, flags.force ?? false);
  const { spec: draft, operands, remarks = [] } = await fromFlags(flags);
  operands?.close();
  for (const remark of remarks) process.stderr.write(`tilewire: note: ${remark}\n`);
  if (draft.kernel.kind === 'foreign' || draft.stageTiles === null) throw new TilewireError('BAD_FLAG', 'the tiles of a kernel that is not ours are found by running it', { path: '--kernel', fix: 'use `tilewire run`, which probes it' });
  const spec = { ...draft, stageTiles: draft.stageTiles };
  const { m, n } = spec.gemm;
  if (m * n > MOST_ELEMENTS) throw new TilewireError('MEMORY_LIMIT', 'the output is too large for a Plan on this host', { path: '--tokens', actual: m * n, limit: MOST_ELEMENTS, fix: 'plan fewer --tokens: the steps are the same' });
  const plan = planOf(spec, builtInFootprint(spec));
  const problems = checkPlan(plan);
  if (problems.length > 0) throw bug('the Plan does not hold', { lines: problems });
  // Throws for a fault that cannot strike.
  void new Faults(spec, plan);
  const summary = summaryOf(spec, plan);
  const hash = await specHash(spec);
  const memory = estimateMemory(spec, plan, false, { joint: false, maxSlots: LEAST_SLOTS, text: kernelText(spec.kernel, spec.gemm) }, checkChoice(spec, spec.gemm.m).choice);
  process.stdout.write(`${planTable(spec, hash, summary, memory.total)}\n`);
  file?.write(`${JSON.stringify({ version: 1, spec, specHash: hash, plan: summary, memory }, null, 2)}\n`);
}
