// The baseline's collectives: bytes by t3.md's closed forms, exactly, for 1 to 64 devices; times by theirs, as far as they idealise.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { simulateCollective, type CollectiveKind } from '../../src/model/collective.ts';
import { DMA_READ, DMA_UPDATE, READ, RECEIVED, WRITE } from '../../src/model/memory.ts';
import { PLAIN, machines } from '../support/modelled.ts';

const chunks = fc.array(fc.nat(700).map((elements) => elements * 4), { minLength: 1, maxLength: 12 });

function expectBytes(chunkBytes: readonly number[], settings = PLAIN): void {
  const devices = chunkBytes.length;
  const total = chunkBytes.reduce((sum, bytes) => sum + bytes, 0);
  const at = (d: number): number => chunkBytes[(d + devices) % devices];
  const run = (kind: CollectiveKind): ReturnType<typeof simulateCollective> => simulateCollective({ settings, kind, chunkBytes });
  const alone = devices === 1;
  // Beside the GEMM's own write of S: 2S − c_{d+1} read, S − c_{d+1} + c_d written.
  run('reduce-scatter').devices.forEach(({ served, linkBytes }, d) => {
    expect([served[READ], served[RECEIVED] + served[WRITE], linkBytes]).toEqual(alone ? [0, 0, 0] : [2 * total - at(d + 1), total - at(d + 1) + at(d), total - at(d)]);
  });
  run('near-memory reduce-scatter').devices.forEach(({ served, linkBytes }, d) => {
    expect([served[DMA_READ], served[DMA_UPDATE], linkBytes]).toEqual(alone ? [0, 0, 0] : [total - at(d), total - at(d + 1), total - at(d)]);
  });
  run('all-gather').devices.forEach(({ served, linkBytes }, d) => {
    expect([served[READ], served[RECEIVED], linkBytes]).toEqual(alone ? [0, 0, 0] : [total - at(d - 1), total - at(d), total - at(d - 1)]);
  });
}

describe('bytes', () => {
  test('any chunks, unequal and empty ones, on any machine', () => {
    fc.assert(fc.property(chunks, machines, expectBytes), { numRuns: 60 });
  });

  test.each(Array.from({ length: 64 }, (_, index) => index + 1))('%i devices', (devices) => {
    expectBytes(Array.from({ length: devices }, (_, j) => 400 + (j % 3) * 4));
    expectBytes(Array.from({ length: devices }, (_, j) => (j < 5 ? 64 : 0)));
  });

  test('in chunks, as the paper counts them: 2N − 1 read and N written', () => {
    const [{ served }] = simulateCollective({ settings: PLAIN, kind: 'reduce-scatter', chunkBytes: Array(8).fill(640), fold: true }).devices;
    expect([served[READ] / 640, (served[RECEIVED] + served[WRITE]) / 640]).toEqual([15, 8]);
  });
});

describe('time', () => {
  const [chunk, devices] = [64_000, 8];
  const timeOf = (kind: CollectiveKind, more = {}): number => simulateCollective({ settings: { ...PLAIN, ...more }, kind, chunkBytes: Array(devices).fill(chunk), fold: true }).timePs;
  // C/B = 640 000 ps, L = 500, C/W = 64 000. A step begins with the read of its first granules and ends with the write of its last.
  const steps = (devices - 1) * (640_000 + 500);
  const pipeline = (devices - 1) * 4 * 64;

  test('is that of the closed forms and the filling of each step’s pipeline', () => {
    for (const [kind, closed] of [['all-gather', steps], ['near-memory reduce-scatter', steps], ['reduce-scatter', steps + 3 * 64_000]] as const) {
      expect(timeOf(kind)).toBeGreaterThanOrEqual(closed);
      expect(timeOf(kind)).toBeLessThanOrEqual(closed + pipeline + 192);
    }
  });

  test('near memory saves the last reduction', () => {
    expect(timeOf('reduce-scatter') - timeOf('near-memory reduce-scatter')).toBeGreaterThanOrEqual(3 * 64_000 - 128);
  });

  test('folded equals unfolded', () => {
    fc.assert(
      fc.property(machines, fc.integer({ min: 2, max: 9 }), fc.nat(300), fc.constantFrom<CollectiveKind>('reduce-scatter', 'near-memory reduce-scatter', 'all-gather'), (settings, count, elements, kind) => {
        const run = (fold: boolean): ReturnType<typeof simulateCollective> => simulateCollective({ settings, kind, chunkBytes: Array(count).fill(4 * elements), fold });
        const [one, all] = [run(true), run(false)];
        expect(one.timePs).toBe(all.timePs);
        expect(one.devices[0]).toEqual(all.devices[0]);
        expect(all.devices).toHaveLength(count);
      }),
      { numRuns: 60 },
    );
  });

  test('falls with bandwidth, rises with latency', () => {
    const slower = { linkBandwidth: 5e10 };
    for (const kind of ['reduce-scatter', 'near-memory reduce-scatter', 'all-gather'] as const) {
      expect(timeOf(kind)).toBeLessThan(timeOf(kind, slower));
      expect(timeOf(kind)).toBeLessThan(timeOf(kind, { linkLatencyPs: 900 }));
      expect(timeOf(kind)).toBeLessThanOrEqual(timeOf(kind, { memoryBandwidth: 5e11 }));
      // The CUs' copy bandwidth counts where it is below the link's, and where they copy.
      const copied = timeOf(kind, { cuCopyBandwidth: 1e10 });
      if (kind === 'near-memory reduce-scatter') expect(copied).toBe(timeOf(kind));
      else expect(copied).toBeGreaterThan(2 * timeOf(kind));
    }
    expect(timeOf('all-gather', { cuCopyBandwidth: 1e10, collectiveCus: 1 })).toBeGreaterThan(timeOf('all-gather', { cuCopyBandwidth: 1e10, collectiveCus: 4 }));
  });
});
