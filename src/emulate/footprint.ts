// The footprint of a Spec's kernel on this GPU: the untouched kernel compiled first, so that a compiler's message is about
// the user's own text, then probed with two sets of operands, those of another seed and the Spec's own.
import { Gemm } from '../gpu/gemm.ts';
import { Arena, type Gpu } from '../gpu/gpu.ts';
import { probeFootprint } from '../gpu/probe.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { laidOut, operandSource, type OperandSource } from './operands.ts';

/** @param fill operands as the kernel wants them laid out */
export async function probedFootprint(gpu: Gpu, gemm: Gemm, fill: OperandSource['fill'], spec: SpecDraft): Promise<Footprint> {
  const { m, n, k } = spec.gemm;
  const arena = new Arena(gpu);
  try {
    await gemm.plain();
    const inputs = { a: arena.storage('probe A', m * k * 4), b: arena.storage('probe B', k * n * 4) };
    return await probeFootprint(gemm, (run) => {
      fill(0, inputs, ...(run === 0 ? [(spec.seed ^ 0x5bd1e995) >>> 0] : []));
      return inputs;
    });
  } finally {
    arena.destroy();
  }
}

/** The footprint alone, of a Spec whose operands nobody has made; it does not depend on them. */
export async function probeSpec(gpu: Gpu, spec: SpecDraft): Promise<Footprint> {
  const arena = new Arena(gpu);
  try {
    const gemm = new Gemm(gpu, arena, spec.kernel, spec.gemm, spec.wavefront);
    const operands = await operandSource(gpu, arena, spec);
    return await probedFootprint(gpu, gemm, await laidOut(gpu, arena, operands, gemm.text.layout, spec.gemm), spec);
  } finally {
    arena.destroy();
  }
}
