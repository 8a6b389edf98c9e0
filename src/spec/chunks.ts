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
/** Stages of a whole run: of all devices, in all steps. A stage is a dispatch and a pass, tens of microseconds on any adapter, however little it computes. */
const MOST_STAGES = 4096;

/** Stages that a step has by default, at most. @param steps in which a device has tiles: fewer than there are devices where each tile reaches over several chunks */
export const stagesPerStep = (devices: number, steps = devices): number => Math.max(1, Math.min(STAGES_PER_STEP, Math.floor(MOST_STAGES / (devices * steps))));

/** Workgroups per dimension of one dispatch that every WebGPU adapter takes, and so the largest stage. */
export const MAX_STAGE_TILES = 65535;

/**
 * Tiles per stage by default, where the largest chunk has `tiles`: as few as make no more stages than are aimed at, or one more, for an
 * even number, where that makes no fewer: on two cores, or four, fewer of them then wait for an odd one at the end of each stage.
 * @param steps as of `stagesPerStep`
 */
export function defaultStageTiles(tiles: number, devices: number, steps = devices): number {
  const least = Math.max(1, Math.ceil(tiles / stagesPerStep(devices, steps)));
  const even = least + (least % 2);
  return Math.min(MAX_STAGE_TILES, even <= tiles && Math.ceil(tiles / even) === Math.ceil(tiles / least) ? even : least);
}
