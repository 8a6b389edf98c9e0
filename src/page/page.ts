// The page's API (api.ts) over one GPU, for whoever binds it: browser.ts to the window of a browser page, host/node-page.ts to
// the channel of a child process. It takes `navigator.gpu` and `fetch` for granted. Errors cross as records.
import { bug, TilewireError } from '../errors.ts';
import { probeSpec } from '../emulate/footprint.ts';
import { runSpec } from '../emulate/run.ts';
import { adapterFacts, type AdapterFacts } from '../gpu/adapter.ts';
import { Gpu } from '../gpu/gpu.ts';
import { depthOf } from '../spec/chunks.ts';
import { toOwnerRuns, type FootprintRuns } from '../plan/owner-runs.ts';
import { calibrate } from '../tune/calibrate.ts';
import type { Memories } from '../tune/calibration.ts';
import { profileFused } from '../tune/fused.ts';
import { profilePlain } from '../tune/profile.ts';
import type { Contest } from '../tune/tiles-report.ts';
import type { CalibrateJob, Outcome, PageApi, ProbeJob, ProfileJob, Progress, RunJob, RunResult } from './api.ts';

export class Page implements PageApi {
  #gpu: Promise<Gpu> | undefined;
  #facts: Promise<AdapterFacts> | undefined;

  /** @param heard is told of each line of progress */
  constructor(readonly heard: (progress: Progress) => void) {}

  gpu(): Promise<Gpu> {
    this.#gpu ??= Gpu.open(navigator.gpu);
    return this.#gpu;
  }

  open(): Promise<Outcome<AdapterFacts>> {
    return outcome(this.#adapterFacts());
  }

  #adapterFacts(): Promise<AdapterFacts> {
    this.#facts ??= this.gpu().then(adapterFacts);
    return this.#facts;
  }

  run(job: RunJob): Promise<Outcome<RunResult>> {
    return outcome(this.#run(job));
  }

  probe({ spec }: ProbeJob): Promise<Outcome<FootprintRuns>> {
    return outcome(this.gpu().then(async (gpu) => toOwnerRuns(await probeSpec(gpu, spec))));
  }

  profile(job: ProfileJob): Promise<Outcome<Contest>> {
    return outcome(this.#profile(job));
  }

  calibrate(job: CalibrateJob): Promise<Outcome<Memories>> {
    return outcome(this.#calibrate(job));
  }

  async #calibrate(job: CalibrateJob): Promise<Memories> {
    const gpu = await this.gpu();
    const { timerResolutionNs } = (await this.#adapterFacts()).environment;
    return calibrate(gpu, { ...job, timerStepNs: timerResolutionNs, progress: (step, done, total) => this.heard({ step, done, total }) });
  }

  async #profile({ kind, spec, candidates, ...options }: ProfileJob): Promise<Contest> {
    const gpu = await this.gpu();
    const { adapter: { isSerial }, timerResolutionNs } = (await this.#adapterFacts()).environment;
    const progress = (step: string, done: number, total: number): void => this.heard({ step, done, total });
    return kind === 'plain' ? profilePlain(gpu, spec, candidates, { ...options, timerStepNs: timerResolutionNs, progress }) : profileFused(gpu, spec, candidates, { ...options, isSerial, progress });
  }

  async #run({ spec, baseline, check, memoryLimit, operandUrls, keepOutput, keepEvents }: RunJob): Promise<RunResult> {
    const gpu = await this.gpu();
    const { isSerial } = (await this.#adapterFacts()).environment.adapter;
    const { m, n } = spec.gemm;
    const matrices =
      operandUrls === undefined
        ? undefined
        : { a: await slices(operandUrls.a, (device) => m * depthOf(spec, device)), b: await slices(operandUrls.b, (device) => depthOf(spec, device) * n) };
    if ((spec.operands.kind === 'trained' || spec.operands.kind === 'files') && matrices === undefined) throw bug('the operands were not served');
    const progress = (step: string, done: number, total: number): void => this.heard({ step, done, total });
    const { report, result, log } = await runSpec(gpu, spec, { baseline, memoryLimit, isSerial, progress, ...(check === undefined ? {} : { check }), ...(matrices === undefined ? {} : { matrices }) });
    return { report, ...(keepOutput === true ? { output: [...new Float32Array(result.buffer)] } : {}), ...(keepEvents === true ? { events: [...log] } : {}) };
  }
}

/** One device after another: the host reads each from its file when it is asked for. */
async function slices(urls: readonly string[], elements: (device: number) => number): Promise<Float32Array<ArrayBuffer>[]> {
  const all: Float32Array<ArrayBuffer>[] = [];
  for (const [device, url] of urls.entries()) all.push(await matrix(url, elements(device)));
  return all;
}

async function matrix(url: string, elements: number): Promise<Float32Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw bug(`operands at ${url}: ${response.status}`);
  const values = new Float32Array(await response.arrayBuffer());
  if (values.length !== elements) throw new TilewireError('BAD_FILE', 'the operand matrix has another size than the Spec says', { path: url, actual: values.length, limit: elements });
  return values;
}

async function outcome<T>(promise: Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    const known = error instanceof TilewireError ? error : bug(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return { ok: false, error: known.toRecord() };
  }
}
