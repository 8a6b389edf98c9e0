// `tilewire model`: one shape under several schedules on the virtual clock of a described machine. No browser, no GPU.
import { TilewireError } from '../errors.ts';
import { machineJsonSchema, PAPER_PARAMETER_FILE, parametersOn, valuesOf, type MachineFile, type ParameterFile } from '../model/machine.ts';
import { US } from '../model/paper.ts';
import { runSchedule, SCHEDULES } from '../model/schedules.ts';
import { Subject } from '../model/subject.ts';
import { reportToJson } from '../report/json.ts';
import { modelCase, type Against, type ModelReport } from '../report/model-record.ts';
import { modelTable } from '../report/model-table.ts';
import { resolveModelled } from '../spec/resolve.ts';
import { MODELLED } from '../spec/scope.ts';
import { specRequest, type SpecFlags } from './flags.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { modelConfig, readOperands, remarksOn } from './run.ts';
import { checkSize, endAtOnceOnSignals, machineOf, rowsFlag } from './simulate.ts';

export interface ModelFlags extends SpecFlags {
  /** Separated by commas. */
  readonly schedule?: string;
  readonly machine?: string;
  readonly topology?: MachineFile['topology']['value'];
  readonly machineSchema?: boolean;
  readonly json?: string;
  readonly force?: boolean;
}

const ALL = 'all';
const FIVE = ['sequential', 't3', 't3-mca', 'ideal-overlap', 'ideal-nmc'] as const;

/** Of the devices that are simulated: one stands for all, but where they are skewed or stall. */
const MOST_SLABS = 2 ** 26;

export async function modelCommand(flags: ModelFlags): Promise<void> {
  if (flags.machineSchema === true) {
    process.stdout.write(`${JSON.stringify(machineJsonSchema(), null, 2)}\n`);
    return;
  }
  const { schedule, machine: machineName = 'paper', topology, machineSchema: _schema, json, force = false, ...shape } = flags;
  const schedules = schedule === undefined ? FIVE : parseSchedules(schedule);
  const file = json === undefined ? null : claimReportFile(json, force);
  const machine = machineOf(machineName, topology);
  const config = modelConfig(shape);
  const { read, slices } = await readOperands(shape, config.config);
  const { name, gemm, devices, chunk, splits, skew, seed, overflow, tracker } = resolveModelled(specRequest(shape, { ...config, ...read }));
  slices?.(devices).close();
  for (const remark of remarksOn(config.config, shape, devices, MODELLED)) process.stderr.write(`tilewire: note: ${remark}\n`);

  const values = valuesOf(machine);
  const set = { ...parametersOn(machine, PAPER_PARAMETER_FILE), ...trackerOf(tracker) };
  const parameters = valuesOf(set);
  checkSize(rowsFlag(shape), { gemm, devices, machine: values, parameters, mostSlabs: MOST_SLABS, simulated: skew > 0 || overflow === 'stall' ? devices : 1 });

  const shapeOf = { m: gemm.m, n: gemm.n, kTotal: gemm.kTotal, devices, chunk, splits };
  const subject = new Subject(shapeOf, { machine: values, parameters, fold: true, skew, seed, overflow });
  const unskewed = skew === 0 ? null : new Subject(shapeOf, { machine: values, parameters, fold: true, overflow });
  endAtOnceOnSignals();
  const progress = progressLine();
  progress.show({ step: 'modelling the baseline', done: 0, total: schedules.length });
  const against: Against = { machine: machine.name, model: shape.model ?? config.config?.name ?? null, sublayer: shape.layer ?? null, devices, sequential: runSchedule(subject, 'sequential'), ideal: runSchedule(subject, 'ideal-overlap') };
  const cases = schedules.flatMap((asked, done) => {
    progress.show({ step: `modelling ${asked}`, done, total: schedules.length });
    try {
      return [modelCase(runSchedule(subject, asked), against, unskewed === null ? null : runSchedule(unskewed, asked))];
    } catch (error) {
      // The one thing of a schedule that can be wrong with a machine: a collective that its links do not carry.
      if (!(error instanceof TilewireError) || error.code !== 'BAD_FLAG') throw error;
      if (schedule !== ALL) throw new TilewireError(error.code, `${asked} cannot run on this machine: ${error.what}`, error.fields);
      progress.say(`note: ${asked} is left out, it cannot run on this machine: ${error.what}`);
      return [];
    }
  });
  progress.clear();
  const report: ModelReport = { version: 1, name, gemm, devices, chunk, splits, skew: unskewed === null ? null : skewOf(subject, unskewed), overflow, parameters: { machine, parameters: set }, cases };
  process.stdout.write(`${modelTable(report)}\n`);
  file?.write(reportToJson(report));
}

/** Of the set, what the flags say. */
function trackerOf({ sets, ways }: ReturnType<typeof resolveModelled>['tracker']): Partial<ParameterFile> {
  return { ...(sets === undefined ? {} : { trackerSets: { value: sets, source: '--tracker-sets' } }), ...(ways === undefined ? {} : { trackerWays: { value: ways, source: '--tracker-ways' } }) };
}

function skewOf({ conditions: { skew = 0, seed = 0 }, gemms }: Subject, unskewed: Subject): ModelReport['skew'] {
  return { factor: skew, seed, gemmUs: gemms.map(({ timePs }) => timePs / US), gemmWithoutUs: unskewed.gemm.timePs / US };
}

/** The names of `--schedule`, or all of them. */
function parseSchedules(text: string): readonly string[] {
  const path = '--schedule';
  const known = SCHEDULES.map(({ name }) => name);
  if (text === ALL) return known;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TilewireError('BAD_FLAG', 'unknown schedule', { path, actual: unknown, limit: known.join(', '), fix: `use some of them, separated by commas, or ${path} ${ALL}` });
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new TilewireError('BAD_FLAG', 'this schedule is named twice', { path, actual: twice, fix: 'name it once' });
  return names;
}
