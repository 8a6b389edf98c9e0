// A Plan in words and numbers: what `tilewire plan` prints and writes. Pure data, no GPU.
import type { Spec } from '../spec/spec.ts';
import { expectedLedger, type LedgerRow } from './closed-forms.ts';
import type { Source } from './mapping.ts';
import { chunkOfBlock, routeOf, type Plan } from './plan.ts';

export interface PlanStep {
  readonly step: number;
  readonly chunk: number;
  /** Device whose memory takes this step's stores. */
  readonly storesTo: number;
  readonly expects: readonly Source[];
  readonly whenComplete: 'untracked' | 'done' | { readonly dmaTo: number };
  readonly tiles: number;
  readonly stages: number;
}

export interface PlanSummary {
  readonly chunks: readonly { readonly start: number; readonly length: number; readonly elements: number; readonly tiles: number; readonly tileIds: string; readonly blocks: number }[];
  readonly tiles: number;
  /** Tiles that touch more than one chunk. */
  readonly straddling: number;
  readonly wavefronts: number;
  /** Over all devices. */
  readonly stages: number;
  readonly trackedPieces: number;
  readonly dmaBlocks: number;
  /** What each device does, step by step. */
  readonly devices: readonly (readonly PlanStep[])[];
  /** Closed forms that the run's byte ledger must meet. */
  readonly ledger: readonly LedgerRow[];
}

/** Tiles with a part of the chunk, as ranges of ids: `0-3, 8-11`, cut after a few. */
export function tilesOf({ tiling }: Plan, chunk: number): string {
  const ranges: [number, number][] = [];
  for (const tile of tiling.partTile.subarray(tiling.chunkParts[chunk], tiling.chunkParts[chunk + 1])) {
    const last = ranges.at(-1);
    if (last !== undefined && tile === last[1] + 1) last[1] = tile;
    else ranges.push([tile, tile]);
  }
  const shown = ranges.slice(0, SHOWN_RANGES).map(([from, to]) => (from === to ? String(from) : `${from}-${to}`));
  return shown.length === 0 ? 'none' : shown.join(', ') + (ranges.length > SHOWN_RANGES ? `, … (${ranges.length} ranges)` : '');
}

const SHOWN_RANGES = 6;

export function summaryOf(spec: Pick<Spec, 'algorithm'>, plan: Plan): PlanSummary {
  const { tiling, mapping, devices } = plan;
  const ids = Array.from({ length: devices }, (_, d) => d);
  let trackedPieces = 0;
  for (let piece = 0; piece < tiling.pieceElements.length; piece++)
    if (tiling.pieceElements[piece] > 0) trackedPieces += ids.filter((d) => routeOf(plan, d, tiling.partChunk[Math.floor(piece / tiling.wavefronts)]).expects.length > 0).length;
  const blocksOf = tiling.chunks.map(() => 0);
  let dmaBlocks = 0;
  for (let block = 0; block < tiling.blocks; block++) {
    const chunk = chunkOfBlock(plan, block);
    blocksOf[chunk]++;
    dmaBlocks += ids.filter((d) => routeOf(plan, d, chunk).whenComplete.kind === 'dma').length;
  }
  return {
    chunks: tiling.chunks.map(({ row, column, rows, columns, elements }, j) => ({ ...(tiling.axis === 'rows' ? { start: row, length: rows } : { start: column, length: columns }), elements, tiles: tiling.chunkParts[j + 1] - tiling.chunkParts[j], tileIds: tilesOf(plan, j), blocks: blocksOf[j] })),
    tiles: tiling.tiles,
    straddling: tiling.tileParts.filter((parts) => parts.length > 1).length,
    wavefronts: tiling.wavefronts,
    stages: plan.stages.reduce((sum, stages) => sum + stages.length, 0),
    trackedPieces,
    dmaBlocks,
    devices: ids.map((d) =>
      mapping.order[d].map((chunk, step): PlanStep => {
        const { storeTo, expects, whenComplete } = routeOf(plan, d, chunk);
        const stages = plan.stages[d].filter((stage) => stage.step === step);
        return {
          step: step + 1,
          chunk,
          storesTo: storeTo,
          expects,
          whenComplete: whenComplete.kind === 'dma' ? { dmaTo: whenComplete.to } : whenComplete.kind,
          tiles: stages.reduce((sum, { tiles }) => sum + tiles.length, 0),
          stages: stages.length,
        };
      }),
    ),
    ledger: expectedLedger(spec.algorithm, plan),
  };
}
