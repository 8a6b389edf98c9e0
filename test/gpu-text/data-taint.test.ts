// A place that can depend on data is seen through variables, functions, parameters, memory and returns; one that cannot is not.
import { describe, expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { redirectStores } from '../../src/gpu/output-space.ts';
import { readModule } from '../../src/gpu/wgsl-tokens.ts';

const head = `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: vec3u;
var<workgroup> slab: array<f32, 64>;
var<private> at: u32;
`;

function refusal(body: string, helpers = ''): string | null {
  const module = readModule(`${head}${helpers}\n@compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {\n${body}\n}\n`);
  try {
    redirectStores(module, 'c', module.functions, 64, ['a', 'b']);
    return null;
  } catch (error) {
    if (error instanceof TilewireError) return error.what;
    throw error;
  }
}

describe('depends on data', () => {
  test.each([
    ['at once', 'c[u32(a[id.x])] = 1.0;'],
    ['through a variable', 'let i = u32(b[id.x]);\nc[i] = 1.0;'],
    ['through a variable that changes later', 'var i = id.x;\nfor (var s = 0u; s < 2u; s++) { c[i] = 1.0; i += u32(a[s]); }'],
    ['through workgroup memory', 'slab[lane] = a[id.x];\nworkgroupBarrier();\nc[u32(slab[lane])] = 1.0;'],
    ['through a private variable', 'at = u32(a[0]);\nc[at] = 1.0;'],
    ['through what a function returns', 'c[pick(id.x)] = 1.0;', 'fn pick(i: u32) -> u32 { return u32(a[i]); }'],
    ['through what a function is given', 'put(u32(a[id.x]), 1.0);', 'fn put(i: u32, v: f32) { c[i] = v; }'],
    ['through two functions', 'put(pick(id.x), 1.0);', 'fn pick(i: u32) -> u32 { let x = b[i]; return u32(x); }\nfn put(i: u32, v: f32) { c[i] = v; }'],
    ['through a pointer that a function writes', 'var i = 0u;\npick(&i);\nc[i] = 1.0;', 'fn pick(to: ptr<function, u32>) { *to = u32(a[0]); }'],
    ['in a pointer to an element', 'let p = &c[u32(a[id.x])];\n*p = 1.0;'],
    ['in one of two arms of select', 'c[select(id.x, u32(a[0]), id.x == 1u)] = 1.0;'],
    ['through a member of a vector', 'var v = vec2u(id.xy);\nv.y = u32(a[0]);\nc[v.x] = 1.0;'],
  ])('%s', (_how, body, helpers = '') => {
    expect(refusal(body, helpers)).toMatch(/depends on the data/);
  });
});

describe('does not', () => {
  test.each([
    ['ids and sizes', 'let n = sizes.y;\nc[id.y * n + id.x] = a[id.x];'],
    ['data in the value only', 'var sum = 0.0;\nfor (var i = 0u; i < 4u; i++) { sum += a[i] * b[i]; }\nc[id.x] = sum;'],
    ['the length of an operand', 'c[min(id.x, arrayLength(&a) - 1u)] = 1.0;'],
    ['a variable that hides an operand', 'let a = id.x;\nc[a] = 1.0;'],
    ['a name that is data elsewhere', '{ let x = a[0]; slab[lane] = x; }\nlet x = id.x;\nc[x] = 1.0;'],
    ['a name that is data in another function', 'let x = id.x;\nc[x] = f(id.x);', 'fn f(i: u32) -> f32 { let x = a[i]; return x; }'],
    ['a helper that is given data as a value', 'put(id.x, a[id.x]);', 'fn put(i: u32, v: f32) { c[i] = v; }'],
    ['the variable of a loop beside data', 'for (var i = 0u; i < 4u; i++) { let v = a[i]; c[i] = v; }'],
    ['a member that is called like an operand', 'var s: S;\ns.a = id.x;\nc[s.a] = 1.0;', 'struct S { a: u32 }'],
  ])('%s', (_how, body, helpers = '') => {
    expect(refusal(body, helpers)).toBeNull();
  });
});
