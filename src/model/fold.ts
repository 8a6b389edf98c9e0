// Folding: devices whose Plans are the same but for a shift of the chunks do the same at the same time, so that simulating the first
// `period` of them is enough: what device d sends to device t is what reaches device t mod period from its image. Most
// Plans of equal chunks have period 1; where tiles straddle chunks in a pattern of two, it is 2.
import type { Plan } from '../plan/plan.ts';

export class Fold {
  readonly #chunkParts: Int32Array;
  readonly #partChunk: Int32Array;
  readonly #wavefronts: number;

  constructor(
    readonly devices: number,
    /** Devices that are simulated. */
    readonly period: number,
    { tiling }: Pick<Plan, 'tiling'>,
  ) {
    this.#chunkParts = tiling.chunkParts;
    this.#partChunk = tiling.partChunk;
    this.#wavefronts = tiling.wavefronts;
  }

  /** Who receives in the stead of `to`. */
  image(to: number): number {
    return to % this.period;
  }

  /** By how many devices an image stands from the one that it stands for. */
  shift(to: number): number {
    return this.period === this.devices ? 0 : (this.image(to) - to + this.devices) % this.devices;
  }

  /** The device whose doing `from`'s is when its receiver is the image of `to`. */
  sender(from: number, to: number): number {
    return (from + this.shift(to)) % this.devices;
  }

  piece(piece: number, to: number): number {
    const shift = this.shift(to);
    if (shift === 0) return piece;
    const part = Math.floor(piece / this.#wavefronts);
    const chunk = this.#partChunk[part];
    const moved = this.#chunkParts[(chunk + shift) % this.devices] + part - this.#chunkParts[chunk];
    return moved * this.#wavefronts + piece - part * this.#wavefronts;
  }
}

/**
 * The smallest period of a Plan, the number of devices where it has none: chunk j + period is cut as chunk j is, its tiles straddle
 * alike, and they lie alike in the grid.
 * @param places of each tile in the grid, `[2·tile]` row and `[2·tile + 1]` column
 */
export function periodOf({ devices, tiling }: Plan, places: Int32Array): number {
  if (tiling.chunks.length !== devices) return devices;
  for (let period = 1; period < devices; period++) {
    if (devices % period !== 0) continue;
    let same = true;
    for (let chunk = 0; same && chunk < devices; chunk++) same = alike(tiling, places, chunk, (chunk + period) % devices, devices);
    if (same) return period;
  }
  return devices;
}

function alike({ chunks, chunkParts, partTile, partChunk, tileParts, pieceElements, wavefronts }: Plan['tiling'], places: Int32Array, one: number, other: number, devices: number): boolean {
  const count = chunkParts[one + 1] - chunkParts[one];
  if (chunks[one].rows !== chunks[other].rows || chunks[one].columns !== chunks[other].columns || chunkParts[other + 1] - chunkParts[other] !== count) return false;
  if (count === 0) return true;
  const shift = other - one;
  const rows = places[2 * partTile[chunkParts[other]]] - places[2 * partTile[chunkParts[one]]];
  const columns = places[2 * partTile[chunkParts[other]] + 1] - places[2 * partTile[chunkParts[one]] + 1];
  for (let at = 0; at < count; at++) {
    const mine = chunkParts[one] + at;
    const its = chunkParts[other] + at;
    const [tile, twin] = [partTile[mine], partTile[its]];
    if (places[2 * twin] - places[2 * tile] !== rows || places[2 * twin + 1] - places[2 * tile + 1] !== columns) return false;
    for (let wavefront = 0; wavefront < wavefronts; wavefront++) if (pieceElements[mine * wavefronts + wavefront] !== pieceElements[its * wavefronts + wavefront]) return false;
    if (tileParts[tile].length !== tileParts[twin].length) return false;
    for (const [index, part] of tileParts[tile].entries()) {
      const chunk = (partChunk[part] + shift + devices) % devices;
      const partner = tileParts[twin].find((candidate) => partChunk[candidate] === chunk);
      if (partner === undefined || partner - chunkParts[chunk] !== part - chunkParts[partChunk[part]]) return false;
      if (index > 0 && partChunk[part] === partChunk[tileParts[tile][index - 1]]) return false;
    }
  }
  return true;
}
