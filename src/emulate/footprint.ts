// The footprint of a Spec's kernel on this GPU: the untouched kernel compiled first, so that a compiler's message is about
// the user's own text, then probed with two sets of operands, those of another seed and the Spec's own.
import type { Gemm, GemmInputs } from '../gpu/gemm.ts';
import { Arena, type Gpu } from '../gpu/gpu.ts';
import { probeFootprint } from '../gpu/probe.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { EpilogueValues } from './epilogue.ts';
import { differs, Gemms } from './gemms.ts';
import { laidOut, operandBuffers, operandSource, type OperandSource } from './operands.ts';

/** @param fill operands as the kernel wants them laid out @param epilogue what its epilogue reads: any values will do */
export async function probedFootprint(gpu: Gpu, gemms: Gemms, fill: OperandSource['fill'], epilogue: GemmInputs['epilogue'], spec: SpecDraft): Promise<Footprint> {
  const [first, ...others] = gemms.distinct;
  const footprint = await probed(gpu, first, 0, fill, epilogue, spec);
  for (const gemm of others) {
    const device = spec.devices - 1;
    const other = await probed(gpu, gemm, device, fill, epilogue, spec);
    const at = footprint.owner.findIndex((owner, index) => owner !== other.owner[index]);
    if (at >= 0) throw differs(spec, `row ${Math.floor(at / footprint.n)}, column ${at % footprint.n} is stored by another wavefront on device ${device}`);
    const split = footprint.twins.findIndex((twin, index) => twin.some((workgroup, tile) => workgroup !== other.twins[index][tile]));
    if (split >= 0) throw differs(spec, `split ${split + 1} stores by other workgroups on device ${device}`);
  }
  return footprint;
}

async function probed(gpu: Gpu, gemm: Gemm, device: number, fill: OperandSource['fill'], epilogue: GemmInputs['epilogue'], spec: SpecDraft): Promise<Footprint> {
  const arena = new Arena(gpu);
  try {
    await gemm.plain();
    const inputs = { ...operandBuffers(arena, spec, gemm.text, device), epilogue };
    return await probeFootprint(gemm, (run) => {
      fill(device, inputs, run === 0 ? { seed: (spec.seed ^ 0x5bd1e995) >>> 0 } : {});
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
    const gemms = new Gemms(gpu, arena, spec);
    const operands = await operandSource(gpu, arena, spec, gemms.text);
    const epilogue = await new EpilogueValues(spec, gemms.text).bindings(gpu, arena);
    return await probedFootprint(gpu, gemms, await laidOut(gpu, arena, operands, gemms.text, spec), epilogue(), spec);
  } finally {
    arena.destroy();
  }
}
