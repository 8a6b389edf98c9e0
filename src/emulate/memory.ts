// The emulated devices' memories: each (device, chunk) a GPUBuffer of its own, so that dispatches which write
// different chunks share nothing; operands; the links' landing buffers (two each: one is read while the other
// fills); and the counters, which belong to the writer: a device's GEMM, a device's near-memory unit. Where devices are
// served together (gpu/dma.ts), dispatches share nothing but the processor: there chunks, landing buffers and counters are
// ranges of one buffer each, so that one binding reaches all chunks that a tile straddles, and one dispatch all devices.
import { bug, TilewireError } from '../errors.ts';
import { areTogether } from '../gpu/dma.ts';
import type { Arena, Gpu, Kernel, Range } from '../gpu/gpu.ts';
import type { KernelText } from '../gpu/kernel-text.ts';
import { ownerOf, routeOf, splitsOf, type Plan } from '../plan/plan.ts';
import type { Chunk } from '../plan/tiling.ts';
import { kernelNamed } from '../spec/kernels.ts';
import type { Spec, SpecDraft } from '../spec/spec.ts';
import { formatBytes } from '../units.ts';
import type { CheckChoice } from '../verify/choice.ts';
import { dispatchesOf, widestDispatch } from './dispatches.ts';
import type { Gemms } from './gemms.ts';
import { laidOutBytes, operandBuffers, operandBytes, type OperandBuffers, type OperandFacts } from './operands.ts';
import { projectionBytes } from './projection.ts';
import { runTable } from './runs.ts';

const ELEMENT_BYTES = 4;

/** Elements that a link's landing buffer holds: two stages' worth, or the largest block. 0 where nothing is sent. */
export function landingElements({ tiling, stages, mapping }: Plan): number {
  if (!mapping.routes.some((routes) => routes.some(({ whenComplete }) => whenComplete.kind === 'dma'))) return 0;
  let most = 0;
  for (let block = 0; block < tiling.blocks; block++) most = Math.max(most, tiling.blockElements[block]);
  for (const stage of stages[0]) {
    let elements = 0;
    for (const tile of stage.tiles)
      for (const part of tiling.tileParts[tile]) for (let w = 0; w < tiling.wavefronts; w++) elements += tiling.pieceElements[part * tiling.wavefronts + w];
    most = Math.max(most, 2 * elements);
  }
  return most;
}

/** Whether anything of the chunk ever lands in the device's memory. */
const holds = (plan: Plan, device: number, chunk: number): boolean =>
  plan.tiling.chunks[chunk].elements > 0 &&
  plan.mapping.routes.some((routes) => {
    const { storeTo, whenComplete } = routes[chunk];
    return storeTo === device || (whenComplete.kind === 'dma' && whenComplete.to === device);
  });

/** How a dispatch reaches the chunk memories that it stores to. */
export interface Reach {
  /** All through one binding, as ranges of one buffer; else each is bound by itself. */
  readonly joint: boolean;
  /** Chunks that it stores to at most. */
  readonly maxSlots: number;
}

/** Of joint memories: what a tile costs grows with its chunks, and more were not measured. */
const MOST_JOINT_SLOTS = 64;

/** What this adapter and the chunks of this Plan allow. */
export function reachOf({ gpu, maxSlots }: Pick<Gemms, 'gpu' | 'maxSlots'>, plan: Plan): Reach {
  const joint = fitOne(gpu, heldChunks(plan));
  return { joint, maxSlots: joint ? MOST_JOINT_SLOTS : maxSlots };
}

/** Chunks that have memory on a device. */
const heldChunks = (plan: Plan): (Wanted & { readonly d: number; readonly j: number })[] =>
  Array.from({ length: plan.devices }, (_, d) => d).flatMap((d) => plan.tiling.chunks.flatMap(({ elements }, j) => (holds(plan, d, j) ? [{ d, j, label: `chunk ${j} on device ${d}`, bytes: elements * ELEMENT_BYTES }] : [])));

/** What the memory of a run depends on besides Spec and Plan. */
export interface KernelSizes extends Reach {
  readonly text: Pick<KernelText, 'batch' | 'pitch' | 'layout' | 'halves' | 'strides' | 'splits' | 'epilogue'>;
}

export interface MemoryEstimate {
  readonly total: number;
  readonly parts: readonly { readonly what: string; readonly bytes: number }[];
}

/** GPU memory that a run takes at its peak, bytes; the check's and the baseline's buffers follow the fused run's, whose chunks stay. */
export function estimateMemory(spec: Spec, plan: Plan, baseline: boolean, { maxSlots, text, joint }: KernelSizes, choice: CheckChoice): MemoryEstimate {
  const { devices, gemm: { m, n, k } } = spec;
  const { tiling } = plan;
  const { batch, pitch } = text;
  const held = heldChunks(plan);
  const chunks = held.reduce((sum, { bytes }) => sum + bytes, 0) / ELEMENT_BYTES;
  const gaps = joint ? held.length * ALIGNMENT : 0;
  const pieces = tiling.parts * tiling.wavefronts;
  const sum = (parts: readonly { bytes: number }[]): number => parts.reduce((total, { bytes }) => total + bytes, 0);
  const largest = Math.max(...tiling.chunks.map(({ elements }) => elements));
  const counterBytes = devices * 2 * aligned(pieces * 4);
  const landing = devices * 2 * aligned(landingElements(plan) * ELEMENT_BYTES);
  const staging = (spec.lag + 1) * (counterBytes + 2 * 3 * devices * 16);
  const stageTiles = Math.max(...plan.stages.map((stages) => Math.max(0, ...stages.map(({ tiles }) => tiles.length))));
  // The order tables of a stage's dispatches; transfers and updates of what the landing buffer holds, two stages' worth.
  const tables = plan.stages.flat().reduce((most, { tiles }) => Math.max(most, orderTables(plan, tiles, maxSlots)), 0);
  const lists = devices * (tables + 2 * ALIGNMENT + stageTiles * 2 * 2 * tiling.wavefronts * ITEM_BYTES);
  const commands = COMMANDS_BYTES + 2 * lists;
  const exact = spec.operands.kind === 'exact';
  const whole = batch * m * pitch * ELEMENT_BYTES;
  const reference = {
    what: exact ? 'reference and its operands' : 'plan-order reference',
    bytes: exact ? (batch * m * n + (batch > 1 ? 2 : 1) * m * n + m * k + k * n) * ELEMENT_BYTES + (text.epilogue.residual === null ? 0 : whole) : widestDispatch(plan, maxSlots) * largest * ELEMENT_BYTES + counterBytes,
  };
  // Where a projection fails, the whole reference follows, once all but the owners' chunks is given back; these are copied for that out of a buffer of all.
  const received = tiling.chunks.reduce((of, { elements }) => of + elements, 0);
  const copied = joint ? received * ELEMENT_BYTES : 0;
  const check = exact && choice === 'projection' ? { what: 'projection, or the reference instead of what is given back', bytes: Math.max(projectionBytes(spec, batch), copied, reference.bytes - (chunks - received) * ELEMENT_BYTES - landing) } : reference;
  // The chunks and the links are given back before the baseline takes its whole outputs.
  const squares = tiling.chunks.reduce((sum, chunk) => sum + plainItems(chunk, pitch), 0);
  const partial = splitsOf(plan) > 1 ? whole : 0;
  // Passes that it times: a GEMM each, and each round's transfers and reductions; their times are kept twice.
  const timers = 2 * 16 * devices * (1 + 2 * plan.mapping.rounds.length);
  const plain = baseline ? { what: 'baseline beyond the chunks', bytes: devices * (whole + largest * ELEMENT_BYTES) - chunks * ELEMENT_BYTES - landing + squares * PLAIN_ITEM_BYTES + timers + partial + whole } : { what: 'no baseline', bytes: 0 };
  const parts = [
    { what: `operands of ${devices} devices`, bytes: operandsBytes(spec, text) },
    ...besides(spec, text),
    { what: 'chunk memories', bytes: chunks * ELEMENT_BYTES + gaps },
    { what: 'landing buffers', bytes: landing },
    { what: 'counters, their readback, commands and run tables', bytes: counterBytes + staging + commands + runTable(tiling).words.byteLength },
    ...(spec.triggers === 'host' ? [] : [{ what: 'trackers on the GPU', bytes: deviceTrackerBytes(spec, plan, maxSlots) }]),
    check.bytes >= plain.bytes ? check : plain,
  ];
  return { total: sum(parts), parts };
}

/** Rows and columns that one workgroup of a plain copy or reduction moves. */
export const ITEM_SIDE = 64;
/** Of a chunk whose rows lie `pitch` elements apart: squares, or as much of one behind the other, and what is left. */
const plainItems = ({ rows, columns, elements }: Chunk, pitch: number): number => (columns === pitch ? Math.ceil(elements / ITEM_SIDE ** 2) + 1 : Math.ceil(rows / ITEM_SIDE) * Math.ceil(columns / ITEM_SIDE));
/** An item of a transfer or an update; of a plain one with its run and a counter. */
const ITEM_BYTES = 24;
const PLAIN_ITEM_BYTES = ITEM_BYTES + 16 + 4;

/** Of the commands buffer, at least, and between its lists. */
const COMMANDS_BYTES = 65_536;
const ALIGNMENT = 256;
const aligned = (bytes: number): number => Math.ceil(Math.max(4, bytes) / ALIGNMENT) * ALIGNMENT;
/** Uniforms and the like, and those of each chunk: its place in a dispatch, alone and with a neighbour, and in an epilogue. */
const PARAMETERS_BYTES = 4096;
const CHUNK_PARAMETERS_BYTES = 256;

/** Chunks of a device that the GPU's tracker looks at in one epoch: more only where devices or steps run far apart. */
const WINDOWS = 4;
/** Records of shaders/tracker.wgsl, bytes: of a window, a piece, a part's store, a block. */
const TRACKER_BYTES = { window: 44, piece: 24, store: 12, block: 24 };

/** Of a stage's dispatches: of each workgroup its number, and for each chunk a counter, an op bit and, of joint memories, where it begins. */
const orderTables = (plan: Plan, stage: readonly number[], maxSlots: number): number => dispatchesOf(plan, stage, maxSlots).reduce((sum, { tiles, slots }) => sum + ALIGNMENT + tiles.length * 4 * (1 + 3 * slots.length), 0);

/** Order tables of all stages, and what the tracker kernel needs; its windows reckoned for a run in which nothing waits. */
function deviceTrackerBytes({ skew, lag }: Spec, plan: Plan, maxSlots: number): number {
  const { tiling, devices, stages } = plan;
  const orders = splitsOf(plan) * stages.flat().reduce((sum, { tiles }) => sum + orderTables(plan, tiles, maxSlots), 0);
  const pieces = tiling.parts * tiling.wavefronts;
  const listItems = Math.max(...tiling.chunks.map((_, j) => tiling.chunkParts[j + 1] - tiling.chunkParts[j])) * tiling.wavefronts + ALIGNMENT;
  const epochs = Math.max(...stages.map((of) => of.length)) * (1 + skew) * (1 + skew / 4) + (lag + 2) * devices;
  return orders + pieces * TRACKER_BYTES.piece + 2 * devices * aligned(pieces * 4) + devices * (tiling.parts * TRACKER_BYTES.store + tiling.blocks * TRACKER_BYTES.block + 2 * WINDOWS * listItems * ITEM_BYTES + epochs * WINDOWS * TRACKER_BYTES.window);
}

/** What any Plan of the Spec takes at least, of a batch for one matrix: refuses a run before even its footprint is probed. */
export function leastMemory({ devices, algorithm, kernel, gemm: { m, n, kTotal } }: SpecDraft): MemoryEstimate {
  const halves: readonly string[] = kernel.kind === 'foreign' ? kernel.bindings.halves : kernelNamed(kernel.name)?.halves === true ? ['a', 'b'] : [];
  // A ring keeps all chunks but one on each device, direct only its own, a ring without remote stores all.
  const outputs = devices === 1 ? 1 : { ring: devices - 1, direct: 1, 'chunk-ring': devices }[algorithm];
  const parts = [
    { what: `operands of ${devices} devices`, bytes: (m / (halves.includes('a') ? 2 : 1) + n / (halves.includes('b') ? 2 : 1)) * kTotal * ELEMENT_BYTES },
    { what: 'chunk memories', bytes: outputs * m * n * ELEMENT_BYTES },
  ];
  return { total: parts.reduce((sum, { bytes }) => sum + bytes, 0), parts };
}

function operandsBytes(spec: SpecDraft, text: KernelSizes['text']): number {
  return Array.from({ length: spec.devices }, (_, device) => operandBytes(spec, text, device)).reduce((sum, { a, b }) => sum + a + b, 0);
}

/** What stays beside the operands from the probe on. */
function besides(spec: SpecDraft, text: KernelSizes['text']): MemoryEstimate['parts'] {
  const { gemm: { m } } = spec;
  const { batch, pitch, epilogue } = text;
  const turned = laidOutBytes(spec, text);
  return [
    ...(turned === 0 ? [] : [{ what: 'operands before they are transposed or packed', bytes: turned }]),
    // The values, and the zeros of all devices but one.
    ...(epilogue.residual === null ? [] : [{ what: 'residual', bytes: 2 * batch * m * pitch * ELEMENT_BYTES }]),
    { what: 'parameters', bytes: PARAMETERS_BYTES + batch * spec.devices * CHUNK_PARAMETERS_BYTES },
  ];
}

/** What the probe takes: one device's operands, and two words for every element and split. */
export function probeMemory(spec: SpecDraft, text: KernelSizes['text']): MemoryEstimate {
  const { gemm: { m, n } } = spec;
  const { batch, splits } = text;
  const { a, b } = operandBytes(spec, text, 0);
  const parts = [
    { what: 'operands of one device', bytes: a + b },
    // Marks, and then two outputs to see whether the kernel is linear.
    { what: `marks of ${splits.count === 1 ? '' : `${splits.count} splits of `}the output`, bytes: 2 * Math.max(splits.count * n, text.pitch) * batch * m * ELEMENT_BYTES },
    ...besides(spec, text),
  ];
  return { total: parts.reduce((sum, { bytes }) => sum + bytes, 0), parts };
}

/** @throws MEMORY_LIMIT, before anything of the estimate is allocated */
export function checkMemory(estimate: MemoryEstimate, limit: number, { gemm: { m } }: SpecDraft): void {
  if (estimate.total <= limit) return;
  throw new TilewireError('MEMORY_LIMIT', 'the run does not fit into the memory limit', {
    path: '--memory-limit',
    actual: formatBytes(estimate.total),
    limit: formatBytes(limit),
    lines: estimate.parts.map(({ what, bytes }) => `${what}: ${formatBytes(bytes)}`),
    // Most of it grows with the rows of A and C, but for B.
    fix: `use fewer rows (at most ${Math.max(1, Math.floor((m * limit) / estimate.total))} of ${m} may fit) or devices, or raise --memory-limit where there is more`,
  });
}

export interface DeviceMemory {
  readonly operands: readonly OperandBuffers[];
  /** `chunks[d][j]`, null where nothing of chunk j lands on d. */
  readonly chunks: readonly (readonly (Range | null)[])[];
  readonly reach: Reach;
  /** `landing[d][parity]`: what device d sends over its link. */
  readonly landing: readonly (readonly [Range, Range] | null)[];
  readonly gemmCounters: readonly Range[];
  readonly nmcCounters: readonly Range[];
  /** What `landing` lies in. */
  readonly links: readonly GPUBuffer[];
  readonly runs: GPUBuffer;
  /** Those of piece p in `runs`: `pieceRuns[p]..pieceRuns[p + 1]`. */
  readonly pieceRuns: Int32Array;
  readonly landingElements: number;
}

/** @param epilogue what the kernel's epilogue reads on a device */
export function allocate(arena: Arena, spec: Spec, plan: Plan, text: OperandFacts, reach: Reach, epilogue: (device: number) => OperandBuffers['epilogue']): DeviceMemory {
  const { devices } = spec;
  const { tiling } = plan;
  const ids = Array.from({ length: devices }, (_, d) => d);
  const landing = landingElements(plan);
  const { words, pieceRuns } = runTable(tiling);
  const counterBytes = aligned(tiling.parts * tiling.wavefronts * 4);
  const counters = ranges(arena, 'counters', [...ids.map((d) => `GEMM counters of device ${d}`), ...ids.map((d) => `near-memory counters of device ${d}`)].map((label) => ({ label, bytes: counterBytes })));
  const senders = ids.filter((d) => tiling.chunks.some((_, j) => routeOf(plan, d, j).whenComplete.kind === 'dma'));
  const [even, odd] = ['even', 'odd'].map((parity) => ranges(arena, `links, ${parity}`, senders.map((d) => ({ label: `link of device ${d}, ${parity}`, bytes: aligned(landing * ELEMENT_BYTES) }))));
  const held = heldChunks(plan);
  const inMemory = ranges(arena, 'chunks', held, reach.joint);
  const chunks: (Range | null)[][] = ids.map(() => tiling.chunks.map(() => null));
  held.forEach(({ d, j }, at) => (chunks[d][j] = inMemory[at]));
  return {
    operands: ids.map((d) => ({ ...operandBuffers(arena, spec, text, d), epilogue: epilogue(d) })),
    chunks,
    reach,
    landing: ids.map((d) => (senders.includes(d) ? [even[senders.indexOf(d)], odd[senders.indexOf(d)]] : null)),
    gemmCounters: counters.slice(0, devices),
    nmcCounters: counters.slice(devices),
    links: [...new Set([...even, ...odd].map(({ buffer }) => buffer))],
    runs: arena.words('runs', words),
    pieceRuns,
    landingElements: landing,
  };
}

interface Wanted {
  readonly label: string;
  readonly bytes: number;
}

/** Whether these become ranges of one buffer, which is copied and bound at once: where devices are served together and it is not too large for that. */
function fitOne(gpu: Gpu, wanted: readonly Wanted[]): boolean {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
  return areTogether(gpu) && wanted.reduce((end, { bytes }) => end + aligned(bytes), 0) <= Math.min(maxBufferSize, maxStorageBufferBindingSize);
}

/** @param joint ranges of one buffer; else each a buffer of its own, so that dispatches of several devices share none */
export function ranges(arena: Arena, label: string, wanted: readonly Wanted[], joint = fitOne(arena.gpu, wanted)): Range[] {
  if (wanted.length === 0) return [];
  if (!joint) return wanted.map(({ label: own, bytes }) => ({ buffer: arena.storage(own, bytes), offset: 0, size: bytes }));
  const buffer = arena.storage(label, wanted.reduce((end, { bytes }) => end + aligned(bytes), 0));
  let end = 0;
  return wanted.map(({ bytes }) => {
    const offset = end;
    end += aligned(bytes);
    return { buffer, offset, size: bytes };
  });
}

/** Chunk memory that must be there: a missing one is a Plan that was not checked. */
export function chunkMemory(memory: Pick<DeviceMemory, 'chunks'>, device: number, chunk: number): Range {
  const range = memory.chunks[device][chunk];
  if (range === null) throw bug(`chunk ${chunk} has no memory on device ${device}`);
  return range;
}

/** What chunks and links lie in. */
export const buffersOf = ({ chunks, links }: Pick<DeviceMemory, 'chunks' | 'links'>): GPUBuffer[] => [...new Set([...chunks.flat().flatMap((range) => (range === null ? [] : [range.buffer])), ...links])];

/** Gives back the memory that only the fused run needs. @returns the chunks that their owners hold, moved out of what is given back */
export function keepOwned(arena: Arena, plan: Plan, memory: Pick<DeviceMemory, 'chunks' | 'links'>): DeviceMemory['chunks'] {
  const encoder = arena.gpu.device.createCommandEncoder({ label: 'chunks of their owners' });
  const kept = memory.chunks.map((of, device) =>
    of.map((range, j): Range | null => {
      if (range === null || ownerOf(plan, j) !== device) return null;
      if (range.size === range.buffer.size) return range;
      const buffer = arena.storage(`chunk ${j} on its owner`, range.size);
      encoder.copyBufferToBuffer(range.buffer, range.offset, buffer, 0, range.size);
      return { buffer, offset: 0, size: range.size };
    }),
  );
  arena.gpu.device.queue.submit([encoder.finish()]);
  const still = new Set(buffersOf({ chunks: kept, links: [] }));
  arena.release(buffersOf(memory).filter((buffer) => !still.has(buffer)));
  return kept;
}

/** Fills buffers with the poison that shows what was never stored: the largest by a kernel, the others as copies of it, which are cheaper. */
export function poison(gpu: Gpu, fill: Kernel, buffers: readonly GPUBuffer[]): void {
  const [largest, ...others] = buffers.toSorted((one, other) => other.size - one.size);
  if (largest === undefined) return;
  const encoder = gpu.device.createCommandEncoder({ label: 'poison' });
  const pass = encoder.beginComputePass({ label: 'poison' });
  pass.setPipeline(fill.pipeline);
  pass.setBindGroup(0, gpu.bind(fill, 0, { words: largest }));
  pass.dispatchWorkgroups(Math.min(1024, Math.ceil(largest.size / 256)));
  pass.end();
  for (const buffer of others) encoder.copyBufferToBuffer(largest, 0, buffer, 0, buffer.size);
  gpu.device.queue.submit([encoder.finish()]);
}
