// `tilewire explain`: why a fused schedule takes the time that it takes on a described machine, and where else it would win or lose.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TilewireError } from '../errors.ts';
import type { MachineFile } from '../model/machine.ts';
import { explainedPolicy, explainRecord, unexplained, type ExplainReport } from '../report/explain-record.ts';
import { explainRun, measuredRuns, type RunsExplained } from '../report/explained-run.ts';
import { runsExplainedTable } from '../report/explained-run-table.ts';
import { explainHtml } from '../report/explain-html.ts';
import { explainTable } from '../report/explain-table.ts';
import { reportToJson } from '../report/json.ts';
import { resolveModelled } from '../spec/resolve.ts';
import { specRequest, type SpecFlags } from './flags.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { modelConfig, readText, refuseBeside, remarksOn } from './run.ts';
import { endAtOnceOnSignals, machineOf, rowsFlag } from './simulate.ts';

export interface ExplainFlags extends SpecFlags {
  readonly schedule?: string;
  readonly machine?: string;
  readonly topology?: MachineFile['topology']['value'];
  /** A report that `run --json` wrote. */
  readonly run?: string;
  readonly json?: string;
  readonly html?: string;
  readonly force?: boolean;
}

/** Draws the charts; bundled beside the CLI. */
const chartsFile = fileURLToPath(new URL('./explain-charts.js', import.meta.url));

export function explainCommand(flags: ExplainFlags): void {
  const { schedule = 't3-mca', machine: machineName = 'paper', topology, run, json, html, force = false, ...shape } = flags;
  explainedPolicy(schedule);
  const files = { json: json === undefined ? null : claimReportFile(json, force), html: html === undefined ? null : claimReportFile(html, force, '--html') };
  const machine = machineOf(machineName, topology);
  const progress = progressLine();
  const report = run === undefined ? explainShape(shape, schedule, machine, progress) : explainRuns(run, shape, schedule, machine, progress);
  progress.clear();
  process.stdout.write(`${'runs' in report ? runsExplainedTable(report) : explainTable(report)}\n`);
  files.json?.write(reportToJson(report));
  files.html?.write(explainHtml(report, fs.readFileSync(chartsFile, 'utf8')));
}

function explainShape(shape: SpecFlags, schedule: string, machine: MachineFile, progress: ReturnType<typeof progressLine>): ExplainReport {
  const config = modelConfig(shape);
  const explained = resolveModelled(specRequest(shape, config));
  for (const remark of remarksOn(config.config, shape, explained.devices)) process.stderr.write(`tilewire: note: ${remark}\n`);
  const refused = unexplained(explained, machine);
  if (refused !== null) {
    const { what, flag, ...more } = refused;
    throw new TilewireError('BAD_FLAG', what, { path: flag === 'devices' ? '--devices' : rowsFlag(shape), ...more });
  }
  endAtOnceOnSignals();
  return explainRecord(explained, schedule, machine, (step, done, total) => progress.show({ step, done, total }));
}

/** Every run of a report that --json wrote; shape and all are the file's. */
function explainRuns(file: string, shape: SpecFlags, schedule: string, machine: MachineFile, progress: ReturnType<typeof progressLine>): RunsExplained {
  refuseBeside('--run', shape);
  const { environment, runs } = measuredRuns(readText(file, '--run'), file);
  endAtOnceOnSignals();
  return { version: 1, environment, schedule, machine, runs: runs.map((run) => explainRun(run, schedule, machine, (step, done, total) => progress.show({ step: `${run.spec.name}: ${step}`, done, total }))) };
}
