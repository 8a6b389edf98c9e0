// Transparent tracking: a plain kernel in, the same kernel with another output address space out. The kernel's
// entry becomes a plain function whose builtins are separate parameters; a new entry finds the virtual
// workgroup, calls it, and flushes the counters after the call. Every store to the output goes through
// tw_store of the space (shaders/output-space.wgsl, shaders/probe-space.wgsl). All edits are splices into the kernel's
// own text that keep its line numbers; the space is appended behind it, in a bind group that the kernel leaves free.
// Functions that the entry does not reach are dropped: they may do with the output what they like.
import { TilewireError } from '../errors.ts';
import { redirectStores, type Edit } from './output-space.ts';
import { declarationOf } from './output-binding.ts';
import { isWithin, zeroedReads, type ReadOperand } from './zeroed-reads.ts';
import { reachable, readModule, refuse, structMembers, type Function, type Module, type Parameter, type StructMember } from './wgsl-tokens.ts';

export interface Instrumentation {
  readonly entry: string;
  /** Name of the kernel's output binding. */
  readonly output: string;
  /** Names of the bindings that hold data: where something is stored may not depend on them. */
  readonly operands: readonly string[];
  /** Those of them that are read as zero. */
  readonly zeroed?: readonly ReadOperand[];
  readonly workgroupSize: readonly [number, number, number];
  /** The kernel's own dispatch grid: what `num_workgroups` says, and how a linear id becomes `workgroup_id`. */
  readonly grid: readonly [number, number, number];
  /** Elements of the output: what `arrayLength` says. */
  readonly elements: number;
  /** Specialised text of the space: tw_workgroup, tw_begin, tw_store, tw_end. */
  readonly space: string;
}

export const INSTRUMENTED_ENTRY = 'tw_main';

/** What the spaces call or name of WGSL's own. */
const BUILTINS_OF_SPACES = ['min', 'atomicAdd', 'atomicStore', 'atomicLoad', 'atomicOr', 'vec2f', 'vec3u', 'vec4f', 'u32', 'f32', 'bool'];
/** The bind group that the texts of the spaces name; the next free one of the kernel takes its place. */
const GROUP_OF_SPACES = /@group\(1\)/g;
const MOST_GROUPS = 4;

/**
 * Rewrites a kernel (constants baked in) for one space.
 * @throws BAD_KERNEL, with the line, when a use of the output cannot be followed
 */
export function instrument(code: string, options: Instrumentation): string {
  const module = readModule(code);
  checkNames(module);
  const entry = module.functions.find(({ name }) => name === options.entry);
  if (entry === undefined) throw new TilewireError('BAD_KERNEL', 'the kernel has no such entry point', { path: options.entry, actual: module.functions.filter(({ isEntry }) => isEntry).map(({ name }) => name) });
  const reached = reachable(module, options.entry);
  const edits = [
    removeBinding(module, options.output),
    ...module.functions.filter(({ name }) => !reached.has(name)).map(({ first, bodyClose }) => tokens(module, first, bodyClose)),
    ...redirectStores(module, options.output, module.functions.filter(({ name }) => reached.has(name)), options.elements, options.operands),
    ...plainEntry(module, entry),
  ];
  const zeroed = zeroedReads(module, module.functions.filter(({ name }) => reached.has(name)), options.zeroed ?? []);
  // What lies in the index of a read goes with it.
  const all = [...edits, ...zeroed].filter((one) => !zeroed.some((other) => isWithin(one, other)));
  return `${splice(code, all)}\n${newEntry(module, entry, options)}\n${options.space.replaceAll(GROUP_OF_SPACES, `@group(${spaceGroup(module)})`)}`;
}

/** The first bind group that the kernel leaves free: where the space's own bindings go. */
function spaceGroup({ code, tokens }: Module): number {
  const used = tokens.flatMap(({ text }, at) => (text === 'group' && tokens[at - 1]?.text === '@' ? [Number.parseInt(tokens[at + 2].text)] : []));
  const group = Math.max(0, ...used) + 1;
  if (group >= MOST_GROUPS) throw refuse(code, 0, 'the kernel leaves no bind group free', `use groups 0 to ${MOST_GROUPS - 2} only`);
  return group;
}

function checkNames({ code, tokens, functions, match }: Module): void {
  const reserved = tokens.find(({ text, isName }) => isName && /^(tw_|TW_|Tw[A-Z])/.test(text));
  if (reserved !== undefined) throw refuse(code, reserved.start, 'names that start with tw_, TW_ or Tw belong to the instrumentation', 'rename it');
  const declared = functions.map(({ keyword }) => keyword + 1);
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at].text === '{') at = match[at];
    if (['const', 'override', 'alias', 'struct'].includes(tokens[at].text)) declared.push(at + 1);
  }
  const hidden = declared.find((at) => BUILTINS_OF_SPACES.includes(tokens[at].text));
  if (hidden !== undefined) throw refuse(code, tokens[hidden].start, `${tokens[hidden].text} hides the builtin of that name from the instrumentation`, 'rename it');
}

/** Removes tokens from..to (both included). */
const tokens = ({ tokens }: Module, from: number, to: number): Edit => ({ start: tokens[from].start, end: tokens[to].end, text: '' });

function removeBinding(module: Module, output: string): Edit {
  const found = declarationOf(module, output);
  if (found === undefined) throw new TilewireError('BAD_KERNEL', 'the kernel has no such output binding', { path: output });
  return tokens(module, found.from, found.to);
}

/** Strips the attributes of the entry and of its parameters, so that it is a plain function. */
function plainEntry(module: Module, entry: Function): Edit[] {
  const { first, keyword, parameters } = entry;
  const attributes = first < keyword ? [tokens(module, first, keyword - 1)] : [];
  return [...attributes, ...parameters.flatMap((parameter) => (parameter.builtin === undefined ? flattened(module, entry, parameter) : [tokens(module, parameter.from, parameter.from + 4)]))];
}

/**
 * A struct of builtins becomes a parameter for each: a struct that carries a uniform id beside a lane's is not uniform to
 * WGSL, separate parameters are.
 */
function flattened(module: Module, { bodyOpen, bodyClose }: Function, parameter: Parameter): Edit[] {
  const { code, tokens: all } = module;
  const members = builtinMembers(module, parameter);
  const list = members.map(({ name, type }) => `${memberName(parameter, name)}: ${type}`).join(', ');
  const edits: Edit[] = [{ start: all[parameter.from].start, end: all[parameter.to - 1].end, text: list }];
  for (let at = bodyOpen; at < bodyClose; at++) {
    if (all[at].text !== parameter.name || all[at - 1].text === '.') continue;
    const member = members.find(({ name }) => all[at + 1].text === '.' && name === all[at + 2].text);
    if (member === undefined) throw refuse(code, all[at].start, `the struct ${parameter.name} of builtins is used as a whole`, 'use its members only, or take each builtin as a parameter of its own');
    edits.push({ start: all[at].start, end: all[at + 2].end, text: memberName(parameter, member.name) });
  }
  return edits;
}

const memberName = ({ name }: Parameter, member: string): string => `tw_${name}_${member}`;

/** @throws BAD_KERNEL when the parameter is not a struct of which each member is a builtin */
function builtinMembers(module: Module, { name, type, from }: Parameter): StructMember[] {
  const members = structMembers(module, type);
  if (members === undefined || members.some(({ builtin }) => builtin === undefined)) throw refuse(module.code, module.tokens[from].start, `parameter ${name} of the entry point is no builtin`, 'take builtins as parameters, or a struct of nothing but builtins');
  return members;
}

/** The new entry: virtual builtins, the call, and the flush after it. */
function newEntry(module: Module, entry: Function, { workgroupSize: [x, y, z], grid: [gx, gy, gz] }: Instrumentation): string {
  const own = new Set<string>();
  const virtual: Record<string, string> = {
    workgroup_id: 'tw_virtual',
    num_workgroups: `vec3u(${gx}u, ${gy}u, ${gz}u)`,
    local_invocation_id: 'tw_local',
    local_invocation_index: 'tw_lane',
    global_invocation_id: `tw_virtual * vec3u(${x}u, ${y}u, ${z}u) + tw_local`,
  };
  const passed: Record<string, string> = { subgroup_invocation_id: 'u32', subgroup_size: 'u32' };
  const told = entry.parameters.flatMap((parameter) => (parameter.builtin === undefined ? builtinMembers(module, parameter).map(({ builtin }) => ({ builtin: builtin!, from: parameter.from })) : [{ builtin: parameter.builtin, from: parameter.from }]));
  const args = told.map(({ builtin, from }) => {
    if (builtin in virtual) return virtual[builtin];
    if (!(builtin in passed)) throw refuse(module.code, module.tokens[from].start, `builtin ${builtin} is not known`, 'use the compute builtins of WGSL');
    own.add(builtin);
    return `tw_${builtin}`;
  });
  const extra = [...own].map((builtin) => `, @builtin(${builtin}) tw_${builtin}: ${passed[builtin]}`).join('');
  return `
@compute @workgroup_size(${x}, ${y}, ${z})
fn ${INSTRUMENTED_ENTRY}(@builtin(workgroup_id) tw_group: vec3u, @builtin(local_invocation_id) tw_local: vec3u, @builtin(local_invocation_index) tw_lane: u32${extra}) {
  let tw_linear = tw_workgroup(tw_group);
  let tw_virtual = vec3u(tw_linear % ${gx}u, (tw_linear / ${gx}u) % ${gy}u, tw_linear / ${gx * gy}u);
  tw_begin(tw_group, tw_lane);
  ${entry.name}(${args.join(', ')});
  tw_end(tw_group, tw_lane);
}`;
}

/** Applies the edits; the line breaks of what they replace stay, so that every line keeps its number. */
function splice(code: string, edits: readonly Edit[]): string {
  let text = code;
  for (const { start, end, text: replacement } of edits.toSorted((one, other) => other.start - one.start || other.end - one.end)) {
    const breaks = code.slice(start, end).split('\n').length - 1;
    text = text.slice(0, start) + replacement + '\n'.repeat(breaks) + text.slice(end);
  }
  return text;
}
