// Kernels whose output is not one dense matrix stored once: batches, rows that lie apart, split-K. From text to text: the probe
// finds their footprint, the tracked kernel of a Plan over it stores every element where its chunk has it, and one split by
// itself stores what the kernel would. On the interpreter, so small.
import { describe, expect, test } from 'vitest';
import { dispatchesOf, partOf } from '../../src/emulate/dispatches.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { kernelText, type KernelText } from '../../src/gpu/kernel-text.ts';
import { footprintOf } from '../../src/gpu/probe.ts';
import { probeText, splitText, trackedText, type Op } from '../../src/gpu/tracked-text.ts';
import type { Footprint } from '../../src/plan/footprint.ts';
import { planOf } from '../../src/plan/plan.ts';
import { elementAt } from '../../src/plan/tiling.ts';
import type { BindingsFile } from '../../src/spec/kernel-bindings.ts';
import { interpret } from './interpret.ts';

const shape = { m: 3, n: 5, k: 4 };
const WAVEFRONT = 2;

const HEAD = `@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
override m: u32;
override n: u32;
override k: u32;
override ldc: u32 = 5;
`;

interface Example {
  readonly source: string;
  readonly bindings: BindingsFile;
  /** Workgroup of each split that stores an element, and its wavefront. */
  readonly stores: (row: number, tile: number) => { readonly by: readonly number[]; readonly wavefront: number };
}

const BATCH_ON_Z: Example = {
  source: `${HEAD}
@compute @workgroup_size(2, 2)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= m || id.x >= n) { return; }
  var sum = 0.0;
  for (var i = 0u; i < k; i++) { sum += a[(id.z * m + id.y) * k + i] * b[(id.z * k + i) * n + id.x]; }
  let at = (id.z * m + id.y) * ldc + id.x;
  if (at < arrayLength(&c)) { c[at] = sum; }
}
`,
  bindings: { batch: 2, grid: ['ceilDiv(n, 2)', 'ceilDiv(m, 2)', 2] },
  stores: (row, tile) => ({ by: [tile + 3 * (Math.floor((row % 3) / 2) + 2 * Math.floor(row / 3))], wavefront: (row % 3) % 2 }),
};

const SPLITS_ON_X: Example = {
  source: `${HEAD}
@compute @workgroup_size(1, 2, 2)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.z >= m || id.y >= n) { return; }
  var sum = 0.0;
  for (var i = id.x * 2u; i < id.x * 2u + 2u; i++) { sum += a[id.z * k + i] * b[i * n + id.y]; }
  c[id.z * ldc + id.y] = sum;
}
`,
  bindings: { splits: { axis: 'x', count: 'k / 2' }, grid: ['k / 2', 'ceilDiv(n, 2)', 'ceilDiv(m, 2)'] },
  stores: (row, tile) => ({ by: [0, 1].map((split) => split + 2 * (tile + 3 * Math.floor(row / 2))), wavefront: row % 2 }),
};

const SPLITS_ON_Y: Example = {
  source: `${HEAD}
@compute @workgroup_size(2, 1, 2)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) count: vec3u) {
  if (id.z >= m || id.x >= n) { return; }
  var sum = 0.0;
  for (var i = group.y; i < k; i += count.y) { sum += a[id.z * k + i] * b[i * n + id.x]; }
  c[id.z * ldc + id.x] = sum;
}
`,
  bindings: { splits: { axis: 'y', count: 3 }, grid: ['ceilDiv(n, 2)', 3, 'ceilDiv(m, 2)'] },
  stores: (row, tile) => ({ by: [0, 1, 2].map((split) => tile + 3 * (split + 3 * Math.floor(row / 2))), wavefront: row % 2 }),
};

/** Rows of both matrices one after another, so that a workgroup stores to the end of one and the beginning of the other; splits take their tiles the other way round. */
const SPLITS_OF_A_BATCH: Example = {
  source: `${HEAD}
@compute @workgroup_size(2, 2)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  var tile = group.y;
  if (group.z == 1u) { tile = 2u - group.y; }
  let row = tile * 2u + local.y;
  let column = group.x * 2u + local.x;
  if (row >= 2u * m || column >= n) { return; }
  var sum = 0.0;
  for (var i = group.z * 3u; i < min(k, group.z * 3u + 3u); i++) { sum += a[row * k + i] * b[(row / m * k + i) * n + column]; }
  c[row * ldc + column] = sum;
}
`,
  bindings: { batch: 2, splits: { axis: 'z', count: 2 }, grid: ['ceilDiv(n, 2)', 'ceilDiv(2 * m, 2)', 2] },
  stores: (row, tile) => ({ by: [tile + 3 * Math.floor(row / 2), tile + 3 * (2 - Math.floor(row / 2)) + 9], wavefront: row % 2 }),
};

const EXAMPLES: Record<string, Example> = {
  'a batch on z': BATCH_ON_Z,
  'a batch on z, rows that lie apart': { ...BATCH_ON_Z, bindings: { ...BATCH_ON_Z.bindings, ldc: 'n + 2', overrides: { ldc: 'n + 2' } } },
  'splits on x': SPLITS_ON_X,
  'splits on y': SPLITS_ON_Y,
  'splits on y, rows that lie apart': { ...SPLITS_ON_Y, bindings: { ...SPLITS_ON_Y.bindings, ldc: 8, overrides: { ldc: 8 } } },
  'splits on z of a batch': SPLITS_OF_A_BATCH,
  'splits on z of a batch, rows that lie apart': { ...SPLITS_OF_A_BATCH, bindings: { ...SPLITS_OF_A_BATCH.bindings, ldc: 'n + 1', overrides: { ldc: 'n + 1' } } },
};

const textOf = ({ source, bindings }: Example): KernelText => kernelText({ kind: 'foreign', name: 'example.wgsl', hash: '', source, ...completeBindings(source, bindings, undefined) }, shape);

/** A and B of two matrices. */
const inputs = {
  0: Float32Array.from({ length: 2 * shape.m * shape.k }, (_, at) => ((at * 3) % 7) - 3),
  1: Float32Array.from({ length: 2 * shape.k * shape.n }, (_, at) => ((at * 5) % 9) - 4),
};

function product(row: number, column: number): number {
  const { 0: a, 1: b } = inputs;
  const { m, n, k } = shape;
  return Array.from({ length: k }, (_, i) => a[row * k + i] * b[(Math.floor(row / m) * k + i) * n + column]).reduce((sum, value) => sum + value, 0);
}

/** The interpreter reads a uniform scalar as 0, and assigns to no component of a vector. */
const lowered = (code: string, split: number): string =>
  code
    .replace('@group(1) @binding(1) var<uniform> tw_split: u32;', `const tw_split: u32 = ${split}u;`)
    .replace('whole[TW_SPLIT_AXIS] = tw_split;', `whole = vec3u(${['x', 'y', 'z'].map((axis, at) => `select(whole.${axis}, tw_split, TW_SPLIT_AXIS == ${at}u)`).join(', ')});`);

/** Marks of two runs of the probe. */
function marksOf(text: KernelText): [Uint32Array, Uint32Array] {
  const { batch, splits, facts, grid } = text;
  const marks = new Uint32Array(2 * (splits.count * batch * shape.m * shape.n + 1));
  const [x, y, z] = facts.workgroupSize;
  const probing = probeText(text, shape, WAVEFRONT, (x * y * z) / WAVEFRONT);
  const [first, second] = [0, 1].map(() => {
    interpret(probing, facts.workgroupSize, grid, { 0: inputs, 1: { 0: marks } });
    return marks.slice();
  });
  return [first, second];
}

function footprintFound(text: KernelText): Footprint {
  return footprintOf(...marksOf(text), { m: text.batch * shape.m, n: shape.n, batch: text.batch, grid: text.grid, wavefronts: 2 }, text.splits.count);
}

describe.each(Object.keys(EXAMPLES))('%s', (name) => {
  const text = textOf(EXAMPLES[name]);
  const { batch, pitch, splits, facts, grid } = text;
  const rows = batch * shape.m;
  const footprint = footprintFound(text);

  test('the probe finds who stores each element, and who does so in the other splits', () => {
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < shape.n; column++) {
        const { by: [workgroup, ...others], wavefront } = EXAMPLES[name].stores(row, Math.floor(column / 2));
        expect(footprint.owner[row * shape.n + column]).toBe(2 * workgroup + wavefront);
        expect(footprint.twins.map((twin) => twin[workgroup])).toEqual(others);
      }
    expect(footprint.twins).toHaveLength(splits.count - 1);
  });

  test.each(['rows', 'columns'] as const)('tracked, chunks of %s: every split of every tile, into the memory of its chunk, counted', (axis) => {
    const plan = planOf({ devices: 2, algorithm: 'ring', chunk: axis, stageTiles: 99, triggerTiles: 1 }, footprint);
    const { tiling } = plan;
    const before = 1000;
    const memory = tiling.chunks.map(({ elements }) => new Float32Array(elements).fill(before));
    const counters = new Uint32Array(tiling.parts * tiling.wavefronts);
    const tiles = plan.stages[0].flatMap((stage) => stage.tiles);
    for (let split = 0; split < splits.count; split++)
      for (const { slots, where, tiles: of } of dispatchesOf(plan, tiles, 2)) {
        // The first split adds to what is there already, in the second chunk of each two; so does every further split.
        const bits = slots.map((chunk) => (split > 0 || chunk % 2 === 1 ? 1 : 0));
        const op: Op = bits.every((bit) => bit === 0) ? 'store' : 'mixed';
        const order = Uint32Array.from(of.flatMap((tile) => [split === 0 ? tile : plan.twins[split - 1][tile], ...slots.flatMap((chunk, slot) => [partOf(plan, tile, chunk) * tiling.wavefronts, bits[slot]])]));
        const uniform = Uint32Array.from(slots.flatMap((chunk) => (['row', 'rows', 'column', 'columns'] as const).map((field) => tiling.chunks[chunk][field])));
        interpret(trackedText(text, shape, WAVEFRONT, axis, { slots: slots.length, op, where }), facts.workgroupSize, [of.length, 1, 1], {
          0: inputs,
          1: { 0: order, 1: counters, 2: { uniform }, ...Object.fromEntries(slots.map((chunk, slot) => [slot + 3, memory[chunk]])) },
        });
      }
    tiling.chunks.forEach((chunk, j) => {
      const expected = Array.from({ length: chunk.elements }, (_, dense) => {
        const { row, column } = elementAt(chunk, dense);
        return product(row, column) + (j % 2 === 1 ? before : 0);
      });
      expect([...memory[j]]).toEqual(expected);
    });
    expect([...counters]).toEqual([...tiling.pieceElements].map((elements) => splits.count * elements));
  });

  if (splits.count > 1) test('one split by itself stores its share where the kernel would, and leaves what lies between the rows', () => {
    const poison = 77;
    const groups = grid.map((size, at) => (at === splits.axis ? size / splits.count : size)) as [number, number, number];
    const outputs = Array.from({ length: splits.count }, (_, split) => {
      const output = new Float32Array(rows * pitch).fill(poison);
      interpret(lowered(splitText(text, shape), split), facts.workgroupSize, groups, { 0: inputs, 1: { 0: output } });
      return output;
    });
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < pitch; column++) {
        const values = outputs.map((output) => output[row * pitch + column]);
        if (column >= shape.n) expect(values).toEqual(values.map(() => poison));
        else expect(values.reduce((sum, value) => sum + value, 0)).toBe(product(row, column));
      }
  });
});

describe('the probe refuses', () => {
  const refused = (example: Example, what: string) => {
    const text = textOf(example);
    expect(() => footprintFound(text)).toThrow(expect.objectContaining({ code: 'BAD_KERNEL', what: expect.stringContaining(what) }));
  };
  /** Without the look at the length of the output, which keeps what is refused here from being stored. */
  const unguarded = { ...BATCH_ON_Z, source: BATCH_ON_Z.source.replace('if (at < arrayLength(&c)) { c[at] = sum; }', 'c[at] = sum;') };
  const apart = { ...EXAMPLES['a batch on z, rows that lie apart'], source: unguarded.source };

  test('a store between the rows', () => {
    const source = apart.source.replace('c[at] = sum;', 'c[at] = sum;\n  if (id.x == 0u) { c[at + n] = 0.0; }');
    refused({ ...apart, source }, 'the kernel stores outside of its output');
    const marks = marksOf(textOf({ ...apart, source }));
    // One for each row, in each of two runs; where a workspace would lie, were there one.
    expect(marks.map((of) => [...of.subarray(-2)])).toEqual([[6, 6], [12, 12]]);
  });

  test('rows that lie apart, though nothing says so', () => {
    refused({ ...apart, bindings: { ...BATCH_ON_Z.bindings, overrides: { ldc: 'n + 2' } } }, 'the kernel stores outside of its output');
  });

  test('a batch that is said to be one matrix', () => {
    refused({ ...unguarded, bindings: { grid: BATCH_ON_Z.bindings.grid! } }, 'the kernel stores outside of its output');
  });

  test('splits that nothing is said of, with the axis and the number in its fix', () => {
    const text = textOf({ ...SPLITS_ON_Y, bindings: { grid: [3, 3, 2] } });
    expect(() => footprintFound(text)).toThrow(expect.objectContaining({ what: expect.stringContaining('stored 3 times'), fields: expect.objectContaining({ fix: expect.stringContaining('"splits": { "axis": "y", "count": 3 }') }) }));
  });

  test('a workspace of a matrix for each split', () => {
    const source = SPLITS_ON_Y.source.replace('c[id.z * ldc', 'c[group.y * m * n + id.z * ldc');
    const text = textOf({ ...SPLITS_ON_Y, source });
    // Two of the three splits lie behind the output: 15 elements each, in two runs.
    expect(marksOf(text).map((of) => [...of.subarray(-2)])).toEqual([[30, 30], [60, 60]]);
    refused({ ...SPLITS_ON_Y, source }, 'a matrix of its own, a workspace');
  });
});
