// How long the timing model takes: the paper's evaluation, folded; with ablations and search, where `--sensitivity` is given; and one
// case unfolded at a granule of 2 KiB, arbiter and tracker on, with the memory that it holds. Each beside its target; exit
// status 1 where one is missed.
import { machineNamed, PAPER_PARAMETERS } from '../../src/model/machine.ts';
import { paperReport, SENSITIVITY_SETS } from '../../src/model/paper-report.ts';
import { subjectOf } from '../../src/model/paper.ts';
import { Subject } from '../../src/model/subject.ts';

let missed = 0;
function timed(what: string, targetMs: number, run: () => string): void {
  const start = performance.now();
  const said = run();
  const ms = performance.now() - start;
  if (ms > targetMs) missed++;
  process.stdout.write(`${what.padEnd(60)} ${(ms / 1e3).toFixed(2).padStart(7)} s   target ${(targetMs / 1e3).toFixed(0).padStart(3)} s   ${said}\n`);
}

const shown = process.stderr.isTTY ? (what: string, done: number, of: number): void => void process.stderr.write(`\r${what} ${done} of ${of}   \r`) : (): void => {};

timed('tilewire paper, folded', 10_000, () => `${paperReport({ progress: shown }).cases.length} cases`);
timed('T-NLG FC-2 TP 8, t3-mca, eight devices, granule of 2 KiB', 2_000, () => {
  const { shape, conditions } = subjectOf({ model: 't-nlg', tp: 8, sublayer: 'fc2' }, machineNamed('paper'), { ...PAPER_PARAMETERS, granuleBytes: 2048 });
  const { events, peakEvents } = new Subject(shape, { ...conditions, fold: false }).fused('mca');
  return `${(events / 1e6).toFixed(2)} million events, ${peakEvents} at most at one time, ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB resident`;
});
if (process.argv.includes('--sensitivity')) timed('tilewire paper --sensitivity', 90_000, () => `${SENSITIVITY_SETS} sets and the ablations: ${paperReport({ sensitivity: { sets: SENSITIVITY_SETS }, progress: shown }).search?.passing} pass`);
process.exitCode = missed > 0 ? 1 : 0;
