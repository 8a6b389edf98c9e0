// The exact reference: the whole product, summed over devices, by a plain kernel of another structure and another
// arithmetic than those under test (shaders/reference.wgsl), from operands generated anew. In exact mode every sum is
// exact in any order, so bits must agree.
import { bug } from '../errors.ts';
import { Arena, type Gpu, type Kernel } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { specialise } from '../gpu/specialise.ts';
import { depthOf } from '../spec/chunks.ts';
import type { Spec } from '../spec/spec.ts';
import { operandBuffers, PLAIN_OPERANDS, type OperandSource } from './operands.ts';

/** Per invocation 2·PAIRS × COLUMNS elements, LANES × LANES invocations. */
const PAIRS = 8;
const COLUMNS = 8;
const LANES = 4;
/** Two sums share one f32 as long as the lower one stays below half of 4096. */
const LARGEST_SUM = 2047;

/** @returns Σ over devices of A_d·B_d, batch·m × n f32, row-major, in a buffer of `arena` */
export async function exactReference(gpu: Gpu, arena: Arena, spec: Spec, batch: number, operands: OperandSource, progress: (done: number) => void): Promise<GPUBuffer> {
  const { gemm: { m, n } } = spec;
  if (spec.operands.kind !== 'exact') throw bug('an exact reference of operands that are not exact');
  const flush = Math.floor(LARGEST_SUM / spec.operands.range ** 2);
  const plainFor = (k: number): Promise<Kernel> => gpu.kernel('reference', specialise(SHADERS.reference, { M: m, N: n, K: k, FLUSH_K: flush, THREAD_PAIRS: PAIRS, THREAD_N: COLUMNS, LANES_X: LANES, LANES_Y: LANES }).code);
  const accumulate = await gpu.kernel('accumulate', SHADERS.accumulate);
  const scratch = new Arena(gpu);
  try {
    const reference = arena.storage('reference', batch * m * n * 4);
    const sum = batch === 1 ? reference : scratch.storage('reference of one matrix', m * n * 4);
    const partial = scratch.storage('reference partial', m * n * 4);
    const inputs = operandBuffers(scratch, spec, PLAIN_OPERANDS);
    for (let step = 0; step < batch * spec.devices; step++) {
      const matrix = Math.floor(step / spec.devices);
      const device = step % spec.devices;
      const plain = await plainFor(depthOf(spec, device));
      operands.fill(device, inputs, batch === 1 ? {} : { matrix });
      const encoder = gpu.device.createCommandEncoder({ label: `reference of device ${device}` });
      const pass = encoder.beginComputePass();
      pass.setPipeline(plain.pipeline);
      pass.setBindGroup(0, gpu.bind(plain, 0, { a: inputs.a, b: inputs.b, c: partial }));
      pass.dispatchWorkgroups(Math.ceil(n / (LANES * COLUMNS)), Math.ceil(m / (LANES * 2 * PAIRS)));
      pass.setPipeline(accumulate.pipeline);
      pass.setBindGroup(0, gpu.bind(accumulate, 0, { partial, sum }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil((m * n) / 64)));
      pass.end();
      if (batch > 1 && device === spec.devices - 1) {
        encoder.copyBufferToBuffer(sum, 0, reference, matrix * m * n * 4, m * n * 4);
        encoder.clearBuffer(sum);
      }
      gpu.device.queue.submit([encoder.finish()]);
      await gpu.idle();
      progress(device + 1);
    }
    return reference;
  } finally {
    scratch.destroy();
  }
}
