// Who should watch the counters: by numbers, and that the adapter gives numbers.
import { expect, test } from 'vitest';
import { fasterTriggers, type TriggerCost } from '../../src/spec/default-triggers.ts';
import { gpuTest } from './page-client.ts';

const cost: TriggerCost = { readbackUs: 300, directUs: 20, indirectUs: 25, lookUs: 60 };
const shape = { devices: 8, lag: 2, epochUs: 15_000 };

test.each<[string, Partial<TriggerCost>, Partial<typeof shape>, 'host' | 'device']>([
  ['a readback that later epochs hide costs nothing: indirect dispatches decide', {}, {}, 'host'],
  ['cheap indirect dispatches', { indirectUs: 10 }, {}, 'device'],
  ['a little cheaper, which noise may turn round', { indirectUs: 15 }, {}, 'host'],
  ['the look counts', { indirectUs: 10, lookUs: 81 }, {}, 'host'],
  ['epochs so short that the counters come late', { readbackUs: 600 }, { epochUs: 50 }, 'device'],
  ['a slow readback, with a lag that hides it', { readbackUs: 5000 }, { epochUs: 3000 }, 'host'],
  ['the same with less lag', { readbackUs: 5000 }, { epochUs: 3000, lag: 1 }, 'device'],
  ['a draw', { indirectUs: 20, lookUs: 0 }, {}, 'host'],
])('%s', (_what, numbers, more, expected) => {
  expect(fasterTriggers({ ...cost, ...numbers }, { ...shape, ...more })).toBe(expected);
});

gpuTest('what the adapter takes is measured', async (page) => {
  const measured = await page.evaluate(() => window.tilewireTest.triggerCost());
  for (const [name, us] of Object.entries(measured)) expect(us, name).toBeGreaterThan(0);
  // A map crosses processes, a dispatch in a batch does not.
  expect(measured.readbackUs).toBeGreaterThan(measured.indirectUs);
});
