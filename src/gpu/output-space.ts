// Sends every store to a kernel's output through tw_store: direct ones, through pointer parameters and local aliases,
// whole vectors and their components. Works on tokens with their scopes, so that a local variable of the same name is
// told apart. Whatever else is done with the output (read, compound assignment, atomics, an alias that
// cannot be followed) is refused at its line, with what would make it trackable.
import { DataTaint } from './data-taint.ts';
import { readOutput, type Output } from './output-binding.ts';
import { refuse, splitList, type Function, type Module } from './wgsl-tokens.ts';

/** Replaces the text [start, end); its line breaks stay. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What a name stands for: the output's array, the struct around it, one element of it, or something else that hides it. */
type Meaning = Pointer | 'other';
type Pointer = 'whole' | 'struct' | 'element';

const COMPONENTS: Record<string, number> = { x: 0, y: 1, z: 2, w: 3, r: 0, g: 1, b: 2, a: 3 };
const COMPOUND = ['+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>=', '++', '--'];
const FIX_READ = 'keep partial sums in a local variable, store them once, do not read the output';

/**
 * @param elements scalars of the output: what `arrayLength` says, in elements of its type
 * @param operands bindings whose values no place may depend on
 */
export function redirectStores(module: Module, name: string, functions: readonly Function[], elements: number, operands: readonly string[]): Edit[] {
  return new Redirection(module, readOutput(module, name), functions, elements, new DataTaint(module, functions, operands)).run();
}

class Redirection {
  readonly #edits: Edit[] = [];
  readonly #pointerParameters = new Map<string, Map<number, Pointer>>();
  /** First tokens of places that were dealt with already. */
  readonly #done = new Set<number>();
  #stores = 0;

  constructor(
    readonly module: Module,
    readonly output: Output,
    readonly functions: readonly Function[],
    readonly elements: number,
    readonly data: DataTaint,
  ) {
    for (const { name, parameters } of functions) {
      const pointers = new Map<number, Pointer>();
      parameters.forEach(({ type }, at) => {
        if (!type.startsWith('ptr<storage,') || !type.endsWith('read_write>')) return;
        const pointee = type.slice('ptr<storage,'.length, -',read_write>'.length);
        if (output.isStruct(pointee)) pointers.set(at, 'struct');
        else if (output.isWhole(pointee)) pointers.set(at, 'whole');
        else if (output.isElement(pointee)) pointers.set(at, 'element');
      });
      if (pointers.size > 0) this.#pointerParameters.set(name, pointers);
    }
  }

  run(): Edit[] {
    for (const one of this.functions) this.#function(one);
    if (this.#stores === 0) throw refuse(this.module.code, this.module.tokens[this.output.declaration.from].start, 'the kernel never stores to its output', 'name the binding that it stores to');
    return this.#edits;
  }

  #text(at: number): string {
    return this.module.tokens[at]?.text ?? '';
  }

  #refuse(at: number, what: string, fix = FIX_READ): never {
    throw refuse(this.module.code, this.module.tokens[at].start, what, fix);
  }

  /** Replaces the tokens from..to (both included). */
  #replace(from: number, to: number, text: string): void {
    const { tokens } = this.module;
    this.#edits.push({ start: tokens[from].start, end: tokens[to].end, text });
  }

  #insertBefore(at: number, text: string): void {
    const { start } = this.module.tokens[at];
    this.#edits.push({ start, end: start, text });
  }

  #function({ name, parameters, bodyOpen, bodyClose }: Function): void {
    const scope = new Map<string, Meaning>();
    const pointers = this.#pointerParameters.get(name);
    parameters.forEach((parameter, at) => {
      const pointer = pointers?.get(at);
      scope.set(parameter.name, pointer ?? 'other');
      if (pointer === 'whole' || pointer === 'struct') this.#removeFromList(parameter);
      if (pointer === 'element') this.#replace(parameter.from, parameter.to - 1, `${parameter.name}: u32`);
    });
    this.#block(bodyOpen, bodyClose, [scope]);
  }

  /** Removes one item of a list, with the comma behind it, or before it if it is the last. */
  #removeFromList({ from, to }: { from: number; to: number }): void {
    if (this.#text(to) === ',') this.#replace(from, to, '');
    else this.#replace(this.#text(from - 1) === ',' ? from - 1 : from, to - 1, '');
  }

  /** Walks the tokens between two brackets, in their scope. */
  #block(open: number, close: number, scopes: readonly Map<string, Meaning>[]): void {
    const { match, tokens } = this.module;
    const inner = [...scopes, new Map<string, Meaning>()];
    let declared: { name: string; meaning: Meaning; until: number } | undefined;
    for (let at = open + 1; at < close; at++) {
      const text = this.#text(at);
      if (declared !== undefined && at >= declared.until) {
        inner.at(-1)!.set(declared.name, declared.meaning);
        declared = undefined;
      }
      if (text === '{') {
        this.#block(at, match[at], inner);
        at = match[at];
      } else if (text === 'for' && this.#text(at + 1) === '(') {
        // The variable of a for lives in its head and body.
        const head = match[at + 1];
        const variable = this.#namesOfHead(at + 1);
        this.#block(at + 1, head, [...inner, variable]);
        this.#block(head + 1, match[head + 1], [...inner, variable]);
        at = match[head + 1];
      } else if (['let', 'var', 'const'].includes(text)) {
        let nameAt = at + 1;
        if (this.#text(nameAt) === '<') while (this.#text(nameAt - 1) !== '>') nameAt++;
        const until = this.#endOfStatement(at);
        declared = { name: this.#text(nameAt), meaning: text === 'let' ? this.#alias(at, nameAt, until, inner) : 'other', until };
        // An alias of the whole is gone, and needs no further look.
        at = declared.meaning === 'whole' || declared.meaning === 'struct' ? until : nameAt;
      } else if (tokens[at].isName && this.#text(at - 1) !== '.') {
        this.#name(at, inner);
      }
    }
  }

  #namesOfHead(open: number): Map<string, Meaning> {
    return new Map(['var', 'let'].includes(this.#text(open + 1)) ? [[this.#text(open + 2), 'other']] : []);
  }

  #endOfStatement(from: number): number {
    let at = from;
    while (this.#text(at) !== ';' && this.#text(at) !== ')' && this.#text(at) !== '}') at = this.module.match[at] > at ? this.module.match[at] + 1 : at + 1;
    return at;
  }

  #meaning(name: string, scopes: readonly Map<string, Meaning>[]): Meaning | undefined {
    for (let at = scopes.length - 1; at >= 0; at--) {
      const found = scopes[at].get(name);
      if (found !== undefined) return found;
    }
    if (name !== this.output.name) return undefined;
    return this.output.member === undefined ? 'whole' : 'struct';
  }

  /**
   * `let p = &out;` (removed), `let p = &out[i];` (becomes the index), `let q = p;` (stays). What else is bound is none.
   */
  #alias(keyword: number, nameAt: number, until: number, scopes: readonly Map<string, Meaning>[]): Meaning {
    let equals = nameAt;
    while (equals < until && this.#text(equals) !== '=') equals++;
    const place = this.#place(equals + 1, scopes);
    if (place === undefined || place.end !== until - 1) return 'other';
    // Without `&`, only what is a pointer already can be named again; anything else reads, and is refused where it does.
    const isPointer = place.address || (place.index === undefined && !place.dereferenced && this.#text(place.nameAt) !== this.output.name);
    if (!isPointer) return 'other';
    this.#done.add(place.from);
    if (place.meaning === 'element') return place.suffix === undefined ? 'element' : 'other';
    if (place.index === undefined) {
      this.#replace(keyword, until, '');
      return place.meaning;
    }
    if (place.suffix !== undefined) this.#refuse(keyword, 'a pointer to one component of a vector of the output cannot be followed', 'point to the whole vector, or store by index');
    this.#replace(nameAt + 1, place.index.open, ' = u32(');
    this.#replace(place.index.close, place.index.close, ')');
    return 'element';
  }

  /**
   * Reads what names the output or an element of it at a token: `&out[i]`, `(*p)[i].x`, `out.data[i]`, `*q`. Undefined
   * when it is something else.
   */
  #place(from: number, scopes: readonly Map<string, Meaning>[]): Place | undefined {
    let at = from;
    const address = this.#text(at) === '&';
    if (address) at++;
    let parenthesis = -1;
    if (this.#text(at) === '(') {
      parenthesis = this.module.match[at];
      at++;
    }
    const dereferenced = this.#text(at) === '*';
    if (dereferenced) at++;
    let meaning = this.module.tokens[at]?.isName === true ? this.#meaning(this.#text(at), scopes) : undefined;
    if (meaning === undefined || meaning === 'other') return undefined;
    const nameAt = at;
    at++;
    if (parenthesis >= 0) {
      if (at !== parenthesis) return undefined;
      at++;
    }
    if (meaning === 'struct' && this.#text(at) === '.') {
      if (this.#text(at + 1) !== this.output.member) return undefined;
      meaning = 'whole';
      at += 2;
    }
    let index: Place['index'];
    if (meaning === 'whole' && this.#text(at) === '[') {
      index = { open: at, close: this.module.match[at] };
      at = index.close + 1;
    }
    let suffix: Place['suffix'];
    if ((index !== undefined || meaning === 'element') && this.output.width > 1) {
      if (this.#text(at) === '.') {
        suffix = { from: at, to: at + 1 };
        at += 2;
      } else if (this.#text(at) === '[') {
        suffix = { from: at, to: this.module.match[at] };
        at = suffix.to + 1;
      }
    }
    for (const brackets of [index, suffix && this.#text(suffix.from) === '[' ? { open: suffix.from, close: suffix.to } : undefined])
      if (brackets !== undefined && this.data.holdsData(brackets.open + 1, brackets.close))
        this.#refuse(nameAt, `where the output ${this.output.name} is stored to depends on the data`, 'compute the index from ids and sizes alone');
    return { from, nameAt, address, meaning, dereferenced, index, suffix, end: at - 1 };
  }

  /** A name that may be the output, an alias of it, or a function that takes pointers to it. */
  #name(at: number, scopes: readonly Map<string, Meaning>[]): void {
    const pointers = this.#text(at + 1) === '(' ? this.#pointerParameters.get(this.#text(at)) : undefined;
    if (pointers !== undefined && this.#meaning(this.#text(at), scopes) === undefined) {
      this.#call(at, pointers, scopes);
      return;
    }
    const meaning = this.#meaning(this.#text(at), scopes);
    if (meaning === undefined || meaning === 'other') return;
    const start = this.#startOfPlace(at);
    const place = this.#place(start, scopes);
    if (place === undefined) this.#refuse(at, `this use of the output ${this.output.name} cannot be followed: only ${this.output.name}[index] = value can`);
    if (this.#done.has(start)) return;
    this.#done.add(start);
    if (place.index === undefined && place.meaning !== 'element') this.#whole(place);
    else this.#element(place);
  }

  /** Where `&`, `(` and `*` before a name begin. */
  #startOfPlace(at: number): number {
    let start = at;
    if (this.#text(start - 1) === '*' && !this.#endsOperand(start - 2)) start--;
    if (this.#text(start - 1) === '(' && this.#text(start) === '*' && this.module.match[start - 1] === at + 1) start--;
    if (this.#text(start - 1) === '&' && !this.#endsOperand(start - 2)) start--;
    return start;
  }

  /** Whether an operator behind this token has a left operand (`a * b`, not `*b`). */
  #endsOperand(at: number): boolean {
    const text = this.#text(at);
    return text === ')' || text === ']' || (this.module.tokens[at]?.isName === true && !['return', 'case', 'if', 'while', 'switch', 'else'].includes(text)) || /^\d/.test(text);
  }

  #whole({ from, nameAt, end }: Place): void {
    const isLength = this.#text(from - 1) === '(' && this.#text(from - 2) === 'arrayLength' && this.#text(end + 1) === ')';
    if (!isLength) this.#refuse(nameAt, `this use of the output ${this.output.name} cannot be followed: only ${this.output.name}[index] = value can`);
    this.#replace(from - 2, end + 1, `${this.elements / this.output.width}u`);
  }

  #element(place: Place): void {
    const { nameAt, address, meaning, dereferenced, index, suffix, end } = place;
    const after = this.#text(end + 1);
    if (COMPOUND.includes(after)) this.#refuse(nameAt, `${after} on the output reads it`);
    const pointee = meaning === 'element' && !dereferenced && suffix === undefined;
    if (address || pointee) this.#refuse(nameAt, 'this pointer into the output cannot be followed', 'store by index, or bind it with let and store through that');
    const before = this.#text(place.from - 1);
    if (after !== '=' || ![';', '{', '}', ':', '(', ')'].includes(before)) this.#refuse(nameAt, `the output ${this.output.name} is read here`);
    this.#stores++;
    const { width } = this.output;
    const vector = width > 1 && suffix === undefined;
    const scale = width > 1 && !vector ? `${width}u * ` : '';
    const component = suffix === undefined ? '' : this.#text(suffix.from) === '.' ? ` + ${this.#component(suffix.to)}u` : ' + u32(';
    const call = vector ? `tw_store${width}(` : 'tw_store(';
    if (index !== undefined) {
      this.#replace(place.from, index.open, `${call}${scale}u32(`);
      this.#replace(index.close, suffix !== undefined && this.#text(suffix.from) === '[' ? suffix.from : suffix === undefined ? index.close : suffix.to, `)${component}`);
    } else {
      this.#replace(place.from, suffix === undefined ? end : this.#text(suffix.from) === '[' ? suffix.from : suffix.to, `${call}${scale}${this.#text(nameAt)}${component}`);
    }
    if (suffix !== undefined && this.#text(suffix.from) === '[') this.#replace(suffix.to, suffix.to, ')');
    this.#replace(end + 1, end + 1, ',');
    this.#insertBefore(this.#endOfStatement(end + 2), ')');
  }

  #component(at: number): number {
    const component = COMPONENTS[this.#text(at)];
    if (component === undefined) this.#refuse(at, 'several components of a vector of the output are stored at once', 'store the whole vector, or one component');
    return component;
  }

  /** A call of a function with pointer parameters: whole outputs drop out, pointers to elements become indices. */
  #call(at: number, pointers: ReadonlyMap<number, Pointer>, scopes: readonly Map<string, Meaning>[]): void {
    const { tokens, match } = this.module;
    splitList(tokens, match, at + 1, match[at + 1]).forEach((argument, index) => {
      const expected = pointers.get(index);
      if (expected === undefined) return;
      const place = this.#place(argument.from, scopes);
      const fix = `pass &${this.output.name}, or store by index`;
      if (place === undefined || place.end !== argument.to - 1) this.#refuse(argument.from, `${this.#text(at)} stores through a pointer that is not to the output ${this.output.name}`, fix);
      const kind: Pointer = place.index !== undefined ? 'element' : place.meaning;
      const isWhole = kind !== 'element';
      const byAddress = place.address || place.meaning === 'element' || this.#text(place.nameAt) !== this.output.name;
      if (kind !== expected || !byAddress || place.suffix !== undefined) this.#refuse(argument.from, 'this pointer into the output cannot be followed', fix);
      this.#done.add(this.#startOfPlace(place.nameAt));
      if (isWhole) this.#removeFromList(argument);
      else if (place.index !== undefined) {
        this.#replace(argument.from, place.index.open, 'u32(');
        this.#replace(place.index.close, place.index.close, ')');
      }
    });
  }
}

interface Place {
  readonly from: number;
  readonly nameAt: number;
  /** `&` before it. */
  readonly address: boolean;
  readonly meaning: Pointer;
  readonly dereferenced: boolean;
  readonly index: { readonly open: number; readonly close: number } | undefined;
  /** `.x` or `[j]` behind an element that is a vector. */
  readonly suffix: { readonly from: number; readonly to: number } | undefined;
  readonly end: number;
}
