// What is known of a run's memory before a GPU is asked.
import { describe, expect, test } from 'vitest';
import { estimateMemory, leastMemory, reachOf } from '../../src/emulate/memory.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';

test('a kernel that takes f16 has operands of half the bytes, whether it is built in or not; chunks stay f32', async () => {
  const request = { m: 64, n: 96, k: 32, devices: 4 };
  const of = async (kernelName: string): Promise<readonly number[]> => leastMemory(await resolveSpec({ ...request, kernelName })).parts.map(({ bytes }) => bytes);
  const [operands, chunks] = await of('gemm-vector');
  expect(operands).toBe((64 + 96) * 128 * 4);
  for (const name of ['gemm-half', 'gemm-matrix']) expect(await of(name)).toEqual([operands / 2, chunks]);
});

test('a built-in kernel says which operands it takes as f16', async () => {
  const halves = async (kernelName: string): Promise<object> => {
    const { kernel, gemm } = await resolveSpec({ m: 64, n: 96, k: 32, devices: 4, kernelName });
    return kernelText(kernel, gemm).halves;
  };
  expect(await halves('gemm-vector')).toEqual({ a: false, b: false });
  for (const name of ['gemm-half', 'gemm-matrix']) expect(await halves(name)).toEqual({ a: true, b: true });
});

describe('how a dispatch reaches the chunk memories', async () => {
  // Of 1024 bytes each; a device of a ring has all of C but the chunk that it stores to its neighbour.
  const spec = await resolveSpec({ m: 64, n: 16, k: 8, devices: 4, chunk: 'rows', kernelName: 'gemm-register', tile: { m: 32, n: 16, k: 4 } });
  const plan = planOf(spec, builtInFootprint(spec));
  const bytes = 4 * 3 * 1024;
  const gpuOf = (isFallbackAdapter: boolean, most: number, mostBound = most): Gpu => ({ adapter: { info: { isFallbackAdapter } }, limits: { maxBufferSize: most, maxStorageBufferBindingSize: mostBound } }) as Gpu;

  test('on a software adapter through one binding, to more chunks than it could bind', () => {
    const reach = reachOf({ gpu: gpuOf(true, bytes), maxSlots: 3 }, plan);
    expect(reach.joint).toBe(true);
    expect(reach.maxSlots).toBeGreaterThan(32);
  });

  test('where they are too large for one buffer or one binding, and on a GPU, each by itself', () => {
    for (const gpu of [gpuOf(true, bytes - 1), gpuOf(true, bytes, bytes - 1), gpuOf(false, 2 ** 30)]) expect(reachOf({ gpu, maxSlots: 3 }, plan)).toEqual({ joint: false, maxSlots: 3 });
  });

  test('the estimate has what the joint ones lie apart for', () => {
    const text = kernelText(spec.kernel, spec.gemm);
    const totalOf = (joint: boolean, maxSlots: number): number => estimateMemory(spec, plan, false, { joint, maxSlots, text }, 'full').total;
    expect(totalOf(true, 3) - totalOf(false, 3)).toBeGreaterThan(0);
    expect(totalOf(true, 3) - totalOf(false, 3)).toBeLessThanOrEqual(12 * 256);
  });
});
