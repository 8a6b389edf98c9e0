// The emulated DMA engine and near-memory unit alone, over hand-made run tables: copies are packed densely and touch
// nothing else, an update stores or adds by its op bit, counters count the elements of each piece.
import { expect } from 'vitest';
import { gpuTest } from './page-client.ts';

const MEMORY = 1500;
const LANDING = 1500;

type Run = readonly [start: number, length: number, count?: number, stride?: number];

interface Piece {
  /** Start and length in the chunk's memory; count and stride of what is more than one stretch. */
  readonly runs: readonly Run[];
  readonly counter: number;
  readonly update: 0 | 1;
}

// Runs of length 0, 1, around a row of lanes, odd, and long; the first and the last element of the memory. Several stretches: fewer than
// a turn of the loop takes, as many, more; side by side, and with gaps.
const PIECES: readonly Piece[] = [
  { runs: [[0, 1]], counter: 4, update: 0 },
  { runs: [[217, 3, 3, 5], [232, 2, 4, 2], [240, 5, 7, 7]], counter: 7, update: 1 },
  { runs: [[1330, 33, 2, 34], [295, 1, 5, 1]], counter: 3, update: 0 },
  { runs: [[1, 31], [40, 32], [80, 33]], counter: 0, update: 1 },
  { runs: [[120, 0]], counter: 1, update: 1 },
  { runs: [[130, 7], [140, 0], [150, 1], [152, 64]], counter: 2, update: 0 },
  { runs: [[300, 1027]], counter: 6, update: 1 },
  { runs: [], counter: 1, update: 1 },
  { runs: [[1499, 1], [1400, 3]], counter: 5, update: 1 },
];

/** The pieces in the order in which they lie in the landing buffer, from its element 9; their items in another order. */
function tables(order: readonly number[]) {
  const runs: Run[] = [];
  const items: { first_run: number; runs: number; landing: number; counter: number; update: number }[] = [];
  const elements: { readonly memory: number; readonly landing: number; readonly piece: number }[] = [];
  let landing = 9;
  order.forEach((piece) => {
    const { runs: own, counter, update } = PIECES[piece]!;
    items.push({ first_run: runs.length, runs: own.length, landing, counter, update });
    runs.push(...own);
    for (const [start, length, count = 1, stride = 0] of own)
      for (let at = 0; at < length * count; at++) elements.push({ memory: start + Math.floor(at / length) * stride + (at % length), landing: landing++, piece });
  });
  return { runs, items: items.toReversed(), elements };
}

const ORDERS = [[0, 1, 2, 3, 4, 5, 6, 7, 8], [8, 6, 4, 2, 0, 7, 5, 3, 1]] as const;
const memory = Array.from({ length: MEMORY }, (_, at) => at + 0.25);

for (const order of ORDERS)
  gpuTest(`transfer packs pieces ${order.join(' ')} densely and writes nothing else`, async (page) => {
    const { runs, items, elements } = tables(order);
    const expected = Array<number>(LANDING).fill(-1);
    for (const at of elements) expected[at.landing] = memory[at.memory]!;
    const job = { runs, items: items.map(({ first_run, runs, landing }) => ({ first_run, runs, landing })), input: memory, output: Array<number>(LANDING).fill(-1) };
    const { output } = await page.evaluate((job) => window.tilewireTest.dma('transfer', job), job);
    expect(output).toEqual(expected);
    // Dense: from the first element on there is no gap.
    expect(output.findLastIndex((value) => value !== -1)).toBe(9 + elements.length - 1);
  });

for (const order of ORDERS)
  gpuTest(`the near-memory unit stores or adds pieces ${order.join(' ')}, counts their elements and writes nothing else`, async (page) => {
    const { runs, items, elements } = tables(order);
    const input = Array.from({ length: LANDING }, (_, at) => 10_000 + 2 * at);
    const expected = [...memory];
    const counters = [10, 20, 30, 40, 50, 60, 70, 80];
    const counted = [...counters];
    for (const { memory: at, landing, piece } of elements) {
      expected[at] = input[landing]! + (PIECES[piece]!.update === 1 ? memory[at]! : 0);
      counted[PIECES[piece]!.counter]! += 1;
    }
    const after = await page.evaluate((job) => window.tilewireTest.dma('nmc', job), { runs, items, input, output: memory, counters });
    expect(after.output).toEqual(expected);
    expect(after.counters).toEqual(counted);
  });

for (const op of [0, 1])
  gpuTest(`the near-memory unit ${['stores', 'adds'][op]} several pieces of one run each in one item, and counts each by itself`, async (page) => {
    // Longer than a workgroup, as long as one, shorter; the first run is another item's.
    const runs = [[0, 3], [4, 19, 3, 20], [70, 16], [90, 5]] as const;
    const input = Array.from({ length: 90 }, (_, at) => 1000 + at);
    const output = Array.from({ length: 100 }, (_, at) => at + 0.5);
    const expected = [...output];
    let landing = 2;
    const move = ([start, length, count = 1, stride = 0]: readonly number[], op: number): void => {
      for (let at = 0; at < length! * count; at++, landing++) {
        const to = start! + Math.floor(at / length!) * stride + (at % length!);
        expected[to] = input[landing]! + (op === 1 ? output[to]! : 0);
      }
    };
    for (const run of runs.slice(1)) move(run, op);
    landing = 85;
    move(runs[0], 1 - op);
    const items = [{ first_run: 1, runs: 3, landing: 2, counter: 1, update: op + 2 }, { first_run: 0, runs: 1, landing: 85, counter: 4, update: 1 - op }];
    const after = await page.evaluate((job) => window.tilewireTest.dma('nmc', job), { runs, items, input, output, counters: [7, 7, 7, 7, 7, 7] });
    expect(after.output).toEqual(expected);
    expect(after.counters).toEqual([7, 7 + 57, 7 + 16, 7 + 5, 7 + 3, 7]);
  });

gpuTest('an update adds in f32, to what the memory holds, and a store overwrites a NaN', async (page) => {
  const items = [0, 1].map((update) => ({ first_run: update, runs: 1, landing: 2 * update, counter: 0, update }));
  // 2²⁴ + 1 is no f32; the poison survives an add, and a store removes it.
  const after = await page.evaluate(
    (job) => window.tilewireTest.dma('nmc', { ...job, output: [NaN, NaN, 2 ** 24, NaN] }),
    { items, runs: [[0, 2], [2, 2]] as const, input: [5, 6, 1, 7], counters: [0] },
  );
  expect(after.output.slice(0, 3)).toEqual([5, 6, 2 ** 24]);
  expect(after.output[3]).not.toBe(7);
  expect(after.counters).toEqual([4]);
});

for (const name of ['transfer', 'nmc'] as const)
  gpuTest(`${name}: more items than one dimension of a dispatch holds`, async (page) => {
    expect(await page.evaluate((name) => window.tilewireTest.manyItems(name, 65_535 + 300), name)).toEqual({ wrong: 0, miscounted: 0 });
  });
