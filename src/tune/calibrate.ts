// Measures what a described machine needs of this adapter besides its GEMM rate (profile.ts): the copy by the emulation's own DMA
// kernel, the near-memory update of the same bytes, a dispatch, and how many workgroups run at one time. Both kernels are held
// against the right result, all elements, before their first sample and after their last: a wrong one has no rate.
import { TilewireError } from '../errors.ts';
import { copyOf, dispatch } from '../emulate/baseline.ts';
import { compareChunks } from '../emulate/compare.ts';
import { ITEM_SIDE, poison } from '../emulate/memory.ts';
import { matrixFill } from '../emulate/operands.ts';
import { dmaKernels } from '../gpu/dma.ts';
import { Arena, type Gpu } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { triggerCostSamples } from '../gpu/trigger-cost.ts';
import type { Concurrency, Memories, Timing } from './calibration.ts';
import { SliceTimer } from './timer.ts';

export interface CalibrateOptions {
  /** Of each of the four buffers that are made, at most; a multiple of 16 KiB is used. */
  readonly bytes: number;
  /** Samples of each figure. */
  readonly samples: number;
  /** Measured step of the GPU timestamps. */
  readonly timerStepNs: number | null;
  readonly progress: (step: string, done: number, total: number) => void;
}

const MOST_REPEATS = 4096;
const MOST_DISPATCHES = 8192;

/** @throws WRONG_VALUES where a kernel does not give what it must */
export async function calibrate(gpu: Gpu, { bytes, samples, timerStepNs, progress }: CalibrateOptions): Promise<Memories> {
  const arena = new Arena(gpu);
  const timer = await SliceTimer.create(gpu, arena, timerStepNs);
  const clock = await SliceTimer.create(gpu, arena, null);
  try {
    // First what may be refused.
    progress('copies and updates', 0, samples);
    const memories = await memoryTimings(gpu, arena, timer, bytes, samples, (round) => progress('copies and updates', round, samples));
    progress('dispatches', 0, 1);
    const dispatched = await dispatchTiming(gpu, clock, samples);
    progress('workgroups at one time', 0, 1);
    const concurrency = await concurrencyOf(gpu, arena, timer);
    gpu.check();
    return { ...memories, dispatch: dispatched, concurrency };
  } finally {
    timer.destroy();
    clock.destroy();
    arena.destroy();
  }
}

// ── Memory ───────────────────────────────────────────────────────────────────────────────────────────────────────

const SEEDS = { moved: 1, before: 2 };

async function memoryTimings(gpu: Gpu, arena: Arena, timer: SliceTimer, mostBytes: number, samples: number, progress: (round: number) => void): Promise<Pick<Memories, 'bytes' | 'transfer' | 'update' | 'verified'>> {
  const [{ transfer, nmc }, fill, accumulate, matrix] = await Promise.all([dmaKernels(gpu), gpu.kernel('fill', SHADERS.fill), gpu.kernel('accumulate', SHADERS.accumulate), matrixFill(gpu, arena)]);
  const limit = Math.min(mostBytes, gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  const rows = ITEM_SIDE * Math.max(1, Math.floor(limit / (4 * ITEM_SIDE ** 2)));
  const whole = { row: 0, column: 0, rows, columns: ITEM_SIDE, elements: rows * ITEM_SIDE };
  const bytes = whole.elements * 4;
  const [source, landing, memory, right] = ['source', 'landing', 'memory', 'right result'].map((label) => arena.storage(label, bytes));
  const { items, runs, count } = copyOf(arena, whole, ITEM_SIDE);
  const counters = arena.storage('counters', 4 * count);
  const values = (buffer: GPUBuffer, seed: number): void => matrix(buffer, { seed, device: 0, matrix: 0, rows, columns: ITEM_SIDE, range: 4, kind: 'exact' });
  const bound = { transfer: gpu.bind(transfer, 0, { items, runs, memory: source, landing }), update: gpu.bind(nmc, 0, { items, runs, landing, memory, counters }) };
  const run = (kernel: 'transfer' | 'update', repeats: number) => (pass: GPUComputePassEncoder): void => {
    pass.setPipeline(kernel === 'transfer' ? transfer.pipeline : nmc.pipeline);
    pass.setBindGroup(0, bound[kernel]);
    for (let at = 0; at < repeats; at++) dispatch(gpu, pass, count);
  };
  let verified = 0;
  const mustBe = async (kernel: string, found: GPUBuffer, expected: GPUBuffer): Promise<void> => {
    const { compared, wrong } = await compareChunks(gpu, { n: ITEM_SIDE, chunks: [whole] }, () => found, expected);
    if (wrong > 0 || compared !== whole.elements) throw new TilewireError('WRONG_VALUES', `the ${kernel} kernel does not do what it should on this adapter: it has no rate`, { actual: `${wrong} of ${compared} elements wrong`, limit: `0 of ${whole.elements}`, fix: 'please report this with the output of `tilewire doctor`' });
    verified += compared;
  };
  /** The copy, and the sum of it and what was there before, against both made by other kernels. */
  const prove = async (): Promise<void> => {
    poison(gpu, fill, [landing]);
    await timer.time(run('transfer', 1));
    await mustBe('transfer', landing, source);
    values(memory, SEEDS.before);
    values(right, SEEDS.before);
    await timer.time((pass) => {
      pass.setPipeline(accumulate.pipeline);
      pass.setBindGroup(0, gpu.bind(accumulate, 0, { partial: source, sum: right }));
      pass.dispatchWorkgroups(1024);
    });
    await timer.time(run('update', 1));
    await mustBe('near-memory', memory, right);
  };
  values(source, SEEDS.moved);
  await prove();
  const kernels = ['transfer', 'update'] as const;
  const repeats = { transfer: await repeatsOf(timer, (many) => timer.time(run('transfer', many))), update: await repeatsOf(timer, (many) => timer.time(run('update', many))) };
  const taken: Record<(typeof kernels)[number], number[]> = { transfer: [], update: [] };
  for (let round = 0; round < samples; round++) {
    // In turns: what disturbs one disturbs the other.
    for (const kernel of kernels) taken[kernel].push((await timer.time(run(kernel, repeats[kernel]))) / repeats[kernel]);
    progress(round + 1);
  }
  await prove();
  const timing = (kernel: (typeof kernels)[number]): Timing => ({ timer: timer.facts, repeats: repeats[kernel], samplesMs: taken[kernel] });
  return { bytes, transfer: timing('transfer'), update: timing('update'), verified: verified / kernels.length };
}

/** How many make a sample that counts. */
async function repeatsOf({ facts: { leastSampleMs } }: SliceTimer, time: (repeats: number) => Promise<number>, most = MOST_REPEATS): Promise<number> {
  let repeats = 1;
  for (;;) {
    const ms = await time(repeats);
    // A margin, so that no later sample falls below.
    const wanted = Math.ceil((1.5 * repeats * leastSampleMs) / Math.max(ms, leastSampleMs / 64));
    if (wanted <= repeats || repeats === most) return repeats;
    repeats = Math.min(most, wanted);
  }
}

async function dispatchTiming(gpu: Gpu, clock: SliceTimer, samples: number): Promise<Timing> {
  const sampled = async (many: number, rounds: number): Promise<number[]> => (await triggerCostSamples(gpu, ['direct'], many, rounds)).direct.map((us) => us / 1000);
  const repeats = await repeatsOf(clock, async (many) => Math.min(...(await sampled(many, 2))) * many, MOST_DISPATCHES);
  return { timer: clock.facts, repeats, samplesMs: await sampled(repeats, samples) };
}

// ── Workgroups at one time ───────────────────────────────────────────────────────────────────────────────────────

/** Invocations that keep a core busy by themselves: eight independent chains each, so that none waits for its own last step. */
const BUSY = `
override ROUNDS: u32 = 1u;
@group(0) @binding(0) var<storage, read_write> out: array<vec4u>;
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var x = vec4u(lane, lane + 1u, lane + 2u, lane + 3u);
  var y = x + 7u;
  for (var i = 0u; i < ROUNDS; i++) {
    x = x * 1664525u + 1013904223u;
    y = y * 22695477u + 1u;
  }
  out[group.x * LANESu + lane] = x + y;
}`;
const LANES = 256;
const MOST_WORKGROUPS = 4096;
const MOST_ROUNDS = 2 ** 26;
/** Samples of which the least counts: other programs can only add time. */
const TRIES = 25;
/** So much longer than one alone is two on one core. */
const TWICE = 1.7;

async function concurrencyOf(gpu: Gpu, arena: Arena, timer: SliceTimer): Promise<Concurrency> {
  const lanes = Math.min(LANES, gpu.limits.maxComputeInvocationsPerWorkgroup, gpu.limits.maxComputeWorkgroupSizeX);
  const out = arena.storage('busy', 16 * MOST_WORKGROUPS * lanes);
  const busy = async (rounds: number): Promise<(workgroups: number) => Promise<number>> => {
    const kernel = await gpu.kernel('busy', BUSY.replace('override ROUNDS: u32 = 1u', `const ROUNDS = ${rounds}u`).replaceAll('LANES', String(lanes)));
    const group = gpu.bind(kernel, 0, { out });
    const once = (workgroups: number): Promise<number> =>
      timer.time((pass) => {
        pass.setPipeline(kernel.pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(workgroups);
      });
    // What a first dispatch of a pipeline costs is compilation.
    await once(1);
    return async (workgroups) => {
      let least = Infinity;
      for (let at = 0; at < TRIES; at++) least = Math.min(least, await once(workgroups));
      return least;
    };
  };
  let rounds = 2 ** 10;
  let timeOf = await busy(rounds);
  let oneMs = await timeOf(1);
  while (oneMs < timer.facts.leastSampleMs && rounds < MOST_ROUNDS) {
    rounds *= 2 ** Math.min(6, Math.max(1, Math.ceil(Math.log2(timer.facts.leastSampleMs / Math.max(oneMs, 1e-3)))));
    timeOf = await busy(rounds);
    oneMs = await timeOf(1);
  }
  const isTogether = (ms: number): boolean => ms <= TWICE * oneMs;
  // By doubling, then by halves: `most` take no longer than one, `more` do.
  let [most, allMs] = [1, oneMs];
  let [more, moreMs] = [2, await timeOf(2)];
  while (isTogether(moreMs) && more < MOST_WORKGROUPS) {
    [most, allMs] = [more, moreMs];
    more = Math.min(MOST_WORKGROUPS, 2 * more);
    moreMs = await timeOf(more);
  }
  if (isTogether(moreMs)) [most, allMs] = [more, moreMs];
  while (more - most > 1) {
    const middle = Math.floor((most + more) / 2);
    const ms = await timeOf(middle);
    if (isTogether(ms)) [most, allMs] = [middle, ms];
    else [more, moreMs] = [middle, ms];
  }
  return { workgroups: oneMs >= timer.facts.leastSampleMs ? most : null, oneMs, allMs, moreMs, tries: TRIES, timer: timer.facts };
}
