// The kernels of the emulated DMA engine and near-memory unit, for the adapter at hand: a processor that plays the GPU does
// best with few lanes a workgroup, a GPU wants no less than its own wavefronts.
import { isSoftware, type Gpu, type Kernel } from './gpu.ts';
import { structLayout } from './reflect.ts';
import { SHADERS } from './shaders.ts';
import { specialise } from './specialise.ts';

const LANES = { software: 16, hardware: 32 } as const;

export interface DmaKernels {
  readonly transfer: Kernel;
  readonly nmc: Kernel;
}

/** Of either kernel: an item is one record of both. */
export const ITEM = structLayout(specialise(SHADERS.nmc, {}).code, 'Item');

export async function dmaKernels(gpu: Gpu): Promise<DmaKernels> {
  const lanes = LANES[isSoftware(gpu) ? 'software' : 'hardware'];
  const compiled = (name: 'transfer' | 'nmc'): Promise<Kernel> => gpu.kernel(name, specialise(SHADERS[name], { LANES: lanes }).code);
  const [transfer, nmc] = await Promise.all([compiled('transfer'), compiled('nmc')]);
  return { transfer, nmc };
}

/**
 * Whether what all devices send, and what all apply, is one pass. On software adapters, which run dispatches one by one: a pass costs them
 * more than what is in it. A GPU may run dispatches of one pass side by side; there each device has its own, which says how long its own took.
 */
export const areTogether = isSoftware;
