// The whole grid, as far as an afternoon goes: every combination of devices, shape, chunking, algorithm and kernel, each
// several times over, with tile, granularities, skew, lag, tracker and operands dealt out evenly and at random; and a few
// kernels of the gallery that are more than one plain product, each combination once. A function of nothing but this
// file and the kernels. `test/gpu/grid.test.ts` is its pairwise cover.
import { completeBindings } from '../../src/gpu/foreign.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';
import { kernelNamed, KERNELS } from '../../src/spec/kernels.ts';
import { parseTile, type SpecRequest } from '../../src/spec/resolve.ts';
import batchedBindings from '../gallery/batched-transposed-strided.json';
import batched from '../gallery/batched-transposed-strided.wgsl';
import blasBindings from '../gallery/blas-alpha-beta.json';
import blas from '../gallery/blas-alpha-beta.wgsl';
import splitKBindings from '../gallery/split-k-z.json';
import splitK from '../gallery/split-k-z.wgsl';
import { randomOf, shuffled } from '../support/random.ts';

export const DEVICES = [1, 2, 3, 4, 5, 7, 8, 13, 16, 32, 64];

/** Sizes at which a case takes a fraction of a second on a software adapter. */
export const SHAPES = [
  { m: 1, n: 1, k: 5 }, // one element: all chunks but one are empty
  { m: 3, n: 61, k: 1 }, // fewer rows than most device counts
  { m: 37, n: 53, k: 29 }, // primes
  { m: 59, n: 47, k: 3 },
  { m: 151, n: 5, k: 7 }, // tall
  { m: 7, n: 131, k: 11 }, // wide
  { m: 64, n: 64, k: 16 }, // divides evenly
  { m: 24, n: 72, k: 8 },
] as const;

/**
 * Undefined: the default, which divides the chunks where it can. The others straddle, mostly. Large ones are left to the
 * pairwise cover: a software adapter takes seconds to compile them.
 */
const TILES = [undefined, '8x8x2', '16x20x4', '32x16x8', '5x7x3', '4x4x1'];
/** The check of normal operands reads each device's part of each chunk back: beyond this many devices that takes seconds. */
const MOST_NORMAL = 16;
/** Tiles over all devices beyond which a case takes seconds; larger tiles and the default are taken then. */
const MOST_TILES = 2048;

const TRACKERS: readonly SpecRequest[] = [
  {},
  { trackerSets: 2, trackerWays: 1, overflow: 'spill' },
  { trackerSets: 1, trackerWays: 2, overflow: 'stall' },
  { trackerSets: 4, trackerWays: 4, overflow: 'stall' },
];

/** Dealt out evenly over all cases, each in a random order of its own. */
const DEALT = {
  tile: [0, 1, 2, 3, 4, 5],
  stageTiles: [undefined, 1, 3, 1000],
  triggerTiles: [1, 3, 8],
  lag: [1, 2, 3, 7],
  skew: [0, 0.5, 1.7, 4],
  wavefront: [64, 4],
  tracker: [0, 1, 2, 3],
  splits: [1, 1, 2, 3],
  triggers: ['host', 'device'],
  operands: ['exact', 'exact', 'exact', 'normal'],
  baseline: [true, false, false, false, false, false, false, false],
} as const;

type Foreign = NonNullable<SpecRequest['foreign']>;

const foreign = (name: string, source: string, bindings: unknown): Foreign => ({ name: `${name}.wgsl`, source, ...completeBindings(source, parseBindings(bindings, name), undefined) });

/** Split-K, a batch with gaps between its rows, and an epilogue: what no kernel has that is built in. */
export const FOREIGN: readonly Foreign[] = [foreign('split-k-z', splitK, splitKBindings), foreign('batched-transposed-strided', batched, batchedBindings), foreign('blas-alpha-beta', blas, blasBindings)];

/** The file of a foreign kernel, from the root of the checkout. */
export const fileOf = (name: string): string => `test/gallery/${name}`;

/** Built-in kernels that take operands as they are: the others have tests of their own, most adapters have no f16. */
export const BUILT_IN = KERNELS.filter(({ halves }) => !halves).map(({ name }) => name);

/** How often each combination of devices, shape, chunking, algorithm and kernel occurs; with a foreign kernel once for all of them. */
export const TIMES = 4;

export interface FullCase {
  /** The case as flags of `tilewire run`: what it is called, and what reproduces it. */
  readonly flags: string;
  readonly request: SpecRequest;
  readonly baseline: boolean;
}

/** All cases, in an order without order, so that the time of the first ones tells that of all. */
export function fullGrid(times = TIMES): FullCase[] {
  const random = randomOf(0x7465737);
  const combined = (kernels: readonly Pick<SpecRequest, 'kernelName' | 'foreign'>[]) =>
    DEVICES.flatMap((devices) => SHAPES.flatMap((shape) => (['rows', 'columns'] as const).flatMap((chunk) => (['ring', 'direct'] as const).flatMap((algorithm) => kernels.map((kernel) => ({ ...shape, devices, chunk, algorithm, ...kernel }))))));
  const core = [...Array.from({ length: times }, () => combined(BUILT_IN.map((kernelName) => ({ kernelName })))).flat(), ...combined(FOREIGN.map((of) => ({ foreign: of })))];
  const dealt = <T>(values: readonly T[]): T[] => shuffled(core.map((_, at) => values[at % values.length]), random);
  const hands = { tile: dealt(DEALT.tile), stageTiles: dealt(DEALT.stageTiles), triggerTiles: dealt(DEALT.triggerTiles), lag: dealt(DEALT.lag), skew: dealt(DEALT.skew), wavefront: dealt(DEALT.wavefront), tracker: dealt(DEALT.tracker), splits: dealt(DEALT.splits), triggers: dealt(DEALT.triggers), operands: dealt(DEALT.operands), baseline: dealt(DEALT.baseline) };
  const cases = core.map((of, at): FullCase => {
    const takes = (tile: string): boolean => of.kernelName === undefined || kernelNamed(of.kernelName)?.tileProblem(parseTile(tile)) === undefined;
    const tiles = TILES.filter((tile) => tile === undefined || (takes(tile) && tilesOf(of, tile) * of.devices <= MOST_TILES));
    const tile = of.foreign === undefined ? tiles[hands.tile[at] % tiles.length] : undefined;
    const tracker = TRACKERS[hands.tracker[at]];
    const request: SpecRequest = {
      ...of,
      tile: tile === undefined ? undefined : parseTile(tile),
      stageTiles: hands.stageTiles[at],
      triggerTiles: hands.triggerTiles[at],
      lag: hands.lag[at],
      skew: hands.skew[at],
      wavefront: hands.wavefront[at],
      ...tracker,
      // A foreign kernel says itself how many splits it has; trackers on the GPU have no sets that could stall.
      splits: of.foreign === undefined ? hands.splits[at] : undefined,
      triggers: tracker.overflow === 'stall' ? 'host' : hands.triggers[at],
      operands: of.devices > MOST_NORMAL ? 'exact' : hands.operands[at],
      seed: at + 1,
    };
    const baseline = hands.baseline[at];
    return { flags: flagsOf(request, baseline), request, baseline };
  });
  return shuffled(cases, random);
}

function tilesOf({ m, n }: { readonly m: number; readonly n: number }, text: string): number {
  const tile = parseTile(text);
  return Math.ceil(m / tile.m) * Math.ceil(n / tile.n);
}

function flagsOf({ tile, foreign: kernel, ...rest }: SpecRequest, baseline: boolean): string {
  const values = { ...rest, kernel: kernel && fileOf(kernel.name), tile: tile && `${tile.m}x${tile.n}x${tile.k}` };
  const flags = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${String(value)}`]));
  return [...flags, ...(baseline ? ['--baseline'] : [])].join(' ');
}

/** A random part of the cases: the same one for the same seed. */
export function sampleOf<T>(cases: readonly T[], count: number, seed: number): T[] {
  return shuffled(cases, randomOf(seed)).slice(0, count);
}
