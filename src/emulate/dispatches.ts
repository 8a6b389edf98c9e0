// From tiles to dispatches: the tiles of a stage that lie in one chunk go into one dispatch that stores to one chunk
// memory; those that straddle go by the chunks they touch, in dispatches of their own. A tile that touches more chunks
// than a dispatch can store to runs again with its other stores masked, and the extra FLOPs are counted.
import type { Where } from '../gpu/tracked-text.ts';
import type { Plan } from '../plan/plan.ts';
import type { Chunk } from '../plan/tiling.ts';

export interface Dispatch {
  /** Chunks that it stores to, in order. */
  readonly slots: readonly number[];
  readonly tiles: readonly number[];
  readonly where: Where;
}

/** Groups tiles by the chunks they touch; unstraddled tiles first, then by first chunk. */
export function dispatchesOf({ tiling }: Plan, tiles: readonly number[], maxSlots: number): Dispatch[] {
  const groups = new Map<string, { slots: number[]; tiles: number[] }>();
  for (const tile of tiles) {
    const slots = tiling.tileParts[tile].map((part) => tiling.partChunk[part]);
    const key = slots.join();
    const group = groups.get(key) ?? { slots, tiles: [] };
    groups.set(key, group);
    group.tiles.push(tile);
  }
  return [...groups.values()]
    .toSorted((one, other) => one.slots.length - other.slots.length || one.slots[0] - other.slots[0])
    .flatMap(({ slots, tiles }) =>
      Array.from({ length: Math.ceil(slots.length / maxSlots) }, (_, pass) => ({
        slots: slots.slice(pass * maxSlots, (pass + 1) * maxSlots),
        tiles,
        where: whereOf(tiling, slots, maxSlots),
      })),
    );
}

/** Where the stores of tiles go that touch these chunks, `maxSlots` of them at a time. */
function whereOf(tiling: Plan['tiling'], slots: readonly number[], maxSlots: number): Where {
  if (slots.length === 1) return 'one';
  return slots.length <= maxSlots && areInOrder(tiling, slots) ? 'ordered' : 'masked';
}

/** Whether these chunks, all that a tile touches, are told apart by where each begins along the axis: those of one matrix are. */
function areInOrder({ axis, chunks }: Plan['tiling'], slots: readonly number[]): boolean {
  const across = ({ row, rows, column, columns }: Chunk): string => (axis === 'rows' ? `${column} ${columns}` : `${row} ${rows}`);
  return slots.every((slot) => across(chunks[slot]) === across(chunks[slots[0]]));
}

/** FLOPs of the masked reruns, over all devices: 2·K per element of a tile, for each time that it runs again. */
export function extraFlops({ tiling }: Plan, kTotal: number, maxSlots: number): number {
  let elements = 0;
  for (const parts of tiling.tileParts) {
    const reruns = Math.ceil(parts.length / maxSlots) - 1;
    if (reruns <= 0) continue;
    for (const part of parts)
      for (let w = 0; w < tiling.wavefronts; w++) elements += reruns * tiling.pieceElements[part * tiling.wavefronts + w];
  }
  return elements * 2 * kTotal;
}

/** Chunks that a workgroup may touch without a word: a tile across a boundary, or across a corner of two. */
const FEW_CHUNKS = 2;

/** Of kernels whose workgroups write all over the output (persistent ones): what that costs. */
export function straddlingNotes(plan: Plan, kTotal: number, maxSlots: number): { path: string; reason: string }[] {
  const { tiling, mapping, stages, devices } = plan;
  const wide = tiling.tileParts.filter((parts) => parts.length > FEW_CHUNKS);
  if (wide.length === 0) return [];
  const most = wide.reduce((chunks, parts) => Math.max(chunks, parts.length), 0);
  const workgroups = tiling.tileParts.filter((parts) => parts.length > 0).length;
  // Parts that are computed in an earlier step than that of their chunk, on device 0; the others differ by a rotation.
  let early = 0;
  for (const { step, tiles } of stages[0])
    for (const part of tiles.flatMap((tile) => tiling.tileParts[tile]))
      if (mapping.order[0].indexOf(tiling.partChunk[part]) > step) for (let w = 0; w < tiling.wavefronts; w++) early += tiling.pieceElements[part * tiling.wavefronts + w];
  const extra = extraFlops(plan, kTotal, maxSlots);
  const share = (part: number, of: number): string => `${((100 * part) / of).toFixed(part / of < 0.1 ? 1 : 0)} %`;
  const rerun = tiling.tileParts.filter((parts) => parts.length > maxSlots).length;
  return [
    {
      path: 'measured.extraFlops',
      reason: `${wide.length} of ${workgroups} workgroups store to ${most === tiling.chunks.length ? 'all' : `up to ${most}`} of the ${tiling.chunks.length} chunks, as persistent kernels do: ${share(early, tiling.m * tiling.n)} of the output is computed before the step of its chunk, so much of the staggering over ${devices} devices is lost; ${
        extra === 0 ? 'none has to run again' : `${rerun} run again for the chunks that do not fit into one dispatch (it stores to ${maxSlots}): ${extra} FLOP more, ${share(extra, 2 * tiling.m * tiling.n * kTotal)} of the GEMM`
      }`,
    },
  ];
}

/** Most chunks that any dispatch of the Plan stores to. */
export const widestDispatch = ({ tiling }: Plan, maxSlots: number): number => Math.min(maxSlots, tiling.tileParts.reduce((most, parts) => Math.max(most, parts.length), 1));

/** The part that a tile has of a chunk. */
export function partOf({ tiling }: Plan, tile: number, chunk: number): number {
  return tiling.tileParts[tile].find((part) => tiling.partChunk[part] === chunk) ?? -1;
}
