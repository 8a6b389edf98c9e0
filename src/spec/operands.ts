// Operand values as a pure function of (seed, device, matrix, row, column): what A_d and B_d hold. The twin of
// shaders/operands.wgsl: the same bits on every CPU and GPU, so data is generated where it is used and
// regenerated where it is checked. Integer operations only; `normal` ends in one f32 multiplication, which is
// exactly rounded wherever the GPU rounds to nearest.

/** Which operand: its number is part of the hash, so A and B of one device differ. */
export const MATRIX = { a: 0, b: 1 } as const;
/** The generator's `kind` in the shader's parameters. */
export const KIND = { exact: 0, normal: 1, half: 2 } as const;

export interface OperandStream {
  /** u32. */
  readonly seed: number;
  readonly device: number;
  readonly matrix: (typeof MATRIX)[keyof typeof MATRIX];
}

export interface OperandFill extends OperandStream {
  readonly kind: keyof typeof KIND;
  /** Largest magnitude of an exact value, 1..128 (beyond that the shader's arithmetic is not exact; a Spec's is at most 4); ignored for the others. */
  readonly range: number;
  readonly rows: number;
  readonly columns: number;
  /** Row of the operand that row 0 of the result stands for; 0 unless given. */
  readonly firstRow?: number;
}

/** √3 / 65536 in f32: 1 / σ of the sum of four uniforms on 0..65535 (σ² = 4·(65536² − 1)/12). */
export const NORMAL_SCALE = Math.fround(Math.sqrt(3) / 65536);
/** Mean of that sum. */
const NORMAL_MEAN = 131070;

/** `lowbias32` (C. Wellons, hash-prospector): a bijection of u32 with avalanche bias 0.17; u32 in, u32 out. */
export function mix(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Key of one operand of one device. For one seed all keys differ, for `mix` is a bijection. */
export function streamKey({ seed, device, matrix }: OperandStream): number {
  return mix(mix((seed + 0x9e3779b9) | 0) ^ (device * 2 + matrix));
}

/** First word of a row's key: where the row's walk through the hash begins. */
function rowStart(key: number, row: number): number {
  return mix((key + row) | 0);
}

/**
 * Second word of a row's key. 32 bits alone would let two of a million rows hold the same (or a shifted) sequence:
 * birthdays come early. Two words do not.
 */
function rowTwist(key: number, row: number): number {
  return mix(key ^ mix(row ^ 0x85ebca6b));
}

/** Hash of a column, given its row's two words: `mix` of a Weyl sequence, with the twist between its two multiplications. */
function columnHash(start: number, twist: number, column: number): number {
  let h = (start + Math.imul(column, 0x9e3779b1)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d) ^ twist;
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The u32 behind the element at (row, column). */
export function elementHash(stream: OperandStream, row: number, column: number): number {
  const key = streamKey(stream);
  return columnHash(rowStart(key, row), rowTwist(key, row), column);
}

/** Uniform on −range..range without 0 (up to 2^−16, from 16 bits of `hash`); an exact integer. */
export function exactValue(hash: number, range: number): number {
  const v = (((hash >>> 16) * (range * 2)) >>> 16) - range;
  return v < 0 ? v : v + 1;
}

/** Near-normal, mean 0, σ 1, within ±2√3: Irwin–Hall of four 16-bit uniforms from `hash` and one more round of it; an f32. */
export function normalValue(hash: number): number {
  const other = mix(hash ^ 0x68e31da4);
  const sum = (hash & 0xffff) + (hash >>> 16) + (other & 0xffff) + (other >>> 16);
  return Math.fround((sum - NORMAL_MEAN) * NORMAL_SCALE);
}

/** `kind: half`: the same rounded to f16, for kernels that take their operands so. */
export const halfValue = (hash: number): number => roundToHalf(normalValue(hash));

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The nearest f16, ties to even; 0 for what is below the normal f16, 2^−14. In bits, so that a shader can do the same. Infinite from 65520 on. */
export function roundToHalf(value: number): number {
  float[0] = value;
  const magnitude = word[0] & 0x7fffffff;
  if (magnitude < 0x38800000) return 0;
  word[0] = (word[0] + 0xfff + ((word[0] >>> 13) & 1)) & ~0x1fff;
  return Math.abs(float[0]) > 65_504 ? Math.sign(value) * Infinity : float[0];
}

/** The element at (row, column) of one operand; an f32. */
export function operandValue(kind: keyof typeof KIND, range: number, stream: OperandStream, row: number, column: number): number {
  const hash = elementHash(stream, row, column);
  return kind === 'exact' ? exactValue(hash, range) : kind === 'normal' ? normalValue(hash) : halfValue(hash);
}

/** A whole operand (or `rows` rows of it from `firstRow`): rows × columns, row-major. Writes into `out` if given. */
export function fillOperand(fill: OperandFill, out = new Float32Array(fill.rows * fill.columns)): Float32Array {
  const { kind, range, rows, columns, firstRow = 0 } = fill;
  const key = streamKey(fill);
  let at = 0;
  for (let row = firstRow; row < firstRow + rows; row++) {
    const start = rowStart(key, row);
    const twist = rowTwist(key, row);
    if (kind === 'exact') {
      for (let column = 0; column < columns; column++) out[at++] = exactValue(columnHash(start, twist, column), range);
    } else {
      const value = kind === 'normal' ? normalValue : halfValue;
      for (let column = 0; column < columns; column++) out[at++] = value(columnHash(start, twist, column));
    }
  }
  return out;
}
