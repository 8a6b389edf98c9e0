// What a resolved Spec must satisfy beyond its types: one list, used both when a request is resolved (a problem
// names a flag) and when a Spec is read back (it names a JSON path). A problem carries the value, the limit it
// breaks and the fix. Limits of the adapter are not known here; the engine checks those.
import type { ErrorCode } from '../errors.ts';
import { chunkRange, MAX_STAGE_TILES } from './chunks.ts';
import { F32_EXACT_LIMIT, MAX_RANGE, proveGenerated } from './exactness.ts';
import { NO_EPILOGUE, type Epilogue } from './kernel-bindings.ts';
import { kernelNamed, kernelNames } from './kernels.ts';
import type { Fault, KernelChoice, SpecDraft } from './spec.ts';
import { EMULATED, type Scope } from './scope.ts';

export interface Problem {
  /** JSON path in the Spec, e.g. `gemm.m` or `faults[0].tile`. */
  readonly path: string;
  readonly what: string;
  readonly actual: unknown;
  readonly limit: string;
  readonly fix: string;
  /** Where it is not the flag's own fault: BAD_TILE, NOT_EXACT. */
  readonly code?: ErrorCode;
}

export const MAX_LAG = 16;
export const MAX_SKEW = 4;
/** Splits of K: each is a dispatch of its own in every stage. */
export const MAX_SPLITS = 64;
const U32_MAX = 2 ** 32 - 1;

/** Every way in which `spec` breaks a limit; empty when it is good. Assumes that the types are right. */
export function specProblems(spec: SpecDraft): Problem[] {
  const sizes = [...sizeProblems(spec, EMULATED), ...tileSizes(spec.kernel)];
  const scalars = [
    ...sizes,
    ...apartProblems(spec),
    ...(spec.stageTiles === null ? [] : whole('stageTiles', spec.stageTiles, 1, MAX_STAGE_TILES, 'a stage is one dispatch: give fewer tiles')),
    ...whole('triggerTiles', spec.triggerTiles, 1, U32_MAX, 'a DMA block holds at least one tile'),
    ...whole('lag', spec.lag, 1, MAX_LAG, 'a trigger is executed at the earliest in the next epoch'),
    ...powerOfTwo('wavefront', spec.wavefront, 4, 128, 'a wavefront is whole quads (kernels swap values within 4 lanes), and no GPU has more than 128 lanes'),
    ...trackerProblems(spec.tracker),
  ];
  // What follows divides by sizes and asks the kernel for its grid: only on sizes that are sizes.
  if (sizes.length > 0) return scalars;
  return [...scalars, ...volumeProblems(spec, EMULATED), ...exactProblems(spec), ...kernelProblems(spec), ...faultProblems(spec), ...deviceTriggerProblems(spec)];
}

function trackerProblems({ sets, ways }: Partial<SpecDraft['tracker']>): Problem[] {
  return [
    ...(sets === undefined ? [] : powerOfTwo('tracker.sets', sets, 1, 65536, 'the set is the low bits of the tile id')),
    ...(ways === undefined ? [] : whole('tracker.ways', ways, 1, 1024, 'give at least one way')),
  ];
}

/** Of how far devices run apart, and of the seed that says which. */
function apartProblems({ seed, skew }: Pick<SpecDraft, 'seed' | 'skew'>): Problem[] {
  return [
    ...whole('seed', seed, 0, U32_MAX, 'give an unsigned 32-bit integer'),
    ...(skew >= 0 && skew <= MAX_SKEW ? [] : [{ path: 'skew', what: 'not a number in range', actual: skew, limit: `0..${MAX_SKEW}`, fix: 'give 0 for devices in step, more for devices that run further apart' }]),
  ];
}

const splitsProblems = (splits: number): Problem[] => whole('kernel.splits', splits, 1, MAX_SPLITS, 'give 1 for a kernel that multiplies all of k at once');

type Shape = Pick<SpecDraft, 'gemm' | 'devices'>;

/** What is modelled: of a Spec its shape, and how K and the devices are cut and run apart. */
export type Modelled = Pick<SpecDraft, 'gemm' | 'devices' | 'seed' | 'skew' | 'overflow'> & {
  readonly splits: number;
  /** What of its size was asked for; the rest is the parameter set's. */
  readonly tracker: Partial<SpecDraft['tracker']>;
};

/** Every way in which that breaks the limits of the model. Assumes that the types are right. */
export function modelledProblems(modelled: Modelled, scope: Scope): Problem[] {
  const sizes = [...sizeProblems(modelled, scope), ...splitsProblems(modelled.splits)];
  return [...sizes, ...apartProblems(modelled), ...trackerProblems(modelled.tracker), ...(sizes.length > 0 ? [] : volumeProblems(modelled, scope))];
}

function sizeProblems({ gemm: { m, n, k, kTotal }, devices }: Shape, { verb, devices: most, size }: Scope): Problem[] {
  return [
    ...whole('gemm.m', m, 1, size, 'give a size of at least 1'),
    ...whole('gemm.n', n, 1, size, 'give a size of at least 1'),
    ...whole('gemm.k', k, 1, size, 'give a size of at least 1 (k is per device)'),
    ...whole('gemm.kTotal', kTotal, devices, Number.MAX_SAFE_INTEGER, 'each device needs at least one column of A: take fewer devices'),
    ...whole('devices', devices, 1, most, `${verb} 1 to ${most} devices`),
  ];
}

function tileSizes(kernel: KernelChoice): Problem[] {
  if (kernel.kind === 'foreign') return [];
  return [
    ...(['m', 'n', 'k'] as const).flatMap((size) => whole(`kernel.tile.${size}`, kernel.tile[size], 1, U32_MAX, 'write --tile as MxNxK, e.g. 64x64x16')),
    ...splitsProblems(kernel.splits),
  ];
}

function volumeProblems({ gemm: { m, n, k, kTotal }, devices }: Shape, scope: Scope): Problem[] {
  const first = chunkRange(kTotal, devices, 0).length;
  const matrices = [
    { name: 'C', rows: 'm', columns: 'n', elements: m * n },
    { name: 'A', rows: 'm', columns: 'k', elements: m * k },
    { name: 'B', rows: 'k', columns: 'n', elements: k * n },
  ];
  const tooLarge = matrices.filter(({ elements }) => elements > scope.elements);
  return [
    ...(k === first ? [] : [{ path: 'gemm.k', what: "not the first device's share of K", actual: k, limit: `${kTotal} over ${devices} devices: ${first}`, fix: 'let k and kTotal agree' }]),
    ...tooLarge.map(({ name, rows, columns, elements }) => ({
      path: `gemm.${rows}`,
      what: `${name} has too many elements for a 32-bit index`,
      actual: `${rows}·${columns} = ${elements}`,
      limit: String(scope.elements),
      fix: `reduce ${rows} or ${columns}`,
    })),
    ...(tooLarge.length === 0 && 2 * m * n * kTotal > scope.operations
      ? [{ path: 'gemm.k', what: 'too many operations to count', actual: `2·m·n·K = ${2 * m * n * kTotal}`, limit: String(scope.operations), fix: 'reduce m, n, k or devices' }]
      : []),
  ];
}

function exactProblems({ operands, kernel, gemm: { kTotal } }: SpecDraft): Problem[] {
  if (operands.kind !== 'exact') return [];
  const range = whole('operands.range', operands.range, 1, MAX_RANGE, `exact operands are integers in −r..r, r = 1..${MAX_RANGE}`);
  if (range.length > 0) return range;
  const epilogue = kernel.kind === 'foreign' ? kernel.bindings.epilogue : NO_EPILOGUE;
  return proveGenerated(operands.range, kTotal, epilogue).holds ? [] : [notExact(kTotal, operands.range, epilogue)];
}

/** The refusal of exact operands: even at `range` a partial sum may exceed what f32 holds exactly. */
export function notExact(kTotal: number, range: number, epilogue: Epilogue): Problem {
  const { bound } = proveGenerated(range, kTotal, epilogue);
  const plain = bound === range * range * kTotal;
  return {
    path: 'operands',
    what: 'operands cannot be proven exact: a partial sum may exceed the integers that f32 holds',
    actual: plain ? `${range}·${range}·K = ${bound} with K = ${kTotal} over all devices` : `${bound} units of the last place of alpha ${epilogue.alpha}, beta ${epilogue.residual?.beta ?? 0}, with K = ${kTotal} over all devices`,
    limit: `2^24 = ${F32_EXACT_LIMIT}`,
    fix: plain ? `reduce k or devices to K ≤ ${F32_EXACT_LIMIT / range ** 2}, or use --operands normal` : 'use an alpha and beta that are small whole numbers or halves, a smaller k, or --operands normal',
    code: 'NOT_EXACT',
  };
}

/** A foreign kernel's tiles and grid are looked at where its text is read (gpu/kernel-text.ts). */
function kernelProblems({ kernel, gemm }: SpecDraft): Problem[] {
  if (kernel.kind === 'foreign') return [];
  const known = kernelNamed(kernel.name);
  if (!known) return [unknownKernel(kernel.name)];
  const problem = known.tileProblem(kernel.tile);
  if (problem !== undefined) {
    const { m, n, k } = kernel.tile;
    return [{ path: 'kernel.tile', what: `${kernel.name} cannot use this tile: ${problem.what}`, actual: `${m}x${n}x${k}`, limit: problem.limit, fix: problem.fix, code: 'BAD_TILE' }];
  }
  const grid = known.grid(gemm, kernel.tile);
  const over = grid.find((groups) => groups > MAX_STAGE_TILES);
  return over === undefined
    ? []
    : [{ path: 'kernel.tile', what: 'too many tiles along one dimension of the grid', actual: over, limit: String(MAX_STAGE_TILES), fix: 'use a larger tile', code: 'BAD_TILE' }];
}

export function unknownKernel(name: string): Problem {
  return { path: 'kernel.name', what: 'unknown kernel', actual: name, limit: 'a built-in kernel', fix: `known kernels: ${kernelNames().join(', ')}` };
}

function faultProblems(spec: SpecDraft): Problem[] {
  return spec.faults.flatMap((fault, i) => (fault.kind === 'unwritten-output' ? [] : oneFault(spec, fault, `faults[${i}]`)));
}

/** What only trackers on the host can do. */
function deviceTriggerProblems({ triggers, overflow, faults }: SpecDraft): Problem[] {
  if (triggers === 'host') return [];
  const problem = (what: string, actual: string, limit: string): Problem => ({ path: 'triggers', what, actual, limit, fix: 'use --triggers host' });
  const byHand = faults.filter(({ kind }) => kind === 'drop-transfer' || kind === 'double-update' || kind === 'early-read');
  const places = faults.flatMap((fault) => (fault.kind === 'threshold' ? [`${fault.device} ${fault.chunk}`] : []));
  return [
    // Counters on the GPU are compared as they are: there is no set that could be full, and so nothing to hold back.
    ...(overflow === 'stall' ? [problem('trackers on the GPU have no sets that could be full: nothing stalls', '--overflow stall', '--overflow spill')] : []),
    ...(byHand.length > 0 ? [problem('this fault breaks the host\'s lists of transfers and updates, and these are the GPU\'s', byHand.map(({ kind }) => kind).join(', '), 'suppress-stores, threshold, corrupt-tile, unwritten-output')] : []),
    ...(new Set(places).size < places.length ? [problem('trackers on the GPU take one threshold of a chunk and device that is off', `${places.length} faults of threshold`, 'one for each device and chunk')] : []),
  ];
}

function oneFault({ devices, gemm, chunk, kernel }: SpecDraft, fault: Exclude<Fault, { kind: 'unwritten-output' }>, path: string): Problem[] {
  const places = [
    ...whole(`${path}.device`, fault.device, 0, devices - 1, 'name one of the devices, from 0'),
    // How many matrices the batch of a kernel that is not ours has, its text tells.
    ...whole(`${path}.chunk`, fault.chunk, 0, kernel.kind === 'built-in' ? devices - 1 : Number.MAX_SAFE_INTEGER, 'name one of the chunks, from 0'),
  ];
  if (places.length > 0) return places;
  const grid = kernel.kind === 'built-in' ? kernelNamed(kernel.name)?.grid(gemm, kernel.tile) : undefined;
  // Of the first split: the others' workgroups are its twins.
  const tiles = grid === undefined ? Number.MAX_SAFE_INTEGER : grid[0] * grid[1];
  const length = chunk === 'rows' ? gemm.m : gemm.n;
  return [
    ...whole(`${path}.tile`, fault.tile, 0, tiles - 1, 'name one of the workgroups of the grid, from 0'),
    ...(chunkRange(length, devices, fault.chunk % devices).length === 0
      ? [{ path: `${path}.chunk`, what: 'an empty chunk has nothing to break', actual: fault.chunk, limit: `${length} ${chunk} over ${devices} devices`, fix: `name a chunk below ${length}` }]
      : []),
    ...(fault.kind === 'threshold' && (!Number.isSafeInteger(fault.delta) || fault.delta === 0)
      ? [{ path: `${path}.delta`, what: 'a threshold must be off by something', actual: fault.delta, limit: 'a whole number, not 0', fix: 'use 1 or -1' }]
      : []),
  ];
}

function whole(path: string, value: number, least: number, most: number, fix: string): Problem[] {
  if (Number.isInteger(value) && value >= least && value <= most) return [];
  return [{ path, what: 'not a whole number in range', actual: value, limit: `${least}..${most}`, fix }];
}

function powerOfTwo(path: string, value: number, least: number, most: number, why: string): Problem[] {
  if (Number.isInteger(value) && value >= least && value <= most && Number.isInteger(Math.log2(value))) return [];
  return [{ path, what: 'not a power of two in range', actual: value, limit: `a power of two, ${least}..${most}`, fix: why }];
}
