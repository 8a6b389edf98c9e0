// What the host must know of a kernel, read from its text: entry, workgroup size, bindings that the entry reaches,
// layouts of structs. Host code builds bind group layouts and writes structs from these facts; no layout is copied
// by hand. Constants are expected to be baked in (specialise.ts). No GPU is needed; the text is not validated here.
import { type MemberInfo, ResourceType, type TypeInfo, type VariableInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { TilewireError } from '../errors.ts';
import { readModule } from './wgsl-tokens.ts';

export type BindingKind = 'storage-read' | 'storage-write' | 'uniform';

export interface BindingFacts {
  readonly group: number;
  readonly binding: number;
  readonly name: string;
  readonly kind: BindingKind;
  /** Smallest buffer that may be bound; a runtime-sized array counts one element. */
  readonly minBytes: number;
  /** Type of an array's elements (`f32`, `atomic<u32>`, a struct's name), or of the variable if it is no array. */
  readonly elementType: string;
}

export interface KernelFacts {
  readonly name: string;
  readonly workgroupSize: readonly [number, number, number];
  /** Ordered by group, then binding. */
  readonly bindings: readonly BindingFacts[];
}

export interface StructLayout {
  /** Bytes from one element of an array of this struct to the next; of a runtime-sized struct, with one element of its array. */
  readonly size: number;
  readonly fields: Readonly<Record<string, { readonly offset: number; readonly size: number; readonly type: string }>>;
}

/** @throws TilewireError BAD_KERNEL if the text does not parse or holds no compute entry of that name. */
export function reflectKernel(code: string, entry: string): KernelFacts {
  const { compute } = parse(code).entry;
  const found = compute.find(({ name }) => unmasked(name) === entry);
  if (found === undefined) {
    throw new TilewireError('BAD_KERNEL', 'the kernel has no compute entry of this name', { path: entry, actual: compute.map(({ name }) => unmasked(name)), fix: `mark one function with @compute and call it ${entry}` });
  }
  const [x = 1, y = 1, z = 1] = found.workgroupSize ?? [];
  const bindings = found.resources.map(bindingFacts).sort((one, other) => one.group - other.group || one.binding - other.binding);
  return { name: entry, workgroupSize: [x, y, z], bindings };
}

/** Bytes of the workgroup memory that the entry reaches, constants baked in: reflected as if its variables were buffers. */
export function workgroupBytes(code: string, entry: string): number {
  const group = 1000;
  let binding = 0;
  const text = code.replace(/\bvar\s*<\s*workgroup\s*>/g, () => `@group(${group}) @binding(${binding++}) var<storage, read_write>`);
  return binding === 0 ? 0 : reflectKernel(text, entry).bindings.reduce((sum, { group: of, minBytes }) => sum + (of === group ? minBytes : 0), 0);
}

export function bindGroupLayoutEntries(facts: KernelFacts, group = 0): GPUBindGroupLayoutEntry[] {
  const types = { 'storage-read': 'read-only-storage', 'storage-write': 'storage', uniform: 'uniform' } as const;
  // GPUShaderStage is a global of the browser alone; 4 is its COMPUTE, fixed by the standard.
  const compute = 4;
  return facts.bindings
    .filter((binding) => binding.group === group)
    .map(({ binding, kind, minBytes }) => ({ binding, visibility: compute, buffer: { type: types[kind], minBindingSize: minBytes } }));
}

/** @throws TilewireError BAD_KERNEL if the text declares no such struct. */
export function structLayout(code: string, name: string): StructLayout {
  const { structs } = parse(code);
  const found = structs.find((struct) => unmasked(struct.name) === name);
  if (found === undefined) {
    throw new TilewireError('BAD_KERNEL', 'the kernel declares no such struct', { path: name, actual: structs.map((struct) => unmasked(struct.name)) });
  }
  const fields = found.members.map((member: MemberInfo) => [unmasked(member.name), { offset: member.offset, size: byteSize(member.type), type: unmasked(typeName(member.type)) }] as const);
  return { size: byteSize(found), fields: Object.fromEntries(fields) };
}

function parse(code: string): WgslReflect {
  try {
    return new WgslReflect(code);
  } catch {
    try {
      return new WgslReflect(masked(code));
    } catch (error) {
      throw new TilewireError('BAD_KERNEL', 'the kernel does not parse', { actual: error instanceof Error ? error.message : String(error), fix: 'see that the browser compiles it; what the parser used here (wgsl_reflect) does not know of WGSL must be written otherwise' });
    }
  }
}

function bindingFacts(variable: VariableInfo): BindingFacts {
  const { group, binding, name, type } = variable;
  return { group, binding, name: unmasked(name), kind: bindingKind(variable), minBytes: byteSize(type), elementType: unmasked(typeName(elementOf(type))) };
}

function bindingKind({ name, resourceType, access }: VariableInfo): BindingKind {
  if (resourceType === ResourceType.Uniform) return 'uniform';
  if (resourceType === ResourceType.Storage) return access === 'read_write' || access === 'write' ? 'storage-write' : 'storage-read';
  throw new TilewireError('BAD_KERNEL', 'the kernel binds something that is no buffer', { path: name, actual: ResourceType[resourceType], fix: 'use storage and uniform buffers only' });
}

/** Words of WGSL only inside of `var<…>` and `ptr<…>`, names everywhere else; the parser knows them as words alone. */
const CONTEXTUAL = new Set(['block', 'function', 'handle', 'private', 'ptr', 'read', 'read_write', 'storage', 'uniform', 'workgroup', 'write']);
const MASK = '_tw_name';

/** The text with such names changed to others, which `unmasked` turns back; matrices of subgroups, which the parser does not know, become numbers. */
function masked(source: string): string {
  const code = source.replace(/\bsubgroup_matrix_\w+\s*<[^<>]*>/g, 'f32').replace(/\bsubgroupMatrixLoad\s*<\s*f32\s*>/g, 'subgroupMatrixLoad');
  const { tokens } = readModule(code);
  let text = '';
  let from = 0;
  tokens.forEach((token, at) => {
    const before = tokens[at - 1]?.text;
    // var<storage, read>, ptr<storage, T, read>
    const isWord = token.text === 'ptr' ? tokens[at + 1]?.text === '<' : (before === '<' && ['var', 'ptr'].includes(tokens[at - 2]?.text)) || (before === ',' && tokens[at + 1]?.text === '>' && /^(read|write|read_write)$/.test(token.text));
    if (!CONTEXTUAL.has(token.text) || isWord) return;
    text += code.slice(from, token.end) + MASK;
    from = token.end;
  });
  return text + code.slice(from);
}

const unmasked = (name: string): string => name.replaceAll(MASK, '');

// The classes of the type infos carry these getters, but their base does not declare the fields behind them.
type Described = TypeInfo & { readonly format?: TypeInfo | null; readonly count?: number; readonly stride?: number; readonly members?: MemberInfo[]; readonly align?: number };

function elementOf(type: Described): TypeInfo {
  return type.isArray ? type.format! : type;
}

/** `size` of a runtime-sized array or of a struct that ends in one leaves that array out; count one element. */
function byteSize(type: Described): number {
  if (type.isArray) return Math.max(type.count!, 1) * type.stride!;
  const last = type.isStruct ? type.members!.at(-1) : undefined;
  if (last?.isArray && last.count === 0) return roundUp(last.offset + last.stride, type.align!);
  return type.size;
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function typeName(type: Described): string {
  if (!type.isArray) return type.getTypeName();
  const element = typeName(type.format!);
  return type.count! > 0 ? `array<${element}, ${type.count}>` : `array<${element}>`;
}
