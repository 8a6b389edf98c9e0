// What the fused run stands on, each alone on the GPU: operands are their host twin bit for bit, every GEMM is exact, the probe finds the footprint that the lane layout promises, compare sees every kind of wrong bit.
import { GPU } from 'gpu.js';
import { expect } from 'vitest';
import { KERNELS, kernelNamed, runsOn } from '../../src/spec/kernels.ts';
import { resolveSpec, parseTile, type SpecRequest } from '../../src/spec/resolve.ts';
import type { AdapterTraits, Spec, Tile } from '../../src/spec/spec.ts';
import { fillOperand, MATRIX } from '../../src/spec/operands.ts';
import { POISON_BITS } from '../../src/verify/exact.ts';
import { twinOf } from '../support/twin.ts';
import { gpuTest } from './page-client.ts';

const bitsOf = (values: Float32Array): number[] => [...new Uint32Array(values.buffer)];

for (const kind of ['exact', 'normal', 'half'] as const)
  gpuTest(`${kind} operands: the same bits as on the host`, async (page) => {
    for (const [index, shape] of [{ m: 3, n: 5, k: 2051 }, { m: 70, n: 1025, k: 9 }].entries()) {
      const spec = await resolveSpec({ ...shape, devices: 4, operands: kind === 'exact' ? 'exact' : 'normal', seed: 0xfffffff0 + index });
      for (const device of [0, 3]) {
        const { a, b } = await page.evaluate((s, d, h) => window.tilewireTest.operands(s, d, h), spec, device, kind === 'half');
        const common = { kind, seed: spec.seed, device, range: 4 };
        expect(a).toEqual(bitsOf(fillOperand({ ...common, matrix: MATRIX.a, rows: shape.m, columns: shape.k })));
        expect(b).toEqual(bitsOf(fillOperand({ ...common, matrix: MATRIX.b, rows: shape.k, columns: shape.n })));
      }
    }
  });

/** Seeded, so that a failure can be run again: shapes that no tile divides, tiles that the kernel takes, now and then splits of K. */
function shapes(kernelName: string, count: number): (SpecRequest & { readonly m: number; readonly n: number; readonly k: number })[] {
  let state = 12_345;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const taken = (texts: string[]): Tile[] => texts.map(parseTile).filter((tile) => kernelNamed(kernelName)!.tileProblem(tile) === undefined);
  // Large ones take the adapter's compiler a second.
  const small = taken(['8x8x2', '16x12x3', '24x4x16', '2x6x1', '8x16x4', '4x24x4', '16x8x8', '1x24x4', '3x8x8', '4x16x32', '16x16x16']);
  const large = taken(['32x28x2', '64x32x8', '4x76x4', '32x16x16', '64x64x16', '16x24x8', '16x32x16', '5x40x32', '32x32x16']);
  return Array.from({ length: count }, (_, index) => ({
    m: 1 + below(75),
    n: 1 + below(75),
    k: 1 + below(60),
    devices: 1,
    kernelName,
    tile: index % 16 === 0 ? large[below(large.length)] : small[below(small.length)],
    splits: Math.max(1, below(6) - 2),
    seed: index,
  }));
}

/** Hundreds of kernels to compile, on a machine that may be busy. */
const LONG_MS = 900_000;

const columns = (flat: Float32Array, width: number): number[][] => Array.from({ length: flat.length / width }, (_, row) => [...flat.subarray(row * width, (row + 1) * width)]);

/** The kernel of a Spec where this adapter runs it, otherwise its twin in f32. */
const runnable = (spec: Spec & { kernel: { kind: 'built-in' } }, traits: AdapterTraits): Spec => (runsOn(kernelNamed(spec.kernel.name)!, traits) ? spec : { ...spec, kernel: twinOf(spec.kernel, spec.gemm) });

for (const { name, needs, halves } of KERNELS)
  gpuTest(`${name} is exact over 200 random shapes, tiles and splits${halves ? ', or its twin in f32 is, where the adapter has no f16 or no matrices' : ''}; gpu.js, an independent implementation, agrees on some`, async (page, { traits }) => {
    if (!halves) expect(needs.every((need) => traits[need]), 'this adapter runs it').toBe(true);
    const gpu = new GPU({ mode: 'cpu' });
    for (const [index, request] of shapes(name, 200).entries()) {
      const { m, n, k } = request;
      const spec = await resolveSpec(request);
      const operand = (matrix: 0 | 1, rows: number, width: number): Float32Array => fillOperand({ kind: 'exact', seed: spec.seed, device: 0, matrix, range: 4, rows, columns: width });
      const [a, b] = [operand(MATRIX.a, m, k), operand(MATRIX.b, k, n)];
      const expected = Array.from({ length: m * n }, (_, at) => {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += a[Math.floor(at / n) * k + i] * b[i * n + (at % n)];
        return sum;
      });
      expect(await page.evaluate((s) => window.tilewireTest.gemm(s), runnable(spec, traits)), JSON.stringify(request)).toEqual(expected);
      if (index >= 8) continue;
      const multiply = gpu.createKernel(
        function multiply(this: { thread: { x: number; y: number }; constants: { k: number } }, a: number[][], b: number[][]) {
          let sum = 0;
          for (let i = 0; i < this.constants.k; i++) sum += a[this.thread.y][i] * b[i][this.thread.x];
          return sum;
        },
        { output: [n, m], constants: { k }, precision: 'single' },
      );
      expect((multiply(columns(a, k), columns(b, n)) as Float32Array[]).flatMap((row) => [...row])).toEqual(expected);
      multiply.destroy();
    }
    await gpu.destroy();
  }, LONG_MS);

gpuTest('the probe finds the footprint that the lane layout promises', async (page, { traits }) => {
  for (const request of KERNELS.flatMap(({ name }) => shapes(name, 8)))
    for (const wavefront of [64, 8]) {
      const spec = await resolveSpec({ ...request, wavefront });
      const { probed, known } = await page.evaluate((s, promised) => window.tilewireTest.probe(s, promised), runnable(spec, traits), spec);
      expect(probed, JSON.stringify({ request, wavefront })).toEqual(known);
    }
});

gpuTest('compare counts every kind of wrong bits, and only those', async (page) => {
  for (const chunk of ['rows', 'columns'] as const) {
    const spec = await resolveSpec({ m: 9, n: 14, k: 1, devices: 4, chunk });
    const reference = bitsOf(Float32Array.from({ length: 9 * 14 }, (_, at) => at - 60));
    const verdict = (result: number[], against = reference): Promise<{ compared: number; wrong: number; maxError: number | null }> => page.evaluate((s, r, f) => window.tilewireTest.compare(s, r, f), spec, result, against);
    const changed = (at: number, bits: number): number[] => reference.map((value, index) => (index === at ? bits >>> 0 : value));
    expect(await verdict(reference)).toEqual({ compared: 9 * 14, wrong: 0, maxError: 0 });
    expect(await verdict(changed(60, 0x80000000))).toEqual({ compared: 9 * 14, wrong: 0, maxError: 0 }); // −0 where 0 is expected
    expect(await verdict(changed(125, bitsOf(Float32Array.of(67))[0]))).toEqual({ compared: 9 * 14, wrong: 1, maxError: 2 });
    expect(await verdict(changed(0, reference[0] + 1))).toMatchObject({ wrong: 1 }); // one unit in the last place
    for (const bits of [POISON_BITS, 0x7f800000, 0xff800000, 0xffc00000]) {
      expect(await verdict(changed(37, bits))).toMatchObject({ wrong: 1, maxError: null });
      expect(await verdict(changed(37, bits), changed(37, bits))).toMatchObject({ wrong: 1 }); // expected or not
    }
    expect(await verdict(reference.map(() => POISON_BITS))).toMatchObject({ wrong: 9 * 14 });
  }
});

gpuTest('a shader that does not compile is refused at its line', async (page) => {
  const message = await page.evaluate((code) => window.tilewireTest.compile(code), '@compute @workgroup_size(1)\nfn main() {\n  let a = undeclared;\n}');
  expect(message).toContain('line 3');
  expect(message).toContain('BAD_KERNEL');
});

gpuTest('gemm-quad is refused where the lanes of a quad are no consecutive local indices, by what a kernel on the adapter finds', async (page, facts) => {
  const spec = await resolveSpec({ m: 16, n: 64, k: 8, devices: 2, kernelName: 'gemm-quad' });
  const refused = await page.evaluate((of) => window.tilewireTest.quadless(of), spec);
  expect(refused).toMatchObject({ code: 'NO_FEATURE', fields: { path: '--kernel-name', actual: expect.stringContaining('quads') } });
  // The same spec, its quads left as they are.
  const { report } = await page.evaluate((of) => window.tilewireTest.groups(of, false), spec);
  if (facts.traits.quads) expect(report.failures).toEqual([]);
});
