// Which kernels and tiles are worth a try when fused, by what they take plain.
import { chunkSizes } from '../../src/spec/chunks.ts';
import { kernelNamed } from '../../src/spec/kernels.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { ChunkAxis, GemmShape, Tile } from '../../src/spec/spec.ts';
import { nameOf, type BuiltIn } from './candidates.ts';
import type { FusedJob } from './paired.ts';
import type { Ranked } from './tournament.ts';

/** Rows or columns that tiles of the kernels are multiples of. */
const LANES = 4;

/**
 * Those that leave few cores idle at the end of a stage first: it costs a large tile more than it is ahead of a smaller one. So each at half its height
 * is worth a try as well, of which a stage has twice as many; and where chunks are narrow, the fastest as narrow as they are.
 * @param ranked plain kernels, fastest first @param cores that run workgroups at a time
 */
export async function likelyFused(job: FusedJob, ranked: readonly Ranked[], cores: number): Promise<BuiltIn[]> {
  const more = ranked.flatMap(({ choice, ms }) => [withSides(choice, { m: choice.tile.m / 2 }), ...acrossTwo(job, choice)].map((other) => ({ choice: other, ms: (ms * covered(job, other.tile)) / covered(job, choice.tile) })));
  const all = [...ranked, ...more].filter(({ choice: { name, tile } }) => kernelNamed(name)!.tileProblem(tile) === undefined);
  // A tile that was timed itself counts as that, and comes before others that are likely to be as fast.
  const distinct = new Map(all.toReversed().map((one) => [nameOf(one.choice), one]));
  const likely = await Promise.all(
    [...distinct.values()].toReversed().map(async ({ choice, ms }) => {
      const { stageTiles } = await resolveSpec({ ...job, kernelName: choice.name, tile: choice.tile });
      return { choice, ms: ms * idleCores(job, choice.tile, stageTiles, cores) };
    }),
  );
  return likely.toSorted((one, other) => one.ms - other.ms).map(({ choice }) => choice);
}

/** Elements that tiles cover, those beyond the edges of C included. */
const covered = ({ m, n }: Pick<GemmShape, 'm' | 'n'>, tile: Tile): number => Math.ceil(m / tile.m) * tile.m * Math.ceil(n / tile.n) * tile.n;

const withSides = (choice: BuiltIn, sides: Partial<Tile>): BuiltIn => ({ ...choice, tile: { ...choice.tile, ...sides } });

/** No wider than a chunk, so that none reaches over more than two: as high as it is, and four times as high. */
function acrossTwo({ m, n, devices, chunk }: FusedJob, choice: BuiltIn): BuiltIn[] {
  const least = Math.min(...chunkSizes(chunk === 'rows' ? m : n, devices).filter((size) => size > 0));
  const [along, across] = chunk === 'rows' ? (['m', 'n'] as const) : (['n', 'm'] as const);
  const width = Math.floor(least / LANES) * LANES;
  if (width === 0 || width >= choice.tile[along]) return [];
  return [1, 4].map((times) => withSides(choice, { [along]: width, [across]: times * choice.tile[across] })).filter(({ tile }) => tile[across] <= (chunk === 'rows' ? n : m));
}

/** Rounds of the cores' workgroups in the stages of the first chunk, over what there would be if the last round of each stage were full. */
export function idleCores({ m, n, chunk, devices }: Pick<GemmShape, 'm' | 'n'> & { readonly chunk: ChunkAxis; readonly devices: number }, tile: Pick<Tile, 'm' | 'n'>, stageTiles: number, cores: number): number {
  const [rows, columns] = chunk === 'rows' ? [Math.ceil(m / devices), n] : [m, Math.ceil(n / devices)];
  const tiles = Math.ceil(rows / tile.m) * Math.ceil(columns / tile.n);
  const rounds = Math.floor(tiles / stageTiles) * Math.ceil(stageTiles / cores) + Math.ceil((tiles % stageTiles) / cores);
  return (rounds * cores) / tiles;
}
