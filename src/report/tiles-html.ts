// `tilewire tiles` as one HTML file that needs nothing else: heat maps of tileM × tileN, a panel for each kernel, under one
// colour scale for each shape, and the same figures as a table. The maps are drawn where the file is opened, by the
// script that is handed in (page/tiles-map.ts, bundled with Observable Plot); this file decides what is in them.
import { fateText, nameOf, type CandidateResult, type Contest, type ShapeProfile, type TilesReport } from '../tune/tiles-report.ts';
import { formatMs, threeDigits } from '../units.ts';
import { escaped, htmlPage, htmlTable } from './html-page.ts';
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
  return htmlPage({
    title: `tiles of ${shapes.map(({ name }) => name).join(', ')}`,
    body: `<h1>Which tile size?</h1>
<p>${escaped(adapterLine(environment))}</p>
${shapes.map((shape, at) => section(shape, at)).join('\n')}`,
    data: { id: 'heat-maps', value: maps },
    script,
  });
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
  return `<details open><summary>${escaped(caption)}</summary>${htmlTable(heads, candidates.map(cells), [1, heads.length - 1])}${notes.map((note) => `<p>${escaped(note)}</p>`).join('')}</details>`;
}
