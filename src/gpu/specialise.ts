// Text in, text out: a kernel file with its constants baked in and its marked loops written out.
//   `override NAME: type = default;`            → `const NAME: type = value;`
//   `// @unroll` before `for (var i = 0u; …)`   → one block per iteration, `i` replaced by its literal
//   `// @sized EXPR` before `… x: array<T>;`    → `array<T, value>`: a constant length makes bounds checks cheap
//   `//@repeat p COUNT` … `//@end`              → the lines COUNT times, `$p` and `$(p + 1)` replaced
//   `//@if EXPR`, `//@if !NAME` … `//@end`      → the lines kept or dropped; blocks may nest
// Counts, conditions and bounds are constant expressions over the given constants and, for bounds, the module's
// overrides and consts. Nothing else changes; a compiler's complaint about output line i is about `lineMap[i - 1]`.
import { type Token, WgslScanner } from 'wgsl_reflect/wgsl_reflect.module.js';
import { TilewireError } from '../errors.ts';
import { ConstantExpressionError, evaluateConstant } from './constant-expression.ts';

export interface Specialised {
  readonly code: string;
  /** Source line (from 1) of each output line. */
  readonly lineMap: readonly number[];
}

/** What one kernel may grow to: a slip in a bound should be an error, not a compiler that never returns. */
const MAX_UNROLLED_BLOCKS = 20_000;

interface Line {
  readonly text: string;
  readonly number: number;
}

/** @throws TilewireError BAD_KERNEL, with the source line, for anything that cannot be baked in or written out. */
export function specialise(source: string, constants: Readonly<Record<string, number>>): Specialised {
  const values = new Map(Object.entries(constants));
  const used = new Set<string>();
  const lines = expandBlocks(
    source.split('\n').map((text, index) => ({ text, number: index + 1 })),
    values,
    used,
  );
  for (const [, name] of source.matchAll(/\boverride\s+(\w+)/g)) used.add(name!);
  for (const name of values.keys()) {
    if (!used.has(name)) throw new TilewireError('BAD_KERNEL', 'the kernel declares no such override', { path: name, fix: 'check the spelling of the constant' });
  }
  return bake(lines, values);
}

function fail(line: number, what: string, actual?: unknown, fix?: string): TilewireError {
  return new TilewireError('BAD_KERNEL', what, { path: `line ${line}`, ...(actual === undefined ? {} : { actual }), ...(fix === undefined ? {} : { fix }) });
}

/** Scans and evaluates one expression; every name that occurs is noted in `used`. */
function evaluateText(text: string, values: ReadonlyMap<string, number>, line: number, used?: Set<string>): number {
  const tokens = scan(text, () => line);
  if (used !== undefined) for (const token of tokens) if (token.type.name === 'ident') used.add(token.lexeme);
  return evaluateTokens(tokens, values, line, text.trim());
}

function evaluateTokens(tokens: readonly Token[], values: ReadonlyMap<string, number>, line: number, text?: string): number {
  try {
    return evaluateConstant(
      tokens.map((token) => token.lexeme),
      values,
    );
  } catch (error) {
    if (!(error instanceof ConstantExpressionError)) throw error;
    throw fail(line, error.message, text ?? tokens.map((token) => token.lexeme).join(' '));
  }
}

function scan(text: string, sourceLine: (line: number) => number): Token[] {
  try {
    return new WgslScanner(text).scanTokens().filter((token) => token.lexeme !== '');
  } catch (error) {
    const found = /line:?\s*(\d+)/i.exec(String(error));
    throw fail(sourceLine(Number(found?.[1] ?? 1)), 'the kernel holds a character that is not WGSL', String(error));
  }
}

// ── Blocks of lines: //@repeat, //@if ────────────────────────────────────────────────────────────────────────────

// A misspelt directive is an ordinary comment; its partner then closes nothing, or is never closed.
const DIRECTIVE = /^\s*\/\/\s*@(if|repeat|end)\b\s*(.*?)\s*$/;

function expandBlocks(lines: readonly Line[], values: ReadonlyMap<string, number>, used: Set<string>): Line[] {
  const output: Line[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    const [, directive, rest] = DIRECTIVE.exec(line.text) ?? [];
    if (directive === undefined) {
      output.push(line);
      continue;
    }
    if (directive === 'end') throw fail(line.number, '//@end closes nothing');
    const end = matchingEnd(lines, index);
    const body = lines.slice(index + 1, end);
    if (directive === 'if') {
      if (evaluateText(rest!, values, line.number, used) !== 0) output.push(...expandBlocks(body, values, used));
      else noteNames(body, used);
    } else {
      const [, name, countText] = /^([A-Za-z][A-Za-z0-9]*)\s+(.+)$/.exec(rest!) ?? [];
      if (name === undefined) throw fail(line.number, '//@repeat needs a name and a count', rest, 'write it like //@repeat p COUNT');
      const count = evaluateText(countText!, values, line.number, used);
      if (!Number.isInteger(count) || count < 0 || count > MAX_UNROLLED_BLOCKS) throw fail(line.number, 'the count of //@repeat must be a whole number', count);
      noteNames(body, used);
      for (let value = 0; value < count; value++) {
        const here = new Map(values).set(name, value);
        output.push(...expandBlocks(substitute(body, name, value, here), here, used));
      }
    }
    index = end;
  }
  return output;
}

function matchingEnd(lines: readonly Line[], start: number): number {
  let depth = 0;
  for (let index = start; index < lines.length; index++) {
    const directive = DIRECTIVE.exec(lines[index]!.text)?.[1];
    if (directive === undefined) continue;
    depth += directive === 'end' ? -1 : 1;
    if (depth === 0) return index;
  }
  throw fail(lines[start]!.number, 'a block is never closed', lines[start]!.text.trim(), 'add //@end');
}

/** A constant that only a dropped block asks for is still a constant of this kernel. */
function noteNames(body: readonly Line[], used: Set<string>): void {
  for (const { text } of body) {
    const rest = DIRECTIVE.exec(text)?.[2];
    for (const [name] of rest?.matchAll(/[A-Za-z_]\w*/g) ?? []) used.add(name);
  }
}

function substitute(lines: readonly Line[], name: string, value: number, values: ReadonlyMap<string, number>): Line[] {
  const plain = new RegExp(`\\$${name}(?![A-Za-z0-9])`, 'g');
  const inParentheses = new RegExp(`\\$\\(([^()$]*\\b${name}\\b[^()$]*)\\)`, 'g');
  return lines.map(({ text, number }) => ({
    text: text.replace(plain, String(value)).replace(inParentheses, (_, expression: string) => String(evaluateText(expression, values, number))),
    number,
  }));
}

// ── Tokens: overrides and loops ──────────────────────────────────────────────────────────────────────────────────

const UNROLL = /^[ \t]*\/\/[ \t]*@unroll[ \t]*\r?$/gm;
const SIZED = /^[ \t]*\/\/[ \t]*@sized[ \t]+(.*?)[ \t]*\r?$/gm;

function bake(lines: readonly Line[], given: ReadonlyMap<string, number>): Specialised {
  const text = lines.map((line) => line.text).join('\n');
  const sourceLine = (line: number): number => lines[Math.min(line, lines.length) - 1]!.number;
  const tokens = scan(text, sourceLine);
  const declarations = readDeclarations(text, tokens, given, sourceLine);
  const replaced = new Map([...declarations.replaced, ...sizedArrays(text, tokens, declarations.values, sourceLine)]);
  const marked = markedLoops(text, tokens, sourceLine);
  const output = new Output(sourceLine);
  let blocks = 0;

  /** Copies tokens [from, to) and the text around them, names replaced, marked loops written out. */
  function copy(from: number, to: number, start: number, end: number, names: ReadonlyMap<string, Induction>): void {
    let at = start;
    for (let index = from; index < to; index++) {
      const token = tokens[index]!;
      const declaration = replaced.get(index);
      const isLoop = marked.has(index);
      const name = token.type.name === 'ident' && tokens[index - 1]?.lexeme !== '.' ? names.get(token.lexeme) : undefined;
      if (declaration === undefined && !isLoop && name === undefined) continue;
      const gap = text.slice(at, token.start);
      output.append(isLoop ? gap.replace('@unroll', 'unrolled') : gap, lineAt(text, at, tokens, index));
      if (declaration !== undefined) {
        output.append(declaration.text, token.line);
        index = declaration.lastToken;
      } else if (isLoop) {
        const loop = readLoop(tokens, index, new Map([...declarations.values, ...[...names].map(([key, { value }]) => [key, value] as const)]), sourceLine);
        const indent = /[^\n]*$/.exec(text.slice(0, token.start))![0].replace(/\S.*$/, '');
        loop.iterations.forEach((value, iteration) => {
          if (++blocks > MAX_UNROLLED_BLOCKS) throw fail(sourceLine(token.line), 'the loop unrolls to too much text', `${blocks} blocks`, 'make its bounds smaller, or drop // @unroll');
          if (iteration > 0) output.append(`\n${indent}`, token.line - 1);
          const inner = new Map(names).set(loop.name, { value, text: `${value}${loop.suffix}` });
          copy(loop.open + 1, loop.close, tokens[loop.open]!.start, tokens[loop.close]!.end, inner);
        });
        index = loop.close;
      } else {
        output.append(name!.text, token.line);
      }
      at = tokens[index]!.end;
    }
    output.append(text.slice(at, end), lineAt(text, at, tokens, to));
  }

  copy(0, tokens.length, 0, text.length, new Map());
  return output.finish();
}

interface Induction {
  readonly value: number;
  readonly text: string;
}

/** Line of the text at `position`, which lies between two tokens: count back from the next one. */
function lineAt(text: string, position: number, tokens: readonly Token[], next: number): number {
  const token = tokens[next];
  if (token === undefined) return text.slice(0, position).split('\n').length;
  return token.line - (text.slice(position, token.start).split('\n').length - 1);
}

/** Collects output text together with the source line of each of its lines. */
class Output {
  private readonly parts: string[] = [];
  private readonly lineMap: number[] = [];
  private lineIsOpen = false;
  constructor(private readonly sourceLine: (line: number) => number) {}
  append(text: string, line: number): void {
    this.parts.push(text);
    text.split('\n').forEach((piece, index) => {
      if (index > 0) this.lineIsOpen = false;
      if (this.lineIsOpen || (piece === '' && index === 0)) return;
      this.lineMap.push(this.sourceLine(line + index));
      this.lineIsOpen = true;
    });
  }
  finish(): Specialised {
    return { code: this.parts.join(''), lineMap: this.lineMap };
  }
}

// ── Declarations ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Replacement {
  readonly text: string;
  readonly lastToken: number;
}

interface Declarations {
  /** Values of the module's overrides and of those of its consts that are constant expressions. */
  readonly values: ReadonlyMap<string, number>;
  /** By first token of an override declaration, attributes included: what stands there instead. */
  readonly replaced: ReadonlyMap<number, Replacement>;
}

function readDeclarations(source: string, tokens: readonly Token[], given: ReadonlyMap<string, number>, sourceLine: (line: number) => number): Declarations {
  const values = new Map<string, number>();
  const replaced = new Map<number, Replacement>();
  let depth = 0;
  let first = 0;
  for (let index = 0; index < tokens.length; index++) {
    const { lexeme, line } = tokens[index]!;
    if (lexeme === '{') depth++;
    if (lexeme === '}') depth--;
    if (depth > 0) continue;
    if ((lexeme === 'const' || lexeme === 'override') && tokens[index + 1]?.type.name === 'ident') {
      const end = tokens.findIndex((token, at) => at > index && token.lexeme === ';');
      if (end < 0) throw fail(sourceLine(line), `the ${lexeme} declaration never ends`);
      const declaration = tokens.slice(index + 1, end);
      const name = declaration[0]!.lexeme;
      const equals = declaration.findIndex((token) => token.lexeme === '=');
      const initial = equals < 0 ? undefined : declaration.slice(equals + 1);
      const value = (lexeme === 'override' ? given.get(name) : undefined) ?? constantOrNothing(initial, values);
      if (value !== undefined) values.set(name, value);
      if (lexeme === 'override') {
        const type = declaration[1]?.lexeme === ':' ? declaration[2]!.lexeme : undefined;
        if (type === undefined) throw fail(sourceLine(line), `override ${name} has no type`, undefined, `write it like override ${name}: u32 = 1u;`);
        if (!given.has(name) && initial === undefined) throw fail(sourceLine(line), `override ${name} has no default and was given no value`, undefined, `give it one: "overrides": { "${name}": … } in the bindings file`);
        // A default stays as it is written: it may be an expression that only a compiler can evaluate.
        const text = given.has(name) ? literal(value!, type, name, sourceLine(line)) : source.slice(initial![0]!.start, tokens[end]!.start);
        replaced.set(first, { text: `const ${name}: ${type} = ${text};`, lastToken: end });
      }
      index = end;
    }
    if (tokens[index]!.lexeme === ';' || tokens[index]!.lexeme === '}') first = index + 1;
  }
  return { values, replaced };
}

function sizedArrays(text: string, tokens: readonly Token[], values: ReadonlyMap<string, number>, sourceLine: (line: number) => number): Map<number, Replacement> {
  const replaced = new Map<number, Replacement>();
  for (const marker of text.matchAll(SIZED)) {
    const end = marker.index + marker[0].length;
    const line = sourceLine(text.slice(0, end).split('\n').length);
    const first = tokens.findIndex((token) => token.start >= end);
    const last = tokens.findIndex((token, index) => index >= first && token.lexeme === ';');
    const close = last - 1;
    if (first < 0 || last < 0 || !/^>>?$/.test(tokens[close]!.lexeme) || !tokens.slice(first, close).some(({ lexeme }) => lexeme === 'array')) {
      throw fail(line, '// @sized stands before something that is no variable of type array<T>');
    }
    const length = evaluateText(marker[1]!, values, line);
    if (!Number.isInteger(length) || length < 1) throw fail(line, 'the length of an array must be positive', length);
    // `>>` closes the element type as well.
    replaced.set(close, { text: `${tokens[close]!.lexeme.slice(1)}, ${length}>`, lastToken: close });
  }
  return replaced;
}

/** A const of another kind (a float, a vector, a call) is no error: a bound that needs it will say so. */
function constantOrNothing(tokens: readonly Token[] | undefined, values: ReadonlyMap<string, number>): number | undefined {
  try {
    return tokens && evaluateConstant(tokens.map((token) => token.lexeme), values);
  } catch (error) {
    if (error instanceof ConstantExpressionError) return undefined;
    throw error;
  }
}

function literal(value: number, type: string, name: string, line: number): string {
  const wrong = (range: string): TilewireError => fail(line, `constant ${name} is no ${type}: it must be ${range}`, value);
  switch (type) {
    case 'u32':
      if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw wrong('a whole number in 0..4294967295');
      return `${value}u`;
    case 'i32':
      if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0x7fff_ffff) throw wrong('a whole number in -2147483648..2147483647');
      // The most negative number is no literal of type i32: its minus sign is an operator.
      return value === -0x8000_0000 ? 'i32(-2147483648)' : `${value}i`;
    case 'f32':
      if (!Number.isFinite(Math.fround(value))) throw wrong('finite');
      return `${/[.e]/.test(String(value)) ? value : `${value}.0`}f`;
    case 'bool':
      if (value !== 0 && value !== 1) throw wrong('0 or 1');
      return String(value === 1);
    default:
      throw fail(line, `constant ${name} has a type that cannot be baked in`, type, 'use u32, i32, f32 or bool');
  }
}

// ── Loops ────────────────────────────────────────────────────────────────────────────────────────────────────────

function markedLoops(text: string, tokens: readonly Token[], sourceLine: (line: number) => number): Set<number> {
  const loops = new Set<number>();
  for (const marker of text.matchAll(UNROLL)) {
    const end = marker.index + marker[0].length;
    const next = tokens.findIndex((token) => token.start >= end);
    if (tokens[next]?.lexeme !== 'for') {
      throw fail(sourceLine(text.slice(0, end).split('\n').length), '// @unroll stands before something that is no for loop', tokens[next]?.lexeme);
    }
    loops.add(next);
  }
  return loops;
}

interface UnrolledLoop {
  readonly name: string;
  readonly suffix: string;
  readonly iterations: readonly number[];
  /** Tokens of the body's braces. */
  readonly open: number;
  readonly close: number;
}

/** `for (var i = LOW; i < HIGH; i++) {` with constant bounds; also `<=`, and `i += STEP`. */
function readLoop(tokens: readonly Token[], start: number, values: ReadonlyMap<string, number>, sourceLine: (line: number) => number): UnrolledLoop {
  const line = sourceLine(tokens[start]!.line);
  const wrong = (what: string): TilewireError => fail(line, `the loop cannot be unrolled: ${what}`, undefined, 'write it like for (var i = 0u; i < COUNT; i++) { … }');
  const open = tokens.findIndex((token, index) => index > start && token.lexeme === '{');
  const head = tokens.slice(start + 2, open - 1);
  const [first, second] = head.flatMap((token, index) => (token.lexeme === ';' ? [index] : []));
  if (open < 0 || first === undefined || second === undefined) throw wrong('its head is no (init; condition; step)');
  const equals = head.findIndex((token) => token.lexeme === '=');
  const name = head[1]!.lexeme;
  const [compared, relation, ...limit] = head.slice(first + 1, second);
  const [stepped, operator, ...stepTokens] = head.slice(second + 1);
  if (head[0]!.lexeme !== 'var' || equals < 0 || equals > first) throw wrong('it declares no variable');
  if (compared?.lexeme !== name || (relation?.lexeme !== '<' && relation?.lexeme !== '<=')) throw wrong(`its condition is not ${name} < bound`);
  if (stepped?.lexeme !== name || (operator?.lexeme !== '++' && operator?.lexeme !== '+=')) throw wrong(`its step is not ${name}++ or ${name} += step`);
  const initial = head.slice(equals + 1, first);
  const low = evaluateTokens(initial, values, line);
  const high = evaluateTokens(limit, values, line) + (relation.lexeme === '<=' ? 1 : 0);
  const step = operator.lexeme === '++' ? 1 : evaluateTokens(stepTokens, values, line);
  if (![low, high, step].every(Number.isInteger) || step < 1) throw wrong('its bounds are no whole numbers, or its step is not positive');
  if ((high - low) / step > MAX_UNROLLED_BLOCKS) throw wrong(`it runs ${high - low} times`);
  const iterations: number[] = [];
  for (let value = low; value < high; value += step) iterations.push(value);
  const close = matchingBrace(tokens, open);
  if (close < 0) throw wrong('its body never ends');
  // What would mean something else once the loop is gone.
  for (let index = open + 1; index < close; index++) {
    const { lexeme } = tokens[index]!;
    const previous = tokens[index - 1]!.lexeme;
    const there = sourceLine(tokens[index]!.line);
    if (lexeme === 'break' || lexeme === 'continue') throw fail(there, `${lexeme} inside a loop that is to be unrolled`);
    if (lexeme !== name || previous === '.') continue;
    if (['var', 'let', 'const'].includes(previous)) throw fail(there, `${name} is declared again inside the loop over ${name}`);
    if (/^(?:[-+*/%&|^]|<<|>>)?=$|^\+\+$|^--$/.test(tokens[index + 1]!.lexeme)) throw fail(there, `${name} is changed inside the loop over ${name}`);
  }

  const type = head[2]!.lexeme === ':' ? head[3]!.lexeme : { uint_literal: 'u32', int_literal: 'i32' }[initial.length === 1 ? initial[0]!.type.name : ''];
  if (type !== 'u32' && type !== 'i32') throw wrong(`the type of ${name} is not evident`);
  return { name, suffix: type === 'u32' ? 'u' : 'i', iterations, open, close };
}

function matchingBrace(tokens: readonly Token[], open: number): number {
  let depth = 0;
  return tokens.findIndex(({ lexeme }, index) => {
    if (index < open) return false;
    if (lexeme === '{') depth++;
    if (lexeme === '}') depth--;
    return depth === 0;
  });
}
