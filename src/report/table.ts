// A report as text for people: the adapter first, then per run what was run, the verdict of the check, the
// tracker and the ledger, and the measured figures with their definitions beside them. What was not
// measured is a dash with a footnote that says why. The closing line says which kind of overlap it quotes.
import type { LedgerRow } from '../plan/closed-forms.ts';
import type { KernelBindings } from '../spec/kernel-bindings.ts';
import { kernelNamed } from '../spec/kernels.ts';
import type { KernelChoice, Operands } from '../spec/spec.ts';
import { formatBytes, formatFlops, formatMs, threeDigits } from '../units.ts';
import { LEDGER_TERMS, MEASURED_FIGURES, REPLAYED_BASIS, REPLAYED_FIGURES } from './figures.ts';
import type { Figure } from './figures.ts';
import { adapterName, type Environment, type Measured, type RunReport, type WrongElement } from '../verify/run-report.ts';

const DASH = '–';
/** Wrong elements that the table shows; the report has more. */
const SHOWN_WRONG = 10;

/** One line, for the top of everything: a software fallback is said loudly. */
export function adapterLine(environment: Environment): string {
  const { adapter, browser, timerResolutionNs } = environment;
  const kind = adapter.isFallback ? 'SOFTWARE FALLBACK: no GPU does the work, times are those of a CPU' : 'hardware';
  const order = adapter.isSerial ? 'serial: one dispatch at a time' : 'dispatches may overlap';
  const timer = timerResolutionNs === null ? 'no GPU timestamps' : `timer steps of ${formatMs(timerResolutionNs / 1e6)}`;
  return `adapter: ${adapterName(environment)} (${kind}; ${order}; ${timer}) in ${browser}`;
}

export function runTable(run: RunReport): string {
  const footnotes = new Footnotes(run.notes);
  const blocks = [
    [heading(run.spec.name), ...rows(whatWasRun(run))],
    rows([...verdicts(run, footnotes), ...ledgerSummary(run)]),
    run.ledger.balanced ? [] : ledgerTable(run),
    wrongTable(run.check.firstWrong, run.check.wrong),
    measuredTable(run, footnotes),
    replayedTable(run, footnotes),
    footnotes.lines(),
    failureLines(run.failures),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
}

/** Over all runs: whether they are right, and how much overlapped, naming which kind of overlap that is. */
export function verdictLine(runs: readonly RunReport[]): string {
  return `verdict: ${[rightness(runs), overlapPhrase(runs), replayedPhrase(runs), timePhrase(runs)].filter(Boolean).join('; ')}`;
}

/** The values first, then the rest by code; of each code the first ones, all of them in the JSON. */
function failureLines(failures: RunReport['failures']): string[] {
  const codes = [...new Set(failures.map(({ code }) => code))].toSorted((one, other) => Number(other === 'WRONG_VALUES') - Number(one === 'WRONG_VALUES'));
  return codes.flatMap((code) => {
    const mine = failures.filter((failure) => failure.code === code);
    const shown = mine.slice(0, SHOWN_FAILURES[code] ?? 8).map(({ message }) => `  FAILED [${code}] ${message.split('\n').join('\n    ')}`);
    return mine.length > shown.length ? [...shown, `  FAILED [${code}] … and ${mine.length - shown.length} more (all are in --json)`] : shown;
  });
}

/** Who waits for whom is read as a whole. */
const SHOWN_FAILURES: Readonly<Record<string, number>> = { STALLED: 64 };

function rightness(runs: readonly RunReport[]): string {
  const wrong = runs.filter((run) => run.failures.length > 0).map(({ spec }) => spec.name);
  if (wrong.length > 0) return `${wrong.length} of ${runs.length} ${runs.length === 1 ? 'run' : 'runs'} WRONG (${wrong.join(', ')})`;
  return runs.length === 1 ? 'the run is right' : `all of ${runs.length} runs are right`;
}

function overlapPhrase(runs: readonly RunReport[]): string {
  const each = (value: (measured: Measured) => number | null) => perRun(runs, (run) => (value(run.measured) === null ? DASH : threeDigits(value(run.measured)!)));
  if (runs.some(({ measured }) => (measured.overlapMeasured ?? 0) > 0)) return `overlapMeasured, what the GPU overlapped: ${each(({ overlapMeasured }) => overlapMeasured)}`;
  if (runs.some(({ measured }) => measured.interleaved !== null)) return `interleaved, the schedule's overlap and not the hardware's: ${each(({ interleaved }) => interleaved)}`;
  return 'nothing travelled that could overlap';
}

/** Of real devices as fast as this adapter; silent where all that travels are stores, whose links it does not know. */
function replayedPhrase(runs: readonly RunReport[]): string {
  if (runs.every(({ replayed }) => replayed.overlap === null)) return '';
  const overlap = perRun(runs, ({ replayed }) => (replayed.overlap === null ? DASH : threeDigits(replayed.overlap)));
  const time = perRun(runs, ({ replayed: { overlap, fusedMs, sequentialMs } }) => (overlap === null || fusedMs === null || !sequentialMs ? DASH : threeDigits(fusedMs / sequentialMs)));
  const timed = runs.some(({ replayed }) => replayed.sequentialMs !== null);
  return `replayed, what real devices would overlap with the durations measured here, 1 sample: ${overlap}${timed ? `, their time fused over GEMM-then-collective: ${time}` : ''}`;
}

/** Wall time on this adapter, which may well show no gain. */
function timePhrase(runs: readonly RunReport[]): string {
  if (runs.every(({ measured }) => measured.fusedMs === null || measured.sequentialMs === null)) return '';
  return `wall time fused over GEMM-then-collective on this adapter, 1 sample: ${perRun(runs, ({ measured: { fusedMs, sequentialMs } }) => (fusedMs === null || !sequentialMs ? DASH : threeDigits(fusedMs / sequentialMs)))}`;
}

/** `0.8`, or with several runs `0.8 (first), 0.7 (second)`. */
function perRun(runs: readonly RunReport[], text: (run: RunReport) => string): string {
  return runs.map((run) => (runs.length === 1 ? text(run) : `${text(run)} (${run.spec.name})`)).join(', ');
}

// --- blocks ------------------------------------------------------------------------------------------

type Row = readonly [name: string, text: string];

function heading(name: string): string {
  return `${name}\n${'='.repeat(name.length)}`;
}

function rows(pairs: readonly Row[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}

function whatWasRun({ spec, specHash, kernel: found }: RunReport): Row[] {
  const { operands, kernel } = spec;
  const files = operands.kind === 'files' ? (['a', 'b'] as const).map((matrix): Row => [matrix.toUpperCase(), `${operands[matrix].source}, sha256 ${operands[matrix].hash}`]) : [];
  return [
    ['gemm', `${shapeText(spec)}, ${spec.dtype}, operands ${operandsText(operands)}, seed ${spec.seed}`],
    ...files,
    ['collective', `${spec.collective}, ${spec.algorithm}, ${spec.devices} ${spec.devices === 1 ? 'device' : 'devices'}, output scattered by ${spec.chunk}`],
    ['kernel', `${kernel.name}, ${kernel.kind === 'built-in' ? `tile ${kernel.tile.m}x${kernel.tile.n}x${kernel.tile.k}` : `entry ${kernel.entry}, ${found.tiles} tiles as probed`}, wavefront ${spec.wavefront}`],
    ...(kernel.kind === 'foreign' ? kernelRows(spec, kernel.bindings, found) : builtInRows(kernel)),
    ['schedule', `${spec.stageTiles} tiles per stage, ${spec.triggerTiles} per DMA block, lag ${spec.lag}${spec.skew === 0 ? '' : `, skew ${spec.skew}`}${spec.triggers === 'host' ? '' : ', triggers on the GPU'}, overflow ${spec.overflow}`],
    ...spec.faults.map((fault): Row => ['FAULT', `${fault.kind} ${'device' in fault ? `device ${fault.device}, chunk ${fault.chunk}, tile ${fault.tile}` : ''}${'delta' in fault ? `, delta ${fault.delta}` : ''}`.trimEnd()]),
    ['spec', specHash],
  ];
}

function builtInRows({ name, splits }: Pick<Extract<KernelChoice, { kind: 'built-in' }>, 'name' | 'splits'>): Row[] {
  const facts = [...(kernelNamed(name)?.halves === true ? ['A and B as f16'] : []), ...(splits > 1 ? [`${splits} splits of K, one dispatch each`] : [])];
  return facts.length === 0 ? [] : [['', facts.join('; ')]];
}

/** What a kernel does besides one plain product. */
function kernelRows({ gemm: { n } }: RunReport['spec'], { epilogue: { alpha, bias, residual }, splits: declared, halves }: KernelBindings, { batch, splits, ldc }: RunReport['kernel']): Row[] {
  const bindings = [bias?.binding, residual?.binding].filter((binding) => typeof binding === 'string');
  const facts = [
    ...(halves.length > 0 ? [`${halves.map((matrix) => matrix.toUpperCase()).join(' and ')} as f16`] : []),
    ...(batch > 1 ? [`batch of ${batch} matrices, each a collective of its own`] : []),
    ...(splits > 1 ? [`${splits} splits of K along ${declared?.axis}, one dispatch each`] : []),
    ...(ldc > n ? [`rows of C ${ldc} apart`] : []),
    ...(alpha === 1 ? [] : [`alpha ${alpha}`]),
    ...(bias === null ? [] : [`bias along ${bias.along}${bias.binding === null ? ', added by the owners after the reduction' : ''}`]),
    ...(residual === null ? [] : [`residual times ${residual.beta}`]),
    ...(bindings.length === 0 ? [] : [`${bindings.join(' and ')} on device 0, zeros on the others`]),
  ];
  return facts.length === 0 ? [] : [['', facts.join('; ')]];
}

/** Devices whose k is one less than the first's are said. */
export function shapeText({ gemm: { m, n, k, kTotal }, devices }: Pick<RunReport['spec'], 'gemm' | 'devices'>): string {
  const even = kTotal === k * devices;
  return `${m} x ${n} x ${even ? k : `${k} or ${k - 1}`} (m x n x k per device${even ? '' : `, K = ${kTotal}`})`;
}

function operandsText(operands: Operands): string {
  switch (operands.kind) {
    case 'exact':
      return `integers ${-operands.range}..${operands.range} without 0`;
    case 'normal':
      return 'normal';
    case 'trained':
      return `trained (${operands.source})`;
    case 'files':
      return `out of files, layout ${operands.layout}`;
  }
}

function verdicts({ check, causality, tracker }: RunReport, footnotes: Footnotes): Row[] {
  const compared = Math.round(check.elements * check.coverage);
  const show = (value: number | null, path: string) => (value === null ? `${DASH}${footnotes.mark(path)}` : threeDigitsOrExponent(value));
  const planOrder = check.bitExactPlanOrder === null ? `${DASH}${footnotes.mark('check.bitExactPlanOrder')}` : `${check.bitExactPlanOrder ? 'bit for bit' : `DIFFERS${footnotes.mark('check.bitExactPlanOrder')}`}${check.planOrderCoverage === 1 || check.planOrderCoverage === null ? '' : ` (${(check.planOrderCoverage * 100).toPrecision(3)} % compared)`}`;
  const share = check.coverage === 1 ? 'all' : `${(check.coverage * 100).toPrecision(3)} %`;
  return [
    ['check', `${check.wrong === 0 ? 'right' : 'WRONG'}: ${check.mode}${footnotes.mark('check.mode')}, ${check.wrong} of ${compared} elements wrong (${share} of ${check.elements} compared)`],
    ['', `max error ${show(check.maxError, 'check.maxError')}, bound ${show(check.bound, 'check.bound')}; plan-order reference ${planOrder}`],
    ...(check.freivalds === null ? [] : [['', `Freivalds' test, ${check.freivalds.vectors} vectors modulo p = ${check.freivalds.modulus}: a wrong result passes with probability at most p^-${check.freivalds.vectors} = ${check.freivalds.probability.toExponential(2)}`] satisfies Row]),
    ['output', `sha256 ${check.outputHash}`],
    ['causality', `${causality.violations === 0 ? 'holds' : `${causality.violations} VIOLATIONS`} over ${causality.events} events, order sha256 ${causality.eventHash}`],
    ['tracker', `${tracker.pieces} pieces, ${tracker.updates} updates, ${tracker.triggers} triggers; at most ${tracker.peakEntries} entries in use on a device, ${tracker.overflows} overflows`],
  ];
}

function ledgerSummary({ ledger }: RunReport): Row[] {
  const { storeBytes, transferBytes, linkBytes, reductionBytes } = ledger.total;
  return [
    ['ledger', `${ledger.balanced ? 'balanced' : 'NOT BALANCED'}: store ${formatBytes(storeBytes)}, transfer ${formatBytes(transferBytes)}, link ${formatBytes(linkBytes)}, reduction ${formatBytes(reductionBytes)} (sums over devices, GB = 1e9 bytes)`],
  ];
}

/** Exact bytes per device, for a ledger that does not balance. */
function ledgerTable({ ledger }: RunReport): string[] {
  const cells = ({ storeBytes, transferBytes, linkBytes, reductionBytes }: LedgerRow) => [storeBytes, transferBytes, linkBytes, reductionBytes].map(String);
  return aligned([
    ['bytes', ...LEDGER_TERMS.map(({ name }) => name)],
    ...ledger.devices.map((device, d) => [`device ${d}`, ...cells(device)]),
    ['total', ...cells(ledger.total)],
  ]);
}

function wrongTable(elements: readonly WrongElement[], wrong: number): string[] {
  if (elements.length === 0) return [];
  const list = (devices: readonly number[] | null) => (devices === null ? '?' : devices.length === 0 ? 'none' : devices.join(','));
  const shown = elements.slice(0, SHOWN_WRONG);
  return [
    ...aligned([
      ['row', 'column', 'device', 'chunk', 'tile', 'expected', 'actual', 'missing from', 'doubled from'],
      ...shown.map((e) => [e.row, e.column, e.device, e.chunk, e.tile, e.expected, e.actual, list(e.missing), list(e.doubled)].map(String)),
    ]),
    ...(wrong > shown.length ? [`  … and ${wrong - shown.length} more wrong elements`] : []),
  ];
}

function measuredTable({ measured, spec, check }: RunReport, footnotes: Footnotes): string[] {
  const flops = 2 * check.elements * spec.gemm.kTotal;
  const cells = MEASURED_FIGURES.map((figure): [string, string, string] => {
    const value = measured[figure.name];
    const rate = figure.name === 'gemmMs' && measured.gemmMs !== null ? ` (here ${formatFlops(flops, measured.gemmMs)})` : '';
    const marked = `${showFigure(figure.unit, value)}${footnotes.mark(`measured.${figure.name}`)}`;
    return [figure.name, marked, `${figure.definition}${rate}`];
  });
  return figureLines(cells);
}

function replayedTable({ replayed }: RunReport, footnotes: Footnotes): string[] {
  const cells = REPLAYED_FIGURES.map(({ name, unit, definition }): [string, string, string] => [`replayed.${name}`, `${showFigure(unit, replayed[name])}${footnotes.mark(`replayed.${name}`)}`, definition]);
  return [`  replayed, ${REPLAYED_BASIS}`, ...figureLines(cells)];
}

function figureLines(cells: readonly (readonly [name: string, value: string, definition: string])[]): string[] {
  const nameWidth = Math.max(...cells.map(([name]) => name.length));
  const valueWidth = Math.max(...cells.map(([, value]) => value.length));
  return cells.map(([name, value, definition]) => `  ${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}  ${definition}`);
}

function showFigure(unit: Figure['unit'], value: number | boolean | null): string {
  if (value === null) return DASH;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (unit === 'ms') return formatMs(value);
  return unit === 'ratio' ? threeDigits(value) : String(value);
}

function threeDigitsOrExponent(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(2) : threeDigits(value);
}

/** Columns to the right, the first one to the left. */
export function aligned(table: readonly (readonly string[])[]): string[] {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) => `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')}`);
}

/** Reasons of what is not there, numbered as they are met; those that nothing referred to follow. */
class Footnotes {
  private readonly used: string[] = [];
  constructor(private readonly notes: RunReport['notes']) {}

  /** ` [2]` when there is a reason for this path, else nothing. */
  mark(path: string): string {
    const note = this.notes.find((candidate) => candidate.path === path);
    if (note === undefined) return '';
    if (!this.used.includes(note.reason)) this.used.push(note.reason);
    return ` [${this.used.indexOf(note.reason) + 1}]`;
  }

  lines(): string[] {
    const others = this.notes.filter(({ reason }) => !this.used.includes(reason));
    return [...this.used.map((reason, i) => `  [${i + 1}] ${reason}`), ...others.map(({ path, reason }) => `  note on ${path}: ${reason}`)];
  }
}
