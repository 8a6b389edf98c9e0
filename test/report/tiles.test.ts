// What `tilewire tiles` prints and writes: every candidate with its fate, numbers that can be read back, and nothing that a name
// could break out of.
import { expect, test } from 'vitest';
import { reportToJson } from '../../src/report/json.ts';
import { tilesCsv } from '../../src/report/tiles-csv.ts';
import { heatMapsOf, tilesHtml } from '../../src/report/tiles-html.ts';
import { tilesTable } from '../../src/report/tiles-table.ts';
import type { CandidateResult, Contest, ShapeProfile, TilesReport } from '../../src/tune/tiles-report.ts';

const TIMER = { kind: 'GPU timestamps', resolutionNs: 1, leastSampleMs: 5 } as const;
const EVIL = 'mine</script><script>alert(1)</script>, "b" & \'c\'.wgsl';

const candidate = (over: Partial<CandidateResult>): CandidateResult => ({
  kernel: 'gemm-register', tile: { m: 32, n: 28, k: 2 }, overrides: null, granularity: null, fate: { kind: 'ranked' }, rank: 1, verified: true, repeats: 3, part: 1, wholeMs: null, samplesMs: [10, 11, 9], minMs: 9, medianMs: 10, spread: 0.05, gflops: 4.25, gflopsBest: 4.5,
  share: { value: 1, lower: null, upper: null, differs: null }, replayedMs: null, ...over,
});
const NONE = { rank: null, samplesMs: [], minMs: null, medianMs: null, spread: null, gflops: null, gflopsBest: null, share: null } as const;

const CANDIDATES: readonly CandidateResult[] = [
  candidate({}),
  candidate({ kernel: EVIL, tile: { m: 64, n: 64, k: null }, overrides: { TM: 64, TN: 16 }, rank: 2, gflops: 4, share: { value: 0.94, lower: 0.91, upper: 0.97, differs: true } }),
  candidate({ tile: { m: 16, n: 28, k: 2 }, rank: 3, gflops: 3.9, share: { value: 0.92, lower: 0.8, upper: 1.01, differs: false } }),
  candidate({ tile: { m: 8, n: 28, k: 2 }, fate: { kind: 'stopped', rounds: 2, share: 0.4 }, rank: null, gflops: 1.7, share: null }),
  candidate({ ...NONE, tile: { m: 4, n: 4, k: 2 }, fate: { kind: 'unranked', reason: '4096 dispatches take 3 ms' } }),
  candidate({ ...NONE, tile: { m: 4, n: 8, k: 2 }, fate: { kind: 'skipped', reason: 'time' } }),
  candidate({ ...NONE, kernel: EVIL, tile: null, overrides: { TM: 999 }, verified: false, fate: { kind: 'failed', reason: 'wrong result: 1 of 2 elements, "quoted"\nand broken' } }),
];
const plain: Contest = { timer: TIMER, rounds: 3, pairs: 2, candidates: CANDIDATES, notes: ['174 more tiles <left out>'] };
const shape: ShapeProfile = { name: `t-nlg fc2 ${EVIL}`, gemm: { m: 256, n: 4256, k: 2128 }, plain, fused: null };
const grained = (rank: number, stageTiles: number, triggerTiles: number, replayedMs: number | null): CandidateResult => candidate({ rank, granularity: { stageTiles, triggerTiles }, replayedMs, gflops: 5 - rank });
const withFused: ShapeProfile = { ...shape, fused: { ...plain, candidates: [grained(1, 38, 8, 80), grained(2, 19, 2, 70)], notes: [], devices: 8, algorithm: 'ring', chunk: 'columns' } };
const report: TilesReport = {
  version: 1,
  environment: { backend: 'chrome', browser: 'Chrome/143', adapter: { vendor: 'google', architecture: 'swiftshader', description: '', isFallback: true, isSerial: true }, timerResolutionNs: 1 },
  shapes: [shape, withFused],
};

test('the table: timer, ranks, who differs, and all the others with their reason', () => {
  const text = tilesTable(shape);
  for (const part of ['measured steps of 1.00 ns; a sample is at least 5.00 ms', 'gemm-register 32x28x2', '0.910..0.970', 'stopped after 2 rounds at 0.40 of the best', 'not ranked: 4096 dispatches take 3 ms', '1 not measured: time: gemm-register 4x8x2', 'failed: wrong result', 'TM=64 TN=16', 'signed-rank', 'all pairs of candidates (3, Bonferroni)', 'note: 174 more tiles']) expect(text).toContain(part);
  const row = (name: string): string => text.split('\n').find((line) => line.includes(name))!;
  expect(row('TM=64 TN=16')).toMatch(/ 2 +4\.00 .* yes /);
  expect(row('16x28x2')).toMatch(/ 3 +3\.90 .* no /);
  expect(row('32x28x2 ')).toMatch(/ 1 +4\.25 .* – /);
});

test('the table of fused runs: wall and replayed time in columns of their own, and the rank alone', () => {
  const text = tilesTable(withFused);
  expect(text).toContain('38/stage 8/block');
  expect(text).toMatch(/wall .*replayed +rank alone/);
  expect(text.split('\n').find((line) => line.includes('19/stage 2/block'))).toMatch(/70\.0 ms +1$/);
  expect(text).toContain('least: 70.0 ms, gemm-register 32x28x2 19/stage 2/block');
  const without: ShapeProfile = { ...withFused, fused: { ...withFused.fused!, candidates: [grained(1, 38, 8, null), grained(2, 19, 2, null)] } };
  expect(tilesTable(without)).toContain('–: the runs report no replayed time');
});

test('nothing ranked is said', () => {
  expect(tilesTable({ ...shape, plain: { ...plain, candidates: CANDIDATES.filter(({ rank }) => rank === null) } })).toContain('nothing could be ranked');
});

/** RFC 4180, as a reader has it. */
function parsed(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, bare, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? bare! : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

test('CSV: every cell comes back', () => {
  const [heads, ...rows] = parsed(tilesCsv(report.shapes));
  expect(rows).toHaveLength(2 * CANDIDATES.length + 2);
  for (const row of rows) expect(row).toHaveLength(heads!.length);
  const cell = (at: number, name: string): string => rows[at]![heads!.indexOf(name)]!;
  expect(cell(1, 'kernel')).toBe(EVIL);
  expect(cell(1, 'overrides')).toBe('TM=64 TN=16');
  expect([cell(1, 'share_lower'), cell(1, 'differs'), cell(1, 'tile_k'), cell(0, 'tile_k')]).toEqual(['0.91', 'true', '', '2']);
  expect(cell(6, 'fate')).toBe('failed: wrong result: 1 of 2 elements, "quoted"\nand broken');
  for (const kernel of ['say "hi".wgsl', 'two\nlines', 'carriage\rreturn']) expect(parsed(tilesCsv([{ ...shape, plain: { ...plain, candidates: [candidate({ kernel })] } }]))[1]![heads!.indexOf('kernel')]).toBe(kernel);
  expect([cell(6, 'gflops_median'), cell(6, 'verified')]).toEqual(['', 'false']);
  expect([cell(14, 'contest'), cell(14, 'stage_tiles'), cell(14, 'replayed_ms'), cell(14, 'devices')]).toEqual(['fused', '38', '80', '8']);
});

test('JSON holds every sample, and comes back', () => {
  expect(JSON.parse(reportToJson(report))).toEqual(report);
  expect(() => reportToJson({ ...report, shapes: [{ ...shape, plain: { ...plain, candidates: [candidate({ gflops: Number.NaN })] } }] })).toThrow('not a number');
});

test('HTML: one file, nothing fetched, and no name gets out of its place', () => {
  const html = tilesHtml(report, 'const end = "</script>"; draw();');
  expect(html).not.toMatch(/<(link|img|iframe|object)\b|\bsrc=|\bhref=|@import|url\(http/i);
  expect(html).toContain("default-src 'none'");
  // Two scripts: the maps' data and what draws them; names end neither.
  expect(html.match(/<script\b/gi)).toHaveLength(2);
  expect(html.match(/<\/script/gi)).toHaveLength(2);
  expect(html).not.toContain('alert(1)</script>');
  const [, data] = /id="heat-maps">([^]*?)<\/script>/.exec(html)!;
  expect(JSON.parse(data!)).toEqual(report.shapes.map(heatMapsOf));
  expect(html).toContain('mine&#60;/script&#62;');
});

test('heat maps: a panel for each kernel, the best one marked, what has no value hatched', () => {
  const [map] = heatMapsOf(shape);
  expect(map!.panels.map(({ title }) => title)).toEqual(['gemm-register', EVIL]);
  const cells = map!.panels[0]!.cells;
  expect(cells.map(({ x, y, value, kind, best }) => ({ x, y, value, kind, best }))).toEqual([
    { x: 28, y: 32, value: 4.25, kind: 'ranked', best: true },
    { x: 28, y: 16, value: 3.9, kind: 'ranked', best: false },
    { x: 28, y: 8, value: 1.7, kind: 'given-up', best: false },
    { x: 4, y: 4, value: null, kind: 'no-value', best: false },
    { x: 8, y: 4, value: null, kind: 'no-value', best: false },
  ]);
  expect(cells[3]!.text).toContain('not ranked: 4096 dispatches');
  expect(heatMapsOf(withFused).map(({ xLabel }) => xLabel)).toEqual(['tileN (columns of C)', 'tileN (columns of C)', 'tiles per block (trigger)']);
  expect(heatMapsOf(withFused)[2]!.panels[0]!.cells.map(({ x, y, best }) => [x, y, best])).toEqual([[8, 38, true], [2, 19, false]]);
  // Of two depths in one place the better one gives the value, both are told.
  const [two] = heatMapsOf({ ...shape, plain: { ...plain, candidates: [candidate({}), candidate({ tile: { m: 32, n: 28, k: 4 }, rank: 2, gflops: 4 })] } });
  expect(two!.panels[0]!.cells).toMatchObject([{ value: 4.25, text: expect.stringMatching(/32x28x2[^]*\n[^]*32x28x4/) }]);
});
