// How the parameter set was chosen, and what the figures rest on. The search draws sets from stated ranges and looks at the TP 8 cases
// alone; TP 16 is predicted with those that pass. The ablations take the chosen set and change one thing at a time. Both
// say how little a hit proves: many sets meet every bar.
import { mix } from '../spec/operands.ts';
import { machineNamed, PAPER_PARAMETERS, type Machine, type ParameterChange, type Parameters } from './machine.ts';
import { geomean, isHeadline, PAPER_CASES, runCases, summaryOf, type CaseResult, type Claim } from './paper.ts';

/** A bar on the TP 8 cases. Where the paper gives a geomean over TP 8 and 16 only, the ratio to the ideal's stands for it. */
export interface Bar {
  readonly figure: string;
  readonly target: number;
  readonly tolerance: number;
  readonly ours: number;
}

export function barsOf(results: readonly CaseResult[]): Bar[] {
  const at8 = results.filter(({ paperCase }) => paperCase.tp === 8);
  const short = (name: string, sublayers: readonly string[]): number[] => at8.filter(({ paperCase }) => sublayers.includes(paperCase.sublayer)).map(({ modelled }) => modelled['ideal-overlap'].timePs / modelled[name].timePs);
  const claims = summaryOf(at8);
  const claimed = (start: string): number => claims.find(({ claim }) => claim.startsWith(start))!.ours;
  const all = ['op', 'fc1', 'fc2', 'ip'];
  return [
    { figure: 'T3 over the ideal, geomean', target: 1.2 / 1.35, tolerance: 0.035, ours: geomean(short('t3', all)) },
    { figure: 'T3-MCA over the ideal, geomean', target: 1.3 / 1.35, tolerance: 0.025, ours: geomean(short('t3-mca', all)) },
    { figure: 'T3 on OP over the ideal, least', target: 1, tolerance: 0.02, ours: Math.min(1, claimed('T3 on OP')) },
    { figure: 'T3 on FC over the ideal, mean', target: 0.86, tolerance: 0.06, ours: geomean(short('t3', ['fc1', 'fc2'])) },
    { figure: 'RS alone with NMC, gain', target: 0.07, tolerance: 0.015, ours: claimed('RS alone with NMC, TP 8') },
    { figure: 'Data movement reduced, geomean', target: 0.22, tolerance: 0.04, ours: claimed('Data movement reduced, geomean') },
    { figure: 'Data movement reduced, max', target: 0.36, tolerance: 0.05, ours: claimed('Data movement reduced, max') },
    { figure: 'GEMM reads, factor, geomean', target: 1.56, tolerance: 0.2, ours: claimed('GEMM reads') },
    { figure: 'T3-MCA over T3, most of any case in time', target: 1, tolerance: 0.05, ours: Math.max(1, ...at8.map(({ modelled }) => modelled['t3-mca'].timePs / modelled['t3'].timePs)) },
  ];
}

const misses = ({ target, tolerance, ours }: Bar): number => Math.abs(ours - target) / tolerance;
export const passes = (bars: readonly Bar[]): boolean => bars.every((bar) => misses(bar) <= 1);
/** Mean square of how far off the bars are, in tolerances: what the set was chosen by. */
export const scoreOf = (bars: readonly Bar[]): number => bars.reduce((sum, bar) => sum + misses(bar) ** 2, 0) / bars.length;

/** Ranges of the search: what no source states of memory, arbitration and DMA. The swizzle is settled by the reads alone (its ablations miss them). */
export const RANGES = {
  updateFactor: [1.25, 1.5, 1.75, 2],
  interleavePenalty: [0, 0.1, 0.25, 0.4],
  starvationNs: [500, 1000, 1500, 2000, 5000],
  tileK: [32, 64],
  prefetch: [1, 2],
  readLatencyNs: [0, 400],
  roundRobinCommunication: [1, 2],
  dmaWindowBytes: [2 ** 19, 2 ** 20, 2 ** 22],
  queueBytes: [2 ** 16, 2 ** 17, 2 ** 18],
} as const satisfies { readonly [K in keyof ParameterChange]: readonly ParameterChange[K][] };

/** The index-th set: a function of the seed and the index. */
export function drawn(seed: number, index: number): ParameterChange {
  return Object.fromEntries(Object.entries(RANGES).map(([name, values], at) => [name, values[(mix(mix(seed + at * 7919) + index) >>> 0) % values.length]]));
}

export interface Tried {
  readonly change: ParameterChange;
  readonly bars: readonly Bar[];
  readonly passes: boolean;
  readonly score: number;
}

export interface Search {
  readonly tried: number;
  readonly passing: number;
  /** Of each headline figure over all its cases, among the sets that pass on TP 8. */
  readonly spread: readonly { readonly figure: string; readonly min: number; readonly max: number }[];
  readonly sets: readonly Tried[];
}

export interface SweepOptions {
  readonly machine?: Machine;
  readonly parameters?: Parameters;
  readonly progress?: (done: number, of: number) => void;
  /** Runs that several sets share (subject.ts). */
  readonly shared?: Map<string, unknown>;
}

/** @param count of sets to draw; the chosen one is tried beside them */
export function search(count: number, { seed = 1, machine = machineNamed('paper'), parameters = PAPER_PARAMETERS, progress = () => {}, shared = new Map() }: { seed?: number } & SweepOptions = {}): Search {
  const at8 = PAPER_CASES.filter(({ tp }) => tp === 8);
  const summaries: Claim[][] = [];
  // The chosen set comes first, then those that are drawn.
  const sets = Array.from({ length: count + 1 }, (_, index): Tried => {
    progress(index, count + 1);
    const change = index === 0 ? {} : drawn(seed, index - 1);
    const results = runCases(at8, machine, { ...parameters, ...change }, { shared });
    const bars = barsOf(results);
    if (passes(bars)) summaries.push(summaryOf([...results, ...runCases(PAPER_CASES.filter(({ tp }) => tp === 16), machine, { ...parameters, ...change }, { shared })]));
    return { change, bars, passes: passes(bars), score: scoreOf(bars) };
  });
  const spread = (summaries[0] ?? []).map(({ claim }, at) => {
    const values = summaries.map((summary) => summary[at].ours);
    return { figure: claim, min: Math.min(...values), max: Math.max(...values) };
  });
  return { tried: sets.length, passing: summaries.length, spread, sets };
}

/** One thing changed, and the geomeans over the paper's headline cases that come of it. */
export interface Ablation {
  readonly what: string;
  readonly t3: number;
  readonly t3Mca: number;
  readonly ideal: number;
  readonly reads: number;
  /** 1 − T3's speedup over the ideal's on FC-1 and FC-2: the most of any case. */
  readonly fcShort: number;
}

export interface Changed {
  readonly what: string;
  readonly change: ParameterChange;
  /** Of the machine, in place of a parameter. */
  readonly machine?: Partial<Machine>;
}

/** What HBM2 has left of its rate where a channel refreshes for 0.3 of every 3.9 µs. */
const REFRESHED = 0.92;

/** Each mechanism off, or halved and doubled; what the set has already is left out. */
export function ablationsOf(of: Parameters, machine: Machine = machineNamed('paper')): readonly Changed[] {
  const list: Changed[] = [
    { what: 'as chosen', change: {} },
    { what: 'no stage barrier', change: { stageBarrier: false } },
    { what: 'a barrier at each step', change: { straddleSteps: false } },
    { what: 'separate store queue', change: { separateStoreQueue: true } },
    { what: 'round robin: communication as one stream', change: { roundRobinCommunication: 1 } },
    { what: 'round robin: communication twice', change: { roundRobinCommunication: 2 * of.roundRobinCommunication } },
    { what: 'round robin: communication before everything', change: { roundRobinCommunication: 2 ** 20 } },
    { what: 'round robin: compute twice', change: { roundRobinCompute: 2 * of.roundRobinCompute } },
    { what: 'alternating streams cost nothing', change: { interleavePenalty: 0 } },
    { what: 'alternating streams cost a quarter more', change: { interleavePenalty: 0.25 } },
    { what: 'alternating streams cost half as much again', change: { interleavePenalty: 0.5 } },
    { what: 'an update costs as a write', change: { updateFactor: 1 } },
    { what: 'an update costs one and a half writes', change: { updateFactor: 1.5 } },
    { what: 'an update costs two writes', change: { updateFactor: 2 } },
    { what: 'an update costs three writes', change: { updateFactor: 3 } },
    { what: 'update cost doubled', change: { updateFactor: 2 * of.updateFactor } },
    { what: 'memory serves 92 % of its rate (refresh)', change: {}, machine: { memoryGBs: REFRESHED * machine.memoryGBs } },
    { what: 'no prefetching', change: { prefetch: 0 } },
    { what: 'prefetch depth doubled', change: { prefetch: 2 * of.prefetch } },
    { what: 'swizzle halved', change: { swizzle: Math.max(1, of.swizzle / 2) } },
    { what: 'swizzle doubled', change: { swizzle: of.swizzle * 2 } },
    { what: 'DMA window halved', change: { dmaWindowBytes: of.dmaWindowBytes / 2 } },
    { what: 'DMA window doubled', change: { dmaWindowBytes: of.dmaWindowBytes * 2 } },
    { what: 'starvation limit halved', change: { starvationNs: of.starvationNs === null ? null : of.starvationNs / 2 } },
    { what: 'starvation limit doubled', change: { starvationNs: of.starvationNs === null ? null : of.starvationNs * 2 } },
    { what: 'no starvation limit', change: { starvationNs: null } },
    { what: 'MCA without thresholds', change: { thresholds: [{ upTo: 1, bytes: null }] } },
    { what: 'MCA with the lowest threshold', change: { thresholds: [{ upTo: 1, bytes: 10240 }] } },
    { what: 'granule halved', change: { granuleBytes: of.granuleBytes / 2 } },
  ];
  return list.filter(({ change, machine }, index) => index === 0 || machine !== undefined || Object.entries(change).some(([name, value]) => JSON.stringify(of[name as keyof Parameters]) !== JSON.stringify(value)));
}

export function ablations({ machine = machineNamed('paper'), parameters = PAPER_PARAMETERS, progress = () => {}, shared = new Map() }: SweepOptions = {}): Ablation[] {
  const cases = PAPER_CASES.filter(isHeadline);
  const list = ablationsOf(parameters, machine);
  return list.map(({ what, change, machine: other }, index) => {
    progress(index, list.length);
    return ablationOf(what, runCases(cases, { ...machine, ...other }, { ...parameters, ...change }, { shared }));
  });
}

/** @param results of the headline cases */
export function ablationOf(what: string, results: readonly CaseResult[]): Ablation {
  const onFc = results.filter(({ paperCase: { sublayer } }) => sublayer === 'fc1' || sublayer === 'fc2');
  const speedup = (name: string): number => geomean(results.map(({ modelled }) => modelled['sequential'].timePs / modelled[name].timePs));
  return { what, t3: speedup('t3'), t3Mca: speedup('t3-mca'), ideal: speedup('ideal-overlap'), reads: geomean(results.map(({ modelled }) => modelled['sequential'].dramBytes.gemmReads / modelled['t3-mca'].dramBytes.gemmReads)), fcShort: 1 - Math.min(...onFc.map(({ modelled }) => modelled['ideal-overlap'].timePs / modelled['t3'].timePs)) };
}
