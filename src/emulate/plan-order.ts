// The plan-order reference of real mode: what the result must be bit for bit. Each device's contribution is made again
// by the same variant of the same kernel with every op a store, and the contributions are added on the host in the order
// in which the event log says that the updates were applied. f32 addition is exactly rounded on both sides.
import type { EventLog } from '../events/log.ts';
import { Arena, readBack, type Gpu } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { ownerOf, splitsOf, type Plan } from '../plan/plan.ts';
import { elementAt } from '../plan/tiling.ts';
import type { Spec } from '../spec/spec.ts';
import { bitsWrong } from '../verify/exact.ts';
import { widestDispatch } from './dispatches.ts';
import type { Gemms } from './gemms.ts';
import { ranges, type DeviceMemory } from './memory.ts';
import { TrackedGemm } from './tracked-gemm.ts';

export interface PlanOrder {
  /** Null when the log does not add up to the result, with the reason. */
  readonly exact: boolean | null;
  readonly reason?: string;
  /** Elements that differ, the first of each row, by row. */
  readonly different: readonly Different[];
  /** Share of all elements that were made again and compared. */
  readonly coverage: number;
}

export interface PlanOrderInput {
  readonly gpu: Gpu;
  readonly spec: Spec;
  readonly plan: Plan;
  readonly gemms: Gemms;
  readonly memory: Pick<DeviceMemory, 'operands' | 'reach'>;
  readonly log: EventLog;
  /** Rows of C out of which some are taken, with all that the tiles hold which they touch; null for all of C. */
  readonly among: Uint32Array | null;
}

/** Of all elements, what the tiles that are made again may hold, unless one row touches more. */
const MOST_SHARE = 1 / 32;

export interface Different {
  readonly row: number;
  readonly column: number;
  readonly expected: number;
  readonly actual: number;
}

/** What was added up in one memory, in order: a device's partial product, by its number, or a sum that another memory sent. */
export type Sum = readonly (number | Sum)[];

/**
 * For each part, how its result came about, by the log; null where the log does not tell. A contribution is that of
 * split s of device d, number d · splits + s; splits of a device are made in their order.
 */
export function sums(plan: Plan, log: EventLog): (Sum | null)[] {
  const { tiling, devices } = plan;
  const splits = splitsOf(plan);
  const updates = new Map<number, { readonly from: number; readonly via: 'store' | 'apply' }[]>();
  for (const { kind, device, subject, peer } of log) {
    if (kind !== 'store' && kind !== 'apply') continue;
    const memory = kind === 'store' ? peer : device;
    const key = memory * tiling.parts + subject;
    const list = updates.get(key) ?? [];
    updates.set(key, list);
    list.push({ from: kind === 'store' ? device : peer, via: kind });
  }
  const sum = (memory: number, part: number, depth: number): Sum | null => {
    if (depth > devices) return null;
    const stored = new Map<number, number>();
    const terms: (number | Sum)[] = [];
    for (const { from, via } of updates.get(memory * tiling.parts + part) ?? []) {
      const term = via === 'apply' ? sum(from, part, depth + 1) : from * splits + (stored.get(from) ?? 0);
      if (term === null) return null;
      if (via === 'store') stored.set(from, (stored.get(from) ?? 0) + 1);
      terms.push(term);
    }
    return terms;
  };
  return Array.from({ length: tiling.parts }, (_, part) => sum(ownerOf(plan, tiling.partChunk[part]), part, 0));
}

const termsOf = (sum: Sum): number[] => sum.flatMap((term) => (typeof term === 'number' ? [term] : termsOf(term)));

/** Whether each of `contributions` partial products is in the sum once. */
const isWhole = (sum: Sum | null, contributions: number): boolean => {
  const terms = sum === null ? [] : termsOf(sum);
  return terms.length === contributions && new Set(terms).size === contributions;
};

/**
 * Rows of `among` whose tiles hold at most `MOST_SHARE` of C, the first always; of each row the tiles that it touches, as flags.
 * Rows come in an order that begins far apart, by the golden ratio.
 */
export function tilesOfRows(plan: Plan, among: Uint32Array): { readonly tiles: Uint8Array; readonly rows: number } {
  const { tiling } = plan;
  const elements = tiling.m * tiling.n;
  const tiles = new Uint8Array(tiling.tiles);
  const touching = partsByRow(plan);
  const order = [...among.keys()].map((at) => ({ row: among[at], key: (at * 0.6180339887498949) % 1 })).toSorted((one, other) => one.key - other.key);
  let rows = 0;
  let taken = 0;
  for (const { row } of order) {
    const more = touching(row).filter((tile) => tiles[tile] === 0);
    const cost = more.reduce((sum, tile) => sum + elementsOfTile(plan, tile), 0);
    if (rows > 0 && taken + cost > MOST_SHARE * elements) continue;
    for (const tile of more) tiles[tile] = 1;
    taken += cost;
    rows++;
  }
  return { tiles, rows };
}

function elementsOfTile({ tiling }: Plan, tile: number): number {
  let sum = 0;
  for (const part of tiling.tileParts[tile]) for (let piece = part * tiling.wavefronts; piece < (part + 1) * tiling.wavefronts; piece++) sum += tiling.pieceElements[piece];
  return sum;
}

/** Tiles that store something of a row of C. */
function partsByRow({ tiling }: Plan): (row: number) => number[] {
  return (row) => {
    const found = new Set<number>();
    for (const [j, chunk] of tiling.chunks.entries()) {
      if (row < chunk.row || row >= chunk.row + chunk.rows || chunk.elements === 0) continue;
      const from = (row - chunk.row) * chunk.columns;
      for (let part = tiling.chunkParts[j]; part < tiling.chunkParts[j + 1]; part++)
        for (let run = tiling.pieceRuns[part * tiling.wavefronts]; run < tiling.pieceRuns[(part + 1) * tiling.wavefronts]; run++)
          if (tiling.runs[2 * run] < from + chunk.columns && tiling.runs[2 * run] + tiling.runs[2 * run + 1] > from) {
            found.add(tiling.partTile[part]);
            break;
          }
    }
    return [...found];
  };
}

/** @param after what the owner adds to an element at last @param result bits of the m × n result, row-major */
export async function checkPlanOrder({ gpu, spec, plan, gemms, memory, log, among }: PlanOrderInput, after: ((row: number, column: number) => number) | null, result: Uint32Array, progress: (done: number) => void): Promise<PlanOrder> {
  const { tiling, devices } = plan;
  const splits = splitsOf(plan);
  const order = sums(plan, log);
  const broken = order.findIndex((sum) => !isWhole(sum, devices * splits));
  if (broken >= 0) return { exact: null, reason: `part ${broken} does not add up every device's contribution once`, different: [], coverage: 0 };
  const chosen = among === null ? null : tilesOfRows(plan, among).tiles;
  let compared = 0;
  const arena = new Arena(gpu);
  try {
    const tracked = await TrackedGemm.create(gpu, arena, spec, plan, gemms, memory, [undefined]);
    const largest = Math.max(...tiling.chunks.map(({ elements }) => elements)) * 4;
    const counters = arena.storage('unused counters', tiling.parts * tiling.wavefronts * 4);
    // Joint where those of the run are: it must be the very same variants.
    const [mine, ...beside] = ranges(arena, 'contribution and beside', Array.from({ length: widestDispatch(plan, memory.reach.maxSlots) }, (_, at) => ({ label: at === 0 ? 'contribution' : `beside ${at - 1}`, bytes: largest })), memory.reach.joint);
    const different = new Map<number, Different>();
    for (const [j, chunk] of tiling.chunks.entries()) {
      if (chunk.elements === 0) continue;
      const tiles = [...tiling.partTile.subarray(tiling.chunkParts[j], tiling.chunkParts[j + 1])].filter((tile) => chosen?.[tile] !== 0);
      if (tiles.length === 0) continue;
      const contributions: Float32Array[] = [];
      for (let contribution = 0; contribution < devices * splits; contribution++) {
        const device = Math.floor(contribution / splits);
        for (let from = 0; from < tiles.length; from += spec.stageTiles) {
          const records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
          const jobs = tracked
            .dispatches(tiles.slice(from, from + spec.stageTiles))
            .filter(({ slots }) => slots.includes(j))
            .map((dispatch) => {
              const bits = dispatch.tiles.map(() => dispatch.slots.map(() => 0));
              const others = dispatch.slots.filter((slot) => slot !== j);
              const memories = dispatch.slots.map((slot) => (slot === j ? mine : beside[others.indexOf(slot)]));
              return tracked.job(records, { device, split: contribution % splits, dispatch, bits, buffers: { operands: memory.operands[device], counters, memories }, muted: undefined });
            });
          const commands = gpu.device.createBuffer({ label: 'plan order', size: Math.max(4, records.bytes), usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
          gpu.device.queue.writeBuffer(commands, 0, records.words, 0, records.bytes / 4);
          const encoder = gpu.device.createCommandEncoder();
          const pass = encoder.beginComputePass();
          for (const { kernel, workgroups, bind } of jobs) {
            pass.setPipeline(kernel.pipeline);
            bind(commands).forEach((group, index) => pass.setBindGroup(index, group));
            pass.dispatchWorkgroups(workgroups);
          }
          pass.end();
          gpu.device.queue.submit([encoder.finish()]);
          commands.destroy();
        }
        contributions.push(new Float32Array((await readBack(gpu, mine.buffer, chunk.elements * 4, mine.offset)).buffer));
      }
      compared += compareChunk(plan, j, chosen, order as readonly Sum[], contributions, after, result, different);
      progress(j + 1);
    }
    gpu.check();
    return { exact: different.size === 0, coverage: compared / result.length, different: [...different.values()].toSorted((one, other) => one.row - other.row || one.column - other.column) };
  } finally {
    arena.destroy();
  }
}

/** @returns elements compared */
function compareChunk({ tiling }: Plan, j: number, chosen: Uint8Array | null, order: readonly Sum[], contributions: readonly Float32Array[], after: ((row: number, column: number) => number) | null, result: Uint32Array, different: Map<number, Different>): number {
  const chunk = tiling.chunks[j];
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  let compared = 0;
  const valueOf = (sum: Sum, at: number): number => {
    let total = 0;
    for (let index = 0; index < sum.length; index++) {
      const term = sum[index];
      const next = typeof term === 'number' ? contributions[term][at] : valueOf(term, at);
      total = index === 0 ? next : Math.fround(total + next);
    }
    return total;
  };
  for (let part = tiling.chunkParts[j]; part < tiling.chunkParts[j + 1]; part++) {
    if (chosen?.[tiling.partTile[part]] === 0) continue;
    for (let run = tiling.pieceRuns[part * tiling.wavefronts]; run < tiling.pieceRuns[(part + 1) * tiling.wavefronts]; run++)
      for (let at = tiling.runs[2 * run], end = at + tiling.runs[2 * run + 1]; at < end; at++) {
        compared++;
        const { row, column } = elementAt(chunk, at);
        value[0] = valueOf(order[part], at);
        if (after !== null) value[0] += after(row, column);
        const actual = result[row * tiling.n + column];
        if (bitsWrong(bits[0], actual) && !different.has(row)) different.set(row, { row, column, expected: value[0], actual: new Float32Array(Uint32Array.of(actual).buffer)[0] });
      }
  }
  return compared;
}
