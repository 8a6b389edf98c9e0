// The GEMM kernel of a Spec as text with its constants baked in, and all that a dispatch of it needs: entry, grid, the names
// of its operands and output, the contents of its other bindings. Built-in and foreign kernels alike; from here on
// nothing tells them apart. No GPU is needed, so a bad kernel or bindings file is refused before a browser starts.
import { bug, TilewireError } from '../errors.ts';
import type { KernelBindings } from '../spec/kernel-bindings.ts';
import { KERNEL_SOURCES } from '../spec/kernel-sources.ts';
import { kernelNamed } from '../spec/kernels.ts';
import type { GemmShape, KernelChoice } from '../spec/spec.ts';
import { WgslScanner } from 'wgsl_reflect/wgsl_reflect.module.js';
import { ConstantExpressionError, evaluateConstant } from './constant-expression.ts';
import { reflectKernel, structLayout, type BindingFacts, type KernelFacts } from './reflect.ts';
import { specialise } from './specialise.ts';

export interface KernelText {
  readonly name: string;
  readonly code: string;
  /** The text as it is in its file, and for each line of `code` that line's number there (1-based). */
  readonly source: string;
  readonly lineMap: readonly number[];
  readonly entry: string;
  readonly grid: readonly [number, number, number];
  readonly a: string;
  readonly b: string;
  readonly output: string;
  readonly layout: KernelBindings['layout'];
  /** Uniform and read-only bindings other than the operands, with what they hold. */
  readonly constants: readonly { readonly name: string; readonly kind: 'uniform' | 'storage'; readonly words: Uint32Array }[];
  readonly facts: KernelFacts;
}

const MOST_WORKGROUPS = 65_535;

/** @throws BAD_KERNEL, BAD_FILE with the binding, field or expression at fault */
export function kernelText(kernel: KernelChoice, shape: GemmShape): KernelText {
  return kernel.kind === 'built-in' ? builtIn(kernel, shape) : foreign(kernel, shape);
}

function builtIn({ name, tile }: Extract<KernelChoice, { kind: 'built-in' }>, shape: GemmShape): KernelText {
  const kernel = kernelNamed(name);
  const source = KERNEL_SOURCES[name];
  if (kernel === undefined || source === undefined) throw bug(`no kernel ${name}`);
  const { code, lineMap } = specialise(source, kernel.constantsFor(shape, tile));
  return { name, code, source, lineMap, entry: 'main', grid: kernel.grid(shape, tile), a: 'a', b: 'b', output: 'c', layout: 'nn', constants: [], facts: reflectKernel(code, 'main') };
}

function foreign({ name, entry, source, bindings }: Extract<KernelChoice, { kind: 'foreign' }>, shape: GemmShape): KernelText {
  const { a, b, output, layout, overrides, uniforms, grid, requires } = bindings;
  const values = new Map<string, number>(Object.entries({ m: shape.m, n: shape.n, k: shape.k }));
  // Overrides may be expressions of those before them, and the grid of all of them.
  const constants: Record<string, number> = {};
  for (const [constant, size] of Object.entries(overrides)) {
    constants[constant] = evaluate(size, values, `overrides.${constant}`);
    values.set(constant, constants[constant]);
  }
  if (requires !== null && evaluate(requires, values, 'requires') === 0)
    throw new TilewireError('BAD_FLAG', `${name} does not take this shape`, { path: '--kernel', actual: `m ${shape.m}, n ${shape.n}, k ${shape.k}`, limit: requires, fix: 'choose a shape that it takes' });
  const { code, lineMap } = specialise(source, constants);
  const facts = reflectKernel(code, entry);
  const groups = grid.map((size, at) => evaluate(size, values, `grid[${at}]`)) as [number, number, number];
  groups.forEach((count, at) => {
    if (!Number.isInteger(count) || count < 1 || count > MOST_WORKGROUPS) throw new TilewireError('BAD_FILE', 'not a number of workgroups', { path: `grid[${at}]`, actual: `${grid[at]} = ${count}`, limit: `1..${MOST_WORKGROUPS}`, fix: 'let the grid follow from m and n' });
  });
  for (const role of [a, b, output]) if (!facts.bindings.some((binding) => binding.name === role)) throw new TilewireError('BAD_FILE', `${entry} uses no binding of this name`, { path: role, actual: facts.bindings.map((binding) => binding.name), fix: 'name one of them' });
  const writable = facts.bindings.filter(({ kind, name: binding }) => kind === 'storage-write' && binding !== output);
  if (writable.length > 0) {
    const [{ name: extra, elementType }] = writable;
    throw elementType.startsWith('atomic')
      ? new TilewireError('BAD_KERNEL', `the kernel has a buffer of atomics besides its output ${output}: ${extra}. A workgroup cannot wait for another one: WGSL promises neither order nor progress between them`, { path: extra, fix: 'let each workgroup finish by itself' })
      : new TilewireError('BAD_KERNEL', `the kernel writes to another buffer besides its output ${output}: ${extra}`, { path: extra, fix: 'let the kernel write its result only, to one buffer; keep what it works on in workgroup memory' });
  }
  const others = facts.bindings.filter(({ name: binding }) => ![a, b, output].includes(binding));
  const used = new Set<string>();
  const contents = others.map((binding) => ({ name: binding.name, kind: binding.kind === 'uniform' ? ('uniform' as const) : ('storage' as const), words: contentsOf(binding, code, uniforms, values, used) }));
  const unused = Object.keys(uniforms).find((path) => !used.has(path));
  if (unused !== undefined) throw new TilewireError('BAD_FILE', 'there is no such uniform', { path: `uniforms.${unused}`, actual: others.map((binding) => binding.name), fix: 'name variable.field of a uniform binding' });
  return { name, code, source, lineMap, entry, grid: groups, a, b, output, layout, constants: contents, facts };
}

/** Words of a uniform or read-only binding: a struct by its fields, a scalar or vector by its values. */
function contentsOf({ name, elementType, minBytes }: BindingFacts, code: string, uniforms: KernelBindings['uniforms'], values: ReadonlyMap<string, number>, used: Set<string>): Uint32Array {
  const words = new Uint32Array(Math.max(1, Math.ceil(minBytes / 4)));
  const floats = new Float32Array(words.buffer);
  const write = (at: number, type: string, path: string): void => {
    used.add(path);
    const list = [uniforms[path]].flat();
    list.forEach((size, index) => {
      const value = evaluate(size as number | string, values, `uniforms.${path}`);
      if (type.includes('f32') || /^vec[234]f$/.test(type)) floats[at + index] = value;
      else words[at + index] = value;
    });
  };
  if (name in uniforms) {
    write(0, elementType, name);
    return words;
  }
  const fields = isStruct(code, elementType) ? structLayout(code, elementType).fields : undefined;
  if (fields === undefined) throw new TilewireError('BAD_FILE', 'nothing says what this binding holds', { path: name, actual: elementType, fix: `add "uniforms": { "${name}": … }` });
  for (const [field, { offset, type }] of Object.entries(fields)) {
    const path = `${name}.${field}`;
    if (path in uniforms) write(offset / 4, type, path);
    else if (!/^_|pad|unused|reserved/i.test(field)) throw new TilewireError('BAD_FILE', 'nothing says what this field holds', { path, actual: type, fix: `add "uniforms": { "${path}": "m" }, or an expression of m, n and k` });
  }
  return words;
}

const isStruct = (code: string, type: string): boolean => new RegExp(`\\bstruct\\s+${type}\\b`).test(code);

/** A number, or an expression of m, n, k and overrides. */
function evaluate(size: number | string, values: ReadonlyMap<string, number>, path: string): number {
  if (typeof size === 'number') return size;
  try {
    const lexemes = new WgslScanner(size).scanTokens().map(({ lexeme }) => lexeme).filter((lexeme) => lexeme !== '');
    return evaluateConstant(lexemes, values);
  } catch (error) {
    if (!(error instanceof ConstantExpressionError)) throw new TilewireError('BAD_FILE', 'not an expression', { path, actual: size, fix: 'use m, n, k, overrides, + - * / %, min, max and ceilDiv' });
    throw new TilewireError('BAD_FILE', error.message, { path, actual: size, limit: [...values.keys()].join(', '), fix: 'use these names, + - * / %, min, max and ceilDiv' });
  }
}
