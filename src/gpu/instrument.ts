// Transparent tracking: a plain kernel in, the same kernel with another output address space out. The kernel's
// entry becomes a plain function whose builtins are separate parameters; a new entry finds the virtual
// workgroup, calls it, and flushes the counters after the call. Every store to the output goes through
// tw_store of the space (shaders/output-space.wgsl, shaders/probe-space.wgsl). All edits are splices into the kernel's
// own text that keep its line numbers; the space is appended behind it.
import { TilewireError } from '../errors.ts';
import { WgslParser } from 'wgsl_reflect/wgsl_reflect.module.js';
import { maskComments, matchingBracket, outputUses, type AstNode } from './wgsl-text.ts';

export interface Instrumentation {
  readonly entry: string;
  /** Name of the kernel's output binding. */
  readonly output: string;
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
const BUILTINS_OF_SPACES = ['min', 'atomicAdd', 'atomicStore', 'vec3u', 'u32', 'f32', 'bool'];

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Rewrites a kernel (constants baked in) for one space.
 * @throws BAD_KERNEL, with the line, when a use of the output cannot be followed
 */
export function instrument(code: string, options: Instrumentation): string {
  const nodes = parse(code);
  const masked = maskComments(code);
  const reserved = masked.search(/\b(tw_|TW_|Tw[A-Z])/);
  if (reserved >= 0) throw refuse(code, reserved, 'names that start with tw_, TW_ or Tw belong to the instrumentation', 'rename it');
  const ownGroup = masked.search(/@group\s*\(\s*1u?\s*\)/);
  if (ownGroup >= 0) throw refuse(code, ownGroup, 'bind group 1 belongs to the instrumentation', 'use group 0');
  const hidden = nodes.find((node) => BUILTINS_OF_SPACES.includes(node.name ?? ''));
  if (hidden !== undefined) throw refuse(code, hidden.start, `${hidden.name} hides the builtin of that name from the instrumentation`, 'rename it');
  const entry = nodes.find((node) => node.astNodeType === 'function' && node.name === options.entry);
  if (entry === undefined) throw new TilewireError('BAD_KERNEL', 'the kernel has no such entry point', { path: options.entry });
  const edits = [
    removeBinding(nodes, options.output, code, masked),
    ...rewriteStores(nodes, code, masked, options),
    ...plainEntry(entry, code, masked),
  ];
  return `${splice(code, edits)}\n${newEntry(entry, options, code)}\n${options.space}`;
}

function removeBinding(nodes: readonly AstNode[], output: string, code: string, masked: string): Edit {
  const binding = nodes.find((node) => node.astNodeType === 'var' && node.name === output);
  if (binding === undefined) throw new TilewireError('BAD_KERNEL', 'the kernel has no such output binding', { path: output });
  if (binding.type?.name !== 'array' || binding.type.format?.name !== 'f32') throw refuse(code, binding.start, 'the output must be an array<f32>', 'give it this type');
  return blank(masked, binding.start, binding.end);
}

function rewriteStores(nodes: readonly AstNode[], code: string, masked: string, { output, elements }: Instrumentation): Edit[] {
  const uses = outputUses(nodes, output);
  const other = uses.find(({ role }) => role === 'other');
  if (other !== undefined) throw refuse(code, other.statement.start, `this use of the output ${output} cannot be followed: only ${output}[index] = value can`, 'keep partial sums in a local variable, store them once, do not read the output');
  const stores = uses.filter(({ role }) => role === 'store').flatMap(({ statement }) => storeEdits(code, masked, statement, output));
  if (stores.length === 0) throw new TilewireError('BAD_KERNEL', 'the kernel never stores to its output', { path: output });
  return [...stores, ...lengthEdits(code, masked, uses.filter(({ role }) => role === 'length').map(({ statement }) => statement), output, elements)];
}

/** `arrayLength(&c)` → its number. The tree knows which ones are meant, the text where they are: both must agree. */
function lengthEdits(code: string, masked: string, statements: readonly AstNode[], output: string, elements: number): Edit[] {
  const found = [...masked.matchAll(new RegExp(`\\barrayLength\\s*\\(\\s*&\\s*${output}\\s*\\)`, 'g'))];
  const inside = ({ start, end }: AstNode, index: number): boolean => index >= start && index < end;
  const fix = `write arrayLength(&${output}), and name no local variable ${output}`;
  const unseen = statements.find((statement) => !found.some(({ index }) => inside(statement, index)));
  if (unseen !== undefined) throw refuse(code, unseen.start, `the length of ${output} is asked for in another form`, fix);
  const alike = found.find(({ index }) => !statements.some((statement) => inside(statement, index)));
  if (alike !== undefined || found.length !== statements.length) throw refuse(code, (alike ?? found[0]).index, `this only looks like the length of the output ${output}`, fix);
  return found.map(({ 0: text, index }) => keepingLines(masked, index, index + text.length, `${elements}u`));
}

/** `c[index] = value;` → `tw_store(index, value);`: three splices around the two expressions. */
function storeEdits(code: string, masked: string, { start, end }: AstNode, output: string): Edit[] {
  const open = masked.indexOf('[', start);
  const close = matchingBracket(masked, open);
  const equals = masked.indexOf('=', close);
  if (masked.slice(start, open).trim() !== output || masked.slice(close + 1, equals).trim() !== '') throw refuse(code, start, 'a store that is not of the form output[index] = value', 'write it like this');
  const stop = masked[end - 1] === ';' ? end - 1 : end;
  return [keepingLines(masked, start, open + 1, 'tw_store('), keepingLines(masked, close, equals + 1, ', '), { start: stop, end: stop, text: ')' }];
}

/** Strips the attributes of the entry and of its parameters, so that it is a plain function. */
function plainEntry(entry: AstNode, code: string, masked: string): Edit[] {
  const keyword = entry.start + masked.slice(entry.start, entry.end).search(new RegExp(`\\bfn\\s+${entry.name}\\b`));
  const open = masked.indexOf('(', keyword);
  const close = matchingBracket(masked, open);
  for (const argument of entry.args ?? [])
    if (builtinOf(argument) === undefined) throw refuse(code, entry.start, `parameter ${argument.name} of the entry point is no builtin`, 'take each builtin as a parameter of its own');
  const parameters = [...masked.slice(open, close).matchAll(/@builtin\s*\(\s*\w+\s*\)/g)].map(({ 0: text, index }) => blank(masked, open + index, open + index + text.length));
  return [blank(masked, entry.start, keyword), ...parameters];
}

const builtinOf = (argument: AstNode): string | undefined => argument.attributes?.find(({ name }) => name === 'builtin')?.value as string | undefined;

/** The new entry: virtual builtins, the call, and the flush after it. */
function newEntry(entry: AstNode, { workgroupSize: [x, y, z], grid: [gx, gy, gz] }: Instrumentation, code: string): string {
  const own = new Set<string>();
  const virtual: Record<string, string> = {
    workgroup_id: 'tw_virtual',
    num_workgroups: `vec3u(${gx}u, ${gy}u, ${gz}u)`,
    local_invocation_id: 'tw_local',
    local_invocation_index: 'tw_lane',
    global_invocation_id: `tw_virtual * vec3u(${x}u, ${y}u, ${z}u) + tw_local`,
  };
  const passed: Record<string, string> = { subgroup_invocation_id: 'u32', subgroup_size: 'u32' };
  const args = (entry.args ?? []).map((argument) => {
    const builtin = builtinOf(argument)!;
    if (builtin in virtual) return virtual[builtin];
    if (!(builtin in passed)) throw refuse(code, entry.start, `builtin ${builtin} is not known`, 'use the compute builtins of WGSL');
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

/** Replaces a stretch of text but for its line breaks. */
function keepingLines(masked: string, start: number, end: number, text: string): Edit {
  return { start, end, text: text + '\n'.repeat(masked.slice(start, end).split('\n').length - 1) };
}

/** Removes a stretch of text but not its line breaks. */
function blank(masked: string, start: number, end: number): Edit {
  return { start, end, text: masked.slice(start, end).replaceAll(/[^\n]/g, ' ') };
}

function parse(code: string): AstNode[] {
  try {
    return new WgslParser().parse(code) as unknown as AstNode[];
  } catch (error) {
    throw new TilewireError('BAD_KERNEL', 'the kernel does not parse', { actual: error instanceof Error ? error.message : String(error), fix: 'see that the browser compiles it' });
  }
}

function splice(code: string, edits: readonly Edit[]): string {
  let text = code;
  for (const { start, end, text: replacement } of edits.toSorted((one, other) => other.start - one.start)) text = text.slice(0, start) + replacement + text.slice(end);
  return text;
}

function refuse(code: string, at: number, what: string, fix: string): TilewireError {
  const line = code.slice(0, at).split('\n').length;
  return new TilewireError('BAD_KERNEL', what, { path: `line ${line}`, actual: code.split('\n')[line - 1]?.trim(), fix });
}
