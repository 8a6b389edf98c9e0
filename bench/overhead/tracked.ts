// Tracked over plain: the instrumented kernel over the kernel as it is, at the same tile, on the same workgroups of the same GEMM. A slice is
// the first rows of workgroups: an untouched kernel can begin nowhere else, so the tracked one's order table lists just these. Slices of
// one round run one after another, the next round backwards (ABBA), so that a drift of the machine falls on both alike.
import { bug } from '../../src/errors.ts';
import { operandBuffers, operandSource } from '../../src/emulate/operands.ts';
import { poison, ranges } from '../../src/emulate/memory.ts';
import { untouched } from '../../src/emulate/untouched.ts';
import { areTogether } from '../../src/gpu/dma.ts';
import { Gemm } from '../../src/gpu/gemm.ts';
import { Arena, readBack, type Gpu } from '../../src/gpu/gpu.ts';
import { RecordBuffer } from '../../src/gpu/records.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import type { Variant } from '../../src/gpu/tracked-text.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { ChunkAxis, GemmShape } from '../../src/spec/spec.ts';
import type { BuiltIn } from './candidates.ts';
import { PassClock, type Encode } from './clock.ts';
import { median } from './statistics.ts';
import { sliceOf } from './tournament.ts';

/** Length of a slice that is aimed at; between 5 and 20 ms is good. */
const SLICE_MS = 10;
/** Rounds of one submission. */
const BLOCK = 8;

export interface TrackedJob {
  readonly shape: GemmShape;
  readonly choice: BuiltIn;
  /** Along rows a place in a chunk is an index less a constant; along columns it takes a division. */
  readonly axis: ChunkAxis;
  readonly rounds: number;
  /** The variant that the figure is about first; of others the ratio is information. */
  readonly variants: readonly Pick<Variant, 'op' | 'slots'>[];
}

export interface TrackedRatios {
  readonly sliceMs: number;
  readonly workgroups: number;
  /** The plain kernel over itself, one ratio a round. */
  readonly control: readonly number[];
  /** By variant: tracked over plain, one ratio a round. */
  readonly ratios: readonly (readonly number[])[];
}

export async function trackedOverPlain(gpu: Gpu, { shape, choice, axis, rounds, variants }: TrackedJob): Promise<TrackedRatios> {
  const arena = new Arena(gpu);
  const clock = new PassClock(gpu, 2 * BLOCK * (variants.length + 2));
  try {
    const spec = await resolveSpec({ ...shape, devices: 1, kernelName: choice.name, tile: choice.tile });
    const gemm = new Gemm(gpu, arena, choice, shape, spec.wavefront);
    if (gemm.text.splits.count > 1) throw bug('a kernel with splits of K has no slice of which both forms do the same');
    const operands = operandBuffers(arena, spec, gemm.text);
    (await operandSource(gpu, arena, spec, gemm.text)).fill(0, operands);
    const output = arena.storage('C', shape.m * shape.n * 4);
    const plainRun = await untouched(gpu, arena, gemm);
    const [x, y] = gemm.grid;
    const plain = (grid: [number, number, number]): Encode => (pass) => plainRun(pass, operands, output, grid);
    // The first run of a pipeline compiles it; the others say how long a slice is.
    let grid = sliceOf(gemm.grid, (x * y * 1e8) / (2 * shape.m * shape.n * shape.k));
    for (let again = 0; again < 3; again++) {
      const times = await clock.time(Array.from({ length: 2 * BLOCK }, () => plain(grid)));
      // Whole pairs of workgroups: an odd one leaves a core of two idle at the end.
      if (again > 0) grid = sliceOf(gemm.grid, 2 * Math.max(1, Math.round((grid[0] * grid[1] * SLICE_MS) / median(times) / 2)));
    }
    const tiles = Array.from({ length: grid[0] * grid[1] }, (_, at) => (at % grid[0]) + x * Math.floor(at / grid[0]));
    const tracked = await Promise.all(variants.map((variant) => trackedSlice(gpu, arena, gemm, { axis, variant, tiles, operands })));
    const encoders: Encode[] = [plain(grid), ...tracked.map(({ encode }) => encode), plain(grid)];
    for (const encode of encoders) await clock.time([encode]);
    if (variants[0].slots === 1 && variants[0].op === 'store') await isSame(gpu, gemm, output, tracked[0], tiles);

    const control: number[] = [];
    const ratios: number[][] = variants.map(() => []);
    const sliceMs: number[] = [];
    for (let round = 0; round < rounds; round += BLOCK) {
      const order = Array.from({ length: Math.min(BLOCK, rounds - round) }, (_, at) => (at % 2 === 0 ? encoders : encoders.toReversed()));
      // Each behind one of its own kind that is not counted: a kernel of a megabyte finds cold caches behind another, which is not what it costs.
      const times = (await clock.time(order.flatMap((row) => row.flatMap((encode) => [encode, encode])))).filter((_, at) => at % 2 === 1);
      order.forEach((_, at) => {
        const row = times.slice(at * encoders.length, (at + 1) * encoders.length);
        // The plain slice that all are compared with ran first, or last.
        const [first, ...others] = at % 2 === 0 ? row : row.toReversed();
        const last = others.pop()!;
        control.push(last / first);
        others.forEach((ms, variant) => ratios[variant].push(ms / first));
        sliceMs.push(first);
      });
    }
    gpu.check();
    return { sliceMs: median(sliceMs), workgroups: tiles.length, control, ratios };
  } finally {
    clock.destroy();
    arena.destroy();
  }
}

interface Slice {
  readonly encode: Encode;
  /** What the first chunk lies in. */
  readonly memory: GPUBuffer;
  readonly counters: GPUBuffer;
}

/** The tracked kernel over these workgroups; with one slot the chunk is all of C, with more they are equal parts of it, as of a tile that straddles. */
async function trackedSlice(gpu: Gpu, arena: Arena, gemm: Gemm, { axis, variant, tiles, operands }: { axis: ChunkAxis; variant: Pick<Variant, 'op' | 'slots'>; tiles: readonly number[]; operands: Parameters<Gemm['bind']>[1] }): Promise<Slice> {
  const { m, n } = gemm.shape;
  const length = axis === 'rows' ? m : n;
  const cuts = Array.from({ length: variant.slots + 1 }, (_, at) => Math.floor((at * length) / variant.slots));
  const rectangles = cuts.slice(1).map((end, slot) => (axis === 'rows' ? { row: cuts[slot], rows: end - cuts[slot], column: 0, columns: n } : { row: 0, rows: m, column: cuts[slot], columns: end - cuts[slot] }));
  // As a run has them.
  const chunks = ranges(arena, 'chunks', rectangles.map(({ rows, columns }, slot) => ({ label: `chunk ${slot}`, bytes: rows * columns * 4 })));
  const memories = new Set(chunks.map(({ buffer }) => buffer));
  const joint = areTogether(gpu) && memories.size === 1;
  const { kernel, entry, slots } = await gemm.tracked(axis, { ...variant, joint, where: variant.slots > 1 ? 'ordered' : 'one' });
  const records = new RecordBuffer(4);
  tiles.forEach((workgroup, at) => {
    const record: Record<string, number> = { workgroup };
    for (let slot = 0; slot < variant.slots; slot++) Object.assign(record, { [`counter${slot}`]: (slot * tiles.length + at) * gemm.wavefronts, [`update${slot}`]: variant.op === 'store' ? 0 : 1, ...(joint ? { [`first${slot}`]: chunks[slot].offset / 4 } : {}) });
    records.add(entry, record);
  });
  const place = new RecordBuffer(4);
  place.add(slots, Object.fromEntries(rectangles.flatMap((rectangle, slot) => Object.entries(rectangle).map(([field, value]) => [`${field}${slot}`, value]))));
  poison(gpu, await gpu.kernel('fill', SHADERS.fill), variant.op === 'store' ? [...memories] : []);
  const counters = arena.storage('counters', variant.slots * tiles.length * gemm.wavefronts * 4);
  const groups = gemm.bind(kernel, operands, {
    tw_order: arena.words('order', records.words.subarray(0, records.bytes / 4)),
    tw_counters: counters,
    tw_slots: arena.words('slots', place.words.subarray(0, slots.size / 4), GPUBufferUsage.UNIFORM),
    ...Object.fromEntries([...memories].map((memory, at) => [`tw_chunk${at}`, memory])),
  });
  return {
    memory: chunks[0].buffer,
    counters,
    encode: (pass) => {
      pass.setPipeline(kernel.pipeline);
      groups.forEach((group, index) => pass.setBindGroup(index, group));
      pass.dispatchWorkgroups(tiles.length);
    },
  };
}

/** That both forms did the same work: the same bits in the first rows, and as many elements counted as there are stored. */
async function isSame(gpu: Gpu, gemm: Gemm, output: GPUBuffer, { memory, counters }: Slice, tiles: readonly number[]): Promise<void> {
  const [plain, tracked, counts] = [await readBack(gpu, output), await readBack(gpu, memory), await readBack(gpu, counters)];
  const poisoned = 0x7fc0dead;
  const stored = tracked.reduce((sum, bits) => sum + Number(bits !== poisoned), 0);
  const counted = counts.reduce((sum, count) => sum + count, 0);
  const different = tracked.findIndex((bits, at) => bits !== poisoned && bits !== plain[at]);
  if (different >= 0 || stored === 0 || stored !== counted) throw bug('tracked and plain kernel did not do the same', { actual: `${tiles.length} workgroups of ${gemm.text.name}: ${stored} elements stored, ${counted} counted, first difference at ${different}` });
}
