// From what a user asked for to a Spec: every default is filled in here, before hashing, and every limit is
// checked. A request that is incomplete, contradicts itself or breaks a limit is one TilewireError whose path
// is the flag at fault. What is best on an adapter is chosen by its traits; without them the same request gives the same
// Spec everywhere, one that every adapter can run.
import { bug, TilewireError } from '../errors.ts';
import { chunkRange, chunkSizes, defaultStageTiles, stagesPerStep } from './chunks.ts';
import { triggersFor } from './default-triggers.ts';
import { largestRange } from './exactness.ts';
import { legalTps, splitSubLayer, subLayerNamed, type SubLayer } from './hf-config.ts';
import { NO_EPILOGUE } from './kernel-bindings.ts';
import { kernelHash } from './kernel-sources.ts';
import { defaultKernel, kernelNamed, KERNELS, runsOn } from './kernels.ts';
import { sha256Hex } from './parse.ts';
import { modelledProblems, notExact, specProblems, unknownKernel, type Modelled, type Problem } from './limits.ts';
import { EMULATED, MODELLED, type Scope } from './scope.ts';
import { ALGORITHMS, type AdapterTraits, type Algorithm, type ChunkAxis, type Collective, type Fault, type GemmShape, type KernelChoice, type Layout, type OperandFile, type Operands, type OverflowPolicy, type Spec, type SpecDraft, type SplitGemmShape, type Tile, type Triggers } from './spec.ts';
import { layerShape } from './zoo.ts';

/** Operand files of a trained model, already read: `k` is the TOTAL over devices, `hash` that of their bytes. */
export interface TrainedOperands {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly source: string;
  readonly hash: string;
}

/** The user's own matrices, their headers read and their values hashed: the shape is that of C = A·B, however they are stored. */
export interface FileOperands {
  readonly m: number;
  readonly n: number;
  /** Over all devices. */
  readonly kTotal: number;
  readonly a: OperandFile;
  readonly b: OperandFile;
  readonly layout: Layout;
}

/** What a model's config.json says, already read. */
export interface ModelConfig {
  readonly file: string;
  /** What the model is called. */
  readonly name: string;
  readonly subLayers: readonly SubLayer[];
}

type Maybe<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** The flags of `run` and `plan`, files that they name already read; what is left out (or undefined) gets its default. `k` is per device. */
export type SpecRequest = Maybe<{
  model: string;
  layer: string;
  tp: number;
  tokens: number;
  m: number;
  n: number;
  k: number;
  devices: number;
  collective: Collective;
  algorithm: Algorithm;
  operands: Exclude<Operands['kind'], 'files'>;
  trained: TrainedOperands;
  files: FileOperands;
  config: ModelConfig;
  seed: number;
  chunk: ChunkAxis;
  kernelName: string;
  /** A kernel that is not ours, already read and its bindings resolved. */
  foreign: Omit<Extract<KernelChoice, { kind: 'foreign' }>, 'kind' | 'hash'>;
  tile: Tile;
  /** Of K, by a built-in kernel. */
  splits: number;
  wavefront: number;
  stageTiles: number;
  triggerTiles: number;
  lag: number;
  skew: number;
  triggers: Triggers;
  overflow: OverflowPolicy;
  trackerSets: number;
  trackerWays: number;
  faults: readonly Fault[];
}>;

/** Rows of a sub-layer out of a config, which says how long a sequence may be, not how many tokens come together; as in the zoo. */
export const DEFAULT_TOKENS = 2048;

/** The Spec of a request for a built-in kernel, all defaults in. Throws BAD_FLAG, BAD_TILE or NOT_EXACT. */
export async function resolveSpec(request: SpecRequest, traits?: AdapterTraits): Promise<Spec & { kernel: { kind: 'built-in' } }> {
  const { stageTiles, kernel, ...rest } = await resolveDraft(request, traits);
  if (stageTiles === null || kernel.kind !== 'built-in') throw bug('the stages of a foreign kernel follow from its probed footprint');
  return { ...rest, kernel, stageTiles };
}

/** The same for any kernel: only the stages of a foreign one stay open where the request leaves them open. */
export async function resolveDraft(request: SpecRequest, traits?: AdapterTraits): Promise<SpecDraft> {
  const { name, devices, gemm, chunk } = resolvedShape(request, EMULATED);
  const chunks = chunkSizes(chunk === 'rows' ? gemm.m : gemm.n, devices);
  const kernel = await kernelOf(request, gemm, chunk, chunks, traits);
  const spec: SpecDraft = {
    version: 1,
    name,
    gemm,
    dtype: 'f32',
    devices,
    collective: request.collective ?? 'reduce-scatter',
    algorithm: request.algorithm ?? 'ring',
    chunk,
    operands: operandsOf(request, gemm.kTotal),
    seed: request.seed ?? 1,
    kernel,
    wavefront: request.wavefront ?? 64,
    stageTiles: request.stageTiles ?? (kernel.kind === 'built-in' ? stageTilesFor(gemm, kernel.tile, chunk, chunks) : null),
    triggerTiles: request.triggerTiles ?? 8,
    lag: request.lag ?? 2,
    skew: request.skew ?? 0,
    triggers: request.triggers ?? 'host',
    overflow: request.overflow ?? 'spill',
    tracker: { sets: request.trackerSets ?? 256, ways: request.trackerWays ?? 8 },
    faults: request.faults ?? [],
  };
  const [first, ...others] = specProblems(spec);
  if (first) throw refusal(first, others);
  if (request.triggers !== undefined || traits === undefined) return spec;
  // Not all that the host's trackers can do the GPU's can.
  const other: SpecDraft = { ...spec, triggers: triggersFor(spec, stagesPerStep(devices) * devices, traits) };
  return specProblems(other).length === 0 ? other : spec;
}

export type ResolvedShape = Pick<SpecDraft, 'name' | 'gemm' | 'devices' | 'chunk'>;

/** What a model needs of a request: the shape, by limits of its own, and nothing of kernels, buffers or dispatches. Throws BAD_FLAG. */
export function resolveModelled(request: SpecRequest): ResolvedShape & Modelled {
  const { trackerSets: sets, trackerWays: ways } = request;
  const tracker = { ...(sets === undefined ? {} : { sets }), ...(ways === undefined ? {} : { ways }) };
  const modelled = { ...resolvedShape(request, MODELLED), splits: request.splits ?? 1, skew: request.skew ?? 0, seed: request.seed ?? 1, overflow: request.overflow ?? 'spill', tracker };
  const [first, ...others] = modelledProblems(modelled, MODELLED);
  if (first) throw refusal(first, others);
  return modelled;
}

function resolvedShape(request: SpecRequest, scope: Scope): ResolvedShape {
  checkChoices(request);
  const { name, devices, ...gemm } = shapeOf(request, scope);
  return { name, devices, gemm, chunk: request.chunk ?? (gemm.n > gemm.m ? 'columns' : 'rows') };
}

async function kernelOf(request: SpecRequest, gemm: GemmShape, chunk: ChunkAxis, chunks: readonly number[], traits: AdapterTraits | undefined): Promise<KernelChoice> {
  if (request.foreign !== undefined) {
    refuseTogether(request, ['kernelName', 'tile', 'splits'], '--kernel, whose tiles and splits are found by probing', 'leave it out');
    const { name, entry, source, bindings } = request.foreign;
    return { kind: 'foreign', name, hash: await sha256Hex(source), entry, source, bindings };
  }
  const name = request.kernelName ?? kernelFor(gemm, request.tile, traits);
  const kernel = kernelNamed(name);
  const hash = await kernelHash(name);
  if (!kernel || hash === undefined) throw refusal(unknownKernel(name));
  return { kind: 'built-in', name, hash, tile: request.tile ?? kernel.tileFor(gemm, chunk, chunks), splits: request.splits ?? 1 };
}

/** What suits the adapter best; where a tile was asked for by itself that this kernel cannot take, one that can. */
function kernelFor(gemm: GemmShape, tile: Tile | undefined, traits: AdapterTraits | undefined): string {
  const suited = defaultKernel(gemm, traits);
  if (tile === undefined) return suited;
  const everywhere = defaultKernel(gemm, undefined);
  const all = [suited, everywhere, ...KERNELS.filter((kernel) => !kernel.halves && (traits === undefined || runsOn(kernel, traits))).map(({ name }) => name)];
  return all.find((name) => kernelNamed(name)!.tileProblem(tile) === undefined) ?? everywhere;
}

/** Flags with a fixed set of values: they reach here as text, whatever their type says. */
const CHOICES = {
  collective: ['reduce-scatter'],
  algorithm: ALGORITHMS,
  operands: ['exact', 'normal', 'trained'],
  chunk: ['rows', 'columns'],
  triggers: ['host', 'device'],
  overflow: ['spill', 'stall'],
} as const satisfies { readonly [K in keyof SpecRequest]?: readonly SpecRequest[K][] };

function checkChoices(request: SpecRequest): void {
  for (const flag of Object.keys(CHOICES) as (keyof typeof CHOICES)[]) {
    const value = request[flag];
    const known: readonly string[] = CHOICES[flag];
    if (value !== undefined && !known.includes(value)) {
      throw new TilewireError('BAD_FLAG', `unknown ${flag}`, { path: `--${flag}`, actual: value, limit: known.join(' | '), fix: `use ${known.join(' or ')}` });
    }
  }
}

/** `MxNxK` of `--tile`, e.g. `64x32x8`. */
export function parseTile(text: string): Tile {
  const match = /^(\d+)x(\d+)x(\d+)$/i.exec(text.trim());
  if (!match) throw new TilewireError('BAD_FLAG', 'not a tile', { path: '--tile', actual: text, limit: 'MxNxK', fix: 'write e.g. --tile 64x64x16' });
  return { m: Number(match[1]), n: Number(match[2]), k: Number(match[3]) };
}

type Shape = SplitGemmShape & { readonly name: string; readonly devices: number };

/** The shape comes from exactly one of: the user's matrices, a trained model's files, a config, the zoo, or m, n, k and devices. */
function shapeOf(request: SpecRequest, scope: Scope): Shape {
  const shape = shapeFrom(request, scope);
  // Before anything divides by them; specProblems looks at them again with all the rest.
  const size = (['m', 'n', 'k', 'devices'] as const).find((key) => !Number.isSafeInteger(shape[key]) || shape[key] < 1);
  if (size) {
    const path = size === 'm' && request.tokens !== undefined ? '--tokens' : `--${size}`;
    throw new TilewireError('BAD_FLAG', 'not a size', { path, actual: shape[size], limit: 'a whole number of at least 1', fix: size === 'k' ? 'give a size of at least 1 (k is per device)' : 'give a size of at least 1' });
  }
  return shape;
}

function shapeFrom(request: SpecRequest, scope: Scope): Shape {
  const { files, trained, config, operands } = request;
  if (files !== undefined) return filesShape(request, files);
  if (operands === 'trained' || trained !== undefined) return trainedShape(request);
  if (config !== undefined) return configShape(request, config, scope);
  return hasAny(request, ZOO_FLAGS) ? zooShape(request, scope) : givenShape(request);
}

const ZOO_FLAGS = ['model', 'layer', 'tp', 'tokens'] as const;
const SIZE_FLAGS = ['m', 'n', 'k', 'devices'] as const;

function hasAny(request: SpecRequest, flags: readonly (keyof SpecRequest)[]): boolean {
  return flags.some((flag) => request[flag] !== undefined);
}

function refuseTogether(request: SpecRequest, flags: readonly (keyof SpecRequest)[], beside: string, fix: string): void {
  for (const flag of flags) {
    const actual = flag === 'config' ? request.config?.file : request[flag];
    if (actual !== undefined) throw new TilewireError('BAD_FLAG', `--${flag} contradicts ${beside}`, { path: `--${flag}`, actual, fix });
  }
}

/** --devices and --tp mean the same where the shape comes from files or a config. */
function devicesOf({ tp, devices }: SpecRequest, fix: string): { readonly devices: number; readonly path: string } {
  if (tp !== undefined && devices !== undefined && tp !== devices) {
    throw new TilewireError('BAD_FLAG', '--tp contradicts --devices', { path: '--tp', actual: tp, limit: devices, fix: 'give one of them' });
  }
  if (devices !== undefined) return { devices, path: '--devices' };
  if (tp !== undefined) return { devices: tp, path: '--tp' };
  throw new TilewireError('BAD_FLAG', '--tp is missing', { path: '--tp', fix });
}

/** The first device's k: slices of K differ by at most one. */
function firstSlice(kTotal: number, { devices, path }: ReturnType<typeof devicesOf>): number {
  const most = Math.min(EMULATED.devices, kTotal);
  if (Number.isInteger(devices) && devices >= 1 && devices <= most) return chunkRange(kTotal, devices, 0).length;
  throw new TilewireError('BAD_FLAG', 'K cannot be spread over the devices', { path, actual: devices, limit: `1 to ${most}`, fix: `take fewer devices: each needs at least one of K = ${kTotal}, and ${EMULATED.devices} are the most` });
}

/** m, n and k may be repeated, not changed. */
function refuseOtherSizes(request: SpecRequest, shape: GemmShape, whose: string): void {
  for (const size of ['m', 'n', 'k'] as const) {
    if (request[size] !== undefined && request[size] !== shape[size]) {
      throw new TilewireError('BAD_FLAG', `--${size} contradicts ${whose}`, { path: `--${size}`, actual: request[size], limit: shape[size], fix: 'leave it out' });
    }
  }
}

function zooShape(request: SpecRequest, scope: Scope): Shape {
  const { model, layer, tp, tokens } = request;
  refuseTogether(request, SIZE_FLAGS, 'the model zoo, which gives the shape', 'use either --model --layer --tp --tokens or --m --n --k --devices');
  const missing = model === undefined ? '--model' : layer === undefined ? '--layer' : undefined;
  if (model === undefined || layer === undefined) {
    throw new TilewireError('BAD_FLAG', `${missing} is missing`, { path: missing!, fix: 'name both, e.g. --model t-nlg --layer fc2 --tp 8 --tokens 256, or give --config FILE instead of --model' });
  }
  const { name, m, n, k, devices } = layerShape(model, layer, tp, tokens, scope);
  return { name, m, n, k, kTotal: k * devices, devices };
}

function givenShape(request: SpecRequest): Shape {
  const { m, n, k, devices } = request;
  if (m === undefined || n === undefined || k === undefined || devices === undefined) {
    const missing = SIZE_FLAGS.filter((flag) => request[flag] === undefined).map((flag) => `--${flag}`);
    throw new TilewireError('BAD_FLAG', `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`, {
      path: missing[0]!,
      fix: 'give --m --n --k --devices (k is per device), a layer of the zoo, e.g. --model t-nlg --layer fc2 --tp 8 --tokens 256, or matrices: --a FILE --b FILE --devices 4',
    });
  }
  return { name: `${m}x${n}x${k} on ${devices}`, m, n, k, kTotal: k * devices, devices };
}

function trainedShape(request: SpecRequest): Shape {
  const { trained, operands } = request;
  if (operands !== undefined && operands !== 'trained') {
    throw new TilewireError('BAD_FLAG', 'trained operand files contradict other operands', { path: '--operands', actual: operands, fix: 'use --operands trained' });
  }
  if (trained === undefined) throw new TilewireError('BAD_FLAG', 'there are no files of a trained model', { path: '--operands', actual: 'trained', fix: 'use --operands exact or normal' });
  refuseTogether(request, ['model', 'config', 'layer', 'tokens'], '--operands trained, whose files give the shape', 'leave it out');
  const given = devicesOf(request, 'say over how many devices K is split, e.g. --tp 4');
  const shape = { m: trained.m, n: trained.n, k: firstSlice(trained.k, given) };
  refuseOtherSizes(request, shape, "the trained model's files");
  return { name: `${trained.source} TP ${given.devices}`, ...shape, kTotal: trained.k, devices: given.devices };
}

function filesShape(request: SpecRequest, { m, n, kTotal, a, b, layout }: FileOperands): Shape {
  const { config } = request;
  refuseTogether(request, ['operands', 'model', 'tokens'], '--a and --b, whose files give values and shape', 'leave it out');
  if (config === undefined) refuseTogether(request, ['layer'], '--a and --b without --config: there is no model to have it', 'give --config FILE as well, or leave it out');
  const given = devicesOf(request, 'say over how many devices K is split, e.g. --tp 4');
  if (config !== undefined) {
    const subLayer = subLayerAsked(config, request.layer);
    if (kTotal !== subLayer.totalK || n !== subLayer.n) {
      throw new TilewireError('BAD_FLAG', `the files do not hold the ${subLayer.name} of ${config.file}`, {
        path: '--config',
        actual: `K = ${kTotal}, n = ${n} (${a.source}, ${b.source}, layout ${layout})`,
        limit: `K = ${subLayer.totalK}, n = ${subLayer.n} (${config.file})`,
        fix: 'name the files of that sub-layer, another --layer, or the --layout in which they are stored',
      });
    }
    splitOver(subLayer, given, EMULATED);
  }
  const shape = { m, n, k: firstSlice(kTotal, given) };
  refuseOtherSizes(request, shape, `${a.source} and ${b.source}`);
  return { name: `${a.source} · ${b.source} TP ${given.devices}`, ...shape, kTotal, devices: given.devices };
}

function configShape(request: SpecRequest, config: ModelConfig, scope: Scope): Shape {
  refuseTogether(request, ['model', 'm', 'n', 'k'], '--config, which gives the shape', 'use --config with --layer, --tp and --tokens, which is m');
  const subLayer = subLayerAsked(config, request.layer);
  const given = devicesOf(request, `use one of ${legalTps(subLayer, scope).join(', ')}`);
  const { k } = splitOver(subLayer, given, scope);
  return { name: `${config.name} ${subLayer.name} TP ${given.devices}`, m: request.tokens ?? DEFAULT_TOKENS, n: subLayer.n, k, kTotal: subLayer.totalK, devices: given.devices };
}

/** The sub-layer that --layer names; BAD_FLAG, listing those of the config, where it names none. */
export function subLayerAsked({ file, subLayers }: ModelConfig, layer: string | undefined): SubLayer {
  if (layer !== undefined) return subLayerNamed(subLayers, layer);
  throw new TilewireError('BAD_FLAG', '--layer is missing', {
    path: '--layer',
    limit: `a sub-layer of ${file}`,
    lines: subLayers.map(({ name, aliases, totalK, n, layers }) => `${name}${aliases.length > 0 ? ` (or ${aliases.join(', ')})` : ''}: K = ${totalK}, n = ${n}, in ${layers} ${layers === 1 ? 'layer' : 'layers'}`),
    fix: `use one of ${subLayers.map(({ name }) => name).join(', ')}`,
  });
}

/** Blames the flag that was given. */
function splitOver(subLayer: SubLayer, { devices, path }: ReturnType<typeof devicesOf>, scope: Scope): ReturnType<typeof splitSubLayer> {
  try {
    return splitSubLayer(subLayer, devices, scope);
  } catch (error) {
    throw error instanceof TilewireError ? new TilewireError(error.code, error.what, { ...error.fields, path }) : error;
  }
}

function operandsOf({ operands, trained, files, foreign }: SpecRequest, kTotal: number): Operands {
  if (files) return { kind: 'files', a: files.a, b: files.b, layout: files.layout };
  if (trained) return { kind: 'trained', source: trained.source, hash: trained.hash };
  if (operands === 'normal') return { kind: 'normal' };
  const epilogue = foreign?.bindings.epilogue ?? NO_EPILOGUE;
  const range = largestRange(kTotal, epilogue);
  if (range === 0) throw refusal(notExact(kTotal, 1, epilogue));
  return { kind: 'exact', range };
}

/** By the tiles of a step, which are at most those of the largest chunk. */
function stageTilesFor({ m, n }: GemmShape, tile: Tile, axis: ChunkAxis, chunks: readonly number[]): number {
  const largest = Math.max(...chunks);
  const tiles = axis === 'rows' ? Math.ceil(largest / tile.m) * Math.ceil(n / tile.n) : Math.ceil(m / tile.m) * Math.ceil(largest / tile.n);
  const bands = axis === 'rows' ? Math.ceil(m / tile.m) : Math.ceil(n / tile.n);
  return defaultStageTiles(tiles, chunks.length, Math.min(bands, chunks.length));
}

/** JSON path of a Spec → the flag that sets it, where the two differ. */
const FLAG_OF: Readonly<Record<string, string>> = {
  'gemm.m': '--m',
  'gemm.n': '--n',
  'gemm.k': '--k',
  'gemm.kTotal': '--devices',
  'kernel.name': '--kernel-name',
  'kernel.splits': '--splits',
  'kernel.tile': '--tile',
  'kernel.tile.m': '--tile',
  'kernel.tile.n': '--tile',
  'kernel.tile.k': '--tile',
  'operands.range': '--operands',
  stageTiles: '--stage-tiles',
  triggerTiles: '--trigger-tiles',
  'tracker.sets': '--tracker-sets',
  'tracker.ways': '--tracker-ways',
};

function refusal({ path, what, actual, limit, fix, code }: Problem, others: readonly Problem[] = []): TilewireError {
  const lines = others.map((other) => `also ${flagOf(other.path)}: ${other.what} (found ${String(other.actual)}, limit ${other.limit})`);
  return new TilewireError(code ?? 'BAD_FLAG', what, { path: flagOf(path), actual, limit, fix, ...(lines.length > 0 ? { lines } : {}) });
}

/** A part of a fault has no flag of its own: it keeps its path. */
function flagOf(path: string): string {
  return FLAG_OF[path] ?? (/[.[]/.test(path) ? path : `--${path}`);
}
