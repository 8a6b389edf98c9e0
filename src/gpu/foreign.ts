// What reflection, names and types tell of a kernel that is not ours, so that its bindings file need not: the entry where
// there is one only, the output (the only writable binding), A and B by their names or order, m, n and k by the
// names of uniform fields and overrides. The grid cannot be told; whatever else is open is asked for by name.
import { TilewireError } from '../errors.ts';
import { NO_EPILOGUE, type BindingsFile, type Epilogue, type KernelBindings } from '../spec/kernel-bindings.ts';
import { reflectKernel, structLayout, type BindingFacts } from './reflect.ts';
import { readModule } from './wgsl-tokens.ts';

const SIZE_NAMES: readonly (readonly [size: 'm' | 'n' | 'k', names: RegExp])[] = [
  ['m', /^(m|rows?|rows_?a|num_?rows|dim_?a_?outer|height)$/i],
  ['n', /^(n|cols?|columns?|cols_?b|num_?cols|dim_?b_?outer|width)$/i],
  ['k', /^(k|inner|depth|dim_?inner|cols_?a|rows_?b|shared_?dim)$/i],
];
const A_NAME = /^(a|lhs|left|x|mat(rix)?_?a|input_?a|in_?a)$/i;
const B_NAME = /^(b|rhs|right|w|weights?|mat(rix)?_?b|input_?b|in_?b)$/i;

/** @throws BAD_KERNEL, BAD_FILE naming what the bindings file must say */
export function completeBindings(source: string, given: BindingsFile, wantedEntry: string | undefined): { entry: string; bindings: KernelBindings } {
  const entry = wantedEntry ?? given.entry ?? onlyEntry(source);
  // Overrides without a default would stop reflection: any number does for looking at the bindings.
  const { bindings: facts } = reflectKernel(source, entry);
  const ask = (path: string, what: string, actual: unknown): TilewireError => new TilewireError('BAD_FILE', what, { path, actual, fix: `say it in the bindings file: "${path}": …` });
  const writable = facts.filter(({ kind }) => kind === 'storage-write').map(({ name }) => name);
  const output = given.output ?? (writable.length === 1 ? writable[0] : undefined);
  if (output === undefined) throw ask('output', `${writable.length} bindings are writable: which one is C`, writable);
  const epilogue = epilogueOf(given.epilogue);
  const roles = [output, epilogue.bias?.binding, epilogue.residual?.binding];
  const arrays = facts.filter(({ kind, name, elementType }) => kind === 'storage-read' && !roles.includes(name) && /f32|vec[234]f|f16|vec[234]h/.test(elementType)).map(({ name }) => name);
  const left = arrays.filter((name) => name !== given.b);
  const a = given.a ?? left.find((name) => A_NAME.test(name)) ?? (arrays.length === 2 ? left[0] : undefined);
  if (a === undefined) throw ask('a', 'no name tells which binding is A', arrays);
  const right = arrays.filter((name) => name !== a);
  const b = given.b ?? right.find((name) => B_NAME.test(name)) ?? (arrays.length === 2 ? right[0] : undefined);
  if (b === undefined) throw ask('b', 'no name tells which binding is B', arrays);
  const halves = given.halves ?? (['a', 'b'] as const).filter((_, at) => isHalf(facts, [a, b][at]));
  if (given.grid === undefined) throw ask('grid', 'nothing tells how many workgroups to dispatch', undefined);
  const sizeOf = (name: string): string | undefined => SIZE_NAMES.find(([, names]) => names.test(name))?.[0];
  const uniforms: Record<string, number | string | (number | string)[]> = { ...given.uniforms };
  for (const { name, elementType } of facts.filter((binding) => ![a, b, ...roles].includes(binding.name))) {
    if (Object.hasOwn(uniforms, name)) continue;
    if (new RegExp(`\\bstruct\\s+${elementType}\\b`).test(source)) {
      for (const field of Object.keys(structLayout(source, elementType).fields)) {
        const size = sizeOf(field);
        if (!Object.hasOwn(uniforms, `${name}.${field}`) && size !== undefined) uniforms[`${name}.${field}`] = size;
      }
    } else if (sizeOf(name) !== undefined) uniforms[name] = sizeOf(name)!;
  }
  const overrides: Record<string, number | string> = { ...given.overrides };
  for (const [, name] of source.matchAll(/\boverride\s+(\w+)\s*(?::\s*\w+\s*)?;/g)) {
    const size = sizeOf(name);
    if (!Object.hasOwn(overrides, name) && size !== undefined) overrides[name] = size;
  }
  return { entry, bindings: { a, b, output, layout: given.layout ?? 'nn', halves, uniforms, overrides, grid: given.grid, requires: given.requires ?? null, splits: given.splits ?? null, batch: given.batch ?? 1, ldc: given.ldc ?? 'n', epilogue } };
}

/** @throws BAD_FILE for an operand of integers: they may be packed f16 */
function isHalf(facts: readonly BindingFacts[], name: string): boolean {
  const type = facts.find((binding) => binding.name === name)?.elementType ?? 'f32';
  if (/f16|vec[234]h/.test(type)) return true;
  if (!/^(?:[ui]32|vec[234][ui])$/.test(type)) return false;
  throw new TilewireError('BAD_FILE', 'an operand is of integers', { path: name, actual: type, limit: 'f32, f16', fix: 'if its words hold two f16 each, say so in the bindings file, e.g. "halves": ["a", "b"]' });
}

/** @throws BAD_KERNEL for an activation */
function epilogueOf(given: BindingsFile['epilogue'] = {}): Epilogue {
  const { activation, alpha = 1, bias, residual } = given;
  if (activation !== undefined)
    throw new TilewireError('BAD_KERNEL', `a non-linear activation before the sum over devices cannot be fused: ${activation}(x + y) is not ${activation}(x) + ${activation}(y)`, { path: 'epilogue.activation', actual: activation, fix: 'store the linear result, and apply it where the reduced result is read' });
  return {
    ...NO_EPILOGUE,
    alpha,
    bias: bias === undefined ? null : { binding: 'binding' in bias ? bias.binding : null, along: bias.along },
    residual: residual === undefined ? null : { binding: residual.binding, beta: residual.beta ?? 1 },
  };
}

function onlyEntry(source: string): string {
  const entries = readModule(source).functions.filter(({ isEntry }) => isEntry).map(({ name }) => name);
  if (entries.length === 1) return entries[0];
  throw new TilewireError('BAD_KERNEL', entries.length === 0 ? 'the kernel has no compute entry point' : 'the kernel has several entry points', { path: '--entry', actual: entries, fix: 'name one with --entry' });
}
