// Broken files of every kind that is read, 500 of each (FUZZ=10000 for the long run; FUZZ_SEED for others).
// Each is either refused with a BAD_FILE that says what to do, or read like any other matrix; a bindings file
// goes all the way that a run goes before it starts a browser. Whatever it says, nothing outside the file is
// read, nothing larger than a small multiple of it is allocated, nothing stays open, and it is over at once.
import fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBindings } from '../../../src/cli/kernel-file.ts';
import { TilewireError, type ErrorCode } from '../../../src/errors.ts';
import { completeBindings } from '../../../src/gpu/foreign.ts';
import { kernelText, namesOf } from '../../../src/gpu/kernel-text.ts';
import { openMatrix } from '../../../src/host/operand-files/open.ts';
import { readJsonFile } from '../../../src/host/operand-files/strict-json.ts';
import { legalTps, splitSubLayer, subLayersOf } from '../../../src/spec/hf-config.ts';
import { resolveDraft } from '../../../src/spec/resolve.ts';
import { countedFiles, OutOfBounds, type CountedFiles } from './counted-files.ts';
import { below, mutateBindings, mutateBytes, mutateJson, mutateText, randomOf, type Random } from './mutate.ts';
import { ascii, counting, dict, npyBytes, safetensorsBytes, sampleSafetensors, valueBytes } from './written-files.ts';

const STEPS = Number(process.env['FUZZ'] ?? 500);
const SEED = Number(process.env['FUZZ_SEED'] ?? 4);

/** Every file in memory, one of them broken, and what reading them all means. */
interface Kind {
  /** At least so many different refusals must be met, or the mutator is too blunt. */
  readonly refusals: number;
  broken(random: Random): Record<string, Uint8Array>;
  read(files: CountedFiles, random: Random): void | Promise<void>;
  /** What a refusal may be called, BAD_FILE aside; such a kind may leave `path` or `actual` to the error's text. */
  readonly codes?: readonly ErrorCode[];
  /** ms that one file may take at most. */
  readonly most: number;
}

/** Bytes of all typed arrays and buffers that one file may let anybody make, whoever collects them afterwards. */
const MOST_ARRAY_BYTES = 16 * 2 ** 20;
let arrayBytes = 0;

/** The global of this name, counting what it makes before it is made. */
function counted<T extends { new (length: number): ArrayBuffer | ArrayBufferView; readonly BYTES_PER_ELEMENT?: number }>(made: T): T {
  return new Proxy(made, {
    construct(target, given: unknown[], newTarget) {
      const [length] = given;
      if (typeof length === 'number') arrayBytes += length * (target.BYTES_PER_ELEMENT ?? 1);
      if (arrayBytes > MOST_ARRAY_BYTES) throw new OutOfBounds(`arrays of ${arrayBytes} bytes, more than ${MOST_ARRAY_BYTES}`);
      return Reflect.construct(target, given, newTarget) as object;
    },
  });
}

const ARRAYS = { ArrayBuffer, Uint8Array, Uint16Array, Uint32Array, Int32Array, Float32Array, Float64Array } as const;
beforeAll(() => void Object.assign(globalThis, Object.fromEntries(Object.entries(ARRAYS).map(([name, made]) => [name, counted(made)]))));
afterAll(() => void Object.assign(globalThis, ARRAYS));

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const json = (tree: unknown) => new Uint8Array(Buffer.from(JSON.stringify(tree)));
/** Mostly one change: with more, the first check to fail hides the rest. */
const times = <T>(random: Random, value: T, change: (value: T) => T): T => {
  for (let left = random() < 0.7 ? 1 : 1 + below(random, 4); left > 0; left--) value = change(value);
  return value;
};
const utf8 = (value: string) => new Uint8Array(Buffer.from(value));

const sample = sampleSafetensors();
const dataStart = 8 + new DataView(sample.buffer).getUint32(0, true);
const sampleHeader: unknown = JSON.parse(text(sample.subarray(8, dataStart)));
const index = { metadata: { total_size: 209 }, weight_map: { wide: 'a-1.safetensors', 'layers.0.down.weight': 'a-1.safetensors', other: 'a-2.safetensors' } };
const second = safetensorsBytes({ other: { dtype: 'BF16', shape: [2, 2], data_offsets: [0, 8] } }, valueBytes([1, 2, 3, 4], 'bf16'));

const mutateJsonBytes = (random: Random, tree: unknown): Uint8Array =>
  random() < 0.5 ? json(times(random, tree, (tree) => mutateJson(random, tree))) : random() < 0.6 ? utf8(times(random, JSON.stringify(tree), (value) => mutateText(random, value))) : times<Uint8Array>(random, json(tree), (bytes) => (bytes.length > 0 ? mutateBytes(random, bytes) : bytes));

const CONFIGS: readonly Record<string, unknown>[] = [
  { model_type: 'llama', hidden_size: 8192, intermediate_size: 28672, num_attention_heads: 64, num_hidden_layers: 80, num_key_value_heads: 8 },
  { model_type: 'gemma3', text_config: { hidden_size: 2560, intermediate_size: 10240, model_type: 'gemma3_text', num_hidden_layers: 34 }, vision_config: { hidden_size: 1152 } },
  { model_type: 'gpt2', n_embd: 768, n_head: 12, n_inner: null, n_layer: 12 },
  { model_type: 'falcon', hidden_size: 4544, num_attention_heads: 71, num_kv_heads: 71, num_hidden_layers: 32, multi_query: true, new_decoder_architecture: false },
  { model_type: 'qwen2_moe', hidden_size: 2048, intermediate_size: 5632, moe_intermediate_size: 1408, shared_expert_intermediate_size: 5632, num_attention_heads: 16, num_key_value_heads: 16, num_hidden_layers: 24, num_experts: 60, num_experts_per_tok: 4, decoder_sparse_step: 2, mlp_only_layers: [1] },
  { model_type: 'deepseek_v3', hidden_size: 7168, intermediate_size: 18432, moe_intermediate_size: 2048, n_routed_experts: 256, n_shared_experts: 1, num_experts_per_tok: 8, first_k_dense_replace: 3, moe_layer_freq: 1, num_attention_heads: 128, v_head_dim: 128, num_hidden_layers: 61 },
  { model_type: 'new', hidden_size: 64, num_attention_heads: 4, intermediate_size: 256, num_hidden_layers: 2 },
];

const GALLERY = new URL('../../gallery/', import.meta.url);
const gallery = fs
  .readdirSync(GALLERY)
  .filter((file) => file.endsWith('.json'))
  .map((file) => {
    const source = fs.readFileSync(new URL(file.replace('.json', '.wgsl'), GALLERY), 'utf8');
    const names = [...source.matchAll(/\b(?:var(?:<[^>]*>)?|override|struct|fn)\s+(\w+)/g)].map(([, name]) => name!);
    return { source, names: [...names, 'nothing', 'constructor', 'x'.repeat(300)], bindings: JSON.parse(fs.readFileSync(new URL(file, GALLERY), 'utf8')) as Record<string, unknown> };
  });

const SHAPES = [
  { m: 37, n: 52, k: 29 },
  { m: 1, n: 4, k: 5 },
  { m: 2048, n: 53_248, k: 1000 },
];
const U32_MAX = 2 ** 32 - 1;

/** What `tilewire run --kernel kernel.wgsl` does before it starts a browser. */
async function readKernelFiles(files: CountedFiles, random: Random): Promise<void> {
  const file = files.open('kernel.wgsl');
  const bytes = new Uint8Array(files.allocate(file.size, 'kernel.wgsl'));
  file.read(bytes, 0);
  file.close();
  const source = Buffer.from(bytes).toString();
  const foreign = { name: 'kernel.wgsl', source, ...completeBindings(source, readBindings('kernel.json', files), undefined) };
  const { kernel, gemm } = await resolveDraft({ ...SHAPES[below(random, SHAPES.length)]!, devices: 3, foreign });
  const { grid, batch, pitch, splits, constants, facts, a, b, output, epilogue } = kernelText(kernel, gemm);
  const inRange = (value: number, least: number, most: number) => Number.isInteger(value) && value >= least && value <= most;
  const named = [a, b, output, ...namesOf(epilogue)];
  const sane: Record<string, boolean> = {
    grid: grid.length === 3 && grid.every((size) => inRange(size, 1, 65_535)) && grid[0] * grid[1] * grid[2] <= U32_MAX,
    batch: inRange(batch, 1, 65_535),
    pitch: inRange(pitch, gemm.n, U32_MAX) && batch * gemm.m * pitch <= U32_MAX,
    splits: inRange(splits.count, 1, 65_535) && (splits.count === 1 || grid[splits.axis] === splits.count),
    roles: new Set(named).size === named.length && named.every((name) => facts.bindings.some((binding) => binding.name === name)),
    constants: constants.length === facts.bindings.length - named.length,
    words: constants.every(({ name, words }) => words.length >= facts.bindings.find((binding) => binding.name === name)!.minBytes / 4 && words.length <= 16_384),
  };
  expect(Object.keys(sane).filter((what) => !sane[what])).toEqual([]);
}

const KINDS: Record<string, Kind> = {
  '.npy': {
    refusals: 15,
    most: 2000,
    broken(random) {
      const version = 1 + below(random, 3);
      const fortran = random() < 0.5 ? 'True' : 'False';
      const [descr, type] = random() < 0.5 ? (['f4', 'f4'] as const) : (['f2', 'f2'] as const);
      const header = dict(`${random() < 0.5 ? '<' : '>'}${descr}`, '(3, 7)', fortran);
      const values = valueBytes(counting(3, 7), type);
      if (random() < 0.5) return { 'x.npy': npyBytes(times(random, header, (header) => mutateText(random, header)), values, version) };
      return { 'x.npy': times<Uint8Array>(random, npyBytes(header, values, version), (bytes) => (bytes.length > 0 ? mutateBytes(random, bytes) : bytes)) };
    },
    read: (files, random) => readSome(files, 'x.npy', random),
  },
  '.safetensors': {
    refusals: 15,
    most: 2000,
    broken(random) {
      if (random() < 0.3) return { 'm.safetensors': times<Uint8Array>(random, sample, (bytes) => (bytes.length > 0 ? mutateBytes(random, bytes) : bytes)) };
      return { 'm.safetensors': safetensorsBytes(Buffer.from(mutateJsonBytes(random, sampleHeader)).toString('utf8'), sample.subarray(dataStart)) };
    },
    read(files, random) {
      readSome(files, `m.safetensors#${['wide', 'layers.0.down.weight', 'layers.1.down.weight'][below(random, 3)]}`, random);
    },
  },
  'the index of shards': {
    refusals: 6,
    most: 2000,
    broken: (random) => ({ 'd/model.safetensors.index.json': mutateJsonBytes(random, index), 'd/a-1.safetensors': sample, 'd/a-2.safetensors': second, 'x.safetensors': second }),
    read: (files, random) => readSome(files, `d#${['wide', 'other'][below(random, 2)]}`, random),
  },
  'config.json': {
    refusals: 10,
    most: 2000,
    broken: (random) => ({ 'config.json': mutateJsonBytes(random, CONFIGS[below(random, CONFIGS.length)]) }),
    read(files) {
      for (const subLayer of subLayersOf(readJsonFile('config.json', files), 'config.json')) {
        const legal = legalTps(subLayer);
        expect(legal[0]).toBe(1);
        for (const tp of legal) expect(Number.isSafeInteger(splitSubLayer(subLayer, tp).k)).toBe(true);
      }
    },
  },
  'bindings file': {
    refusals: 20,
    most: 250,
    codes: ['BAD_KERNEL', 'BAD_FLAG', 'NOT_EXACT'],
    broken(random) {
      const { source, names, bindings } = gallery[below(random, gallery.length)]!;
      const others = gallery.map((kernel) => kernel.bindings);
      const broken = random() < 0.75 ? json(times<unknown>(random, bindings, (tree) => mutateBindings(random, tree, names, others))) : mutateJsonBytes(random, bindings);
      return { 'kernel.wgsl': utf8(source), 'kernel.json': broken };
    },
    read: readKernelFiles,
  },
};

/** Opens, reads the whole and one rectangle both ways up, and holds them against each other. */
function readSome(files: CountedFiles, reference: string, random: Random): void {
  const matrix = openMatrix(reference, files);
  const { rows, columns, dtype } = matrix;
  const size = dtype === 'f32' ? 4 : 2;
  const whole = new Uint32Array(matrix.readRows(0, rows, 0, columns).buffer);
  const [row, column] = [below(random, rows), below(random, columns)];
  const [rowCount, columnCount] = [1 + below(random, rows - row), 1 + below(random, columns - column)];
  const before = files.bytesRead();
  const part = new Uint32Array(matrix.readRows(row, rowCount, column, columnCount).buffer);
  expect(files.bytesRead() - before).toBe(rowCount * columnCount * size);
  const across = new Uint32Array(matrix.readColumns(column, columnCount, row, rowCount).buffer);
  for (let i = 0; i < part.length; i++) {
    const [r, c] = [Math.floor(i / columnCount), i % columnCount];
    if (part[i] !== whole[(row + r) * columns + column + c] || across[c * rowCount + r] !== part[i]) throw new Error(`row ${row + r}, column ${column + c} differs`);
  }
  matrix.close();
}

/** In the long run, which prints its outcome, and leaves it where FUZZ_OUTCOME says. */
const outcome: string[] = [];
const outcomeFile = process.env['FUZZ_OUTCOME'];
beforeAll(() => outcomeFile !== undefined && fs.rmSync(outcomeFile, { force: true }));
afterAll(() => outcomeFile !== undefined && outcome.length === Object.keys(KINDS).length && fs.writeFileSync(outcomeFile, [`fuzz, seed ${SEED}, ${new Date().toISOString()}`, ...outcome, ''].join('\n')));

test.each(Object.entries(KINDS))(`fuzz: ${STEPS} broken files: %s`, { timeout: 120_000 + 100 * STEPS }, async (name, kind) => {
  const refusals = new Map<string, number>();
  let taken = 0;
  let slowest = 0;
  for (let step = 0; step < STEPS; step++) {
    const random = randomOf(SEED * 1_000_003 + step * 7919 + name.length);
    const contents = kind.broken(random);
    const largest = 2 * Math.max(...Object.values(contents).map((bytes) => bytes.length)) + 64;
    const place = `FUZZ_SEED=${SEED}, step ${step} of ${name}`;
    const complain = (wrong: string, cause?: unknown): Error => {
      const dump = Object.entries(contents).map(([file, bytes]) => `${file}: ${Buffer.from(bytes).toString('base64').slice(0, 4000)}`);
      return new Error([`${place}: ${wrong}`, ...dump].join('\n'), { cause });
    };
    const once = async (): Promise<{ readonly refusal: string | undefined; readonly ms: number }> => {
      const files = countedFiles(contents, largest);
      // What is read of a file that is taken follows from the step alone.
      const where = randomOf(step);
      arrayBytes = 0;
      const began = performance.now();
      let refusal: string | undefined;
      try {
        await kind.read(files, where);
      } catch (error) {
        const wrong = objection(error, kind.codes);
        if (wrong !== undefined) throw complain(wrong, error);
        // Whatever it is called in this file.
        refusal = (error as TilewireError).what.replace(/^\S+ (?=is no |uses no |takes |does not |cannot )/, '… ').replace(/(?<!\w)-?\d[\d.e+]*|Infinity/g, '#');
      }
      const ms = performance.now() - began;
      expect(files.stillOpen(), `${place}: files left open`).toBe(0);
      return { refusal, ms };
    };
    let { refusal, ms } = await once();
    // Others use the machine, too: what is slow by itself is slow again.
    for (let again = 0; again < 3 && ms > kind.most; again++) ms = Math.min(ms, (await once()).ms);
    if (ms > kind.most) throw complain(`takes ${ms.toFixed(0)} ms, more than ${kind.most}`);
    slowest = Math.max(slowest, ms);
    if (refusal === undefined) taken++;
    else refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
  }
  outcome.push(`${name}: ${STEPS} broken files, ${taken} taken, refused in ${refusals.size} ways, slowest ${slowest.toFixed(1)} ms`);
  if (process.env['FUZZ'] !== undefined) process.stdout.write(`${outcome.at(-1)}\n`);
  if (process.env['FUZZ_REFUSALS'] !== undefined) process.stdout.write(`${[...refusals].sort(([, one], [, other]) => other - one).map(([what, times]) => `${String(times).padStart(7)}  ${what}`).join('\n')}\n`);
  expect(taken).toBeGreaterThan(0);
  if (STEPS >= 500) expect([...refusals.keys()].length, [...refusals].join('\n')).toBeGreaterThanOrEqual(kind.refusals);
});

/** What is wrong with an error that a broken file led to. */
function objection(error: unknown, codes: readonly ErrorCode[] = []): string | undefined {
  if (!(error instanceof TilewireError)) return `not a refusal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  if (error.code !== 'BAD_FILE' && !codes.includes(error.code)) return `code ${error.code}: ${error.message}`;
  const { path, actual, fix } = error.fields;
  if (codes.length > 0 ? actual === undefined && fix === undefined : path === undefined || actual === undefined || fix === undefined) return `says too little: ${error.message}`;
  return error.message.length > 4000 ? `a message of ${error.message.length} characters` : undefined;
}

test('the fuzzer notices: a reader that trusts a file is caught', () => {
  const files = countedFiles({ x: ascii('1234') }, 100);
  const file = files.open('x');
  expect(() => files.allocate(101, 'x')).toThrow('bound 100');
  arrayBytes = 0;
  for (const make of [() => new Float32Array(2 ** 23), () => new ArrayBuffer(2 ** 25)]) {
    expect(make).toThrow('arrays of 33554432 bytes');
    arrayBytes = 0;
  }
  expect(() => file.read(new Uint8Array(5), 0)).toThrow('which has 4');
  expect(() => file.read(new Uint8Array(1), -1)).toThrow('which has 4');
  expect(objection(new RangeError('Invalid typed array length'))).toContain('not a refusal');
  expect(objection(new TilewireError('BUG', 'x'))).toContain('code BUG');
  expect(objection(new TilewireError('BAD_FILE', 'x'))).toContain('says too little');
  expect(files.stillOpen()).toBe(1);
});
