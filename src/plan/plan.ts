// Plan: what each tile does, for every device; pure data derived from a Spec and a Footprint, nothing of a
// GPU or a clock in it. Both engines execute it, `check.ts` proves it before anything runs.
import type { Algorithm, Spec, SpecDraft } from '../spec/spec.ts';
import { directReduceScatter } from './collectives/direct-reduce-scatter.ts';
import { ringReduceScatter } from './collectives/ring-reduce-scatter.ts';
import type { Footprint } from './footprint.ts';
import type { Mapping, Route } from './mapping.ts';
import { tilingOf, type Tiling } from './tiling.ts';

/** Tiles that a device computes together, within one step: one dispatch in the emulation. */
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
}

const REDUCE_SCATTER: Record<Algorithm, (devices: number) => Mapping> = { ring: ringReduceScatter, direct: directReduceScatter };

/** Stages per step where the Spec leaves them open. */
const STAGES_PER_STEP = 4;

/** The Spec with its stages settled: a quarter, rounded up, of the tiles that the largest chunk is found to have. */
export function settled(draft: SpecDraft, footprint: Footprint): Spec {
  if (draft.stageTiles !== null) return { ...draft, stageTiles: draft.stageTiles };
  const { chunkParts } = tilingOf(footprint, draft.chunk, draft.devices, draft.triggerTiles);
  let most = 1;
  for (let chunk = 0; chunk < draft.devices; chunk++) most = Math.max(most, chunkParts[chunk + 1] - chunkParts[chunk]);
  return { ...draft, stageTiles: Math.ceil(most / STAGES_PER_STEP) };
}

/** Expands the Spec's collective over the footprint's tiles. */
export function planOf(spec: Pick<Spec, 'devices' | 'algorithm' | 'chunk' | 'stageTiles' | 'triggerTiles'>, footprint: Footprint): Plan {
  const mapping = REDUCE_SCATTER[spec.algorithm](spec.devices);
  const tiling = tilingOf(footprint, spec.chunk, spec.devices, spec.triggerTiles);
  return { devices: spec.devices, mapping, tiling, stages: mapping.order.map((order) => stagesOf(tiling, order, spec.stageTiles)) };
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

/** Elements that must land on a piece in this device's memory before it is complete; 0 when it is not tracked there. */
export const thresholdOf = ({ tiling, mapping }: Plan, device: number, piece: number): number =>
  tiling.pieceElements[piece] * mapping.routes[device][tiling.partChunk[Math.floor(piece / tiling.wavefronts)]].expects.length;

export const chunkOfBlock = ({ tiling }: Plan, block: number): number => tiling.partChunk[tiling.blockParts[block]];

/** The existing pieces of a block. */
export function* piecesOfBlock({ tiling }: Plan, block: number): Generator<number> {
  const { wavefronts, blockParts, pieceElements } = tiling;
  for (let piece = blockParts[block] * wavefronts; piece < blockParts[block + 1] * wavefronts; piece++) if (pieceElements[piece] > 0) yield piece;
}
