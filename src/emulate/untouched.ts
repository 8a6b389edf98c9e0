// The kernel without tracking: its whole GEMM in one dispatch. A split-K kernel stores to the same C from every split, so it
// takes one dispatch a split, and their partial products are summed.
import type { Gemm } from '../gpu/gemm.ts';
import type { Arena, Gpu } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import type { OperandBuffers } from './operands.ts';

/** Encodes the untouched GEMM of these operands into `output` (batch·m·ldc elements); `grid` where not all of it is to run. */
export type Untouched = (pass: GPUComputePassEncoder, operands: OperandBuffers, output: GPUBuffer, grid?: readonly [number, number, number]) => void;

/** Elements of the kernel's output binding. */
export const outputElements = ({ text: { batch, pitch }, shape: { m } }: Gemm): number => batch * m * pitch;

/** @param oneSplit of split-K, only the first */
export async function untouched(gpu: Gpu, arena: Arena, gemm: Gemm, { oneSplit = false } = {}): Promise<Untouched> {
  const { text: { output: name, splits: { axis, count } } } = gemm;
  if (count === 1) {
    const plain = await gemm.plain();
    return (pass, operands, output, grid = gemm.grid) => {
      pass.setPipeline(plain.pipeline);
      gemm.bind(plain, operands, { [name]: output }).forEach((group, index) => pass.setBindGroup(index, group));
      pass.dispatchWorkgroups(...grid);
    };
  }
  const [split, accumulate] = await Promise.all([gemm.split(), gpu.kernel('accumulate', SHADERS.accumulate)]);
  const partial = oneSplit ? null : arena.storage('partial product', outputElements(gemm) * 4);
  const numbers = Array.from({ length: oneSplit ? 1 : count }, (_, number) => arena.words(`split ${number}`, Uint32Array.of(number), GPUBufferUsage.UNIFORM));
  return (pass, operands, output, grid = gemm.grid) => {
    const groups = grid.map((size, at) => (at === axis ? 1 : size)) as [number, number, number];
    numbers.forEach((number, at) => {
      pass.setPipeline(split.pipeline);
      gemm.bind(split, operands, { tw_output: at === 0 ? output : partial!, tw_split: number }).forEach((group, index) => pass.setBindGroup(index, group));
      pass.dispatchWorkgroups(...groups);
      if (partial === null || at === 0) return;
      pass.setPipeline(accumulate.pipeline);
      pass.setBindGroup(0, gpu.bind(accumulate, 0, { partial, sum: output }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil(outputElements(gemm) / 64)));
    });
  };
}
