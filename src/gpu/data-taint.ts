// Where a store goes must follow from ids and sizes alone: a place that depends on what A or B hold cannot be tracked by a
// footprint. The probe sees it only where its two sets of data happen to differ in it; this looks at the text.
// Values are followed by name through variables, functions, their parameters and what they return, whatever the order of the
// statements: what can ever hold data counts as data.
import { splitList, type Function, type Module } from './wgsl-tokens.ts';

const ASSIGNMENTS = ['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>='];

export class DataTaint {
  /** For each token that is a name: the declaration that it means (its token), or −1 for one of the module or of WGSL. */
  readonly #declared: Int32Array;
  readonly #tainted = new Set<string>();
  readonly #returns = new Set<string>();

  /** @param operands names of the bindings that hold data */
  constructor(
    readonly module: Module,
    readonly functions: readonly Function[],
    readonly operands: readonly string[],
  ) {
    this.#declared = new Int32Array(module.tokens.length).fill(-1);
    for (const one of functions) this.#resolve(one);
    for (const name of operands) this.#tainted.add(name);
    for (let before = -1; before !== this.#tainted.size + this.#returns.size; ) {
      before = this.#tainted.size + this.#returns.size;
      for (const one of functions) this.#function(one);
    }
  }

  /** Whether the tokens from..to (to not included) can hold data of the operands. */
  holdsData(from: number, to: number): boolean {
    const { tokens, match } = this.module;
    for (let at = from; at < to; at++) {
      if (tokens[at].text === 'arrayLength') at = match[at + 1];
      else if (tokens[at].isName && tokens[at - 1]?.text !== '.' && (this.#tainted.has(this.#symbol(at)) || (tokens[at + 1]?.text === '(' && this.#returns.has(tokens[at].text)))) return true;
    }
    return false;
  }

  /** Whether the name at a token is one of the module, which no parameter or variable hides there. */
  isOfModule(at: number): boolean {
    return this.#declared[at] < 0;
  }

  #symbol(at: number): string {
    const declaration = this.#declared[at];
    return declaration < 0 ? this.module.tokens[at].text : `${this.module.tokens[at].text} at ${declaration}`;
  }

  /** Binds each name of a function to its declaration, by scopes. */
  #resolve({ parameters, bodyOpen, bodyClose }: Function): void {
    const { tokens, match } = this.module;
    const scopes: { names: Map<string, number>; end: number }[] = [{ names: new Map(), end: bodyClose }];
    for (const { name, from, to } of parameters) {
      for (let at = from; at < to; at++)
        if (tokens[at].text === name && tokens[at + 1].text === ':') {
          scopes[0].names.set(name, at);
          this.#declared[at] = at;
        }
    }
    const pending: { name: string; at: number; from: number }[] = [];
    for (let at = bodyOpen; at < bodyClose; at++) {
      while (scopes.length > 1 && at > scopes.at(-1)!.end) scopes.pop();
      while (pending.length > 0 && at >= pending[0].from) {
        const { name, at: declaration } = pending.shift()!;
        scopes.at(-1)!.names.set(name, declaration);
      }
      const { text, isName } = tokens[at];
      if (text === '{') scopes.push({ names: new Map(), end: match[at] });
      // The head of a for and its body are one scope for its variable.
      if (text === 'for') scopes.push({ names: new Map(), end: match[match[at + 1] + 1] });
      if (['let', 'var', 'const'].includes(text)) {
        let nameAt = at + 1;
        if (tokens[nameAt].text === '<') while (tokens[nameAt - 1].text !== '>') nameAt++;
        this.#declared[nameAt] = nameAt;
        let from = nameAt;
        while (tokens[from].text !== ';') from = match[from] > from ? match[from] + 1 : from + 1;
        pending.push({ name: tokens[nameAt].text, at: nameAt, from });
      } else if (isName && this.#declared[at] < 0 && tokens[at - 1].text !== '.')
        for (let scope = scopes.length - 1; scope >= 0; scope--) {
          const found = scopes[scope].names.get(text);
          if (found === undefined) continue;
          this.#declared[at] = found;
          break;
        }
    }
  }

  #function({ name, bodyOpen, bodyClose }: Function): void {
    const { tokens, match } = this.module;
    for (let at = bodyOpen + 1; at < bodyClose; at++) {
      const { text } = tokens[at];
      if (ASSIGNMENTS.includes(text)) {
        const target = this.#targetOf(at);
        if (target >= 0 && this.holdsData(at + 1, this.#end(at + 1))) this.#tainted.add(this.#symbol(target));
      } else if (text === 'return' && this.holdsData(at + 1, this.#end(at + 1))) this.#returns.add(name);
      else if (tokens[at + 1].text === '(') this.#call(at, match[at + 1]);
    }
  }

  /** The variable that an assignment changes: `x = `, `x[i].y += `, `*p = `, `let x: T = `. */
  #targetOf(assignment: number): number {
    const { tokens, match } = this.module;
    let first = assignment;
    while (![';', '{', '}', '('].includes(tokens[first - 1].text) || (tokens[first - 1].text === '(' && match[first - 1] < assignment)) first = match[first - 1] >= 0 && match[first - 1] < first - 1 ? match[first - 1] : first - 1;
    if (['let', 'var', 'const'].includes(tokens[first].text)) {
      first++;
      if (tokens[first].text === '<') while (tokens[first - 1].text !== '>') first++;
    }
    while (first < assignment && !tokens[first].isName) first++;
    return first < assignment ? first : -1;
  }

  /** Arguments that hold data make the parameters hold it; what a function puts behind a pointer comes back. */
  #call(at: number, close: number): void {
    const { tokens, match } = this.module;
    const callee = this.functions.find(({ name }) => name === tokens[at].text);
    if (callee === undefined) return;
    splitList(tokens, match, at + 1, close).forEach(({ from, to }, index) => {
      const parameter = callee.parameters[index];
      if (parameter === undefined) return;
      let nameAt = parameter.from;
      while (tokens[nameAt].text !== parameter.name || tokens[nameAt + 1].text !== ':') nameAt++;
      if (this.holdsData(from, to)) this.#tainted.add(this.#symbol(nameAt));
      if (parameter.type.startsWith('ptr<') && this.#tainted.has(this.#symbol(nameAt))) {
        let target = from;
        while (target < to && !tokens[target].isName) target++;
        if (target < to) this.#tainted.add(this.#symbol(target));
      }
    });
  }

  #end(from: number): number {
    const { tokens, match } = this.module;
    let at = from;
    while (![';', ')', '}', ','].includes(tokens[at].text)) at = match[at] > at ? match[at] + 1 : at + 1;
    return at;
  }
}
