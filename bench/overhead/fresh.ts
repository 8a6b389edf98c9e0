// A GPU device of its own for one measurement: it compiles everything anew, and its memory is its own.
import { Gpu } from '../../src/gpu/gpu.ts';

/** @throws GPU_ERROR when the device refused something meanwhile */
export async function onFreshDevice<T>(work: (gpu: Gpu) => Promise<T>): Promise<T> {
  const gpu = await Gpu.open(navigator.gpu);
  try {
    const value = await work(gpu);
    gpu.check();
    return value;
  } finally {
    gpu.device.destroy();
  }
}
