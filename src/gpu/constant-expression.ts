// Values of WGSL constant expressions over whole numbers and named constants, enough for loop bounds, counts and
// conditions: + - * / % and comparisons, && || !, parentheses, u32 i32 min max select, and ceilDiv. Comparisons give 1 or 0,
// divisions truncate, floats are refused. It takes lexemes, as a scanner leaves them, from whoever wrote them: how deep they nest
// and how large a value becomes is bounded.

export class ConstantExpressionError extends Error {}

// Maps, for an object would know `constructor` too.
const PRECEDENCE: ReadonlyMap<string, number> = new Map([['||', 1], ['&&', 2], ['==', 3], ['!=', 3], ['<', 4], ['<=', 4], ['>', 4], ['>=', 4], ['+', 5], ['-', 5], ['*', 6], ['/', 6], ['%', 6]]);

const FUNCTIONS: ReadonlyMap<string, { readonly inputs: number | null; readonly of: (...values: number[]) => number }> = new Map([
  ['u32', { inputs: 1, of: Math.trunc }],
  ['i32', { inputs: 1, of: Math.trunc }],
  ['min', { inputs: null, of: Math.min }],
  ['max', { inputs: null, of: Math.max }],
  ['select', { inputs: 3, of: (no: number, yes: number, when: number) => (when === 0 ? no : yes) }],
  ['ceilDiv', { inputs: 2, of: (of: number, by: number) => Math.ceil(quotient(of, by)) }],
]);

/** Parentheses, calls and signs within each other. Nobody writes as many, and the stack holds them. */
const MOST_LEVELS = 100;

/** @throws ConstantExpressionError for anything else than a constant expression of known names. */
export function evaluateConstant(lexemes: readonly string[], values: ReadonlyMap<string, number>): number {
  let at = 0;
  let level = 0;

  function operand(): number {
    if (++level > MOST_LEVELS) throw new ConstantExpressionError(`an expression is nested more than ${MOST_LEVELS} levels deep`);
    const value = operandWithin();
    level--;
    return value;
  }

  function operandWithin(): number {
    const lexeme = lexemes[at++];
    if (lexeme === undefined) throw new ConstantExpressionError('an expression is missing');
    if (lexeme === '-') return -operand();
    if (lexeme === '!') return operand() === 0 ? 1 : 0;
    if (lexeme === '(') {
      const value = expression(1);
      close();
      return value;
    }
    if (lexeme === 'true' || lexeme === 'false') return Number(lexeme === 'true');
    const call = FUNCTIONS.get(lexeme);
    if (call !== undefined && lexemes[at] === '(') {
      const inputs: number[] = [];
      do {
        at++;
        inputs.push(expression(1));
      } while (lexemes[at] === ',');
      close();
      if (call.inputs !== null && inputs.length !== call.inputs) throw new ConstantExpressionError(`${lexeme} takes ${call.inputs} values, not ${inputs.length}`);
      return countable(call.of(...inputs));
    }
    const named = values.get(lexeme);
    if (named !== undefined) return named;
    if (!/^(?:\d+|0[xX][0-9a-fA-F]+)[ui]?$/.test(lexeme)) throw new ConstantExpressionError(`${lexeme} is no whole number and no known constant`);
    return countable(Number(lexeme.replace(/[ui]$/, '')));
  }

  function close(): void {
    if (lexemes[at++] !== ')') throw new ConstantExpressionError('a closing parenthesis is missing');
  }

  function expression(lowest: number): number {
    let left = operand();
    for (let operator = lexemes[at]; operator !== undefined; operator = lexemes[at]) {
      const precedence = PRECEDENCE.get(operator);
      if (precedence === undefined || precedence < lowest) break;
      at++;
      left = countable(apply(operator, left, expression(precedence + 1)));
    }
    return left;
  }

  const value = expression(1);
  if (at < lexemes.length) throw new ConstantExpressionError(`${lexemes[at]} does not belong in a constant expression`);
  return value;
}

/** Fractions there are (alpha, an override), but no whole number that was rounded. */
function countable(value: number): number {
  if (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))) return value;
  throw new ConstantExpressionError(`a value of ${value} is too large to count with`);
}

function quotient(of: number, by: number): number {
  if (by === 0) throw new ConstantExpressionError('division by zero');
  return of / by;
}

function apply(operator: string, left: number, right: number): number {
  switch (operator) {
    case '||':
      return left !== 0 || right !== 0 ? 1 : 0;
    case '&&':
      return left !== 0 && right !== 0 ? 1 : 0;
    case '==':
      return Number(left === right);
    case '!=':
      return Number(left !== right);
    case '<':
      return Number(left < right);
    case '<=':
      return Number(left <= right);
    case '>':
      return Number(left > right);
    case '>=':
      return Number(left >= right);
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
  }
  const ratio = quotient(left, right);
  return operator === '%' ? left % right : Math.trunc(ratio);
}
