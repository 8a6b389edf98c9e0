// `tilewire paper` as one HTML file that needs nothing else: the speedup of each case with the ideal as a line, DRAM traffic over time by
// cause, and the tables that are printed. The charts are drawn where the file is opened, by the script that is handed
// in (page/paper-charts.ts, bundled with Observable Plot); this file decides what is in them.
import type { PaperReport } from '../model/paper-report.ts';
import { grouped, paperSections, valueText, type Section } from './paper-table.ts';
import { escaped, htmlPage, htmlTable } from './html-page.ts';

/** Bars side by side at each place, and lines over all places of a panel; the script knows nothing of what they are. */
export interface BarsAndLines {
  readonly yLabel: string;
  /** The top of all panels' y axes is theirs in common, the bottom is this. */
  readonly from: number;
  readonly bars: readonly string[];
  readonly lines: readonly string[];
  readonly panels: readonly { readonly title: string; readonly places: readonly { readonly label: string; readonly bars: readonly number[]; readonly lines: readonly number[] }[] }[];
}

/** Layers stacked over time, in bins of equal width, below a limit. */
export interface StackedOverTime {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly layers: readonly string[];
  readonly limit: { readonly value: number; readonly label: string };
  readonly panels: readonly { readonly title: string; readonly bins: readonly { readonly from: number; readonly to: number; readonly layers: readonly number[] }[] }[];
}

export interface PaperCharts {
  readonly speedups: readonly BarsAndLines[];
  readonly traffic: StackedOverTime;
}

const BARS = ['t3', 't3-mca'] as const;
const LINES = ['ideal-overlap', 'ideal-nmc'] as const;
const CAUSES = [['GEMM reads', 'gemmReads'], ['GEMM writes', 'gemmWrites'], ['RS reads', 'rsReads'], ['RS writes', 'rsWrites']] as const;

export function paperCharts({ cases, traffic, parameters: { machine } }: PaperReport): PaperCharts {
  const chart = (yLabel: string, value: 'speedup' | 'speedupWithoutAllGather'): BarsAndLines => ({
    yLabel,
    from: 0.9,
    bars: BARS,
    lines: LINES,
    panels: grouped(cases, ({ model, tp }) => `${model} TP ${tp}`).map(([title, of]) => ({
      title,
      places: grouped(of, ({ sublayer }) => sublayer).map(([label, records]) => {
        const found = (schedule: string): number => records.find((record) => record.schedule === schedule && record.gemmTime === 'own')![value];
        return { label, bars: BARS.map(found), lines: LINES.map(found) };
      }),
    })),
  });
  return {
    speedups: [chart('speedup over sequential, with the serial all-gather', 'speedup'), chart('the same without the all-gather', 'speedupWithoutAllGather')],
    traffic: {
      xLabel: 'time, µs',
      yLabel: 'DRAM traffic, GB/s',
      layers: CAUSES.map(([name]) => name),
      limit: { value: machine.memoryGBs.value, label: `the memory: ${machine.memoryGBs.value} GB/s` },
      // Bytes a microsecond are MB/s.
      panels: traffic.map(({ schedule, binUs, bins }) => ({ title: schedule, bins: bins.map((bin) => ({ from: bin.fromUs, to: bin.fromUs + binUs, layers: CAUSES.map(([, key]) => bin[key] / binUs / 1e3) })) })),
    },
  };
}

function sectionHtml({ title, rows: [heads, ...rows], notes, sources = [] }: Section): string {
  return `<h2>${escaped(title)}</h2>
${heads === undefined ? '' : htmlTable(heads, rows, [0])}
<p class="key">${escaped(notes.join(' '))}</p>
${sources.length === 0 ? '' : htmlTable(['', 'value', 'source'], sources.map(({ name, value, source }) => [name, valueText(value), source]), [0, 2])}`;
}

/** @param script draws `paper-charts` into `speedups-0`, `speedups-1` and `traffic` */
export function paperHtml(report: PaperReport, script: string): string {
  const { parameters: { machine, parameters }, notes } = report;
  const charts = paperCharts(report);
  return htmlPage({
    title: "T3's evaluation, modelled",
    body: `<h1>T3's evaluation, modelled</h1>
<p>${escaped(`Machine ${machine.name}, parameter set ${parameters.name}, one for all cases. Times are a virtual clock's; nothing here is measured.`)}</p>
<h2>Speedup of each case</h2>
${charts.speedups.map((_, at) => `<div id="speedups-${at}" class="charts"><noscript>The charts are drawn by a script; tilewire paper prints the figures.</noscript></div>`).join('\n')}
<p class="key">op, fc2: forward; fc1, ip: backward. The ideals are bounds: max(GEMM, reduce-scatter), without and with near-memory updates.</p>
<h2>DRAM traffic over time: T-NLG FC-2, TP 8, one device</h2>
<div id="traffic" class="charts"><noscript>The charts are drawn by a script; tilewire paper prints the figures.</noscript></div>
<p class="key">GEMM and reduce-scatter, without the all-gather; in bins of ${report.traffic[0]?.binUs ?? 0} µs.</p>
${paperSections(report).map(sectionHtml).join('\n')}
${notes.map((note) => `<p>${escaped(note)}</p>`).join('')}`,
    data: { id: 'paper-charts', value: charts },
    script,
  });
}
