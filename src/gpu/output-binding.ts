// The output binding of a kernel: its declaration found, its type understood. Arrays of f32, vec2 or vec4, by themselves
// or as the only member of a struct, with aliases resolved; anything else is refused with what would do.
import { refuse, structMembers, type Module } from './wgsl-tokens.ts';

export interface Output {
  readonly name: string;
  /** Member of the struct that holds the array; undefined where the variable is the array. */
  readonly member: string | undefined;
  /** Scalars per element: 1, 2 or 4. */
  readonly width: number;
  /** Token range of the declaration, attributes and semicolon included. */
  readonly declaration: { readonly from: number; readonly to: number };
  /** Whether a type (without spaces) is that of the whole array, or of one element. */
  readonly isWhole: (type: string) => boolean;
  /** Whether a type is the struct that holds the array. */
  readonly isStruct: (type: string) => boolean;
  readonly isElement: (type: string) => boolean;
}

/** @throws BAD_KERNEL for a missing binding, or one of another type */
export function readOutput(module: Module, name: string): Output {
  const { code, tokens } = module;
  const declaration = declarationOf(module, name);
  if (declaration === undefined) throw refuse(code, 0, `the kernel has no storage binding called ${name}`, 'name the binding that it stores to');
  const type = resolve(module, declaration.type);
  const struct = structMembers(module, type);
  if (struct !== undefined && struct.length !== 1) throw refuse(code, tokens[declaration.from].start, 'the output is a struct with more than one member', 'bind the array by itself');
  const array = struct === undefined ? type : resolve(module, struct[0].type);
  const element = resolve(module, /^array<(.+?)(?:,[^<>]*)?>$/.exec(array)?.[1] ?? '');
  const width = WIDTHS[element];
  if (element.startsWith('atomic<')) throw refuse(code, tokens[declaration.from].start, 'the output is an array of atomics', 'let one invocation compute each element and store it once, as f32');
  if (width === undefined) throw refuse(code, tokens[declaration.from].start, `the output must be an array of f32, vec2<f32> or vec4<f32>, not ${array}`, 'give it one of these types');
  return {
    name,
    member: struct?.[0].name,
    width,
    declaration,
    isWhole: (other) => resolve(module, other) === array || resolve(module, other).replace(/,[^<>]*>$/, '>') === array,
    isStruct: (other) => struct !== undefined && resolve(module, other) === type,
    isElement: (other) => WIDTHS[resolve(module, other)] === width,
  };
}

const WIDTHS: Record<string, number> = { f32: 1, 'vec2<f32>': 2, vec2f: 2, 'vec4<f32>': 4, vec4f: 4 };

/** The module variable of this name, with its type without spaces. */
export function declarationOf({ tokens, match }: Module, name: string): { from: number; to: number; type: string } | undefined {
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at].text === '{') at = match[at];
    if (tokens[at].text !== 'var') continue;
    let nameAt = at + 1;
    if (tokens[nameAt].text === '<') while (tokens[nameAt - 1].text !== '>') nameAt++;
    let end = nameAt;
    while (tokens[end].text !== ';') end++;
    if (tokens[nameAt].text !== name) continue;
    let from = at;
    while (tokens[from - 1]?.text === ')' && tokens[match[from - 1] - 2]?.text === '@') from = match[from - 1] - 2;
    return { from, to: end, type: tokens.slice(nameAt + 2, end).map(({ text }) => text).join('') };
  }
  return undefined;
}

/** Follows `alias A = type;`. */
function resolve({ tokens }: Module, type: string): string {
  for (let at = 0; at < tokens.length; at++)
    if (tokens[at].text === 'alias' && tokens[at + 1].text === type) {
      let end = at + 3;
      while (tokens[end].text !== ';') end++;
      return resolve({ tokens } as Module, tokens.slice(at + 3, end).map(({ text }) => text).join(''));
    }
  return type;
}
