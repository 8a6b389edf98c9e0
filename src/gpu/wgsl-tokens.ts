// A WGSL module as tokens with exact places: brackets matched, functions found with their parameters, and which
// functions an entry point reaches. Expressions have no places in wgsl_reflect's syntax tree, tokens have; what
// the instrumentation splices, it finds here. Comments are no tokens, so nothing in them is ever taken for code.
import { TilewireError } from '../errors.ts';
import { WgslScanner } from 'wgsl_reflect/wgsl_reflect.module.js';

export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly isName: boolean;
}

export interface Parameter {
  readonly name: string;
  /** Tokens of its type, without spaces. */
  readonly type: string;
  readonly builtin: string | undefined;
  /** Token range of the whole parameter, attributes in it. */
  readonly from: number;
  readonly to: number;
}

export interface Function {
  readonly name: string;
  /** Token indices: first attribute, `fn`, the brackets of the parameters and of the body. */
  readonly first: number;
  readonly keyword: number;
  readonly open: number;
  readonly close: number;
  readonly bodyOpen: number;
  readonly bodyClose: number;
  readonly parameters: readonly Parameter[];
  readonly isEntry: boolean;
}

export interface Module {
  readonly code: string;
  readonly tokens: readonly Token[];
  /** Index of the bracket that belongs to the one at an index; −1 elsewhere. */
  readonly match: Int32Array;
  readonly functions: readonly Function[];
}

const CLOSING: Record<string, string> = { '(': ')', '[': ']', '{': '}' };

/** @throws BAD_KERNEL for text that is not WGSL, or whose brackets do not match */
export function readModule(code: string): Module {
  const tokens = scan(code);
  const match = new Int32Array(tokens.length).fill(-1);
  const open: number[] = [];
  tokens.forEach(({ text }, at) => {
    if (text in CLOSING) open.push(at);
    else if (text === ')' || text === ']' || text === '}') {
      const from = open.pop();
      if (from === undefined || CLOSING[tokens[from].text] !== text) throw refuse(code, tokens[at].start, `nothing that this ${text} closes`, 'balance the brackets');
      match[from] = at;
      match[at] = from;
    }
  });
  if (open.length > 0) throw refuse(code, tokens[open[0]].start, `nothing closes this ${tokens[open[0]].text}`, 'balance the brackets');
  const module = { code, tokens, match };
  return { ...module, functions: functionsOf(module) };
}

function scan(code: string): Token[] {
  try {
    return new WgslScanner(code)
      .scanTokens()
      .filter(({ lexeme }) => lexeme !== '')
      .map(({ lexeme: text, start, end }) => ({ text, start, end, isName: /^[\p{L}_][\p{L}\p{N}_]*$/u.test(text) }));
  } catch (error) {
    throw new TilewireError('BAD_KERNEL', 'the kernel holds something that is not WGSL', { actual: error instanceof Error ? error.message : String(error), fix: 'see that the browser compiles it' });
  }
}

function functionsOf({ code, tokens, match }: Omit<Module, 'functions'>): Function[] {
  const functions: Function[] = [];
  for (let keyword = 0; keyword < tokens.length; keyword++) {
    if (tokens[keyword].text === '{') keyword = match[keyword];
    if (tokens[keyword].text !== 'fn') continue;
    const open = keyword + 2;
    const close = match[open];
    let bodyOpen = close;
    while (bodyOpen < tokens.length && tokens[bodyOpen].text !== '{') bodyOpen++;
    if (tokens[open]?.text !== '(' || close < 0 || bodyOpen === tokens.length) throw refuse(code, tokens[keyword].start, 'a function without parameters or body', 'write fn name(…) { … }');
    const first = attributesBefore(tokens, match, keyword);
    const attributes = tokens.slice(first, keyword).map(({ text }) => text);
    functions.push({
      name: tokens[keyword + 1].text, first, keyword, open, close, bodyOpen, bodyClose: match[bodyOpen],
      parameters: parametersOf(tokens, match, open, close),
      isEntry: ['compute', 'vertex', 'fragment'].some((stage) => attributes.some((text, at) => text === stage && attributes[at - 1] === '@')),
    });
    keyword = match[bodyOpen];
  }
  return functions;
}

/** Index of the first token of the attributes that stand before `at`. */
function attributesBefore(tokens: readonly Token[], match: Int32Array, at: number): number {
  let first = at;
  for (;;) {
    const name = tokens[first - 1]?.text === ')' ? match[first - 1] - 1 : first - 1;
    if (tokens[name - 1]?.text !== '@') return first;
    first = name - 1;
  }
}

function parametersOf(tokens: readonly Token[], match: Int32Array, open: number, close: number): Parameter[] {
  return splitList(tokens, match, open, close).map(({ from, to }) => {
    let colon = from;
    while (colon < to && tokens[colon].text !== ':') colon = tokens[colon].text === '(' ? match[colon] + 1 : colon + 1;
    const builtin = tokens.slice(from, colon).findIndex(({ text }) => text === 'builtin');
    return {
      name: tokens[colon - 1].text,
      type: tokens.slice(colon + 1, to).map(({ text }) => text).join(''),
      builtin: builtin < 0 ? undefined : tokens[from + builtin + 2].text,
      from,
      to,
    };
  });
}

/** Token ranges [from, to) between the commas of a bracketed list; commas inside `<…>` of types do not split. */
export function splitList(tokens: readonly Token[], match: Int32Array, open: number, close: number): { from: number; to: number }[] {
  const parts: { from: number; to: number }[] = [];
  let from = open + 1;
  for (let at = from; at <= close; at++) {
    const template = templateEnd(tokens, at);
    if (template > at) at = template + 1;
    if (at < close && match[at] > at) at = match[at] + 1;
    if (at === close || tokens[at].text === ',') {
      if (at > from) parts.push({ from, to: at });
      from = at + 1;
    }
  }
  return parts;
}

/** Index of the `>` that ends the template list opened at `at` (after a type's name); −1 when there is none. */
function templateEnd(tokens: readonly Token[], at: number): number {
  if (tokens[at].text !== '<' || !['array', 'ptr', 'atomic', 'vec2', 'vec3', 'vec4', 'bitcast'].includes(tokens[at - 1].text)) return -1;
  let depth = 0;
  for (let end = at; end < tokens.length; end++) {
    if (tokens[end].text === '<') depth++;
    else if (tokens[end].text === '>' && --depth === 0) return end;
    else if (tokens[end].text === '>>' && (depth -= 2) <= 0) return end;
    else if (tokens[end].text === ';') return -1;
  }
  return -1;
}

export interface StructMember {
  readonly name: string;
  /** Without spaces. */
  readonly type: string;
  readonly builtin: string | undefined;
}

/** Members of a struct, or undefined when there is none of this name. */
export function structMembers({ tokens, match }: Pick<Module, 'tokens' | 'match'>, name: string): StructMember[] | undefined {
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at].text === 'struct' && tokens[at + 1].text === name) return parametersOf(tokens, match, at + 2, match[at + 2]);
    if (tokens[at].text === '{') at = match[at];
  }
  return undefined;
}

/** The entry point and all functions that it calls, directly or not, by name. */
export function reachable({ tokens, functions }: Module, entry: string): Set<string> {
  const names = new Map(functions.map((one) => [one.name, one]));
  const reached = new Set<string>();
  const visit = (name: string): void => {
    const found = names.get(name);
    if (found === undefined || reached.has(name)) return;
    reached.add(name);
    for (let at = found.bodyOpen; at < found.bodyClose; at++) if (tokens[at].isName && tokens[at + 1].text === '(' && tokens[at - 1].text !== '.') visit(tokens[at].text);
  };
  visit(entry);
  return reached;
}

/** A refusal that names the line and quotes it. */
export function refuse(code: string, at: number, what: string, fix: string): TilewireError {
  const line = code.slice(0, at).split('\n').length;
  return new TilewireError('BAD_KERNEL', what, { path: `line ${line}`, actual: code.split('\n')[line - 1]?.trim(), fix });
}
