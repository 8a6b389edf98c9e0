// A footprint as a picture: the output matrix, each workgroup's region outlined and tinted by the step in which one
// device computes it, chunk boundaries as heavy lines, wavefronts as dashed ones where they are few enough to see. Drawn
// from the owner of each element, so any shape of region is right. One self-contained SVG, nothing fetched.
import type { Footprint } from '../plan/footprint.ts';
import { routeOf, type Plan } from '../plan/plan.ts';
import { bordersOf, regionsOf, spacingOf, type Borders } from './footprint-regions.ts';

export interface Picture {
  readonly plan: Plan;
  readonly footprint: Footprint;
  readonly device: number;
  readonly title: string;
  readonly subtitle: string;
}

/** The matrix on the picture, px: as large as fits, its sides stretched apart where one would be under `LEAST`. */
const WIDEST = 1160;
const TALLEST = 760;
const LEAST = 220;
const LARGEST_ELEMENT = 24;
/** Above the matrix are the labels of chunks of columns; those of rows stand beside it. */
const MARGIN = { left: 64, right: 132, top: { rows: 68, columns: 98 }, bottom: 42 };
const LEAST_WIDTH = 900;

const MOST_RECTANGLES = 40_000;
const MOST_BORDERS = 60_000;
const MOST_NUMBERS = 1500;
/** Workgroups beyond this share a path per step, instead of having one with a tooltip each. */
const MOST_PATHS = 3000;
/** Lines that are closer to each other only make a picture dark, px. */
const CLOSEST_WORKGROUPS = 3;
const CLOSEST_WAVEFRONTS = 6;

const INK = '#1c2733';
const PALE = '#566472';
/** Tints of the first to the last step, between which the others lie. */
const TINTS = [[176, 203, 240], [176, 224, 226], [193, 231, 190], [243, 236, 164], [250, 207, 152], [243, 172, 162]] as const;

export function footprintSvg(picture: Picture): string {
  const { plan, footprint, title, subtitle } = picture;
  const { m, n } = footprint;
  const canvas = canvasOf(m, n, plan.tiling.axis, subtitle);
  const areas = areasOf(picture, canvas);
  const outlines = outlinesOf(footprint, canvas, areas.sampled);
  const notes = [...notesOf(plan, canvas), ...areas.notes, ...outlines.notes];
  const legend = legendOf(picture, canvas, outlines);
  const height = Math.ceil(legend.bottom + notes.length * 17 + 12);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${canvas.width}" height="${height}" viewBox="0 0 ${canvas.width} ${height}" role="img" font-family="system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', Helvetica, Arial, sans-serif" font-size="12" fill="${INK}">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    text(MARGIN.left, 28, title, 'font-size="17" font-weight="600"'),
    text(MARGIN.left, 48, subtitle, `fill="${PALE}"`),
    '<g shape-rendering="crispEdges">',
    ...areas.paths,
    '</g>',
    ...(outlines.wavefronts === '' ? [] : [stroke(outlines.wavefronts, WAVEFRONT_LINE)]),
    ...(outlines.workgroups === '' ? [] : [stroke(outlines.workgroups, WORKGROUP_LINE)]),
    ...(outlines.workgroups === '' ? [] : workgroupNumbers(picture, canvas)),
    stroke(chunkLines(plan, canvas), CHUNK_LINE),
    ...chunkLabels(picture, canvas),
    ...scales(plan, canvas),
    ...legend.lines,
    ...notes.map((note, at) => text(MARGIN.left, legend.bottom + at * 17, note, `fill="${PALE}"`)),
    '</svg>',
    '',
  ].join('\n');
}

const WAVEFRONT_LINE = `stroke="${INK}" stroke-opacity=".45" stroke-width=".8" stroke-dasharray="2 2.5"`;
const WORKGROUP_LINE = `stroke="${INK}" stroke-opacity=".75" stroke-width="1" stroke-linecap="square"`;
const CHUNK_LINE = 'stroke="#0b1218" stroke-width="3" stroke-linecap="square"';

/** Places on the picture, px. */
interface Canvas {
  readonly m: number;
  readonly n: number;
  /** Of an element. */
  readonly columnWidth: number;
  readonly rowHeight: number;
  readonly width: number;
  readonly x: (column: number) => number;
  readonly y: (row: number) => number;
}

function canvasOf(m: number, n: number, axis: Plan['tiling']['axis'], subtitle: string): Canvas {
  const even = Math.min(WIDEST / n, TALLEST / m, LARGEST_ELEMENT);
  const columnWidth = Math.max(even, Math.min(LARGEST_ELEMENT, LEAST / n));
  const rowHeight = Math.max(even, Math.min(LARGEST_ELEMENT, LEAST / m));
  return {
    m, n, columnWidth, rowHeight,
    width: Math.max(LEAST_WIDTH, MARGIN.left + Math.ceil(subtitle.length * 6.6), Math.ceil(MARGIN.left + n * columnWidth + MARGIN.right)),
    x: (column) => rounded(MARGIN.left + column * columnWidth),
    y: (row) => rounded(MARGIN.top[axis] + row * rowHeight),
  };
}

interface Timing {
  /** By workgroup, 0-based; −1 for one that stores nothing. */
  readonly step: Int32Array;
  readonly stage: Int32Array;
}

function timingOf({ tiling, stages }: Plan, device: number): Timing {
  const step = new Int32Array(tiling.tiles).fill(-1);
  const stage = new Int32Array(tiling.tiles).fill(-1);
  stages[device].forEach((of, at) => of.tiles.forEach((tile) => {
    step[tile] = of.step;
    stage[tile] = at;
  }));
  return { step, stage };
}

/** The tinted areas: a path for each workgroup, or for each step where there are too many. */
function areasOf({ plan, footprint, device }: Picture, { x, y }: Canvas): { paths: string[]; sampled: number; notes: string[] } {
  const { tiles, wavefronts } = plan.tiling;
  const { step, stage } = timingOf(plan, device);
  const byWorkgroup = tiles <= MOST_PATHS;
  const keys = Int32Array.from({ length: tiles * wavefronts }, (_, owner) => {
    const workgroup = Math.floor(owner / wavefronts);
    return byWorkgroup ? workgroup : step[workgroup];
  });
  const { rectangles, sampled } = regionsOf(footprint, keys, MOST_RECTANGLES);
  const paths = [...rectangles].map(([key, of]) => {
    const d = of.map(([row, column, rows, columns]) => `M${x(column)} ${y(row)}H${x(column + columns)}V${y(row + rows)}H${x(column)}z`).join('');
    const tooltip = byWorkgroup ? `<title>workgroup ${key}: step ${step[key] + 1}, stage ${stage[key] + 1}</title>` : '';
    return `<path fill="${tint(byWorkgroup ? step[key] : key, plan.mapping.order[device].length)}" d="${d}">${tooltip}</path>`;
  });
  return { paths, sampled, notes: sampled === 1 ? [] : [`regions too fine to draw one by one: of each ${sampled} × ${sampled} elements the first is shown`] };
}

/** Borders of workgroups and of wavefronts within them, where they are far enough apart to be seen. */
function outlinesOf(footprint: Footprint, canvas: Canvas, sampled: number): { workgroups: string; wavefronts: string; notes: string[] } {
  const { wavefronts } = footprint;
  const workgroup = (owner: number): number => Math.floor(owner / wavefronts);
  const drawn = (differ: (one: number, other: number) => boolean, together: (one: number, other: number) => boolean, closest: number): string | null => {
    const borders = sampled === 1 ? bordersOf(footprint, differ, MOST_BORDERS) : null;
    const all = borders === null ? null : bordersOf(footprint, together, MOST_BORDERS);
    if (borders === null || all === null) return null;
    const { rows, columns } = spacingOf(all, footprint);
    return Math.min(rows * canvas.rowHeight, columns * canvas.columnWidth) < closest ? null : pathOf(borders, canvas);
  };
  const apart = (one: number, other: number): boolean => workgroup(one) !== workgroup(other);
  const workgroups = drawn(apart, apart, CLOSEST_WORKGROUPS);
  const inner = wavefronts === 1 ? '' : drawn((one, other) => one !== other && !apart(one, other), (one, other) => one !== other, CLOSEST_WAVEFRONTS);
  return {
    workgroups: workgroups ?? '',
    wavefronts: inner ?? '',
    notes: [...(workgroups === null ? ['borders of workgroups left out: too close together'] : []), ...(inner === null ? [`borders of the ${wavefronts} wavefronts of a workgroup left out: too close together`] : [])],
  };
}

const pathOf = ({ horizontal, vertical }: Borders, { x, y }: Canvas): string =>
  horizontal.map(([row, from, to]) => `M${x(from)} ${y(row)}H${x(to)}`).join('') + vertical.map(([column, from, to]) => `M${x(column)} ${y(from)}V${y(to)}`).join('');

/** A workgroup's number in each area of its region that has room for it, clear of chunk boundaries. */
function workgroupNumbers({ footprint, plan }: Picture, { x, y, columnWidth, rowHeight }: Canvas): string[] {
  const { tiles, wavefronts, axis } = plan.tiling;
  const keys = Int32Array.from({ length: tiles * wavefronts }, (_, owner) => Math.floor(owner / wavefronts));
  const { rectangles } = regionsOf(footprint, keys, MOST_RECTANGLES);
  const cuts = boundaries(plan);
  const room = `${tiles - 1}`.length * 6.2 + 8;
  const numbers = [...rectangles].flatMap(([workgroup, of]) =>
    of.flatMap(([row, column, rows, columns]) => {
      const [top, height] = axis === 'rows' ? longest(row, rows, cuts) : [row, rows];
      const [left, width] = axis === 'columns' ? longest(column, columns, cuts) : [column, columns];
      if (width * columnWidth < room || height * rowHeight < 14) return [];
      return [text(x(left + width / 2), y(top + height / 2) + 3.5, `${workgroup}`, 'font-size="10" text-anchor="middle" fill-opacity=".85" stroke="#fff" stroke-opacity=".6" stroke-width="3" paint-order="stroke"')];
    }),
  );
  return numbers.length > MOST_NUMBERS ? [] : numbers;
}

/** The longest stretch of `start..start + length` between two cuts. */
function longest(start: number, length: number, cuts: readonly number[]): readonly [start: number, length: number] {
  const ends = [start, ...cuts.filter((cut) => cut > start && cut < start + length), start + length];
  return ends.slice(1).map((end, at) => [ends[at], end - ends[at]] as const).reduce((best, one) => (one[1] > best[1] ? one : best));
}

const boundaries = ({ tiling: { chunks, axis, m, n } }: Plan): number[] => [...new Set([...chunks.filter(({ elements }) => elements > 0).map(({ row, column }) => (axis === 'rows' ? row : column)), axis === 'rows' ? m : n])];

function chunkLines({ tiling: { chunks } }: Plan, { m, n, x, y }: Canvas): string {
  const upperLeft = chunks.filter(({ elements }) => elements > 0).map(({ row, column, rows, columns }) => `${row > 0 ? `M${x(column)} ${y(row)}H${x(column + columns)}` : ''}${column > 0 ? `M${x(column)} ${y(row)}V${y(row + rows)}` : ''}`);
  return `M${x(0)} ${y(0)}H${x(n)}V${y(m)}H${x(0)}z${upperLeft.join('')}`;
}

/** Each chunk's number and step beside it, or above it, as far as there is room. */
function chunkLabels({ plan, device }: Picture, { n, x, y, columnWidth, rowHeight }: Canvas): string[] {
  const { chunks, axis } = plan.tiling;
  const order = plan.mapping.order[device];
  let free = -Infinity;
  return chunks.flatMap(({ row, column, rows, columns, elements }, chunk) => {
    const [start, length] = axis === 'rows' ? [row, rows] : [column, columns];
    const middle = start + length / 2;
    const step = order.indexOf(chunk) + 1;
    // By columns, the chunks of a batch's further matrices lie below those of the first: see the notes.
    if (elements === 0 || (axis === 'columns' && row > 0)) return [];
    if (axis === 'rows') {
      if (y(middle) < free) return [];
      free = y(middle) + 14;
      return length * rowHeight >= 30
        ? [text(x(n) + 12, y(middle) - 3, `chunk ${chunk}`, 'font-weight="600"'), text(x(n) + 12, y(middle) + 12, `step ${step}`)]
        : [text(x(n) + 12, y(middle) + 4, `chunk ${chunk} · step ${step}`, 'font-size="11"')];
    }
    const room = length * columnWidth;
    const label = room >= 58 ? `chunk ${chunk}` : `${chunk}`;
    const half = Math.max(label.length, room >= 44 ? 6 : 0) * 3.4 + 2;
    if (x(middle) - half < free) return [];
    free = x(middle) + half;
    return [
      text(x(middle), y(0) - 26, label, 'font-weight="600" text-anchor="middle"'),
      ...(room >= 44 ? [text(x(middle), y(0) - 10, `step ${step}`, 'text-anchor="middle"')] : []),
    ];
  });
}

/** Numbers of the rows and columns at the chunk boundaries and ends, those left out that would run into each other. */
function scales(plan: Plan, { m, n, x, y }: Canvas): string[] {
  const byRows = plan.tiling.axis === 'rows';
  const small = `font-size="11" fill="${PALE}"`;
  const spread = (ats: readonly number[], place: (at: number) => number, gap: number): number[] => {
    const last = ats.at(-1)!;
    let free = -Infinity;
    return ats.filter((at) => {
      if (at !== last && (place(at) < free || place(at) > place(last) - gap)) return false;
      free = place(at) + gap;
      return true;
    });
  };
  return [
    ...spread(byRows ? boundaries(plan) : [0, m], y, 13).map((row) => text(x(0) - 8, y(row) + 4, `${row}`, `${small} text-anchor="end"`)),
    ...spread(byRows ? [0, n] : boundaries(plan), x, 36).map((column) => text(x(column), y(m) + 18, `${column}`, `${small} text-anchor="middle"`)),
  ];
}

function notesOf({ tiling, devices, twins }: Plan, { columnWidth, rowHeight }: Canvas): string[] {
  const straddling = tiling.tileParts.filter((parts) => parts.length > 1).length;
  const idle = tiling.tileParts.filter((parts) => parts.length === 0).length - twins.length * tiling.tileParts.filter((parts) => parts.length > 0).length;
  const workgroups = (count: number): string => `${count} of ${tiling.tiles} workgroups`;
  return [
    ...(straddling > 0 ? [`${workgroups(straddling)} straddle${straddling === 1 ? 's' : ''} chunks; such a workgroup is computed whole, in the earliest step of any chunk that it touches`] : []),
    ...(twins.length > 0 ? [`split-K: what is drawn is split 0; ${twins.length} more workgroup${twins.length === 1 ? ' stores' : 's store'} each of these regions again`] : []),
    ...(tiling.chunks.length > devices ? [`${tiling.chunks.length / devices} matrices, one below the other: chunks go on by ${devices} from each to the next`] : []),
    ...(idle > 0 ? [`${workgroups(idle)} store${idle === 1 ? 's' : ''} nothing`] : []),
    ...(Math.abs(columnWidth / rowHeight - 1) > 1e-9 ? [`not to scale: a column is ${columnWidth.toFixed(2)} px wide, a row ${rowHeight.toFixed(2)} px tall`] : []),
  ];
}

/** What the tints and the lines mean; `bottom` is where the notes go. */
function legendOf({ plan, device }: Picture, canvas: Canvas, outlines: { readonly workgroups: string; readonly wavefronts: string }): { lines: string[]; bottom: number } {
  const top = canvas.y(canvas.m) + MARGIN.bottom + 6;
  const entries = plan.mapping.order[device].map((chunk, step) => {
    const stages = plan.stages[device].map((stage, at) => ({ ...stage, at })).filter((stage) => stage.step === step);
    const tiles = stages.reduce((sum, stage) => sum + stage.tiles.length, 0);
    const { storeTo } = routeOf(plan, device, chunk);
    const when = stages.length === 0 ? 'nothing left to compute' : `stage${stages.length === 1 ? ` ${stages[0].at + 1}` : `s ${stages[0].at + 1}–${stages.at(-1)!.at + 1}`} · ${tiles} workgroup${tiles === 1 ? '' : 's'}`;
    return { step, label: `step ${step + 1} · chunk ${chunk} · ${when}${tiles > 0 && storeTo !== device ? ` · to device ${storeTo}` : ''}` };
  });
  const columnWidth = Math.max(...entries.map(({ label }) => label.length)) * 6.4 + 48;
  const columns = Math.max(1, Math.floor((canvas.width - MARGIN.left) / columnWidth));
  const perColumn = Math.ceil(entries.length / columns);
  const steps = entries.flatMap(({ step, label }, at) => {
    const x = rounded(MARGIN.left + Math.floor(at / perColumn) * columnWidth);
    const y = rounded(top + (at % perColumn) * 19);
    return [`<rect x="${x}" y="${y}" width="22" height="13" fill="${tint(step, entries.length)}" stroke="${INK}" stroke-opacity=".5"/>`, text(x + 30, y + 11, label)];
  });
  const y = top + perColumn * 19 + 16;
  const keys = [
    { line: CHUNK_LINE, label: 'chunk boundary' },
    ...(outlines.workgroups === '' ? [] : [{ line: WORKGROUP_LINE, label: 'workgroup' }]),
    ...(outlines.wavefronts === '' ? [] : [{ line: WAVEFRONT_LINE, label: 'wavefront' }]),
  ];
  const lines = keys.flatMap(({ line, label }, at) => [stroke(`M${MARGIN.left + at * 140} ${y - 4}h22`, line), text(MARGIN.left + at * 140 + 30, y, label)]);
  return { lines: [...steps, ...lines], bottom: y + 26 };
}

function tint(step: number, steps: number): string {
  if (step < 0) return '#eee';
  const at = steps === 1 ? 0 : (step / (steps - 1)) * (TINTS.length - 1);
  const from = TINTS[Math.floor(at)];
  const to = TINTS[Math.min(Math.floor(at) + 1, TINTS.length - 1)];
  return `#${from.map((value, channel) => Math.round(value + (to[channel] - value) * (at % 1)).toString(16).padStart(2, '0')).join('')}`;
}

const stroke = (d: string, line: string): string => `<path d="${d}" fill="none" ${line}/>`;
const text = (x: number, y: number, content: string, more = ''): string => `<text x="${rounded(x)}" y="${rounded(y)}"${more === '' ? '' : ` ${more}`}>${escaped(content)}</text>`;
const rounded = (px: number): number => Math.round(px * 10) / 10;
const escaped = (content: string): string => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
