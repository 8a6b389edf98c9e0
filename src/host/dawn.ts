// Node's own WebGPU, npm `webgpu` (Dawn), in the place where a browser has its: the constants of WebGPU as globals, and
// `navigator.gpu`. A driver that crashes takes the process with it, so this belongs into a child of its own.
import os from 'node:os';
import { TilewireError } from '../errors.ts';

/** @throws NO_BACKEND when the package is not installed, or has no binary that this system can load */
export async function provideWebGpu(): Promise<void> {
  const dawn = await import('webgpu').catch((error: unknown) => {
    throw noDawn(error instanceof Error ? error.message : String(error));
  });
  Object.assign(globalThis, dawn.globals);
  napBetweenPolls();
  // Node has a navigator since version 21.
  const place = (globalThis.navigator as Navigator | undefined) ?? { hardwareConcurrency: os.availableParallelism() };
  // Timestamps are rounded on the web, where a page could learn from them what is not its business.
  Object.defineProperty(place, 'gpu', { value: dawn.create(['disable-dawn-features=timestamp_quantization', 'enable-dawn-features=allow_unsafe_apis']) });
  if (globalThis.navigator === undefined) Object.defineProperty(globalThis, 'navigator', { value: place });
}

export function noDawn(actual: string): TilewireError {
  return new TilewireError('NO_BACKEND', "Node's WebGPU cannot be loaded", {
    path: '--backend node',
    actual: actual.split('\n')[0],
    fix: 'install the optional dependency (`npm install webgpu@0.6.2`; it has binaries for Linux, macOS and Windows on x64 and arm64), or use --backend chrome',
  });
}

const NAP_MS = 0.25;

/**
 * Dawn asks for finished work in one `setImmediate` after the other for as long as it owes a promise. That keeps a core busy, which
 * a software adapter needs itself; so this thread, which has nothing else to do then, sleeps before each poll of native code.
 */
function napBetweenPolls(): void {
  const { setImmediate } = globalThis;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  const napping = (callback: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
    if (!isNative(callback)) return setImmediate(callback, ...args);
    return setImmediate(() => {
      Atomics.wait(nobody, 0, 0, NAP_MS);
      callback(...args);
    });
  };
  globalThis.setImmediate = Object.defineProperties(napping, Object.getOwnPropertyDescriptors(setImmediate)) as typeof setImmediate;
}

const isNative = (callback: unknown): boolean => Function.prototype.toString.call(callback).includes('[native code]');
