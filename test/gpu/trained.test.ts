// The trained run, served and checked as the product does it: within the float64 bound and bit for bit in plan order
// for both algorithms, both chunkings and several degrees; and right by a product that is computed here.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession } from '../../src/host/session.ts';
import type { Session } from '../../src/host/session.ts';
import { readTrained, trainedSlices } from '../../src/host/trained.ts';
import type { TrainedOperands } from '../../src/host/trained.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import { gpuOrSkip, testBackend } from './page-client.ts';

const pageFile = fileURLToPath(new URL('../../dist/page.js', import.meta.url));

let trained: TrainedOperands;
let oracle: { sum: Float64Array; magnitude: Float64Array };
let session: Session | undefined;

beforeAll(() => {
  trained = readTrained();
  oracle = product(trained);
});
afterAll(() => session?.close());

/** A·B and |A|·|B| in float64, the plainest way: exact products, K additions. */
function product({ a, b, m, n, kTotal }: TrainedOperands): { sum: Float64Array; magnitude: Float64Array } {
  const sum = new Float64Array(m * n);
  const magnitude = new Float64Array(m * n);
  for (let row = 0; row < m; row++)
    for (let k = 0; k < kTotal; k++) {
      const factor = a[row * kTotal + k]!;
      if (factor === 0) continue;
      for (let column = 0; column < n; column++) {
        const value = factor * b[k * n + column]!;
        sum[row * n + column]! += value;
        magnitude[row * n + column]! += Math.abs(value);
      }
    }
  return { sum, magnitude };
}

/** A test with a session of its own, since the operands are served to the page by its own server. */
function trainedTest(name: string, body: (open: Session) => Promise<void>): void {
  test(name, async (context) => {
    gpuOrSkip(context);
    session ??= await openSession({ backend: testBackend(), pageFile });
    await body(session);
  });
}

function serve(open: Session, tp: number): { a: string[]; b: string[] } {
  const slices = trainedSlices(trained, tp);
  const bytes = (matrix: Float32Array): Uint8Array => new Uint8Array(matrix.buffer, matrix.byteOffset, matrix.byteLength);
  const paths = (matrix: 'a' | 'b') => Array.from({ length: tp }, (_, device) => open.serve(`${matrix}${device}`, () => bytes(slices[matrix](device))));
  return { a: paths('a'), b: paths('b') };
}

test('the operands are a trained layer: 256 × 1536 · 1536 × 512, activations after a ReLU, weights of both signs', () => {
  const { a, b, m, n, kTotal } = trained;
  expect({ m, n, kTotal, a: a.length, b: b.length }).toEqual({ m: 256, n: 512, kTotal: 1536, a: 256 * 1536, b: 1536 * 512 });
  expect(a.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
  expect(a.filter((value) => value > 0).length / a.length).toBeGreaterThan(0.01);
  expect(b.every(Number.isFinite)).toBe(true);
  expect(b.some((value) => value < 0)).toBe(true);
});

// TP 4 with everything; other degrees (1536 = 2⁹ · 3, which 7 does not divide) with some of it.
const CASES = [
  ...(['ring', 'direct'] as const).flatMap((algorithm) => (['rows', 'columns'] as const).map((chunk) => ({ tp: 4, algorithm, chunk, kernelName: 'gemm-register' }))),
  { tp: 3, algorithm: 'ring', chunk: 'rows', kernelName: 'gemm-workgroup' },
  { tp: 12, algorithm: 'direct', chunk: 'columns', kernelName: 'gemm-register' },
  { tp: 7, algorithm: 'ring', chunk: 'columns', kernelName: 'gemm-register' },
] as const;

for (const { tp, algorithm, chunk, kernelName } of CASES)
  trainedTest(`TP ${tp}, ${algorithm}, ${chunk}, ${kernelName}`, async (open) => {
    const spec = await resolveSpec({ operands: 'trained', trained: { ...trained, k: trained.kTotal }, tp, algorithm, chunk, kernelName });
    const { report, output } = await open.run({ spec, baseline: false, memoryLimit: 2 ** 30, operandUrls: serve(open, tp), keepOutput: true });
    expect(report.failures).toEqual([]);
    expect(report.check).toMatchObject({ mode: 'bounded', elements: 256 * 512, coverage: 1, wrong: 0, bitExactPlanOrder: true });
    expect(report.spec.operands).toEqual({ kind: 'trained', source: trained.source, hash: trained.hash });

    // Each product meets at most K + D roundings of one part in 2²⁴ on its way.
    const gamma = ((trained.kTotal + tp) * 2 ** -24) / (1 - (trained.kTotal + tp) * 2 ** -24);
    const largest = output!.reduce((most, value, at) => Math.max(most, Math.abs(value - oracle.sum[at]!)), 0);
    const beyond = output!.findIndex((value, at) => !(Math.abs(value - oracle.sum[at]!) <= gamma * oracle.magnitude[at]! * (1 + 1e-9)));
    expect(beyond).toBe(-1);
    expect(report.check.maxError).toBeCloseTo(largest, 9);
    // Not right by being nothing: most elements are far above their bound.
    expect(output!.filter((value, at) => Math.abs(value) > gamma * oracle.magnitude[at]!).length).toBeGreaterThan(0.9 * output!.length);
  });

trainedTest('an element that is overwritten is seen', async (open) => {
  const request = { operands: 'trained', trained: { ...trained, k: trained.kTotal }, tp: 4 } as const;
  const { chunk, kernel: { tile }, gemm: { n } } = await resolveSpec(request);
  expect(chunk).toBe('columns');
  // The first tile of chunk 2, on its owner.
  const spec = await resolveSpec({ ...request, faults: [{ kind: 'corrupt-tile', device: 2, chunk: 2, tile: (n / 4 / tile.n) * 2 }] });
  const { report } = await open.run({ spec, baseline: false, memoryLimit: 2 ** 30, operandUrls: serve(open, 4) });
  expect(report.failures.map(({ code }) => code)).toEqual(['WRONG_VALUES']);
  expect(report.check).toMatchObject({ wrong: 1, bitExactPlanOrder: false });
  expect(report.check.firstWrong[0]).toMatchObject({ device: 2, chunk: 2, row: 0, column: (n / 4) * 2, missing: null, doubled: null });
});
