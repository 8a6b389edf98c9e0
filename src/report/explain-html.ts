// `tilewire explain` as one HTML file that needs nothing else: time by cause as bars, the critical path over time, and both maps of where
// fusion wins, breaks even or loses, with what each figure means. Of measured runs a chart for each clock, never two in
// one. The charts are drawn where the file is opened (page/explain-charts.ts); this file decides what is in them.
import { byCause, type PathSegment } from '../model/explain.ts';
import type { ExplainMap, ExplainReport } from './explain-record.ts';
import { changeTable, explainedFacts, mapSummary, SIGN, signed, time } from './explain-table.ts';
import { causeRows, plainRows, type RunExplained, type RunsExplained } from './explained-run.ts';
import { totalOf } from './explained-run-table.ts';
import { BREAKDOWN_TERMS, CHANGE_TERMS, COLUMNS, columnsOf, PATH_TERMS, type Column } from './figures.ts';
import { escaped, htmlPage, htmlTable } from './html-page.ts';
import { adapterLine, shapeText } from './table.ts';

export interface Bars {
  readonly kind: 'bars';
  readonly id: string;
  readonly title: string;
  readonly xLabel: string;
  readonly rows: readonly { readonly label: string; readonly value: number; readonly text: string }[];
}

/** Spans of time in lanes. */
export interface Timeline {
  readonly kind: 'timeline';
  readonly id: string;
  readonly title: string;
  readonly xLabel: string;
  readonly to: number;
  readonly lanes: readonly string[];
  readonly spans: readonly { readonly lane: string; readonly from: number; readonly to: number; readonly text: string }[];
  /** Where it goes on elsewhere. */
  readonly hops: readonly { readonly at: number; readonly label: string }[];
}

/** Values around 1; null where there is none. */
export interface SpeedupMap {
  readonly kind: 'speedups';
  readonly id: string;
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly cells: readonly { readonly x: number; readonly y: number; readonly value: number | null; readonly text: string; readonly title: string; readonly strong: boolean }[];
}

export type ExplainChart = Bars | Timeline | SpeedupMap;

const UNITS = [[1e12, 's'], [1e9, 'ms'], [1e6, 'µs'], [1e3, 'ns'], [1, 'ps']] as const;
/** What an axis up to so many picoseconds counts in. */
const unitOf = (ps: number): (typeof UNITS)[number] => UNITS.find(([size]) => ps >= size) ?? UNITS[4];
const percent = (value: number, of: number): string => (of === 0 ? '–' : `${((100 * value) / of).toFixed(1)} %`);

function barsOf(id: string, title: string, rows: readonly (readonly [label: string, ps: number])[], total: number): Bars {
  const [size, unit] = unitOf(Math.max(...rows.map(([, ps]) => Math.abs(ps))));
  return { kind: 'bars', id, title, xLabel: `${unit} of ${time(total)}`, rows: rows.map(([label, ps]) => ({ label, value: ps / size, text: `${time(ps)}, ${percent(ps, total)}` })) };
}

/** Gaps that would not be seen are closed, so that a path of many stages stays drawable. */
const SEEN = 1 / 1000;

export function timelineOf(id: string, path: readonly PathSegment[]): Timeline {
  const end = path.at(-1)?.toPs ?? 0;
  const [size, unit] = unitOf(end);
  const lanes = Object.keys(PATH_TERMS).filter((cause) => path.some((segment) => segment.cause === cause));
  const spans = lanes.flatMap((lane) => {
    const merged: { lane: string; from: number; to: number; text: string }[] = [];
    for (const { cause, device, tile, fromPs, toPs } of path) {
      if (cause !== lane) continue;
      const last = merged.at(-1);
      if (last !== undefined && fromPs / size - last.to < (SEEN * end) / size) {
        last.to = toPs / size;
        last.text = `${lane}, several`;
      } else merged.push({ lane, from: fromPs / size, to: toPs / size, text: `${lane}, ${time(toPs - fromPs)}: device ${device}, tile ${tile}` });
    }
    return merged;
  });
  const hops = path.flatMap(({ device, fromPs }, at) => (at === 0 || device !== path[at - 1].device ? [{ at: fromPs / size, label: `device ${device}` }] : []));
  return { kind: 'timeline', id, title: '', xLabel: unit, to: end / size, lanes, spans, hops };
}

export function speedupMap(id: string, map: ExplainMap, schedule: string): SpeedupMap {
  const { x, y, cells } = map;
  return {
    kind: 'speedups',
    id,
    title: `speedup of ${schedule} over sequential, all-gather included: ${y.name} against ${x.name}`,
    xLabel: x.name,
    yLabel: y.name,
    cells: y.values.flatMap((row) => x.values.map((column) => {
      const cell = cells.find((of) => of.x === column && of.y === row);
      const place = `${y.name} ${row}, ${x.name} ${column}`;
      const isOwn = column === x.own && row === y.own;
      return cell === undefined
        ? { x: column, y: row, value: null, text: '', title: `${place}: more than is simulated here`, strong: isOwn }
        : { x: column, y: row, value: cell.speedup, text: `${isOwn ? '* ' : ''}${cell.speedup.toFixed(3)} ${SIGN[cell.verdict]}`, title: `${place}: ${cell.speedup.toFixed(3)}, ${cell.verdict}${isOwn ? '; this run' : ''}`, strong: isOwn };
    })),
  };
}

interface Section {
  readonly html: string;
  readonly charts: readonly ExplainChart[];
}

const place = (id: string): string => `<div id="${id}" class="charts"><noscript>Drawn by a script; the figures are in the tables.</noscript></div>`;
const paragraph = (text: string, name = ''): string => `<p${name === '' ? '' : ` class="${name}"`}>${escaped(text)}</p>`;

function modelledSection(report: ExplainReport, at: number): Section {
  const { schedule, devices, device, breakdown, path, maps, change, times } = report;
  const causes = byCause(path);
  const total = path.at(-1)?.toPs ?? 0;
  const found = (Object.keys(PATH_TERMS) as (keyof typeof PATH_TERMS)[]).map((cause) => [cause, causes[cause] ?? 0] as const).toSorted(([, one], [, other]) => other - one);
  const whole = Object.values(breakdown).reduce((sum, ps) => sum + ps, 0);
  const [heads, ...rows] = changeTable(report);
  const charts = [
    barsOf(`path-bars-${at}`, '', found.filter(([, ps]) => ps > 0), total),
    timelineOf(`path-${at}`, path),
    barsOf(`cus-${at}`, '', BREAKDOWN_TERMS.map(({ key, name }) => [name, breakdown[key]] as const), whole),
    ...maps.map((map, nth) => speedupMap(`map-${at}-${nth}`, map, schedule)),
  ];
  return {
    charts,
    html: `<p>${explainedFacts(report).map(([label, text]) => escaped(`${label === '' ? '' : `${label}: `}${text}`)).join('<br>\n')}</p>
<h2>What fusing changes</h2>
${htmlTable(heads, rows, [0])}
${paragraph('GEMM: until its stores have landed, of a fused run until its last workgroup ends; ideal-overlap is a bound: max(GEMM, reduce-scatter).', 'key')}
${htmlTable([`from sequential to ${schedule}`, '', ''], [...CHANGE_TERMS.map(({ key, name, definition }) => [name, signed(change[key]), definition]), ['all of it', signed(times[1].timePs - times[0].timePs), '']], [0, 2])}
<h2>Critical path by cause</h2>
${paragraph(`What the last update of the run waited for, back to the beginning; all ${devices} devices simulated. ${time(total)}.`)}
${place(`path-bars-${at}`)}
${htmlTable(['cause', 'time', 'share', ''], found.map(([cause, ps]) => [cause, time(ps), percent(ps, total), PATH_TERMS[cause]]), [0, 3])}
<h2>Critical path over time</h2>
${place(`path-${at}`)}
${paragraph('A lane for each cause; dotted: the path goes on to another device, named where there is room. Within a tile its waits for operands are drawn first; gaps of less than a thousandth are not drawn.', 'key')}
<h2>Where the CUs’ time went</h2>
${paragraph(`Device ${device}, the last to finish: ${time(whole)}, means over the workgroups that its CUs hold.`)}
${place(`cus-${at}`)}
${htmlTable(['cause', 'time', 'share', ''], BREAKDOWN_TERMS.map(({ key, name, definition }) => [name, time(breakdown[key]), percent(breakdown[key], whole), definition]), [0, 3])}
<h2>Where fusion wins</h2>
${maps.map((map, nth) => `${place(`map-${at}-${nth}`)}
${paragraph(mapSummary(map), 'key')}`).join('\n')}
${paragraph(`+ ${schedule} wins (blue), = within 2 % of sequential (pale), - it loses (red); framed and *: this run; hatched: more than is simulated here. Both schedules have the cell's tile, machine and shape; the maps keep n and, over all devices, K.`, 'key')}`,
  };
}

const PS_PER_MS = 1e9;

function runSection(run: RunExplained, at: number, schedule: string, machine: string): Section {
  const rows = causeRows(run);
  const { spec, failures, modelled, unmodelled } = run;
  const titles: Record<Column, string> = { measured: 'measured, this adapter', replayed: 'replayed', modelled: `modelled: ${schedule} on ${machine}` };
  const columns = columnsOf().flatMap((column) => {
    const total = totalOf(rows, column);
    return total === null ? [] : [barsOf(`run-${at}-${column}`, titles[column], rows.flatMap((row) => (row[column] === null ? [] : [[row.name, row[column] * PS_PER_MS] as const])), total * PS_PER_MS)];
  });
  const plain = plainRows(run);
  const ms = (value: number): string => time(Math.round(value * PS_PER_MS));
  const model = modelled === null ? null : modelledSection(modelled, at);
  const html = `<section>
<h2>${escaped(spec.name)}</h2>
${paragraph(`${shapeText(spec)}; ${spec.collective}, ${spec.algorithm}, ${spec.devices} ${spec.devices === 1 ? 'device' : 'devices'}, output scattered by ${spec.chunk}`)}
${failures.length === 0 ? '' : paragraph('FAILED: this run was wrong, and its times are those of a wrong run.')}
<h2>Where the time went</h2>
${columns.map(({ id }) => place(id)).join('\n')}
${columnsOf().map((column) => paragraph(`${column}: ${totalOf(rows, column) === null ? (column === 'modelled' ? `not: ${unmodelled ?? ''}` : 'not timed') : COLUMNS[column]}`, 'key')).join('\n')}
${htmlTable(['cause', ''], rows.map(({ name, definition }) => [name, definition]), [0, 1])}
${plain === null ? paragraph('The fused run against its plain parts: needs --baseline and GPU timestamps.') : `<h2>Measured: fused against its plain parts</h2>
${htmlTable(['', 'plain', 'fused', 'difference', ''], plain.map((row) => [row.name, row.plain === null ? '–' : ms(row.plain), ms(row.fused), signed(Math.round((row.fused - (row.plain ?? 0)) * PS_PER_MS)), row.definition]), [0, 4])}
${paragraph('One sample of each.', 'key')}`}
${model === null ? '' : `<h2>${escaped(`Modelled: ${schedule} on ${machine}, nothing of it measured`)}</h2>
${model.html}`}
</section>`;
  return { html, charts: [...columns, ...(model?.charts ?? [])] };
}

/** @param script draws `explain-charts` */
export function explainHtml(report: ExplainReport | RunsExplained, script: string): string {
  const isRuns = 'runs' in report;
  const sections = isRuns ? report.runs.map((run, at) => runSection(run, at, report.schedule, report.machine.name)) : [modelledSection(report, 0)];
  const title = isRuns ? `Why these runs took their time: ${report.runs.map(({ spec }) => spec.name).join(', ')}` : `Why ${report.schedule} takes its time: ${report.name}`;
  const basis = isRuns ? `Measured on ${adapterLine(report.environment).replace(/^adapter: /, '')}. Replayed and modelled times stand in charts of their own.` : `Modelled: the times are a virtual clock's, of the machine ${report.parameters.machine.name}. Nothing here is measured.`;
  return htmlPage({ title, body: `<h1>${escaped(title)}</h1>\n${paragraph(basis)}\n${sections.map(({ html }) => html).join('\n')}`, data: { id: 'explain-charts', value: sections.flatMap(({ charts }) => charts) }, script });
}
