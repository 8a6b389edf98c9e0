// Operands read as zero, in the text: every read of the module's own arrays, nothing that only looks like one.
import { expect, test } from 'vitest';
import { instrument } from '../../src/gpu/instrument.ts';

const head = (a = 'array<f32>'): string => `struct Ids { @builtin(global_invocation_id) at: vec3u }
@group(0) @binding(0) var<storage, read> A: ${a};
@group(0) @binding(1) var<storage, read> B: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
`;

const OPERANDS = [{ name: 'A', elementType: 'f32' }, { name: 'B', elementType: 'vec4<f32>' }];

/** The kernel's own lines after rewriting, of a body with \`id\` and \`ids\`. */
function rewritten(body: string, { functions = '', zeroed = OPERANDS } = {}): string {
  const code = `${head()}${functions}@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) id: u32, ids: Ids) {\n${body}\n}`;
  const text = instrument(code, { entry: 'main', output: 'C', operands: ['A', 'B'], zeroed, workgroupSize: [4, 1, 1], grid: [1, 1, 1], elements: 4, space: 'fn tw_store(index: u32, value: f32) {}' });
  return text.split('\n').slice(0, code.split('\n').length).join('\n');
}
const bodyOf = (text: string): string => text.slice(text.lastIndexOf('{\n') + 2, text.lastIndexOf('\n}')).replaceAll(/tw_store\(u32\((.+?)\) ,/g, 'tw_store($1,');

test('reads become zeros of their type, stores stay stores', () => {
  expect(bodyOf(rewritten('C[id] = A[id] * B[id].y + B[id / 4u][id % 4u];'))).toBe('tw_store(id, f32() * vec4<f32>().y + vec4<f32>()[id % 4u]);');
});

test('what an index reads goes with it, and so does what else would be rewritten in it', () => {
  expect(bodyOf(rewritten('let v = A[u32(B[id].x) + ids.at.x]; C[ids.at.x] = v;'))).toBe('let v = f32(); tw_store(tw_ids_at.x, v);');
});

test('a name that is hidden, and a member of that name, are no operand', () => {
  const body = 'var A = array<f32, 4>(); A[id] = 1.0; struct_of.B[0] = A[id]; C[id] = A[id];';
  const functions = 'struct S { B: array<f32, 1> }\nvar<private> struct_of: S;\n';
  expect(bodyOf(rewritten(body, { functions }))).toBe(body.replace('C[id] = A[id]', 'tw_store(id, A[id])'));
  expect(bodyOf(rewritten('if (id > 2u) { let A = 3.0; C[id] = A; return; } C[id] = A[id];'))).toBe('if (id > 2u) { let A = 3.0; tw_store(id, A); return; } tw_store(id, f32());');
});

test('the length of an operand stays', () => {
  expect(bodyOf(rewritten('let k = arrayLength(&A); C[id] = A[k - 1u];'))).toBe('let k = arrayLength(&A); tw_store(id, f32());');
});

test('an operand that a pointer leads to is left as it is, the other one is not', () => {
  const functions = 'fn at(of: ptr<storage, array<f32>, read>, i: u32) -> f32 { return (*of)[i]; }\n';
  const text = rewritten('C[id] = at(&A, id) + A[id] + B[id].x;', { functions });
  expect(bodyOf(text)).toBe('tw_store(id, at(&A, id) + A[id] + vec4<f32>().x);');
});

test('nothing is zeroed unless it is asked for', () => {
  expect(bodyOf(rewritten('C[id] = A[id];', { zeroed: [] }))).toBe('tw_store(id, A[id]);');
});
