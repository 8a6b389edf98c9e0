import { describe, expect, test } from 'vitest';
import { reflectKernel } from '../../src/gpu/reflect.ts';
import { specialise } from '../../src/gpu/specialise.ts';
import { TilewireError } from '../../src/errors.ts';

const code = (source: string, constants: Record<string, number> = {}): string => specialise(source, constants).code;

/** The error of a call that must fail, as far as a user sees it. */
function refusal(source: string, constants: Record<string, number> = {}): { code: string; what: string; path: string | undefined } {
  try {
    specialise(source, constants);
  } catch (error) {
    if (error instanceof TilewireError) return { code: error.code, what: error.what, path: error.fields.path };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('overrides', () => {
  test('become consts of their type, with the value given or else the default as written', () => {
    const source = 'override A: u32 = 4u;\noverride B: u32 = A * 2u;\n@id(7) override C: i32 = 0;\noverride D: f32;\noverride E: bool = false;\n';
    expect(code(source, { A: 8, C: -3, D: 2, E: 1 })).toBe('const A: u32 = 8u;\nconst B: u32 = A * 2u;\nconst C: i32 = -3i;\nconst D: f32 = 2.0f;\nconst E: bool = true;\n');
  });

  test('a default that only a compiler can evaluate is kept', () => {
    expect(code('override A: f32 = sqrt(2.0) / 3.0;')).toBe('const A: f32 = sqrt(2.0) / 3.0;');
  });

  test('the least i32 and awkward floats stay literals of their type', () => {
    expect(code('override A: i32 = 0; override B: f32 = 0; override C: f32 = 0;', { A: -(2 ** 31), B: 1e-7, C: 1e21 })).toBe(
      'const A: i32 = i32(-2147483648); const B: f32 = 1e-7f; const C: f32 = 1e+21f;',
    );
  });

  test('comments that mention them stay as they are', () => {
    const source = '// override A: u32 = 1u;\n/* override B: u32; /* nested */ 😀 */\nfn f() {}\n';
    expect(code(source)).toBe(source);
  });

  test.each([
    ['u32', -1],
    ['u32', 1.5],
    ['u32', 2 ** 32],
    ['u32', NaN],
    ['i32', 2 ** 31],
    ['f32', Infinity],
    ['f32', 1e39],
    ['bool', 2],
    ['vec2f', 1],
  ])('a %s refuses %d', (type, value) => {
    expect(refusal(`\noverride A: ${type} = 0;`, { A: value })).toMatchObject({ code: 'BAD_KERNEL', path: 'line 2' });
  });

  test('unknown names, missing values and missing types are refused', () => {
    expect(refusal('override A: u32 = 1u;', { B: 1 })).toMatchObject({ code: 'BAD_KERNEL', path: 'B' });
    expect(refusal('\n\noverride A: u32;')).toMatchObject({ code: 'BAD_KERNEL', path: 'line 3' });
    expect(refusal('override A = 3u;')).toMatchObject({ code: 'BAD_KERNEL', path: 'line 1' });
  });
});

describe('// @unroll', () => {
  test('writes one block per iteration and leaves every other loop alone', () => {
    const source = ['fn f() {', '  // @unroll', '  for (var i = 0u; i < 2u; i++) {', '    g(i);', '  }', '  for (var j = 0u; j < 2u; j++) { g(j); }', '}'].join('\n');
    expect(code(source)).toBe(['fn f() {', '  // unrolled', '  {', '    g(0u);', '  }', '  {', '    g(1u);', '  }', '  for (var j = 0u; j < 2u; j++) { g(j); }', '}'].join('\n'));
  });

  test('replaces whole identifiers only: no members, no comments, no longer names', () => {
    const source = 'fn f() {\n// @unroll\nfor (var r = 1u; r < 2u; r++) { a[r].r = rr + r_ + v.r; /* r */ // r\n}\n}';
    expect(code(source)).toContain('{ a[1u].r = rr + r_ + v.r; /* r */ // r\n}');
  });

  test('nests, and inner bounds may use outer variables', () => {
    const source = 'override T: u32 = 1u;\nfn f() {\n// @unroll\nfor (var i = 0u; i < T; i++) {\n// @unroll\nfor (var j: u32 = i; j < T; j++) { s[i][j] = 1.0; }\n}\n}';
    const stores = [...code(source, { T: 3 }).matchAll(/s\[\d+u\]\[\d+u\]/g)].map(([text]) => text);
    expect(stores).toEqual(['s[0u][0u]', 's[0u][1u]', 's[0u][2u]', 's[1u][1u]', 's[1u][2u]', 's[2u][2u]']);
  });

  test('bounds are constant expressions over overrides and consts; <=, steps and i32 work', () => {
    const loop = (head: string): string[] => [...code(`override A: u32 = 4u;\nconst B = A * 2u - 3u;\nfn f() {\n// @unroll\nfor (${head}) { g(i); }\n}`).matchAll(/g\((.*?)\)/g)].map((match) => match[1]!);
    expect(loop('var i = 0u; i < B / 2u; i++')).toEqual(['0u', '1u']);
    expect(loop('var i = 3u; i <= B; i += 2u')).toEqual(['3u', '5u']);
    expect(loop('var i = 0; i < 2; i++')).toEqual(['0i', '1i']);
    expect(loop('var i: u32 = A; i < max(A, 5u) + select(1u, 0u, A == 4u); i++')).toEqual(['4u']);
    expect(loop('var i = 0u; i < 0u; i++')).toEqual([]);
  });

  test('works with CRLF', () => {
    expect(code('fn f() {\r\n  // @unroll\r\n  for (var i = 0u; i < 1u; i++) {\r\n    g(i);\r\n  }\r\n}')).toBe('fn f() {\r\n  // unrolled\r\n  {\r\n    g(0u);\r\n  }\r\n}');
  });

  test.each([
    ['something that is no loop', 'let x = 1;', 2],
    ['an unknown bound', 'for (var i = 0u; i < n; i++) { }', 3],
    ['no bound at all', 'for (;;) { }', 3],
    ['a condition of another form', 'for (var i = 4u; i > 0u; i++) { }', 3],
    ['a step of another form', 'for (var i = 0u; i < 4u; i--) { }', 3],
    ['a step of 0', 'for (var i = 0u; i < 4u; i += 0u) { }', 3],
    ['too many iterations', 'for (var i = 0u; i < 4000000u; i++) { }', 3],
    ['a variable of unknown type', 'for (var i = 1u - 1u; i < 4u; i++) { }', 3],
    ['break', 'for (var i = 0u; i < 4u; i++) {\n if (x) { break; } }', 4],
    ['continue', 'for (var i = 0u; i < 4u; i++) {\n continue; }', 4],
    ['a change of its variable', 'for (var i = 0u; i < 4u; i++) {\n i += 1u; }', 4],
    ['another variable of that name', 'for (var i = 0u; i < 4u; i++) {\n let i = 1u; }', 4],
    ['no end', 'for (var i = 0u; i < 4u; i++) {', 3],
  ])('refuses %s, naming the line', (_, loop, line) => {
    expect(refusal(`fn f() {\n// @unroll\n${loop}\n`)).toMatchObject({ code: 'BAD_KERNEL', path: `line ${line}` });
  });
});

describe('// @sized', () => {
  test('gives a runtime-sized array its length', () => {
    expect(code('override M: u32 = 2u;\n// @sized M * 3u\n@group(0) @binding(0) var<storage, read> a: array<f32>;\n')).toContain('var<storage, read> a: array<f32, 6>;');
    expect(code('// @sized 4\nvar<storage> a: array<vec2<f32>>;')).toContain('a: array<vec2<f32>, 4>;');
  });

  test('refuses what is no array', () => {
    expect(refusal('\n// @sized 4\nvar<private> a: f32;')).toMatchObject({ code: 'BAD_KERNEL', path: 'line 2' });
    expect(refusal('\n// @sized n\nvar<storage> a: array<f32>;')).toMatchObject({ code: 'BAD_KERNEL', path: 'line 2' });
  });
});

describe('//@repeat and //@if', () => {
  test('repeat lines with the number in names and in expressions', () => {
    const source = '//@repeat p SLOTS\n@binding($(p + 2)) var<storage> c$p: array<u32>; // $p_ $px $$p\n//@end\nend';
    expect(code(source, { SLOTS: 2 })).toBe('@binding(2) var<storage> c0: array<u32>; // 0_ $px $0\n@binding(3) var<storage> c1: array<u32>; // 1_ $px $1\nend');
    expect(code(source, { SLOTS: 0 })).toBe('end');
  });

  test('keep or drop lines; conditions may be negated, compare, and nest with repeats', () => {
    const source = ['//@if A', 'a', '//@if !B', 'not b', '//@end', '//@end', '//@repeat p 3', '//@if p > A', 'p$p', '//@end', '//@end'].join('\n');
    expect(code(source, { A: 1, B: 0 })).toBe('a\nnot b\np2');
    expect(code(source, { A: 0, B: 1 })).toBe('p1\np2');
  });

  test('a constant that only a dropped block asks for is known', () => {
    expect(code('//@if A\n//@if B\nb\n//@end\noverride C: u32 = 1u;\n//@end\n', { A: 0, B: 1, C: 2 })).toBe('');
  });

  test.each([
    ['an end too many', 'x\n//@end', 2],
    ['an end too few', 'x\n//@if 1\ny', 2],
    ['a misspelt end', 'x\n//@if 1\ny\n//@edn', 2],
    ['an unknown constant', 'x\n//@if A', 2],
    ['an unknown count', 'x\n//@repeat p A\n//@end', 2],
    ['a negative count', 'x\n//@repeat p 0 - 1\n//@end', 2],
    ['a repeat without a name', 'x\n//@repeat 3\n//@end', 2],
    ['a float', 'x\n//@if 1.5\n//@end', 2],
    ['a division by zero', 'x\n//@if 1 / 0\n//@end', 2],
  ])('refuse %s, naming the line', (_, source, line) => {
    expect(refusal(source)).toMatchObject({ code: 'BAD_KERNEL', path: `line ${line}` });
  });
});

describe('line map', () => {
  test('leads every output line to the line that it came from', () => {
    const source = ['// zero', '//@repeat p 2', 'const X$p = 1;', '//@end', 'fn f() {', '  // @unroll', '  for (var i = 0u; i < 2u; i++) {', '    // @unroll', '    for (var j = 0u; j < 2u; j++) {', '      g(i, j);', '    }', '  }', '  done();', '}', ''].join('\n');
    const output = specialise(source, {});
    const lines = output.code.split('\n');
    expect(output.lineMap.length).toBeGreaterThanOrEqual(lines.length - 1);
    const fromLine = (text: string): number[] => [...new Set(lines.flatMap((line, index) => (line.includes(text) ? [output.lineMap[index]!] : [])))];
    expect(fromLine('const X')).toEqual([3]);
    expect(fromLine('g(')).toEqual([10]);
    expect(fromLine('fn f')).toEqual([5]);
    expect(fromLine('done()')).toEqual([13]);
    expect(lines.filter((line) => line.includes('g('))).toHaveLength(4);
  });
});

test('what comes out parses', () => {
  const source = 'override T: u32 = 2u;\n@group(0) @binding(0) var<storage, read_write> c: array<f32>;\n@compute @workgroup_size(T)\nfn main() {\n  // @unroll\n  for (var i = 0u; i < T; i++) {\n    c[i] = 1.0;\n  }\n}\n';
  expect(reflectKernel(code(source, { T: 5 }), 'main').workgroupSize).toEqual([5, 1, 1]);
});
