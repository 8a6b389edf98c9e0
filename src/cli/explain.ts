// `tilewire explain`: why a fused schedule takes the time that it takes on a described machine, and where else it would win or lose.
import { TilewireError } from '../errors.ts';
import { breakdownOf, crossover, explainFused, type CrossoverCell } from '../model/explain.ts';
import { PAPER_PARAMETER_FILE, parametersOn, settingsOf, valuesOf, type ArbitrationPolicy, type MachineFile } from '../model/machine.ts';
import { Subject } from '../model/subject.ts';
import { explainTable, type ExplainMap, type ExplainReport } from '../report/explain-table.ts';
import { reportToJson } from '../report/json.ts';
import { resolveModelled } from '../spec/resolve.ts';
import { specRequest, type SpecFlags } from './flags.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { modelConfig } from './run.ts';
import { checkSize, endAtOnceOnSignals, machineOf, rowsFlag, slabsOf } from './simulate.ts';

export interface ExplainFlags extends SpecFlags {
  readonly schedule?: string;
  readonly machine?: string;
  readonly topology?: MachineFile['topology']['value'];
  readonly json?: string;
  readonly force?: boolean;
}

/** Schedules that are one fused run on the engine, which alone has a critical path. */
const POLICIES: Readonly<Record<string, ArbitrationPolicy>> = { t3: 'round-robin', 't3-mca': 'mca', 't3-compute-first': 'compute-first' };
/** Slabs that a GEMM computes over all devices, which are all simulated and traced. */
const MOST_SLABS = 2 ** 24;
/** Of a cell of a map, where one device stands for all. */
const MOST_CELL_SLABS = 2 ** 22;

const ROWS = [512, 2048, 8192, 32_768];
const TILES = [64, 128, 256];
const DEVICES = [2, 4, 8, 16, 32];
const LINKS = [25, 50, 100, 150, 300, 600];

export async function explainCommand(flags: ExplainFlags): Promise<void> {
  const { schedule = 't3-mca', machine: machineName = 'paper', topology, json, force = false, ...shape } = flags;
  const policy = Object.hasOwn(POLICIES, schedule) ? POLICIES[schedule] : undefined;
  if (policy === undefined) throw new TilewireError('BAD_FLAG', 'no schedule with a critical path', { path: '--schedule', actual: schedule, limit: Object.keys(POLICIES).join(', '), fix: 'name one of them; `tilewire model --schedule all` compares all schedules' });
  const file = json === undefined ? null : claimReportFile(json, force);
  const machine = machineOf(machineName, topology);
  const { name, gemm, devices, chunk } = resolveModelled(specRequest(shape, modelConfig(shape)));
  if (devices < 2) throw new TilewireError('BAD_FLAG', 'one device has nobody to wait for', { path: '--devices', actual: devices, limit: 'at least 2', fix: 'explain a run of several devices' });
  const set = parametersOn(machine, PAPER_PARAMETER_FILE);
  const [values, parameters] = [valuesOf(machine), valuesOf(set)];
  checkSize({ gemm, devices, machine: values, parameters, rowsFlag: rowsFlag(shape), mostSlabs: MOST_SLABS, simulated: devices });
  endAtOnceOnSignals();
  const progress = progressLine();
  progress.show({ step: 'tracing', done: 0, total: 3 });

  const base = { m: gemm.m, n: gemm.n, kTotal: gemm.kTotal, devices, chunk };
  const { figures, path } = explainFused(new Subject(base, { machine: values, parameters, fold: false }), policy);
  const last = figures.devices.reduce((late, of, at) => (of.finishedPs > figures.devices[late].finishedPs ? at : late), 0);
  const mapOf = (x: ExplainMap['x'], y: ExplainMap['y'], at: Parameters<typeof crossover>[3]): ExplainMap => {
    const cells = y.values.flatMap((row) => x.values.flatMap((column): CrossoverCell[] => {
      const { shape: { m, kTotal, devices: count }, parameters: { tileM, tileN } } = at(column, row);
      // Each device needs at least one column of A.
      return count > kTotal || slabsOf({ m, n: gemm.n, k: Math.ceil(kTotal / count) }, { ...parameters, tileM, tileN }) > MOST_CELL_SLABS ? [] : crossover([column], [row], schedule, at);
    }));
    return { x, y, cells };
  };
  progress.show({ step: 'map of rows and tiles', done: 1, total: 3 });
  const shapes = mapOf({ name: 'm', values: ROWS }, { name: 'tile m = n', values: TILES }, (m, tile) => ({ shape: { ...base, m }, machine: values, parameters: { ...parameters, tileM: tile, tileN: tile } }));
  progress.show({ step: 'map of devices and links', done: 2, total: 3 });
  const machines = mapOf({ name: 'link GB/s', values: LINKS }, { name: 'devices', values: DEVICES }, (linkGBs, count) => ({ shape: { ...base, devices: count }, machine: { ...values, linkGBs }, parameters }));
  progress.clear();
  const report: ExplainReport = { version: 1, name, schedule, devices, parameters: { machine, parameters: set }, device: last, breakdown: breakdownOf(figures.devices[last], settingsOf(values, parameters, policy)), path, maps: [shapes, machines] };
  process.stdout.write(`${explainTable(report)}\n`);
  file?.write(reportToJson(report));
}
