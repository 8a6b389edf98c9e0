// Element types that operand files hold, and how they become f32. Widening is exact and works on bits: no
// value passes through a JavaScript number, so NaN payloads and signed zeros survive. The host is taken to
// be little-endian, like every machine that Node and a WebGPU browser run on.

export type ElementType = 'f32' | 'f16' | 'bf16';

export const BYTES_OF: Readonly<Record<ElementType, number>> = { f32: 4, f16: 2, bf16: 2 };

let halves: Uint32Array | undefined;

/** Bits of the f32 that each of the 65,536 half-precision patterns stands for. */
function halfTable(): Uint32Array {
  if (halves) return halves;
  halves = new Uint32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) halves[half] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent > 0) halves[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    else if (fraction > 0) {
      // Subnormal halves are normal floats: the leading one moves into the hidden place.
      const shift = Math.clz32(fraction) - 21;
      halves[half] = sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
    } else halves[half] = sign;
  }
  return halves;
}

/** Reverses the bytes of every element in place. */
export function swapBytes(bytes: Uint8Array, type: ElementType): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (BYTES_OF[type] === 4) view.swap32();
  else view.swap16();
}

/** f32 bits of the first `count` elements of `bytes`, which start on a multiple of 4. */
export function widen(bytes: Uint8Array, type: ElementType, count: number, bits: Uint32Array): void {
  if (type === 'f32') {
    bits.set(new Uint32Array(bytes.buffer, bytes.byteOffset, count));
    return;
  }
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  if (type === 'bf16') {
    for (let i = 0; i < count; i++) bits[i] = words[i]! << 16;
    return;
  }
  const table = halfTable();
  for (let i = 0; i < count; i++) bits[i] = table[words[i]!]!;
}
