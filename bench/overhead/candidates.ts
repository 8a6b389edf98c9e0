// Which kernels at which tiles are worth a try for a shape. Pure, so that a test can look at the list.
import { bug, TilewireError } from '../../src/errors.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { chunkSizes } from '../../src/spec/chunks.ts';
import { kernelHash } from '../../src/spec/kernel-sources.ts';
import { KERNELS } from '../../src/spec/kernels.ts';
import type { ChunkAxis, GemmShape, KernelChoice, Tile } from '../../src/spec/spec.ts';

export type BuiltIn = Extract<KernelChoice, { kind: 'built-in' }>;

export const sizeOf = ({ m, n, k }: Tile | GemmShape): string => `${m}x${n}x${k}`;
export const nameOf = ({ name, tile }: Pick<BuiltIn, 'name' | 'tile'>): string => `${name} ${sizeOf(tile)}`;

/** Sizes of tiles besides the kernels' own defaults. */
const ROWS = [8, 16, 32, 64];
const COLUMNS = [16, 28, 32, 56, 64];

/** Of the tiles that a kernel's own description puts first. */
const WORTH_TRYING = 6;

/**
 * Every kernel that computes f32 from operands as they are, at its defaults first (whole, and cut into chunks either way), then
 * at a grid of tiles. By kernel, so that one which is far off can be left early.
 * @param most of each kernel
 */
export async function candidatesFor(shape: GemmShape, devices: number, most = Infinity): Promise<BuiltIn[][]> {
  const lists: BuiltIn[][] = [];
  for (const kernel of KERNELS) {
    const hash = await kernelHash(kernel.name);
    if (hash === undefined) throw bug(`no text of ${kernel.name}`);
    const choices = new Map<string, BuiltIn>();
    const add = (find: () => Tile): void => {
      try {
        const tile = find();
        const choice: BuiltIn = { kind: 'built-in', name: kernel.name, hash, tile, splits: 1 };
        if (kernel.tileProblem(tile) === undefined && isPlain(choice, shape)) choices.set(sizeOf(tile), choice);
      } catch (error) {
        // It does not take this shape or tile.
        if (!(error instanceof TilewireError)) throw error;
      }
    };
    const defaultOf = (axis: ChunkAxis, parts: number): Tile => kernel.tileFor(shape, axis, chunkSizes(axis === 'rows' ? shape.m : shape.n, parts));
    add(() => defaultOf('rows', 1));
    add(() => defaultOf('columns', devices));
    add(() => defaultOf('rows', devices));
    for (const tile of kernel.tilesWorthTrying(shape, 'columns', chunkSizes(shape.n, devices)).slice(0, WORTH_TRYING)) add(() => tile);
    const [{ tile: { k } } = { tile: { k: 1 } }] = choices.values();
    for (const m of ROWS) for (const n of COLUMNS) add(() => ({ m, n, k }));
    if (choices.size > 0) lists.push([...choices.values()].slice(0, most));
  }
  return lists;
}

/** Operands that are generated once serve all candidates. */
function isPlain(choice: BuiltIn, shape: GemmShape): boolean {
  const { layout, halves, batch, pitch } = kernelText(choice, shape);
  return layout === 'nn' && !halves.a && !halves.b && batch === 1 && pitch === shape.n;
}
