// What the scripts of all pages that tilewire writes draw with: the page's data, drawn again when the window's width changes, and heat
// maps whose cells say their figure in text, so that nothing hangs on a colour. They know nothing of the rest of tilewire.
import * as Plot from '@observablehq/plot';

export const PLOT_STYLE = { background: 'transparent', color: 'inherit', fontSize: '12px' };
/** Room for the label of the rows. */
const LEAST_HEIGHT = 190;
const CELL = 46;
const HATCH = 'tilewire-hatch';

/** Draws the JSON of the element `id`, now and whenever the window is as wide as it was not before. */
export function drawData<T>(id: string, draw: (data: T) => void): void {
  const found = document.getElementById(id);
  if (found === null) return;
  const data = JSON.parse(found.textContent ?? 'null') as T;
  draw(data);
  let width = window.innerWidth;
  window.addEventListener('resize', () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    draw(data);
  });
}

export function element(tag: string, name = '', text = ''): HTMLElement {
  const made = document.createElement(tag);
  if (name !== '') made.className = name;
  made.textContent = text;
  return made;
}

export interface DrawnCell {
  readonly x: number;
  readonly y: number;
  /** Null where there is none: the cell is hatched. */
  readonly value: number | null;
  readonly text: string;
  readonly title: string;
  /** Framed. */
  readonly strong: boolean;
}

export interface DrawnMap {
  readonly width: number;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly colour: Plot.ScaleOptions;
  readonly cells: readonly DrawnCell[];
  /** Whether the text of such a value stands on a dark ground. */
  readonly isDark: (value: number) => boolean;
  /** What a column's text needs, pixels: only that of strong cells is written where there is less. */
  readonly textWidth: number;
  /** What of it is written then. */
  readonly shortText: string;
}

export function heatPlot({ width, xLabel, yLabel, colour, cells, isDark, textWidth, shortText }: DrawnMap): Element {
  const sides = (side: 'x' | 'y'): number[] => [...new Set(cells.map((cell) => cell[side]))].toSorted((one, other) => one - other);
  const [columns, rows] = [sides('x'), sides('y')];
  const fits = width - 90 >= columns.length * textWidth;
  const valued = cells.filter(({ value }) => value !== null);
  const written = fits ? valued : valued.filter(({ strong }) => strong);
  return Plot.plot({
    width: Math.min(width, 90 + columns.length * 90),
    height: Math.max(LEAST_HEIGHT, 70 + rows.length * CELL),
    marginLeft: 60,
    marginBottom: 45,
    style: PLOT_STYLE,
    x: { type: 'band', domain: columns, label: xLabel, padding: 0.04 },
    y: { type: 'band', domain: rows, label: yLabel, padding: 0.04, reverse: true },
    color: colour,
    marks: [
      hatch,
      Plot.cell(cells.filter(({ value }) => value === null), { x: 'x', y: 'y', fill: `url(#${HATCH})`, stroke: 'var(--hatch)', title: 'title' }),
      Plot.cell(valued, { x: 'x', y: 'y', fill: 'value', title: 'title' }),
      Plot.cell(valued.filter(({ strong }) => strong), { x: 'x', y: 'y', fill: 'none', stroke: 'currentColor', strokeWidth: 3, inset: -1 }),
      Plot.text(written, { x: 'x', y: 'y', fill: ({ value }: DrawnCell) => (isDark(value!) ? '#ffffff' : '#10151b'), text: fits ? 'text' : () => shortText, pointerEvents: 'none' }),
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
