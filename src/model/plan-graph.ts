// The work of a Plan on D real devices: who does it and what it needs, without times. A device has one compute unit
// (its GEMM stages, in order), a link to each peer that it sends to (on a ring one; fully connected, one for each pair and
// direction) and one memory lane (what arrived is applied there). The grain is that of the Plan, stages and blocks; what
// an engine happens to do together, as the epochs of the emulation, has no place here.
// A GEMM's stores to a peer are part of their stage, and occupy neither the link nor the peer's lane: on a ring the link
// has nothing else to carry then, since a device sends its first block after its first step.
import { ELEMENT_BYTES } from '../plan/closed-forms.ts';
import { chunkOfBlock, routeOf, type Plan } from '../plan/plan.ts';

/** A GEMM stage, or a block on a link, or a block that is applied. */
export interface Work {
  readonly kind: 'gemm' | 'transfer' | 'reduction';
  /** Who computes, sends, or applies what it received. */
  readonly device: number;
  /** Place in the device's stages, or block. */
  readonly subject: number;
  /** The receiver of a transfer, the sender of what is applied; −1 of a GEMM. */
  readonly peer: number;
  /** Bytes stored, sent or applied. */
  readonly bytes: number;
  readonly resource: string;
  /** Places in the list of what must have ended. */
  readonly needs: readonly number[];
}

/** The stage in which each device computes each tile, `[device][tile]`; −1 of a tile that stores nothing. */
export function stagesOfTiles({ tiling, stages }: Plan): Int32Array[] {
  return stages.map((mine) => {
    const of = new Int32Array(tiling.tiles).fill(-1);
    mine.forEach(({ tiles }, stage) => {
      for (const tile of tiles) of[tile] = stage;
    });
    return of;
  });
}

/**
 * The fused run. A stage needs the one before it. A transfer needs whatever the sender's memory expects of its block: the
 * latest of the stages that store its tiles there, its own or a peer's, and the block applied that came from upstream.
 * Applying a block needs its transfer alone: memory takes updates in any order.
 */
export function fusedGraph(plan: Plan): Work[] {
  const { tiling, mapping, stages } = plan;
  const work: Work[] = [];
  const firstStage = stages.map((mine, device) => {
    const first = work.length;
    mine.forEach(({ tiles }, stage) => {
      const bytes = tiles.reduce((sum, tile) => sum + tiling.tileParts[tile].reduce((of, part) => of + elementsOf(plan, part), 0), 0) * ELEMENT_BYTES;
      work.push({ kind: 'gemm', device, subject: stage, peer: -1, bytes, resource: `compute ${device}`, needs: stage === 0 ? [] : [first + stage - 1] });
    });
    return first;
  });

  // A block that a device sends has its transfer at this place, and what the receiver makes of it at the next one.
  const sends = mapping.order.flatMap((order, device) => order.flatMap((chunk) => (routeOf(plan, device, chunk).whenComplete.kind === 'dma' ? blocksOf(plan, chunk) : []).map((block) => ({ device, block }))));
  const sentAt = new Map(sends.map(({ device, block }, at) => [device * tiling.blocks + block, work.length + 2 * at]));
  const stageOf = stagesOfTiles(plan);
  const lastStage = (device: number, block: number): number => {
    let last = 0;
    for (let part = tiling.blockParts[block]; part < tiling.blockParts[block + 1]; part++) last = Math.max(last, stageOf[device][tiling.partTile[part]]);
    return firstStage[device] + last;
  };
  for (const { device, block } of sends) {
    const { expects, whenComplete } = routeOf(plan, device, chunkOfBlock(plan, block));
    if (whenComplete.kind !== 'dma') continue;
    const needs = expects.map((source) => (source.kind === 'local' ? lastStage(device, block) : source.kind === 'remote' ? lastStage(source.from, block) : sentAt.get(source.from * tiling.blocks + block)! + 1));
    work.push(...moved(plan, block, device, whenComplete.to, needs, work.length));
  }
  return work;
}

/**
 * The unfused collective by itself, in the same blocks: a block is sent on once all that arrived of it in earlier rounds
 * has been applied, with no barrier between rounds. What it needs of the GEMM is left to whoever puts it behind one.
 */
export function collectiveGraph(plan: Plan): (Work & { readonly round: number })[] {
  const { tiling, mapping } = plan;
  const work: (Work & { readonly round: number })[] = [];
  /** What was applied of each block on each device in earlier rounds. */
  const applied = new Map<number, number[]>();
  mapping.rounds.forEach((moves, round) => {
    const before = work.length;
    for (const { from, to, chunk } of moves)
      for (const block of blocksOf(plan, chunk)) work.push(...moved(plan, block, from, to, applied.get(from * tiling.blocks + block) ?? [], work.length).map((each) => ({ ...each, round })));
    for (let at = before; at < work.length; at++) {
      if (work[at].kind !== 'reduction') continue;
      const key = work[at].device * tiling.blocks + work[at].subject;
      applied.set(key, [...(applied.get(key) ?? []), at]);
    }
  });
  return work;
}

/** A block sent, and what the receiver makes of it; `at` is the place of the first. */
function moved({ tiling }: Plan, block: number, from: number, to: number, needs: readonly number[], at: number): [Work, Work] {
  const bytes = tiling.blockElements[block] * ELEMENT_BYTES;
  return [
    { kind: 'transfer', device: from, subject: block, peer: to, bytes, resource: `link ${from}→${to}`, needs },
    { kind: 'reduction', device: to, subject: block, peer: from, bytes, resource: `memory ${to}`, needs: [at] },
  ];
}

/** Blocks lie in the order of their chunks. */
function blocksOf({ tiling }: Plan, chunk: number): number[] {
  const first = tiling.chunkParts[chunk];
  const end = tiling.chunkParts[chunk + 1];
  return first === end ? [] : Array.from({ length: tiling.partBlock[end - 1] - tiling.partBlock[first] + 1 }, (_, at) => tiling.partBlock[first] + at);
}

function elementsOf({ tiling: { wavefronts, pieceElements } }: Plan, part: number): number {
  let elements = 0;
  for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++) elements += pieceElements[piece];
  return elements;
}
