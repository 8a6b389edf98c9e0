// The comparison with other GEMM libraries, whole, on two tiny shapes: every peer loads, runs and is right; and where results are
// spoiled on purpose the check tells, of ours as of a peer's.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { compare } from '../../bench/peers/compare.ts';
import { oursIsRight, toRecord } from '../../bench/peers/report.ts';
import { gpuOrSkip } from './page-client.ts';

const NAMES = ['tilewire', 'TensorFlow.js', 'ONNX Runtime Web', 'jax-js', 'gpu.js'];
// No two sizes alike, so that rows and columns that change places are seen; the second is the smaller, and measured first.
const SHAPES = [{ m: 24, n: 40, k: 72 }, { m: 32, n: 48, k: 40 }];
const SPOILED = ['tilewire', 'jax-js'];

test('compares all peers, each verified, and tells a spoiled result', async (context) => {
  gpuOrSkip(context);
  const comparison = await compare({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    shapes: SHAPES,
    // The fewest rounds, as nothing is judged by its time, of the most runs that a slice has: a multiple of the 15 that TensorFlow.js
    // submits at once.
    plannedMs: 1,
    sliceMs: Infinity,
    corrupt: (name, { m }) => m === 24 && SPOILED.includes(name),
  });
  const { environment, shapes } = toRecord(comparison);
  expect(environment).toMatchObject({ backend: 'chrome', adapter: { isFallback: expect.any(Boolean) } });
  expect(shapes.map(({ m, n, k }) => ({ m, n, k }))).toEqual(SHAPES);

  const [spoiled, clean] = shapes;
  // A peer that is not verified is shown with its reason.
  expect(comparison.shapes[1].results.map(({ name, problem }) => [name, problem])).toEqual(NAMES.map((name) => [name, null]));
  for (const result of clean.results) {
    expect(Object.keys(result).sort()).toEqual(['gflops', 'gflopsMax', 'gflopsMin', 'name', 'verified']);
    expect(result.verified).toBe(true);
    expect(result.gflops).toBeGreaterThan(0);
    expect(result.gflops).toBeGreaterThanOrEqual(result.gflopsMin!);
    expect(result.gflops).toBeLessThanOrEqual(result.gflopsMax!);
  }
  // Ours and the fastest peer have their rounds even where there is no time for any.
  expect(comparison.shapes[1].rounds).toBe(3);
  const best = Math.max(...clean.results.slice(1).map(({ gflops }) => gflops!));
  expect(clean.ratioToBestPeer).toBeCloseTo(clean.results[0].gflops! / best);

  for (const { name, problem } of comparison.shapes[0].results) expect([name, problem]).toEqual([name, SPOILED.includes(name) ? '1 of 24 rows are wrong, the first is row 12' : null]);
  expect(spoiled.results.map(({ verified }) => verified)).toEqual(NAMES.map((name) => !SPOILED.includes(name)));
  expect(spoiled.ratioToBestPeer).toBeNull();
  expect(oursIsRight({ ...comparison, shapes: comparison.shapes.slice(1) })).toBe(true);
  expect(oursIsRight(comparison)).toBe(false);
});
