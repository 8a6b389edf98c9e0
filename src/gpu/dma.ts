// The kernels of the emulated DMA engine and near-memory unit, for the adapter at hand: a processor that plays the GPU does
// best with few lanes a workgroup, a GPU wants no less than its own wavefronts.
import { isSoftware, type Gpu, type Kernel } from './gpu.ts';
import { structLayout } from './reflect.ts';
import { SHADERS } from './shaders.ts';
import { specialise } from './specialise.ts';

const LANES = { software: 16, hardware: 32 } as const;
/** Buffers that the near-memory unit binds besides chunk memories; transfers bind one less. */
const OTHERS = 4;
/** On SwiftShader more save nothing that can be measured: each item runs the code of every slot once, masked. */
const MOST_SLOTS = 3;

export interface DmaKernels {
  readonly transfer: Kernel;
  readonly nmc: Kernel;
}

/** Of either kernel: an item is one record of both. */
export const ITEM = structLayout(specialise(SHADERS.nmc, { SLOTS: 1 }).code, 'Item');

/** @param slots chunk memories that a dispatch binds */
export async function dmaKernels(gpu: Gpu, slots = 1): Promise<DmaKernels> {
  const lanes = LANES[isSoftware(gpu) ? 'software' : 'hardware'];
  const compiled = (name: 'transfer' | 'nmc'): Promise<Kernel> => gpu.kernel(slots === 1 ? name : `${name}, ${slots} slots`, specialise(SHADERS[name], { LANES: lanes, SLOTS: slots }).code);
  const [transfer, nmc] = await Promise.all([compiled('transfer'), compiled('nmc')]);
  return { transfer, nmc };
}

/** Chunk memories that a dispatch of the host's serves: as many as it can bind where devices are served together, else one. */
export const slotsOf = (gpu: Gpu): number => (areTogether(gpu) ? Math.max(1, Math.min(MOST_SLOTS, gpu.limits.maxStorageBuffersPerShaderStage - OTHERS)) : 1);

/**
 * Whether what all devices send, and what all apply, is one pass. On software adapters, which run dispatches one by one: a pass costs them
 * more than what is in it. A GPU may run dispatches of one pass side by side; there each device has its own, which says how long its own took.
 */
export const areTogether = isSoftware;
