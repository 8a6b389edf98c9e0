import { describe, expect, test } from 'vitest';
import { ringReduceScatter } from '../../../src/plan/collectives/ring-reduce-scatter.ts';
import { leavesEachOwnerWithAll, tableOf } from './table.ts';

describe('the table of the fused ring, written out by hand', () => {
  test('one device: everything is local, nothing travels', () => {
    expect(tableOf(ringReduceScatter(1))).toEqual([['chunk 0: stores local; expects local; done']]);
  });

  test('two devices: step 2 is the last one, and receives the remote updates', () => {
    expect(tableOf(ringReduceScatter(2))).toEqual([
      ['chunk 1: stores to 1; expects nothing; untracked', 'chunk 0: stores local; expects local, remote 1; done'],
      ['chunk 0: stores to 0; expects nothing; untracked', 'chunk 1: stores local; expects local, remote 0; done'],
    ]);
  });

  test('three devices', () => {
    expect(tableOf(ringReduceScatter(3))).toEqual([
      ['chunk 1: stores to 2; expects nothing; untracked', 'chunk 2: stores local; expects local, remote 1; dma to 2', 'chunk 0: stores local; expects local, dma 1; done'],
      ['chunk 2: stores to 0; expects nothing; untracked', 'chunk 0: stores local; expects local, remote 2; dma to 0', 'chunk 1: stores local; expects local, dma 2; done'],
      ['chunk 0: stores to 1; expects nothing; untracked', 'chunk 1: stores local; expects local, remote 0; dma to 1', 'chunk 2: stores local; expects local, dma 0; done'],
    ]);
  });

  test('four devices', () => {
    expect(tableOf(ringReduceScatter(4))).toEqual([
      ['chunk 1: stores to 3; expects nothing; untracked', 'chunk 2: stores local; expects local, remote 1; dma to 3', 'chunk 3: stores local; expects local, dma 1; dma to 3', 'chunk 0: stores local; expects local, dma 1; done'],
      ['chunk 2: stores to 0; expects nothing; untracked', 'chunk 3: stores local; expects local, remote 2; dma to 0', 'chunk 0: stores local; expects local, dma 2; dma to 0', 'chunk 1: stores local; expects local, dma 2; done'],
      ['chunk 3: stores to 1; expects nothing; untracked', 'chunk 0: stores local; expects local, remote 3; dma to 1', 'chunk 1: stores local; expects local, dma 3; dma to 1', 'chunk 2: stores local; expects local, dma 3; done'],
      ['chunk 0: stores to 2; expects nothing; untracked', 'chunk 1: stores local; expects local, remote 0; dma to 2', 'chunk 2: stores local; expects local, dma 0; dma to 2', 'chunk 3: stores local; expects local, dma 0; done'],
    ]);
  });
});

test.each([2, 3, 4, 5, 7, 8, 13, 16, 64])('%i devices: each stores 1 chunk remotely and N − 1 locally, gets N − 1 (1 remote), sends N − 2 DMAs', (devices) => {
  const { order, routes } = ringReduceScatter(devices);
  for (let d = 0; d < devices; d++) {
    expect(order[d].toSorted((one, other) => one - other)).toEqual(Array.from({ length: devices }, (_, j) => j));
    expect(routes[d].filter(({ storeTo }) => storeTo !== d)).toHaveLength(1);
    expect(routes[d].filter(({ storeTo }) => storeTo === d)).toHaveLength(devices - 1);
    const incoming = routes[d].flatMap(({ expects }) => expects.filter(({ kind }) => kind !== 'local'));
    expect(incoming.filter(({ kind }) => kind === 'remote')).toHaveLength(1);
    expect(incoming.filter(({ kind }) => kind === 'dma')).toHaveLength(devices - 2);
    expect(routes[d].filter(({ whenComplete }) => whenComplete.kind === 'dma')).toHaveLength(devices - 2);
    expect(routes[d].filter(({ whenComplete }) => whenComplete.kind === 'done')).toHaveLength(1);
    expect(routes[d][d].whenComplete.kind).toBe('done');
  }
});

test('staggering: the chunk of a step is the one that the upstream neighbour computed a step before', () => {
  for (let devices = 2; devices <= 64; devices++) {
    const { order } = ringReduceScatter(devices);
    for (let d = 0; d < devices; d++) expect(order[d].slice(1)).toEqual(order[(d + 1) % devices].slice(0, -1));
  }
});

test('the unfused rounds leave each owner with every contribution once, over the same links', () => {
  for (let devices = 1; devices <= 16; devices++) {
    const mapping = ringReduceScatter(devices);
    expect(leavesEachOwnerWithAll(mapping)).toBe(true);
    expect(mapping.rounds).toHaveLength(devices - 1);
    for (const round of mapping.rounds) for (const { from, to } of round) expect(to).toBe((from - 1 + devices) % devices);
  }
});
