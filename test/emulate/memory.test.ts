// What is known of a run's memory before a GPU is asked.
import { expect, test } from 'vitest';
import { leastMemory } from '../../src/emulate/memory.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
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
