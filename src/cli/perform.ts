// Runs resolved Specs one after another in one browser session and reports on them: a table each as it
// comes, the JSON file at the end, a closing verdict. This is the program: read it first.
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { checkMemory, leastMemory } from '../emulate/memory.ts';
import { openSession } from '../host/session.ts';
import type { Session } from '../host/session.ts';
import type { DeviceSlices } from '../host/operand-files/slice.ts';
import type { RunJob } from '../page/api.ts';
import { adapterKey, reportToJson } from '../report/json.ts';
import type { RecordedSpec } from '../report/json.ts';
import type { Environment, RunReport } from '../verify/run-report.ts';
import { adapterLine, runTable, verdictLine } from '../report/table.ts';
import type { AdapterTraits, SpecDraft } from '../spec/spec.ts';
import type { CheckFlags, GeneralFlags } from './flags.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';

const HARDWARE_MEMORY_LIMIT = 4 * 2 ** 30;

/** Bundled beside the CLI. */
export const pageFile = fileURLToPath(new URL('./page.js', import.meta.url));

export interface PlannedRun {
  /** As it would be on any adapter: what is wrong with it is said before a browser starts. */
  readonly spec: SpecDraft;
  /** The Spec for this adapter, where the request leaves that open. */
  readonly specFor?: (traits: AdapterTraits, environment: Environment) => Promise<SpecDraft>;
  /** Operands that are not generated: those of `--operands trained`, or of --a and --b. Closed when all runs are over. */
  readonly operands?: DeviceSlices;
  /** What a reader of the report should know of its shape. */
  readonly remarks?: readonly string[];
  /** What an earlier report recorded of this Spec. */
  readonly recorded?: RecordedSpec['recorded'];
}

/** The exit status: 0 when every run is right, 1 when one is wrong. */
export async function performRuns(planned: readonly PlannedRun[], baseline: boolean, flags: GeneralFlags & CheckFlags): Promise<number> {
  // What the flags alone can refuse is refused before a browser starts.
  if (flags.memoryLimit !== undefined) for (const { spec } of planned) checkMemory(leastMemory(spec), flags.memoryLimit, spec);
  const file = flags.json === undefined ? null : claimReportFile(flags.json, flags.force ?? false);
  const progress = progressLine();
  const print = (text: string) => {
    progress.clear();
    process.stdout.write(`${text}\n`);
  };

  const session = await openSession({
    backend: flags.backend,
    pageFile,
    browser: flags.browser,
    requireHardware: flags.requireHardware,
    timeout: flags.timeout,
    say: (line) => progress.say(line),
  });
  try {
    const { environment, facts } = session;
    print(`${adapterLine(environment)}\n`);
    const runs: RunReport[] = [];
    let replaysDiffer = false;
    for (const { spec: anywhere, specFor, operands, remarks = [], recorded } of planned) {
      const spec = (await specFor?.(facts.traits, environment)) ?? anywhere;
      progress.say(`running ${spec.name}`);
      const operandUrls = operands && serveOperands(session, operands, spec.devices);
      const job: RunJob = { spec, baseline, memoryLimit: flags.memoryLimit ?? defaultMemoryLimit(environment), ...(flags.check === undefined ? {} : { check: flags.check }), ...(operandUrls ? { operandUrls } : {}) };
      const { report: measured } = await session.run(job, (step) => progress.show(step));
      for (const path of Object.values(operandUrls ?? {}).flat()) session.withdraw(path);
      const report: RunReport = { ...measured, notes: [...measured.notes, ...remarks.map((reason) => ({ path: 'spec.gemm', reason }))] };
      runs.push(report);
      print(`${runTable(report)}\n`);
      if (recorded) {
        const replay = compareReplay(report, recorded, environment);
        print(`${replay.line}\n`);
        replaysDiffer ||= replay.differs;
      }
    }
    file?.write(reportToJson({ version: 1, environment, runs }));
    print(verdictLine(runs));
    return replaysDiffer || runs.some((run) => run.failures.length > 0) ? 1 : 0;
  } finally {
    progress.clear();
    await session.close();
    for (const { operands } of planned) operands?.close();
  }
}

/** A device's matrix is read when the page asks for it: of all of them together there may be more than the host has memory. */
function serveOperands(session: Session, operands: DeviceSlices, devices: number): NonNullable<RunJob['operandUrls']> {
  const paths = (matrix: 'a' | 'b'): string[] =>
    Array.from({ length: devices }, (_, device) =>
      session.serve(`${matrix}${device}`, () => {
        const values = operands[matrix](device);
        return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      }),
    );
  return { a: paths('a'), b: paths('b') };
}

export function defaultMemoryLimit({ adapter }: Environment): number {
  if (!adapter.isFallback) return HARDWARE_MEMORY_LIMIT;
  // A container may be allowed less than the machine has.
  const allowed = process.constrainedMemory();
  return Math.floor(Math.min(os.totalmem(), allowed > 0 ? allowed : Infinity) / 2);
}

/** Same Spec, same adapter, same build: same bits and same event order. An edited Spec may differ; another adapter or backend may, but for the bits of exact operands. */
function compareReplay({ check, causality, spec, specHash }: RunReport, recorded: NonNullable<RecordedSpec['recorded']>, environment: Environment): { line: string; differs: boolean } {
  const bits = check.outputHash === recorded.outputHash;
  const order = causality.eventHash === recorded.eventHash;
  const word = (same: boolean) => (same ? 'the same' : 'DIFFERENT');
  const edited = specHash !== recorded.specHash;
  const elsewhere = adapterKey(environment) !== recorded.adapter;
  const exact = check.mode === 'exact' && spec.faults.length === 0;
  const excuse = edited ? ' (the Spec was edited since)' : elsewhere ? ' (on another adapter)' : '';
  const differs = !edited && (elsewhere ? exact && !bits : !(bits && order));
  return { line: `replay of ${spec.name}: ${word(bits)} output bits, ${word(order)} event order${excuse}`, differs };
}
