// The GEMM kernel of a Spec as text with its constants baked in, and all that a dispatch of it needs: entry, grid, the names
// of its operands and output, the contents of its other bindings. Built-in and foreign kernels alike; from here on
// nothing tells them apart. No GPU is needed, so a bad kernel or bindings file is refused before a browser starts.
import { bug, TilewireError } from '../errors.ts';
import { NO_EPILOGUE, type Epilogue, type KernelBindings } from '../spec/kernel-bindings.ts';
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
  /** Whether an operand is f16, two a word, rather than f32. */
  readonly halves: { readonly a: boolean; readonly b: boolean };
  /** Bytes of an element of the arrays that A and B are: a buffer holds a whole number of them, at least two f16. */
  readonly strides: { readonly a: number; readonly b: number };
  /** C as it lies in the output binding: `batch` matrices one after another, rows `pitch` elements apart. */
  readonly batch: number;
  readonly pitch: number;
  /** Split-K: workgroups along `axis` (0 x, 1 y, 2 z) of the grid compute `count` partial products of the same elements. */
  readonly splits: { readonly axis: 0 | 1 | 2; readonly count: number };
  readonly epilogue: Epilogue;
  /** Uniform and read-only bindings other than the operands, with what they hold. */
  readonly constants: readonly { readonly name: string; readonly kind: 'uniform' | 'storage'; readonly words: Uint32Array }[];
  readonly facts: KernelFacts;
}

const MOST_WORKGROUPS = 65_535;
const U32_MAX = 2 ** 32 - 1;
/** Of a uniform or read-only binding that is filled from the bindings file: what every adapter takes as a uniform, and no table of sizes is longer. */
const MOST_CONSTANT_BYTES = 65_536;

/** @throws BAD_KERNEL, BAD_FILE with the binding, field or expression at fault */
export function kernelText(kernel: KernelChoice, shape: GemmShape): KernelText {
  return kernel.kind === 'built-in' ? builtIn(kernel, shape) : foreign(kernel, shape);
}

function builtIn({ name, tile, splits }: Extract<KernelChoice, { kind: 'built-in' }>, shape: GemmShape): KernelText {
  const kernel = kernelNamed(name);
  const source = KERNEL_SOURCES[name];
  if (kernel === undefined || source === undefined) throw bug(`no kernel ${name}`);
  const { code, lineMap } = specialise(source, kernel.constantsFor(shape, tile, splits));
  const facts = reflectKernel(code, 'main');
  const { halves } = kernel;
  return { name, code, source, lineMap, entry: 'main', grid: kernel.grid(shape, tile, splits), a: 'a', b: 'b', output: 'c', layout: 'nn', halves: { a: halves, b: halves }, strides: { a: strideOf(facts, 'a'), b: strideOf(facts, 'b') }, batch: 1, pitch: shape.n, splits: { axis: 2, count: splits }, epilogue: NO_EPILOGUE, constants: [], facts };
}

function foreign({ name, entry, source, bindings }: Extract<KernelChoice, { kind: 'foreign' }>, shape: GemmShape): KernelText {
  const { a, b, output, layout, halves, overrides, uniforms, grid, requires, splits, batch, ldc, epilogue } = bindings;
  const values = new Map<string, number>(Object.entries({ m: shape.m, n: shape.n, k: shape.k, alpha: epilogue.alpha, beta: epilogue.residual?.beta ?? 0 }));
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
  if (groups[0] * groups[1] * groups[2] > U32_MAX) throw new TilewireError('BAD_FILE', 'too many workgroups to number', { path: 'grid', actual: groups.join(' × '), limit: U32_MAX, fix: 'let the grid follow from m and n' });
  const whole = (path: string, size: number | string, least: number, most: number, fix: string): number => {
    const value = evaluate(size, values, path);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new TilewireError('BAD_FILE', 'not a whole number in range', { path, actual: `${size} = ${value}`, limit: `${least}..${most}`, fix });
  };
  const axis = splits === null ? 2 : (['x', 'y', 'z'].indexOf(splits.axis) as 0 | 1 | 2);
  const count = splits === null ? 1 : whole('splits.count', splits.count, 1, MOST_WORKGROUPS, 'give the number of partial products of an element');
  if (splits !== null && groups[axis] !== count) throw new TilewireError('BAD_FILE', 'the grid is not as long as there are splits', { path: 'splits.count', actual: `grid[${axis}] = ${groups[axis]} along ${splits.axis}`, limit: `${count} splits`, fix: 'let one axis of the grid be the splits, and nothing else' });
  const matrices = whole('batch', batch, 1, MOST_WORKGROUPS, 'give the number of matrices in one dispatch');
  const pitch = whole('ldc', ldc, shape.n, U32_MAX, 'rows of C cannot overlap: give at least n');
  const largest = Math.max(shape.m * pitch, shape.m * shape.k, shape.k * shape.n);
  if (matrices * largest > U32_MAX) throw new TilewireError('BAD_FILE', 'an operand or C has too many elements for a 32-bit index', { path: shape.m * pitch === largest ? 'ldc' : 'batch', actual: `${matrices} × ${largest}`, limit: U32_MAX, fix: 'reduce batch or ldc, or choose a smaller shape' });
  const roles = [a, b, output, ...namesOf(epilogue)];
  checkRoles(facts, entry, bindings);
  const writable = facts.bindings.filter(({ kind, name: binding }) => kind === 'storage-write' && binding !== output);
  if (writable.length > 0) {
    const [{ name: extra, elementType }] = writable;
    throw elementType.startsWith('atomic')
      ? new TilewireError('BAD_KERNEL', `the kernel has a buffer of atomics besides its output ${output}: ${extra}. A workgroup cannot wait for another one: WGSL promises neither order nor progress between them`, { path: extra, fix: 'let each workgroup finish by itself' })
      : new TilewireError('BAD_KERNEL', `the kernel writes to another buffer besides its output ${output}: ${extra}`, { path: extra, fix: 'let the kernel write its result only, to one buffer; keep what it works on in workgroup memory' });
  }
  const others = facts.bindings.filter(({ name: binding }) => !roles.includes(binding));
  const used = new Set<string>();
  const contents = others.map((binding) => ({ name: binding.name, kind: binding.kind === 'uniform' ? ('uniform' as const) : ('storage' as const), words: contentsOf(binding, code, uniforms, values, used) }));
  const unused = Object.keys(uniforms).find((path) => !used.has(path));
  if (unused !== undefined) throw new TilewireError('BAD_FILE', 'there is no such uniform', { path: `uniforms.${unused}`, actual: others.map((binding) => binding.name), fix: 'name variable.field of a uniform binding' });
  return { name, code, source, lineMap, entry, grid: groups, a, b, output, layout, halves: { a: halves.includes('a'), b: halves.includes('b') }, strides: { a: strideOf(facts, a), b: strideOf(facts, b) }, batch: matrices, pitch, splits: { axis, count }, epilogue, constants: contents, facts };
}

/** @throws BAD_FILE where a binding that the file names is not there, is named twice, or cannot be what it is said to be */
function checkRoles({ bindings }: KernelFacts, entry: string, { a, b, output, halves, epilogue: { bias, residual } }: KernelBindings): void {
  const roles = Object.entries({ a, b, output, 'epilogue.bias.binding': bias?.binding ?? undefined, 'epilogue.residual.binding': residual?.binding });
  const taken = new Map<string, string>();
  for (const [role, name] of roles) {
    if (name === undefined) continue;
    const binding = bindings.find((of) => of.name === name);
    if (binding === undefined) throw new TilewireError('BAD_FILE', `${entry} uses no binding of this name`, { path: name, actual: bindings.map((of) => of.name), fix: 'name one of them' });
    const before = taken.get(name);
    if (before !== undefined) throw new TilewireError('BAD_FILE', 'a binding cannot be two things', { path: role, actual: name, limit: `${before} is that already`, fix: 'name another one' });
    taken.set(name, role);
    const cannot = (what: string, fix: string): TilewireError => new TilewireError('BAD_FILE', what, { path: role, actual: `${name}: ${binding.kind}, ${binding.elementType}`, fix });
    if (role === 'output') {
      if (binding.kind !== 'storage-write') throw cannot('the kernel cannot write what is said to be its output', 'name its read_write storage binding');
      continue;
    }
    if (binding.kind === 'uniform') throw cannot('a matrix cannot lie in a uniform', 'name a storage binding');
    const isF16 = /^(f16|vec[234]h)$/.test(binding.elementType);
    const isF32 = /^(f32|vec[234]f)$/.test(binding.elementType);
    if (binding.elementType.startsWith('vec3')) throw cannot('an array of vec3 has gaps', 'let the kernel read f32, vec2f or vec4f');
    if (role === 'a' || role === 'b') {
      if (isF16 && !halves.includes(role)) throw cannot('an operand of f16 is not among the halves', `leave "halves" out, or name ${role} in it`);
      if (isF32 && halves.includes(role)) throw cannot('an operand of f32 is among the halves', `leave ${role} out of "halves"`);
    } else if (!isF32) throw cannot('bias and residual are arrays of f32', 'name one that is');
  }
}

/** Words of a uniform or read-only binding: a struct by its fields, a scalar or vector by its values. */
function contentsOf({ name, kind, elementType, minBytes }: BindingFacts, code: string, uniforms: KernelBindings['uniforms'], values: ReadonlyMap<string, number>, used: Set<string>): Uint32Array {
  if (!(minBytes <= MOST_CONSTANT_BYTES)) throw new TilewireError('BAD_FILE', 'a binding is too large to be filled from the bindings file', { path: name, actual: `${minBytes} bytes`, limit: `${MOST_CONSTANT_BYTES} bytes`, fix: 'make its array smaller, or say what it is, if it is an operand, bias or residual' });
  const valuesOf = (path: string, type: string, bytes: number, mayBeLonger = false): Uint32Array => {
    used.add(path);
    return wordsOf([uniforms[path]].flat() as (number | string)[], type, bytes, mayBeLonger, (size) => evaluate(size, values, `uniforms.${path}`), `uniforms.${path}`);
  };
  // An array of one element may be one of any length.
  if (Object.hasOwn(uniforms, name)) return valuesOf(name, elementType, minBytes, kind !== 'uniform' && minBytes === bytesOf(elementType));
  const words = new Uint32Array(Math.max(1, Math.ceil(minBytes / 4)));
  const fields = isStruct(code, elementType) ? structLayout(code, elementType).fields : undefined;
  if (fields === undefined && kind !== 'uniform' && /f32|f$/.test(elementType)) throw new TilewireError('BAD_FILE', 'nothing says what this array holds', { path: name, actual: `array of ${elementType}`, fix: `if it is added to the product, say how: "epilogue": { "bias": { "binding": "${name}", "along": "n" } }, or "residual"` });
  if (fields === undefined) throw new TilewireError('BAD_FILE', 'nothing says what this binding holds', { path: name, actual: elementType, fix: `add "uniforms": { "${name}": … }` });
  for (const [field, { offset, size, type }] of Object.entries(fields)) {
    const path = `${name}.${field}`;
    if (Object.hasOwn(uniforms, path)) words.set(valuesOf(path, type, size), offset / 4);
    else if (!/^_|pad(?!ded)|unused|reserved/i.test(field)) throw new TilewireError('BAD_FILE', 'nothing says what this field holds', { path, actual: type, fix: `add "uniforms": { "${path}": "m" }, or an expression of m, n and k` });
  }
  return words;
}

const SCALARS = {
  u: { name: 'u32', least: 0, most: U32_MAX },
  i: { name: 'i32', least: -(2 ** 31), most: 2 ** 31 - 1 },
  f: { name: 'f32', least: -Infinity, most: Infinity },
} as const;

/** What a scalar, vector or matrix, or an element of an array of them is made of. */
function scalarsOf(type: string): { readonly letter: keyof typeof SCALARS; readonly rows: number; readonly count: number } | undefined {
  const element = /^array<(.+), \d+>$/.exec(type)?.[1] ?? type;
  const [, columns, rows, short, scalar] = /^(?:(?:vec|mat([234])x)([234])([uif])|([uif])32)$/.exec(element) ?? [];
  const letter = (short ?? scalar) as keyof typeof SCALARS | undefined;
  return letter === undefined ? undefined : { letter, rows: Number(rows ?? 1), count: Number(columns ?? 1) * Number(rows ?? 1) };
}

/** Of a scalar, vector or matrix; 0 of anything else. */
const bytesOf = (type: string): number => 4 * (scalarsOf(type)?.count ?? 0);

/** @param mayBeLonger than the `bytes` that are needed at least */
function wordsOf(list: readonly (number | string)[], type: string, bytes: number, mayBeLonger: boolean, valueOf: (size: number | string) => number, path: string): Uint32Array {
  const scalars = scalarsOf(type);
  // Of several vectors of three, each takes the place of four.
  if (scalars === undefined || (scalars.rows === 3 && bytes !== 12)) throw new TilewireError('BAD_FILE', 'values of this type cannot be given', { path, actual: type, limit: 'u32, i32, f32, their vectors, matrices and arrays without gaps', fix: 'of a struct name the fields, variable.field; else let the kernel take one of these' });
  const { letter, count } = scalars;
  const room = bytes / 4;
  // An array may be given its first elements only.
  if ((list.length > room && !mayBeLonger) || list.length < count) throw new TilewireError('BAD_FILE', 'not as many values as it holds', { path, actual: `${list.length} for ${type}`, limit: count === room ? count : `${count}..${room}`, fix: 'give a list of them, e.g. ["m", "n", "k"]' });
  const words = new Uint32Array(Math.max(room, Math.ceil(list.length / count) * count));
  const floats = new Float32Array(words.buffer);
  const { name, least, most } = SCALARS[letter];
  list.forEach((size, at) => {
    const value = valueOf(size);
    const isGood = letter === 'f' ? Number.isFinite(Math.fround(value)) : Number.isInteger(value) && value >= least && value <= most;
    if (!isGood) throw new TilewireError('BAD_FILE', `not a value of ${name}`, { path, actual: `${size} = ${value}`, limit: letter === 'f' ? 'finite' : `${least}..${most}`, fix: 'give another expression of m, n and k' });
    (letter === 'f' ? floats : words)[at] = value;
  });
  return words;
}

/** Bytes of an element of a binding's array; of f16, two of them. */
export const strideOf = ({ bindings }: KernelFacts, name: string): number => Math.max(4, bindings.find((binding) => binding.name === name)?.minBytes ?? 4);

/** Bindings of the kernel that its epilogue reads. */
export const namesOf = ({ bias, residual }: Epilogue): string[] => [bias?.binding, residual?.binding].filter((binding): binding is string => typeof binding === 'string');

const isStruct = (code: string, type: string): boolean => new RegExp(`\\bstruct\\s+${type}\\b`).test(code);

/** A number, or an expression of m, n, k and overrides. */
function evaluate(size: number | string, values: ReadonlyMap<string, number>, path: string): number {
  if (typeof size === 'number') return size;
  let lexemes: string[];
  try {
    lexemes = new WgslScanner(size).scanTokens().map(({ lexeme }) => lexeme).filter((lexeme) => lexeme !== '');
  } catch {
    throw new TilewireError('BAD_FILE', 'not an expression', { path, actual: size, fix: 'use m, n, k, overrides, + - * / %, min, max and ceilDiv' });
  }
  try {
    return evaluateConstant(lexemes, values);
  } catch (error) {
    if (!(error instanceof ConstantExpressionError)) throw error;
    throw new TilewireError('BAD_FILE', error.message, { path, actual: size, limit: [...values.keys()].join(', '), fix: 'use these names, + - * / %, min, max and ceilDiv' });
  }
}
