// `tilewire run`: one Spec from flags, or those that an earlier report recorded.
import fs from 'node:fs';
import { TilewireError } from '../errors.ts';
import { kernelText } from '../gpu/kernel-text.ts';
import { readTrained } from '../host/trained.ts';
import type { TrainedOperands } from '../host/trained.ts';
import { specsFromJson } from '../report/json.ts';
import { kernelHash } from '../spec/kernel-sources.ts';
import { sha256Hex } from '../spec/parse.ts';
import { resolveDraft } from '../spec/resolve.ts';
import type { SpecRequest } from '../spec/resolve.ts';
import type { Spec } from '../spec/spec.ts';
import { givenSpecFlags, specRequest } from './flags.ts';
import type { GeneralFlags, SpecFlags } from './flags.ts';
import { readKernel } from './kernel-file.ts';
import { performRuns } from './perform.ts';
import type { PlannedRun } from './perform.ts';

export interface RunFlags extends GeneralFlags, SpecFlags {
  readonly baseline?: boolean;
  /** File with a Spec or a report. */
  readonly spec?: string;
}

export async function runCommand(flags: RunFlags): Promise<number> {
  const planned = flags.spec === undefined ? [await fromFlags(flags)] : await fromFile(flags.spec, flags);
  return performRuns(planned, flags.baseline ?? false, flags);
}

/** A run as its flags describe it; `--operands trained` reads the weights. */
export async function fromFlags(flags: SpecFlags): Promise<PlannedRun> {
  const kernel = foreignKernel(flags);
  const trained = flags.operands === 'trained' ? readTrained() : undefined;
  const spec = await resolveDraft({ ...specRequest(flags, trained && { ...trained, k: trained.kTotal }), ...kernel });
  // What is wrong with a kernel or its bindings is said before a browser starts.
  kernelText(spec.kernel, spec.gemm);
  return { spec, ...(trained === undefined ? {} : { trained }) };
}

function foreignKernel({ kernel, entry, bindings }: SpecFlags): { foreign?: NonNullable<SpecRequest['foreign']> } {
  if (kernel !== undefined) return { foreign: readKernel(kernel, entry, bindings) };
  const [path, value] = entry === undefined ? ['--bindings', bindings] : ['--entry', entry];
  if (value !== undefined) throw new TilewireError('BAD_FLAG', `${path} belongs to --kernel`, { path, actual: value, fix: `give --kernel FILE.wgsl as well, or leave ${path} out` });
  return {};
}

async function fromFile(file: string, flags: SpecFlags): Promise<PlannedRun[]> {
  const [given] = givenSpecFlags(flags);
  if (given !== undefined) {
    throw new TilewireError('BAD_FLAG', `${given} contradicts --spec, which says all of it already`, { path: given, fix: `leave ${given} or --spec out` });
  }
  const planned: PlannedRun[] = [];
  for (const { spec, recorded } of specsFromJson(readText(file), file)) {
    await checkKernel(spec, file);
    planned.push({ spec, recorded, ...(spec.operands.kind === 'trained' ? { trained: checkTrained(spec, file) } : {}) });
  }
  return planned;
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new TilewireError('BAD_FILE', 'this file cannot be read', { path: '--spec', actual: `${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, fix: 'give a file that --json wrote' });
  }
}

async function checkKernel({ kernel }: Spec, file: string): Promise<void> {
  const built = kernel.kind === 'foreign' ? await sha256Hex(kernel.source) : await kernelHash(kernel.name);
  if (built === kernel.hash) return;
  throw new TilewireError('BAD_SPEC', `this Spec was made with another version of the kernel ${kernel.name}`, {
    path: `${file} kernel.hash`,
    actual: kernel.hash,
    limit: built ?? 'no such kernel in this build',
    fix: 'replay it with the version of tilewire that wrote it, or run the same flags anew',
  });
}

function checkTrained({ operands, gemm, devices }: Spec, file: string): TrainedOperands {
  const trained = readTrained();
  const shape = (m: number, n: number, k: number) => `m ${m}, n ${n}, k ${k} over all devices`;
  const wanted = shape(gemm.m, gemm.n, gemm.k * devices);
  const found = shape(trained.m, trained.n, trained.kTotal);
  if (wanted !== found) throw new TilewireError('BAD_SPEC', "this Spec's shape is not that of the trained weights", { path: `${file} gemm`, actual: wanted, limit: found, fix: 'replay an unedited Spec' });
  const hash = operands.kind === 'trained' ? operands.hash : '';
  if (hash !== trained.hash) {
    throw new TilewireError('BAD_FILE', 'the trained weights are not those that this Spec was made with', { path: `${file} operands.hash`, actual: trained.hash, limit: hash, fix: `install the version that it names: ${operands.kind === 'trained' ? operands.source : ''}` });
  }
  return trained;
}
