// The plan-order reference of real mode: what the result must be bit for bit. Each device's contribution is made again
// by the same variant of the same kernel with every op a store, and the contributions are added on the host in the order
// in which the event log says that the updates were applied. f32 addition is exactly rounded on both sides.
import type { EventLog } from '../events/log.ts';
import type { Gemm } from '../gpu/gemm.ts';
import { Arena, readBack, type Gpu } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import type { Plan } from '../plan/plan.ts';
import { elementAt } from '../plan/tiling.ts';
import type { Spec } from '../spec/spec.ts';
import { bitsWrong } from '../verify/exact.ts';
import { widestDispatch } from './dispatches.ts';
import type { DeviceMemory } from './memory.ts';
import { TrackedGemm } from './tracked-gemm.ts';

export interface PlanOrder {
  /** Null when the order of additions is not one chain, with the reason. */
  readonly exact: boolean | null;
  readonly reason?: string;
  /** Elements that differ, the first of each row, by row. */
  readonly different: readonly Different[];
}

export interface Different {
  readonly row: number;
  readonly column: number;
  readonly expected: number;
  readonly actual: number;
}

/**
 * For each part of each chunk, the devices in the order in which their contributions were added on the way to the owner
 * (x + y = y + x, so of two updates either may have been first); null where it is no chain.
 */
export function chains(plan: Plan, log: EventLog): (readonly number[] | null)[] {
  const { tiling, mapping } = plan;
  const updates = new Map<number, { readonly from: number; readonly via: 'store' | 'apply' }[]>();
  for (const { kind, device, subject, peer } of log) {
    if (kind !== 'store' && kind !== 'apply') continue;
    const memory = kind === 'store' ? peer : device;
    const key = memory * tiling.parts + subject;
    const list = updates.get(key) ?? [];
    updates.set(key, list);
    list.push({ from: kind === 'store' ? device : peer, via: kind });
  }
  const chain = (device: number, part: number, depth: number): readonly number[] | null => {
    const list = updates.get(device * tiling.parts + part) ?? [];
    if (depth > plan.devices) return null;
    const nested = list.filter(({ via }) => via === 'apply');
    if (nested.length === 0) return list.map(({ from }) => from);
    const at = list.indexOf(nested[0]);
    // A sum that arrives must be the first term, or the second of two.
    if (nested.length > 1 || at > 1 || (at === 1 && list.length < 2)) return null;
    const before = chain(nested[0].from, part, depth + 1);
    return before === null ? null : [...before, ...list.filter(({ via }) => via === 'store').map(({ from }) => from)];
  };
  return Array.from({ length: tiling.parts }, (_, part) => {
    const owner = mapping.routes.findIndex((routes) => routes[tiling.partChunk[part]].whenComplete.kind === 'done');
    return chain(owner, part, 0);
  });
}

/** @param result bits of the m × n result, row-major */
export async function checkPlanOrder(gpu: Gpu, spec: Spec, plan: Plan, gemm: Gemm, operands: DeviceMemory['operands'], log: EventLog, result: Uint32Array, progress: (done: number) => void): Promise<PlanOrder> {
  const { tiling, devices } = plan;
  const order = chains(plan, log);
  const broken = order.findIndex((chain) => chain === null || chain.length !== devices);
  if (broken >= 0) return { exact: null, reason: `the additions of part ${broken} are no chain over all devices`, different: [] };
  const arena = new Arena(gpu);
  try {
    const tracked = await TrackedGemm.create(gpu, arena, spec, plan, gemm, [undefined]);
    const largest = Math.max(...tiling.chunks.map(({ elements }) => elements)) * 4;
    const counters = arena.storage('unused counters', tiling.parts * tiling.wavefronts * 4);
    const mine = arena.storage('contribution', largest);
    const beside = Array.from({ length: widestDispatch(plan, gemm.maxSlots) - 1 }, (_, at) => arena.storage(`beside ${at}`, largest));
    const different = new Map<number, Different>();
    for (const [j, chunk] of tiling.chunks.entries()) {
      if (chunk.elements === 0) continue;
      const tiles = [...tiling.partTile.subarray(tiling.chunkParts[j], tiling.chunkParts[j + 1])];
      const contributions: Float32Array[] = [];
      for (let device = 0; device < devices; device++) {
        for (let from = 0; from < tiles.length; from += spec.stageTiles) {
          const records = new RecordBuffer(gpu.limits.minStorageBufferOffsetAlignment);
          const jobs = tracked
            .dispatches(tiles.slice(from, from + spec.stageTiles))
            .filter(({ slots }) => slots.includes(j))
            .map((dispatch) => {
              const bits = dispatch.tiles.map(() => dispatch.slots.map(() => 0));
              const others = dispatch.slots.filter((slot) => slot !== j);
              const memories = dispatch.slots.map((slot) => (slot === j ? mine : beside[others.indexOf(slot)]));
              return tracked.job(records, dispatch, bits, { operands: operands[device], counters, memories }, undefined);
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
        contributions.push(new Float32Array((await readBack(gpu, mine, chunk.elements * 4)).buffer));
      }
      compareChunk(plan, j, order as readonly (readonly number[])[], contributions, result, different);
      progress(j + 1);
    }
    gpu.check();
    return { exact: different.size === 0, different: [...different.values()].toSorted((one, other) => one.row - other.row || one.column - other.column) };
  } finally {
    arena.destroy();
  }
}

function compareChunk({ tiling }: Plan, j: number, order: readonly (readonly number[])[], contributions: readonly Float32Array[], result: Uint32Array, different: Map<number, Different>): void {
  const chunk = tiling.chunks[j];
  const sum = new Float32Array(1);
  const bits = new Uint32Array(sum.buffer);
  for (let part = tiling.chunkParts[j]; part < tiling.chunkParts[j + 1]; part++) {
    const [start, ...later] = order[part];
    for (let run = tiling.pieceRuns[part * tiling.wavefronts]; run < tiling.pieceRuns[(part + 1) * tiling.wavefronts]; run++)
      for (let at = tiling.runs[2 * run], end = at + tiling.runs[2 * run + 1]; at < end; at++) {
        sum[0] = contributions[start][at];
        for (const device of later) sum[0] += contributions[device][at];
        const { row, column } = elementAt(chunk, tiling.axis, at);
        const actual = result[row * tiling.n + column];
        if (bitsWrong(bits[0], actual) && !different.has(row)) different.set(row, { row, column, expected: sum[0], actual: new Float32Array(Uint32Array.of(actual).buffer)[0] });
      }
  }
}
