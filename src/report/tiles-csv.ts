// `tilewire tiles` as CSV (RFC 4180): one row for each candidate of each contest. Numbers are written in full; what was not
// measured is empty.
import { fateText, type CandidateResult, type Contest, type ShapeProfile } from '../tune/tiles-report.ts';

const COLUMNS = ['shape', 'm', 'n', 'k', 'contest', 'devices', 'rank', 'kernel', 'tile_m', 'tile_n', 'tile_k', 'overrides', 'stage_tiles', 'trigger_tiles', 'fate', 'verified', 'repeats', 'part', 'samples', 'min_ms', 'median_ms', 'spread', 'gflops_median', 'gflops_best', 'share_of_best', 'share_lower', 'share_upper', 'differs', 'whole_ms', 'replayed_ms'] as const;

type Row = Readonly<Record<(typeof COLUMNS)[number], string | number | boolean | null | undefined>>;

export function tilesCsv(shapes: readonly ShapeProfile[]): string {
  const rows = shapes.flatMap((shape) => [...rowsOf(shape, 'plain', 1, shape.plain), ...(shape.fused === null ? [] : rowsOf(shape, 'fused', shape.fused.devices, shape.fused))]);
  return [COLUMNS.join(','), ...rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(','))].map((line) => `${line}\r\n`).join('');
}

function rowsOf({ name, gemm: { m, n, k } }: ShapeProfile, contest: string, devices: number, { candidates }: Contest): Row[] {
  return candidates.map((of: CandidateResult) => ({
    shape: name, m, n, k, contest, devices,
    rank: of.rank,
    kernel: of.kernel,
    tile_m: of.tile?.m, tile_n: of.tile?.n, tile_k: of.tile?.k,
    overrides: Object.entries(of.overrides ?? {}).map(([override, value]) => `${override}=${value}`).join(' '),
    stage_tiles: of.granularity?.stageTiles, trigger_tiles: of.granularity?.triggerTiles,
    fate: fateText(of.fate),
    verified: of.verified,
    repeats: of.repeats, part: of.part,
    samples: of.samplesMs.filter((ms) => ms !== null).length,
    min_ms: of.minMs, median_ms: of.medianMs, spread: of.spread, gflops_median: of.gflops, gflops_best: of.gflopsBest,
    share_of_best: of.share?.value, share_lower: of.share?.lower, share_upper: of.share?.upper, differs: of.share?.differs,
    whole_ms: of.wholeMs,
    replayed_ms: of.replayedMs,
  }));
}

function cell(value: Row[keyof Row]): string {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
