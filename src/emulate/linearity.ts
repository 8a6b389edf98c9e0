// Is the kernel linear in A? Only then is the sum over devices of what it computes what it would compute of the sum; an
// activation in it would be applied to each partial product by itself. Tried on a few workgroups of device 0 before a
// run: with -2 · A, and without bias and residual, all that is stored must be -2 times as large, exactly.
import { TilewireError } from '../errors.ts';
import type { Gemm } from '../gpu/gemm.ts';
import { Arena, readBack, type Gpu } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { readModule } from '../gpu/wgsl-tokens.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { poison } from './memory.ts';
import { operandBuffers, type OperandBuffers, type OperandSource } from './operands.ts';
import { outputElements, untouched } from './untouched.ts';

/** Workgroups along each axis of the grid that are tried. */
const TRIED = 2;
/** Far more than f16's roundings, far less than what an activation does to some element. */
const HALF_TOLERANCE = 0.02;

/**
 * Tries the kernel of device 0, once per kernel and shape like its footprint.
 * @param fill operands as the kernel wants them laid out @param zeros what its epilogue reads
 * @throws BAD_KERNEL naming an element
 */
export function checkLinear(gpu: Gpu, gemm: Gemm, fill: OperandSource['fill'], zeros: OperandBuffers['epilogue'], spec: SpecDraft): Promise<void> {
  return gpu.remember(`linear ${gemm.identity}`, () => tryLinear(gpu, gemm, fill, zeros, spec));
}

async function tryLinear(gpu: Gpu, gemm: Gemm, fillOperands: OperandSource['fill'], zeros: OperandBuffers['epilogue'], spec: SpecDraft): Promise<void> {
  const { text, shape: { m } } = gemm;
  const arena = new Arena(gpu);
  try {
    // A is scaled in place.
    const inputs = { ...operandBuffers(arena, spec, text), epilogue: zeros };
    fillOperands(0, inputs);
    const [fill, scale, compare, run] = await Promise.all([gpu.kernel('fill', SHADERS.fill), gpu.kernel('scale', SHADERS.scale), gpu.kernel('linear', SHADERS.linear), untouched(gpu, arena, gemm, { oneSplit: true })]);
    const outputs = ['once', 'twice'].map((name) => arena.storage(name, outputElements(gemm) * 4));
    const params = arena.words('factor', Uint32Array.of(new Uint32Array(Float32Array.of(-2).buffer)[0], Number(text.halves.a)), GPUBufferUsage.UNIFORM);
    const words = readModule(text.code).tokens;
    const tolerance = arena.words('tolerance', new Uint32Array(Float32Array.of(words.some((word) => word.text === 'f16') ? HALF_TOLERANCE : 0).buffer), GPUBufferUsage.UNIFORM);
    const verdict = arena.storage('verdict', 12);
    const tried = async (grid: readonly [number, number, number]): Promise<Uint32Array> => {
      poison(gpu, fill, outputs);
      gpu.device.queue.writeBuffer(verdict, 0, Uint32Array.of(0, 0, 0xffffffff));
      const encoder = gpu.device.createCommandEncoder({ label: 'linearity' });
      const pass = encoder.beginComputePass({ label: 'linearity' });
      run(pass, inputs, outputs[0], grid);
      pass.setPipeline(scale.pipeline);
      pass.setBindGroup(0, gpu.bind(scale, 0, { params, values: inputs.a }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil(inputs.a.size / 256)));
      run(pass, inputs, outputs[1], grid);
      pass.setPipeline(compare.pipeline);
      pass.setBindGroup(0, gpu.bind(compare, 0, { once: outputs[0], twice: outputs[1], verdict, tolerance }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil(outputElements(gemm) / 64)));
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      return readBack(gpu, verdict);
    };
    // A loop over the grid does all the work, however few workgroups there are; and the first ones may store nothing.
    const few = gemm.grid.map((size) => Math.min(size, TRIED)) as [number, number, number];
    let [compared, different, first] = await tried(words.some((word) => word.text === 'num_workgroups') ? gemm.grid : few);
    if (compared === 0) [compared, different, first] = await tried(gemm.grid);
    gpu.check();
    if (different === 0) return;
    const values = await Promise.all(outputs.map(async (output) => new Float32Array((await readBack(gpu, output, 4, first * 4)).buffer)[0]));
    throw new TilewireError('BAD_KERNEL', `the kernel is not linear in A: with -2·A it stores ${values[1]} at row ${Math.floor(first / text.pitch)}, column ${first % text.pitch}${text.batch > 1 ? ` (matrix ${Math.floor(first / text.pitch / m)})` : ''}, where it stored ${values[0]}. What it does to its partial product cannot be done before the sum over devices: f(x + y) is not f(x) + f(y)`, {
      actual: `${different} of ${compared} elements tried`,
      fix: 'store the plain product and apply an activation where the reduced result is read; a constant that it adds belongs into a bias binding, see "epilogue" of the bindings file',
    });
  } finally {
    arena.destroy();
  }
}
