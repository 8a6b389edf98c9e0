import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { atSourceLine, atSourceLineLater, ownLines, probeText, sourceLines, trackedText } from '../../src/gpu/tracked-text.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';

/** Its fourth line is its own sixth when the block before it is written out three times. */
const source = `@group(0) @binding(0) var<storage, read> a: array<f32>;
//@repeat p 3
const unused$p = $p;
//@end
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
override n: u32;
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  c[
    id.x
  ] = a[0] * b[id.x % n];
}
`;
const shape = { m: 1, n: 16, k: 1 };
const { bindings } = completeBindings(source.replaceAll(/^.*\$p.*$/gm, ''), { grid: ['ceilDiv(m * n, 8)', 1, 1] }, undefined);
const text = kernelText({ kind: 'foreign', name: 'mine.wgsl', hash: '', entry: 'main', source, bindings }, shape);

test('every line of the rewritten kernel leads to the line of the file that it came from', () => {
  for (const code of [trackedText(text, shape, 64, 'columns', { slots: 2, op: 'mixed', where: 'ordered' }), probeText(text, shape, 64, 1)]) {
    const lines = code.split('\n');
    const map = sourceLines(text, code);
    const original = source.split('\n');
    expect(map).toHaveLength(lines.length);
    const found = (part: string): string | undefined => original[(map[lines.findIndex((line) => line.includes(part))] ?? 0) - 1];
    expect(found('unused2')).toBe('const unused$p = $p;');
    expect(found('const n: u32 = 16u')).toBe('override n: u32;');
    expect(found('fn main(')).toContain('fn main(');
    expect(found('tw_store(u32(')).toContain('c[');
    expect(found('a[0] * b')).toContain('] = a[0]');
    expect(map[lines.findIndex((line) => line.includes('fn tw_main'))]).toBeNull();
    expect(map.indexOf(null)).toBe(13);
    expect(map.slice(ownLines(text)).every((line) => line === null)).toBe(true);
  }
});

test('lines of a built-in kernel, unrolled, lead to its file as well', async () => {
  const { kernel, gemm } = await resolveSpec({ m: 64, n: 64, k: 8, devices: 2 });
  const builtIn = kernelText(kernel, gemm);
  expect(builtIn.lineMap).toHaveLength(builtIn.code.split('\n').length);
  const original = builtIn.source.split('\n');
  builtIn.code.split('\n').forEach((line, at) => {
    if (line.startsWith('// ')) expect(original[builtIn.lineMap[at] - 1].slice(0, 6)).toBe(line.slice(0, 6));
  });
  expect(new Set(builtIn.lineMap).size).toBeLessThan(builtIn.lineMap.length);
});

const thrown = async (path: string): Promise<TilewireError['fields']> => {
  const error = new TilewireError('BAD_KERNEL', 'broken', { path, actual: 'as rewritten', fix: 'mend it' });
  const sync = (): unknown => {
    try {
      atSourceLine(text, () => {
        throw error;
      });
    } catch (mapped) {
      return mapped;
    }
    return undefined;
  };
  const later = await atSourceLineLater(text, Promise.reject(error)).catch((mapped: unknown) => mapped);
  expect((later as TilewireError).fields).toEqual((sync() as TilewireError).fields);
  return (later as TilewireError).fields;
};

test('what a compiler says of the rewritten text is said of the file', async () => {
  expect(await thrown('line 6')).toEqual({ path: 'line 6', actual: '@group(0) @binding(2) var<storage, read_write> c: array<f32>;', fix: 'mend it' });
  expect(await thrown('line 4')).toMatchObject({ path: 'line 3', actual: 'const unused$p = $p;' });
  expect(await thrown('line 900')).toMatchObject({ path: 'line 900 of the rewritten kernel, in what tilewire added', fix: expect.stringContaining('tilewire instrument mine.wgsl') });
  for (const path of ['line 0', 'main', 'tw_main']) expect(await thrown(path)).toMatchObject({ path, actual: 'as rewritten' });
});

test('other errors, and other results, pass through', async () => {
  const error = new TilewireError('DEVICE_LOST', 'gone', { path: 'line 4' });
  await expect(atSourceLineLater(text, Promise.reject(error))).rejects.toBe(error);
  expect(atSourceLine(text, () => 7)).toBe(7);
});
