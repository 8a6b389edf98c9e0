// `tilewire explain` as text: what fusing changes, a fused schedule's critical path and its CUs' time by cause, and the maps of where it
// wins, breaks even or loses. Every figure is defined where it stands. All of it is the virtual clock's: none was measured.
import { byCause, type PathCause } from '../model/explain.ts';
import { formatMs, threeDigits } from '../units.ts';
import type { ExplainMap, ExplainReport, ScheduleTime } from './explain-record.ts';
import { BREAKDOWN_TERMS, CHANGE_TERMS, PATH_TERMS } from './figures.ts';
import { parametersLine } from './model-table.ts';
import { aligned } from './table.ts';

const PS_TO_MS = 1e-9;
const DASH = '–';
const PS_PER_NS = 1e3;
export const time = (ps: number): string => (ps === 0 ? '0' : Math.abs(ps) < PS_PER_NS ? `${threeDigits(ps)} ps` : formatMs(ps * PS_TO_MS));
export const signed = (ps: number): string => (ps > 0 ? `+${time(ps)}` : time(ps).replace('-', '−'));
const share = (ps: number, of: number): string => `${((100 * ps) / of).toFixed(1)} %`;

export function explainTable(report: ExplainReport): string {
  const { name, schedule, devices, device, breakdown, path, maps } = report;
  const causes = byCause(path);
  const pathTotal = path.reduce((sum, { fromPs, toPs }) => sum + toPs - fromPs, 0);
  const hops = new Set(path.map((segment) => segment.device)).size;
  const found = (Object.keys(PATH_TERMS) as PathCause[]).map((cause) => [cause, causes[cause] ?? 0, PATH_TERMS[cause]] as const);
  const none = found.flatMap(([cause, ps]) => (ps === 0 ? [cause] : []));
  const total = Object.values(breakdown).reduce((sum, ps) => sum + ps, 0);
  return [
    `why ${schedule} takes its time: ${name}, modelled, nothing of it measured`,
    ...explainedFacts(report).map(([label, text]) => `  ${label.padEnd(12)}${text}`),
    '',
    ...changeLines(report),
    '',
    `critical path: what the last update of the run waited for, back to the beginning; all ${devices} devices simulated. ${time(pathTotal)}, ${path.length} ${path.length === 1 ? 'segment' : 'segments'} over ${hops} ${hops === 1 ? 'device' : 'devices'}`,
    ...explained(found.filter(([, ps]) => ps > 0).toSorted(([, one], [, other]) => other - one), pathTotal),
    ...(none.length === 0 ? [] : [`  none of it: ${none.join(', ')}`]),
    '',
    `where the CUs' time went: device ${device}, the last to finish, ${time(total)}; means over the workgroups that its CUs hold`,
    ...explained(BREAKDOWN_TERMS.map(({ key, name: cause, definition }) => [cause, breakdown[key], definition]), total),
    ...maps.flatMap((map) => ['', ...mapLines(map, schedule)]),
    '',
    `  + ${schedule} wins, = within 2 % of sequential, - it loses; * this run; ${DASH} not simulated here: more than there is time for, or more devices than columns of A. Both schedules have the cell's tile, machine and shape; the maps keep n and, over all devices, K`,
  ].join('\n');
}

/** What is explained, label and text; a line without a label goes on with the one before it. */
export function explainedFacts({ gemm: { m, n, k, kTotal }, devices, chunk, parameters: { machine, parameters } }: ExplainReport): [string, string][] {
  const rate = (machine.cus.value * machine.clockGHz.value * machine.flopsPerClockPerCu.value) / 1e3;
  return [
    ['gemm', `${m} x ${n} x ${k * devices === kTotal ? k : `${k} or ${k - 1}`} (m x n x k per device), in tiles of ${parameters.tileM.value} x ${parameters.tileN.value}`],
    ['collective', `reduce-scatter, ring, ${devices} devices, output scattered by ${chunk}, then all-gather`],
    ['machine', `${machine.name}: ${machine.about}`],
    ['', `${machine.cus.value} CUs, ${threeDigits(rate)} TFLOP/s, memory ${machine.memoryGBs.value} GB/s, ${machine.topology.value}, link ${machine.linkGBs.value} GB/s + ${machine.linkLatencyNs.value} ns`],
    ['parameters', parametersLine(machine, parameters)],
  ];
}

/** Heads, then a row for each schedule. */
export function changeTable({ times }: ExplainReport): [string[], ...string[][]] {
  const [sequential] = times;
  const row = ({ schedule: name, timePs, gemmPs, reduceScatterPs, allGatherPs, withoutAllGatherPs }: ScheduleTime): string[] => [
    name, time(timePs), time(gemmPs), name === sequential.schedule ? time(reduceScatterPs!) : `${time(withoutAllGatherPs - gemmPs)} after it`, time(allGatherPs), (sequential.timePs / timePs).toFixed(3),
  ];
  return [['', 'time', 'GEMM', 'reduce-scatter', 'all-gather', 'speedup'], ...times.map(row)];
}

function changeLines(report: ExplainReport): string[] {
  const { schedule, times: [sequential, fused], change } = report;
  const sum = Object.values(change).reduce((all, ps) => all + ps, 0);
  const rows = CHANGE_TERMS.map(({ key, name, definition }) => ({ cells: [name, signed(change[key])], definition }));
  return [
    'times, and what fusing changes',
    ...aligned(changeTable(report)),
    '  GEMM: until its stores have landed, of a fused run until its last workgroup ends; ideal-overlap is a bound: max(GEMM, reduce-scatter), neither slowed by the other',
    `  ${schedule} takes ${time(Math.abs(sum))} ${sum <= 0 ? 'less' : 'more'} than sequential (${time(sequential.timePs)} to ${time(fused.timePs)}):`,
    ...aligned(rows.map(({ cells }) => cells)).map((line, at) => `  ${line}  ${rows[at].definition}`),
  ];
}

/** Numbers in columns, each with its share and what it means. */
function explained(rows: readonly (readonly [cause: string, ps: number, definition: string])[], total: number): string[] {
  return aligned(rows.map(([cause, ps]) => [cause, time(ps), share(ps, total)])).map((line, at) => `${line}  ${rows[at][2]}`);
}

export const SIGN = { wins: '+', 'breaks even': '=', loses: '-' } as const;

function mapLines(map: ExplainMap, schedule: string): string[] {
  const { x, y, cells } = map;
  const at = (column: number, row: number): string => {
    const cell = cells.find((of) => of.x === column && of.y === row);
    return cell === undefined ? DASH : `${column === x.own && row === y.own ? '* ' : ''}${cell.speedup.toFixed(3)} ${SIGN[cell.verdict]}`;
  };
  return [mapTitle(map, schedule), ...aligned([['', ...x.values.map(String)], ...y.values.map((row) => [String(row), ...x.values.map((column) => at(column, row))])]), `  ${mapSummary(map)}`];
}

const mapTitle = ({ x, y }: ExplainMap, schedule: string): string => `speedup of ${schedule} over sequential, all-gather included, by ${y.name} (down) and ${x.name} (across)`;

/** How many cells say what, and the extremes. */
export function mapSummary({ x, y, cells }: ExplainMap): string {
  const count = (verdict: keyof typeof SIGN): number => cells.filter((of) => of.verdict === verdict).length;
  const place = (wanted: (one: number, other: number) => boolean): string => {
    const { x: column, y: row, speedup } = cells.reduce((best, of) => (wanted(of.speedup, best.speedup) ? of : best));
    return `${speedup.toFixed(3)} at ${y.name} ${row}, ${x.name} ${column}`;
  };
  if (cells.length === 0) return 'none of it is simulated here';
  return `wins in ${count('wins')} of ${cells.length}, breaks even in ${count('breaks even')}, loses in ${count('loses')}; most ${place((one, other) => one > other)}; least ${place((one, other) => one < other)}`;
}
