// How far the numbers of a shape go. What is emulated is bounded by 32-bit indices of its buffers and by the devices that one GPU can
// hold; what is only modelled has no buffers, and ends where a host's time and memory do, which the model's commands
// look after.

export interface Scope {
  /** What is done with the devices, for errors. */
  readonly verb: string;
  /** Devices, and so the largest TP. */
  readonly devices: number;
  /** Of m, n and k. */
  readonly size: number;
  /** Of A, B and C each. */
  readonly elements: number;
  /** Operations over all devices, 2·m·n·K: what a report counts exactly. */
  readonly operations: number;
}

const U32_MAX = 2 ** 32 - 1;

export const EMULATED: Scope = { verb: 'emulate', devices: 64, size: U32_MAX, elements: U32_MAX, operations: Number.MAX_SAFE_INTEGER };
export const MODELLED: Scope = { verb: 'model', devices: 1024, size: Number.MAX_SAFE_INTEGER, elements: Infinity, operations: Infinity };
