// Profiles fused runs: kernels and tiles that did well alone, each at several granularities of stages and triggers. That is not
// the same ranking: a stage must fill the machine, and a block must be ready in time to travel behind later stages. Each
// sample is a whole run of its Spec, proven right as any run is; its wall time is ranked, its replayed time told.
import { TilewireError } from '../errors.ts';
import { probeSpec } from '../emulate/footprint.ts';
import { runSpec } from '../emulate/run.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { settled } from '../plan/plan.ts';
import { tilingOf } from '../plan/tiling.ts';
import type { Spec, SpecDraft } from '../spec/spec.ts';
import { formatMs } from '../units.ts';
import type { RunReport } from '../verify/run-report.ts';
import { granularitiesOf, type Candidate } from './candidates.ts';
import { contestOf, type Entry } from './contest.ts';
import { compete, type Entrant, type Sample } from './rounds.ts';
import type { CandidateName, Contest, TimerFacts } from './tiles-report.ts';
import { clockStepNs, WELL_ABOVE } from './timer.ts';

export interface FusedOptions {
  /** Candidates, granularities counted. */
  readonly limit: number;
  readonly rounds: number;
  readonly seconds: number;
  /** Bytes. */
  readonly memoryLimit: number;
  readonly isSerial: boolean;
  readonly notes?: readonly string[];
  readonly progress: (step: string, done: number, total: number) => void;
}

/** A run below this is mostly compilation when it is the first of its kind, and is done twice. */
const SHORT_MS = 2000;

/** @param draft all of the run but kernel and stages @param candidates best one first */
export async function profileFused(gpu: Gpu, draft: SpecDraft, candidates: readonly Candidate[], { limit, rounds, seconds, memoryLimit, isSerial, notes = [], progress }: FusedOptions): Promise<Contest> {
  const resolutionNs = clockStepNs();
  const timer: TimerFacts = { kind: 'wall clock', resolutionNs, leastSampleMs: (WELL_ABOVE * resolutionNs) / 1e6 };
  const places: { name: CandidateName; spec: Spec }[][] = [];
  for (const [at, candidate] of candidates.entries()) {
    progress('footprints', at, candidates.length);
    places.push(await granular(gpu, draft, candidate));
  }
  const all = places.flatMap((of, tile) => of.map((one, at) => ({ ...one, place: tile + at }))).toSorted((one, other) => one.place - other.place);
  const entrants = all.slice(0, limit).map(
    ({ spec, name }) => new FusedEntrant(name, timer, () => runSpec(gpu, spec, { baseline: false, memoryLimit, isSerial }).then(({ report }) => report)),
  );
  const result = await compete(entrants, { rounds, seconds, seed: draft.seed, now: () => performance.now(), progress });
  const { m, n, kTotal } = draft.gemm;
  const left = all.length > limit ? [`${all.length - limit} more combinations of tile and granularity were left out: --limit ${limit}`] : [];
  return contestOf(entrants.map(({ entry }) => entry), result, 2 * m * n * kTotal, timer, [...notes, ...left]);
}

/** A kernel at its granularities, likely ones first. */
async function granular(gpu: Gpu, draft: SpecDraft, { name, kernel }: Candidate): Promise<{ name: CandidateName; spec: Spec }[]> {
  const open = { ...draft, kernel, stageTiles: null };
  const footprint = await probeSpec(gpu, open);
  const spec = settled(open, footprint);
  const { chunkParts } = tilingOf(footprint, spec.chunk, spec.devices, spec.triggerTiles);
  const perStep = Math.max(...chunkParts.slice(1).map((end, chunk) => end - chunkParts[chunk]));
  return granularitiesOf(spec, perStep).map((granularity) => ({ name: { ...name, granularity }, spec: { ...spec, ...granularity } }));
}

class FusedEntrant implements Entrant {
  readonly #name: CandidateName;
  readonly #timer: TimerFacts;
  readonly #run: () => Promise<RunReport>;
  readonly #replayed: number[] = [];
  #verified = false;
  #batch = 1;

  constructor(name: CandidateName, timer: TimerFacts, run: () => Promise<RunReport>) {
    this.#name = name;
    this.#timer = timer;
    this.#run = run;
  }

  get entry(): Entry {
    return { name: this.#name, batch: this.#batch, verified: this.#verified, repeats: 1, part: 1, wholeMs: null, replayedMs: this.#replayed };
  }

  async first(): Promise<Sample> {
    let ms = await this.again();
    if (ms < SHORT_MS) ms = await this.again();
    const { leastSampleMs, resolutionNs } = this.#timer;
    if (ms < leastSampleMs) return { unranked: `a run takes ${formatMs(ms)}, a sample must be at least ${formatMs(leastSampleMs)} (the clock has steps of ${formatMs(resolutionNs / 1e6)})` };
    return { ms };
  }

  async again(): Promise<number> {
    this.#verified = false;
    const report: RunReport & { readonly replayed?: { readonly fusedMs: number | null } | null } = await this.#run();
    const [failure] = report.failures;
    if (failure !== undefined) throw new TilewireError('WRONG_VALUES', `wrong run: ${failure.message}`);
    this.#verified = true;
    this.#batch = report.kernel.batch;
    if (typeof report.replayed?.fusedMs === 'number') this.#replayed.push(report.replayed.fusedMs);
    return report.measured.fusedMs!;
  }

  readonly confirmMs = 0;

  /** Every run was checked. */
  async confirm(): Promise<void> {}
}
