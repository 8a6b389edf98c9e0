// `tilewire explain` as a record and as text: a fused schedule's time by cause, its critical path, and the maps of where it wins, breaks
// even or loses. Every number is the virtual clock's: none was measured.
import { byCause, type Breakdown, type CrossoverCell, type PathCause, type PathSegment } from '../model/explain.ts';
import type { MachineFile, ParameterFile } from '../model/machine.ts';
import { formatMs } from '../units.ts';
import type { Term } from './figures.ts';
import { parametersLine } from './model-table.ts';
import { aligned } from './table.ts';

export interface ExplainMap {
  /** What its columns and its rows are. */
  readonly x: { readonly name: string; readonly values: readonly number[] };
  readonly y: { readonly name: string; readonly values: readonly number[] };
  readonly cells: readonly CrossoverCell[];
}

/** What --json writes. */
export interface ExplainReport {
  readonly version: 1;
  readonly name: string;
  readonly schedule: string;
  readonly devices: number;
  readonly parameters: { readonly machine: MachineFile; readonly parameters: ParameterFile };
  /** The device that finishes last, picoseconds. */
  readonly device: number;
  readonly breakdown: Breakdown;
  readonly path: readonly PathSegment[];
  readonly maps: readonly ExplainMap[];
}

const PS_TO_MS = 1e-9;
const time = (ps: number): string => (ps === 0 ? '0' : formatMs(ps * PS_TO_MS));
const share = (ps: number, of: number): string => `${((100 * ps) / of).toFixed(1)} %`;

export const BREAKDOWN_TERMS: readonly (Term & { readonly key: keyof Breakdown })[] = [
  { key: 'compute', name: 'compute', definition: 'slabs multiplied' },
  { key: 'data', name: 'DRAM', definition: 'a slab of A or B was not there yet: the memory and its queue' },
  { key: 'link', name: 'link', definition: 'stores to a peer waited for room at the link' },
  { key: 'barrier', name: 'barrier', definition: 'a workgroup was done, others of its stage were not' },
  { key: 'quantisation', name: 'wave quantisation', definition: 'no tile was left for a CU in the stage, and launches' },
  { key: 'afterGemm', name: 'after the GEMM', definition: 'its last workgroup had ended, updates had not' },
];

export const PATH_TERMS: Readonly<Record<PathCause, string>> = {
  gemm: 'from the beginning to the end of the tile that the path begins with; the rows above say what of it',
  'link back-pressure': 'a finished tile waited for room at its link',
  'memory: own store': 'stores at their own memory: waiting and service',
  'memory: DMA read': 'reads of triggered transfers: waiting and service',
  'memory: update': 'updates from peers: waiting and service',
  'trigger and DMA': "from a block's last update to the first request: set-up, and blocks and pieces before it",
  link: "in the link's queue and on it",
  latency: "the link's",
};

export function explainTable({ name, schedule, devices, parameters: { machine, parameters }, device, breakdown, path, maps }: ExplainReport): string {
  const total = Object.values(breakdown).reduce((sum, ps) => sum + ps, 0);
  const causes = byCause(path);
  const pathTotal = path.reduce((sum, { fromPs, toPs }) => sum + toPs - fromPs, 0);
  const hops = new Set(path.map((segment) => segment.device)).size;
  return [
    `why ${schedule} takes its time: ${name}, modelled, nothing of it measured`,
    `  machine     ${machine.name}: ${machine.about}`,
    `  parameters  ${parametersLine(machine, parameters)}`,
    '',
    `device ${device}, the last to finish: ${time(total)} by cause, means over the workgroups that its CUs hold`,
    ...explained(BREAKDOWN_TERMS.map(({ key, name: cause, definition }) => [cause, breakdown[key], definition]), total),
    '',
    `critical path, all ${devices} devices simulated: ${time(pathTotal)} to the last update of the run, ${path.length} ${path.length === 1 ? 'segment' : 'segments'} over ${hops} ${hops === 1 ? 'device' : 'devices'}`,
    ...explained((Object.entries(causes) as [PathCause, number][]).toSorted(([, one], [, other]) => other - one).map(([cause, ps]) => [cause, ps, PATH_TERMS[cause]]), pathTotal),
    ...maps.flatMap((map) => ['', ...mapLines(map, schedule)]),
  ].join('\n');
}

/** Numbers in columns, each with its share and what it means. */
function explained(rows: readonly (readonly [cause: string, ps: number, definition: string])[], total: number): string[] {
  return aligned(rows.map(([cause, ps]) => [cause, time(ps), share(ps, total)])).map((line, at) => `${line}  ${rows[at][2]}`);
}

const SIGN = { wins: '+', 'breaks even': '=', loses: '-' } as const;

function mapLines({ x, y, cells }: ExplainMap, schedule: string): string[] {
  const at = (column: number, row: number): string => {
    const cell = cells.find((of) => of.x === column && of.y === row);
    return cell === undefined ? '–' : `${cell.speedup.toFixed(3)} ${SIGN[cell.verdict]}`;
  };
  return [`${schedule} over sequential, all-gather included, by ${y.name} (down) and ${x.name} (across): + wins, = within 2 %, - loses, – not simulated here: more than there is time for, or more devices than columns of A`, ...aligned([['', ...x.values.map(String)], ...y.values.map((row) => [String(row), ...x.values.map((column) => at(column, row))])])];
}
