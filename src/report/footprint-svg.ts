// A footprint as a picture: the output matrix, each workgroup's region outlined and tinted by the step in which one
// device computes it, chunk boundaries as heavy lines, wavefronts as light ones where they are few enough to see. Regions
// are drawn from the owner of each element, so any shape of them is right. One self-contained SVG, nothing fetched.
import type { Footprint } from '../plan/footprint.ts';
import type { Plan } from '../plan/plan.ts';

export interface Picture {
  readonly plan: Plan;
  readonly footprint: Footprint;
  readonly device: number;
  /** First line of the picture, and what stands beneath it. */
  readonly title: string;
  readonly subtitle: string;
}

/** Size of the matrix on the picture, px: the longer side fills its limit, the shorter is at least `LEAST`, stretched if need be. */
const WIDEST = 1160;
const TALLEST = 760;
const LEAST = 200;
const MARGIN = { left: 76, right: 28, top: 96, bottom: 30 };
/** Beyond these, elements are sampled, and workgroups share a path instead of having one with a tooltip each. */
const MOST_RECTANGLES = 40_000;
const MOST_PATHS = 3000;
/** Lines closer together than this only make a picture dark, px. */
const CLOSEST = { workgroups: 2.5, wavefronts: 5 };
const FONT = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"';

export function footprintSvg({ plan, footprint, device, title, subtitle }: Picture): string {
  const { tiling, stages, mapping } = plan;
  const { m, n, owner, wavefronts } = footprint;
  const scale = scaleOf(m, n);
  const px = (column: number): number => round(MARGIN.left + column * scale.x);
  const py = (row: number): number => round(MARGIN.top + row * scale.y);
  const width = Math.max(760, MARGIN.left + Math.ceil(n * scale.x) + MARGIN.right);
  const steps = plan.devices;

  const stepOf = new Int32Array(tiling.tiles).fill(-1);
  const stageOf = new Int32Array(tiling.tiles).fill(-1);
  stages[device].forEach(({ step, tiles }, stage) => tiles.forEach((tile) => {
    stepOf[tile] = step;
    stageOf[tile] = stage;
  }));
  const workgroup = (row: number, column: number): number => Math.floor(owner[row * n + column] / wavefronts);
  const notes: string[] = [];
  if (scale.x !== scale.y) notes.push(`not to scale: a column is ${figure(scale.x)} px wide, a row ${figure(scale.y)} px tall`);

  const fills = regions(footprint, tiling.tiles <= MOST_PATHS ? workgroup : (row, column) => stepOf[workgroup(row, column)]);
  if (fills.sampled > 1) notes.push(`regions too fine to draw: one element in ${fills.sampled} × ${fills.sampled} is shown`);
  const paths = [...fills.rectangles].map(([key, rectangles]) => {
    const d = rectangles.map(([row, column, rows, columns]) => `M${px(column)} ${py(row)}H${px(column + columns)}V${py(row + rows)}H${px(column)}z`).join('');
    const step = tiling.tiles <= MOST_PATHS ? stepOf[key] : key;
    return `<path fill="${tint(step, steps)}" d="${d}">${tiling.tiles <= MOST_PATHS ? `<title>workgroup ${key}: step ${step + 1}, stage ${stageOf[key] + 1}</title>` : ''}</path>`;
  });

  const outlines = edges(footprint, (one, other) => Math.floor(one / wavefronts) !== Math.floor(other / wavefronts));
  const inner = wavefronts > 1 ? edges(footprint, (one, other) => one !== other && Math.floor(one / wavefronts) === Math.floor(other / wavefronts)) : NO_EDGES;
  const showOutlines = fills.sampled === 1 && spacing(outlines, m, n, scale) >= CLOSEST.workgroups;
  const showInner = fills.sampled === 1 && inner.length > 0 && spacing(both(outlines, inner), m, n, scale) >= CLOSEST.wavefronts;
  if (!showOutlines && outlines.length > 0) notes.push('outlines of workgroups left out: too close together');
  if (inner.length > 0 && !showInner) notes.push(`borders of the ${wavefronts} wavefronts of a workgroup left out: too close together`);
  const stroked = ({ horizontal, vertical }: Edges): string =>
    horizontal.map(([row, from, to]) => `M${px(from)} ${py(row)}H${px(to)}`).join('') + vertical.map(([column, from, to]) => `M${px(column)} ${py(from)}V${py(to)}`).join('');

  const labels = showOutlines ? workgroupLabels(footprint, tiling.tiles, scale, px, py) : [];
  const legend = legendOf({ plan, device, width, top: MARGIN.top + m * scale.y + MARGIN.bottom, wavefronts: showInner });
  const height = legend.bottom + notes.length * 18 + 14;
  const text = (x: number, y: number, content: string, more = ''): string => `<text x="${round(x)}" y="${round(y)}" ${more}>${escape(content)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${Math.ceil(height)}" viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" ${FONT} font-size="12" fill="#1c2733">`,
    `<title>${escape(title)}</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text(MARGIN.left, 28, title, 'font-size="17" font-weight="600"'),
    text(MARGIN.left, 48, subtitle, 'fill="#51606e"'),
    `<g shape-rendering="crispEdges">`,
    `<rect x="${px(0)}" y="${py(0)}" width="${round(n * scale.x)}" height="${round(m * scale.y)}" fill="#eee"/>`,
    ...paths,
    `</g>`,
    showInner ? `<path d="${stroked(inner)}" fill="none" stroke="#1c2733" stroke-opacity=".38" stroke-width=".7" stroke-dasharray="2 2.5"/>` : '',
    showOutlines ? `<path d="${stroked(outlines)}" fill="none" stroke="#1c2733" stroke-opacity=".78" stroke-width=".9" stroke-linecap="square"/>` : '',
    ...labels,
    `<path d="${chunkLines(plan, px, py)}" fill="none" stroke="#0b1218" stroke-width="3" stroke-linecap="square"/>`,
    ...chunkLabels(plan, device, scale, px, py),
    ...axes(m, n, px, py, text),
    ...legend.lines,
    ...notes.map((note, at) => text(MARGIN.left, legend.bottom + 14 + at * 18, note, 'fill="#51606e"')),
    `</svg>`,
    '',
  ].filter((line) => line !== '').join('\n');

  function scaleOf(rows: number, columns: number): { x: number; y: number } {
    const even = Math.min(WIDEST / columns, TALLEST / rows, 24);
    return { x: Math.max(even, LEAST / columns), y: Math.max(even, LEAST / rows) };
  }

  function axes(rows: number, columns: number, x: (at: number) => number, y: (at: number) => number, write: typeof text): string[] {
    const right = 'text-anchor="end" fill="#51606e" font-size="11"';
    const across = (tiling.axis === 'rows' ? [0, columns] : boundaries(plan)).filter(apart(30 / scale.x));
    const down = (tiling.axis === 'rows' ? boundaries(plan) : [0, rows]).filter(apart(13 / scale.y));
    return [
      ...down.map((row) => write(x(0) - 7, y(row) + 4, `${row}`, right)),
      ...across.map((column) => write(x(column), y(rows) + 16, `${column}`, 'text-anchor="middle" fill="#51606e" font-size="11"')),
    ];
  }

  void mapping;
}
