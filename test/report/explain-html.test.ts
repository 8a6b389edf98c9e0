// What is in the page of `tilewire explain --html`: its charts against the record, nothing from outside, and the line that says what was
// measured. That a browser draws it, test/gpu/explain-html.test.ts shows.
import { expect, test } from 'vitest';
import type { PathSegment } from '../../src/model/explain.ts';
import { MACHINE_FILES } from '../../src/model/machine.ts';
import { explainHtml, speedupMap, timelineOf, type Bars, type ExplainChart } from '../../src/report/explain-html.ts';
import { report } from './explained-sample.ts';
import { environment, run } from './sample.ts';

const runs = { version: 1, environment, schedule: 't3', machine: MACHINE_FILES[0], runs: [{ ...run, modelled: report, unmodelled: null }] } as const;
const chartsIn = (html: string): ExplainChart[] => JSON.parse(/id="explain-charts">([^]*?)<\/script>/.exec(html)![1]) as ExplainChart[];
const barsOf = (html: string, id: string): [string, number, string][] => (chartsIn(html).find((chart) => chart.id === id) as Bars).rows.map(({ label, value, text }) => [label, value, text]);

test('bars are in the unit of their axis, each with its time and share; each chart has a place', () => {
  const html = explainHtml(report, 'draw();');
  expect(barsOf(html, 'path-bars-0')).toEqual([['compute', 7, '7.00 µs, 70.0 %'], ['link', 3, '3.00 µs, 30.0 %'], ['trigger', 2e-6, '2.00 ps, 0.0 %']]);
  expect(barsOf(html, 'cus-0')[0]).toEqual(['compute', 6, '6.00 µs, 60.0 %']);
  expect((chartsIn(html)[0] as Bars).xLabel).toBe('µs of 10.0 µs');
  for (const { id } of chartsIn(html)) expect(html).toContain(`<div id="${id}" class="charts">`);
  expect(html).toContain('Nothing here is measured.');
  expect(html).toMatch(/communication<\/td><td>\+1\.25 µs/);
});

test('of a measured run: a chart for each clock, and the adapter in the first line', () => {
  const html = explainHtml(runs, 'draw();');
  expect(html).toContain('Measured on google swiftshader (SOFTWARE FALLBACK');
  expect(html).not.toContain('Nothing here is measured.');
  expect(chartsIn(html).map(({ id }) => id)).toEqual(['run-0-measured', 'run-0-replayed', 'run-0-modelled', 'path-bars-0', 'path-0', 'cus-0', 'map-0-0']);
  expect(barsOf(html, 'run-0-measured').slice(0, 2)).toEqual([['compute', 8.25, '8.25 s, 98.2 %'], ['link', 0.06, '60.0 ms, 0.7 %']]);
  expect(barsOf(html, 'run-0-replayed')[0]).toEqual(['compute', 1, '1.00 s, 99.6 %']);
  expect(html).toContain('nothing of it measured');
});

test('what was not timed or not modelled has no chart, and is said', () => {
  const html = explainHtml({ ...runs, runs: [{ ...run, time: { fused: null, plain: null, replayed: null }, modelled: null, unmodelled: 'because' }] }, '');
  expect(chartsIn(html)).toEqual([]);
  for (const said of ['measured: not timed', 'replayed: not timed', 'modelled: not: because']) expect(html).toContain(said);
});

test('a map: speedups with their sign in text, this run framed, a cell without one hatched', () => {
  const { cells, xLabel, yLabel } = speedupMap('m', report.maps[0], 't3');
  expect([xLabel, yLabel]).toEqual(['m', 'tile']);
  expect(cells.map(({ value, text, strong }) => [value, text, strong])).toEqual([[0.9, '0.900 -', false], [1.357, '* 1.357 +', true], [null, '', false]]);
});

test('the path over time: lanes of causes, hops where the device changes, stages too thin to see together', () => {
  const { lanes, spans, hops, to, xLabel } = timelineOf('p', report.path);
  expect({ lanes, to, xLabel }).toEqual({ lanes: ['compute', 'link', 'trigger'], to: 10 + 2e-6, xLabel: 'µs' });
  expect(spans.map(({ lane, from, to: end }) => [lane, from, end])).toEqual([['compute', 0, 7], ['link', 7, 10], ['trigger', 10, 10 + 2e-6]]);
  expect(hops.map(({ at, label }) => [at, label])).toEqual([[0, 'device 1'], [8, 'device 2']]);
  const many = Array.from({ length: 40_000 }, (_, at): PathSegment => ({ cause: at % 2 === 0 ? 'compute' : 'DRAM: operands', device: 0, tile: at, fromPs: at * 10, toPs: at * 10 + 10 }));
  expect(timelineOf('p', many).spans.map(({ lane, from, to: end }) => [lane, from, end])).toEqual([['compute', 0, 399.99], ['DRAM: operands', 0.01, 400]]);
  // Gaps that are wide enough stay.
  expect(timelineOf('p', many.slice(0, 100)).spans).toHaveLength(100);
  expect(timelineOf('p', []).spans).toEqual([]);
});

test('nothing from outside, and no name or script gets out of its place', () => {
  const evil = '</script><script>alert(1)</script>';
  for (const html of [explainHtml({ ...report, name: evil }, 'const end = "</script>";'), explainHtml({ ...runs, runs: [{ ...runs.runs[0], spec: { ...run.spec, name: evil } }] }, 'const end = "</script>";')]) {
    expect(html).not.toContain(evil);
    expect(html.match(/<script/gi)).toHaveLength(2);
    expect(html.match(/<\/script/gi)).toHaveLength(2);
    expect(html).not.toMatch(/<(link|img|iframe|object)\b|\bsrc=|\bhref=|@import|https?:/i);
    expect(html).toContain("default-src 'none'");
  }
});
