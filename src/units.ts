// Units as they are written and read: bytes, times and rates. GB = 1e9 bytes everywhere; the binary suffixes
// Ki, Mi, Gi, Ti are there for whoever means them. Formatting keeps three significant digits, so that a
// column of figures says no more than was measured.
import { TilewireError } from './errors.ts';

const SCALE: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** Bytes of `8G`, `512MiB`, `1.5GB` or `4096`: a whole positive number of bytes; `path` is the flag to blame. */
export function parseBytes(text: string, path = '--memory-limit'): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*$/i.exec(text);
  const bytes = match ? Number(match[1]) * SCALE[(match[2] ?? '').toLowerCase()]! : Number.NaN;
  const whole = Math.round(bytes);
  if (!Number.isSafeInteger(whole) || whole < 1) {
    throw new TilewireError('BAD_FLAG', 'not a number of bytes', {
      path,
      actual: text,
      limit: `1..${Number.MAX_SAFE_INTEGER}`,
      fix: 'write e.g. 4G (4e9), 4Gi (4·2^30) or 4000000000',
    });
  }
  return whole;
}

/** `999 B`, `1.23 MB`, `36.2 GB`: decimal units, three significant digits. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ['B', 'kB', 'MB', 'GB', 'TB', 'PB'], 0);
}

/** A time given in milliseconds: `412 ns`, `1.25 ms`, `61.3 s`; `–` where it was not measured. */
export function formatMs(ms: number | null): string {
  return ms === null ? '–' : scaled(ms * 1e6, ['ns', 'µs', 'ms', 's'], 1);
}

/** Floating-point operations per second, as `4.52 GFLOP/s`; `–` where there is no time to divide by. */
export function formatFlops(flops: number, ms: number | null): string {
  return ms === null || ms <= 0 ? '–' : `${scaled(flops / (ms / 1e3), ['', 'k', 'M', 'G', 'T', 'P'], 1)}FLOP/s`;
}

/** Three significant digits, without an exponent and never fewer than the integer part: `0.0123`, `1.23`, `1234`. */
export function threeDigits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const integerDigits = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3))))) + 1;
  return value.toFixed(Math.min(20, Math.max(0, 3 - integerDigits)));
}

/** Steps of 1000 from units[0]; values below 1000·units[0] are whole when `digits` is 0 (there is no half byte). */
function scaled(value: number, units: readonly string[], digits: 0 | 1): string {
  let index = 0;
  let shown = value;
  // 999.7 would print as 1000: go up as soon as three digits would round there.
  while (index < units.length - 1 && Math.abs(shown) >= 999.5) {
    shown /= 1000;
    index++;
  }
  const number = index === 0 && digits === 0 ? String(Math.round(shown)) : threeDigits(shown);
  return `${number} ${units[index]}`;
}
