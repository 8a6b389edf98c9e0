// What is tried: every built-in kernel at every tile of a set that it can take on this adapter, or a kernel of the user's own at
// every combination of the values that --vary gives. Pure. A kernel that knows better which tiles are worth a try says
// so itself (`candidates`); the others get powers of two around their own default.
import { TilewireError } from '../errors.ts';
import type { TileLimits } from '../spec/kernel-layouts.ts';
import { isChosenUnnamed, KERNELS, type KernelDescription } from '../spec/kernels.ts';
import { kernelHash } from '../spec/kernel-sources.ts';
import type { AdapterTraits, ChunkAxis, GemmShape, KernelChoice, SpecDraft, Tile } from '../spec/spec.ts';
import { asTile, type CandidateName, type Granularity } from './tiles-report.ts';


export interface Candidate {
  readonly name: CandidateName;
  readonly kernel: KernelChoice;
}

export interface Candidates {
  readonly list: readonly Candidate[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

/** Sides of the general set: powers of two. */
const SIDES = [4, 8, 16, 32, 64, 128] as const;
const MOST_SIDE = 256;
/** Of the tiles that a kernel's own description puts first. */
const WORTH_TRYING = 6;

export interface BuiltInOptions {
  /** Names; unless told all that take the same operands. */
  readonly kernels?: readonly string[] | undefined;
  /** Of the adapter. */
  readonly limits: TileLimits;
  /** Of the adapter; without them only kernels that run everywhere are tried, unless they are named. */
  readonly traits?: AdapterTraits | undefined;
  readonly limit: number;
  readonly chunk: ChunkAxis;
  /** Sizes of the chunks along `chunk`; the defaults of the kernels depend on them. */
  readonly chunks: readonly number[];
}

/**
 * The tiles of a kernel, likely ones first: its default, what its own description puts first, then those nearest to its default. Each is legal on the adapter, and no two give the same
 * kernel (a tile's k beyond what a kernel holds in flight changes nothing).
 */
export function tilesOf(kernel: KernelDescription, shape: GemmShape, { limits, chunk, chunks }: Pick<BuiltInOptions, 'limits' | 'chunk' | 'chunks'>): { readonly tiles: readonly Tile[]; readonly illegal: number } {
  const standard = kernel.tileFor(shape, chunk, chunks);
  const likely = [standard, ...kernel.tilesWorthTrying(shape, chunk, chunks).slice(0, WORTH_TRYING)];
  const all = [...likely, ...generalTiles(shape, standard)];
  const legal = all.filter((tile) => kernel.tileProblem(tile, limits) === undefined);
  const distinct = new Map<string, Tile>();
  for (const tile of legal) {
    const key = JSON.stringify([kernel.constantsFor(shape, tile), kernel.grid(shape, tile), kernel.workgroupSize(tile)]);
    if (!distinct.has(key)) distinct.set(key, tile);
  }
  const first = [...distinct.values()].filter((tile) => likely.includes(tile));
  const others = [...distinct.values()].filter((tile) => !likely.includes(tile));
  return { tiles: [...first, ...others.toSorted((one, other) => distance(one, standard) - distance(other, standard))], illegal: all.length - legal.length };
}

/** Sides up to the first that covers the output; k half, once and twice the default. */
function generalTiles({ m, n }: GemmShape, standard: Tile): Tile[] {
  const sides = (length: number, own: number): number[] => [...new Set([...SIDES.filter((side) => side < 2 * length), own, own * 2, Math.ceil(own / 2)])].filter((side) => side < 2 * length && side <= MOST_SIDE);
  const depths = [...new Set([standard.k, standard.k * 2, Math.max(1, standard.k / 2)])].filter((k) => Number.isInteger(k));
  return sides(m, standard.m).flatMap((tileM) => sides(n, standard.n).flatMap((tileN) => depths.map((k) => ({ m: tileM, n: tileN, k }))));
}

/** In doublings. */
function distance(one: Tile, other: Tile): number {
  return (['m', 'n', 'k'] as const).reduce((sum, side) => sum + Math.abs(Math.log2(one[side] / other[side])), 0);
}

/**
 * Kernels take turns, each with its likely tiles first, up to `limit`.
 * @throws BAD_FLAG for a kernel that is not built in, and where nothing is left to try
 */
export async function builtInCandidates(shape: GemmShape, options: BuiltInOptions, registry: readonly KernelDescription[] = KERNELS): Promise<Candidates> {
  const { kernels: wanted, limit } = options;
  const unknown = wanted?.find((name) => !registry.some((kernel) => kernel.name === name));
  if (unknown !== undefined) throw new TilewireError('BAD_FLAG', 'unknown kernel', { path: '--kernels', actual: unknown, limit: registry.map(({ name }) => name).join(', '), fix: 'name built-in kernels, separated by commas; a kernel of your own is --kernel FILE.wgsl' });
  const kernels = registry.filter((kernel) => wanted?.includes(kernel.name) ?? isChosenUnnamed(kernel, options.traits));
  const found = kernels.map((kernel) => ({ kernel, ...tilesOf(kernel, shape, options) }));
  const queues = await Promise.all(found.map(async ({ kernel: { name }, tiles }) => {
    const hash = (await kernelHash(name)) ?? '';
    return tiles.map((tile): Candidate => ({ name: { kernel: name, tile: asTile(tile), overrides: null, granularity: null }, kernel: { kind: 'built-in', name, hash, tile, splits: 1 } }));
  }));
  const turns = Array.from({ length: Math.max(0, ...queues.map(({ length }) => length)) }, (_, at) => queues.flatMap((queue) => queue.slice(at, at + 1))).flat();
  if (turns.length === 0) throw new TilewireError('BAD_FLAG', 'no candidates: no tile is within the limits of this adapter', { path: '--kernels', actual: kernels.map(({ name }) => name), fix: 'name other kernels' });
  const illegal = found.reduce((sum, of) => sum + of.illegal, 0);
  return {
    list: turns.slice(0, limit),
    notes: [
      ...(illegal > 0 ? [`${illegal} more tiles are beyond the limits of registers, workgroup memory or invocations`] : []),
      ...(turns.length > limit ? [`${turns.length - limit} more tiles, those farthest from the kernels' defaults, were left out: --limit ${limit}`] : []),
    ],
  };
}

// ── A kernel of the user's own ───────────────────────────────────────────────────────────────────────────────────

/** By override, the values to try. */
export type Variations = ReadonlyMap<string, readonly number[]>;

/** More combinations than anybody waits for. */
const MOST_COMBINATIONS = 10_000;

/** `NAME=1,2,4` of --vary. @throws BAD_FLAG */
export function parseVariation(text: string, path = '--vary'): { readonly name: string; readonly values: readonly number[] } {
  const refuse = (what: string, actual: string): TilewireError => new TilewireError('BAD_FLAG', what, { path, actual, limit: 'NAME=VALUE,VALUE,…', fix: 'write e.g. --vary TM=32,64,128' });
  const [, name, list] = /^\s*([\p{XID_Start}_][\p{XID_Continue}]*)\s*=(.*)$/u.exec(text) ?? [];
  if (name === undefined || list === undefined) throw refuse('not an override and its values', text);
  const values = list.split(',').map((value) => {
    if (!/^\s*[+-]?(\d+(\.\d*)?|\.\d+)\s*$/.test(value)) throw refuse('not a number', value.trim() === '' ? text : value);
    return Number(value);
  });
  if (new Set(values).size < values.length) throw refuse('a value is given twice', text);
  return { name, values };
}

/**
 * The cartesian product, the last name changing fastest; overrides that are not varied stay the expressions that they are.
 * @throws BAD_FLAG for a name that the kernel does not declare as an override
 */
export function variedCandidates(kernel: Extract<KernelChoice, { kind: 'foreign' }>, variations: Variations, limit: number): Candidates {
  const declared = [...kernel.source.matchAll(/\boverride\s+([\p{XID_Start}_][\p{XID_Continue}]*)/gu)].map(([, name]) => name!);
  const unknown = [...variations.keys()].find((name) => !declared.includes(name));
  if (unknown !== undefined) throw new TilewireError('BAD_FLAG', `${kernel.name} declares no such override`, { path: '--vary', actual: unknown, limit: declared.join(', ') || 'it has none', fix: declared.length > 0 ? 'vary one of these' : 'let the kernel declare what is to be varied, e.g. override TM: u32 = 64u;' });
  const count = [...variations.values()].reduce((product, { length }) => product * length, 1);
  if (count > MOST_COMBINATIONS) throw new TilewireError('BAD_FLAG', 'too many combinations', { path: '--vary', actual: count, limit: MOST_COMBINATIONS, fix: 'vary less at once' });
  let combinations: Record<string, number>[] = [{}];
  for (const [name, values] of variations) combinations = combinations.flatMap((of) => values.map((value) => ({ ...of, [name]: value })));
  return {
    list: combinations.slice(0, limit).map((overrides) => ({
      name: { kernel: kernel.name, tile: null, overrides, granularity: null },
      kernel: { ...kernel, bindings: { ...kernel.bindings, overrides: withValues(kernel.bindings.overrides, overrides) } },
    })),
    notes: count > limit ? [`${count - limit} more combinations were left out: --limit ${limit}`] : [],
  };
}

/** New names first: expressions may use those before them only. The others keep their places. */
function withValues(overrides: Readonly<Record<string, number | string>>, values: Readonly<Record<string, number>>): Record<string, number | string> {
  const fresh = Object.entries(values).filter(([name]) => !Object.hasOwn(overrides, name));
  return { ...Object.fromEntries(fresh), ...overrides, ...values };
}

// ── Granularity ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Tiles per block that are tried, beside the Spec's own. */
const TRIGGER_TILES = [2, 8, 32] as const;

/**
 * Granularities of a fused run of the Spec: half, once and twice its tiles per stage, with a few sizes of blocks; the Spec's own
 * first, then by how far they are from it. A block is no larger than what a step computes.
 * @param perStep tiles of a step's largest chunk
 */
export function granularitiesOf({ stageTiles, triggerTiles }: Pick<SpecDraft, 'stageTiles' | 'triggerTiles'>, perStep: number): Granularity[] {
  const most = Math.max(1, perStep);
  const stage = Math.min(most, stageTiles ?? Math.ceil(most / 4));
  const stages = new Set([stage, Math.min(most, stage * 2), Math.max(1, Math.round(stage / 2))]);
  const triggers = new Set([triggerTiles, ...TRIGGER_TILES].map((tiles) => Math.min(most, tiles)));
  const far = (one: Granularity): number => Math.abs(Math.log2(one.stageTiles / stage)) + Math.abs(Math.log2(one.triggerTiles / Math.min(most, triggerTiles))) / 2;
  return [...stages].flatMap((of) => [...triggers].map((blocks): Granularity => ({ stageTiles: of, triggerTiles: blocks }))).toSorted((one, other) => far(one) - far(other));
}
