// Chunks of t3.md: the output is cut along one dimension into one range per device, whose lengths differ by
// at most one. The first (length mod devices) chunks are one longer; with fewer rows (columns) than devices
// the last chunks are empty. Everything here is O(1) per chunk and pure.

export interface Range {
  readonly start: number;
  /** Elements along the chunked dimension; 0 for an empty chunk. */
  readonly length: number;
}

/** Range of chunk `j` (0 ≤ j < devices) of a dimension of `length` elements. */
export function chunkRange(length: number, devices: number, j: number): Range {
  const short = Math.floor(length / devices);
  const longer = length % devices;
  return { start: j * short + Math.min(j, longer), length: short + (j < longer ? 1 : 0) };
}

/** Lengths of all `devices` chunks; they sum to `length`. */
export function chunkSizes(length: number, devices: number): number[] {
  return Array.from({ length: devices }, (_, j) => chunkRange(length, devices, j).length);
}

/** The chunk that holds `index` (0 ≤ index < length). */
export function chunkOf(length: number, devices: number, index: number): number {
  const short = Math.floor(length / devices);
  const longer = length % devices;
  const firstShort = longer * (short + 1);
  return index < firstShort ? Math.floor(index / (short + 1)) : longer + Math.floor((index - firstShort) / short);
}
