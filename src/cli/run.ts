// `tilewire run`: one Spec from flags, or those that an earlier report recorded.
import fs from 'node:fs';
import { TilewireError } from '../errors.ts';
import { kernelText } from '../gpu/kernel-text.ts';
import { readModelConfig } from '../host/operand-files/model-config.ts';
import { withTensor } from '../host/operand-files/open.ts';
import { openOperands } from '../host/operand-files/operands.ts';
import type { DeviceSlices } from '../host/operand-files/slice.ts';
import { readTrained, trainedSlices } from '../host/trained.ts';
import { specsFromJson } from '../report/json.ts';
import { splitSubLayer } from '../spec/hf-config.ts';
import { EMULATED } from '../spec/scope.ts';
import { kernelHash } from '../spec/kernel-sources.ts';
import { sha256Hex } from '../spec/parse.ts';
import { resolveDraft, subLayerAsked } from '../spec/resolve.ts';
import type { ModelConfig, SpecRequest } from '../spec/resolve.ts';
import { cachedChoice, tileCacheKey } from '../host/tile-cache.ts';
import type { Operands, Spec, SpecDraft } from '../spec/spec.ts';
import type { Environment } from '../verify/run-report.ts';
import { givenSpecFlags, specRequest } from './flags.ts';
import type { CheckFlags, GeneralFlags, SpecFlags } from './flags.ts';
import { readKernel } from './kernel-file.ts';
import { performRuns } from './perform.ts';
import type { PlannedRun } from './perform.ts';

export interface RunFlags extends GeneralFlags, CheckFlags, SpecFlags {
  readonly baseline?: boolean;
  /** False with --no-cache. */
  readonly cache?: boolean;
  /** File with a Spec or a report. */
  readonly spec?: string;
}

export async function runCommand(flags: RunFlags): Promise<number> {
  const planned = flags.spec === undefined ? [await fromFlags(flags, flags.cache ?? true)] : await fromFile(flags.spec, flags);
  return performRuns(planned, flags.baseline ?? false, flags);
}

/** A run as its flags describe it; what is wrong with a file that they name, a kernel or its bindings is said before a browser starts. */
export async function fromFlags(flags: SpecFlags, useCache = false): Promise<PlannedRun> {
  const kernel = foreignKernel(flags);
  const model = modelConfig(flags);
  const { read, slices } = await readOperands(flags, model.config);
  const request = specRequest(flags, { ...kernel, ...model, ...read });
  const spec = await resolveDraft(request);
  kernelText(spec.kernel, spec.gemm);
  return { spec, specFor: async (traits, environment) => resolveDraft({ ...request, ...(useCache ? profiledTile(request, spec, environment) : {}) }, traits), ...(slices === undefined ? {} : { operands: slices(spec.devices) }), remarks: remarksOn(model.config, flags, spec.devices) };
}

/** What `tilewire tiles --fused` found best for such a shape here, where the flags leave kernel and tile open. */
function profiledTile(request: SpecRequest, { gemm, devices, algorithm, chunk }: SpecDraft, environment: Environment): Pick<SpecRequest, 'kernelName' | 'tile' | 'stageTiles' | 'triggerTiles'> {
  const open = (['kernelName', 'tile', 'foreign', 'splits'] as const).every((key) => request[key] === undefined);
  // The tile that is fastest alone may straddle chunks: it counts where there is one chunk.
  const cached = open ? cachedChoice(tileCacheKey(environment, gemm, devices === 1 ? null : { devices, algorithm, chunk })) : undefined;
  if (cached === undefined) return {};
  const { stageTiles, triggerTiles, ...choice } = cached;
  return {
    ...choice,
    ...(request.stageTiles === undefined && stageTiles !== undefined ? { stageTiles } : {}),
    ...(request.triggerTiles === undefined && triggerTiles !== undefined ? { triggerTiles } : {}),
  };
}

export function modelConfig({ config }: SpecFlags): { config?: ModelConfig } {
  return config === undefined ? {} : { config: readModelConfig(config) };
}

/** What the config leaves open and how it was taken: nothing is assumed silently. */
export function remarksOn(config: ModelConfig | undefined, { layer }: SpecFlags, devices: number, scope = EMULATED): readonly string[] {
  return config === undefined ? [] : splitSubLayer(subLayerAsked(config, layer), devices, scope).notes;
}

interface ReadOperands {
  readonly read: Pick<SpecRequest, 'trained' | 'files'>;
  /** Of operands that are not generated. */
  readonly slices?: (devices: number) => DeviceSlices;
}

/** What of the operands is not generated: their files' headers, and with what their values are read. */
export async function readOperands({ a, b, layout, operands, layer }: SpecFlags, config: ModelConfig | undefined): Promise<ReadOperands> {
  if (a === undefined && b === undefined) {
    if (layout !== undefined) throw new TilewireError('BAD_FLAG', '--layout belongs to --a and --b', { path: '--layout', actual: layout, fix: 'leave it out, or give --a FILE and --b FILE as well' });
    if (operands !== 'trained') return { read: {} };
    const trained = readTrained();
    return { read: { trained: { ...trained, k: trained.kTotal } }, slices: (devices) => trainedSlices(trained, devices) };
  }
  if (a === undefined || b === undefined) {
    const [missing, given] = a === undefined ? ['--a', '--b'] : ['--b', '--a'];
    throw new TilewireError('BAD_FLAG', `${missing} is missing`, { path: missing, fix: `${given} needs ${missing} FILE as well: both matrices come from files, or neither` });
  }
  const weight = config && subLayerAsked(config, layer).weight;
  const opened = await openOperands(a, weight === undefined ? b : withTensor(b, weight.suffix), layout ?? `n${weight?.layout ?? 'n'}`);
  return { read: { files: opened.facts }, slices: opened.slices };
}

/** What --kernel, --entry and --bindings name, read. */
export function foreignKernel({ kernel, entry, bindings }: SpecFlags): { foreign?: NonNullable<SpecRequest['foreign']> } {
  if (kernel !== undefined) return { foreign: readKernel(kernel, entry, bindings) };
  const [path, value] = entry === undefined ? ['--bindings', bindings] : ['--entry', entry];
  if (value !== undefined) throw new TilewireError('BAD_FLAG', `${path} belongs to --kernel`, { path, actual: value, fix: `give --kernel FILE.wgsl as well, or leave ${path} out` });
  return {};
}

/** Of the flags of a Spec only --a and --b: a report has the hashes of the user's matrices, not where they are. */
async function fromFile(file: string, flags: SpecFlags): Promise<PlannedRun[]> {
  const { a, b, ...others } = flags;
  const specs = specsFromJson(readText(file, '--spec'), file);
  refuseBeside('--spec', specs.some(({ spec }) => spec.operands.kind === 'files') ? others : flags);
  const planned: PlannedRun[] = [];
  for (const { spec, recorded } of specs) {
    await checkKernel(spec, file);
    const operands = spec.operands.kind === 'trained' ? checkTrained(spec, file) : spec.operands.kind === 'files' ? await checkFiles(spec, spec.operands, { a, b }, file) : undefined;
    planned.push({ spec, recorded, ...(operands === undefined ? {} : { operands }) });
  }
  return planned;
}

/** Flags of a Spec beside a file that has it: `--spec`, or `--run` of explain. */
export function refuseBeside(flag: string, flags: SpecFlags): void {
  const [given] = givenSpecFlags(flags);
  if (given !== undefined) throw new TilewireError('BAD_FLAG', `${given} contradicts ${flag}, which says all of it already`, { path: given, fix: `leave ${given} or ${flag} out` });
}

export function readText(file: string, flag: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new TilewireError('BAD_FILE', 'this file cannot be read', { path: flag, actual: `${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, fix: 'give a file that --json wrote' });
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

function checkTrained({ operands, gemm, devices }: Spec, file: string): DeviceSlices {
  const trained = readTrained();
  const wanted = shapeText(gemm);
  const found = shapeText(trained);
  if (wanted !== found) throw new TilewireError('BAD_SPEC', "this Spec's shape is not that of the trained weights", { path: `${file} gemm`, actual: wanted, limit: found, fix: 'replay an unedited Spec' });
  const hash = operands.kind === 'trained' ? operands.hash : '';
  if (hash !== trained.hash) {
    throw new TilewireError('BAD_FILE', 'the trained weights are not those that this Spec was made with', { path: `${file} operands.hash`, actual: trained.hash, limit: hash, fix: `install the version that it names: ${operands.kind === 'trained' ? operands.source : ''}` });
  }
  return trainedSlices(trained, devices);
}

const shapeText = ({ m, n, kTotal }: { readonly m: number; readonly n: number; readonly kTotal: number }): string => `m ${m}, n ${n}, k ${kTotal} over all devices`;

/** Files are known by their values: they may have moved since. All runs of a report that have files must have the same two. */
async function checkFiles({ gemm, devices }: Spec, operands: Extract<Operands, { kind: 'files' }>, given: { readonly a: string | undefined; readonly b: string | undefined }, file: string): Promise<DeviceSlices> {
  const { a, b } = given;
  if (a === undefined || b === undefined) {
    throw new TilewireError('BAD_FLAG', 'the operands of this Spec are files, of which it knows the names and hashes only', {
      path: a === undefined ? '--a' : '--b',
      lines: (['a', 'b'] as const).map((matrix) => `--${matrix}: ${operands[matrix].source}, sha256 ${operands[matrix].hash}${given[matrix] === undefined ? '' : ` (given: ${given[matrix]})`}`),
      fix: `say where they are: --a PATH/${operands.a.source} --b PATH/${operands.b.source}`,
    });
  }
  const { facts, slices } = await openOperands(a, b, operands.layout).catch((error: unknown) => {
    // The layout is the Spec's: files that do not fit it are others.
    throw error instanceof TilewireError && error.fields.path === '--layout' ? otherFiles('--a and --b', error.fields.actual, shapeText(gemm), `${operands.a.source} and ${operands.b.source}`) : error;
  });
  for (const matrix of ['a', 'b'] as const) {
    const { source, hash } = operands[matrix];
    if (facts[matrix].hash !== hash) throw otherFiles(`--${matrix} ${given[matrix]}`, `sha256 ${facts[matrix].hash}`, `sha256 ${hash}`, source);
  }
  if (shapeText(facts) !== shapeText(gemm)) throw new TilewireError('BAD_SPEC', "this Spec's shape is not that of the files", { path: `${file} gemm`, actual: shapeText(gemm), limit: shapeText(facts), fix: 'replay an unedited Spec' });
  return slices(devices);
}

function otherFiles(path: string, actual: unknown, limit: string, source: string): TilewireError {
  return new TilewireError('BAD_FILE', 'these are not the values that the Spec was made with', { path, actual, limit, fix: `give ${source} as it was, or run the same flags anew` });
}
