// The bindings file of a kernel that is not ours: what reflection, names and types cannot tell. Which bindings hold A, B
// and C, how B or A are laid out, what uniforms and overrides are to hold, and the dispatch grid; sizes are
// expressions of m, n, k and of the overrides. What each workgroup writes is never declared: it is probed.
import { z } from 'zod';
import { TilewireError } from '../errors.ts';

const name = z.string().min(1);
/** A number, or an expression of m, n, k and the overrides: + - * / %, parentheses, min, max, ceilDiv. */
const size = z.union([z.number(), z.string().min(1)]);

const schema = z.strictObject({
  $schema: z.string().optional(),
  entry: name.optional().describe('Compute entry point; may be left out where the file has one only.'),
  a: name.optional().describe('Binding that holds A, m × k; found by name (a, A, lhs, …) or as the first read-only array where left out.'),
  b: name.optional().describe('Binding that holds B, k × n.'),
  output: name.optional().describe('Binding that C, m × n, is stored to; the only writable one where left out.'),
  layout: z.enum(['nn', 'nt', 'tn', 'tt']).optional().describe('t: A is stored k × m, or B n × k. Default nn.'),
  uniforms: z.record(z.string(), z.union([size, z.array(size)])).optional().describe('variable.field, or variable, of a uniform or read-only storage binding → its value, or those of a vector.'),
  overrides: z.record(z.string(), size).optional().describe('Override constant → its value.'),
  grid: z.tuple([size, size, size]).optional().describe('Workgroups in x, y and z.'),
  requires: z.string().optional().describe('Shapes that the kernel takes, e.g. n % 4 == 0.'),
});

/** The file as given, checked for its form. */
export type BindingsFile = z.infer<typeof schema>;

/** With nothing left open: part of a Spec. */
export interface KernelBindings {
  readonly a: string;
  readonly b: string;
  readonly output: string;
  readonly layout: 'nn' | 'nt' | 'tn' | 'tt';
  readonly uniforms: Readonly<Record<string, number | string | readonly (number | string)[]>>;
  readonly overrides: Readonly<Record<string, number | string>>;
  readonly grid: readonly [number | string, number | string, number | string];
  readonly requires: string | null;
}

export const resolvedBindings: z.ZodType<KernelBindings> = z.strictObject({
  a: name,
  b: name,
  output: name,
  layout: z.enum(['nn', 'nt', 'tn', 'tt']),
  uniforms: z.record(z.string(), z.union([size, z.array(size)])),
  overrides: z.record(z.string(), size),
  grid: z.tuple([size, size, size]),
  requires: z.string().nullable(),
});

/** @throws BAD_FILE with one line per issue */
export function parseBindings(json: unknown, path: string): BindingsFile {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new TilewireError('BAD_FILE', 'this is not a bindings file', {
    path,
    lines: parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`),
    fix: '`tilewire run --help` shows one; `tilewire instrument --schema` prints its JSON Schema',
  });
}

export const bindingsJsonSchema = (): object => z.toJSONSchema(schema);
