import * as fc from 'fast-check';
import { WgslParser } from 'wgsl_reflect/wgsl_reflect.module.js';
import { describe, expect, test } from 'vitest';
import { maskComments, matchingBracket, outputUses, type AstNode } from '../../src/gpu/wgsl-text.ts';

describe('maskComments', () => {
  test('keeps the length and every line break, and what is no comment', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('/', '*', '//', '/*', '*/', '\n', '\r\n', 'c[i] = 1.0;', ' ', '🧮', 'é'), { maxLength: 25 }), (words) => {
        const code = words.join('');
        const masked = maskComments(code);
        expect(masked.length).toBe(code.length);
        for (let at = 0; at < code.length; at++) {
          if (code[at] === '\n') expect(masked[at]).toBe('\n');
          else if (masked[at] !== code[at]) expect(masked[at]).toBe(' ');
        }
        expect(maskComments(masked)).toBe(masked);
      }),
    );
  });

  test('text without comments is left alone', () => {
    const code = 'let a = b / c * d;\nlet e = f[1] / 2.0;\n';
    expect(maskComments(code)).toBe(code);
  });

  test.each([
    ['a // b\nc', 'a     \nc'],
    ['a // b /* c\nd */', 'a          \nd */'],
    ['a /* b // c */ d', 'a              d'],
    ['a /* b /* c */ d */ e', 'a                   e'],
    ['a /* b\n c */ d', 'a     \n      d'],
    ['a /**/ b', 'a      b'],
    ['a /* b', 'a     '],
    ['a //', 'a   '],
    ['/*/ a */ b', '         b'],
    ['a // b\r\nc', 'a      \nc'],
  ])('%j', (code, masked) => {
    expect(maskComments(code)).toBe(masked);
  });
});

describe('matchingBracket', () => {
  test('finds the one that closes, of its own kind', () => {
    const text = 'f(a[(b)], {c}, [d[e]]) + (g)';
    expect(matchingBracket(text, 1)).toBe(21);
    expect(matchingBracket(text, 3)).toBe(7);
    expect(matchingBracket(text, 10)).toBe(12);
    expect(matchingBracket(text, 15)).toBe(20);
    expect(matchingBracket(text, 17)).toBe(19);
    expect(text.slice(25)).toBe('(g)');
    expect(matchingBracket(text, 25)).toBe(27);
  });

  test('a bracket that is never closed is a bug', () => {
    expect(() => matchingBracket('f((a)', 1)).toThrow(expect.objectContaining({ code: 'BUG' }));
  });
});

describe('outputUses', () => {
  const usesOf = (body: string, helpers = ''): string[] => {
    const code = `@group(0) @binding(0) var<storage, read_write> c: array<f32>;\n${helpers}\nfn main(i: u32) {\n${body}\n}\n`;
    return outputUses(new WgslParser().parse(code) as unknown as AstNode[], 'c').map(({ role, statement }) => `${role}: ${code.slice(statement.start, statement.end)}`);
  };

  test.each([
    ['a store', 'c[i] = 1.0;', ['store: c[i] = 1.0;']],
    ['a length', 'let n = arrayLength(&c);', ['length: let n = arrayLength(&c);']],
    ['a compound assignment', 'c[i] += 1.0;', ['other: c[i] += 1.0;']],
    ['a read', 'let x = c[i];', ['other: let x = c[i];']],
    ['a store whose value reads', 'c[i] = c[0];', ['store: c[i] = c[0];', 'other: c[i] = c[0];']],
    ['a store whose index asks for the length', 'c[arrayLength(&c) - 1u] = 1.0;', ['store: c[arrayLength(&c) - 1u] = 1.0;', 'length: c[arrayLength(&c) - 1u] = 1.0;']],
    ['a pointer', 'let p = &c;', ['other: let p = &c;']],
    ['several, in order', 'c[0] = 1.0;\nif (i > 0u) { c[1] = 2.0; }\nc[2] = 3.0;', ['store: c[0] = 1.0;', 'store: c[1] = 2.0;', 'store: c[2] = 3.0;']],
    ['a shadow', 'c[0] = 1.0;\nvar c = 2.0;\nc = 3.0;', ['store: c[0] = 1.0;']],
    ['a shadow whose value is read from the output', 'let c = c[0];', ['other: let c = c[0];']],
    ['a continuing block, once', 'loop { if (i > 0u) { break; } continuing { c[i] = 1.0; } }', ['store: c[i] = 1.0;']],
    ['none', 'let d = 1.0;', []],
  ])('%s', (_what, body, uses) => {
    expect(usesOf(body)).toEqual(uses);
  });

  test('in every function of the module, in the order of the text', () => {
    expect(usesOf('c[1] = 1.0;', 'fn f(c: f32) -> f32 { return c; }\nfn g() { c[0] = 1.0; }')).toEqual(['store: c[0] = 1.0;', 'store: c[1] = 1.0;']);
  });
});
