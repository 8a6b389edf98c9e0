// A batch is a collective for each of its matrices: the mapping of one, as often as there are matrices, over chunks that go
// on from matrix to matrix.
import { describe, expect, test } from 'vitest';
import { directReduceScatter } from '../../src/plan/collectives/direct-reduce-scatter.ts';
import { ringReduceScatter } from '../../src/plan/collectives/ring-reduce-scatter.ts';
import { batched } from '../../src/plan/mapping.ts';
import { tableOf } from './collectives/table.ts';

describe.each([['ring', ringReduceScatter], ['direct', directReduceScatter]] as const)('%s', (_name, mappingOf) => {
  test('one matrix: the mapping as it is', () => {
    for (const devices of [1, 2, 5]) expect(batched(mappingOf(devices), 1)).toEqual(mappingOf(devices));
  });

  test.each([1, 2, 3, 8])('%i devices: every matrix is treated like the first, and after it', (devices) => {
    const one = tableOf(mappingOf(devices));
    const renamed = (matrix: number): string[][] => one.map((steps) => steps.map((line) => line.replace(/^chunk (\d+)/, (_, chunk) => `chunk ${matrix * devices + Number(chunk)}`)));
    expect(tableOf(batched(mappingOf(devices), 3))).toEqual(one.map((_, device) => [0, 1, 2].flatMap((matrix) => renamed(matrix)[device])));
  });

  test('the unfused rounds leave each owner with every contribution to its chunk of every matrix, once', () => {
    for (let devices = 1; devices <= 9; devices++) {
      const { routes, rounds } = batched(mappingOf(devices), 2);
      const held = routes.map((chunks, device) => chunks.map(() => [device]));
      for (const round of rounds) {
        const read = round.map(({ from, chunk }) => [...held[from][chunk]]);
        round.forEach(({ to, chunk }, index) => held[to][chunk].push(...read[index]));
      }
      for (let chunk = 0; chunk < 2 * devices; chunk++) expect(held[chunk % devices][chunk].toSorted((one, other) => one - other)).toEqual([...routes.keys()]);
    }
  });
});
