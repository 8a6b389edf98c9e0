// The comparison for readers: the JSON record, the table of a shape, the figures derived from several, and which bars of the
// project's own they meet. Rates are GFLOP/s of useful work, 2·m·n·k over the least time; what was not measured or not
// verified is never compared with. Pure.
import type { GemmShape } from '../../src/spec/spec.ts';
import { threeDigits } from '../../src/units.ts';
import type { Environment } from '../../src/verify/run-report.ts';
import type { Comparison, PeerResult, ShapeResult } from './compare.ts';
import { OURS } from './peer.ts';
import { FEWEST_ROUNDS, rateOf } from './schedule.ts';

const PRIME: GemmShape = { m: 509, n: 1021, k: 769 };
const PADDED: GemmShape = { m: 512, n: 1024, k: 772 };
const SINGLE_ROW: GemmShape = { m: 1, n: 4096, k: 4096 };
const DECODE: GemmShape = { m: 16, n: 4096, k: 4096 };
const LARGE: readonly GemmShape[] = [
  { m: 512, n: 512, k: 512 },
  { m: 1024, n: 1024, k: 1024 },
  { m: 2048, n: 2048, k: 2048 },
  { m: 1024, n: 1024, k: 4096 },
  { m: 4096, n: 1024, k: 256 },
  // T-NLG FC-2 on one of 8 devices, 256 tokens.
  { m: 256, n: 4256, k: 2128 },
];

export const SHAPES: readonly GemmShape[] = [...LARGE, PRIME, PADDED, SINGLE_ROW, DECODE];

/** A rate and its range over rounds, GFLOP/s; null where nothing was timed. */
export interface Rates {
  readonly gflops: number | null;
  readonly gflopsMin: number | null;
  readonly gflopsMax: number | null;
}

export interface ComparisonRecord {
  readonly environment: Environment;
  readonly shapes: readonly (GemmShape & {
    readonly results: readonly (Rates & { readonly name: string; readonly verified: boolean })[];
    /** Ours over the fastest verified peer; null when either is missing. */
    readonly ratioToBestPeer: number | null;
  })[];
}

export function ratesOf(shape: GemmShape, { times }: PeerResult): Rates {
  if (times.length === 0) return { gflops: null, gflopsMin: null, gflopsMax: null };
  const gflopsMax = rateOf(shape, Math.min(...times));
  // What is compared is the least time; other programs can only add to it.
  return { gflops: gflopsMax, gflopsMin: rateOf(shape, Math.max(...times)), gflopsMax };
}

const rate = (shape: ShapeResult, result: PeerResult): number => (result.problem === null ? (ratesOf(shape, result).gflops ?? 0) : 0);
const oursOf = ({ results }: ShapeResult): PeerResult | undefined => results.find(({ name }) => name === OURS);

const bestPeerOf = (shape: ShapeResult): PeerResult | undefined => shape.results.filter(({ name, problem }) => name !== OURS && problem === null).toSorted((one, other) => rate(shape, other) - rate(shape, one))[0];

/** Ours over the fastest verified peer, by least times. */
export function ratioToBestPeer(shape: ShapeResult): number | null {
  const ours = oursOf(shape);
  const best = bestPeerOf(shape);
  return ours === undefined || best === undefined || rate(shape, ours) === 0 ? null : rate(shape, ours) / rate(shape, best);
}

/** Whether ours was right wherever it was asked for: what the exit status tells. */
export function oursIsRight({ shapes }: Comparison): boolean {
  return shapes.length > 0 && shapes.every((shape) => oursOf(shape)?.problem === null);
}

export function toRecord({ environment, shapes }: Comparison): ComparisonRecord {
  return {
    environment,
    shapes: shapes.map((shape) => ({
      m: shape.m,
      n: shape.n,
      k: shape.k,
      results: shape.results.map((result) => ({ name: result.name, ...ratesOf(shape, result), verified: result.problem === null })),
      ratioToBestPeer: ratioToBestPeer(shape),
    })),
  };
}

/** Least and largest ratio of our rate to the peer's over the rounds in which both ran; null where there are none. */
export function ratiosByRound(ours: PeerResult, peer: PeerResult): { readonly least: number; readonly largest: number } | null {
  if (ours.times.length < 2 || peer.times.length < 2) return null;
  const ratios = ours.times.slice(0, peer.times.length).map((time, round) => peer.times[round] / time);
  return { least: Math.min(...ratios), largest: Math.max(...ratios) };
}

const dash = (value: number | null): string => (value === null ? '–' : threeDigits(value));

/** @param versions of the peers' packages, by name */
export function shapeTable(shape: ShapeResult, versions: Readonly<Record<string, string>> = {}): string {
  const ours = oursOf(shape);
  const rows = shape.results.map((result) => {
    const { gflops, gflopsMin, gflopsMax } = ratesOf(shape, result);
    const ratio = ours === undefined || result === ours || rate(shape, ours) === 0 || rate(shape, result) === 0 ? null : rate(shape, ours) / rate(shape, result);
    const spread = ours === undefined || ratio === null ? null : ratiosByRound(ours, result);
    return [
      `${result.name}${versions[result.name] === undefined ? '' : ` ${versions[result.name]}`}${result.detail === '' ? '' : ` (${result.detail})`}`,
      dash(gflops),
      result.times.length < 2 ? '–' : `${dash(gflopsMin)}..${dash(gflopsMax)}`,
      dash(ratio),
      spread === null ? '–' : `${dash(spread.least)}..${dash(spread.largest)}`,
      result.problem === null ? `yes${result.times.length < 2 ? ', no rounds' : ''}` : `NO: ${result.problem}`,
    ];
  });
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const head = `${shape.m} x ${shape.n} x ${shape.k} (m x n x k), ${shape.rounds} ${shape.rounds === 1 ? 'round' : 'rounds'} in ${seconds(shape.spentMs)} (${seconds(shape.budgetMs)} budgeted)`;
  const all = [['', 'GFLOP/s', 'over rounds', 'ours over it', 'over rounds', 'verified'], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row: readonly string[]): string => `  ${row.map((cell, column) => (column === 0 || column === row.length - 1 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ')}`.trimEnd();
  return [head, ...all.map(line)].join('\n');
}

const same = (one: GemmShape, other: GemmShape): boolean => one.m === other.m && one.n === other.n && one.k === other.k;
const named = ({ m, n, k }: GemmShape): string => `${m}x${n}x${k}`;

/** A bar that the figure should reach; `figure` is null where it was not measured. */
export interface Bar {
  readonly what: string;
  readonly atLeast: number;
  readonly figure: number | null;
  /** It rests on fewer than three rounds of what it compares, or a peer was missing: another run may say otherwise. */
  readonly unsure: boolean;
}


/** Over the best peer on a software adapter, and on a GPU. */
const LARGE_BAR = { software: 2.8, hardware: 1.2 };
const SMALL_BAR = 1;
const PADDED_BAR = 0.9;

export function bars({ environment, shapes }: Comparison): Bar[] {
  const find = (wanted: GemmShape): ShapeResult | undefined => shapes.find((shape) => same(shape, wanted));
  const few = (...results: readonly (PeerResult | undefined)[]): boolean => results.some((result) => (result?.times.length ?? 0) < FEWEST_ROUNDS);
  const toBest = (wanted: GemmShape, atLeast: number): Bar => {
    const shape = find(wanted);
    const unsure = shape !== undefined && (few(oursOf(shape), bestPeerOf(shape)) || shape.results.some(({ problem }) => problem !== null));
    return { what: `${named(wanted)} over the best peer`, atLeast, figure: shape === undefined ? null : ratioToBestPeer(shape), unsure };
  };
  const large = environment.adapter.isFallback ? LARGE_BAR.software : LARGE_BAR.hardware;
  const [prime, padded] = [PRIME, PADDED].map((wanted) => {
    const shape = find(wanted);
    const ours = shape && oursOf(shape);
    return { ours, rate: shape && ours ? rate(shape, ours) : 0 };
  });
  return [
    ...LARGE.map((shape) => toBest(shape, large)),
    ...[PRIME, SINGLE_ROW, DECODE].map((shape) => toBest(shape, SMALL_BAR)),
    { what: `${named(PRIME)} over its padded neighbour ${named(PADDED)}, GFLOP/s of useful work`, atLeast: PADDED_BAR, figure: prime.rate > 0 && padded.rate > 0 ? prime.rate / padded.rate : null, unsure: few(prime.ours, padded.ours) },
  ];
}

export function barLines(comparison: Comparison): string[] {
  const all = bars(comparison);
  const width = Math.max(...all.map(({ what }) => what.length));
  const verdict = ({ figure, atLeast, unsure }: Bar): string => (figure === null ? 'not measured' : `${figure >= atLeast ? 'met' : 'NOT MET'}${unsure ? ', unsure: fewer than three rounds, or a peer is missing' : ''}`);
  return all.map((bar) => `  ${bar.what.padEnd(width)}  ${dash(bar.figure).padStart(6)}  at least ${bar.atLeast.toFixed(1)}  ${verdict(bar)}`);
}
