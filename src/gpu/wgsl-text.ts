// Reading WGSL text for the instrumentation: comments masked out at equal length, brackets matched, and every use
// of the output variable found in the syntax tree, with local variables that shadow its name told apart.
import { bug } from '../errors.ts';

/** What is used of wgsl_reflect's syntax tree; only statements carry a span. */
export interface AstNode {
  readonly astNodeType: string;
  readonly name?: string;
  readonly start: number;
  readonly end: number;
  readonly type?: { readonly name: string; readonly format?: { readonly name: string } };
  readonly args?: readonly AstNode[];
  readonly attributes?: readonly { readonly name: string; readonly value: unknown }[];
  readonly [key: string]: unknown;
}

/** The text with comments (line, and nested block ones) replaced by spaces, line breaks kept. */
export function maskComments(code: string): string {
  let masked = '';
  for (let at = 0; at < code.length; ) {
    if (code.startsWith('//', at)) {
      const end = code.indexOf('\n', at);
      const stop = end < 0 ? code.length : end;
      masked += ' '.repeat(stop - at);
      at = stop;
    } else if (code.startsWith('/*', at)) {
      let depth = 0;
      do {
        if (code.startsWith('/*', at)) depth++;
        else if (code.startsWith('*/', at)) depth--;
        const width = code.startsWith('/*', at) || code.startsWith('*/', at) ? 2 : 1;
        masked += code.slice(at, at + width).replaceAll(/[^\n]/g, ' ');
        at += width;
      } while (depth > 0 && at < code.length);
    } else masked += code[at++];
  }
  return masked;
}

/** Index of the bracket that closes the one at `open`, in masked text. */
export function matchingBracket(masked: string, open: number): number {
  const pairs: Record<string, string> = { '(': ')', '[': ']', '{': '}' };
  const close = pairs[masked[open]];
  let depth = 0;
  for (let at = open; at < masked.length; at++) {
    if (masked[at] === masked[open]) depth++;
    else if (masked[at] === close && --depth === 0) return at;
  }
  throw bug(`no bracket closes the one at ${open}`);
}

export interface OutputUse {
  /** `store`: assigned by `=` at an index; `length`: asked for its length; `other`: anything else. */
  readonly role: 'store' | 'length' | 'other';
  /** The innermost statement with a span around the use. */
  readonly statement: AstNode;
}

/** Every use of the module variable `output`, in the order of the text. */
export function outputUses(nodes: readonly AstNode[], output: string): OutputUse[] {
  const uses: OutputUse[] = [];
  const visited = new Set<unknown>();

  const visit = (value: unknown, statement: AstNode | undefined, shadowed: boolean): boolean => {
    if (value === null || typeof value !== 'object' || visited.has(value)) return shadowed;
    visited.add(value);
    if (Array.isArray(value)) {
      // A list of statements is a scope: a declaration in it shadows the output for those behind it.
      let inside = shadowed;
      for (const item of value) inside = visit(item, statement, inside) || inside;
      return shadowed;
    }
    const node = value as AstNode;
    const here = node.start >= 0 && node.end > node.start ? node : statement;
    if (here !== undefined && !shadowed) {
      // An assignment without a span of its own (in the head of a for) cannot be spliced.
      if (node.astNodeType === 'assign' && here === node && isElement(node['variable'], output) && node['operator'] === '=') {
        const target = node['variable'] as AstNode;
        visited.add(target);
        uses.push({ role: 'store', statement: here });
        visit(target['postfix'], here, shadowed);
        visit(node['value'], here, shadowed);
        return shadowed;
      }
      if (node.astNodeType === 'callExpr' && node.name === 'arrayLength' && JSON.stringify(node.args).includes(`"name":"${output}"`)) {
        uses.push({ role: 'length', statement: here });
        return shadowed;
      }
      if (node.astNodeType === 'varExpr' && node.name === output) uses.push({ role: 'other', statement: here });
    }
    const declares = ['var', 'let', 'const'].includes(node.astNodeType) && node.name === output;
    const parameter = node.astNodeType === 'function' && (node.args ?? []).some(({ name }) => name === output);
    let inside = shadowed || parameter;
    for (const [key, child] of Object.entries(node)) if (key !== 'args' || node.astNodeType !== 'function') inside = visit(child, here, inside) || inside;
    return shadowed || declares;
  };

  for (const node of nodes) if (node.astNodeType === 'function') visit(node, undefined, false);
  return uses;
}

/** `output[…]`, and nothing behind the bracket. */
function isElement(target: unknown, output: string): boolean {
  const node = target as AstNode | undefined;
  const postfix = node?.['postfix'] as AstNode | null | undefined;
  return node?.astNodeType === 'varExpr' && node.name === output && postfix !== null && postfix !== undefined && (postfix['postfix'] ?? null) === null;
}
