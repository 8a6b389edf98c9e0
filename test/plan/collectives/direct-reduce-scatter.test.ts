import { describe, expect, test } from 'vitest';
import { directReduceScatter } from '../../../src/plan/collectives/direct-reduce-scatter.ts';
import { leavesEachOwnerWithAll, tableOf } from './table.ts';

describe('the table of direct reduce-scatter, written out by hand', () => {
  test('one device', () => {
    expect(tableOf(directReduceScatter(1))).toEqual([['chunk 0: stores local; expects local; done']]);
  });

  test('three devices', () => {
    expect(tableOf(directReduceScatter(3))).toEqual([
      ['chunk 1: stores to 1; expects nothing; untracked', 'chunk 2: stores to 2; expects nothing; untracked', 'chunk 0: stores local; expects local, remote 1, remote 2; done'],
      ['chunk 2: stores to 2; expects nothing; untracked', 'chunk 0: stores to 0; expects nothing; untracked', 'chunk 1: stores local; expects remote 0, local, remote 2; done'],
      ['chunk 0: stores to 0; expects nothing; untracked', 'chunk 1: stores to 1; expects nothing; untracked', 'chunk 2: stores local; expects remote 0, remote 1, local; done'],
    ]);
  });
});

test.each([1, 2, 5, 8, 64])('%i devices: N updates at the owner, no DMA, and no two devices store to one peer in a step', (devices) => {
  const { order, routes } = directReduceScatter(devices);
  for (let d = 0; d < devices; d++) {
    expect(routes[d].every(({ whenComplete }) => whenComplete.kind !== 'dma')).toBe(true);
    expect(routes[d].map(({ expects }) => expects.length)).toEqual(Array.from({ length: devices }, (_, j) => (j === d ? devices : 0)));
  }
  for (let s = 0; s < devices; s++) expect(new Set(order.map((mine) => mine[s])).size).toBe(devices);
});

test('the unfused rounds leave each owner with every contribution once', () => {
  for (let devices = 1; devices <= 16; devices++) expect(leavesEachOwnerWithAll(directReduceScatter(devices))).toBe(true);
});
