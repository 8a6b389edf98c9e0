// GEMMs as instrumented, on a CPU interpreter that sees races: memories and counters must be right. Also seen red: the same
// text with one defect must be caught.
import { describe, expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import type { Chunk } from '../../src/plan/tiling.ts';
import { instrument, INSTRUMENTED_ENTRY } from '../../src/gpu/instrument.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import type { Where } from '../../src/gpu/tracked-text.ts';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { kernelNamed } from '../../src/spec/kernels.ts';
import type { GemmShape, Tile } from '../../src/spec/spec.ts';
import { broken, CLEAN, INTERPRETED, lockstep, operand, product, records, watchConsole } from './lockstep.ts';

watchConsole();

// An output of 7 × 10 in tiles of 4 × 4: 2 × 3 workgroups, of which chunk 1 (rows 3..5, columns 3..8) straddles some. Chunks
// of columns that do not reach from the first row to the last are what those of a batch look like.
const SHAPE: GemmShape = { m: 7, n: 10, k: 3 };
const TILE: Tile = { m: 4, n: 4, k: 2 };
const WAVEFRONT = 2;
const CHUNKS = {
  rows: [{ row: 0, rows: 3, column: 0, columns: 10 }, { row: 3, rows: 3, column: 0, columns: 10 }],
  columns: [{ row: 0, rows: 7, column: 0, columns: 3 }, { row: 0, rows: 7, column: 3, columns: 6 }],
  'columns of a batch': [{ row: 0, rows: 3, column: 3, columns: 6 }, { row: 3, rows: 4, column: 3, columns: 6 }],
} as const;
type Cut = keyof typeof CHUNKS;
/** As CHUNKS, to the edge of C or beyond what the tiles reach. */
const ORDERED = { rows: [CHUNKS.rows[0], { row: 3, rows: 4, column: 0, columns: 10 }], columns: CHUNKS.columns } as const;
/** Three, of which no tile touches all. */
const THREE = {
  rows: [CHUNKS.rows[0], { row: 3, rows: 2, column: 0, columns: 10 }, { row: 5, rows: 2, column: 0, columns: 10 }],
  columns: [CHUNKS.columns[0], { row: 0, rows: 7, column: 3, columns: 4 }, { row: 0, rows: 7, column: 7, columns: 3 }],
} as const;
/** So many that stores are counted in another way where memories are joint. */
const MANY = {
  rows: [0, 1, 2, 3, 4].map((row) => ({ row, rows: row === 4 ? 3 : 1, column: 0, columns: 10 })),
  columns: [0, 1, 3, 4, 5, 7].map((column, at, all) => ({ row: 0, rows: 7, column, columns: (all[at + 1] ?? 10) - column })),
} as const;
/** Two that hold whole tiles. */
const WHOLE: Readonly<Record<Cut, Rectangle>> = { rows: { row: 0, rows: 4, column: 0, columns: 10 }, columns: { row: 0, rows: 7, column: 0, columns: 8 }, 'columns of a batch': { row: 0, rows: 4, column: 4, columns: 4 } };

interface Entry {
  readonly workgroup: number;
  /** Of each slot: the counter of the part's first wavefront, and the op bit. */
  readonly slots: readonly { readonly counter: number; readonly update: number }[];
}

type Rectangle = Omit<Chunk, 'elements'>;

interface Dispatched {
  readonly name: string;
  readonly cut: Cut;
  readonly op: 'store' | 'mixed';
  readonly where: Where;
  readonly chunks: readonly Rectangle[];
  readonly order: readonly Entry[];
  readonly muted?: number | 'all';
  /** Chunk memories are ranges of one buffer. */
  readonly joint?: boolean;
}

/** Elements between joint memories: no one's. */
const GAP = 5;

/**
 * In the interpreter a `var<private>` is one variable for all invocations. So each becomes an array in workgroup memory,
 * an element per lane (which the race check watches as well), reset where the invocation begins. A bool becomes a u32:
 * the interpreter gives an array of bools a stride of 0, and takes a u32 for a condition.
 */
function lowerPrivate(code: string, lanes: number): string {
  let text = code;
  const resets: string[] = [];
  for (const [declaration, name] of code.matchAll(/var<private> (tw_\w+): (?:u32|bool);/g)) {
    text = text.replace(declaration!, '').replace(new RegExp(`\\b${name}\\b`, 'g'), `${name}[lane]`).replace('struct TwEntry', `var<workgroup> ${name}: array<u32, ${lanes}>;\nstruct TwEntry`);
    resets.push(`${name}[lane] = 0u;`);
  }
  for (const [declaration, name, length] of code.matchAll(/var<private> (tw_\w+): array<u32, (\d+)>;/g)) {
    text = text.replace(declaration!, '').replaceAll(`${name}[`, `${name}[${length}u * lane + `).replace('struct TwEntry', `var<workgroup> ${name}: array<u32, ${Number(length) * lanes}>;\nstruct TwEntry`);
    for (let at = 0; at < Number(length); at++) resets.push(`${name}[${length}u * lane + ${at}u] = 0u;`);
  }
  return text
    .replace('fn tw_store(', 'fn tw_store(lane: u32, ')
    .replaceAll(/(?<!fn )tw_store\(/g, 'tw_store(lane, ')
    .replace('fn tw_begin(group: vec3u, lane: u32) {', (head) => `${head} ${resets.join(' ')}`);
}

function tracked({ name, cut, op, where, chunks, order, muted, joint = false }: Dispatched, outputSpace = SHADERS.outputSpace) {
  const kernel = kernelNamed(name)!;
  const plain = specialise(KERNEL_SOURCES[name]!, kernel.constantsFor(SHAPE, TILE)).code;
  const space = specialise(outputSpace, {
    SLOTS: chunks.length,
    JOINT: joint ? 1 : 0,
    MIXED: op === 'mixed' ? 1 : 0,
    DENSE: cut === 'rows' ? 1 : 0,
    BY_ROWS: cut === 'rows' ? 1 : 0,
    WHERE: { one: 0, ordered: 1, masked: 2 }[where],
    MUTED: muted === undefined ? 0 : muted === 'all' ? 2 : 1,
    TW_MUTED: typeof muted === 'number' ? muted : 0,
    TW_PITCH: SHAPE.n,
    TW_WAVEFRONT: WAVEFRONT,
  }).code;
  const workgroupSize = kernel.workgroupSize(TILE);
  const lanes = workgroupSize[0] * workgroupSize[1];
  const code = instrument(plain, { entry: 'main', output: 'c', operands: ['a', 'b'], workgroupSize, grid: kernel.grid(SHAPE, TILE), elements: SHAPE.m * SHAPE.n, space });

  const a = operand(SHAPE.m * SHAPE.k, 1);
  const b = operand(SHAPE.k * SHAPE.n, 3);
  const sizes = chunks.map(({ rows, columns }) => rows * columns);
  // The last comes first, so that a place may be less than its index, or more.
  const begin = sizes.map((_, slot) => GAP + sizes.slice(slot + 1).reduce((sum, size) => sum + size + GAP, 0));
  const whole = Float32Array.from({ length: begin[0]! + sizes[0]! + GAP }, (_, at) => 1000 + at);
  const memories = sizes.map((size, slot) => (joint ? whole.subarray(begin[slot]!, begin[slot]! + size) : Float32Array.from({ length: size }, (_, at) => 1000 * (slot + 1) + at)));
  const gaps = (): number[] => [...whole].filter((_, at) => !joint || begin.every((from, slot) => at < from || at >= from + sizes[slot]!));
  const counters = new Uint32Array(256).fill(7);
  const expected = { memories: memories.map((memory) => [...memory]), gaps: gaps(), counters: [...counters] };
  const exact = product(SHAPE, a, b);
  for (const { workgroup, slots } of order) {
    if (muted === 'all' || muted === workgroup) continue;
    const columns = kernel.grid(SHAPE, TILE)[0];
    for (let lane = 0; lane < lanes; lane++) {
      for (const rectangle of kernel.laneRectangles(TILE, lane)) for (let r = 0; r < rectangle.rows; r++)
        for (let s = 0; s < rectangle.columns; s++) {
          const row = Math.floor(workgroup / columns) * TILE.m + rectangle.row + r;
          const column = (workgroup % columns) * TILE.n + rectangle.column + s;
          if (row >= SHAPE.m || column >= SHAPE.n) continue;
          chunks.forEach((chunk, slot) => {
            if (row < chunk.row || row >= chunk.row + chunk.rows || column < chunk.column || column >= chunk.column + chunk.columns) return;
            const place = (row - chunk.row) * chunk.columns + column - chunk.column;
            const update = op === 'mixed' && slots[slot]!.update === 1;
            expected.memories[slot]![place] = (update ? expected.memories[slot]![place]! : 0) + exact[row * SHAPE.n + column]!;
            expected.counters[slots[slot]!.counter + Math.floor(lane / WAVEFRONT)]! += 1;
          });
        }
    }
  }

  const entries = order.map(({ workgroup, slots }) => ({ workgroup, ...Object.fromEntries(slots.flatMap(({ counter, update }, slot) => [[`counter${slot}`, counter], [`update${slot}`, update], ...(joint ? [[`first${slot}`, begin[slot]!] as const] : [])])) }));
  const rectangles = Object.fromEntries(chunks.flatMap((chunk, slot) => (['row', 'rows', 'column', 'columns'] as const).map((field) => [`${field}${slot}`, chunk[field]])));
  const bindings = { 0: records(code, 'TwEntry', entries), 1: counters, 2: { uniform: records(code, 'TwSlots', [rectangles]) }, ...Object.fromEntries((joint ? [whole] : memories).map((memory, slot) => [slot + 3, memory])) };
  const found = lockstep(lowerPrivate(code, lanes), INSTRUMENTED_ENTRY, [order.length, 1, 1], { 0: { 0: a, 1: b }, 1: bindings });
  return { found, actual: { memories: memories.map((memory) => [...memory]), gaps: gaps(), counters: [...counters] }, expected };
}

/** Virtual workgroups in no order; no two parts share a counter. */
const orderOf = (workgroups: readonly number[], slots: number): Entry[] =>
  workgroups.map((workgroup, at) => ({ workgroup, slots: Array.from({ length: slots }, (_, slot) => ({ counter: 8 * (at + 3 * slot), update: (at + slot) % 2 })) }));

/** Workgroups of the 2 × 3 grid: 0 and 3 lie in columns 0..3, 1 and 4 in 4..7, 2 and 5 in 8..9; 0, 1 and 2 in rows 0..3. */
const DISPATCHES = (['rows', 'columns', 'columns of a batch'] as const).flatMap((cut) =>
  (['store', 'mixed'] as const).flatMap((op): Omit<Dispatched, 'name'>[] => [
    { cut, op, where: 'one', chunks: [WHOLE[cut]], order: orderOf(cut === 'columns of a batch' ? [1] : [1, 0], 1) },
    { cut, op, where: 'masked', chunks: [CHUNKS[cut][1]], order: orderOf(cut === 'rows' ? [4, 1] : [5, 0], 1) },
    { cut, op, where: 'masked', chunks: CHUNKS[cut], order: orderOf(cut === 'rows' ? [2, 0, 1] : [3, 0], 2) },
    // Tiles of which each element lies in one of the chunks, and these lie along the axis.
    ...(cut === 'columns of a batch'
      ? []
      : [
          { cut, op, where: 'ordered' as const, chunks: ORDERED[cut], order: orderOf(cut === 'rows' ? [3, 0, 5] : [3, 0], 2) },
          { cut, op, where: 'ordered' as const, chunks: THREE[cut], order: orderOf([4, 2, 0], 3) },
          { cut, op, where: 'ordered' as const, chunks: MANY[cut], order: orderOf([0, 5, 2], MANY[cut].length) },
        ]),
  ]),
).flatMap((dispatch) => [{ ...dispatch, joint: false }, { ...dispatch, joint: true }]);

describe.each(INTERPRETED.filter((name) => kernelNamed(name)!.tileProblem(TILE) === undefined))('%s, instrumented', (name) => {
  test.each(DISPATCHES)('$cut, $op, $chunks.length chunks bound, $where, joint $joint: memories and counters are right', (dispatch) => {
    const { found, actual, expected } = tracked({ name, ...dispatch });
    expect(found).toEqual(CLEAN);
    expect(actual).toEqual(expected);
    expect(actual.counters.some((count) => count !== 7)).toBe(true);
  });

  test.each([0, 'all'] as const)('workgroup %s muted: it stores nothing and counts nothing', (muted) => {
    const { found, actual, expected } = tracked({ name, cut: 'columns', op: 'mixed', where: 'masked', chunks: CHUNKS.columns, order: orderOf([3, 0], 2), muted });
    expect(found).toEqual(CLEAN);
    expect(actual).toEqual(expected);
  });
});

describe('instrumented, red', () => {
  const batch: Dispatched = { name: 'gemm-register', cut: 'columns of a batch', op: 'mixed', where: 'masked', chunks: [CHUNKS['columns of a batch'][1]], order: orderOf([5, 0], 1) };
  const straddling: Dispatched = { name: 'gemm-register', cut: 'columns', op: 'mixed', where: 'masked', chunks: CHUNKS.columns, order: orderOf([3, 0], 2) };

  test('two invocations that update one place', () => {
    const source = SHADERS.outputSpace.replaceAll('[place]', '[place / 4u]');
    expect(source).not.toBe(SHADERS.outputSpace);
    expect(tracked(straddling, source).found.races.length).toBeGreaterThan(0);
  });

  test.each([
    ['counters', 'a counter that knows no wavefronts', ' + lane / TW_WAVEFRONT], tw_landed$p', '], tw_landed$p'],
    ['counters', 'a count that misses stores', 'tw_update$p);\n    tw_landed$p += 1u;', 'tw_update$p);\n    tw_landed$p = 1u;'],
    ['memories', 'a place that forgets where the chunk begins', 'tw_slots.row$p * tw_slots.columns$p + tw_slots.column$p;', 'tw_slots.row$p * tw_slots.columns$p;'],
    ['memories', 'an op bit that is turned round', '.update$p != 0u', '.update$p == 0u'],
  ] as const)('%s: %s', (what, _, from, to) => {
    const { actual, expected } = tracked(straddling, broken(SHADERS.outputSpace, from, to));
    expect(actual[what]).not.toEqual(expected[what]);
  });

  // A place behind the end of the chunk is more than the interpreter takes. The text itself must be one that it reads.
  const isWrong = (dispatch: Dispatched, source: string): void => {
    let outcome: unknown = 'right';
    try {
      const { actual, expected } = tracked(dispatch, source);
      expect(actual).toEqual(expected);
    } catch (error) {
      outcome = error instanceof TilewireError ? error.message : 'wrong';
    }
    expect(outcome).toBe('wrong');
  };

  test.each([
    ['a guard that knows no rows', 'row - tw_row$p < tw_rows$p && ', ''],
    ['a place that counts rows from the first matrix', 'base$p = tw_slots.row$p * tw_slots.columns$p + ', 'base$p = '],
    ['a place that takes the output for the chunk', 'place = index - row * tw_gap$p - tw_base$p;', 'place = index - tw_base$p;'],
  ] as const)('columns of a batch: %s', (_, from, to) => isWrong(batch, broken(SHADERS.outputSpace, from, to)));

  test.each([
    ['rows', 'a base that stays the first', 'base = select(base, tw_base$(q + 1), is$(q + 1));', ''],
    ['columns', 'a base that stays the first', 'base = select(base, tw_base$(q + 1), is$(q + 1));', ''],
    ['columns', 'a gap that stays the first', 'gap = select(gap, tw_gap$(q + 1), is$(q + 1));', ''],
    ['rows', 'an op bit that stays the first', 'update = select(update, tw_update$(q + 1), is$(q + 1));', ''],
    ['columns', 'an op bit that stays the first', 'update = select(update, tw_update$(q + 1), is$(q + 1));', ''],
    ['rows', 'a chunk that begins an element late', 'along >= tw_from', 'along > tw_from'],
    ['columns', 'a chunk that begins an element late', 'along >= tw_from', 'along > tw_from'],
    ['rows', 'chunks that begin where rows do', 'tw_from$p = base$p;', 'tw_from$p = tw_slots.row$p;'],
    ['columns', 'chunks that begin at their first row', 'tw_from$p = tw_slots.column$p;', 'tw_from$p = tw_slots.row$p;'],
  ] as const)('chunks of %s in order: %s', (cut, _, from, to) => {
    const order = orderOf([4, 2, 0], 3);
    for (const joint of [false, true]) isWrong({ name: 'gemm-register', cut, op: 'mixed', where: 'ordered', chunks: THREE[cut], order, joint }, broken(SHADERS.outputSpace, from, to));
  });

  test.each([
    ['a chunk that counts what lies behind it as well', 'tw_landed$p -= tw_landed$(p + 1);', ''],
    ['counts that are taken off the wrong way round', 'tw_landed$p -= tw_landed$(p + 1);', 'tw_landed$(SLOTS - 2 - p) -= tw_landed$(SLOTS - 1 - p);'],
    ['a memory that begins with the buffer', ' - tw_order[group.x].first$p', ''],
    ['a store where there is an update', 'select(value, sum, update)', 'value'],
    ['an update where there is a store', 'select(value, sum, update)', 'sum'],
  ] as const)('in one buffer: %s', (_, from, to) => isWrong({ name: 'gemm-register', cut: 'columns', op: 'mixed', where: 'ordered', chunks: THREE.columns, order: orderOf([4, 2, 0], 3), joint: true }, broken(SHADERS.outputSpace, from, to)));

  test.each([
    ['a slot that stays the first', 'slot = select(slot, $(q + 1)u, is$(q + 1));', ''],
    ['a count that misses stores', 'tw_counts[slot] += 1u;', 'tw_counts[slot] = 1u;'],
    ['counts of the next chunk', 'tw_landed$p = tw_counts[$(p)u];', 'tw_landed$p = tw_counts[$(SLOTS - 1 - p)u];'],
  ] as const)('many in one buffer: %s', (_, from, to) => isWrong({ name: 'gemm-register', cut: 'columns', op: 'mixed', where: 'ordered', chunks: MANY.columns, order: orderOf([0, 5, 2], MANY.columns.length), joint: true }, broken(SHADERS.outputSpace, from, to)));

  test('whole rows: a guard that takes a row for an element', () => {
    const dispatch: Dispatched = { name: 'gemm-register', cut: 'rows', op: 'mixed', where: 'masked', chunks: CHUNKS.rows, order: orderOf([2, 0, 1], 2) };
    isWrong(dispatch, broken(SHADERS.outputSpace, 'tw_size$p = tw_slots.rows$p * TW_PITCH;', 'tw_size$p = tw_slots.rows$p;'));
  });
});
