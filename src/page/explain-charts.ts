// Draws the charts of report/explain-html.ts with Observable Plot, in the file that `tilewire explain --html` writes: bars of time by
// cause, the critical path over time, a lane for each cause, and maps of speedups. Bundled by itself and inlined there.
import * as Plot from '@observablehq/plot';
import type { Bars, ExplainChart, SpeedupMap, Timeline } from '../report/explain-html.ts';
import { drawData, element, heatPlot, PLOT_STYLE } from './drawing.ts';

const FILL = '#2f6fb3';
const WIDEST = 1100;
/** Names of causes stand there. */
const MARGIN = 150;
const ROW = 24;
const LABEL = 70;

function draw(charts: readonly ExplainChart[]): void {
  const room = Math.min(WIDEST, Math.max(280, document.body.clientWidth - 20));
  for (const chart of charts) {
    const plot = chart.kind === 'bars' ? bars(chart, Math.min(700, room)) : chart.kind === 'timeline' ? timeline(chart, room) : speedups(chart, Math.min(700, room));
    const parts = chart.title === '' ? [] : [element('h3', '', chart.title)];
    document.getElementById(chart.id)?.replaceChildren(...parts, plot);
  }
}

function bars({ rows, xLabel }: Bars, width: number): Element {
  const most = Math.max(0, ...rows.map(({ value }) => value));
  const least = Math.min(0, ...rows.map(({ value }) => value));
  return Plot.plot({
    width, height: rows.length * ROW + 65, marginTop: 10, marginLeft: MARGIN, marginRight: 110, marginBottom: 45, style: PLOT_STYLE,
    x: { domain: [least, most === least ? 1 : most], label: xLabel, grid: true },
    y: { domain: rows.map(({ label }) => label), label: null },
    marks: [
      Plot.barX(rows, { x: 'value', y: 'label', fill: FILL, insetTop: 3, insetBottom: 3, title: 'text' }),
      Plot.ruleX([0]),
      Plot.text(rows, { x: ({ value }: Bars['rows'][number]) => Math.max(0, value), y: 'label', text: 'text', textAnchor: 'start', dx: 5 }),
    ],
  });
}

function timeline({ lanes, spans, hops, to, xLabel }: Timeline, width: number): Element {
  // Those that would lie on the one before them are left out.
  const labelled = hops.filter((hop, at) => at === 0 || ((hop.at - hops[at - 1]!.at) / to) * (width - MARGIN) > LABEL);
  return Plot.plot({
    width, height: lanes.length * ROW + 70, marginLeft: MARGIN, marginTop: 30, marginBottom: 45, style: PLOT_STYLE,
    x: { domain: [0, to], label: xLabel, grid: true },
    y: { domain: [...lanes], label: null },
    marks: [
      Plot.rect(spans, { x1: 'from', x2: 'to', y: 'lane', fill: FILL, stroke: FILL, strokeWidth: 0.75, insetTop: 3, insetBottom: 3, title: 'text' }),
      Plot.ruleX(hops, { x: 'at', stroke: 'currentColor', strokeDasharray: '2,3' }),
      ...(['start', 'end'] as const).map((textAnchor) => Plot.text(labelled.filter((hop) => (hop.at > 0.85 * to) === (textAnchor === 'end')), { x: 'at', text: 'label', frameAnchor: 'top', textAnchor, dx: textAnchor === 'end' ? 0 : 3, dy: -16 })),
    ],
  });
}

function speedups({ xLabel, yLabel, cells }: SpeedupMap, width: number): Element {
  const most = Math.max(0.05, ...cells.flatMap(({ value }) => (value === null ? [] : [Math.abs(value - 1)])));
  return heatPlot({
    width, xLabel, yLabel, cells,
    colour: { type: 'diverging', scheme: 'RdBu', pivot: 1, domain: [1 - most, 1 + most] },
    isDark: (value) => Math.abs(value - 1) > 0.6 * most,
    textWidth: 62,
    shortText: '*',
  });
}

drawData('explain-charts', draw);
