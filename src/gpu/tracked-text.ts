// The texts that are made from a kernel's: tracked (by number of chunk slots and kind of op) and probing. The kernel's
// own lines come first and keep their order and number, what the instrumentation adds stands behind them; so every
// line of such a text, and what a compiler says about it, leads back to a line of the kernel's file.
import { TilewireError } from '../errors.ts';
import type { ChunkAxis, GemmShape } from '../spec/spec.ts';
import { instrument } from './instrument.ts';
import { namesOf, type KernelText } from './kernel-text.ts';
import { SHADERS } from './shaders.ts';
import type { ReadOperand } from './zeroed-reads.ts';
import { specialise } from './specialise.ts';

/** How the pieces of a dispatch are written: all stored, or by the op bit of each. */
export type Op = 'store' | 'mixed';

/** Where a store may go: to the one chunk; to one of several that lie one behind the other along the chunk axis; to any or to none of them. */
export type Where = 'one' | 'ordered' | 'masked';
const WHERE_NUMBER: Record<Where, number> = { one: 0, ordered: 1, masked: 2 };

export interface Variant {
  /** Chunks that the dispatch stores to. */
  readonly slots: number;
  /** Whether their memories are ranges of one buffer; else it binds one for each. */
  readonly joint?: boolean;
  readonly op: Op;
  readonly where: Where;
  /** A deliberate defect: this workgroup (or `all`) stores nothing. */
  readonly muted?: number | 'all';
}

export function trackedText(text: KernelText, shape: GemmShape, wavefront: number, axis: ChunkAxis, { slots, joint = false, op, where, muted }: Variant): string {
  return instrumented(text, shape, specialise(SHADERS.outputSpace, {
    SLOTS: slots,
    JOINT: joint ? 1 : 0,
    MIXED: op === 'mixed' ? 1 : 0,
    DENSE: axis === 'rows' && text.pitch === shape.n ? 1 : 0,
    BY_ROWS: axis === 'rows' ? 1 : 0,
    WHERE: WHERE_NUMBER[where],
    MUTED: muted === undefined ? 0 : muted === 'all' ? 2 : 1,
    TW_MUTED: typeof muted === 'number' ? muted : 0,
    TW_PITCH: text.pitch,
    TW_WAVEFRONT: wavefront,
  }).code);
}

export interface ProbeVariant {
  /** Marks of a word each instead of two: see the shader. */
  readonly packed?: boolean;
  /** Operands are read as zero. */
  readonly zeroed?: boolean;
}

export function probeText(text: KernelText, shape: GemmShape, wavefront: number, wavefronts: number, { packed = false, zeroed = false }: ProbeVariant = {}): string {
  const operands = zeroed ? text.facts.bindings.filter(({ name }) => [text.a, text.b].includes(name)) : [];
  return instrumented(text, shape, specialise(SHADERS.probeSpace, {
    PACKED: packed ? 1 : 0,
    DENSE: text.pitch === shape.n ? 1 : 0,
    TW_ROWS: text.batch * shape.m,
    TW_COLUMNS: shape.n,
    TW_PITCH: text.pitch,
    TW_SPLITS: text.splits.count,
    TW_SPLIT_AXIS: text.splits.axis,
    TW_WAVEFRONT: wavefront,
    TW_WAVEFRONTS: wavefronts,
    TW_GRID_X: text.grid[0],
    TW_GRID_Y: text.grid[1],
  }).code, operands);
}

/** One split of a kernel, its stores as they are: what an untouched dispatch would do if WebGPU let one begin at a workgroup. */
export function splitText(text: KernelText, shape: GemmShape): string {
  return instrumented(text, shape, specialise(SHADERS.splitSpace, { TW_SPLIT_AXIS: text.splits.axis, TW_GRID_X: text.grid[0], TW_GRID_Y: text.grid[1] }).code);
}

function instrumented(text: KernelText, { m }: GemmShape, space: string, zeroed: readonly ReadOperand[] = []): string {
  const { code, entry, a, b, output, grid, facts, batch, pitch, epilogue } = text;
  return atSourceLine(text, () => instrument(code, { entry, output, operands: [a, b, ...namesOf(epilogue)], zeroed, workgroupSize: facts.workgroupSize, grid, elements: batch * m * pitch, space: `${space}\n${SHADERS.vectorStores}` }));
}

/** Lines of such a text that are the kernel's own; the empty one behind its last line break is none. */
export const ownLines = ({ lineMap, source }: Pick<KernelText, 'lineMap' | 'source'>): number => lineMap.length - (source.endsWith('\n') ? 1 : 0);

/** The kernel file's line (1-based) of each line of a text that is or begins with the kernel's; null where tilewire wrote it. */
export function sourceLines(text: Pick<KernelText, 'lineMap' | 'source'>, code: string): (number | null)[] {
  const own = ownLines(text);
  return code.split('\n').map((_, at) => (at < own ? text.lineMap[at] : null));
}

type Sourced = Pick<KernelText, 'lineMap' | 'source' | 'name'>;

/** Does the work; a BAD_KERNEL that it throws names and quotes the line of the kernel's own file. */
export function atSourceLine<T>(text: Sourced, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toSourceLine(text, error);
  }
}

/** The same for work that goes on. */
export async function atSourceLineLater<T>(text: Sourced, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toSourceLine(text, error);
  }
}

function toSourceLine({ lineMap, source, name }: Sourced, error: unknown): unknown {
  if (!(error instanceof TilewireError) || error.code !== 'BAD_KERNEL') return error;
  const [, number] = /^line (\d+)$/.exec(error.fields.path ?? '') ?? [];
  // A compiler that knows no line says 0.
  if (number === undefined || number === '0') return error;
  const line = lineMap[Number(number) - 1];
  if (line === undefined) return new TilewireError('BAD_KERNEL', error.what, { ...error.fields, path: `line ${number} of the rewritten kernel, in what tilewire added`, fix: `see it: tilewire instrument ${name}` });
  return new TilewireError('BAD_KERNEL', error.what, { ...error.fields, path: `line ${line}`, actual: source.split('\n')[line - 1]?.trim() });
}
