// A fault that cannot strike where it is put is bad input: a run that was to be broken and was not would pass for a
// system that sees nothing, and one that never ends, or ends as an internal error, says nothing at all.
import { describe, expect, test } from 'vitest';
import { Faults } from '../../src/emulate/faults.ts';
import { builtInFootprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { Algorithm, Fault } from '../../src/spec/spec.ts';

// 4 devices; tile 4 is the first of chunk 2. On a ring it travels 1 → 0 → 3 → 2: device 1 stores it into the memory of
// device 0, devices 0 and 3 send it, device 2 owns it. With `direct`, all store into the memory of device 2, none sends.
const place = (kind: Exclude<Fault['kind'], 'unwritten-output'>, device: number): Fault => {
  const at = { device, chunk: 2, tile: 4 };
  return kind === 'threshold' ? { kind, ...at, delta: 1 } : { kind, ...at };
};

async function faultsOf(algorithm: Algorithm, ...faults: Fault[]): Promise<() => Faults> {
  const spec = await resolveSpec({ m: 16, n: 64, k: 12, devices: 4, tile: { m: 8, n: 8, k: 2 }, stageTiles: 2, triggerTiles: 1, algorithm, faults });
  const plan = planOf(spec, builtInFootprint(spec));
  return () => new Faults(spec, plan);
}

describe('accepted, because it can strike', () => {
  test.each<[Algorithm, Exclude<Fault['kind'], 'unwritten-output'>, number[]]>([
    ['ring', 'suppress-stores', [0, 1, 2, 3]],
    ['ring', 'threshold', [0, 2, 3]],
    ['ring', 'drop-transfer', [0, 3]],
    ['ring', 'double-update', [0, 3]],
    ['ring', 'early-read', [0, 3]],
    ['ring', 'corrupt-tile', [0, 2, 3]],
    ['direct', 'suppress-stores', [0, 1, 2, 3]],
    ['direct', 'threshold', [2]],
    ['direct', 'corrupt-tile', [2]],
  ])('%s, %s on devices %j', async (algorithm, kind, devices) => {
    for (const device of devices) expect(await faultsOf(algorithm, place(kind, device))).not.toThrow();
  });

  test('an output that is never written', async () => {
    expect(await faultsOf('direct', { kind: 'unwritten-output' })).not.toThrow();
  });
});

describe('refused as bad input, because it cannot strike', () => {
  test('a tile that has no part of the chunk, or does not exist', async () => {
    for (const tile of [0, 15]) expect(await faultsOf('ring', { kind: 'drop-transfer', device: 0, chunk: 2, tile })).toThrow('BAD_SPEC');
  });

  test.each<[string, Algorithm, Exclude<Fault['kind'], 'unwritten-output'>, number]>([
    ['a transfer that is dropped by the owner, which sends none', 'ring', 'drop-transfer', 2],
    ['a transfer that is dropped by the first device, whose stores are the transfer', 'ring', 'drop-transfer', 1],
    ['a transfer that is dropped where stores are the transfer', 'direct', 'drop-transfer', 0],
    ['an update that is doubled from the owner, which sends none', 'ring', 'double-update', 2],
    ['an update that is doubled where none is sent', 'direct', 'double-update', 0],
    ['an early read of a result, which nobody reads', 'ring', 'early-read', 2],
    ['an early read of what is stored into another memory', 'ring', 'early-read', 1],
    ['an early read where none is sent (the run would never end)', 'direct', 'early-read', 0],
    ['a corrupted tile where the device has no memory of the chunk', 'ring', 'corrupt-tile', 1],
    ['a corrupted tile where only the owner has memory of the chunk', 'direct', 'corrupt-tile', 0],
  ])('%s: %s, %s on device %i', async (_, algorithm, kind, device) => {
    expect(await faultsOf(algorithm, place(kind, device))).toThrow('BAD_SPEC');
  });
});
