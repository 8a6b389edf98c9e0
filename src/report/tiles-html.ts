// `tilewire tiles` as one HTML file that needs nothing else: heat maps of tileM × tileN, a panel for each kernel, under one
// colour scale for each shape, and the same figures as a table. The maps are drawn where the file is opened, by the
// script that is handed in (page/tiles-map.ts, bundled with Observable Plot); this file decides what is in them.
import { fateText, nameOf, type CandidateResult, type Contest, type ShapeProfile, type TilesReport } from '../tune/tiles-report.ts';
import { formatMs, threeDigits } from '../units.ts';
import { adapterLine } from './table.ts';

/** What the script draws; it knows nothing of tiles. */
export interface HeatMap {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly valueLabel: string;
  readonly panels: readonly { readonly title: string; readonly cells: readonly HeatCell[] }[];
}

export interface HeatCell {
  readonly x: number;
  readonly y: number;
  /** Null where there is none: the cell is hatched. */
  readonly value: number | null;
  /** `given-up`: measured, but not to the end. */
  readonly kind: 'ranked' | 'given-up' | 'no-value';
  readonly best: boolean;
  /** Lines of its tooltip. */
  readonly text: string;
}

export function heatMapsOf({ name, plain, fused }: ShapeProfile): HeatMap[] {
  const tiles = (contest: Contest, title: string): HeatMap => mapOf(contest, { title, xLabel: 'tileN (columns of C)', yLabel: 'tileM (rows of C)', at: ({ tile }) => (tile === null ? null : { x: tile.n, y: tile.m }), panelOf: ({ kernel }) => kernel });
  if (fused === null) return [tiles(plain, `${name}: the GEMM alone`)];
  const [best] = fused.candidates.filter(({ rank }) => rank === 1);
  const same = best === undefined ? [] : fused.candidates.filter((of) => nameOf({ ...of, granularity: null }) === nameOf({ ...best, granularity: null }));
  const granularity = mapOf({ ...fused, candidates: same }, { title: `${name}: granularity of the fused run`, xLabel: 'tiles per block (trigger)', yLabel: 'tiles per stage', at: ({ granularity: of }) => (of === null ? null : { x: of.triggerTiles, y: of.stageTiles }), panelOf: (of) => nameOf({ ...of, granularity: null }) });
  return [tiles(plain, `${name}: the GEMM alone`), tiles(fused, `${name}: the fused run, the best granularity of each tile`), granularity];
}

interface Axes {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly at: (candidate: CandidateResult) => { readonly x: number; readonly y: number } | null;
  readonly panelOf: (candidate: CandidateResult) => string;
}

/** Of several candidates in one cell (other depths, other granularities) the first one gives the value: they are in the order of their ranks. */
function mapOf({ candidates }: Contest, { title, xLabel, yLabel, at, panelOf }: Axes): HeatMap {
  const panels = new Map<string, Map<string, CandidateResult[]>>();
  for (const candidate of candidates) {
    const place = at(candidate);
    if (place === null) continue;
    const panel = panels.get(panelOf(candidate)) ?? new Map<string, CandidateResult[]>();
    panels.set(panelOf(candidate), panel);
    const key = `${place.x} ${place.y}`;
    panel.set(key, [...(panel.get(key) ?? []), candidate]);
  }
  const cellOf = (of: readonly CandidateResult[]): HeatCell => {
    const [first] = of;
    const value = first!.gflops;
    return { ...at(first!)!, value, kind: value === null ? 'no-value' : first!.rank === null ? 'given-up' : 'ranked', best: first!.rank === 1, text: of.map(lineOf).join('\n') };
  };
  return { title, xLabel, yLabel, valueLabel: 'GFLOP/s', panels: [...panels].map(([panel, cells]) => ({ title: panel, cells: [...cells.values()].map(cellOf) })) };
}

const lineOf = (of: CandidateResult): string => `${nameOf(of)}: ${of.gflops === null ? '' : `${threeDigits(of.gflops)} GFLOP/s, `}${of.rank === null ? fateText(of.fate) : `rank ${of.rank}, ${of.share?.value.toFixed(3)} of the best`}`;

/** @param script draws `heat-maps` into `maps-0`, `maps-1`, … */
export function tilesHtml({ environment, shapes }: TilesReport, script: string): string {
  const maps = shapes.map(heatMapsOf);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escaped(`tiles of ${shapes.map(({ name }) => name).join(', ')}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Which tile size?</h1>
<p>${escaped(adapterLine(environment))}</p>
${shapes.map((shape, at) => section(shape, at)).join('\n')}
<script type="application/json" id="heat-maps">${embedded(maps)}</script>
<script>${script.replaceAll(/<\/script/gi, '<\\/script')}</script>
</body>
</html>
`;
}

function section(shape: ShapeProfile, at: number): string {
  const { name, gemm: { m, n, k }, plain, fused } = shape;
  return `<section>
<h2>${escaped(name)}: ${m} × ${n} × ${k}</h2>
<div id="maps-${at}" class="maps"><noscript>The maps are drawn by a script; the figures are in the table.</noscript></div>
<p class="key">★ best · colour: GFLOP/s at the median time · × given up early · hatched: not measured, or wrong</p>
${table('the GEMM alone', plain)}
${fused === null ? '' : table(`the fused run, ${fused.algorithm} on ${fused.devices} devices`, fused)}
</section>`;
}

function table(caption: string, { candidates, notes }: Contest): string {
  const replays = candidates.some(({ replayedMs }) => replayedMs !== null);
  const cells = (of: CandidateResult): string[] => [
    of.rank === null ? '–' : String(of.rank),
    nameOf(of),
    of.gflops === null ? '–' : threeDigits(of.gflops),
    of.share === null ? '–' : of.share.value.toFixed(3),
    of.share?.lower == null || of.share.upper === null ? '–' : `${of.share.lower.toFixed(3)}..${of.share.upper.toFixed(3)}`,
    formatMs(of.medianMs),
    ...(replays ? [formatMs(of.replayedMs)] : []),
    fateText(of.fate),
  ];
  const heads = ['rank', 'candidate', 'GFLOP/s', 'of the best', '95 % interval', 'median', ...(replays ? ['replayed'] : []), ''];
  return `<details open><summary>${escaped(caption)}</summary><div class="wide"><table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>
${candidates.map((of) => `<tr>${cells(of).map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('\n')}
</tbody></table></div>${notes.map((note) => `<p>${escaped(note)}</p>`).join('')}</details>`;
}

/** Of every page that tilewire writes. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2733; --pale: #566472; --line: #d5dae0; --hatch: #9aa5b1; }
@media (prefers-color-scheme: dark) { :root { --ground: #14191f; --ink: #e3e8ee; --pale: #9aa7b5; --line: #323c47; --hatch: #5b6875; } }
body { margin: 0 auto; padding: 1rem; max-width: 1200px; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1rem 0 0.2rem; } h4 { font-size: 0.9rem; margin: 0; font-weight: 600; }
.told { display: block; white-space: pre-line; min-height: 2.9em; font-size: 0.85rem; } p, summary, .told { color: var(--pale); } .key { font-size: 0.85rem; }
.panels { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } .panel { flex: 1 1 20rem; min-width: 0; max-width: 40rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; } th:nth-child(2), td:nth-child(2), td:last-child { text-align: left; }
td:last-child { white-space: normal; min-width: 12rem; }
svg[class*=ramp] { margin-bottom: 0.4rem; } svg { max-width: 100%; overflow: visible; --plot-background: var(--ground); } figure { margin: 0; }
`;

/** As text of an element or of a quoted attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** JSON that no script element can be ended by. */
export const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
