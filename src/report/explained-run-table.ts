// `tilewire explain --run` as text: for each run one table of causes with a column for each clock, then what each column by itself
// says of why. Definitions stand beside the rows.
import { formatMs, threeDigits } from '../units.ts';
import { COLUMNS, columnsOf, MEASURED_FIGURES, REPLAYED_BASIS, type Column } from './figures.ts';
import { explainTable, time } from './explain-table.ts';
import { causeRows, plainRows, type CauseRow, type PlainRow, type RunExplained, type RunsExplained } from './explained-run.ts';
import { adapterLine, aligned, shapeText } from './table.ts';

const DASH = '–';
const PS_PER_MS = 1e9;
const ms = (value: number): string => time(Math.round(value * PS_PER_MS)).replace('-', '−');
const signed = (value: number): string => (value > 0 && ms(value) !== '0' ? `+${ms(value)}` : ms(value));
const share = (value: number, of: number): string => `${((100 * value) / of).toFixed(1).replace('-', '−')} %`;
const cell = (value: number | null, of: number | null): string => (value === null || of === null || of === 0 ? DASH : `${ms(value)} ${share(value, of).padStart(7)}`);

export function runsExplainedTable({ environment, schedule, machine, runs }: RunsExplained): string {
  return [adapterLine(environment), ...runs.map((run) => runLines(run, schedule, machine.name).join('\n'))].join('\n\n');
}

/** What a column sums to; null where it is not there. */
export function totalOf(rows: readonly CauseRow[], column: Column): number | null {
  return rows.every((row) => row[column] === null) ? null : rows.reduce((sum, row) => sum + (row[column] ?? 0), 0);
}

function runLines(run: RunExplained, schedule: string, machine: string): string[] {
  const { spec, failures, modelled, unmodelled } = run;
  const { kernel } = spec;
  return [
    spec.name,
    '='.repeat(spec.name.length),
    `  gemm        ${shapeText(spec)}`,
    `  collective  ${spec.collective}, ${spec.algorithm}, ${spec.devices} ${spec.devices === 1 ? 'device' : 'devices'}, output scattered by ${spec.chunk}`,
    `  kernel      ${kernel.name}${kernel.kind === 'built-in' ? `, tile ${kernel.tile.m}x${kernel.tile.n}x${kernel.tile.k}` : ''}; ${spec.stageTiles} tiles per stage, ${spec.triggerTiles} per DMA block, triggers on the ${spec.triggers === 'host' ? 'host' : 'GPU'}`,
    ...(failures.length === 0 ? [] : [`  FAILED      this run was wrong (${[...new Set(failures.map(({ code }) => code))].join(', ')}): its times are those of a wrong run`]),
    '',
    ...causeLines(run, schedule, machine),
    ...(unmodelled === null ? [] : [`  not modelled: ${unmodelled}`]),
    '',
    ...measuredLines(run),
    '',
    ...replayedLines(run),
    ...(modelled === null ? [] : ['', ...explainTable(modelled).split('\n')]),
  ];
}

function causeLines(run: RunExplained, schedule: string, machine: string): string[] {
  const rows = causeRows(run);
  const totals = Object.fromEntries(columnsOf().map((column) => [column, totalOf(rows, column)])) as Record<Column, number | null>;
  const shown = rows.filter((row) => columnsOf().some((column) => row[column] !== null && totals[column] !== null));
  const table = aligned([
    ['where the time went', ...columnsOf()],
    ...shown.map((row) => [row.name, ...columnsOf().map((column) => cell(row[column], totals[column]))]),
    ['all of it', ...columnsOf().map((column) => cell(totals[column], totals[column]))],
  ]);
  return [
    ...table.map((line, at) => (at === 0 || at > shown.length ? line : `${line}  ${shown[at - 1].definition}`)),
    ...columnsOf().map((column) => `  ${column}: ${totals[column] === null && column !== 'modelled' ? `${DASH}, no GPU timestamps of all of it (the run’s own notes say why)` : column === 'modelled' && totals[column] !== null ? `${schedule} on ${machine}; ${COLUMNS[column]}` : COLUMNS[column]}`),
  ];
}

function measuredLines(run: RunExplained): string[] {
  const { measured } = run;
  const rows = plainRows(run);
  const facts = (['stageEfficiency', 'tailLimited', 'extraFlops', 'counterWaits', 'bufferConflicts', 'overlapMeasured', 'interleaved'] as const).map((name) => {
    const value = measured[name];
    return { cells: [name, value === null ? DASH : typeof value === 'boolean' ? (value ? 'yes' : 'no') : Number.isInteger(value) ? String(value) : threeDigits(value)], definition: MEASURED_FIGURES.find((figure) => figure.name === name)!.definition };
  });
  return [
    'measured: the fused run against its plain parts, the same kernel without tracking, then copies and reductions; 1 sample of each',
    ...(rows === null ? [`  ${DASH} needs --baseline and GPU timestamps: tilewire run --spec FILE --baseline --json NEW.json`] : againstLines(rows, run)),
    ...aligned(facts.map(({ cells }) => cells)).map((line, at) => `${line}  ${facts[at].definition}`),
  ];
}

function againstLines(rows: readonly PlainRow[], { measured: { sequentialMs, fusedMs, plainPartsMs } }: RunExplained): string[] {
  const difference = ({ plain, fused }: PlainRow): number => fused - (plain ?? 0);
  const plain = plainPartsMs ?? 0;
  const fused = fusedMs ?? 0;
  const most = rows.reduce((one, other) => (difference(other) * (fused - plain) > difference(one) * (fused - plain) ? other : one));
  const table = aligned([
    ['', 'plain', 'fused', 'difference', 'of plain'],
    ...rows.map((row) => [row.name, row.plain === null ? DASH : ms(row.plain), ms(row.fused), signed(difference(row)), plain === 0 ? DASH : share(difference(row), plain).replace(/^(?=[\d])/, '+')]),
    ['all of it', ms(plain), ms(fused), signed(fused - plain), plain === 0 ? DASH : share(fused - plain, plain).replace(/^(?=[\d])/, '+')],
  ]);
  return [
    ...table.map((line, at) => (at === 0 || at > rows.length ? line : `${line}  ${rows[at - 1].definition}`)),
    `  most of that: ${most.name}, ${signed(difference(most))}. GEMM-then-collective took ${formatMs(sequentialMs)} of wall time (plain parts with gaps, begin and end): fused over it ${sequentialMs === null || sequentialMs === 0 ? DASH : threeDigits(fused / sequentialMs)}`,
  ];
}

function replayedLines({ time: { replayed: of }, replayed }: RunExplained): string[] {
  if (of === null) return [`replayed: ${DASH} (the run’s own notes say why)`];
  const { path, busiest, pathTasks, pathDevices } = of;
  const table = aligned([
    ['', 'on the path', 'busiest'],
    ['compute', ms(path.gemmMs), ms(busiest.gemmMs)],
    ['link', ms(path.transferMs), ms(busiest.transferMs)],
    ['memory', ms(path.reductionMs), ms(busiest.reductionMs)],
  ]);
  return [
    `replayed: ${REPLAYED_BASIS}`,
    ...table,
    `  on the path: ${pathTasks} ${pathTasks === 1 ? 'stage or block' : 'stages and blocks'} over ${pathDevices} ${pathDevices === 1 ? 'device' : 'devices'}, each of which starts when the one before it ends; busiest: the one compute, link, memory lane with most to do`,
    ...(replayed.sequentialMs === null || replayed.gemmMs === null || replayed.fusedMs === null
      ? []
      : [`  ${formatMs(replayed.fusedMs)} fused, ${formatMs(replayed.sequentialMs)} GEMM-then-collective (GEMM ${formatMs(replayed.gemmMs)}, then ${formatMs(replayed.sequentialMs - replayed.gemmMs)}): ${signed(replayed.fusedMs - replayed.sequentialMs)}; compute on the path against the plain GEMM ${signed(path.gemmMs - replayed.gemmMs)}`]),
  ];
}
