// The bindings file of a kernel that is not ours: what reflection, names and types cannot tell. Which bindings hold A, B
// and C, how B or A are laid out, what uniforms and overrides are to hold, and the dispatch grid; sizes are
// expressions of m, n, k and of the overrides. What each workgroup writes is never declared: it is probed.
import { z } from 'zod';
import { TilewireError } from '../errors.ts';
import type { Layout } from './spec.ts';

const name = z.string().min(1).max(256);
const expression = z.string().max(1000);
/** A number, or an expression of m, n, k and the overrides: + - * / %, parentheses, min, max, ceilDiv. */
const size = z.union([z.number(), expression.min(1)]);
/** variable.field, or variable, of a uniform or read-only storage binding → its value, or those of a vector or an array. */
const uniforms = z.record(z.string().max(513), z.union([size, z.array(size).min(1).max(1024)]));
const overrides = z.record(name, size);

const layout = z.enum(['nn', 'nt', 'tn', 'tt']);
const splits = z.strictObject({ axis: z.enum(['x', 'y', 'z']), count: size });

/** Finite and exactly an f32: what the kernel is given is what the check reckons with. */
const factor = z.number().refine((value) => Number.isFinite(value) && Math.fround(value) === value, 'not a number that f32 holds exactly: write e.g. 0.5, or the nearest f32 in full');
const along = z.enum(['m', 'n']);
const epilogue = z.strictObject({
  alpha: factor.optional().describe('C = alpha·A·B + …; uniforms may name it.'),
  bias: z
    .union([z.strictObject({ binding: name, along }), z.strictObject({ along, after: z.literal(true) })])
    .optional()
    .describe('m values added to the columns of C, or n added to its rows. From a binding of the kernel: device 0 gets the values, the others zeros, so that the sum has them once. With "after": the owners add them to the reduced result; the kernel has none.'),
  residual: z.strictObject({ binding: name, beta: factor.optional() }).optional().describe('beta · R, R laid out like C: device 0 gets R, the others zeros.'),
  activation: name.optional().describe('A non-linear function of C. Refused: it would be applied before the sum over devices.'),
});

const schema = z.strictObject({
  $schema: z.string().optional(),
  entry: name.optional().describe('Compute entry point; may be left out where the file has one only.'),
  a: name.optional().describe('Binding that holds A, m × k; found by name (a, A, lhs, …) or as the first read-only array where left out.'),
  b: name.optional().describe('Binding that holds B, k × n.'),
  output: name.optional().describe('Binding that C, m × n, is stored to; the only writable one where left out.'),
  layout: layout.optional().describe('t: A is stored k × m, or B n × k. Default nn.'),
  halves: z.array(z.enum(['a', 'b'])).optional().describe('Operands that the kernel takes as f16; found by their type but for u32, which may hold two each.'),
  uniforms: uniforms.optional().describe('variable.field, or variable, of a uniform or read-only storage binding → its value, or those of a vector.'),
  overrides: overrides.optional().describe('Override constant → its value.'),
  grid: z.tuple([size, size, size]).optional().describe('Workgroups in x, y and z.'),
  requires: expression.optional().describe('Shapes that the kernel takes, e.g. n % 4 == 0.'),
  splits: splits.optional().describe('Split-K: the axis of workgroup_id that names the split, and how many there are, which is the grid along it. Each split stores every element once, to the same C; tilewire runs them one after another and adds.'),
  batch: size.optional().describe('Matrices in one dispatch: A is batch × m × k, B batch × k × n, C batch × m × n. Each is reduced by itself.'),
  epilogue: epilogue.optional().describe('What the kernel does besides A·B, so that the check knows.'),
  ldc: size.optional().describe('Elements from one row of C to the next, at least n (the default); what lies between the rows is not stored to.'),
});

/** The file as given, checked for its form. */
export type BindingsFile = z.infer<typeof schema>;

/** With nothing left open: part of a Spec. */
export interface KernelBindings {
  readonly a: string;
  readonly b: string;
  readonly output: string;
  readonly layout: Layout;
  /** Operands that are f16, two a word. */
  readonly halves: readonly ('a' | 'b')[];
  readonly uniforms: Readonly<Record<string, number | string | readonly (number | string)[]>>;
  readonly overrides: Readonly<Record<string, number | string>>;
  readonly grid: readonly [number | string, number | string, number | string];
  readonly requires: string | null;
  readonly splits: { readonly axis: 'x' | 'y' | 'z'; readonly count: number | string } | null;
  readonly batch: number | string;
  readonly ldc: number | string;
  readonly epilogue: Epilogue;
}

/** C = alpha·A·B + bias + beta·residual, the sum over devices having the last two once. */
export interface Epilogue {
  readonly alpha: number;
  /** `binding` null: added by the owners after the reduction. */
  readonly bias: { readonly binding: string | null; readonly along: 'm' | 'n' } | null;
  readonly residual: { readonly binding: string; readonly beta: number } | null;
}

export const NO_EPILOGUE: Epilogue = { alpha: 1, bias: null, residual: null };

export const resolvedBindings: z.ZodType<KernelBindings> = z.strictObject({
  a: name,
  b: name,
  output: name,
  layout,
  halves: z.array(z.enum(['a', 'b'])),
  uniforms,
  overrides,
  grid: z.tuple([size, size, size]),
  requires: expression.nullable(),
  splits: splits.nullable(),
  batch: size,
  ldc: size,
  epilogue: z.strictObject({
    alpha: factor,
    bias: z.strictObject({ binding: name.nullable(), along }).nullable(),
    residual: z.strictObject({ binding: name, beta: factor }).nullable(),
  }),
});

const MOST_LINES = 12;

/** @throws BAD_FILE with one line per issue */
export function parseBindings(json: unknown, path: string): BindingsFile {
  const parsed = schema.safeParse(json);
  const unseen = (['uniforms', 'overrides'] as const).filter((part) => holdsProto((json as Record<string, unknown> | null)?.[part])).map((part) => `${part}.__proto__: no name in WGSL begins with two underscores`);
  if (parsed.success && unseen.length === 0) return parsed.data;
  const issues = [...unseen, ...(parsed.error?.issues ?? []).map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`.slice(0, 200))];
  throw new TilewireError('BAD_FILE', 'this is not a bindings file', {
    path,
    lines: [...issues.slice(0, MOST_LINES), ...(issues.length > MOST_LINES ? [`and ${issues.length - MOST_LINES} more`] : [])],
    fix: '`tilewire run --help` shows one; `tilewire instrument --schema` prints its JSON Schema',
  });
}

/** The one key that zod passes over in a record. */
const holdsProto = (record: unknown): boolean => typeof record === 'object' && record !== null && Object.hasOwn(record, '__proto__');

export const bindingsJsonSchema = (): object => z.toJSONSchema(schema);
