// `tilewire tiles` as text: the timer first, since it says what can be told apart at all; the ranked candidates with the test that
// compares them; then everybody who is not ranked, with the reason. Nothing that was tried is left out.
import { LEVEL } from '../tune/statistics.ts';
import { fateText, nameOf, tileText, type CandidateResult, type Contest, type FusedContest, type ShapeProfile } from '../tune/tiles-report.ts';
import { formatMs, threeDigits } from '../units.ts';
import { aligned } from './table.ts';

const DASH = '–';
/** Named of those who got no turn; all are in JSON and CSV. */
const MOST_SKIPPED = 6;

export function tilesTable({ name, gemm: { m, n, k }, plain, fused }: ShapeProfile): string {
  const title = `tiles of ${name}: ${m} x ${n} x ${k} (m x n x k per device), f32`;
  const blocks = [`${title}\n${'='.repeat(title.length)}`, contestTable(plain, null)];
  if (fused !== null) blocks.push(`the fused run, ${fused.algorithm} on ${fused.devices} devices, scattered by ${fused.chunk}: stages and triggers count as well\n`, contestTable(fused, plain));
  return blocks.join('\n');
}

/** @param alone the same kernels alone, for their place there */
function contestTable(contest: Contest | FusedContest, alone: Contest | null): string {
  const { timer, candidates, rounds, pairs, notes } = contest;
  const ranked = candidates.filter(({ rank }) => rank !== null);
  const skipped = candidates.filter(({ fate }) => fate.kind === 'skipped');
  const others = candidates.filter((of) => of.rank === null && !skipped.includes(of));
  const facts = [
    `timer       ${timer.kind}, measured steps of ${formatMs(timer.resolutionNs / 1e6)}; a sample is at least ${formatMs(timer.leastSampleMs)}`,
    `rounds      ${rounds}, the first of which sorts out; ${pairs} with every ranked candidate in them, in random order`,
    `verified    every ranked candidate, all elements against the exact reference${alone === null ? ', before its first sample and after its last' : ', in every run'}`,
    ...(candidates.some(({ part }) => part < 1) ? ['sample      of long GEMMs a part of the grid, at least 64 workgroups (so is the first check); times are of a whole GEMM, in proportion to its workgroups'] : []),
  ];
  return [
    ...facts.map((line) => `  ${line}`),
    '',
    ...(ranked.length === 0 ? ['  nothing could be ranked'] : aligned([heading(alone !== null), ...ranked.map((candidate) => row(candidate, alone))])),
    ...(ranked.length > 1 ? ['', ...explained(contest, alone !== null).map((line) => `  ${line}`)] : []),
    ...(others.length > 0 ? ['', `  not in the ranking (${candidates.length - ranked.length}):`, ...aligned(others.map((of) => [nameOf(of), of.gflops === null ? '' : `${threeDigits(of.gflops)} GFLOP/s`])).map((line, at) => `  ${line}  ${fateText(others[at]!.fate)}`)] : []),
    ...skippedLines(skipped),
    ...(notes.length > 0 ? ['', ...notes.map((note) => `  note: ${note}`)] : []),
    '',
  ].join('\n');
}

/** Those who got no turn, in one paragraph. */
function skippedLines(skipped: readonly CandidateResult[]): string[] {
  if (skipped.length === 0) return [];
  const names = skipped.map(nameOf);
  const shown = names.slice(0, MOST_SKIPPED);
  return ['', `  ${skipped.length} ${fateText(skipped[0]!.fate)}: ${shown.join(', ')}${names.length > shown.length ? `, and ${names.length - shown.length} more` : ''}`];
}

function heading(isFused: boolean): string[] {
  return [isFused ? 'fused' : 'candidate', 'rank', 'GFLOP/s', 'at best', 'of best', '95 % interval', 'differs', isFused ? 'wall' : 'median', 'least', 'spread', 'samples', ...(isFused ? ['replayed', 'rank alone'] : ['dispatches', 'tile'])];
}

function row(candidate: CandidateResult, alone: Contest | null): string[] {
  const { rank, gflops, gflopsBest, share, medianMs, minMs, spread, samplesMs, repeats, part, replayedMs, tile } = candidate;
  const number = (value: number | null): string => (value === null ? DASH : threeDigits(value));
  const interval = share === null || share.lower === null || share.upper === null ? DASH : `${share.lower.toFixed(3)}..${share.upper.toFixed(3)}`;
  const differs = share === null || share.differs === null ? DASH : share.differs ? 'yes' : 'no';
  return [
    nameOf(candidate),
    String(rank),
    number(gflops),
    number(gflopsBest),
    share === null ? DASH : share.value.toFixed(3),
    interval,
    differs,
    formatMs(medianMs),
    formatMs(minMs),
    spread === null ? DASH : `${(100 * spread).toFixed(1)} %`,
    String(samplesMs.filter((ms) => ms !== null).length),
    ...(alone === null ? [part < 1 ? part.toFixed(3) : String(repeats), tileText(tile)] : [formatMs(replayedMs), placeAlone(candidate, alone)]),
  ];
}

/** Its kernel and tile in the contest of plain kernels. */
function placeAlone(candidate: CandidateResult, alone: Contest): string {
  const found = alone.candidates.find((of) => nameOf(of) === nameOf({ ...candidate, granularity: null }));
  return found?.rank == null ? DASH : String(found.rank);
}

function explained({ candidates, pairs }: Contest, isFused: boolean): string[] {
  const ranked = candidates.filter(({ rank }) => rank !== null).length;
  const isCircle = candidates.some(({ share }) => share !== null && share.value > 1);
  return [
    `of best: rate over that of the best, median of ${pairs} paired rounds (Hodges-Lehmann); interval and "differs": Wilcoxon's signed-rank`,
    `test on the log-ratios of a round, ${100 * LEVEL} % shared by all pairs of candidates (${(ranked * (ranked - 1)) / 2}, Bonferroni), so that choosing the best by the same data is covered.`,
    ...(isCircle ? ['A share above 1: among candidates this close, medians of paired ratios go in a circle.'] : []),
    `GFLOP/s: 2·m·n·${isFused ? 'K over the median wall time of a whole run' : 'k over the median time of a GEMM'}; at best: over the least. spread: quartile range over the median.`,
    ...(isFused ? [`replayed: the run's own measured durations on that many real devices, median; ${replayNote(candidates)}`] : []),
  ];
}

function replayNote(candidates: readonly CandidateResult[]): string {
  const best = candidates.filter(({ rank, replayedMs }) => rank !== null && replayedMs !== null).toSorted((one, other) => one.replayedMs! - other.replayedMs!)[0];
  return best === undefined ? `${DASH}: the runs report no replayed time` : `least: ${formatMs(best.replayedMs)}, ${nameOf(best)}`;
}
