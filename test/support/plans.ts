// Random requests for Plans: small, so that a test can recompute everything element by element, and odd: tiles that
// do not divide the chunks, more devices than rows, owner maps that are no rectangles.
import * as fc from 'fast-check';
import { gridFootprint, type Footprint } from '../../src/plan/footprint.ts';
import { planOf, type Plan } from '../../src/plan/plan.ts';
import type { LaneRectangle } from '../../src/spec/kernels.ts';
import type { Algorithm, ChunkAxis } from '../../src/spec/spec.ts';
import { randomOf } from './random.ts';

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

export interface PlanCase {
  readonly m: number;
  readonly n: number;
  readonly devices: number;
  readonly algorithm: Algorithm;
  readonly chunk: ChunkAxis;
  readonly stageTiles: number;
  readonly triggerTiles: number;
  readonly tiles: GridTiles | ScatteredTiles;
}

export function lanesOf({ threadM, threadN, lanesX, lanesY }: GridTiles): LaneRectangle[] {
  return Array.from({ length: lanesX * lanesY }, (_, lane) => ({ row: Math.floor(lane / lanesX) * threadM, column: (lane % lanesX) * threadN, rows: threadM, columns: threadN }));
}

export function footprintFor({ m, n, tiles }: Pick<PlanCase, 'm' | 'n' | 'tiles'>): Footprint {
  if (tiles.kind === 'scattered') {
    const random = randomOf(tiles.seed);
    return { m, n, grid: [tiles.tiles, 1, 1], wavefronts: tiles.wavefronts, owner: Uint32Array.from({ length: m * n }, () => random(tiles.tiles * tiles.wavefronts)) };
  }
  const tile = { m: tiles.threadM * tiles.lanesY, n: tiles.threadN * tiles.lanesX };
  return gridFootprint({ m, n }, tile, [Math.ceil(n / tile.n), Math.ceil(m / tile.m), 1], lanesOf(tiles), tiles.wavefront);
}

export const planFor = (given: PlanCase): Plan => planOf(given, footprintFor(given));

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
    algorithm: fc.constantFrom<Algorithm>('ring', 'direct'),
    chunk: fc.constantFrom<ChunkAxis>('rows', 'columns'),
    stageTiles: fc.oneof(upTo(4), upTo(100)),
    triggerTiles: fc.oneof(upTo(3), upTo(20)),
    tiles: fc.oneof({ arbitrary: gridTiles, weight: 3 }, { arbitrary: scatteredTiles, weight: 1 }),
  });

/** Requests in which no tile touches two chunks: the chunked side is a whole number of tiles per device. */
export const unstraddledCases = ({ side, devices }: Sizes): fc.Arbitrary<PlanCase> =>
  fc.tuple(planCases({ side, devices }), gridTiles, upTo(3)).map(([given, tiles, perChunk]) => {
    const length = given.devices * perChunk * (given.chunk === 'rows' ? tiles.threadM * tiles.lanesY : tiles.threadN * tiles.lanesX);
    return { ...given, tiles, ...(given.chunk === 'rows' ? { m: length } : { n: length }) };
  });
