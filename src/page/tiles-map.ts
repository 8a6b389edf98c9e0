// Draws the heat maps of report/tiles-html.ts with Observable Plot, in the file that `tilewire tiles --html` writes. Bundled by
// itself and inlined there: no network, and nothing of the rest of tilewire. Drawn again when the window's width changes.
import * as Plot from '@observablehq/plot';
import type { HeatCell, HeatMap } from '../report/tiles-html.ts';

const CELL = 46;
/** Room for the label of the rows. */
const LEAST_HEIGHT = 190;
const HATCH = 'tilewire-hatch';

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
  const sides = (side: 'x' | 'y'): number[] => [...new Set(cells.map((cell) => cell[side]))].toSorted((one, other) => one - other);
  const [columns, rows] = [sides('x'), sides('y')];
  const scale = colour(map);
  const most = (scale.domain as number[])[1]!;
  const measured = cells.filter(({ value }) => value !== null);
  const fits = width - 90 >= columns.length * 30;
  const title = (cell: HeatCell): string => cell.text;
  return Plot.plot({
    width: Math.min(width, 90 + columns.length * 90),
    height: Math.max(LEAST_HEIGHT, 70 + rows.length * CELL),
    marginLeft: 60,
    marginBottom: 45,
    style: { background: 'transparent', color: 'inherit', fontSize: '12px' },
    x: { type: 'band', domain: columns, label: map.xLabel, padding: 0.04 },
    y: { type: 'band', domain: rows, label: map.yLabel, padding: 0.04, reverse: true },
    color: scale,
    marks: [
      hatch,
      Plot.cell(cells.filter(({ value }) => value === null), { x: 'x', y: 'y', fill: `url(#${HATCH})`, stroke: 'var(--hatch)', title }),
      Plot.cell(measured, { x: 'x', y: 'y', fill: 'value', title }),
      Plot.cell(measured.filter(({ best }) => best), { x: 'x', y: 'y', fill: 'none', stroke: 'currentColor', strokeWidth: 3, inset: -1 }),
      ...(fits
        ? [
            Plot.text(measured, {
              x: 'x',
              y: 'y',
              // Viridis is dark below, light above.
              fill: ({ value }: HeatCell) => (value! > 0.6 * most ? '#10151b' : '#ffffff'),
              text: ({ value, best, kind }: HeatCell) => `${best ? '★ ' : ''}${short(value!)}${kind === 'given-up' ? ' ×' : ''}`,
              pointerEvents: 'none',
            }),
          ]
        : [Plot.text(measured.filter(({ best }) => best), { x: 'x', y: 'y', text: () => '★', fill: ({ value }: HeatCell) => (value! > 0.6 * most ? '#10151b' : '#ffffff'), pointerEvents: 'none' })]),
    ],
  });
}

/** The pattern of what has no value, in the plot that uses it. */
function hatch(): SVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const defs = document.createElementNS(space, 'defs');
  const pattern = document.createElementNS(space, 'pattern');
  const line = document.createElementNS(space, 'path');
  for (const [name, value] of Object.entries({ id: HATCH, width: '7', height: '7', patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' })) pattern.setAttribute(name, value);
  for (const [name, value] of Object.entries({ d: 'M0 0V7', stroke: 'var(--hatch)', 'stroke-width': '3' })) line.setAttribute(name, value);
  pattern.append(line);
  defs.append(pattern);
  return defs;
}

const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

function element(tag: string, name = '', text = ''): HTMLElement {
  const made = document.createElement(tag);
  if (name !== '') made.className = name;
  made.textContent = text;
  return made;
}

const data = document.getElementById('heat-maps');
if (data !== null) {
  const sections = JSON.parse(data.textContent ?? '[]') as HeatMap[][];
  draw(sections);
  let width = window.innerWidth;
  window.addEventListener('resize', () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    draw(sections);
  });
}
