import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { canonicalJson, parseSpec, sha256Hex, specHash } from '../../src/spec/parse.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { Spec } from '../../src/spec/spec.ts';
import { requests } from './requests.ts';

const good = await resolveSpec({ m: 64, n: 96, k: 32, devices: 4 });

function refusal(json: unknown): TilewireError {
  try {
    parseSpec(json);
  } catch (error) {
    if (error instanceof TilewireError) return error;
    throw error;
  }
  throw new Error(`accepted ${JSON.stringify(json)}`);
}

test('every resolved Spec is read back from its JSON unchanged, with the same hash', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const spec = await resolveSpec(request);
      const back = parseSpec(JSON.parse(JSON.stringify(spec)));
      expect(back).toEqual(spec);
      expect(await specHash(back)).toBe(await specHash(spec));
    }),
  );
  const trained = await resolveSpec({ trained: { m: 4, n: 5, k: 6, source: 'x', hash: '0'.repeat(64) }, tp: 3 });
  expect(parseSpec(JSON.parse(JSON.stringify(trained)))).toEqual(trained);
});

test('a Spec of files is read back with its sources, hashes and layout, each of which its hash depends on', async () => {
  const files = { m: 4, n: 5, kTotal: 7, a: { source: 'a.npy', hash: '1'.repeat(64) }, b: { source: 'b.npy', hash: '2'.repeat(64) }, layout: 'nt' } as const;
  const spec = await resolveSpec({ files, tp: 3 });
  expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  const others = [{ ...files, a: { ...files.a, hash: '3'.repeat(64) } }, { ...files, b: { ...files.b, source: 'c.npy' } }, { ...files, layout: 'tt' as const }, { ...files, kTotal: 8 }];
  for (const other of others) expect(await specHash(await resolveSpec({ files: other, tp: 3 }))).not.toBe(await specHash(spec));
  for (const operands of [{ ...spec.operands, layout: 'xy' }, { ...spec.operands, a: { source: '', hash: '1'.repeat(64) } }, { ...spec.operands, b: { source: 'b.npy' } }]) expect(refusal({ ...spec, operands }).code).toBe('BAD_SPEC');
});

test("k is the first device's share of K, whatever the Spec says", () => {
  const gemm = { ...good.gemm, k: 33, kTotal: 130 };
  expect(parseSpec({ ...good, gemm }).gemm).toEqual(gemm);
  expect(refusal({ ...good, gemm: { ...gemm, k: 32 } }).fields.lines![0]).toContain('gemm.k: not the first device');
  expect(refusal({ ...good, gemm: { ...gemm, kTotal: 3 } }).fields.lines![0]).toContain('gemm.kTotal:');
});

test('the hash depends on every field and on nothing else', async () => {
  const reversed = Object.fromEntries(Object.entries(good).toReversed()) as unknown as Spec;
  expect(await specHash(reversed)).toBe(await specHash(good));
  expect(await specHash(good)).toMatch(/^[0-9a-f]{64}$/);
  const changed = [{ ...good, seed: 2 }, { ...good, gemm: { ...good.gemm, m: 65 } }, { ...good, kernel: { ...good.kernel, hash: '0'.repeat(64) } }];
  for (const spec of changed) expect(await specHash(spec)).not.toBe(await specHash(good));
  expect(canonicalJson({ b: [2, { d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[2,{"c":null,"d":1}]}');
  // FIPS 180-2, appendix B.1.
  expect(await sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

/** A copy of the good Spec in which the value at `path` is replaced (undefined: removed). */
function broken(path: string, value: unknown): unknown {
  const copy = structuredClone(good) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  const holder = keys.slice(0, -1).reduce((part, key) => part[key] as Record<string, unknown>, copy);
  holder[keys.at(-1)!] = value;
  if (value === undefined) delete holder[keys.at(-1)!];
  return copy;
}

test.each<[string, unknown]>([
  ['version', 2], ['name', 5], ['gemm.m', '64'], ['gemm.k', undefined], ['gemm.n', 1.5], ['dtype', 'f16'], ['devices', null], ['collective', 'all-gather'],
  ['algorithm', 'tree'], ['chunk', 'diagonal'], ['kernel.hash', 'abc'], ['skew', '1'], ['triggers', 'gpu'], ['overflow', 'drop'], ['tracker.ways', undefined], ['faults', {}], ['operands.range', undefined],
])('a wrong type is refused with its path: %s = %j', (path, value) => {
  const error = refusal(broken(path, value));
  expect(error).toMatchObject({ code: 'BAD_SPEC', exitCode: 2 });
  expect(error.fields.lines!.join('\n')).toContain(path);
});

test.each<[string, unknown]>([
  ['gemm.m', 0], ['gemm.n', -1], ['devices', 65], ['seed', 2 ** 32], ['wavefront', 48], ['stageTiles', 65536], ['triggerTiles', 0], ['lag', 17], ['skew', -0.1], ['skew', 4.1], ['tracker.sets', 3],
  ['kernel.name', 'gemm-none'], ['operands.range', 5], ['kernel.tile.k', 0],
])('a broken limit is refused with its path: %s = %j', (path, value) => {
  const error = refusal(broken(path, value));
  expect(error.code).toBe('BAD_SPEC');
  expect(error.fields.lines).toHaveLength(1);
  expect(error.fields.lines![0]).toContain(`${path}:`);
});

test('operands beyond the proof are refused', () => {
  const error = refusal({ ...good, gemm: { m: 1, n: 1, k: 2 ** 22, kTotal: 2 ** 24 } });
  expect(error.fields.lines!.join('\n')).toMatch(/operands: .*268435456/);
});

test('unknown keys are refused, at any depth, and all issues are listed', () => {
  expect(refusal({ ...good, extra: 1 }).message).toContain('extra');
  expect(refusal({ ...good, tracker: { ...good.tracker, lines: 4 } }).message).toMatch(/tracker: .*lines/);
  expect(refusal({ ...good, faults: [{ kind: 'unwritten-output', device: 0 }] }).message).toMatch(/faults\[0\]: .*device/);
  expect(refusal({ ...good, seed: 'x', lag: 'y', devices: 'z' }).fields.lines).toHaveLength(3);
  for (const json of [null, 5, 'x', [], {}]) expect(refusal(json).code).toBe('BAD_SPEC');
});
