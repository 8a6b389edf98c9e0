import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { placementsOf } from '../../src/plan/placement.ts';
import { planOf } from '../../src/plan/plan.ts';
import { chunkHolding, footprintFor, planCases } from '../support/plans.ts';

test('a row for each piece, with the box and number of its elements, at the step and stage of its workgroup', () => {
  fc.assert(
    fc.property(planCases({ side: 24, devices: 5 }), fc.nat(4), (given, at) => {
      const footprint = footprintFor(given);
      const plan = planOf(given, footprint);
      const device = at % given.devices;
      const { m, n } = footprint;
      const expected = new Map<string, { rows: number[]; columns: number[]; count: number }>();
      for (let row = 0; row < m; row++)
        for (let column = 0; column < n; column++) {
          const key = `${footprint.owner[row * n + column]} ${chunkHolding(given, row, column)}`;
          const of = expected.get(key) ?? { rows: [], columns: [], count: 0 };
          of.rows.push(row);
          of.columns.push(column);
          of.count++;
          expected.set(key, of);
        }
      const found = placementsOf(plan, device);
      expect(found.length).toBe(expected.size);
      for (const one of found) {
        const { rows, columns, count } = expected.get(`${one.workgroup * footprint.wavefronts + one.wavefront} ${one.chunk}`)!;
        expect(one).toMatchObject({ rows: [Math.min(...rows), Math.max(...rows)], columns: [Math.min(...columns), Math.max(...columns)], elements: count });
        expect(one.runs).toBeGreaterThan(0);
        const stage = plan.stages[device][one.stage - 1];
        expect(stage.tiles).toContain(one.workgroup);
        expect(one.step).toBe(stage.step + 1);
        expect(one.straddles).toBe(found.some(({ workgroup, chunk }) => workgroup === one.workgroup && chunk !== one.chunk));
      }
      expect(found.map(({ stage }) => stage)).toEqual(found.map(({ stage }) => stage).toSorted((a, b) => a - b));
    }),
  );
});
