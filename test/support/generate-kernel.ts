// A small generator of WGSL GEMMs: seeded combinations of how people write them. Who computes what (2-D ids, 1-D ids,
// several elements an invocation, grid-stride, tiles in workgroup memory), where the sizes come from, how edges are guarded,
// how k is walked, by what name the output is stored to; whether several workgroups share the products of an element
// (split-K), whether there are several matrices, how far rows of C lie apart, and which way round A and B are. Every kernel is right for every m, n, k.
import type { BindingsFile } from '../../src/spec/kernel-bindings.ts';
import { randomOf } from './random.ts';

export interface GeneratedKernel {
  readonly source: string;
  readonly bindings: BindingsFile;
  /** What was chosen, for the name of its test. */
  readonly features: string;
}

type Pick = <const T>(...choices: readonly T[]) => T;

/** How C is cut beyond one matrix stored once: what is not said is as the plain kernel has it. */
function layoutOf(style: string, pick: Pick) {
  const splits = style === 'grid-stride' ? 1 : pick(1, 1, 1, 2, 3);
  // A slab in workgroup memory is of one B: its workgroup cannot go over the end of a matrix, and z is the splits'.
  const batch = style === 'workgroup memory' && splits > 1 ? 1 : pick(1, 1, 1, 1, 2, 3);
  const axis = style === '1-D' ? pick('y', 'z') : 'z';
  const free = axis === 'y' ? 'z' : style === '1-D' ? 'y' : splits === 1 ? 'z' : undefined;
  // The axis of workgroup_id that is the matrix; where there is none, rows go on from matrix to matrix.
  const matrices = batch === 1 || style === 'grid-stride' ? undefined : style === 'workgroup memory' ? free : pick(undefined, free);
  return { splits, axis, batch, matrices, cut: style === 'workgroup memory' ? 'interleaved' : pick('ranges', 'ranges of eights', 'interleaved'), ldc: pick('n', 'n', 'n', 'n', 'n', 'n + 3', 'ceilDiv(n, 4) * 4', 'ceilDiv(n, 8) * 8'), ldcInText: pick(true, false), layout: pick('nn', 'nn', 'nn', 'nt', 'tn', 'tt') };
}

export function generateKernel(seed: number): GeneratedKernel {
  const random = randomOf(seed);
  const pick: Pick = (...choices) => choices[random(choices.length)];

  const [A, B, C] = pick(['A', 'B', 'C'], ['a', 'b', 'c'], ['lhs', 'rhs', 'result'], ['x', 'w', 'out_0'], ['matA', 'matB', 'matC']);
  const group = pick(0, 0, 0, 1);
  const signed = pick(false, false, true);
  const int = signed ? 'i32' : 'u32';
  const n0 = (value: number | string): string => (typeof value === 'number' ? `${value}${signed ? '' : 'u'}` : value);
  const sizes = pick('uniform', 'overrides', 'storage');
  const x = pick(4, 8, 16);
  const y = pick(1, 4, 8);
  const style = pick('2-D', '2-D rows on x', '1-D', 'several', 'grid-stride', 'workgroup memory');
  const { splits, axis, batch, matrices, cut, ldc, ldcInText, layout } = layoutOf(style, pick);
  const [M, N, K, given] = sizes === 'overrides' ? pick(['M', 'N', 'K', 'LDC'], ['ROWS', 'COLS', 'INNER', 'PITCH']) : pick(['dims.m', 'dims.n', 'dims.k', 'dims.ldc'], ['size.rows', 'size.cols', 'size.inner', 'size.apart']);
  const inText = { n: N, 'n + 3': `(${N} + ${n0(3)})`, 'ceilDiv(n, 4) * 4': `((${N} + ${n0(3)}) / ${n0(4)} * ${n0(4)})`, 'ceilDiv(n, 8) * 8': `((${N} + ${n0(7)}) / ${n0(8)} * ${n0(8)})` };
  const told = ldc !== 'n' && !ldcInText;
  const LDC = told ? given : inText[ldc];
  const [variable, ...fields] = sizes === 'overrides' ? [''] : [M.split('.')[0], ...[M, N, K, given].map((name) => name.split('.')[1])];
  const declarations =
    sizes === 'overrides'
      ? [`override ${M}: ${int};`, `override ${N}: ${int};`, `override ${K}: ${int} = ${n0(1)};`, ...(told ? [`override ${given}: ${int};`] : [])]
      : [`struct Sizes { ${fields.slice(0, 3).map((field) => `${field}: ${int}`).join(', ')}, ${told ? fields[3] : '_pad'}: ${int} }`, `@group(${group}) @binding(3) var<${sizes === 'uniform' ? 'uniform' : 'storage, read'}> ${variable}: Sizes;`];

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

  const cast = (value: string): string => (signed ? `i32(${value})` : value);
  // The products of one split: i from `from` to before `to`, by `by`. Some splits have none where k is small: they store zeros.
  const walk = pick('for', 'backwards', 'while', 'loop');
  const per = cut === 'ranges of eights' ? `(${K} + ${n0(8 * splits - 1)}) / ${n0(8 * splits)} * ${n0(8)}` : `(${K} + ${n0(splits - 1)}) / ${n0(splits)}`;
  const [share, from, to, by] = splits === 1
    ? ['', n0(0), K, n0(1)]
    : cut === 'interleaved'
      ? [`let split = ${cast(`group.${axis}`)};\n`, 'split', K, n0(splits)]
      : [`let per = ${per};\nlet first = ${cast(`group.${axis}`)} * per;\nlet end = min(${K}, first + per);\n`, 'first', 'end', n0(1)];
  /** Place in an operand that is stored row by row, or turned round column by column. */
  const inOperand = (turned: boolean, [row, rows]: readonly [string, string], [column, columns]: readonly [string, string]): string => {
    const [major, majors, minor, minors] = turned ? [column, columns, row, rows] : [row, rows, column, columns];
    return `${batch === 1 ? major : `(matrix * ${majors} + ${major})`} * ${minors} + ${minor}`;
  };
  const atA = (row: string, i: string): string => `${A}[${inOperand(layout.startsWith('t'), [row, M], [i, K])}]`;
  const atB = (i: string, column: string): string => `${B}[${inOperand(layout.endsWith('t'), [i, K], [column, N])}]`;
  const dot = (row: string, column: string): string => {
    const step = `sum += ${atA(row, 'i')} * ${atB('i', column)};`;
    return `${share}var sum = 0.0;\n${
      {
        for: `for (var i = ${from}; i < ${to}; i += ${by}) { ${step} }`,
        backwards: by === n0(1) ? `for (var j = ${to}; j > ${from}; j--) { let i = j - ${n0(1)}; ${step} }` : `for (var i = ${from}; i < ${to}; i = i + ${by}) { ${step} }`,
        while: `var i = ${from};\nwhile (i < ${to}) { ${step} i += ${by}; }`,
        loop: `var i = ${from};\nloop { if (i >= ${to}) { break; } ${step} continuing { i += ${by}; } }`,
      }[walk]
    }`;
  };
  const place = (row: string, column: string): string => (batch === 1 ? `${row} * ${LDC} + ${column}` : `(matrix * ${M} + ${row}) * ${LDC} + ${column}`);
  /** Rows of all matrices where a workgroup goes on from one to the next; of one, where the matrix is an axis of the grid. */
  const folded = batch > 1 && matrices === undefined;
  const allRows = folded ? `(${n0(batch)} * ${M})` : M;
  const gridRows = folded ? `${batch} * m` : 'm';
  const rowOf = (line: string): string => (folded ? `let line = ${line};\nlet matrix = line / ${M};\nlet row = line % ${M};` : `${batch > 1 ? `let matrix = ${cast(`group.${matrices!}`)};\n` : ''}let row = ${line};`);
  const within = folded ? `line < ${allRows}` : `row < ${M}`;

  const guard = pick('return', 'if');
  const guarded = (condition: string, body: string): string => (guard === 'return' ? `if (!(${condition})) { return; }\n${body}` : `if (${condition}) {\n${body}\n}`);
  const id = (axis: string): string => cast(`id.${axis}`);
  const one = (row: string, column: string): string => `${rowOf(row)}\nlet column = ${column};\n${guarded(`${within} && column < ${N}`, `${dot('row', 'column')}\n${put(place('row', 'column'), 'sum')}`)}`;
  const styles: Record<string, { body: string; size: [number, number]; grid: [string, string]; extra?: string; builtins?: string }> = {
    '2-D': { body: one(id('y'), id('x')), size: [x, y], grid: [`ceilDiv(n, ${x})`, `ceilDiv(${gridRows}, ${y})`] },
    '2-D rows on x': { body: one(id('x'), id('y')), size: [x, y], grid: [`ceilDiv(${gridRows}, ${x})`, `ceilDiv(n, ${y})`] },
    '1-D': { body: `let flat = ${id('x')};\n${one(`flat / ${N}`, `flat % ${N}`)}`, size: [x * y, 1], grid: [`ceilDiv(${gridRows} * n, ${x * y})`, '1'] },
    several: {
      body: `for (var r = ${n0(0)}; r < ${n0(2)}; r++) { for (var s = ${n0(0)}; s < ${n0(3)}; s++) {\n${rowOf(`${id('y')} * ${n0(2)} + r`)}\nlet column = ${id('x')} * ${n0(3)} + s;\nif (${within} && column < ${N}) {\n${dot('row', 'column')}\n${put(place('row', 'column'), 'sum')}\n}\n} }`,
      size: [x, y],
      grid: [`ceilDiv(n, ${3 * x})`, `ceilDiv(${gridRows}, ${2 * y})`],
    },
    'grid-stride': {
      body: `let stride = ${cast('count.x')} * ${n0(x * y)};\nfor (var flat = ${id('x')}; flat < ${allRows} * ${N}; flat += stride) {\n${rowOf(`flat / ${N}`)}\nlet column = flat % ${N};\n${dot('row', 'column')}\n${put(place('row', 'column'), 'sum')}\n}`,
      size: [x * y, 1],
      grid: [String(pick(1, 3, 5)), '1'],
      builtins: ', @builtin(num_workgroups) count: vec3u',
    },
    'workgroup memory': {
      // Workgroups of 8 x 8 that stage a slab of A and of B; every invocation takes part in the barriers. A split takes slabs.
      body: `${rowOf(id('y'))}\nlet column = ${id('x')};\nlet ly = local.y;\nlet lx = local.x;\nvar sum = 0.0;\nfor (var k0 = ${splits === 1 ? n0(0) : `${cast(`group.${axis}`)} * ${n0(8)}`}; k0 < ${K}; k0 += ${n0(8 * splits)}) {\nlet ka = k0 + ${cast('lx')};\nlet kb = k0 + ${cast('ly')};\nvar va = 0.0;\nvar vb = 0.0;\nif (row < ${M} && ka < ${K}) { va = ${atA('row', 'ka')}; }\nif (kb < ${K} && column < ${N}) { vb = ${atB('kb', 'column')}; }\nslabA[ly][lx] = va;\nslabB[ly][lx] = vb;\nworkgroupBarrier();\nfor (var i = 0u; i < 8u; i++) { sum += slabA[ly][i] * slabB[i][lx]; }\nworkgroupBarrier();\n}\nif (row < ${M} && column < ${N}) {\n${put(place('row', 'column'), 'sum')}\n}`,
      size: [8, 8],
      grid: ['ceilDiv(n, 8)', 'ceilDiv(m, 8)'],
      extra: 'var<workgroup> slabA: array<array<f32, 8>, 8>;\nvar<workgroup> slabB: array<array<f32, 8>, 8>;',
      builtins: ', @builtin(local_invocation_id) local: vec3u',
    },
  };
  const { body, size, grid: [gridX, gridY], extra = '', builtins = '' } = styles[style];
  const along = (of: 'y' | 'z'): string => (splits > 1 && axis === of ? String(splits) : matrices === of ? String(batch) : of === 'y' ? gridY : '1');
  const ofGroup = body.includes('group.') ? ', @builtin(workgroup_id) group: vec3u' : '';
  const entry = pick('main', 'matmul', 'gemm_kernel');
  const lines = [
    ...declarations,
    `@group(${group}) @binding(0) var<storage, read> ${A}: array<f32>;`,
    `@group(${group}) @binding(1) var<storage, read> ${B}: array<f32>;`,
    `@group(${group}) @binding(2) var<storage, read_write> ${C}: array<f32>;`,
    extra,
    helper[store] ?? '',
    `@compute @workgroup_size(${size[0]}, ${size[1]})`,
    `fn ${entry}(@builtin(global_invocation_id) id: vec3u${builtins}${ofGroup}) {`,
    body,
    '}',
  ].filter((line) => line !== '');
  const source = `${lines.join('\n')}\n`;
  const names = { [M]: 'm', [N]: 'n', [K]: 'k', ...(told ? { [given]: ldc } : {}) };
  return {
    source: pick(source, source, source.replaceAll('\n', '\r\n')),
    bindings: {
      a: A, b: B, output: C, grid: [gridX, along('y'), along('z')],
      ...(sizes === 'overrides' ? { overrides: names } : { uniforms: names }),
      ...(splits > 1 ? { splits: { axis, count: splits } } : {}),
      ...(batch > 1 ? { batch } : {}),
      ...(ldc === 'n' ? {} : { ldc }),
      ...(layout === 'nn' ? {} : { layout }),
    },
    features: [
      style, store, walk, guard, sizes, int, `group ${group}`,
      ...(splits > 1 ? [`${splits} splits on ${axis}, ${cut}`] : []),
      ...(batch > 1 ? [`batch of ${batch}${folded ? '' : ` on ${matrices}`}`] : []),
      ...(ldc === 'n' ? [] : [`rows ${ldc} apart${told ? '' : ' in text'}`]),
      ...(layout === 'nn' ? [] : [layout]),
    ].join(', '),
  };
}
