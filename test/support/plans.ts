// Random requests for Plans: small, so that a test can recompute everything element by element, and odd: tiles that
// do not divide the chunks, more devices than rows, owner maps that are no rectangles, split-K, batches.
import * as fc from 'fast-check';
import { gridFootprint, type Footprint } from '../../src/plan/footprint.ts';
import { planOf, type Plan } from '../../src/plan/plan.ts';
import type { LaneRectangle } from '../../src/spec/kernel-layouts.ts';
import { ALGORITHMS, type Algorithm, type ChunkAxis } from '../../src/spec/spec.ts';
import { randomOf, shuffled } from './random.ts';

/** Workgroups in a grid, each with lanesX × lanesY lanes of threadM × threadN elements. */
export interface GridTiles {
  readonly kind: 'grid';
  readonly threadM: number;
  readonly threadN: number;
  readonly lanesX: number;
  readonly lanesY: number;
  readonly wavefront: number;
}

/** Every element belongs to a wavefront drawn by lot: no rectangles, no order, some workgroups without any. */
export interface ScatteredTiles {
  readonly kind: 'scattered';
  readonly tiles: number;
  readonly wavefronts: number;
  readonly seed: number;
}

/** Split-K: for each tile a workgroup of every split, drawn by lot. Along x the splits' ids alternate, along z one split's follow the other's. */
export interface Splits {
  readonly count: number;
  readonly axis: 'x' | 'z';
  readonly seed: number;
}

export interface PlanCase {
  /** Rows of one matrix of the batch. */
  readonly m: number;
  readonly n: number;
  readonly devices: number;
  readonly algorithm: Algorithm;
  readonly chunk: ChunkAxis;
  readonly stageTiles: number;
  readonly triggerTiles: number;
  readonly tiles: GridTiles | ScatteredTiles;
  /** One, where left out. */
  readonly splits?: Splits | undefined;
  readonly batch?: number;
}

export function lanesOf({ threadM, threadN, lanesX, lanesY }: GridTiles): LaneRectangle[] {
  return Array.from({ length: lanesX * lanesY }, (_, lane) => ({ row: Math.floor(lane / lanesX) * threadM, column: (lane % lanesX) * threadN, rows: threadM, columns: threadN }));
}

export function footprintFor({ m, n, tiles, splits, batch = 1 }: Pick<PlanCase, 'm' | 'n' | 'tiles' | 'splits' | 'batch'>): Footprint {
  const whole = tiles.kind === 'scattered' ? scattered(batch * m, n, batch, tiles) : stacked(m, n, batch, tiles);
  return splits === undefined ? whole : split(whole, splits);
}

/** Elements of all matrices alike: a workgroup may store to several of them. */
function scattered(m: number, n: number, batch: number, { tiles, wavefronts, seed }: ScatteredTiles): Footprint {
  const random = randomOf(seed);
  return { m, n, batch, grid: [tiles, 1, 1], wavefronts, owner: Uint32Array.from({ length: m * n }, () => random(tiles * wavefronts)), twins: [] };
}

/** A grid for each matrix, one behind the other along z. */
function stacked(m: number, n: number, batch: number, tiles: GridTiles): Footprint {
  const tile = { m: tiles.threadM * tiles.lanesY, n: tiles.threadN * tiles.lanesX };
  const one = gridFootprint({ m, n }, tile, [Math.ceil(n / tile.n), Math.ceil(m / tile.m), 1], lanesOf(tiles).map((lane) => [lane]), tiles.wavefront);
  const [x, y] = one.grid;
  const owner = Uint32Array.from({ length: batch * m * n }, (_, at) => one.owner[at % (m * n)] + Math.floor(at / (m * n)) * x * y * one.wavefronts);
  return { ...one, m: batch * m, batch, grid: [x, y, batch], owner };
}

/** What a footprint says of the workgroup that stores nothing. */
export const NO_TWIN = 0xffffffff;

function split(footprint: Footprint, { count, axis, seed }: Splits): Footprint {
  const random = randomOf(seed);
  const { grid: [x, y, z], wavefronts, owner } = footprint;
  const workgroups = x * y * z;
  const ids = Array.from({ length: workgroups }, (_, w) => w);
  const idOf = (of: number, workgroup: number): number => (axis === 'z' ? of * workgroups + workgroup : workgroup * count + of);
  const storing = new Set(Array.from(owner, (who) => Math.floor(who / wavefronts)));
  const twins = Array.from({ length: count - 1 }, (_, further) => {
    const twin = new Uint32Array(count * workgroups).fill(NO_TWIN);
    shuffled(ids, random).forEach((other, workgroup) => {
      if (storing.has(workgroup)) twin[idOf(0, workgroup)] = idOf(further + 1, other);
    });
    return twin;
  });
  return {
    ...footprint,
    grid: axis === 'z' ? [x, y, count * z] : [count * x, y, z],
    owner: owner.map((who) => idOf(0, Math.floor(who / wavefronts)) * wavefronts + (who % wavefronts)),
    twins,
  };
}

export const planFor = (given: PlanCase): Plan => planOf(given, footprintFor(given));

/** The chunk that holds `index` (0 ≤ index < length) of a dimension that is cut over the devices. */
export function chunkOf(length: number, devices: number, index: number): number {
  const short = Math.floor(length / devices);
  const longer = length % devices;
  const firstShort = longer * (short + 1);
  return index < firstShort ? Math.floor(index / (short + 1)) : longer + Math.floor((index - firstShort) / short);
}

/** The chunk that holds an element of the output: those of a batch go on from matrix to matrix. */
export const chunkHolding = ({ m, n, devices, chunk }: PlanCase, row: number, column: number): number =>
  Math.floor(row / m) * devices + (chunk === 'rows' ? chunkOf(m, devices, row % m) : chunkOf(n, devices, column));

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const gridTiles: fc.Arbitrary<GridTiles> = fc.record({
  kind: fc.constant('grid' as const),
  threadM: upTo(4),
  threadN: upTo(4),
  lanesX: upTo(5),
  lanesY: upTo(5),
  wavefront: fc.constantFrom(1, 2, 3, 4, 8, 64),
});
const scatteredTiles: fc.Arbitrary<ScatteredTiles> = fc.record({ kind: fc.constant('scattered' as const), tiles: upTo(20), wavefronts: upTo(3), seed: fc.nat() });

const splits: fc.Arbitrary<Splits> = fc.record({ count: fc.integer({ min: 2, max: 4 }), axis: fc.constantFrom('x', 'z'), seed: fc.nat() });

export interface Sizes {
  /** Largest m and n. */
  readonly side: number;
  readonly devices: number;
}

/** Any request up to these sizes. */
export const planCases = ({ side, devices }: Sizes): fc.Arbitrary<PlanCase> =>
  fc.record({
    m: upTo(side),
    n: upTo(side),
    devices: upTo(devices),
    algorithm: fc.constantFrom(...ALGORITHMS),
    chunk: fc.constantFrom<ChunkAxis>('rows', 'columns'),
    stageTiles: fc.oneof(upTo(4), upTo(100)),
    triggerTiles: fc.oneof(upTo(3), upTo(20)),
    tiles: fc.oneof({ arbitrary: gridTiles, weight: 3 }, { arbitrary: scatteredTiles, weight: 1 }),
    splits: fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary: splits, weight: 2 }),
    batch: fc.oneof({ arbitrary: fc.constant(1), weight: 3 }, { arbitrary: fc.integer({ min: 2, max: 3 }), weight: 2 }),
  });

/** Requests in which no tile touches two chunks: the chunked side is a whole number of tiles per device. */
export const unstraddledCases = ({ side, devices }: Sizes): fc.Arbitrary<PlanCase> =>
  fc.tuple(planCases({ side, devices }), gridTiles, upTo(3)).map(([given, tiles, perChunk]) => {
    const length = given.devices * perChunk * (given.chunk === 'rows' ? tiles.threadM * tiles.lanesY : tiles.threadN * tiles.lanesX);
    return { ...given, tiles, ...(given.chunk === 'rows' ? { m: length } : { n: length }) };
  });
