// What `tilewire paper` prints and writes of a record: each figure where it belongs, a miss that is called one, "not given" where nothing
// was published, and in the JSON no key but the promised ones.
import { expect, test } from 'vitest';
import { reportToJson } from '../../src/report/json.ts';
import { paperCharts, paperHtml } from '../../src/report/paper-html.ts';
import { omitted, paperJson } from '../../src/report/paper-json.ts';
import { escaped } from '../../src/report/html-page.ts';
import { paperSections, paperTable } from '../../src/report/paper-table.ts';
import { EVIL, report, withSensitivity } from './modelled-sample.ts';

const text = paperTable(report);
/** Cells of the first line of a section that begins with `name`. */
function row(section: string, name: string, of = text): string[] {
  const lines = of.slice(of.indexOf(`\n${section}`)).split('\n');
  return lines.find((line) => line.startsWith(`  ${name}  `))!.trim().slice(name.length).trim().split(/ {2,}/);
}

test('claims: what was published, ours, and whether it is within', () => {
  expect(row('Claims', 'met')).toEqual(['1.200', '1.240', '+0.040', '± 0.040', 'yes']);
  expect(row('Claims', 'missed')).toEqual(['1.300', '1.200', '-0.100', '± 0.030', 'NO']);
  expect(row('Claims', 'of no bar')).toEqual(['0.050', '0.050', '0.000', '–', '–']);
  expect(row('Claims', EVIL)).toEqual(['not given', '0.500', '–', '–', '–']);
  expect(text).toContain('1 of 2 within their tolerance');
});

test('speedups with the all-gather and without; means over TP 8 and 16 alone', () => {
  const section = 'Sub-layer speedups';
  expect(row(section, 't-nlg TP 8 op')).toEqual(['100 µs', '1.250', '2.000', '2.500', '3.125', '4.000', '2.500', '4.000', '5.000', '6.250']);
  // √(1.25 · 2)
  expect(row(section, 'geomean, TP 8 and 16')).toEqual(['1.581', '2.000', '2.500', '3.125', '4.000', '3.162', '4.000', '5.000', '6.250']);
  expect(row(section, 'max, TP 8 and 16')[0]).toBe('2.000');
});

test('data movement: once where it is the same, and how much less there is in all', () => {
  expect(row('Data movement', 't-nlg TP 8 op')).toEqual(['4.0 → 2.0', '3.0', '2.0 → 1.0', '1.0', '0.5', '0.5', '11.0 → 8.0', '27.3 %']);
});

test('what follows: layers, few CUs, other machines, traffic', () => {
  expect(row('End to end', 't-nlg TP 8 training')).toEqual(['25.0 %', '1.050', '1.070']);
  expect(row('Collectives on a few CUs', 't-nlg TP 8 op')).toEqual(['8 of 80', '1.500', '1.100']);
  expect(row('Study: twice of it', 'max')).toEqual(['1.250', '1.250', '1.250', '1.250', '1.250']);
  // 7 MB in 40 µs, 5 of them in 20.
  expect(row('DRAM traffic', 't3')).toEqual(['40.0 µs', '7.00 MB', '175', '250']);
});

test('every parameter and number of the machine with its source', () => {
  for (const file of [report.parameters.machine, report.parameters.parameters])
    for (const [name, of] of Object.entries(file)) if (typeof of === 'object' && 'source' in of) expect(text.split('\n').filter((line) => line.startsWith(`  ${name} `) && line.endsWith(of.source))).toHaveLength(1);
  expect(row('Parameters', 'thresholds')[0]).toBe('0.25: none, 0.5: 61440, 0.75: 20480, 1: 10240');
  expect(text).toContain('note: a note');
});

test('what a layer’s rest is assumed to be stands under the end-to-end table, and nowhere else', () => {
  const [, section] = /\nEnd to end\n=+\n([^]*?)\n\nCollectives/.exec(text)!;
  expect(section.split('\n').slice(-2)).toEqual(['  sequence   512  assumption: made up', `  overlap   none  ${EVIL}`]);
  expect(text.split('made up')).toHaveLength(2);
});

test('sensitivity only where it was asked for', () => {
  for (const part of ['Ablations', 'Search']) expect(text).not.toContain(`\n${part}`);
  const more = paperTable(withSensitivity);
  expect(row('Ablations', 'as chosen', more)).toEqual(['1.200', '1.300', '1.350', '1.500', '0.130']);
  expect(row('Ablations', 'no barrier', more)).toEqual(['1.250 (+0.050)', '1.300', '1.340 (-0.010)', '1.500', '0.150 (+0.020)']);
  expect(more).toContain('7 parameter sets tried, the chosen one and 6 drawn from the ranges of src/model/search.ts: 2 pass on the TP 8 cases, and this is their spread');
  expect(row('Search', 'T3 speedup', more)).toEqual(['1.190', '1.220']);
  expect(paperTable({ ...withSensitivity, search: { tried: 3, passing: 0, spread: [], sets: [] } })).toContain('3 parameter sets tried, the chosen one and 2 drawn from the ranges of src/model/search.ts: 0 pass on the TP 8 cases; no spread without one');
});

test('the JSON has the promised keys, null where nobody asked', () => {
  const keys = ['parameters', 'cases', 'summary', 'search', 'ablations', 'endToEnd', 'assumptions', 'cuSharing', 'traffic', 'studies', 'notes'];
  const plain = paperJson(report);
  expect(Object.keys(plain)).toEqual(keys);
  expect(plain).toMatchObject({ search: null, ablations: null, assumptions: report.assumptions, endToEnd: report.endToEnd, notes: ['a note', 'without search and ablations: --sensitivity makes them'] });
  expect(omitted(plain)).toEqual(['search', 'ablations']);
  const full = paperJson(withSensitivity);
  expect(Object.keys(full)).toEqual(keys);
  expect(omitted(full)).toEqual([]);
  expect(full).toMatchObject({ ablations: withSensitivity.ablations, notes: ['a note'] });
  expect(Object.keys(full.search!)).toEqual(['tried', 'passing', 'spread']);
  expect(Object.keys(full.cases[0])).toEqual(['machine', 'model', 'tp', 'sublayer', 'schedule', 'gemmTime', 'timeUs', 'speedup', 'speedupWithoutAllGather', 'dramBytes']);
  expect(JSON.parse(reportToJson(full))).toEqual(full);
  expect(() => reportToJson({ ...plain, cases: [{ ...report.cases[0], speedup: Number.NaN }] })).toThrow('not a number');
});

test('the page has every table that is printed, row for row', () => {
  const html = paperHtml(withSensitivity, '');
  const cells = (of: readonly string[]): string => `<tr>${of.map((cell, at) => `<td${at === 0 ? ' class="words"' : ''}>${escaped(cell)}</td>`).join('')}</tr>`;
  const sections = paperSections(withSensitivity);
  expect(sections.map(({ title }) => title)).toEqual(expect.arrayContaining(['Claims', 'End to end', 'Collectives on a few CUs', 'Study: twice of it', 'Ablations: one thing changed', 'Search']));
  for (const { title, rows: [, ...rows], sources = [] } of sections) {
    expect(html).toContain(`<h2>${escaped(title)}</h2>`);
    for (const one of rows) expect(html).toContain(cells(one));
    for (const { name, source } of sources) expect(html).toMatch(new RegExp(`<td class="words">${name}</td><td>[^<]+</td><td class="words">${escaped(source).replaceAll(/[()|*+?.[\]]/g, String.raw`\$&`)}</td>`));
  }
  for (const cell of ['no barrier', '1.250 (+0.050)', '4.0 → 2.0', 'assumption: made up', '8 of 80']) expect(html).toContain(escaped(cell));
  expect(paperHtml(report, '')).not.toContain('Ablations');
});

test('the charts: a panel for each model and TP, rates from bins, and nothing that a name could break out of', () => {
  const { speedups: [withGather, without], traffic } = paperCharts(report);
  expect(withGather.panels.map(({ title }) => title)).toEqual(['t-nlg TP 8', 't-nlg TP 16', 'palm TP 32']);
  expect(withGather.panels[0].places).toEqual([{ label: 'op', bars: [1.25, 2], lines: [2.5, 3.125] }]);
  expect(without.panels[0].places).toEqual([{ label: 'op', bars: [2.5, 4], lines: [5, 6.25] }]);
  // 4 MB in 20 µs.
  expect(traffic.panels[0].bins[0]).toEqual({ from: 0, to: 20, layers: [200, 50, 0, 0] });
  const html = paperHtml(report, 'drawing("</script>")');
  expect(html).not.toContain(EVIL);
  expect(html.match(/<script/g)).toHaveLength(2);
  expect(html.match(/<\/script>/g)).toHaveLength(2);
  expect(html).toContain('not given');
  expect(html).not.toMatch(/src=|href=|https?:/);
});
