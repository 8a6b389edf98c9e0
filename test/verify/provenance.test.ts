import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { explain, type WrongSample } from '../../src/verify/provenance.ts';

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];
const sum = (values: readonly number[]): number => values.reduce((x, y) => x + y, 0);

/** Contributions that differ from each other, and whose small sums do too: powers of three. */
const partials = [1, 3, 9, 27, 81, -243, 729, 2187];

function exact(actual: number, of: readonly number[] = partials): WrongSample {
  return { partials: of, bits: bitsOf(actual), tolerance: 0 };
}

test('names the device, or the pair, that is missing or doubled', () => {
  const device = fc.integer({ min: 0, max: 7 });
  fc.assert(
    fc.property(device, device, (x, y) => {
      const set = [...new Set([x, y])].sort();
      const part = sum(set.map((d) => partials[d]));
      expect(explain(exact(sum(partials) - part))).toEqual({ missing: set, doubled: [] });
      expect(explain(exact(sum(partials) + part))).toEqual({ missing: [], doubled: set });
    }),
  );
});

test('a broken transfer of a ring takes the beginning of the chain with it', () => {
  const chain = [2, 1, 0, 7, 6, 5, 4, 3];
  for (let length = 1; length <= 8; length++) {
    const lost = chain.slice(0, length).sort();
    const part = sum(lost.map((d) => partials[d]));
    expect(explain(exact(sum(partials) - part), chain)).toEqual({ missing: lost, doubled: [] });
    expect(explain(exact(sum(partials) + part), chain)).toEqual({ missing: [], doubled: lost });
  }
  expect(explain(exact(sum(partials) - 9 - 3 - 1))).toEqual({ missing: null, doubled: null });
});

test('an element never written misses every device; another NaN or an infinity says nothing', () => {
  expect(explain({ partials, bits: 0x7fc0dead, tolerance: 0 })).toEqual({ missing: [0, 1, 2, 3, 4, 5, 6, 7], doubled: [] });
  expect(explain({ partials, bits: 0x7fc00000, tolerance: 0 })).toEqual({ missing: null, doubled: null });
  expect(explain({ partials, bits: 0x7f800000, tolerance: 0 })).toEqual({ missing: null, doubled: null });
  expect(explain(exact(0))).toEqual({ missing: [0, 1, 2, 3, 4, 5, 6, 7], doubled: [] });
});

test('what nothing explains, or two things do, is not explained; more elements settle it', () => {
  expect(explain(exact(sum(partials) + 100_000))).toEqual({ missing: null, doubled: null });
  expect(explain(exact(sum(partials)))).toEqual({ missing: null, doubled: null });
  const twins = [5, 5, 7, 100];
  const others = [5, 6, 7, 100];
  expect(explain(exact(sum(twins) - 5, twins))).toEqual({ missing: null, doubled: null });
  expect(explain([exact(sum(twins) - 5, twins), exact(sum(others) - 6, others)])).toEqual({ missing: [1], doubled: [] });
  expect(explain([])).toEqual({ missing: null, doubled: null });
});

test('in real mode the bound decides, and a change smaller than it explains nothing', () => {
  const near = { partials: [1.5, -2.25, 1e-9], bits: bitsOf(1.5 + 1e-7), tolerance: 1e-6 };
  expect(explain(near)).toEqual({ missing: [1], doubled: [] });
  expect(explain({ ...near, bits: bitsOf(-0.75 + 1e-7) })).toEqual({ missing: null, doubled: null });
  // Without the third, whose share is below the bound, the value would be within the bound: no proof that it is missing.
  const small = { partials: [1.5, -2.25, 0.9e-6], bits: bitsOf(-0.75 - 0.6e-6), tolerance: 1e-6 };
  expect(explain(small)).toEqual({ missing: null, doubled: null });
});
