// `tilewire paper` as text: a table each for the claims beside ours, the speedups, the data that moves, what follows from them, and the
// parameters with their sources. "not given" is a value that the published source does not state. paper-html.ts has the same sections.
import { sourcedOf, type Sourced } from '../model/machine.ts';
import { geomean, isHeadline, type CaseRecord, type Claim } from '../model/paper.ts';
import type { PaperReport } from '../model/paper-report.ts';
import type { Ablation, Search } from '../model/search.ts';
import { formatBytes, formatMs } from '../units.ts';
import { aligned } from './table.ts';

const DASH = '–';

const three = (value: number): string => value.toFixed(3);
/** Without a sign where it rounds to nothing. */
const signed = (value: number): string => (Math.abs(value) < 0.0005 ? '0.000' : `${value > 0 ? '+' : ''}${value.toFixed(3)}`);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A part of what is printed, as text and as HTML. */
export interface Section {
  readonly title: string;
  /** Heads first; none where it is a list of values alone. */
  readonly rows: readonly (readonly string[])[];
  /** Lines under them. */
  readonly notes: readonly string[];
  /** Values with their sources, under the notes. */
  readonly sources?: readonly Sourced[];
}

function sectionText({ title, rows, notes, sources = [] }: Section): string {
  return [title, '='.repeat(title.length), ...(rows.length === 0 ? [] : aligned(rows)), ...notes.map((line) => `  ${line}`), ...sourceLines(sources), ''].join('\n');
}

/** Columns in the order of the paper's configurations; the last two are ideals. */
const COLUMNS = [
  { title: 't3', schedule: 't3', gemmTime: 'own' },
  { title: 't3-mca', schedule: 't3-mca', gemmTime: 'own' },
  { title: 'ideal-overlap', schedule: 'ideal-overlap', gemmTime: 'own' },
  { title: 'ideal-nmc', schedule: 'ideal-nmc', gemmTime: 'own' },
  { title: 'of t3', schedule: 'ideal-nmc', gemmTime: 't3' },
] as const;

interface Row {
  readonly name: string;
  readonly headline: boolean;
  readonly sequential: CaseRecord;
  /** One for each of COLUMNS. */
  readonly others: readonly CaseRecord[];
}

/** In the order in which each key is met first. */
export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): [string, readonly T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups];
}

function rowsOf(cases: readonly CaseRecord[]): Row[] {
  const nameOf = ({ model, tp, sublayer }: CaseRecord): string => `${model} TP ${tp} ${sublayer}`;
  return grouped(cases, nameOf).flatMap(([name, records]) => {
    const found = (schedule: string, gemmTime: string) => records.find((of) => of.schedule === schedule && of.gemmTime === gemmTime);
    const sequential = found('sequential', 'own');
    const others = COLUMNS.map(({ schedule, gemmTime }) => found(schedule, gemmTime));
    return sequential === undefined || others.includes(undefined) ? [] : [{ name, headline: isHeadline(sequential), sequential, others: others as CaseRecord[] }];
  });
}

export function paperTable(report: PaperReport): string {
  const { parameters: { machine, parameters }, notes } = report;
  return [
    `The evaluation of T3 (ASPLOS 2024), modelled: machine ${machine.name}, parameter set ${parameters.name}, one for all cases. Nothing of it is measured.\n`,
    ...paperSections(report).map(sectionText),
    ...notes.map((note) => `note: ${note}\n`),
  ].join('\n');
}

export function paperSections(report: PaperReport): Section[] {
  const { parameters: { machine, parameters }, cases, summary, ablations, search } = report;
  const rows = rowsOf(cases);
  return [
    claimSection(summary),
    speedupSection(rows),
    movementSection(rows),
    endToEndSection(report),
    sharingSection(report),
    ...report.studies.map(studySection),
    trafficSection(report),
    ...(ablations.length === 0 ? [] : [ablationSection(ablations)]),
    ...(search === null ? [] : [searchSection(search)]),
    { title: 'Machine', rows: [], notes: [machine.about], sources: sourcedOf(machine) },
    { title: 'Parameters', rows: [], notes: [parameters.about], sources: sourcedOf(parameters) },
  ];
}

function claimSection(summary: readonly Claim[]): Section {
  const given = summary.filter(({ published, tolerance }) => published !== null && tolerance !== null);
  const isWithin = ({ difference, tolerance }: Claim): boolean => Math.abs(difference!) <= tolerance!;
  return {
    title: 'Claims',
    rows: [
      ['claim', 'published', 'ours', 'difference', 'tolerance', 'within'],
      ...summary.map((of) => [of.claim, of.published === null ? 'not given' : three(of.published), three(of.ours), of.difference === null ? DASH : signed(of.difference), of.tolerance === null ? DASH : `± ${three(of.tolerance)}`, of.published === null || of.tolerance === null ? DASH : isWithin(of) ? 'yes' : 'NO']),
    ],
    notes: [`${given.filter(isWithin).length} of ${given.length} within their tolerance. Speedups and data movement are over Mega-GPT-2 and T-NLG at TP 8 and 16; the parameters were chosen on TP 8.`],
  };
}

function speedupSection(rows: readonly Row[]): Section {
  const speedups = (of: Row): string[] => [...of.others.map(({ speedup }) => three(speedup)), ...of.others.slice(0, 4).map(({ speedupWithoutAllGather }) => three(speedupWithoutAllGather))];
  const headline = rows.filter((row) => row.headline);
  const over = (name: string, fold: (values: readonly number[]) => number): string[] => [
    name, '',
    ...COLUMNS.map((_, at) => three(fold(headline.map(({ others }) => others[at].speedup)))),
    ...COLUMNS.slice(0, 4).map((_, at) => three(fold(headline.map(({ others }) => others[at].speedupWithoutAllGather)))),
  ];
  return {
    title: 'Sub-layer speedups over sequential',
    rows: [
      ['', 'sequential', ...COLUMNS.map(({ title }) => title), ...COLUMNS.slice(0, 4).map(({ title }) => `${title}, no AG`)],
      ...rows.map((row) => [row.name, formatMs(row.sequential.timeUs / 1e3), ...speedups(row)]),
      ...(headline.length === 0 ? [] : [over('geomean, TP 8 and 16', geomean), over('max, TP 8 and 16', (values) => Math.max(...values))]),
    ],
    notes: [
      'sequential: its time with the all-gather. of t3: ideal-nmc given the GEMM of the fused run, the link latency paid once. no AG: both',
      'without the all-gather. Per case the paper’s values are not given.',
    ],
  };
}

const CAUSES = [['GEMM reads', 'gemmReads'], ['GEMM writes', 'gemmWrites'], ['RS reads', 'rsReads'], ['RS writes', 'rsWrites'], ['AG reads', 'agReads'], ['AG writes', 'agWrites']] as const;
const MCA = COLUMNS.findIndex(({ schedule }) => schedule === 't3-mca');

function movementSection(rows: readonly Row[]): Section {
  const total = ({ dramBytes }: CaseRecord): number => CAUSES.reduce((sum, [, key]) => sum + dramBytes[key], 0);
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  /** Once where both print alike. */
  const change = (from: number, to: number): string => (megabytes(from) === megabytes(to) ? megabytes(to) : `${megabytes(from)} → ${megabytes(to)}`);
  return {
    title: 'Data movement: bytes of one device’s memory, sequential → t3-mca',
    rows: [
      ['MB', ...CAUSES.map(([title]) => title), 'all', 'less'],
      ...rows.map(({ name, sequential, others: { [MCA]: mca } }) => [
        name,
        ...CAUSES.map(([, key]) => change(sequential.dramBytes[key], mca.dramBytes[key])),
        change(total(sequential), total(mca)),
        percent(1 - total(mca) / total(sequential)),
      ]),
    ],
    notes: ['The read inside an update at memory is the memory’s own and not counted.'],
  };
}

function endToEndSection({ endToEnd, assumptions }: PaperReport): Section {
  const schedules = [...new Set(endToEnd.map(({ schedule }) => schedule))];
  const rows = grouped(endToEnd, ({ model, tp, phase }) => `${model} TP ${tp} ${phase}`);
  return {
    title: 'End to end',
    rows: [['speedup', 'sub-layers', ...schedules], ...rows.map(([name, of]) => [name, percent(of[0].share), ...schedules.map((wanted) => three(of.find(({ schedule }) => schedule === wanted)!.speedup))])],
    notes: ['sub-layers: their share of a layer’s sequential time. The rest of a layer is put together by these assumptions. Published: not given.'],
    sources: assumptions,
  };
}

function sharingSection({ cuSharing, parameters: { machine, parameters } }: PaperReport): Section {
  return {
    title: 'Collectives on a few CUs',
    rows: [
      ['time over that on all CUs', 'CUs of the collective', 'all-reduce', 'GEMM on the others'],
      ...cuSharing.map(({ model, tp, sublayer, collectiveCus, allReduceSlowdown, gemmSlowdown }) => [`${model} TP ${tp} ${sublayer}`, `${collectiveCus} of ${machine.cus.value}`, three(allReduceSlowdown), three(gemmSlowdown)]),
    ],
    notes: [`each alone. What a CU copies or reduces a second, ${parameters.cuCopyGBs.value ?? 'without limit'} GB, is an assumption. Published: not given.`],
  };
}

function studySection({ what, cases }: PaperReport['studies'][number]): Section {
  const rows = rowsOf(cases);
  const all = (title: string, fold: (values: readonly number[]) => number): string[] => [title, '', ...COLUMNS.map((_, at) => three(fold(rows.map(({ others }) => others[at].speedup))))];
  return {
    title: `Study: ${what}`,
    rows: [
      [`machine ${cases[0]?.machine ?? ''}`, 'sequential', ...COLUMNS.map(({ title }) => title)],
      ...rows.map(({ name, sequential, others }) => [name, formatMs(sequential.timeUs / 1e3), ...others.map(({ speedup }) => three(speedup))]),
      all('geomean', geomean),
      all('max', (values) => Math.max(...values)),
    ],
    notes: ['Published: not given.'],
  };
}

function trafficSection({ traffic, parameters: { machine } }: PaperReport): Section {
  const bytes = (bin: PaperReport['traffic'][number]['bins'][number]): number => bin.gemmReads + bin.gemmWrites + bin.rsReads + bin.rsWrites;
  return {
    title: 'DRAM traffic over time',
    rows: [
      ['T-NLG FC-2 TP 8, GEMM and reduce-scatter', 'until', 'bytes', 'mean GB/s', 'busiest bin, GB/s'],
      ...traffic.map(({ schedule, binUs, bins }) => {
        const all = bins.reduce((sum, bin) => sum + bytes(bin), 0);
        // Bytes a microsecond are MB/s.
        return [schedule, formatMs((bins.length * binUs) / 1e3), formatBytes(all), (all / (bins.length * binUs) / 1e3).toFixed(0), (Math.max(...bins.map(bytes)) / binUs / 1e3).toFixed(0)];
      }),
    ],
    notes: [`of one device, in bins of ${traffic[0]?.binUs ?? 0} µs; the memory serves ${machine.memoryGBs.value} GB/s at most. All bins are in --json, and drawn by --html.`],
  };
}

function ablationSection(ablations: readonly Ablation[]): Section {
  const [chosen] = ablations;
  const beside = (value: number, of: number): string => (signed(value - of) === '0.000' ? three(value) : `${three(value)} (${signed(value - of)})`);
  return {
    title: 'Ablations: one thing changed',
    rows: [
      ['geomeans, TP 8 and 16', 't3', 't3-mca', 'ideal-overlap', 'GEMM reads, factor', 't3 short on FC, most'],
      ...ablations.map(({ what, t3, t3Mca, ideal, reads, fcShort }) => [what, beside(t3, chosen.t3), beside(t3Mca, chosen.t3Mca), beside(ideal, chosen.ideal), beside(reads, chosen.reads), beside(fcShort, chosen.fcShort)]),
    ],
    notes: [
      'in parentheses: against the chosen set. Where there are none, the figure does not rest on it. t3 short on FC: 1 − its speedup over that of',
      'ideal-overlap, the largest of the FC-1 and FC-2 cases.',
    ],
  };
}

function searchSection({ tried, passing, spread }: Search): Section {
  return {
    title: 'Search',
    rows: passing === 0 ? [] : [['figure', 'min', 'max'], ...spread.map(({ figure, min, max }) => [figure, three(min), three(max)])],
    notes: [
      `${tried} parameter sets tried, the chosen one and ${tried - 1} drawn from the ranges of src/model/search.ts: ${passing} pass on the TP 8 cases${passing === 0 ? '; no spread without one' : ', and this is their spread over TP 8 and 16'}.`,
      'A hit proves little where many sets hit.',
    ],
  };
}

function sourceLines(sources: readonly Sourced[]): string[] {
  if (sources.length === 0) return [];
  const entries = sources.map(({ name, value, source }) => ({ name, value: valueText(value), source }));
  const [names, values] = [Math.max(...entries.map(({ name }) => name.length)), Math.max(...entries.map(({ value }) => value.length))];
  return ['', ...entries.map(({ name, value, source }) => `  ${name.padEnd(names)}  ${value.padStart(values)}  ${source}`)];
}

/** Thresholds as `≤ 0.25: none`; all else as it is. */
export function valueText(value: unknown): string {
  if (value === null) return 'none';
  if (!Array.isArray(value)) return String(value);
  return (value as { upTo: number; bytes: number | null }[]).map(({ upTo, bytes }) => `${upTo}: ${bytes ?? 'none'}`).join(', ');
}
