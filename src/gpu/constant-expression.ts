// Values of WGSL constant expressions over whole numbers and named constants, enough for loop bounds, counts and
// conditions: + - * / % and comparisons, && || !, parentheses, u32 i32 min max select, and ceilDiv. Comparisons give 1 or 0,
// divisions truncate, floats are refused. It takes lexemes, as a scanner leaves them.

export class ConstantExpressionError extends Error {}

const PRECEDENCE: Readonly<Record<string, number>> = { '||': 1, '&&': 2, '==': 3, '!=': 3, '<': 4, '<=': 4, '>': 4, '>=': 4, '+': 5, '-': 5, '*': 6, '/': 6, '%': 6 };

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = { u32: Math.trunc, i32: Math.trunc, min: Math.min, max: Math.max, select: (no, yes, when) => (when === 0 ? no : yes)!, ceilDiv: (of, by) => Math.ceil(of / by) };

/** @throws ConstantExpressionError for anything else than a constant expression of known names. */
export function evaluateConstant(lexemes: readonly string[], values: ReadonlyMap<string, number>): number {
  let at = 0;

  function operand(): number {
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
    const call = FUNCTIONS[lexeme];
    if (call !== undefined && lexemes[at] === '(') {
      const inputs: number[] = [];
      do {
        at++;
        inputs.push(expression(1));
      } while (lexemes[at] === ',');
      close();
      return call(...inputs);
    }
    const named = values.get(lexeme);
    if (named !== undefined) return named;
    if (!/^(?:\d+|0[xX][0-9a-fA-F]+)[ui]?$/.test(lexeme)) throw new ConstantExpressionError(`${lexeme} is no whole number and no known constant`);
    return Number(lexeme.replace(/[ui]$/, ''));
  }

  function close(): void {
    if (lexemes[at++] !== ')') throw new ConstantExpressionError('a closing parenthesis is missing');
  }

  function expression(lowest: number): number {
    let left = operand();
    for (let operator = lexemes[at]; operator !== undefined; operator = lexemes[at]) {
      const precedence = PRECEDENCE[operator];
      if (precedence === undefined || precedence < lowest) break;
      at++;
      left = apply(operator, left, expression(precedence + 1));
    }
    return left;
  }

  const value = expression(1);
  if (at < lexemes.length) throw new ConstantExpressionError(`${lexemes[at]} does not belong in a constant expression`);
  return value;
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
  if (right === 0) throw new ConstantExpressionError('division by zero');
  if (operator === '%') return left % right;
  return Math.trunc(left / right);
}
