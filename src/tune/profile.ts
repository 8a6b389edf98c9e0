// Profiles plain kernels on one GEMM shape: each candidate is checked against the adapter's limits, compiled, run on exact operands
// and held against the reference by bits before it is timed, and once more, all elements, before it is ranked: a wrong kernel
// never is. All are timed in rounds: a short GEMM by as many dispatches in one pass as the timer needs, a long one of a
// built-in kernel by a part of its grid, of which the first check is, too.
import { bug, TilewireError } from '../errors.ts';
import { compareChunks } from '../emulate/compare.ts';
import { EpilogueValues } from '../emulate/epilogue.ts';
import { poison } from '../emulate/memory.ts';
import { laidOut, operandBuffers, operandSource, PLAIN_OPERANDS, type OperandBuffers } from '../emulate/operands.ts';
import { exactReference } from '../emulate/reference.ts';
import { outputElements, untouched } from '../emulate/untouched.ts';
import { Gemm } from '../gpu/gemm.ts';
import { Arena, type Gpu } from '../gpu/gpu.ts';
import { kernelText, type KernelText } from '../gpu/kernel-text.ts';
import { probeFootprint } from '../gpu/probe.ts';
import { workgroupBytes } from '../gpu/reflect.ts';
import { SHADERS } from '../gpu/shaders.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { formatBytes, formatMs } from '../units.ts';
import type { Candidate } from './candidates.ts';
import { contestOf, type Entry } from './contest.ts';
import { compete, type Entrant, type Sample } from './rounds.ts';
import type { CandidateName, Contest } from './tiles-report.ts';
import { SliceTimer } from './timer.ts';

export interface ProfileOptions {
  /** Beside the first one. */
  readonly rounds: number;
  readonly seconds: number;
  /** Bytes. */
  readonly memoryLimit: number;
  /** Measured step of the GPU timestamps. */
  readonly timerStepNs: number | null;
  /** Dispatches in a sample at most; 4096 unless told. */
  readonly mostRepeats?: number | undefined;
  readonly notes?: readonly string[];
  readonly progress: (step: string, done: number, total: number) => void;
}

const MOST_REPEATS = 4096;

/** @param draft shape, exact operands and seed; one device's GEMM is timed, and its kernel is not looked at */
export async function profilePlain(gpu: Gpu, { gemm: { m, n, k }, ...rest }: SpecDraft, candidates: readonly Candidate[], { rounds, seconds, memoryLimit, timerStepNs, mostRepeats = MOST_REPEATS, notes = [], progress }: ProfileOptions): Promise<Contest> {
  const spec: SpecDraft = { ...rest, gemm: { m, n, k, kTotal: k }, devices: 1 };
  if (spec.operands.kind !== 'exact') throw new TilewireError('BAD_FLAG', 'tiles are profiled on exact operands', { path: '--operands', actual: spec.operands.kind, fix: 'leave it out' });
  const needed = 4 * (m * k + k * n + 4 * m * n);
  if (needed > memoryLimit) throw new TilewireError('MEMORY_LIMIT', 'operands, output and reference do not fit into the memory limit', { path: '--memory-limit', actual: formatBytes(needed), limit: formatBytes(memoryLimit), fix: 'use fewer rows, or raise --memory-limit where there is more' });
  const arena = new Arena(gpu);
  const bench = new Bench(gpu, arena, spec);
  const timer = await SliceTimer.create(gpu, arena, timerStepNs);
  try {
    const entrants = candidates.map((candidate) => new PlainEntrant(bench, candidate, timer, mostRepeats));
    progress('reference', 0, 1);
    await bench.prepare(candidates);
    const result = await compete(entrants, { rounds, seconds, seed: spec.seed, now: () => performance.now(), progress });
    return contestOf(entrants.map(({ entry }) => entry), result, 2 * m * n * k, timer.facts, notes);
  } finally {
    timer.destroy();
    arena.destroy();
  }
}

/** What candidates share: operands by how they are laid out, references, one output. */
class Bench {
  readonly #operands = new Map<string, Promise<OperandBuffers>>();
  readonly #references = new Map<string, Promise<GPUBuffer>>();
  #output: GPUBuffer | null = null;

  constructor(
    readonly gpu: Gpu,
    readonly arena: Arena,
    readonly spec: SpecDraft,
  ) {}

  /** Makes, before time is counted, what the first candidate needs, and often all of them. What is wrong with one is for its own turn to say. */
  async prepare([first]: readonly Candidate[]): Promise<void> {
    if (first === undefined) return;
    try {
      const text = kernelText(first.kernel, this.spec.gemm);
      await Promise.all([this.operands(text), this.reference({ ...this.spec, kernel: first.kernel }, text)]);
      await this.gpu.idle();
    } catch (error) {
      if (!(error instanceof TilewireError)) throw error;
    }
  }

  operands({ batch, layout, halves, strides }: KernelText): Promise<OperandBuffers> {
    const { gpu, arena, spec } = this;
    const facts = { batch, layout, halves, strides };
    return once(this.#operands, JSON.stringify(facts), async () => {
      const buffers = operandBuffers(arena, spec, facts);
      (await laidOut(gpu, arena, await operandSource(gpu, arena, spec, facts), facts, spec))(0, buffers);
      return buffers;
    });
  }

  /** What device 0's GEMM and epilogue must give: batch·m × n, dense. */
  reference(spec: SpecDraft, text: KernelText): Promise<GPUBuffer> {
    const { gpu, arena } = this;
    const { batch, pitch, epilogue } = text;
    return once(this.#references, JSON.stringify([batch, pitch, epilogue, spec.operands]), async () => {
      const source = await operandSource(gpu, arena, spec, { ...PLAIN_OPERANDS, batch });
      const reference = await exactReference(gpu, arena, { ...spec, stageTiles: spec.stageTiles ?? 1 }, batch, source, () => {});
      await new EpilogueValues(spec, text).applyAll(gpu, arena, reference);
      return reference;
    });
  }

  /** One buffer, of at least that size: bound by its exact size, as arrayLength is a kernel's business. */
  output(bytes: number): GPUBuffer {
    if (this.#output === null || this.#output.size !== bytes) {
      if (this.#output !== null) this.arena.release([this.#output]);
      this.#output = this.arena.storage('output', bytes);
    }
    return this.#output;
  }
}

function once<T>(map: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const found = map.get(key) ?? make();
  map.set(key, found);
  found.catch(() => map.delete(key));
  return found;
}

class PlainEntrant implements Entrant {
  readonly #bench: Bench;
  readonly #candidate: Candidate;
  readonly #timer: SliceTimer;
  readonly #mostRepeats: number;
  #name: CandidateName;
  #batch = 1;
  #repeats = 1;
  /** Workgroups of one dispatch, and over all of them. */
  #grid: Grid = [1, 1, 1];
  #part = 1;
  #proven = false;
  #wholeMs: number | null = null;
  #lastMs = 0;
  #encode: (pass: GPUComputePassEncoder, grid: Grid, repeats: number) => void = () => {};
  /** One dispatch of the grid into a poisoned output: its time in ms, and how many elements are then right. */
  #tried: (grid: Grid) => Promise<{ readonly ms: number; readonly right: number; readonly elements: number }> = () => Promise.reject(bug('a candidate that was never prepared'));
  #whole: Grid = [1, 1, 1];

  constructor(bench: Bench, candidate: Candidate, timer: SliceTimer, mostRepeats: number) {
    this.#bench = bench;
    this.#candidate = candidate;
    this.#timer = timer;
    this.#mostRepeats = mostRepeats;
    this.#name = candidate.name;
  }

  get entry(): Entry {
    return { name: this.#name, batch: this.#batch, verified: this.#proven, repeats: this.#repeats, part: this.#part, wholeMs: this.#wholeMs, replayedMs: [] };
  }

  async first(): Promise<Sample> {
    await this.#prepare();
    // What a first dispatch of a pipeline costs is compilation.
    await this.#timer.time((pass) => this.#encode(pass, [1, 1, 1], 1));
    const total = size(this.#whole);
    // A kernel of the user's own may do all of the work with fewer workgroups.
    const isDivisible = this.#candidate.kernel.kind === 'built-in' && this.#whole[2] === 1;
    if (!isDivisible || total <= LEAST_PART) return this.#calibrated(await this.#prove());
    this.#grid = partOf(this.#whole, LEAST_PART);
    const { ms, right, elements } = await this.#tried(this.#grid);
    // The proof of all elements comes before it is ranked, for those who get so far; what computed nothing must not set the pace until then.
    const share = right / elements / (size(this.#grid) / total);
    if (share < 0.9) throw wrongResult(elements - right, elements);
    // Fewer workgroups that do the work of all are no part of it.
    if (share > 2) {
      this.#grid = this.#whole;
      return this.#calibrated(await this.#prove());
    }
    const wanted = Math.max(PART_MS, this.#timer.facts.leastSampleMs);
    if (ms < wanted) this.#grid = partOf(this.#whole, (1.1 * size(this.#grid) * wanted) / Math.max(ms, wanted / 1000));
    this.#part = size(this.#grid) / total;
    const sample = this.#grid === this.#whole ? await this.#prove() : await this.#timer.time((pass) => this.#encode(pass, this.#grid, 1));
    return this.#calibrated(sample);
  }

  async again(): Promise<number> {
    const sample = await this.#timer.time((pass) => this.#encode(pass, this.#grid, this.#repeats));
    this.#bench.gpu.check();
    return this.#perGemm(sample);
  }

  async confirm(): Promise<void> {
    await this.#prove();
  }

  get confirmMs(): number {
    return this.#lastMs;
  }

  /** Workgroups cost alike, those at the edges too. */
  #perGemm(sample: number): number {
    this.#lastMs = sample / (this.#repeats * this.#part);
    return this.#lastMs;
  }

  /** As many dispatches as make a sample well above the timer's resolution. */
  async #calibrated(first: number): Promise<Sample> {
    const { leastSampleMs, resolutionNs } = this.#timer.facts;
    let sample = first;
    while (sample < leastSampleMs && this.#repeats < this.#mostRepeats) {
      const needed = Math.ceil((1.25 * this.#repeats * leastSampleMs) / Math.max(sample, leastSampleMs / 64));
      this.#repeats = Math.min(this.#mostRepeats, Math.max(this.#repeats + 1, needed));
      sample = await this.#timer.time((pass) => this.#encode(pass, this.#grid, this.#repeats));
    }
    if (sample < leastSampleMs) return { unranked: `${this.#repeats} ${this.#repeats === 1 ? 'dispatch takes' : 'dispatches take'} ${formatMs(sample)}, a sample must be at least ${formatMs(leastSampleMs)} (the timer has steps of ${formatMs(resolutionNs / 1e6)})` };
    return { ms: this.#perGemm(sample) };
  }

  /** The whole GEMM, all elements; its time. @throws WRONG_VALUES */
  async #prove(): Promise<number> {
    this.#proven = false;
    const { ms, right, elements } = await this.#tried(this.#whole);
    if (right !== elements) throw wrongResult(elements - right, elements);
    this.#proven = true;
    this.#wholeMs = Math.min(this.#wholeMs ?? Infinity, ms);
    return ms;
  }

  /** Everything but the first dispatch. @throws what the limits, the browser or the probe have against it */
  async #prepare(): Promise<void> {
    const { gpu, arena, spec: shared } = this.#bench;
    const { kernel } = this.#candidate;
    const spec: SpecDraft = { ...shared, kernel };
    const gemm = new Gemm(gpu, arena, kernel, spec.gemm, spec.wavefront);
    checkLimits(gpu, gemm.text);
    const run = await untouched(gpu, arena, gemm);
    gpu.check();
    const epilogue = new EpilogueValues(spec, gemm.text);
    const inputs: OperandBuffers = { ...(await this.#bench.operands(gemm.text)), epilogue: (await epilogue.bindings(gpu, arena))(0) };
    // Nothing is known of a kernel of the user's own, not even that it stores each element once.
    if (kernel.kind === 'foreign') this.#name = { ...this.#name, tile: tileFound(await probeFootprint(gemm, () => inputs)) };
    const output = (): GPUBuffer => this.#bench.output(outputElements(gemm) * 4);
    const reference = await this.#bench.reference(spec, gemm.text);
    const after = await epilogue.after(gpu, arena);
    const fill = await gpu.kernel('fill', SHADERS.fill);
    const { batch, pitch, splits } = gemm.text;
    const [rows, columns] = [batch * spec.gemm.m, spec.gemm.n];
    const elements = rows * columns;
    this.#batch = batch;
    this.#whole = gemm.grid;
    this.#grid = gemm.grid;
    this.#encode = (pass, grid, repeats) => {
      run(pass, inputs, output(), grid);
      // The pass keeps pipeline and bindings.
      for (let at = 1; at < repeats; at++)
        if (splits.count === 1) pass.dispatchWorkgroups(...grid);
        else run(pass, inputs, output(), grid);
    };
    this.#tried = async (grid) => {
      poison(gpu, fill, [output()]);
      const ms = await this.#timer.time((pass) => this.#encode(pass, grid, 1));
      if (after !== null) await submitPass(gpu, (pass) => after(pass, { row: 0, column: 0, rows, columns }, { values: output(), first: 0, stride: pitch }));
      // The dense reference against an output whose rows may lie apart.
      const { compared, wrong } = await compareChunks(gpu, { n: pitch, chunks: [{ row: 0, column: 0, rows, columns, elements }] }, () => reference, output());
      gpu.check();
      return { ms, right: compared - wrong, elements };
    };
  }
}

type Grid = readonly [number, number, number];

const size = ([x, y, z]: Grid): number => x * y * z;

/** Workgroups of a part of a GEMM: so many that the end of a dispatch, where cores wait for the last ones, is a small part of it. */
const LEAST_PART = 64;
/** A GEMM that takes longer is timed by a part of its grid, so that many rounds fit into what the machine keeps its pace for. */
const PART_MS = 20;

/** A rectangle of at least that many workgroups, or the whole grid. */
function partOf(whole: Grid, workgroups: number): Grid {
  const x = Math.min(whole[0], Math.ceil(workgroups));
  const y = Math.ceil(workgroups / x);
  return y >= whole[1] || x * y > 0.8 * size(whole) ? whole : [x, y, whole[2]];
}

const wrongResult = (wrong: number, elements: number): TilewireError => new TilewireError('WRONG_VALUES', `wrong result: ${wrong} of ${elements} elements differ from the reference`);

/** @throws BAD_TILE for what the adapter would refuse when it compiles */
function checkLimits({ limits }: Gpu, { code, entry, facts: { workgroupSize } }: KernelText): void {
  const refuse = (what: string, actual: unknown, limit: number): TilewireError => new TilewireError('BAD_TILE', what, { actual, limit, fix: 'use a smaller tile' });
  const [x, y, z] = workgroupSize;
  if (x * y * z > limits.maxComputeInvocationsPerWorkgroup) throw refuse('too many invocations in a workgroup', `${x} x ${y} x ${z}`, limits.maxComputeInvocationsPerWorkgroup);
  for (const [axis, length, most] of [['x', x, limits.maxComputeWorkgroupSizeX], ['y', y, limits.maxComputeWorkgroupSizeY], ['z', z, limits.maxComputeWorkgroupSizeZ]] as const)
    if (length > most) throw refuse(`the workgroup is too long along ${axis}`, length, most);
  const bytes = workgroupBytes(code, entry);
  if (bytes > limits.maxComputeWorkgroupStorageSize) throw refuse('too much workgroup memory', `${bytes} bytes`, limits.maxComputeWorkgroupStorageSize);
}

/** Rows and columns from the first to the last element that the first element's workgroup stores. */
function tileFound({ m, n, batch, owner, wavefronts }: Footprint): NonNullable<CandidateName['tile']> {
  const workgroup = (at: number): number => Math.floor(owner[at] / wavefronts);
  let [rows, columns] = [0, 0];
  for (let at = 0; at < (m / batch) * n; at++) {
    if (workgroup(at) !== workgroup(0)) continue;
    rows = Math.max(rows, Math.floor(at / n) + 1);
    columns = Math.max(columns, (at % n) + 1);
  }
  return { m: rows, n: columns, k: null };
}

async function submitPass(gpu: Gpu, encode: (pass: GPUComputePassEncoder) => void): Promise<void> {
  const encoder = gpu.device.createCommandEncoder({ label: 'epilogue' });
  const pass = encoder.beginComputePass({ label: 'epilogue' });
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  await gpu.idle();
}
