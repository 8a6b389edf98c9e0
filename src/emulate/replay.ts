// Where the trackers on the GPU and the host's replay of them disagree. The replay knows the final counters and the order of
// stages, which is fixed; what the GPU says of triggers, transfers, places in the links and ops must follow from these.
import type { RecordBuffer } from '../gpu/records.ts';
import { chunkOfBlock, routeOf, type Plan } from '../plan/plan.ts';
import type { Findings } from './device-tracker.ts';
import type { Rehearsal, Stored } from './rehearsal.ts';
import type { Job } from './tracked-gemm.ts';

/** Order tables as the GPU left them, and as the replay has them. */
export interface Orders {
  readonly expected: RecordBuffer;
  readonly actual: Uint32Array;
  readonly jobs: readonly Job[];
  readonly stored: readonly Stored[];
}

/** One line each. @param found null where nothing is sent, and no tracker ran */
export function mismatches(plan: Plan, replay: Rehearsal, found: Findings | null, orders: Orders): string[] {
  return [...replay.unexplained, ...(found === null ? [] : triggersDiffer(plan, replay, found)), ...ordersDiffer(orders)];
}

const NEVER = { seen: -1, sent: -1, landing: 0, ops: [] as readonly number[] };
const when = (epoch: number): string => (epoch < 0 ? 'never' : `in epoch ${epoch}`);

function triggersDiffer(plan: Plan, { triggers }: Rehearsal, { blocks, ops, overflows }: Findings): string[] {
  const { tiling, devices } = plan;
  const lines = overflows.map((device) => `device ${device}: a list of ready blocks is longer than one dispatch may be`);
  for (let device = 0; device < devices; device++)
    for (let block = 0; block < tiling.blocks; block++) {
      if (routeOf(plan, device, chunkOfBlock(plan, block)).whenComplete.kind !== 'dma') continue;
      const own = triggers.get(device * tiling.blocks + block) ?? NEVER;
      const gpu = blocks[device * tiling.blocks + block];
      const name = `device ${device}: block ${block} of chunk ${chunkOfBlock(plan, block)}`;
      if (gpu.seen !== own.seen) lines.push(`${name} became ready ${when(gpu.seen)} on the GPU, ${when(own.seen)} in the replay`);
      else if (gpu.sent !== own.sent) lines.push(`${name} was sent ${when(gpu.sent)} on the GPU, ${when(own.sent)} in the replay`);
      else if (own.sent >= 0 && gpu.landing !== own.landing) lines.push(`${name} lies at element ${gpu.landing} of its link on the GPU, at ${own.landing} in the replay`);
      else
        own.ops.forEach((op, at) => {
          const part = tiling.blockParts[block] + at;
          const actual = ops[device * tiling.parts + part];
          if (actual !== op) lines.push(`${name}: the update of part ${part} ${actual === 1 ? 'adds' : 'stores'} on the GPU, ${op === 1 ? 'adds' : 'stores'} in the replay`);
        });
    }
  return lines;
}

function ordersDiffer({ expected, actual, jobs, stored }: Orders): string[] {
  const lines: string[] = [];
  jobs.forEach(({ order: { offset, entry } }, index) => {
    const { device, epoch, split, dispatch: { tiles, slots } } = stored[index];
    tiles.forEach((tile, at) => {
      const first = (offset + at * entry.size) / 4;
      for (let word = first; word < first + entry.size / 4; word++)
        if (expected.words[word] !== actual[word])
          lines.push(`device ${device}: in epoch ${epoch} the order table of tile ${tile}${split > 0 ? `, split ${split},` : ''} for chunk ${slots.join(' and ')} holds ${actual[word]}, the replay says ${expected.words[word]}`);
    });
  });
  return lines;
}
