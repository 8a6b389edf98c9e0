// A small generator of WGSL GEMMs: seeded combinations of how people write them. Who computes what (2-D ids, 1-D ids,
// several elements an invocation, grid-stride, tiles in workgroup memory), where the sizes come from, how edges are guarded,
// how k is walked, and by what name the output is stored to. Every kernel is right for every m, n, k.
import type { BindingsFile } from '../../src/spec/kernel-bindings.ts';

export interface GeneratedKernel {
  readonly source: string;
  readonly bindings: BindingsFile;
  /** What was chosen, for the name of its test. */
  readonly features: string;
}

export function generateKernel(seed: number): GeneratedKernel {
  let state = (Math.imul(seed, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
  const below = (limit: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x297a2d39) >>> 0;
    return Math.floor(((state ^ (state >>> 13)) >>> 0) / 2 ** 32 * limit);
  };
  const pick = <T>(...choices: readonly T[]): T => choices[below(choices.length)];

  const [A, B, C] = pick(['A', 'B', 'C'], ['a', 'b', 'c'], ['lhs', 'rhs', 'result'], ['x', 'w', 'out_0'], ['matA', 'matB', 'matC']);
  const group = pick(0, 0, 0, 1);
  const signed = pick(false, false, true);
  const int = signed ? 'i32' : 'u32';
  const n0 = (value: number | string): string => (typeof value === 'number' ? `${value}${signed ? '' : 'u'}` : value);
  const sizes = pick('uniform', 'overrides', 'storage');
  const [M, N, K] = sizes === 'overrides' ? pick(['M', 'N', 'K'], ['ROWS', 'COLS', 'INNER']) : pick(['dims.m', 'dims.n', 'dims.k'], ['size.rows', 'size.cols', 'size.inner']);
  const [variable, ...fields] = sizes === 'overrides' ? [''] : [M.split('.')[0], M, N, K].map((name, at) => (at === 0 ? name : name.split('.')[1]));
  const declarations =
    sizes === 'overrides'
      ? [`override ${M}: ${int};`, `override ${N}: ${int};`, `override ${K}: ${int} = ${n0(1)};`]
      : [`struct Sizes { ${fields.map((field) => `${field}: ${int}`).join(', ')}, _pad: ${int} }`, `@group(${group}) @binding(3) var<${sizes === 'uniform' ? 'uniform' : 'storage, read'}> ${variable}: Sizes;`];

  const store = pick('direct', 'helper', 'pointer helper', 'element helper', 'alias', 'whole alias', 'switch', 'block');
  const put = (at: string, value: string): string =>
    ({
      direct: `${C}[${at}] = ${value};`,
      helper: `put(${at}, ${value});`,
      'pointer helper': `put(${at}, &${C}, ${value});`,
      'element helper': `put(&${C}[${at}], ${value});`,
      alias: `let place = &${C}[${at}]; *place = ${value};`,
      'whole alias': `let whole = &${C}; (*whole)[${at}] = ${value};`,
      switch: `switch (${at} % ${n0(2)}) { case ${n0(0)}: { ${C}[${at}] = ${value}; } default: { ${C}[${at}] = ${value}; } }`,
      block: `{ /* ${C}[0] = 1.0; */ ${C}[${at}] = ${value}; }`,
    })[store];
  const helper = {
    helper: `fn put(i: ${int}, v: f32) { ${C}[i] = v; }`,
    'pointer helper': `fn put(i: ${int}, to: ptr<storage, array<f32>, read_write>, v: f32) { (*to)[i] = v; }`,
    'element helper': `fn put(to: ptr<storage, f32, read_write>, v: f32) { *to = v; }`,
  } as Record<string, string>;

  const walk = pick('for', 'backwards', 'while', 'loop');
  const dot = (row: string, column: string): string => {
    const step = `sum += ${A}[${row} * ${K} + i] * ${B}[i * ${N} + ${column}];`;
    return `var sum = 0.0;\n${
      {
        for: `for (var i = ${n0(0)}; i < ${K}; i++) { ${step} }`,
        backwards: `for (var j = ${K}; j > ${n0(0)}; j--) { let i = j - ${n0(1)}; ${step} }`,
        while: `var i = ${n0(0)};\nwhile (i < ${K}) { ${step} i++; }`,
        loop: `var i = ${n0(0)};\nloop { if (i >= ${K}) { break; } ${step} continuing { i++; } }`,
      }[walk]
    }`;
  };

  const x = pick(4, 8, 16);
  const y = pick(1, 4, 8);
  const style = pick('2-D', '2-D rows on x', '1-D', 'several', 'grid-stride', 'workgroup memory');
  const guard = pick('return', 'if');
  const guarded = (condition: string, body: string): string => (guard === 'return' ? `if (!(${condition})) { return; }\n${body}` : `if (${condition}) {\n${body}\n}`);
  const id = (axis: string): string => (signed ? `i32(id.${axis})` : `id.${axis}`);
  const one = (row: string, column: string): string => `let row = ${row};\nlet column = ${column};\n${guarded(`row < ${M} && column < ${N}`, `${dot('row', 'column')}\n${put(`row * ${N} + column`, 'sum')}`)}`;
  const styles: Record<string, { body: string; size: [number, number]; grid: [string, string]; extra?: string; builtins?: string }> = {
    '2-D': { body: one(id('y'), id('x')), size: [x, y], grid: [`ceilDiv(n, ${x})`, `ceilDiv(m, ${y})`] },
    '2-D rows on x': { body: one(id('x'), id('y')), size: [x, y], grid: [`ceilDiv(m, ${x})`, `ceilDiv(n, ${y})`] },
    '1-D': { body: `let flat = ${id('x')};\n${one(`flat / ${N}`, `flat % ${N}`)}`, size: [x * y, 1], grid: [`ceilDiv(m * n, ${x * y})`, '1'] },
    several: {
      body: `for (var r = ${n0(0)}; r < ${n0(2)}; r++) { for (var s = ${n0(0)}; s < ${n0(3)}; s++) {\nlet row = ${id('y')} * ${n0(2)} + r;\nlet column = ${id('x')} * ${n0(3)} + s;\nif (row < ${M} && column < ${N}) {\n${dot('row', 'column')}\n${put(`row * ${N} + column`, 'sum')}\n}\n} }`,
      size: [x, y],
      grid: [`ceilDiv(n, ${3 * x})`, `ceilDiv(m, ${2 * y})`],
    },
    'grid-stride': {
      body: `let stride = ${signed ? 'i32(count.x)' : 'count.x'} * ${n0(x * y)};\nfor (var flat = ${id('x')}; flat < ${M} * ${N}; flat += stride) {\nlet row = flat / ${N};\nlet column = flat % ${N};\n${dot('row', 'column')}\n${put('flat', 'sum')}\n}`,
      size: [x * y, 1],
      grid: [String(pick(1, 3, 5)), '1'],
      builtins: ', @builtin(num_workgroups) count: vec3u',
    },
    'workgroup memory': {
      // Workgroups of 8 x 8 that stage a slab of A and of B; every invocation takes part in the barriers.
      body: `let row = ${id('y')};\nlet column = ${id('x')};\nlet ly = local.y;\nlet lx = local.x;\nvar sum = 0.0;\nfor (var k0 = ${n0(0)}; k0 < ${K}; k0 += ${n0(8)}) {\nlet ka = k0 + ${signed ? 'i32(lx)' : 'lx'};\nlet kb = k0 + ${signed ? 'i32(ly)' : 'ly'};\nvar va = 0.0;\nvar vb = 0.0;\nif (row < ${M} && ka < ${K}) { va = ${A}[row * ${K} + ka]; }\nif (kb < ${K} && column < ${N}) { vb = ${B}[kb * ${N} + column]; }\nslabA[ly][lx] = va;\nslabB[ly][lx] = vb;\nworkgroupBarrier();\nfor (var i = 0u; i < 8u; i++) { sum += slabA[ly][i] * slabB[i][lx]; }\nworkgroupBarrier();\n}\nif (row < ${M} && column < ${N}) {\n${put(`row * ${N} + column`, 'sum')}\n}`,
      size: [8, 8],
      grid: ['ceilDiv(n, 8)', 'ceilDiv(m, 8)'],
      extra: 'var<workgroup> slabA: array<array<f32, 8>, 8>;\nvar<workgroup> slabB: array<array<f32, 8>, 8>;',
      builtins: ', @builtin(local_invocation_id) local: vec3u',
    },
  };
  const { body, size, grid, extra = '', builtins = '' } = styles[style];
  const entry = pick('main', 'matmul', 'gemm_kernel');
  const lines = [
    ...declarations,
    `@group(${group}) @binding(0) var<storage, read> ${A}: array<f32>;`,
    `@group(${group}) @binding(1) var<storage, read> ${B}: array<f32>;`,
    `@group(${group}) @binding(2) var<storage, read_write> ${C}: array<f32>;`,
    extra,
    helper[store] ?? '',
    `@compute @workgroup_size(${size[0]}, ${size[1]})`,
    `fn ${entry}(@builtin(global_invocation_id) id: vec3u${builtins}) {`,
    body,
    '}',
  ].filter((line) => line !== '');
  const source = `${lines.join('\n')}\n`;
  const names = { [M]: 'm', [N]: 'n', [K]: 'k' };
  return {
    source: pick(source, source, source.replaceAll('\n', '\r\n')),
    bindings: { a: A, b: B, output: C, grid: [...grid, '1'] as [string, string, string], ...(sizes === 'overrides' ? { overrides: names } : { uniforms: names }) },
    features: [style, store, walk, guard, sizes, int, `group ${group}`].join(', '),
  };
}
