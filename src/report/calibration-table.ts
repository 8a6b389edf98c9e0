// What `tilewire doctor --calibrate` measured, as text: every figure with its unit, samples, spread and the timer that it was taken with, those
// below what the timer resolves marked; then the machine that the model makes of them, each number with its source.
import type { MachineFile } from '../model/machine.ts';
import { counts, fastest, medianMs, shortestMs, spreadOf, unsure, type Calibration, type Timing } from '../tune/calibration.ts';
import { nameOf, type TimerFacts } from '../tune/tiles-report.ts';
import { formatBytes, formatMs, threeDigits } from '../units.ts';
import { aligned } from './table.ts';

const DASH = '–';
const HEADING = ['figure', 'median', 'of one', 'samples', 'spread', 'a sample', 'timer steps'];

export function calibrationTable(calibration: Calibration): string {
  const { gemm, shape: { m, n, k }, transfer, update, dispatch, bytes, verified, concurrency } = calibration;
  const best = fastest(gemm);
  const perMs = (amount: number, timing: Timing): string => `${threeDigits(amount / medianMs(timing) / 1e6)} GB/s`;
  const rows = [
    HEADING,
    best === undefined
      ? ['GEMM', DASH, DASH, DASH, DASH, DASH, steps(gemm.timer)]
      : ['GEMM', `${threeDigits(best.gflops)} GFLOP/s`, formatMs(best.medianMs), String(Math.max(1, gemm.pairs)), share(best.spread), formatMs(best.minMs! * best.repeats * best.part), steps(gemm.timer)],
    rowOf('copy', perMs(2 * bytes, transfer), transfer),
    rowOf('update', `${threeDigits((2 * medianMs(update)) / medianMs(transfer))} accesses`, update),
    rowOf('dispatch', `${threeDigits(medianMs(dispatch) * 1000)} µs`, dispatch),
    ['workgroups', concurrency.workgroups === null ? DASH : String(concurrency.workgroups), formatMs(concurrency.allMs), String(concurrency.tries), 'least', formatMs(concurrency.oneMs), steps(concurrency.timer)],
  ];
  const below = [transfer, update, dispatch].some((timing) => !counts(timing)) || concurrency.workgroups === null;
  const tried = gemm.candidates.filter(({ fate }) => fate.kind !== 'skipped');
  const notes = [
    `GEMM        the fastest of ${tried.length} kernels and tiles that run chooses from${best === undefined ? '' : `, ${nameOf(best)}`}: 2mnk over the time of ${m} x ${n} x ${k} (m x n x k) in f32, all elements right`,
    `copy        bytes read and written by the transfer kernel, ${formatBytes(bytes)} from one buffer to another; all elements right, before and after`,
    'update      what the near-memory kernel takes to add as many bytes, in plain accesses to them: 2 x its time over that of the copy; likewise',
    'dispatch    wall time of one of many with hardly any work',
    `workgroups  that keep a core busy and take hardly longer than one (least of ${concurrency.tries} times each): one more takes ${threeDigits(concurrency.moreMs / concurrency.oneMs)} times as long`,
    ...(below ? ['!           below what the timer resolves: not used'] : []),
  ];
  const doubtful = unsure(calibration);
  const remarks = [
    ...(doubtful.length > 0 ? [`unsure: samples of ${doubtful.join(', ')} lie far apart, as where other programs are at work; calibrate again when it is quiet`] : []),
    `${verified} elements of each of both kernels compared with the right result`,
  ];
  return [...aligned(rows), '', ...notes.map((line) => `  ${line}`), '', ...remarks.map((line) => `  ${line}`), ...gemm.notes.map((note) => `  note: ${note}`)].join('\n');
}

function rowOf(name: string, figure: string, timing: Timing): string[] {
  const mark = counts(timing) ? '' : ' !';
  return [name, `${figure}${mark}`, formatMs(medianMs(timing)), String(timing.samplesMs.length), share(spreadOf(timing)), formatMs(shortestMs(timing)), steps(timing.timer)];
}

const share = (value: number | null): string => (value === null ? DASH : `${(100 * value).toFixed(1)} %`);
const steps = ({ kind, resolutionNs }: TimerFacts): string => `${formatMs(resolutionNs / 1e6)}, ${kind}`;

/** Each number of a machine with where it is from. */
export function machineTable({ name, about, parameters = {}, ...numbers }: MachineFile): string {
  const rows = Object.entries({ ...numbers, ...parameters }).flatMap(([key, of]) => (of === undefined ? [] : [{ key, value: String(of.value), source: of.source }]));
  const [keys, values] = [Math.max(...rows.map(({ key }) => key.length)), Math.max(...rows.map(({ value }) => value.length))];
  return [`machine ${name}: ${about}`, ...rows.map(({ key, value, source }) => `  ${key.padEnd(keys)}  ${value.padStart(values)}  ${source}`)].join('\n');
}
