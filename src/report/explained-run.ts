// What `tilewire explain --run` tells: of each run of a report that --json wrote, where its time went as it was measured, as it was
// replayed, and, where the model can take the same shape, as it is modelled. Three clocks, three columns: nothing is
// added up, compared or carried over from one to another.
import { z } from 'zod';
import { TilewireError } from '../errors.ts';
import type { MachineFile } from '../model/machine.ts';
import { parseSpec } from '../spec/parse.ts';
import type { Spec } from '../spec/spec.ts';
import type { Environment, FusedTime, Measured, Replayed, RunReport, RunTime } from '../verify/run-report.ts';
import { explainRecord, unexplained, type ExplainReport } from './explain-record.ts';
import { isRecord, jsonIn } from './json.ts';

export type MeasuredRun = Pick<RunReport, 'spec' | 'measured' | 'replayed' | 'time' | 'failures'>;

export interface RunExplained extends MeasuredRun {
  readonly modelled: ExplainReport | null;
  /** Why it was not modelled. */
  readonly unmodelled: string | null;
}

export interface RunsExplained {
  readonly version: 1;
  readonly environment: Environment;
  readonly schedule: string;
  readonly machine: MachineFile;
  readonly runs: readonly RunExplained[];
}

const ms = z.number();
const kinds = z.object({ gemmMs: ms, transferMs: ms, reductionMs: ms });
const known = ms.nullable();

const environmentSchema: z.ZodType<Environment> = z.object({
  backend: z.enum(['chrome', 'node']),
  browser: z.string(),
  adapter: z.object({ vendor: z.string(), architecture: z.string(), description: z.string(), isFallback: z.boolean(), isSerial: z.boolean() }),
  timerResolutionNs: known,
});

const timeSchema: z.ZodType<RunTime> = z.object({
  fused: z.object({ gemmMs: ms, transferMs: ms, reductionMs: ms, trackerMs: ms, overlappedMs: ms, gapsMs: ms, endsMs: ms }).nullable(),
  plain: z.object({ transferMs: ms, reductionMs: ms }).nullable(),
  replayed: z.object({ path: kinds, pathTasks: z.number(), pathDevices: z.number(), busiest: kinds }).nullable(),
});

const runSchema: z.ZodType<Omit<MeasuredRun, 'spec'>> = z.object({
  measured: z.object({
    gemmMs: known, collectiveMs: known, plainPartsMs: known, sequentialMs: known, fusedMs: known, operandsMs: ms, checkMs: ms, reportMs: ms, checkOverFused: ms, exposedMs: known,
    overlapMeasured: known, interleaved: known, gpuBusy: known, stageEfficiency: known, extraFlops: ms, stages: ms, tailLimited: z.boolean().nullable(), counterWaits: ms, bufferConflicts: ms,
  } satisfies Record<keyof Measured, z.ZodType>),
  replayed: z.object({ gemmMs: known, sequentialMs: known, fusedMs: known, exposedMs: known, overlap: known } satisfies Record<keyof Replayed, z.ZodType>),
  time: timeSchema,
  failures: z.array(z.object({ code: z.string(), message: z.string() })),
});

const FIX = 'give a file that `tilewire run --json` (or start --json) of this version wrote';

/** The runs in the text of `file`; BAD_FILE where it is no such report, BAD_SPEC for a Spec in it that is none. */
export function measuredRuns(text: string, file: string): { readonly environment: Environment; readonly runs: readonly MeasuredRun[] } {
  const refuse = (what: string, path: string, lines: readonly string[] = [], fix = FIX): TilewireError => new TilewireError('BAD_FILE', what, { path, ...(lines.length === 0 ? {} : { lines: [...lines] }), fix });
  const json = jsonIn(text, file, FIX);
  if (!isRecord(json) || !Array.isArray(json['runs']) || json['runs'].length === 0) throw refuse('this file holds no measured run', file);
  const parsed = <T>(schema: z.ZodType<T>, of: unknown, path: string): T => {
    const result = schema.safeParse(of);
    if (result.success) return result.data;
    throw refuse(`this is not a report of a run: ${result.error.issues.length} ${result.error.issues.length === 1 ? 'issue' : 'issues'}`, path, result.error.issues.map((issue) => `${issue.path.map(String).join('.') || '(top)'}: ${issue.message}`));
  };
  const environment = parsed(environmentSchema, json['environment'], `${file} environment`);
  return {
    environment,
    runs: json['runs'].map((run: unknown, at): MeasuredRun => {
      const path = `${file} runs[${at}]`;
      if (!isRecord(run)) throw refuse('a run of this report is not an object', path);
      const spec = parseSpec(run['spec'], `${path}.spec`);
      if (isRecord(run['measured']) && run['time'] === undefined) throw refuse('this report does not say where the time went: an older tilewire wrote it', `${path}.time`, [], `run it again: tilewire run --spec ${file} --baseline --json NEW.json`);
      return { spec, ...parsed(runSchema, run, path) };
    }),
  };
}

/** Why the model cannot take this Spec; null where it can. It knows shape, devices and chunks: its kernel is its own. */
export function unmodelled(spec: Spec, machine: MachineFile): string | null {
  if (spec.algorithm !== 'ring') return `the schedules with a critical path run on a ring, this run is ${spec.algorithm}`;
  const { kernel } = spec;
  if (kernel.kind === 'built-in' ? kernel.splits > 1 : kernel.bindings.splits !== null) return 'its K is split: a path through workgroups that share a tile is not traced';
  if (kernel.kind === 'foreign' && kernel.bindings.batch !== 1) return 'it is a batch, which the model does not do';
  const refused = unexplained(spec, machine);
  return refused === null ? null : `${refused.what}: ${refused.actual}, limit ${String(refused.limit)}`;
}

export function explainRun(run: MeasuredRun, schedule: string, machine: MachineFile, progress: (step: string, done: number, total: number) => void): RunExplained {
  const reason = unmodelled(run.spec, machine);
  return { ...run, unmodelled: reason, modelled: reason === null ? explainRecord(run.spec, schedule, machine, progress) : null };
}

/** One cause in each of the three columns, ms; null where a column does not know of it. */
export interface CauseRow {
  readonly name: string;
  readonly measured: number | null;
  readonly replayed: number | null;
  readonly modelled: number | null;
  readonly definition: string;
}

const PS_PER_MS = 1e9;

/** Each column sums to its time. */
export function causeRows({ time: { fused, replayed }, modelled }: RunExplained): CauseRow[] {
  const path = modelled?.path ?? null;
  const model = (...causes: readonly ExplainReport['path'][number]['cause'][]): number | null => path && path.reduce((sum, { cause, fromPs, toPs }) => sum + (causes.includes(cause) ? toPs - fromPs : 0), 0) / PS_PER_MS;
  const of = (key: keyof FusedTime, sign = 1): number | null => fused && sign * fused[key];
  return [
    { name: 'compute', measured: of('gemmMs'), replayed: replayed?.path.gemmMs ?? null, modelled: model('compute'), definition: 'measured, replayed: GEMM stages, with all that they wait for; modelled: slabs multiplied' },
    { name: 'wave quantisation', measured: null, replayed: null, modelled: model('wave quantisation'), definition: 'modelled: stages that had no tile for some of the CUs; else within compute' },
    { name: 'operands', measured: null, replayed: null, modelled: model('DRAM: operands'), definition: 'modelled: a slab was not there, the DRAM and its queue; else within compute' },
    { name: 'link', measured: of('transferMs'), replayed: replayed?.path.transferMs ?? null, modelled: model('link', 'link back-pressure', 'DMA queue'), definition: 'measured: copies of triggered blocks; replayed: blocks on a link; modelled: in its queue and the DMA engine’s, on it, back-pressure' },
    { name: 'latency', measured: null, replayed: null, modelled: model('latency'), definition: "modelled: the link's" },
    { name: 'memory', measured: of('reductionMs'), replayed: replayed?.path.reductionMs ?? null, modelled: model('DRAM: own store', 'DRAM: DMA read', 'DRAM: update'), definition: 'measured, replayed: reductions of what arrived; modelled: stores, DMA reads and updates at the DRAM' },
    { name: 'trigger', measured: of('trackerMs'), replayed: null, modelled: model('trigger'), definition: 'measured: dispatches of trackers on the GPU (on the host they take none); modelled: set-up of the DMA' },
    { name: 'overlapped', measured: of('overlappedMs', -1), replayed: null, modelled: null, definition: 'measured: GPU time of the rows above that ran beside other of it' },
    { name: 'gaps', measured: of('gapsMs'), replayed: null, modelled: null, definition: 'measured: the GPU had nothing to do: the host was encoding, or waited for counters' },
    { name: 'begin and end', measured: of('endsMs'), replayed: null, modelled: null, definition: 'measured: from the first submit to the first dispatch, and from the last one until the host knew' },
  ];
}

/** Fused against its plain parts, ms; `plain` null where there is no such part. They sum to fusedMs and plainPartsMs. */
export interface PlainRow {
  readonly name: string;
  readonly plain: number | null;
  readonly fused: number;
  readonly definition: string;
}

/** Null without a baseline, or where the run or the baseline was not timed. */
export function plainRows({ time: { fused, plain }, measured: { gemmMs, stages }, spec: { devices } }: MeasuredRun): PlainRow[] | null {
  if (fused === null || plain === null || gemmMs === null) return null;
  return [
    { name: 'GEMM', plain: gemmMs, fused: fused.gemmMs, definition: `plain: one dispatch for each of ${devices} devices; fused: ${stages} stages, each with its own tail, and stores that are counted and placed` },
    { name: 'transfers', plain: plain.transferMs, fused: fused.transferMs, definition: 'plain: whole chunks; fused: blocks, gathered by epoch; the first step is stored to the peer and not copied' },
    { name: 'reductions', plain: plain.reductionMs, fused: fused.reductionMs, definition: 'likewise' },
    { name: 'trackers', plain: null, fused: fused.trackerMs, definition: 'on the GPU, with --triggers device' },
    { name: 'overlapped', plain: null, fused: -fused.overlappedMs, definition: 'GPU time that ran beside other GPU time' },
    { name: 'gaps', plain: null, fused: fused.gapsMs, definition: 'the GPU had nothing to do' },
    { name: 'begin and end', plain: null, fused: fused.endsMs, definition: 'first submit to first dispatch, last one until the host knew' },
  ];
}
