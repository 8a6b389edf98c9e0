// A seeded mutator of binary files with a text header, and of JSON: bits, lengths, cuts, tokens and trees.
// The same seed and step give the same file, so a failure is named by two numbers.

export type Random = () => number;

/** mulberry32: uniform in [0, 1). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)]!;

const EXTREMES = [0n, 1n, 2n, 7n, 8n, 255n, 256n, 0x7fffn, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n];

/** One change to the bytes, whatever they mean. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const at = below(random, bytes.length);
  const length = 1 + below(random, 16);
  const around = (middle: Uint8Array, removed = 0) => new Uint8Array(Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(at + removed)]));
  switch (below(random, 7)) {
    case 0: {
      const copy = bytes.slice();
      for (let flips = 1 + below(random, 4); flips > 0; flips--) copy[below(random, copy.length)]! ^= 1 << below(random, 8);
      return copy;
    }
    case 1:
      return bytes.slice(0, at);
    case 2:
      return around(new Uint8Array(0), length);
    case 3:
      return around(Uint8Array.from({ length }, () => below(random, 256)));
    case 4:
      return around(bytes.slice(at, at + 1 + below(random, 200)));
    case 5: {
      // A field of 2, 4 or 8 bytes at the beginning, where the lengths are, or anywhere.
      const field = new Uint8Array(8);
      new DataView(field.buffer).setBigUint64(0, BigInt.asUintN(64, pick(random, [...EXTREMES, BigInt(bytes.length), BigInt(bytes.length - 8), BigInt(bytes.length + 1)])), true);
      const copy = bytes.slice();
      const place = random() < 0.7 ? pick(random, [0, 6, 8, 10]) : at;
      copy.set(field.subarray(0, Math.max(0, Math.min(pick(random, [2, 4, 8]), copy.length - place))), Math.min(place, copy.length));
      return copy;
    }
    default:
      return new Uint8Array(Buffer.concat([bytes, new Uint8Array(length)]));
  }
}

const NUMBERS = ['0', '-0', '1', '-1', '3', '7', '84', '1.5', '1e3', '1e308', '1e999', '4294967296', '9007199254740991', '9007199254740993', '99999999999999999999999999', '0x10', '3L', '07', 'NaN'];
const TOKENS = ['{', '}', '[', ']', '(', ')', ',', ':', '"', "'", '\\', '\\u0000', '\0', ' ', '\n', 'null', 'true', 'False', 'True', 'é', '\ud800', '\uFEFF', '//', '__proto__', '<f4', '>f2', '|O', 'F32', 'BF16', '..', '/'];

/** One change to the text: a number, a token, a part twice, a part missing, deep nesting. */
export function mutateText(random: Random, text: string): string {
  const at = below(random, text.length + 1);
  const end = Math.min(text.length, at + 1 + below(random, 30));
  switch (below(random, 7)) {
    case 0:
    case 1: {
      const numbers = [...text.matchAll(/\d+/g)];
      if (numbers.length === 0) return text + pick(random, NUMBERS);
      const { index, 0: digits } = pick(random, numbers);
      const value = random() < 0.6 ? pick(random, NUMBERS) : String(Number(digits) + pick(random, [-2, -1, 1, 2, 4]));
      return text.slice(0, index) + value + text.slice(index + digits.length);
    }
    case 2:
      return text.slice(0, at) + pick(random, TOKENS) + text.slice(at);
    case 3:
      return text.slice(0, at) + pick(random, TOKENS) + text.slice(end);
    case 4:
      return text.slice(0, at) + text.slice(end);
    case 5:
      return text.slice(0, end) + text.slice(at);
    default: {
      const depth = pick(random, [1, 30, 40, 3000]);
      const [open, close] = pick(random, [['[', ']'], ['{"a":', '}'], ['(', ')']] as const);
      return text.slice(0, at) + open.repeat(depth) + close.repeat(pick(random, [0, depth])) + text.slice(at);
    }
  }
}

const VALUES: readonly unknown[] = [null, true, 0, 1, -1, 3, 7, 1.5, 84, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300, '', 'F32', 'F16', 'F64', 'U8', '../x.safetensors', 'a-1.safetensors', [], {}, [3, 7], [0, 84], [84, 0], [[[]]], { a: { b: [] } }, Array.from({ length: 100 }, () => 1)];

interface Place {
  readonly parent: Record<string, unknown>;
  readonly key: string;
}

function placesOf(tree: unknown): Place[] {
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.entries(tree).flatMap(([key, child]) => [{ parent: tree as Record<string, unknown>, key }, ...placesOf(child)]);
}

/** One change to a tree of JSON: a value replaced, a key removed, renamed or copied. Returns the new tree. */
export function mutateJson(random: Random, tree: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(tree));
  const places = placesOf(copy);
  if (places.length === 0) return pick(random, VALUES);
  const { parent, key } = pick(random, places);
  const value = parent[key];
  switch (below(random, 5)) {
    case 0:
      delete parent[key];
      break;
    case 1:
      parent[`${key}${below(random, 3)}`] = value;
      break;
    case 2:
      parent[key] = typeof value === 'number' ? value + pick(random, [-84, -4, -1, 1, 2, 4, 2 ** 32]) : pick(random, VALUES);
      break;
    case 3:
      parent[key] = pick(random, places).parent;
      // A tree that holds itself is no JSON.
      if (isCircular(copy)) parent[key] = value;
      break;
    default:
      parent[key] = pick(random, VALUES);
  }
  return copy;
}

function isCircular(tree: unknown): boolean {
  try {
    JSON.stringify(tree);
    return false;
  } catch {
    return true;
  }
}

const OPERANDS = ['m', 'n', 'k', '0', '1', '2', '1u', '0x10', '1.5', '1e9', '-1', '4294967295', '4294967296', '9007199254740993', '9'.repeat(400), 'alpha', 'beta', 'true', 'SPLIT_K', 'undefined', 'constructor', 'toString', '__proto__', 'ceilDiv', 'é', '"', '`'];
const OPERATORS = [' + ', ' - ', '-', ' * ', ' / ', ' % ', ' == ', ' < ', ' <= ', ' && ', ' || ', ' ', ', ', '.', ' & ', ' << ', ' = ', ' ? ', ' constructor ', ' // ', ' /* '];
const CALLS = ['min', 'max', 'ceilDiv', 'select', 'u32', 'i32', '', '-', '!', 'toString', 'constructor', 'hasOwnProperty', 'eval', 'ceil'];

/** An expression of a bindings file, mostly a wrong one; of a given one, mostly with a change. */
export function mutateExpression(random: Random, expression: string): string {
  const some = (): string => (random() < 0.4 ? expression : pick(random, OPERANDS));
  switch (below(random, 6)) {
    case 0:
      return some() + pick(random, OPERATORS) + some();
    case 1:
      return `${pick(random, CALLS)}(${Array.from({ length: below(random, 5) }, some).join(', ')})`;
    case 2:
      return pick(random, OPERANDS);
    case 3: {
      const depth = pick(random, [1, 2, 3, 30, 90, 120, 450, 3000]);
      const [open, close] = pick(random, [['(', ')'], ['-', ''], ['!', ''], ['min(', ')'], ['ceilDiv(1,', ')'], ['1 + (', ')'], ['- ', '']] as const);
      return open.repeat(depth) + some() + close.repeat(random() < 0.7 ? depth : 1);
    }
    case 4:
      return Array.from({ length: pick(random, [2, 3, 5, 40, 10_000]) }, some).join(pick(random, OPERATORS));
    default:
      return mutateText(random, expression);
  }
}

/**
 * One change to a bindings file that looks like what people get wrong: an expression, a name, values too many, a part of another.
 * @param names that the kernel declares @param others bindings files of other kernels
 */
export function mutateBindings(random: Random, tree: unknown, names: readonly string[], others: readonly Record<string, unknown>[]): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(tree));
  const places = placesOf(copy);
  if (places.length === 0) return pick(random, others);
  const leaves = places.filter(({ parent, key }) => typeof parent[key] !== 'object');
  const { parent, key } = pick(random, leaves.length > 0 ? leaves : places);
  switch (below(random, 6)) {
    case 0:
    case 1:
      parent[key] = mutateExpression(random, String(parent[key]));
      break;
    case 2:
      parent[key] = pick(random, names);
      break;
    case 3: {
      const uniforms = placesOf((copy as Record<string, unknown>)['uniforms']);
      const place = uniforms.length > 0 && random() < 0.8 ? pick(random, uniforms) : { parent, key };
      place.parent[place.key] = Array.from({ length: pick(random, [0, 1, 2, 3, 4, 5, 1000, 2000]) }, () => pick<unknown>(random, ['m', 'n', 'k', 1, 1, 2, -1, 1.5, 2 ** 32, 1e300]));
      break;
    }
    case 4: {
      const other = pick(random, others);
      const part = pick(random, Object.keys(other));
      (copy as Record<string, unknown>)[part] = other[part];
      break;
    }
    default: {
      const count = random() < 0.5 ? mutateExpression(random, '2') : pick(random, [0, 1, 2, 7, 300, 65_535, 65_536, 'n', 'n + 3', 'm * n']);
      const records = [{ [pick(random, names)]: mutateExpression(random, 'm'), ['__proto__']: 1 }, { [`${pick(random, names)}.${pick(random, ['m', 'constructor', '__proto__', ''])}`]: pick(random, VALUES) }];
      const epilogues = [
        { bias: { binding: pick(random, names), along: pick(random, ['m', 'n']) }, residual: { binding: pick(random, names) } },
        { alpha: pick(random, [0, -0, 0.1, 0.5, 2 ** -149, 2 ** 127, 1e300]), residual: { binding: pick(random, names), beta: pick(random, [0, 1, 2 ** -149, 2 ** 127]) } },
        { alpha: pick(random, [0, 0.5, 3, 2 ** -149, 2 ** 127]) },
      ];
      const parts: Record<string, readonly unknown[]> = { uniforms: records, overrides: records, epilogue: epilogues, splits: [{ axis: pick(random, ['x', 'y', 'z']), count }], batch: [count], ldc: [count], requires: [mutateExpression(random, 'n % 4 == 0')], halves: [[pick(random, ['a', 'b']), pick(random, ['a', 'b'])]] };
      const part = pick(random, Object.keys(parts));
      (copy as Record<string, unknown>)[part] = pick(random, random() < 0.9 ? parts[part]! : VALUES);
    }
  }
  return copy;
}
