// The figures of ablations that the README quotes, made again; not how many drawn sets pass, which takes a whole search.
import fs from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { machineNamed, PAPER_PARAMETERS } from '../../src/model/machine.ts';
import { isHeadline, PAPER_CASES, runCases, summaryOf, type CaseResult } from '../../src/model/paper.ts';
import { SENSITIVITY_SETS } from '../../src/model/paper-report.ts';
import { ablationOf, ablationsOf, type Ablation } from '../../src/model/search.ts';

const readme = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const machine = machineNamed('paper');
const list = ablationsOf(PAPER_PARAMETERS, machine);

const made = new Map<string, { readonly ablation: Ablation; readonly results: readonly CaseResult[] }>();
beforeAll(() => {
  const shared = new Map<string, unknown>();
  for (const what of ['as chosen', 'no stage barrier', 'a barrier at each step', 'separate store queue', 'round robin: communication before everything', 'an update costs as a write', 'an update costs three writes', 'memory serves 92 % of its rate (refresh)']) {
    const { change, machine: other } = list.find((one) => one.what === what)!;
    const results = runCases(PAPER_CASES.filter(isHeadline), { ...machine, ...other }, { ...PAPER_PARAMETERS, ...change }, { shared });
    made.set(what, { ablation: ablationOf(what, results), results });
  }
}, 120_000);

/** T3 and T3-MCA; and the most that T3 is short on FC. */
const geomeans = (what: string): string => [made.get(what)!.ablation.t3, made.get(what)!.ablation.t3Mca].map((value) => value.toFixed(3)).join(' and ');
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const short = (what: string): string => percent(made.get(what)!.ablation.fcShort);

test('the README’s figures of what the speedups rest on', () => {
  expect(readme).toContain(`Without a barrier between stages the geomeans of T3 and T3-MCA are ${geomeans('no stage barrier')}; with one at each step ${geomeans('a barrier at each step')}; where an update costs no more than a write ${geomeans('an update costs as a write')}.`);
});

test('the README quotes a search over as many sets as --sensitivity draws', () => {
  expect(readme).toMatch(new RegExp(`Of ${SENSITIVITY_SETS} drawn sets \\d+ pass on TP 8`));
});

test('the README’s figures of how far T3 is from the ideal on FC, and why', () => {
  const onFc = made.get('as chosen')!.results.filter(({ paperCase: { sublayer } }) => sublayer.startsWith('fc'));
  const withoutGather = 1 - Math.min(...onFc.map(({ modelled }) => modelled['ideal-overlap'].timeWithoutAllGatherPs / modelled['t3'].timeWithoutAllGatherPs));
  expect(readme).toContain(`ours comes to at most ${short('as chosen')} (${percent(withoutGather)} without the all-gather`);
  expect(readme).toContain(`With a queue of their own for the stores it is ${short('separate store queue')}, where an update costs one write ${short('an update costs as a write')}, where it costs three ${short('an update costs three writes')}.`);
  const first = 'round robin: communication before everything';
  expect([geomeans(first), short(first)]).toEqual([geomeans('as chosen'), short('as chosen')]);
  expect(readme).toContain(`letting it go before everything changes nothing, for a link of ${machine.linkGBs} GB/s brings updates and takes reads for no more than ${Math.round((100 * machine.linkGBs * (PAPER_PARAMETERS.updateFactor + 1)) / machine.memoryGBs)} % of the memory's time`);
});

test('the README’s figures at 92 % of the memory’s rate', () => {
  const { ablation, results } = made.get('memory serves 92 % of its rate (refresh)')!;
  expect(readme).toContain(`it is ${percent(ablation.fcShort)}, with T3 at ${ablation.t3.toFixed(3)}, T3-MCA at ${ablation.t3Mca.toFixed(3)} and every figure above within its tolerance`);
  expect(summaryOf(results).filter(({ tolerance, difference }) => tolerance !== null && !(Math.abs(difference!) <= tolerance))).toEqual([]);
});

test('the cost of an update is halved and doubled', () => {
  const factors = list.flatMap(({ change: { updateFactor } }) => (updateFactor === undefined ? [] : [updateFactor]));
  expect(factors).toEqual(expect.arrayContaining([PAPER_PARAMETERS.updateFactor / 2, 2 * PAPER_PARAMETERS.updateFactor]));
});
