import { describe, expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { bindGroupLayoutEntries, reflectKernel, structLayout } from '../../src/gpu/reflect.ts';

const KERNEL = `
struct Entry { piece: u32, at: vec3<f32>, runs: array<u32, 3>, last: f32 }
struct List { count: u32, entries: array<Entry> }
@group(0) @binding(2) var<storage, read_write> counters: array<atomic<u32>>;
@group(0) @binding(0) var<storage, read> a: array<f32, 12>;
@group(0) @binding(1) var<uniform> entry: Entry;
@group(1) @binding(0) var<storage, read> list: List;
@group(1) @binding(1) var<storage> points: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> unused: array<f32>;
const LANES = 4u;
fn bump(index: u32) { atomicAdd(&counters[index], list.count); }
@compute @workgroup_size(LANES, 8)
fn main() { bump(entry.piece + u32(a[0] + points[0].x)); }
@compute @workgroup_size(1)
fn other() { unused[0] = 1.0; }
`;

describe('reflectKernel', () => {
  test('gives the entry’s workgroup and the bindings that it reaches, through functions too', () => {
    const facts = reflectKernel(KERNEL, 'main');
    expect(facts.workgroupSize).toEqual([4, 8, 1]);
    expect(facts.bindings).toEqual([
      { group: 0, binding: 0, name: 'a', kind: 'storage-read', minBytes: 48, elementType: 'f32' },
      { group: 0, binding: 1, name: 'entry', kind: 'uniform', minBytes: 48, elementType: 'Entry' },
      { group: 0, binding: 2, name: 'counters', kind: 'storage-write', minBytes: 4, elementType: 'atomic<u32>' },
      { group: 1, binding: 0, name: 'list', kind: 'storage-read', minBytes: 64, elementType: 'List' },
      { group: 1, binding: 1, name: 'points', kind: 'storage-read', minBytes: 16, elementType: 'vec4f' },
    ]);
    expect(reflectKernel(KERNEL, 'other').bindings.map(({ name }) => name)).toEqual(['unused']);
  });

  test('makes bind group layouts', () => {
    expect(bindGroupLayoutEntries(reflectKernel(KERNEL, 'main'))).toEqual([
      { binding: 0, visibility: 4, buffer: { type: 'read-only-storage', minBindingSize: 48 } },
      { binding: 1, visibility: 4, buffer: { type: 'uniform', minBindingSize: 48 } },
      { binding: 2, visibility: 4, buffer: { type: 'storage', minBindingSize: 4 } },
    ]);
    expect(bindGroupLayoutEntries(reflectKernel(KERNEL, 'main'), 1)).toHaveLength(2);
    expect(bindGroupLayoutEntries(reflectKernel(KERNEL, 'main'), 2)).toEqual([]);
  });

  test.each([
    ['a missing entry', KERNEL, 'absent'],
    ['text that does not parse', 'fn main( {', 'main'],
    ['a texture', '@group(0) @binding(0) var image: texture_2d<f32>;\n@compute @workgroup_size(1) fn main() { let x = textureLoad(image, vec2(0, 0), 0); }', 'main'],
  ])('refuses %s', (_, code, entry) => {
    expect(() => reflectKernel(code, entry)).toThrowError(TilewireError);
    expect(() => reflectKernel(code, entry)).toThrowError(/BAD_KERNEL/);
  });
});

describe('structLayout', () => {
  test('gives offsets and sizes by the rules of WGSL', () => {
    expect(structLayout(KERNEL, 'Entry')).toEqual({
      size: 48,
      fields: {
        piece: { offset: 0, size: 4, type: 'u32' },
        at: { offset: 16, size: 12, type: 'vec3f' },
        runs: { offset: 28, size: 12, type: 'array<u32, 3>' },
        last: { offset: 40, size: 4, type: 'f32' },
      },
    });
  });

  test('counts one element of a runtime-sized array', () => {
    expect(structLayout(KERNEL, 'List')).toEqual({
      size: 64,
      fields: { count: { offset: 0, size: 4, type: 'u32' }, entries: { offset: 16, size: 48, type: 'array<Entry>' } },
    });
  });

  test('refuses an unknown struct', () => {
    expect(() => structLayout(KERNEL, 'Absent')).toThrowError(/no such struct/);
  });
});

test('names that are words of WGSL only in other places are read as names', () => {
  const code = `struct S { block: u32, storage: vec2f }
@group(0) @binding(0) var<uniform> s: S;
@group(0) @binding(1) var<storage, read> block: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
fn put(ptr: ptr<storage, array<f32>, read_write>, workgroup: u32, private: f32) { (*ptr)[workgroup] = private; }
@compute @workgroup_size(4)
fn handle(@builtin(local_invocation_index) function: u32) { let uniform = block[function] * 2.0; put(&c, function + s.block, uniform); }
`;
  expect(reflectKernel(code, 'handle')).toMatchObject({ workgroupSize: [4, 1, 1], bindings: [{ name: 's', kind: 'uniform', elementType: 'S' }, { name: 'block', kind: 'storage-read' }, { name: 'c', kind: 'storage-write' }] });
  expect(Object.keys(structLayout(code, 'S').fields)).toEqual(['block', 'storage']);
});
