// Reading a Spec back (from a report, a file, a URL), and its hash. Strict: an unknown key is refused, every
// issue is listed with its path, and the limits are those that `resolve.ts` held it to when it was made.
import { z } from 'zod';
import { TilewireError } from '../errors.ts';
import { resolvedBindings } from './kernel-bindings.ts';
import { specProblems } from './limits.ts';
import { ALGORITHMS, type Spec } from './spec.ts';

const count = z.number().int().safe();
const place = { device: count, chunk: count, tile: count };
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in hex');

const fault = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['suppress-stores', 'drop-transfer', 'double-update', 'corrupt-tile', 'early-read']), ...place }),
  z.strictObject({ kind: z.literal('threshold'), ...place, delta: count }),
  z.strictObject({ kind: z.literal('unwritten-output') }),
]);

const file = z.strictObject({ source: z.string().min(1), hash: sha256 });

const operands = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exact'), range: count }),
  z.strictObject({ kind: z.literal('normal') }),
  z.strictObject({ kind: z.literal('trained'), source: z.string().min(1), hash: sha256 }),
  z.strictObject({ kind: z.literal('files'), a: file, b: file, layout: z.enum(['nn', 'nt', 'tn', 'tt']) }),
]);

const schema: z.ZodType<Spec> = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  gemm: z.strictObject({ m: count, n: count, k: count, kTotal: count }),
  dtype: z.literal('f32'),
  devices: count,
  collective: z.literal('reduce-scatter'),
  algorithm: z.enum(ALGORITHMS),
  chunk: z.enum(['rows', 'columns']),
  operands,
  seed: count,
  kernel: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('built-in'), name: z.string(), hash: sha256, tile: z.strictObject({ m: count, n: count, k: count }), splits: count }),
    z.strictObject({ kind: z.literal('foreign'), name: z.string(), hash: sha256, entry: z.string().min(1), source: z.string().min(1), bindings: resolvedBindings }),
  ]),
  wavefront: count,
  stageTiles: count,
  triggerTiles: count,
  lag: count,
  skew: z.number(),
  triggers: z.enum(['host', 'device']),
  overflow: z.enum(['spill', 'stall']),
  tracker: z.strictObject({ sets: count, ways: count }),
  faults: z.array(fault),
});

/** `json` as a Spec; BAD_SPEC, with one line per issue, where it is none or breaks a limit. `path` is the file to blame. */
export function parseSpec(json: unknown, path = '--spec'): Spec {
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw badSpec(path, parsed.error.issues.map((issue) => `${at(issue.path)}: ${issue.message}`));
  const problems = specProblems(parsed.data);
  if (problems.length > 0) {
    throw badSpec(path, problems.map(({ path, what, actual, limit, fix }) => `${path}: ${what} (found ${String(actual)}, limit ${limit}); ${fix}`));
  }
  return parsed.data;
}

function badSpec(path: string, lines: string[]): TilewireError {
  return new TilewireError('BAD_SPEC', `this is not a resolved Spec: ${lines.length} ${lines.length === 1 ? 'issue' : 'issues'}`, {
    path,
    lines,
    fix: 'use the `spec` of a run in a report written by --json with this version of tilewire',
  });
}

/** `faults[0].tile`, as the limits write it; `(top)` for the whole. */
function at(path: readonly PropertyKey[]): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return text.replace(/^\./, '') || '(top)';
}

/** SHA-256 in hex of the Spec's canonical JSON but for its name, which means nothing to a run: equal for equal runs. */
export function specHash({ name: _name, ...meaning }: Spec): Promise<string> {
  return sha256Hex(canonicalJson(meaning));
}

/** JSON with the keys of every object in code-unit order and no white space. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** SHA-256 of the text's UTF-8 bytes, in hex; the same in a page (on a secure origin, which localhost is) and in Node. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
