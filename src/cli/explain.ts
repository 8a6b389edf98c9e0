// `tilewire explain`: why a fused schedule takes the time that it takes on a described machine, and where else it would win or lose.
import { TilewireError } from '../errors.ts';
import type { MachineFile } from '../model/machine.ts';
import { explainedPolicy, explainRecord, unexplained } from '../report/explain-record.ts';
import { explainTable } from '../report/explain-table.ts';
import { reportToJson } from '../report/json.ts';
import { resolveDraft } from '../spec/resolve.ts';
import { specRequest, type SpecFlags } from './flags.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { modelConfig, remarksOn } from './run.ts';
import { endAtOnceOnSignals, machineOf } from './simulate.ts';

export interface ExplainFlags extends SpecFlags {
  readonly schedule?: string;
  readonly machine?: string;
  readonly topology?: MachineFile['topology']['value'];
  readonly json?: string;
  readonly force?: boolean;
}

export async function explainCommand(flags: ExplainFlags): Promise<void> {
  const { schedule = 't3-mca', machine: machineName = 'paper', topology, json, force = false, ...shape } = flags;
  explainedPolicy(schedule);
  const file = json === undefined ? null : claimReportFile(json, force);
  const machine = machineOf(machineName, topology);
  const config = modelConfig(shape);
  const draft = await resolveDraft({ ...specRequest(shape, config), operands: 'normal' });
  for (const remark of remarksOn(config.config, shape, draft.devices)) process.stderr.write(`tilewire: note: ${remark}\n`);
  const refused = unexplained(draft);
  if (refused !== null) {
    const { what, flag, ...more } = refused;
    throw new TilewireError('BAD_FLAG', what, { path: flag === 'devices' ? '--devices' : shape.tokens === undefined && shape.model === undefined && shape.config === undefined ? '--m' : '--tokens', ...more });
  }
  endAtOnceOnSignals();
  const progress = progressLine();
  const report = explainRecord(draft, schedule, machine, (step, done, total) => progress.show({ step, done, total }));
  progress.clear();
  process.stdout.write(`${explainTable(report)}\n`);
  file?.write(reportToJson(report));
}
