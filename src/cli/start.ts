// `tilewire start`: the main job, what `npm start` runs. FC-2 of T-NLG with exact operands and FC-2 of a
// trained Transformer, each fused with its reduce-scatter and compared with GEMM-then-collective.
import type { CheckFlags, GeneralFlags, SpecFlags } from './flags.ts';
import { performRuns } from './perform.ts';
import { fromFlags } from './run.ts';

export const MAIN_JOB: readonly SpecFlags[] = [
  { model: 't-nlg', layer: 'fc2', tp: 8, tokens: 256 },
  { operands: 'trained', tp: 4 },
];

export type StartFlags = GeneralFlags & CheckFlags & Pick<SpecFlags, 'seed'>;

export async function startCommand(flags: StartFlags): Promise<number> {
  const planned = [];
  for (const input of MAIN_JOB) planned.push(await fromFlags(flags.seed === undefined ? input : { ...input, seed: flags.seed }));
  return performRuns(planned, true, flags);
}
