// Operand files written byte by byte from the formats' descriptions, not with the code that reads them, and
// the values that they hold by formulas of their own.

/** Value of a half from its meaning: sign, exponent, fraction. */
export function halfValue(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) % 32;
  const fraction = bits % 1024;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return exponent === 0 ? sign * 2 ** -14 * (fraction / 1024) : sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** Bits of small integers as halves: exact up to 2048. */
export function halfBits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return (value < 0 ? 0x8000 : 0) + (exponent + 15) * 1024 + (Math.abs(value) / 2 ** exponent - 1) * 1024;
}

export type Stored = 'f4' | 'f2' | 'bf16';

/** Integers, exact in every type up to 256. */
export function valueBytes(values: readonly number[], type: Stored, littleEndian = true): Uint8Array {
  const size = type === 'f4' ? 4 : 2;
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (type === 'f4') view.setFloat32(i * size, value, littleEndian);
    else if (type === 'f2') view.setUint16(i * size, halfBits(value), littleEndian);
    else {
      const wide = new DataView(new ArrayBuffer(4));
      wide.setFloat32(0, value);
      view.setUint16(i * size, wide.getUint16(0), littleEndian);
    }
  });
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** As the format prescribes: the header padded with spaces to a multiple of 64, a newline last. */
export function npyBytes(dict: string, values: Uint8Array, version = 1): Uint8Array {
  const prefix = version === 1 ? 10 : 12;
  const length = Math.ceil((prefix + dict.length + 1) / 64) * 64 - prefix;
  const lengthBytes = version === 1 ? [length % 256, length >> 8] : [length % 256, (length >> 8) % 256, (length >> 16) % 256, length >>> 24];
  const head = new Uint8Array([0x93, ...ascii('NUMPY'), version, 0, ...lengthBytes]);
  return concat(head, ascii(dict.padEnd(length - 1) + '\n'), values);
}

export const dict = (descr: string, shape: string, fortran = 'False'): string => `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

export interface Tensor {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Header length as eight bytes, the header as it is, the data. */
export function safetensorsBytes(header: unknown, data: Uint8Array): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = new Uint8Array(Buffer.from(text));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, json.length, true);
  return concat(length, json, data);
}

/** 1, 2, 3, … of a rows × columns matrix. */
export const counting = (rows: number, columns: number): number[] => Array.from({ length: rows * columns }, (_, i) => i + 1);

/** One file with a tensor of every kind that is read, and some that are not; 7 columns, so that nothing is round. */
export function sampleSafetensors(): Uint8Array {
  return safetensorsBytes(
    {
      __metadata__: { format: 'pt' },
      wide: { dtype: 'F32', shape: [3, 7], data_offsets: [0, 84] },
      'layers.0.down.weight': { dtype: 'F16', shape: [5, 7], data_offsets: [84, 154] },
      bias: { dtype: 'F32', shape: [3], data_offsets: [182, 194] },
      'layers.1.down.weight': { dtype: 'BF16', shape: [2, 7], data_offsets: [154, 182] },
      experts: { dtype: 'F16', shape: [1, 2, 3], data_offsets: [194, 206] },
      mask: { dtype: 'BOOL', shape: [1, 3], data_offsets: [206, 209] },
      nothing: { dtype: 'F32', shape: [0, 4], data_offsets: [209, 209] },
    },
    concat(valueBytes(counting(3, 7), 'f4'), valueBytes(counting(5, 7), 'f2'), valueBytes(counting(2, 7), 'bf16'), new Uint8Array(12 + 12 + 3)),
  );
}
