// The exact reference: the whole product, summed over devices, by a plain kernel of another structure than the one
// under test, from operands generated anew. In exact mode every sum is exact in any order, so bits must agree.
import { Gemm } from '../gpu/gemm.ts';
import { Arena, type Gpu } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { KERNELS } from '../spec/kernels.ts';
import type { Spec } from '../spec/spec.ts';
import { bug } from '../errors.ts';
import type { OperandSource } from './operands.ts';

/** @returns Σ over devices of A_d·B_d, m × n f32, row-major, in a buffer of `arena` */
export async function exactReference(gpu: Gpu, arena: Arena, spec: Spec, operands: OperandSource, progress: (done: number) => void): Promise<GPUBuffer> {
  const { gemm: { m, n, k }, kernel } = spec;
  const other = KERNELS.find(({ name }) => name !== kernel.name);
  if (other === undefined) throw bug('no second kernel to check the first one with');
  const reference = new Gemm(gpu, other.name, spec.gemm, other.tileFor(spec.gemm, 'columns', [n]), spec.wavefront);
  const plain = await reference.plain();
  const accumulate = await gpu.kernel('accumulate', SHADERS.accumulate);
  const scratch = new Arena(gpu);
  try {
    const sum = arena.storage('reference', m * n * 4);
    const partial = scratch.storage('reference partial', m * n * 4);
    const inputs = { a: scratch.storage('reference A', m * k * 4), b: scratch.storage('reference B', k * n * 4) };
    for (let device = 0; device < spec.devices; device++) {
      operands.fill(device, inputs);
      const encoder = gpu.device.createCommandEncoder({ label: `reference of device ${device}` });
      const pass = encoder.beginComputePass();
      pass.setPipeline(plain.pipeline);
      pass.setBindGroup(0, gpu.bind(plain, 0, { ...inputs, c: partial }));
      pass.dispatchWorkgroups(...reference.grid);
      pass.setPipeline(accumulate.pipeline);
      pass.setBindGroup(0, gpu.bind(accumulate, 0, { partial, sum }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil((m * n) / 64)));
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      await gpu.idle();
      progress(device + 1);
    }
    return sum;
  } finally {
    scratch.destroy();
  }
}
