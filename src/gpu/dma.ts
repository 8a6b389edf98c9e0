// The kernels of the emulated DMA engine and near-memory unit, for the adapter at hand: a processor that plays the GPU does
// best with few lanes a workgroup, a GPU wants no less than its own wavefronts.
import type { Gpu, Kernel } from './gpu.ts';
import { SHADERS } from './shaders.ts';
import { specialise } from './specialise.ts';

const LANES = { software: 16, hardware: 32 } as const;

export interface DmaKernels {
  readonly transfer: Kernel;
  readonly nmc: Kernel;
}

export async function dmaKernels(gpu: Gpu): Promise<DmaKernels> {
  const lanes = LANES[gpu.adapter.info.isFallbackAdapter ? 'software' : 'hardware'];
  const compiled = (name: 'transfer' | 'nmc'): Promise<Kernel> => gpu.kernel(name, specialise(SHADERS[name], { LANES: lanes }).code);
  const [transfer, nmc] = await Promise.all([compiled('transfer'), compiled('nmc')]);
  return { transfer, nmc };
}
