// `tilewire paper` as text: a table each for the claims beside ours, the speedups, the data that moves, what follows from them, and the
// parameters with their sources. "not given" is a value that the published source does not state.
import type { MachineFile, ParameterFile } from '../model/machine.ts';
import { geomean, isHeadline, type CaseRecord, type Claim } from '../model/paper.ts';
import type { PaperReport } from '../model/paper-report.ts';
import { formatBytes, formatMs } from '../units.ts';
import { aligned } from './table.ts';

const DASH = '–';

const three = (value: number): string => value.toFixed(3);
/** Without a sign where it rounds to nothing. */
export const signed = (value: number): string => (Math.abs(value) < 0.0005 ? '0.000' : `${value > 0 ? '+' : ''}${value.toFixed(3)}`);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function section(title: string, lines: readonly string[]): string {
  return [title, '='.repeat(title.length), ...lines, ''].join('\n');
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
  const { parameters: { machine, parameters }, cases, summary, notes, ablations, search } = report;
  const rows = rowsOf(cases);
  return [
    `The evaluation of T3 (ASPLOS 2024), modelled: machine ${machine.name}, parameter set ${parameters.name}, one for all cases. Nothing of it is measured.\n`,
    section('Claims', claimLines(summary)),
    section('Sub-layer speedups over sequential', speedupLines(rows)),
    section('Data movement: bytes of one device’s memory, sequential → t3-mca', movementLines(rows)),
    section('End to end', endToEndLines(report)),
    section('Collectives on a few CUs', sharingLines(report)),
    ...report.studies.map(({ what, cases: of }) => section(`Study: ${what}`, studyLines(of))),
    section('DRAM traffic over time', trafficLines(report)),
    ...(ablations.length === 0 ? [] : [section('Ablations: one thing changed', ablationLines(report))]),
    ...(search === null ? [] : [section('Search', searchLines(report))]),
    section('Machine', sourceLines(machine)),
    section('Parameters', sourceLines(parameters)),
    ...notes.map((note) => `note: ${note}\n`),
  ].join('\n');
}

function claimLines(summary: readonly Claim[]): string[] {
  const given = summary.filter(({ published, tolerance }) => published !== null && tolerance !== null);
  const isWithin = ({ difference, tolerance }: Claim): boolean => Math.abs(difference!) <= tolerance!;
  return [
    ...aligned([
      ['claim', 'published', 'ours', 'difference', 'tolerance', 'within'],
      ...summary.map((of) => [of.claim, of.published === null ? 'not given' : three(of.published), three(of.ours), of.difference === null ? DASH : signed(of.difference), of.tolerance === null ? DASH : `± ${three(of.tolerance)}`, of.published === null || of.tolerance === null ? DASH : isWithin(of) ? 'yes' : 'NO']),
    ]),
    `  ${given.filter(isWithin).length} of ${given.length} within their tolerance. Speedups and data movement are over Mega-GPT-2 and T-NLG at TP 8 and 16; the parameters were chosen on TP 8.`,
  ];
}

function speedupLines(rows: readonly Row[]): string[] {
  const speedups = (of: Row): string[] => [...of.others.map(({ speedup }) => three(speedup)), ...of.others.slice(0, 4).map(({ speedupWithoutAllGather }) => three(speedupWithoutAllGather))];
  const headline = rows.filter((row) => row.headline);
  const over = (name: string, fold: (values: readonly number[]) => number): string[] => [
    name, '',
    ...COLUMNS.map((_, at) => three(fold(headline.map(({ others }) => others[at].speedup)))),
    ...COLUMNS.slice(0, 4).map((_, at) => three(fold(headline.map(({ others }) => others[at].speedupWithoutAllGather)))),
  ];
  return [
    ...aligned([
      ['', 'sequential', ...COLUMNS.map(({ title }) => title), ...COLUMNS.slice(0, 4).map(({ title }) => `${title}, no AG`)],
      ...rows.map((row) => [row.name, formatMs(row.sequential.timeUs / 1e3), ...speedups(row)]),
      ...(headline.length === 0 ? [] : [over('geomean, TP 8 and 16', geomean), over('max, TP 8 and 16', (values) => Math.max(...values))]),
    ]),
    '  sequential: its time with the all-gather. of t3: ideal-nmc given the GEMM of the fused run, the link latency paid once. no AG: both',
    '  without the all-gather. Per case the paper’s values are not given.',
  ];
}

const CAUSES = [['GEMM reads', 'gemmReads'], ['GEMM writes', 'gemmWrites'], ['RS reads', 'rsReads'], ['RS writes', 'rsWrites'], ['AG reads', 'agReads'], ['AG writes', 'agWrites']] as const;
const MCA = COLUMNS.findIndex(({ schedule }) => schedule === 't3-mca');

function movementLines(rows: readonly Row[]): string[] {
  const total = ({ dramBytes }: CaseRecord): number => CAUSES.reduce((sum, [, key]) => sum + dramBytes[key], 0);
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  /** Once where both print alike. */
  const change = (from: number, to: number): string => (megabytes(from) === megabytes(to) ? megabytes(to) : `${megabytes(from)} → ${megabytes(to)}`);
  return [
    ...aligned([
      ['MB', ...CAUSES.map(([title]) => title), 'all', 'less'],
      ...rows.map(({ name, sequential, others: { [MCA]: mca } }) => [
        name,
        ...CAUSES.map(([, key]) => change(sequential.dramBytes[key], mca.dramBytes[key])),
        change(total(sequential), total(mca)),
        percent(1 - total(mca) / total(sequential)),
      ]),
    ]),
    '  The read inside an update at memory is the memory’s own and not counted.',
  ];
}

function endToEndLines({ endToEnd }: PaperReport): string[] {
  const schedules = [...new Set(endToEnd.map(({ schedule }) => schedule))];
  const rows = grouped(endToEnd, ({ model, tp, phase }) => `${model} TP ${tp} ${phase}`);
  return [
    ...aligned([['speedup', 'sub-layers', ...schedules], ...rows.map(([name, of]) => [name, percent(of[0].share), ...schedules.map((wanted) => three(of.find(({ schedule }) => schedule === wanted)!.speedup))])]),
    '  sub-layers: their share of a layer’s sequential time. The rest of a layer is put together by assumptions: the other GEMMs at the machine’s',
    '  rate, element-wise work at the memory’s, nothing overlapped, no optimiser (src/model/studies.ts lists them). Published: not given.',
  ];
}

function sharingLines({ cuSharing, parameters: { machine, parameters } }: PaperReport): string[] {
  return [
    ...aligned([
      ['time over that on all CUs', 'CUs of the collective', 'all-reduce', 'GEMM on the others'],
      ...cuSharing.map(({ model, tp, sublayer, collectiveCus, allReduceSlowdown, gemmSlowdown }) => [`${model} TP ${tp} ${sublayer}`, `${collectiveCus} of ${machine.cus.value}`, three(allReduceSlowdown), three(gemmSlowdown)]),
    ]),
    `  each alone. What a CU copies or reduces a second, ${parameters.cuCopyGBs.value ?? 'without limit'} GB, is an assumption. Published: not given.`,
  ];
}

function studyLines(cases: readonly CaseRecord[]): string[] {
  const rows = rowsOf(cases);
  const all = (title: string, fold: (values: readonly number[]) => number): string[] => [title, '', ...COLUMNS.map((_, at) => three(fold(rows.map(({ others }) => others[at].speedup))))];
  return [
    ...aligned([
      [`machine ${cases[0]?.machine ?? ''}`, 'sequential', ...COLUMNS.map(({ title }) => title)],
      ...rows.map(({ name, sequential, others }) => [name, formatMs(sequential.timeUs / 1e3), ...others.map(({ speedup }) => three(speedup))]),
      all('geomean', geomean),
      all('max', (values) => Math.max(...values)),
    ]),
    '  Published: not given.',
  ];
}

function trafficLines({ traffic, parameters: { machine } }: PaperReport): string[] {
  const bytes = (bin: PaperReport['traffic'][number]['bins'][number]): number => bin.gemmReads + bin.gemmWrites + bin.rsReads + bin.rsWrites;
  return [
    ...aligned([
      ['T-NLG FC-2 TP 8, GEMM and reduce-scatter', 'until', 'bytes', 'mean GB/s', 'busiest bin, GB/s'],
      ...traffic.map(({ schedule, binUs, bins }) => {
        const all = bins.reduce((sum, bin) => sum + bytes(bin), 0);
        // Bytes a microsecond are MB/s.
        return [schedule, formatMs((bins.length * binUs) / 1e3), formatBytes(all), (all / (bins.length * binUs) / 1e3).toFixed(0), (Math.max(...bins.map(bytes)) / binUs / 1e3).toFixed(0)];
      }),
    ]),
    `  of one device, in bins of ${traffic[0]?.binUs ?? 0} µs; the memory serves ${machine.memoryGBs.value} GB/s at most. All bins are in --json, and drawn by --html.`,
  ];
}

function ablationLines({ ablations }: PaperReport): string[] {
  const [chosen] = ablations;
  const beside = (value: number, of: number): string => (signed(value - of) === '0.000' ? three(value) : `${three(value)} (${signed(value - of)})`);
  return [
    ...aligned([
      ['geomeans, TP 8 and 16', 't3', 't3-mca', 'ideal-overlap', 'GEMM reads, factor', 't3 short on FC, most'],
      ...ablations.map(({ what, t3, t3Mca, ideal, reads, fcShort }) => [what, beside(t3, chosen.t3), beside(t3Mca, chosen.t3Mca), beside(ideal, chosen.ideal), beside(reads, chosen.reads), beside(fcShort, chosen.fcShort)]),
    ]),
    '  in parentheses: against the chosen set. Where there are none, the figure does not rest on it. t3 short on FC: 1 − its speedup over that of',
    '  ideal-overlap, the largest of the FC-1 and FC-2 cases.',
  ];
}

function searchLines({ search }: PaperReport): string[] {
  const { tried, passing, spread } = search!;
  return [
    `  ${tried} parameter sets drawn from the ranges of src/model/search.ts, ${passing} of which pass on the TP 8 cases${passing === 0 ? '; no spread without one' : '. Their spread over TP 8 and 16:'}`,
    ...(passing === 0 ? [] : aligned([['figure', 'min', 'max'], ...spread.map(({ figure, min, max }) => [figure, three(min), three(max)])])),
    '  A hit proves little where many sets hit.',
  ];
}

function sourceLines(file: MachineFile | ParameterFile): string[] {
  const entries = Object.entries(file).flatMap(([name, of]) => (typeof of === 'object' ? [{ name, value: valueText(of.value), source: of.source as string }] : []));
  const [names, values] = [Math.max(...entries.map(({ name }) => name.length)), Math.max(...entries.map(({ value }) => value.length))];
  return [`  ${file.about}`, '', ...entries.map(({ name, value, source }) => `  ${name.padEnd(names)}  ${value.padStart(values)}  ${source}`)];
}

/** Thresholds as `≤ 0.25: none`; all else as it is. */
function valueText(value: unknown): string {
  if (value === null) return 'none';
  if (!Array.isArray(value)) return String(value);
  return (value as { upTo: number; bytes: number | null }[]).map(({ upTo, bytes }) => `${upTo}: ${bytes ?? 'none'}`).join(', ');
}
