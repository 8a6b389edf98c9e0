// The comparison with other GEMM libraries, without a GPU: the check sees every wrong element, unverified results are never
// compared with, time is dealt out within the limit, flags are read or refused.
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { Comparison, PeerResult, ShapeResult } from '../../bench/peers/compare.ts';
import { main, parseShapes } from '../../bench/peers/main.ts';
import { project, verify } from '../../bench/peers/projection.ts';
import { barLines, bars, oursIsRight, ratiosByRound, ratioToBestPeer, shapeTable, SHAPES, toRecord } from '../../bench/peers/report.ts';
import { GIVEN_UP_MS, PLANNED_MS, shareOf, timesOf } from '../../bench/peers/schedule.ts';
import { fillOperand, MATRIX } from '../../src/spec/operands.ts';
import type { GemmShape } from '../../src/spec/spec.ts';

const RANGE = 4;

function operandsOf({ m, n, k }: GemmShape): { a: Float32Array; b: Float32Array; c: Float32Array } {
  const a = fillOperand({ seed: 1, device: 0, matrix: MATRIX.a, kind: 'exact', range: RANGE, rows: m, columns: k });
  const b = fillOperand({ seed: 1, device: 0, matrix: MATRIX.b, kind: 'exact', range: RANGE, rows: k, columns: n });
  const c = new Float32Array(m * n);
  for (let row = 0; row < m; row++) for (let column = 0; column < n; column++) for (let at = 0; at < k; at++) c[row * n + column] += a[row * k + at] * b[at * n + column];
  return { a, b, c };
}

describe('the check', () => {
  const size = fc.integer({ min: 1, max: 12 });
  const shapes = fc.record({ m: size, n: size, k: size });

  test('takes the right product, of the sign that was asked for', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { a, b, c } = operandsOf(shape);
        const projection = project(shape, a, b, RANGE)!;
        expect(verify(shape, projection, c, false)).toBeNull();
        expect(verify(shape, projection, c.map((value) => -value), true)).toBeNull();
        // What an earlier run left, and what nobody wrote, unless all of it is 0 anyway.
        if (c.some((value) => value !== 0)) {
          expect(verify(shape, projection, c, true)).toMatch(/rows are wrong/);
          expect(verify(shape, projection, new Float32Array(c.length), false)).toMatch(/rows are wrong/);
        }
      }),
    );
  });

  test('sees any one wrong element, and says in which row', () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.integer({ min: -3, max: 3 }).filter((delta) => delta !== 0), (shape, at, delta) => {
        const { a, b, c } = operandsOf(shape);
        const wrong = at % c.length;
        c[wrong] += delta;
        const row = Math.floor(wrong / shape.n);
        // One that leaves the range is told by its value.
        expect(verify(shape, project(shape, a, b, RANGE)!, c, false)).toMatch(new RegExp(`the first is row ${row}$|^element \\(${row}, ${wrong % shape.n}\\)`));
      }),
    );
  });

  test.each([NaN, Infinity, 0.5, 1e9])('refuses %f without adding it up', (odd) => {
    const shape = { m: 3, n: 5, k: 7 };
    const { a, b, c } = operandsOf(shape);
    c[8] = odd;
    expect(verify(shape, project(shape, a, b, RANGE)!, c, false)).toBe(`element (1, 3) is ${odd}, no integer of at most 112`);
  });

  test('sees swapped rows, and a result of another size', () => {
    const shape = { m: 4, n: 6, k: 5 };
    const { a, b, c } = operandsOf(shape);
    const projection = project(shape, a, b, RANGE)!;
    const swapped = c.slice();
    swapped.set(c.subarray(0, 6), 6);
    swapped.set(c.subarray(6, 12), 0);
    expect(verify(shape, projection, swapped, false)).toBe('2 of 4 rows are wrong, the first is row 0');
    expect(verify(shape, projection, c.subarray(1), false)).toBe('23 elements instead of 24');
  });

  test('keeps every sum of the shapes of the bench within exact integers, at odds of a million to one', () => {
    for (const shape of SHAPES) {
      const { largest, bound } = project(shape, new Float32Array(shape.m * shape.k), new Float32Array(shape.k * shape.n), RANGE)!;
      expect(largest).toBe(2 ** 20);
      expect(bound * shape.n * largest).toBeLessThanOrEqual(2 ** 53);
    }
    expect(project({ m: 1, n: 2 ** 20, k: 2 ** 20 }, new Float32Array(0), new Float32Array(0), RANGE)).toBeNull();
  });
});

describe('time', () => {
  test('shares of all shapes are within what is planned, and every shape gets some', () => {
    let left = PLANNED_MS;
    for (const [at] of SHAPES.entries()) {
      const share = shareOf(SHAPES.slice(at), left);
      expect(share).toBeGreaterThan(5000);
      left -= share;
    }
    expect(left).toBeCloseTo(0);
    expect(PLANNED_MS).toBeLessThan(GIVEN_UP_MS);
    expect(GIVEN_UP_MS).toBeLessThan(15 * 60_000);
    expect(shareOf(SHAPES, -1)).toBe(0);
  });

  test('a slice is long enough to time, and its results fit into memory', () => {
    expect(timesOf({ m: 64, n: 64, k: 64 }, 10)).toBe(25);
    expect(timesOf({ m: 64, n: 64, k: 64 }, 0)).toBe(60);
    expect(timesOf({ m: 64, n: 64, k: 64 }, 20_000)).toBe(1);
    expect(timesOf({ m: 4096, n: 4096, k: 1 }, 1)).toBe(4);
  });
});

const environment = { backend: 'chrome', browser: 'Chrome/1', adapter: { vendor: 'v', architecture: 'a', description: 'd', isFallback: true, isSerial: true }, timerResolutionNs: 1 } as const;
const peer = (name: string, times: number[], problem: string | null = null): PeerResult => ({ name, detail: '', times, problem });
const shapeResult = (shape: GemmShape, results: PeerResult[]): ShapeResult => ({ ...shape, results, rounds: 2, budgetMs: 1000, spentMs: 900 });
const [SMALL] = SHAPES;

describe('the report', () => {
  // 2·512³ operations in 100 ms are 2.68 GFLOP/s.
  const results = [peer('tilewire', [100, 125]), peer('fast', [200, 250]), peer('slow', [2000]), peer('wrong', [10, 10], 'all wrong'), peer('absent', [], 'no such file')];
  const comparison: Comparison = { environment, shapes: [shapeResult(SMALL, results)] };

  test('has exactly the fields that it promises, and compares least times of what is verified', () => {
    const rate = (ms: number): number => (2 * 512 ** 3) / ms / 1e6;
    expect(toRecord(comparison)).toEqual({
      environment,
      shapes: [
        {
          ...SMALL,
          results: [
            { name: 'tilewire', gflops: rate(100), gflopsMin: rate(125), gflopsMax: rate(100), verified: true },
            { name: 'fast', gflops: rate(200), gflopsMin: rate(250), gflopsMax: rate(200), verified: true },
            { name: 'slow', gflops: rate(2000), gflopsMin: rate(2000), gflopsMax: rate(2000), verified: true },
            { name: 'wrong', gflops: rate(10), gflopsMin: rate(10), gflopsMax: rate(10), verified: false },
            { name: 'absent', gflops: null, gflopsMin: null, gflopsMax: null, verified: false },
          ],
          ratioToBestPeer: 2,
        },
      ],
    });
  });

  test('has no ratio without a right result of ours, or of any peer', () => {
    expect(ratioToBestPeer(shapeResult(SMALL, [peer('tilewire', [100], 'wrong'), peer('fast', [200])]))).toBeNull();
    expect(ratioToBestPeer(shapeResult(SMALL, [peer('tilewire', [100]), peer('fast', [200], 'wrong')]))).toBeNull();
  });

  test('only a wrong or missing result of ours is a failure', () => {
    expect(oursIsRight(comparison)).toBe(true);
    expect(oursIsRight({ environment, shapes: [...comparison.shapes, shapeResult(SMALL, [peer('tilewire', [100], 'wrong'), peer('fast', [1])])] })).toBe(false);
    expect(oursIsRight({ environment, shapes: [shapeResult(SMALL, [peer('fast', [1])])] })).toBe(false);
    expect(oursIsRight({ environment, shapes: [] })).toBe(false);
  });

  test('gives the spread of ratios over rounds, of those that both ran', () => {
    expect(ratiosByRound(peer('tilewire', [100, 125, 90]), peer('fast', [200, 150]))).toEqual({ least: 1.2, largest: 2 });
    expect(ratiosByRound(peer('tilewire', [100, 125]), peer('slow', [2000]))).toBeNull();
  });

  test('names every peer in the table, with what went wrong', () => {
    const lines = shapeTable(comparison.shapes[0], { fast: '1.2.3' }).split('\n');
    expect(lines[0]).toBe('512 x 512 x 512 (m x n x k), 2 rounds in 0.9 s (1.0 s budgeted)');
    expect(lines[3]).toMatch(/^ {2}fast 1\.2\.3 +1\.34 +1\.07\.\.1\.34 +2\.00 +2\.00\.\.2\.00 +yes$/);
    expect(lines[5]).toMatch(/^ {2}wrong +26\.8 .* – +– +NO: all wrong$/);
    expect(lines[6]).toMatch(/^ {2}absent +– +– +– +– +NO: no such file$/);
  });

  test('says which figures are unsure', () => {
    const unsure = (...of: PeerResult[]): boolean => bars({ environment, shapes: [shapeResult(SMALL, of)] })[0].unsure;
    const [ours, fast] = [peer('tilewire', [1, 1, 1]), peer('fast', [2, 2, 2])];
    expect(unsure(ours, fast, peer('slow', [30]))).toBe(false);
    expect(unsure(peer('tilewire', [1, 1]), fast)).toBe(true);
    expect(unsure(ours, peer('fast', [2]))).toBe(true);
    expect(unsure(ours, fast, peer('absent', [], 'no such file'))).toBe(true);
  });

  test('holds figures against the bars of the adapter', () => {
    const find = (all: ReturnType<typeof bars>, what: string) => all.find((bar) => bar.what.startsWith(what))!;
    expect(find(bars(comparison), '512x512x512')).toEqual({ what: '512x512x512 over the best peer', atLeast: 2.8, figure: 2, unsure: true });
    expect(find(bars({ ...comparison, environment: { ...environment, adapter: { ...environment.adapter, isFallback: false } } }), '512x512x512').atLeast).toBe(1.2);
    expect(barLines(comparison)[0]).toMatch(/ 2\.00 {2}at least 2\.8 {2}NOT MET, unsure: /);
    expect(barLines(comparison)[1]).toMatch(/ – {2}at least 2\.8 {2}not measured$/);

    const [prime, padded] = [{ m: 509, n: 1021, k: 769 }, { m: 512, n: 1024, k: 772 }];
    const both: Comparison = { environment, shapes: [shapeResult(prime, [peer('tilewire', [100, 100, 100]), peer('fast', [50, 50, 50])]), shapeResult(padded, [peer('tilewire', [100, 110, 120])])] };
    const useful = find(bars(both), '509x1021x769 over its padded neighbour');
    expect(useful.figure).toBeCloseTo((509 * 1021 * 769) / (512 * 1024 * 772));
    expect(barLines(both).at(-1)).toMatch(/ 0\.987 {2}at least 0\.9 {2}met$/);
    expect(find(bars(both), '509x1021x769 over the best peer')).toMatchObject({ figure: 0.5, unsure: false });
  });
});

describe('flags', () => {
  test('shapes are m x n x k', () => {
    expect(parseShapes('512x256x128, 1X4096x4096')).toEqual([{ m: 512, n: 256, k: 128 }, { m: 1, n: 4096, k: 4096 }]);
  });

  test.each(['', '5x5', '5x5x5x5', '5x5x5,', '0x5x5', '-1x5x5', '1.5x5x5', 'x', '5x5x5,5x5x5', '99999x99999x1'])('refuses --shapes %j', (text) => {
    expect(() => parseShapes(text)).toThrow(/--shapes.*\[BAD_FLAG\]\n {2}fix: /s);
  });

  test.each(['--shapes 5x5', '--shapes', '--json /no/such/folder/x.json', '--json --shapes', '--corrupt nobody', '--frobnicate', 'more'])('%s ends with status 2 before a browser starts', async (flags) => {
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      expect(await main(flags.split(' '), '/nowhere')).toBe(2);
      expect(told).toHaveBeenCalledOnce();
      expect(told.mock.lastCall![0]).toMatch(/^tilewire: [^\n]+ \[BAD_F(LAG|ILE)\]\n {2}fix: [^\n]+\n$/);
    } finally {
      told.mockRestore();
    }
  });
});
