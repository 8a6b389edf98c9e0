import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatBytes, formatFlops, formatMs, parseBytes, threeDigits } from '../src/units.ts';

test('bytes are read with decimal and binary suffixes', () => {
  const cases: [string, number][] = [
    ['4096', 4096], ['1K', 1000], ['2M', 2e6], ['8G', 8e9], ['1T', 1e12], ['1Ki', 1024], ['2Mi', 2 ** 21], ['4Gi', 2 ** 32], ['1Ti', 2 ** 40],
    ['1.5GB', 1.5e9], ['512MiB', 2 ** 29], [' 3 kb ', 3000],
  ];
  for (const [text, bytes] of cases) expect(parseBytes(text), text).toBe(bytes);
});

test('what is no number of bytes is refused, and the flag is named', () => {
  for (const text of ['', '0', '-1', 'G', '4X', '1e9', '0.2', '9999999T', '1,5G', 'NaN']) {
    expect(() => parseBytes(text, '--limit'), text).toThrow(expect.objectContaining({ code: 'BAD_FLAG', fields: expect.objectContaining({ path: '--limit', actual: text }) }));
  }
});

test('figures have three significant digits, in the unit that suits them', () => {
  expect([0, 1, 999, 1000, 999_499, 999_500, 36_241_408, 8e9, 6.7e12].map(formatBytes)).toEqual(['0 B', '1 B', '999 B', '1.00 kB', '999 kB', '1.00 MB', '36.2 MB', '8.00 GB', '6.70 TB']);
  expect([0, 0.000412, 0.25, 1.2345, 61_300, 999.96, null].map(formatMs)).toEqual(['0 ns', '412 ns', '250 µs', '1.23 ms', '61.3 s', '1.00 s', '–']);
  expect(formatFlops(9e9, 0)).toBe('–');
  expect(formatFlops(9e9, 2000)).toBe('4.50 GFLOP/s');
  expect([0.0123456, 1.005, 99.96, 1234.5, 0].map(threeDigits)).toEqual(['0.0123', '1.00', '100', '1235', '0']);
});

test('a formatted size is within half a percent of the size, and never shows 1000', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9.9e14 }), (bytes) => {
      const text = formatBytes(bytes);
      expect(Math.abs(parseBytes(text) / bytes - 1)).toBeLessThanOrEqual(0.0051);
      expect(Number.parseFloat(text)).toBeLessThan(1000);
    }),
  );
});
