// The paper's evaluation, run again: every model, TP degree and sub-layer under the five configurations, folded, with one machine and
// one parameter set, and what comes of it beside what was published (src t3.md's figures of T3, ASPLOS 2024). The
// paper's figures are over Mega-GPT-2 and T-NLG at TP 8 and 16; of the large models at TP 32 ours stand without them.
import { LAYERS, layerShape, MODELS, type LayerName } from '../spec/zoo.ts';
import { machineNamed, PAPER_PARAMETERS, type Machine, type Parameters } from './machine.ts';
import { runSchedule, type DramBytes, type GemmTime, type Modelled } from './schedules.ts';
import { Subject } from './subject.ts';

export interface PaperCase {
  readonly model: string;
  readonly tp: number;
  readonly sublayer: LayerName;
}

/** The models of the evaluation at their TP degrees, and all four sub-layers of each. */
export const PAPER_CASES: readonly PaperCase[] = ['mega-gpt-2', 't-nlg', 'gpt-3', 'palm', 'mt-nlg'].flatMap((model) =>
  MODELS.find(({ name }) => name === model)!.tp.flatMap((tp) => LAYERS.map(({ name }) => ({ model, tp, sublayer: name }))),
);

/** Those over which the paper's geomeans are taken. */
export const isHeadline = ({ tp }: Pick<PaperCase, 'tp'>): boolean => tp < 32;

/** One line of `cases`, as --json writes it. */
export interface CaseRecord extends PaperCase {
  readonly machine: string;
  readonly schedule: string;
  readonly gemmTime: GemmTime;
  readonly timeUs: number;
  readonly speedup: number;
  readonly speedupWithoutAllGather: number;
  readonly dramBytes: DramBytes;
}

export interface CaseResult {
  readonly paperCase: PaperCase;
  readonly records: readonly CaseRecord[];
  /** By schedule, `ideal-nmc of t3` the one with T3's GEMM time. */
  readonly modelled: { readonly [name: string]: Modelled };
  /** The paper's G and RS: how long the GEMM and the reduce-scatter take alone. */
  readonly gemmUs: number;
  readonly reduceScatterUs: number;
  readonly nearMemoryReduceScatterUs: number;
}

export const CONFIGURATIONS: readonly (readonly [string, GemmTime])[] = [['sequential', 'own'], ['t3', 'own'], ['t3-mca', 'own'], ['ideal-overlap', 'own'], ['ideal-nmc', 'own'], ['ideal-nmc', 't3']];

export const US = 1e6;

export function runCase(paperCase: PaperCase, machine: Machine, parameters: Parameters, subject: Subject = subjectOf(paperCase, machine, parameters)): CaseResult {
  const modelled = CONFIGURATIONS.map(([schedule, gemmTime]) => runSchedule(subject, schedule, gemmTime));
  const [baseline] = modelled;
  const records = modelled.map(({ schedule, gemmTime, timePs, timeWithoutAllGatherPs, dramBytes }): CaseRecord => ({
    machine: machine.name, ...paperCase, schedule, gemmTime,
    timeUs: timePs / US,
    speedup: baseline.timePs / timePs,
    speedupWithoutAllGather: baseline.timeWithoutAllGatherPs / timeWithoutAllGatherPs,
    dramBytes,
  }));
  return {
    paperCase,
    records,
    modelled: Object.fromEntries(modelled.map((of) => [of.gemmTime === 't3' ? `${of.schedule} of t3` : of.schedule, of])),
    gemmUs: baseline.gemm.timePs / US,
    reduceScatterUs: subject.collective('reduce-scatter').timePs / US,
    nearMemoryReduceScatterUs: subject.collective('near-memory reduce-scatter').timePs / US,
  };
}

export function subjectOf({ model, tp, sublayer }: PaperCase, machine: Machine, parameters: Parameters): Subject {
  const { m, n, k, devices } = layerShape(model, sublayer, tp);
  return new Subject({ m, n, kTotal: k * devices, devices }, { machine, parameters, fold: true });
}

/** Runs the cases; those of one shape share their simulations, and several calls those that are alike through `shared`. `progress` hears of each, before it is run. */
export function runCases(cases: readonly PaperCase[] = PAPER_CASES, machine: Machine = machineNamed('paper'), parameters: Parameters = PAPER_PARAMETERS, { progress = () => {}, shared = new Map() }: { readonly progress?: (done: number, of: number) => void; readonly shared?: Map<string, unknown> } = {}): CaseResult[] {
  const subjects = new Map<string, Subject>();
  return cases.map((paperCase, index) => {
    progress(index, cases.length);
    const { shape, conditions } = subjectOf(paperCase, machine, parameters);
    const kin = [...subjects.values()].find((other) => other.shape.m === shape.m && other.shape.n === shape.n && other.shape.devices === shape.devices);
    const key = JSON.stringify(shape);
    const subject = subjects.get(key) ?? new Subject(shape, { ...conditions, shared }, kin);
    subjects.set(key, subject);
    return runCase(paperCase, machine, parameters, subject);
  });
}

/** What holds in time of every case, as a name and a test on the case's schedules. */
const ORDERS: readonly (readonly [string, (of: { readonly [name: string]: Modelled }) => boolean])[] = [
  ['t3-mca takes at most 1.05 × t3', (of) => of['t3-mca'].timePs <= 1.05 * of['t3'].timePs],
  ['t3 and t3-mca take at most what sequential takes', (of) => Math.max(of['t3'].timePs, of['t3-mca'].timePs) <= of['sequential'].timePs],
  ['ideal-nmc with T3’s GEMM, the link latency paid once, takes at most what t3-mca takes', (of) => of['ideal-nmc of t3'].timePs <= of['t3-mca'].timePs],
];

export interface Order {
  readonly what: string;
  /** Cases of which it does not hold. */
  readonly exceptions: readonly PaperCase[];
}

export const ordersOf = (results: readonly CaseResult[]): Order[] => ORDERS.map(([what, holds]) => ({ what, exceptions: results.filter(({ modelled }) => !holds(modelled)).map(({ paperCase }) => paperCase) }));

/** A claim of the paper beside ours; `published` null where t3.md does not give it. */
export interface Claim {
  readonly claim: string;
  readonly published: number | null;
  /** How far off counts as met; null where nothing is promised. */
  readonly tolerance: number | null;
  readonly ours: number;
  readonly difference: number | null;
}

export const geomean = (values: readonly number[]): number => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

const totalBytes = ({ gemmReads, gemmWrites, rsReads, rsWrites, agReads, agWrites }: DramBytes): number => gemmReads + gemmWrites + rsReads + rsWrites + agReads + agWrites;

/** The paper's headline figures over the results of its cases (those of other TP degrees are left out). */
export function summaryOf(results: readonly CaseResult[]): Claim[] {
  const headline = results.filter(({ paperCase }) => isHeadline(paperCase));
  const speedups = (name: string, of = headline): number[] => of.map(({ modelled }) => modelled['sequential'].timePs / modelled[name].timePs);
  const at = (tp: number): CaseResult[] => headline.filter(({ paperCase }) => paperCase.tp === tp);
  const on = (...sublayers: LayerName[]): CaseResult[] => headline.filter(({ paperCase }) => sublayers.includes(paperCase.sublayer));
  const ofIdeal = (name: string, of: readonly CaseResult[]): number[] => of.map(({ modelled }) => modelled['ideal-overlap'].timePs / modelled[name].timePs);
  const ratio = (cases: readonly CaseResult[], bytes: (of: DramBytes) => number): number[] => cases.map(({ modelled }) => bytes(modelled['sequential'].dramBytes) / bytes(modelled['t3-mca'].dramBytes));
  const nmcGain = (tp: number): number => geomean(at(tp).map(({ reduceScatterUs, nearMemoryReduceScatterUs }) => reduceScatterUs / nearMemoryReduceScatterUs)) - 1;
  const claims: Claim[] = [];
  const claim = (text: string, published: number | null, tolerance: number | null, ours: number): void => void claims.push({ claim: text, published, tolerance, ours, difference: published === null ? null : ours - published });
  if (headline.length === 0) return claims;

  claim('T3 speedup, geomean', 1.2, 0.04, geomean(speedups('t3')));
  claim('T3 speedup, max', 1.39, 0.06, Math.max(...speedups('t3')));
  claim('T3-MCA speedup, geomean', 1.3, 0.03, geomean(speedups('t3-mca')));
  claim('T3-MCA speedup, max', 1.47, 0.05, Math.max(...speedups('t3-mca')));
  claim('Ideal-GEMM-RS-Overlap speedup, geomean', 1.35, 0.02, geomean(speedups('ideal-overlap')));
  claim('Ideal-GEMM-RS-Overlap speedup, max', 1.5, 0.03, Math.max(...speedups('ideal-overlap')));
  claim('Ideal-RS+NMC over Ideal-GEMM-RS-Overlap, most, at most', 0.04, null, Math.max(...ofIdeal('ideal-nmc', headline)) - 1);
  if (at(8).length > 0) claim('RS alone with NMC, TP 8, gain', 0.07, 0.015, nmcGain(8));
  if (at(16).length > 0) claim('RS alone with NMC, TP 16, gain', 0.03, 0.015, nmcGain(16));
  // "Near or above", as far as is known here.
  claim('T3 on OP over the ideal, least (G and RS more than 10 % apart)', null, null, Math.min(...ofIdeal('t3', on('op').filter(({ gemmUs, reduceScatterUs }) => Math.abs(gemmUs / reduceScatterUs - 1) >= 0.1))));
  claim('T3 on FC short of the ideal, least', null, null, 1 - Math.max(...ofIdeal('t3', on('fc1', 'fc2'))));
  claim('T3 on FC short of the ideal, most; published: more than', 0.15, null, 1 - Math.min(...ofIdeal('t3', on('fc1', 'fc2'))));
  claim('T3-MCA short of the ideal, mean', 0.05, null, 1 - geomean(ofIdeal('t3-mca', headline)));
  claim('T3-MCA short of the ideal, most', null, null, 1 - Math.min(...ofIdeal('t3-mca', headline)));
  claim('Data movement reduced, geomean', 0.22, 0.03, 1 - 1 / geomean(ratio(headline, totalBytes)));
  claim('Data movement reduced, max', 0.36, 0.05, 1 - 1 / Math.max(...ratio(headline, totalBytes)));
  if (at(8).length > 0) claim('RS reads, factor, TP 8', 2.5, 0.01, geomean(ratio(at(8), ({ rsReads }) => rsReads)));
  if (at(16).length > 0) claim('RS reads, factor, TP 16', 2.2, 0.02, geomean(ratio(at(16), ({ rsReads }) => rsReads)));
  claim('GEMM and RS writes reduced, geomean', 0.1, 0.01, 1 - 1 / geomean(ratio(headline, ({ gemmWrites, rsWrites }) => gemmWrites + rsWrites)));
  claim('GEMM reads, factor, geomean', 1.56, 0.2, geomean(ratio(headline, ({ gemmReads }) => gemmReads)));
  return claims;
}
