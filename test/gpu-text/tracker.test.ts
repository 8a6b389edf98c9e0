// The tracker kernel in lockstep over a hand-made table: what it writes, that no two lanes of a device touch one place between
// barriers, and that it is seen where they do. The interpreter runs workgroups one after the other; that they share
// nothing follows from `device` in every place that is written.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { RecordBuffer } from '../../src/gpu/records.ts';
import { structLayout } from '../../src/gpu/reflect.ts';
import { SHADERS } from '../../src/gpu/shaders.ts';

const NONE = 0xffff_ffff;
const EPOCH = 6;

/** Two devices, a chunk of three parts of one piece each, blocks of two: block 0 has parts 0 and 1, block 1 part 2. */
const PIECES = [4, 3, 2];
const LIST_ITEMS = 4;

function records(struct: string, list: readonly Readonly<Record<string, number>>[]): Uint32Array {
  const buffer = new RecordBuffer(4);
  for (const record of list) buffer.add(structLayout(SHADERS.tracker, struct), record);
  return buffer.words.slice(0, buffer.bytes / 4);
}

const ITEM_WORDS = structLayout(SHADERS.tracker, 'Item').size / 4;
const { size: blockBytes } = structLayout(SHADERS.tracker, 'Block');
const blocksAt = structLayout(SHADERS.tracker, 'Log').fields['blocks']!.offset / 4;

interface Found {
  readonly races: readonly string[];
  readonly errors: readonly string[];
  /** Of device 0 and 1: each block's epochs and places. */
  readonly blocks: readonly Readonly<Record<'seen' | 'sent' | 'landing' | 'item', number>>[];
  readonly overflow: readonly number[];
  readonly dispatches: readonly number[];
  /** Of the side that the next epoch reads, by device: the items that were written. */
  readonly items: readonly (readonly number[])[];
  readonly orders: readonly number[];
  readonly ops: readonly number[];
}

/** @param counters of GEMM 0, 1, near-memory unit 0, 1: by piece */
function look(source: string, counters: readonly (readonly number[])[], { lag = 1, landing = 100, most = LIST_ITEMS, open = 1 } = {}): Found {
  const window = (device: number) => ({ epoch: EPOCH, first_block: 0, blocks: 2, first_part: 0, end_part: 3, one: device, other: 2 + device, updates: 2, odd_piece: NONE, odd_delta: 0, open });
  const run = records('Run', [{ devices: 2, windows: 1, counters: 3, parts: 3, blocks: 2, wavefronts: 1, block_parts: 2, lag, landing, list_items: LIST_ITEMS, most }]);
  const pieces = records('Piece', PIECES.map((elements, at) => ({ elements, landing: at === 1 ? PIECES[0]! : 0, item: at === 1 ? 1 : 0, leads: 1, first_run: 10 + at, runs: 1 })));
  // Part 0 is applied behind a stage's store, part 1 before one, part 2 where nothing else is stored.
  const stores = records('Store', [0, 1].flatMap((device) => [{ epoch: EPOCH + 2, word: 3 * device }, { epoch: EPOCH + 3, word: 3 * device + 1 }, { epoch: NONE, word: NONE }]));
  const journal = new Uint32Array(blocksAt + (4 * blockBytes) / 4);
  const orders = new Uint32Array(6);
  const lists = new Uint32Array(2 * 2 * LIST_ITEMS * ITEM_WORDS);
  const dispatches = new Uint32Array(12).fill(77);
  const { races, errors } = detectRaces(source, 'main', [2, 1, 1], { 0: { 0: { uniform: run }, 1: records('Window', [window(0), window(1)]), 2: pieces, 3: Uint32Array.from(counters.flat()), 4: stores, 5: journal, 6: orders, 7: lists, 8: dispatches } });
  const side = (EPOCH + 1) % 2;
  return {
    races: races.map(({ message }) => message),
    errors,
    blocks: [0, 1, 2, 3].map((block) => {
      const at = blocksAt + (block * blockBytes) / 4;
      return { seen: journal[at]!, sent: journal[at + 1]!, landing: journal[at + 2]!, item: journal[at + 3]! };
    }),
    overflow: [...journal.subarray(64, 66)],
    dispatches: [...dispatches.subarray(6 * side, 6 * side + 6)],
    items: [0, 1].map((device) => [...lists.subarray((2 * side + device) * LIST_ITEMS * ITEM_WORDS, (2 * side + device + 1) * LIST_ITEMS * ITEM_WORDS)]),
    orders: [...orders],
    ops: [...stores].filter((_, at) => at % 3 === 2),
  };
}

beforeEach(() => {
  for (const method of ['error', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {});
});
afterEach(() => {
  const lines = [...vi.mocked(console.error).mock.calls, ...vi.mocked(console.warn).mock.calls].map((line) => line.join(' '));
  vi.restoreAllMocks();
  expect(lines).toEqual([]);
});

/** All that device 0 waits for is there; of device 1 one element of its block 0 is missing. */
const COUNTERS = [[4, 6, 2], [8, 5, 4], [4, 0, 2], [0, 0, 0]];
const NOT_YET = { seen: 0, sent: 0, landing: 0, item: 0 };

describe('one look', () => {
  test('blocks that are complete are sent in order, their items and ops are written; the others wait', () => {
    const found = look(SHADERS.tracker, COUNTERS);
    expect([found.races, found.errors]).toEqual([[], []]);
    expect(found.blocks).toEqual([{ seen: EPOCH + 1, sent: EPOCH + 2, landing: 0, item: 0 }, { seen: EPOCH + 1, sent: EPOCH + 2, landing: 7, item: 2 }, NOT_YET, { seen: EPOCH + 1, sent: EPOCH + 2, landing: 0, item: 0 }]);
    expect(found.dispatches).toEqual([3, 1, 1, 1, 1, 1]);
    // first_run, runs, landing, counter, update, slot
    expect(found.items[0]).toEqual([10, 1, 0, 0, 1, 0, 11, 1, 4, 1, 0, 0, 12, 1, 7, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(found.items[1]!.slice(0, 6)).toEqual([12, 1, 0, 2, 0, 0]);
    // Of part 1 the update comes first: the store behind it adds.
    expect(found.orders).toEqual([0, 1, 0, 0, 0, 0]);
    expect(found.ops).toEqual([2, 1, 1, 0, 0, 1]);
    expect(found.overflow).toEqual([0, 0]);
  });

  test('more lag: seen, and not sent', () => {
    const found = look(SHADERS.tracker, COUNTERS, { lag: 2 });
    expect(found.blocks[0]).toEqual({ ...NOT_YET, seen: EPOCH + 1 });
    expect(found.dispatches).toEqual([0, 1, 1, 0, 1, 1]);
    expect(found.orders).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('a link without room: the second block waits; none where the first has none', () => {
    expect(look(SHADERS.tracker, COUNTERS, { landing: 8 }).dispatches).toEqual([2, 1, 1, 1, 1, 1]);
    expect(look(SHADERS.tracker, COUNTERS, { landing: 6 }).dispatches).toEqual([0, 1, 1, 1, 1, 1]);
  });

  test('a window that is not open yet: nothing is sent, nobody\'s arguments are touched', () => {
    const found = look(SHADERS.tracker, COUNTERS, { open: 0 });
    expect(found.blocks[0]!.seen).toBe(EPOCH + 1);
    expect(found.dispatches).toEqual([77, 77, 77, 77, 77, 77]);
  });

  test('a list that is too long is cut, and says so', () => {
    const found = look(SHADERS.tracker, COUNTERS, { most: 2 });
    expect(found.dispatches).toEqual([2, 1, 1, 1, 1, 1]);
    expect(found.overflow).toEqual([1, 0]);
    expect(found.items[0]!.slice(2 * ITEM_WORDS)).toEqual(Array(2 * ITEM_WORDS).fill(0));
  });
});

const broken = (from: string, to: string): string => {
  expect(SHADERS.tracker.split(from), `one ${from}`).toHaveLength(2);
  return SHADERS.tracker.replace(from, to);
};

test('red: places shared by lanes, and devices taken for each other', () => {
  expect(look(broken('pieces[p].item;\n', '0u;\n'), COUNTERS).races.length).toBeGreaterThan(0);
  expect(look(broken('let blocks = device * run.blocks;', 'let blocks = 0u;'), COUNTERS).blocks[3]).not.toEqual({ seen: EPOCH + 1, sent: EPOCH + 2, landing: 0, item: 0 });
});

test('red: no barrier between what is seen and what is sent', () => {
  expect(look(broken('  storageBarrier();\n\n  // What', '  // What'), COUNTERS).races.length).toBeGreaterThan(0);
  expect(look(broken('  storageBarrier();\n  workgroupBarrier();\n', ''), COUNTERS).races.length).toBeGreaterThan(0);
});
