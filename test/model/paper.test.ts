// The paper's evaluation: what was published stands within the tolerances that were set before, with one parameter set, chosen on the
// TP 8 cases. A figure that leaves its tolerance is to be explained, not fitted: this test is where it is seen.
import { beforeAll, describe, expect, test } from 'vitest';
import { machineNamed, PAPER_PARAMETERS, type ParameterChange, type Parameters } from '../../src/model/machine.ts';
import { geomean, isHeadline, ordersOf, PAPER_CASES, runCases, subjectOf, summaryOf, type CaseResult } from '../../src/model/paper.ts';
import { runSchedule } from '../../src/model/schedules.ts';
import { barsOf, drawn, passes, RANGES, search } from '../../src/model/search.ts';
import { cuSharing, endToEnd, trafficOf } from '../../src/model/studies.ts';
import { Subject } from '../../src/model/subject.ts';

let results: readonly CaseResult[] = [];
beforeAll(() => {
  results = runCases();
}, 120_000);

const nameOf = ({ paperCase: { model, tp, sublayer } }: CaseResult): string => `${model} ${sublayer} TP ${tp}`;

test('all models, TP degrees and sub-layers are there, each with six records', () => {
  expect(PAPER_CASES).toHaveLength(28);
  expect(results.map(({ records }) => records.map(({ schedule, gemmTime }) => `${schedule} ${gemmTime}`))).toEqual(results.map(() => ['sequential own', 't3 own', 't3-mca own', 'ideal-overlap own', 'ideal-nmc own', 'ideal-nmc t3']));
  expect(results).toHaveLength(28);
});

describe('the summary', () => {
  test('every claim with a tolerance is met', () => {
    const missed = summaryOf(results).filter(({ tolerance, difference }) => tolerance !== null && !(Math.abs(difference!) <= tolerance));
    expect(missed).toEqual([]);
    expect(summaryOf(results).filter(({ tolerance }) => tolerance !== null)).toHaveLength(14);
  });

  test('T3 is near the ideal on OP and 8 to 20 % short on FC', () => {
    const short = (sublayers: readonly string[]): number[] => results.filter(({ paperCase }) => isHeadline(paperCase) && sublayers.includes(paperCase.sublayer)).map(({ modelled, gemmUs, reduceScatterUs }) => (sublayers[0] === 'op' && Math.abs(gemmUs / reduceScatterUs - 1) < 0.1 ? 0 : 1 - modelled['ideal-overlap'].timePs / modelled['t3'].timePs));
    expect(Math.max(...short(['op']))).toBeLessThanOrEqual(0.02);
    expect(Math.min(...short(['fc1', 'fc2']))).toBeGreaterThanOrEqual(0.08);
    expect(Math.max(...short(['fc1', 'fc2']))).toBeLessThanOrEqual(0.2);
  });

  test('the large models are left out of it', () => {
    expect(summaryOf(results)).toEqual(summaryOf(results.filter(({ paperCase }) => isHeadline(paperCase))));
  });
});

test('in time: t3-mca at most 1.05 × t3, both at most sequential, ideal-nmc with T3’s GEMM a bound of t3-mca, in every case', () => {
  for (const result of results) {
    const { sequential, t3, 't3-mca': mca, 'ideal-nmc of t3': bound } = result.modelled;
    expect([nameOf(result), mca.timePs <= 1.05 * t3.timePs, t3.timePs <= sequential.timePs, mca.timePs <= sequential.timePs, bound.timePs <= mca.timePs]).toEqual([nameOf(result), true, true, true, true]);
  }
  expect(ordersOf(results).map(({ exceptions }) => exceptions)).toEqual([[], [], []]);
  // And an exception would be named.
  const late = (name: string, times: number): CaseResult => ({ ...results[0], modelled: { ...results[0].modelled, [name]: { ...results[0].modelled[name], timePs: times * results[0].modelled[name].timePs } } });
  expect(['t3-mca', 't3', 'ideal-nmc of t3'].map((name) => ordersOf([late(name, 9), results[1]]).map(({ exceptions }) => exceptions.length))).toEqual([[1, 1, 0], [0, 1, 0], [0, 0, 1]]);
});

test('why T3 is not further short of the ideal on FC: its loss is that of a stage’s stores before the next stage’s reads, and bounded by what the link brings', () => {
  const short = (change: ParameterChange, memoryShare = 1): number => {
    const machine = machineNamed('paper');
    const [{ modelled }] = runCases([{ model: 't-nlg', tp: 16, sublayer: 'fc2' }], { ...machine, memoryGBs: memoryShare * machine.memoryGBs }, { ...PAPER_PARAMETERS, ...change });
    return 1 - modelled['ideal-overlap'].timePs / modelled['t3'].timePs;
  };
  const chosen = short({});
  // Communication goes first nearly always already: more of it does not come.
  expect(short({ roundRobinCommunication: 2 ** 20 })).toBeCloseTo(chosen, 3);
  expect(short({ separateStoreQueue: true })).toBeLessThan(chosen / 2);
  expect(short({ updateFactor: 1 })).toBeLessThan(chosen / 2);
  expect(short({ updateFactor: 3 })).toBeGreaterThan(1.3 * chosen);
  // A memory that refreshes comes to the published figure.
  expect(short({}, 0.92)).toBeGreaterThan(0.15);
});

test('bytes of every case are the closed forms of t3.md', () => {
  for (const { paperCase, modelled } of results) {
    const chunk = subjectOf(paperCase, machineNamed('paper'), PAPER_PARAMETERS).chunkBytes;
    const { tp } = paperCase;
    const of = (name: string): number[] => {
      const { rsReads, gemmWrites, rsWrites, agReads, agWrites } = modelled[name].dramBytes;
      return [rsReads, gemmWrites + rsWrites, agReads, agWrites].map((bytes) => bytes / chunk[0]);
    };
    expect(of('sequential')).toEqual([2 * tp - 1, 2 * tp, tp - 1, tp - 1]);
    expect(of('t3-mca')).toEqual([tp - 2, 2 * tp - 2, tp - 1, tp - 1]);
  }
});

test('half the granule moves no geomean by 0.5 %', () => {
  const at = (granuleBytes: number): number[] => {
    const cases = runCases(PAPER_CASES.filter(({ model, tp }) => model === 't-nlg' && tp === 8), machineNamed('paper'), { ...PAPER_PARAMETERS, granuleBytes });
    return ['t3', 't3-mca', 'ideal-overlap'].map((name) => geomean(cases.map(({ modelled }) => modelled['sequential'].timePs / modelled[name].timePs)));
  };
  const [as, half] = [at(PAPER_PARAMETERS.granuleBytes), at(PAPER_PARAMETERS.granuleBytes / 2)];
  as.forEach((value, index) => expect(Math.abs(half[index] / value - 1)).toBeLessThan(0.005));
});

test('folded and unfolded are one, on a case of period 1 and on one of period 2', () => {
  for (const paperCase of [{ model: 't-nlg', tp: 8, sublayer: 'op' }, { model: 'palm', tp: 32, sublayer: 'op' }] as const) {
    const { shape, conditions } = subjectOf(paperCase, machineNamed('paper'), PAPER_PARAMETERS);
    const folded = new Subject(shape, conditions).fused('mca');
    const whole = new Subject(shape, { ...conditions, fold: false }).fused('mca');
    expect(folded.devices).toHaveLength(paperCase.tp === 8 ? 1 : 2);
    expect(whole.devices).toHaveLength(paperCase.tp);
    expect(folded.timePs).toBe(whole.timePs);
    expect(whole.devices.map(({ finishedPs }) => finishedPs)).toEqual(whole.devices.map((_, device) => folded.devices[device % folded.devices.length].finishedPs));
  }
});

describe('the search', () => {
  test('the chosen set passes on TP 8, which is all that it is chosen by', () => {
    const bars = barsOf(results);
    expect(bars.filter(({ ours, target, tolerance }) => Math.abs(ours - target) > tolerance)).toEqual([]);
    expect(barsOf(results.filter(({ paperCase }) => paperCase.tp === 8))).toEqual(bars);
    expect(passes(bars)).toBe(true);
    for (const off of [1.1, -1.1]) expect(passes(bars.map((bar, index) => (index === 3 ? { ...bar, ours: bar.target + off * bar.tolerance } : bar)))).toBe(false);
  });

  test('draws from its ranges, the same sets for the same seed, others for another', () => {
    const sets = Array.from({ length: 200 }, (_, index) => drawn(1, index));
    expect(sets).toEqual(Array.from({ length: 200 }, (_, index) => drawn(1, index)));
    expect(sets).not.toEqual(Array.from({ length: 200 }, (_, index) => drawn(2, index)));
    for (const [name, values] of Object.entries(RANGES)) expect([name, ...new Set(sets.map((set) => set[name as keyof typeof RANGES]))].toSorted()).toEqual([name, ...values].toSorted());
    const { tried, passing, spread, sets: tries } = search(1, { seed: 5 });
    expect([tried, tries.map(({ change }) => change), tries[0].passes]).toEqual([2, [{}, drawn(5, 0)], true]);
    expect(passing).toBe(tries.filter((one) => one.passes).length);
    // The chosen set's own figures are within the spread.
    for (const { claim, ours } of summaryOf(results)) expect(spread.find(({ figure }) => figure === claim)).toSatisfy(({ min, max }: { min: number; max: number }) => min <= ours + 1e-9 && ours <= max + 1e-9);
  });
});

describe('studies', () => {
  test('traffic over time adds up to what was served', () => {
    const { shape, conditions } = subjectOf({ model: 't-nlg', tp: 8, sublayer: 'fc2' }, machineNamed('paper'), PAPER_PARAMETERS);
    const of = new Subject(shape, conditions);
    for (const { schedule, bins } of trafficOf()) {
      const { dramBytes } = runSchedule(of, schedule);
      for (const cause of ['gemmReads', 'gemmWrites', 'rsReads', 'rsWrites'] as const) expect([schedule, cause, bins.reduce((sum, bin) => sum + bin[cause], 0)]).toEqual([schedule, cause, dramBytes[cause]]);
      expect(bins.map(({ fromUs }) => fromUs)).toEqual(bins.map((_, index) => 20 * index));
    }
  });

  test('a collective on fewer CUs is slower, and so is the GEMM beside it', () => {
    const rows = cuSharing();
    expect(rows).toHaveLength(16);
    for (const { collectiveCus, allReduceSlowdown, gemmSlowdown } of rows) {
      expect(gemmSlowdown).toBeGreaterThan(1);
      expect(allReduceSlowdown).toBeGreaterThan(collectiveCus === 8 ? 1.3 : 1);
    }
  });

  test('each of what is assumed of the rest of a layer counts, and none of the rest is the set’s own', () => {
    const share = (change: Partial<Parameters['endToEnd']>): number[] => endToEnd(results, { parameters: { ...PAPER_PARAMETERS, endToEnd: { ...PAPER_PARAMETERS.endToEnd, ...change } } }).map((of) => of.share);
    const chosen = share({});
    const numbers = Object.entries(PAPER_PARAMETERS.endToEnd).filter(([, value]) => typeof value === 'number');
    expect(numbers).toHaveLength(8);
    // Training and inference of each model take turns, four schedules each.
    for (const [name, value] of numbers) {
      const more = share({ [name]: 2 * Number(value) });
      const isBackward = name.startsWith('backward') || name === 'weightGradients';
      more.forEach((of, at) => (isBackward && at % 8 >= 4 ? expect(of).toBe(chosen[at]) : expect(of).toBeLessThan(chosen[at])));
    }
    // Nothing else but the sub-layers: they are all of it.
    expect(share(Object.fromEntries(numbers.map(([name]) => [name, 0])))).toEqual(chosen.map(() => 1));
  });

  test('end to end a speedup is between none and that of the sub-layers', () => {
    for (const { model, tp, schedule, speedup, share } of endToEnd(results)) {
      const most = Math.max(...results.filter(({ paperCase }) => paperCase.model === model && paperCase.tp === tp).map(({ modelled }) => modelled['sequential'].timePs / modelled[schedule].timePs));
      expect(speedup).toBeGreaterThan(1);
      expect(speedup).toBeLessThan(most);
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThan(1);
    }
  });
});
