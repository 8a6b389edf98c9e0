// Draws the charts of report/paper-html.ts with Observable Plot, in the file that `tilewire paper --html` writes. Bundled by itself and
// inlined there: no network, and nothing of the rest of tilewire. Drawn again when the window's width changes.
import * as Plot from '@observablehq/plot';
import type { BarsAndLines, PaperCharts, StackedOverTime } from '../report/paper-html.ts';
import { drawData, element, PLOT_STYLE } from './drawing.ts';

const BAR_COLOURS = ['#9ab3cf', '#2f6fb3'];
const LINE_COLOURS = ['#d1495b', '#edae49'];
const LAYER_COLOURS = ['#2f6fb3', '#66a182', '#edae49', '#d1495b'];
/** Of the way from one place to the next. */
const BAR = 0.34;
const PANEL = 300;

function draw({ speedups, traffic }: PaperCharts): void {
  speedups.forEach((chart, at) => into(`speedups-${at}`, legend([...chart.bars, ...chart.lines], [...BAR_COLOURS, ...LINE_COLOURS]), panels(chart.panels.map(({ title }, panel) => [title, (width) => barsAndLines(chart, panel, width)]), chart.yLabel, PANEL)));
  into('traffic', legend(traffic.layers, LAYER_COLOURS), panels(traffic.panels.map(({ title }, panel) => [title, (width) => stacked(traffic, panel, width)]), '', 2 * PANEL));
}

function into(id: string, ...parts: readonly Node[]): void {
  document.getElementById(id)?.replaceChildren(...parts);
}

const legend = (domain: readonly string[], range: readonly string[]): Node => Plot.legend({ color: { domain: [...domain], range: [...range] } }) as unknown as Node;

function panels(of: readonly (readonly [string, (width: number) => Element])[], title: string, least: number): Node {
  const figure = element('figure');
  if (title !== '') figure.append(element('h3', '', title));
  const row = element('div', 'panels');
  const room = Math.max(240, document.body.clientWidth - 40);
  const width = Math.min(room, least === PANEL ? PANEL : 1100);
  for (const [name, plot] of of) {
    const panel = element('div', 'panel');
    panel.style.flex = '0 0 auto';
    panel.style.maxWidth = '100%';
    panel.append(element('h4', '', name), plot(width));
    row.append(panel);
  }
  figure.append(row);
  return figure;
}

function barsAndLines({ from, bars, lines, panels: all }: BarsAndLines, at: number, width: number): Element {
  const { places } = all[at]!;
  const top = Math.max(...all.flatMap((panel) => panel.places.flatMap((place) => [...place.bars, ...place.lines])));
  return Plot.plot({
    width, height: 220, style: PLOT_STYLE,
    x: { domain: [-0.5, places.length - 0.5], ticks: places.map((_, place) => place), tickFormat: (place: number) => places[place]?.label ?? '', label: null },
    y: { domain: [from, top + 0.03], grid: true, label: null },
    marks: [
      ...bars.map((name, bar) => Plot.rect(places.map((place, index) => ({ x1: index + (bar - bars.length / 2) * BAR, x2: index + (bar + 1 - bars.length / 2) * BAR, y: place.bars[bar]!, title: `${place.label}, ${name}: ${place.bars[bar]!.toFixed(3)}` })), { x1: 'x1', x2: 'x2', y1: from, y2: 'y', fill: BAR_COLOURS[bar]!, insetLeft: 1, title: 'title', clip: true })),
      // The first one on top: the others are often the same.
      ...lines.map((name, line) => lineOf(name, line, places)).toReversed().flat(),
      Plot.ruleY([1], { stroke: 'currentColor', strokeDasharray: '3,3' }),
    ],
  });
}

function lineOf(name: string, line: number, places: BarsAndLines['panels'][number]['places']): Plot.Markish[] {
  const points = places.map(({ label, lines }, x) => ({ x, y: lines[line]!, title: `${label}, ${name}: ${lines[line]!.toFixed(3)}` }));
  return [
    Plot.line(points, { x: 'x', y: 'y', stroke: LINE_COLOURS[line]!, strokeWidth: line === 0 ? 2 : 3 }),
    Plot.dot(points, { x: 'x', y: 'y', r: line === 0 ? 3.5 : 5, fill: LINE_COLOURS[line]!, title: 'title' }),
  ];
}

function stacked({ xLabel, yLabel, layers, limit, panels: all }: StackedOverTime, at: number, width: number): Element {
  const { bins } = all[at]!;
  const last = Math.max(...all.flatMap((panel) => panel.bins.map(({ to }) => to)));
  const parts = bins.flatMap(({ from, to, layers: values }) => {
    let below = 0;
    return values.map((value, layer) => {
      below += value;
      return { from, to, bottom: below - value, top: below, layer: layers[layer]!, title: `${from}–${to}: ${layers[layer]!} ${value.toFixed(0)}` };
    });
  });
  return Plot.plot({
    width, height: 205, style: PLOT_STYLE, marginLeft: 50, marginBottom: 45,
    x: { domain: [0, last], label: xLabel },
    y: { domain: [0, limit.value * 1.05], grid: true, label: yLabel },
    color: { domain: [...layers], range: LAYER_COLOURS },
    marks: [Plot.rect(parts, { x1: 'from', x2: 'to', y1: 'bottom', y2: 'top', fill: 'layer', inset: 0, title: 'title' }), Plot.ruleY([limit.value], { stroke: 'currentColor', strokeDasharray: '4,3' }), Plot.text([limit.label], { x: last, y: limit.value, textAnchor: 'end', dy: 10 })],
  });
}

drawData('paper-charts', draw);
