import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Agenda } from '../../src/model/agenda.ts';

test('entries come out by time, then by id, with more going in between', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ arbitrary: fc.record({ time: fc.nat({ max: 6 }), id: fc.nat({ max: 9 }) }), weight: 3 }, { arbitrary: fc.constant('next' as const), weight: 1 }), { size: 'max', maxLength: 60 }), (steps) => {
      const agenda = new Agenda();
      let plain: { time: number; id: number }[] = [];
      // And at last all that is left.
      for (const step of [...steps, ...steps.map(() => 'next' as const)]) {
        if (step === 'next') {
          expect(agenda.next()).toEqual(plain[0]);
          plain = plain.slice(1);
        } else {
          agenda.add(step.time, step.id);
          plain = [...plain, step].sort((one, other) => one.time - other.time || one.id - other.id);
        }
        expect(agenda.length).toBe(plain.length);
      }
    }),
  );
});
