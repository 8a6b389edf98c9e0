// Plan: what each tile does, for every device; pure data derived from a Spec and a Footprint, nothing of a
// GPU or a clock in it. Both engines execute it, `check.ts` proves it before anything runs.
import { defaultStageTiles } from '../spec/chunks.ts';
import type { Algorithm, Spec, SpecDraft } from '../spec/spec.ts';
import { chunkRingReduceScatter } from './collectives/chunk-ring-reduce-scatter.ts';
import { directReduceScatter } from './collectives/direct-reduce-scatter.ts';
import { ringReduceScatter } from './collectives/ring-reduce-scatter.ts';
import type { Footprint } from './footprint.ts';
import { batched, type Mapping, type Route, type Source } from './mapping.ts';
import { tilingOf, type Tiling } from './tiling.ts';

/** Tiles that a device computes together, within one step: one dispatch in the emulation, or one for each split. */
export interface Stage {
  /** 0-based position in the device's chunk order. */
  readonly step: number;
  readonly tiles: readonly number[];
}

export interface Plan {
  readonly devices: number;
  readonly mapping: Mapping;
  readonly tiling: Tiling;
  /** Per device, in order; a tile that straddles chunks is in the earliest step of any of them. */
  readonly stages: readonly (readonly Stage[])[];
  /** As the footprint has them: tile t of split s + 1 is workgroup `twins[s][t]`; a tile's id is that of split 0. */
  readonly twins: readonly Uint32Array[];
}

export const REDUCE_SCATTERS: { readonly [A in Algorithm]: (devices: number) => Mapping } = { ring: ringReduceScatter, direct: directReduceScatter, 'chunk-ring': chunkRingReduceScatter };

/** The Spec with its stages settled: by the tiles that the largest chunk is found to have. */
export function settled(draft: SpecDraft, footprint: Footprint): Spec {
  if (draft.stageTiles !== null) return { ...draft, stageTiles: draft.stageTiles };
  const { chunkParts } = tilingOf(footprint, draft.chunk, draft.devices, draft.triggerTiles);
  let most = 1;
  for (let chunk = 0; chunk + 1 < chunkParts.length; chunk++) most = Math.max(most, chunkParts[chunk + 1] - chunkParts[chunk]);
  return { ...draft, stageTiles: defaultStageTiles(most, draft.devices) };
}

/** Expands the Spec's collective over the footprint's tiles. */
export function planOf(spec: Pick<Spec, 'devices' | 'algorithm' | 'chunk' | 'stageTiles' | 'triggerTiles'>, footprint: Footprint): Plan {
  const mapping = batched(REDUCE_SCATTERS[spec.algorithm](spec.devices), footprint.batch);
  return planOfMapping(mapping, tilingOf(footprint, spec.chunk, spec.devices, spec.triggerTiles), spec.stageTiles, footprint.twins);
}

/**
 * Expands any mapping over any tiling: collectives that no Spec names, tilings that are known without a footprint (grid-tiling.ts).
 * Where `stageTiles` is left out, a stage is a whole step.
 */
export function planOfMapping(mapping: Mapping, tiling: Tiling, stageTiles = Infinity, twins: Plan['twins'] = []): Plan {
  return { devices: mapping.order.length, mapping, tiling, stages: mapping.order.map((order) => stagesOf(tiling, order, stageTiles)), twins };
}

function stagesOf(tiling: Tiling, order: readonly number[], stageTiles: number): Stage[] {
  const done = new Uint8Array(tiling.tiles);
  return order.flatMap((chunk, step) => {
    const tiles: number[] = [];
    for (let part = tiling.chunkParts[chunk]; part < tiling.chunkParts[chunk + 1]; part++) {
      const tile = tiling.partTile[part];
      if (done[tile] === 0) tiles.push(tile);
      done[tile] = 1;
    }
    const stages: Stage[] = [];
    for (let from = 0; from < tiles.length; from += stageTiles) stages.push({ step, tiles: tiles.slice(from, from + stageTiles) });
    return stages;
  });
}

export const routeOf = (plan: Plan, device: number, chunk: number): Route => plan.mapping.routes[device][chunk];

/** Device on which the result of a chunk ends. */
export const ownerOf = ({ mapping }: Plan, chunk: number): number => mapping.routes.findIndex((routes) => routes[chunk].whenComplete.kind === 'done');

/** Split-K: partial products of each element that a GEMM stores. */
export const splitsOf = ({ twins }: Pick<Plan, 'twins'>): number => twins.length + 1;

/** Updates of each element that a source makes: a GEMM's stores one for each split, a DMA one. */
export const updatesOf = (plan: Pick<Plan, 'twins'>, source: Source): number => (source.kind === 'dma' ? 1 : splitsOf(plan));

/** Elements that must land on a piece in this device's memory before it is complete; 0 when it is not tracked there. */
export function thresholdOf(plan: Plan, device: number, piece: number): number {
  const { tiling, mapping } = plan;
  const { expects } = mapping.routes[device][tiling.partChunk[Math.floor(piece / tiling.wavefronts)]];
  return tiling.pieceElements[piece] * expects.reduce((sum, source) => sum + updatesOf(plan, source), 0);
}

export const chunkOfBlock = ({ tiling }: Plan, block: number): number => tiling.partChunk[tiling.blockParts[block]];

/** The existing pieces of a block. */
export function* piecesOfBlock({ tiling }: Plan, block: number): Generator<number> {
  const { wavefronts, blockParts, pieceElements } = tiling;
  for (let piece = blockParts[block] * wavefronts; piece < blockParts[block + 1] * wavefronts; piece++) if (pieceElements[piece] > 0) yield piece;
}
