// Chunks of t3.md, and slices of K: the output is cut along one dimension into one range per device, whose lengths differ by
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

/** k of one device: its share of K = `kTotal`, cut like an output. */
export const depthOf = ({ gemm: { kTotal }, devices }: { readonly gemm: { readonly kTotal: number }; readonly devices: number }, device: number): number => chunkRange(kTotal, devices, device).length;

/** Stages of a step that are aimed at: enough that a transfer can follow its tiles into later stages, few enough to keep them large. */
const STAGES_PER_STEP = 4;
/** Stages of a whole run, of which each device has as many steps as there are devices. A stage is a dispatch and a pass, tens of microseconds on any adapter, however little it computes. */
const MOST_STAGES = 4096;

/** Stages that a step has by default. */
export const stagesPerStep = (devices: number): number => Math.max(1, Math.min(STAGES_PER_STEP, Math.floor(MOST_STAGES / devices ** 2)));
