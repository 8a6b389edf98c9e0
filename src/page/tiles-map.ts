// Draws the heat maps of report/tiles-html.ts with Observable Plot, in the file that `tilewire tiles --html` writes. Bundled by
// itself and inlined there: no network, and nothing of the rest of tilewire. Drawn again when the window's width changes.
import * as Plot from '@observablehq/plot';
import type { HeatCell, HeatMap } from '../report/tiles-html.ts';
import { drawData, element, heatPlot } from './drawing.ts';

function draw(sections: readonly (readonly HeatMap[])[]): void {
  for (const [at, maps] of sections.entries()) {
    const place = document.getElementById(`maps-${at}`);
    place?.replaceChildren(...maps.map(figureOf));
  }
  // Its width is known only once it has a place.
  for (const [at, maps] of sections.entries())
    maps.forEach((map, nth) => {
      const panels = document.querySelectorAll<HTMLElement>(`#maps-${at} > [data-map="${nth}"] .panel`);
      map.panels.forEach((panel, which) => panels[which]?.append(plotOf(map, panel.cells, panels[which].clientWidth)));
    });
}

function figureOf(map: HeatMap, nth: number): HTMLElement {
  const figure = element('figure');
  figure.dataset['map'] = String(nth);
  const panels = element('div', 'panels');
  for (const { title } of map.panels) {
    const panel = element('div', 'panel');
    panel.append(element('h4', '', title));
    panels.append(panel);
  }
  // A tip inside of the plot would be cut off where the plot is narrower than its text.
  const told = element('output', 'told', 'Point at a cell to read its figures.');
  panels.addEventListener('pointerover', ({ target }) => {
    const text = (target as Element).querySelector(':scope > title')?.textContent;
    if (text) told.textContent = text;
  });
  figure.append(element('h3', '', map.title), Plot.legend({ color: colour(map), width: 280, ticks: 5 }) as unknown as Node, panels, told);
  return figure;
}

/** One scale for all panels of a map. */
function colour({ panels, valueLabel }: HeatMap): Plot.ScaleOptions {
  const values = panels.flatMap(({ cells }) => cells.flatMap(({ value }) => (value === null ? [] : [value])));
  return { type: 'linear', scheme: 'viridis', domain: [0, Math.max(1e-9, ...values)], label: valueLabel };
}

function plotOf(map: HeatMap, cells: readonly HeatCell[], width: number): Element {
  const scale = colour(map);
  const most = (scale.domain as number[])[1]!;
  return heatPlot({
    width,
    xLabel: map.xLabel,
    yLabel: map.yLabel,
    colour: scale,
    cells: cells.map(({ x, y, value, best, kind, text }) => ({ x, y, value, strong: best, title: text, text: value === null ? '' : `${best ? '★ ' : ''}${short(value)}${kind === 'given-up' ? ' ×' : ''}` })),
    // Viridis is dark below, light above.
    isDark: (value) => value <= 0.6 * most,
    textWidth: 30,
    shortText: '★',
  });
}

const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

drawData('heat-maps', draw);
