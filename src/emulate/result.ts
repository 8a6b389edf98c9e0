// The result of a reduce-scatter, gathered from its owners, and what is said of an element that is wrong.
import { readBack, type Gpu, type Range } from '../gpu/gpu.ts';
import type { Plan } from '../plan/plan.ts';
import { chunkAt } from '../plan/tiling.ts';
import type { Algorithm } from '../spec/spec.ts';
import type { WrongElement } from '../verify/run-report.ts';
import { bitsWrong } from '../verify/exact.ts';
import { explain } from '../verify/provenance.ts';

/** The owners' chunks put together: bits of the m × n result, row-major. */
export async function gather(gpu: Gpu, { tiling }: Plan, owned: (chunk: number) => Range): Promise<Uint32Array<ArrayBuffer>> {
  const result = new Uint32Array(tiling.m * tiling.n);
  for (const [j, chunk] of tiling.chunks.entries()) {
    if (chunk.elements === 0) continue;
    const { buffer, offset, size } = owned(j);
    const bits = await readBack(gpu, buffer, size, offset);
    for (let row = 0; row < chunk.rows; row++) result.set(bits.subarray(row * chunk.columns, (row + 1) * chunk.columns), (chunk.row + row) * tiling.n + chunk.column);
  }
  return result;
}

export interface Suspect {
  readonly row: number;
  readonly column: number;
  readonly expected: number;
  readonly bits: number;
  /** What rounding may leave: 0 in exact mode. */
  readonly tolerance: number;
}

/** The wrong elements of an exact comparison, row-major, at most `most`. */
export function suspectsOf(expected: Uint32Array, actual: Uint32Array, n: number, most: number): Suspect[] {
  const values = new Float32Array(expected.buffer, expected.byteOffset, expected.length);
  const suspects: Suspect[] = [];
  for (let at = 0; at < expected.length && suspects.length < most; at++)
    if (bitsWrong(expected[at], actual[at])) suspects.push({ row: Math.floor(at / n), column: at % n, expected: values[at], bits: actual[at], tolerance: 0 });
  return suspects;
}

/**
 * Names the owner, chunk and tile of each, and whose contribution explains it; elements of one tile are explained together.
 * @param partial float64 contribution of a device to an element
 */
export function describe(plan: Plan, algorithm: Algorithm, suspects: readonly Suspect[], partial: (device: number, row: number, column: number) => number): WrongElement[] {
  const { tiling, devices } = plan;
  const ids = Array.from({ length: devices }, (_, d) => d);
  const located = suspects.map((suspect) => {
    const chunk = chunkAt(tiling, suspect.row, suspect.column);
    return { ...suspect, chunk, tile: tileAt(plan, chunk, suspect.row, suspect.column), sample: { partials: ids.map((d) => partial(d, suspect.row, suspect.column)), bits: suspect.bits, tolerance: suspect.tolerance } };
  });
  return located.map(({ row, column, expected, bits, chunk, tile }) => {
    const chain = algorithm !== 'direct' ? ids.map((d) => ((chunk % devices) - 1 - d + 2 * devices) % devices) : [];
    const { missing, doubled } = explain(located.filter((other) => other.chunk === chunk && other.tile === tile).map(({ sample }) => sample), chain);
    return { row, column, device: chunk % devices, chunk, tile, expected, actual: valueOf(bits), missing, doubled };
  });
}

/** The tile that stores an element. */
function tileAt({ tiling }: Plan, chunk: number, row: number, column: number): number {
  const of = tiling.chunks[chunk];
  const dense = (row - of.row) * of.columns + column - of.column;
  for (let part = tiling.chunkParts[chunk]; part < tiling.chunkParts[chunk + 1]; part++)
    for (let run = tiling.pieceRuns[part * tiling.wavefronts]; run < tiling.pieceRuns[(part + 1) * tiling.wavefronts]; run++)
      if (dense >= tiling.runs[2 * run] && dense < tiling.runs[2 * run] + tiling.runs[2 * run + 1]) return tiling.partTile[part];
  return -1;
}

function valueOf(bits: number): number | string {
  const value = new Float32Array(Uint32Array.of(bits).buffer)[0];
  return Number.isFinite(value) ? value : `0x${bits.toString(16).padStart(8, '0')}`;
}
