// Broken files of every kind that is read, 500 of each (FUZZ=10000 for the long run; FUZZ_SEED for others).
// Each is either refused with a BAD_FILE that says what to do, or read like any other matrix. Whatever it
// says, nothing outside the file is read, nothing larger than a small multiple of it is allocated, nothing
// stays open, and it is over at once.
import { expect, test } from 'vitest';
import { TilewireError } from '../../../src/errors.ts';
import { openMatrix } from '../../../src/host/operand-files/open.ts';
import { readJsonFile } from '../../../src/host/operand-files/strict-json.ts';
import { legalTps, splitSubLayer, subLayersOf } from '../../../src/spec/hf-config.ts';
import { countedFiles, type CountedFiles } from './counted-files.ts';
import { below, mutateBytes, mutateJson, mutateText, randomOf, type Random } from './mutate.ts';
import { ascii, counting, dict, npyBytes, safetensorsBytes, sampleSafetensors, valueBytes } from './written-files.ts';

const STEPS = Number(process.env['FUZZ'] ?? 500);
const SEED = Number(process.env['FUZZ_SEED'] ?? 4);

/** Every file in memory, one of them broken, and what reading them all means. */
interface Kind {
  /** At least so many different refusals must be met, or the mutator is too blunt. */
  readonly refusals: number;
  broken(random: Random): Record<string, Uint8Array>;
  read(files: CountedFiles, random: Random): void;
}

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

const KINDS: Record<string, Kind> = {
  '.npy': {
    refusals: 15,
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
    broken: (random) => ({ 'd/model.safetensors.index.json': mutateJsonBytes(random, index), 'd/a-1.safetensors': sample, 'd/a-2.safetensors': second, 'x.safetensors': second }),
    read: (files, random) => readSome(files, `d#${['wide', 'other'][below(random, 2)]}`, random),
  },
  'config.json': {
    refusals: 10,
    broken: (random) => ({ 'config.json': mutateJsonBytes(random, CONFIGS[below(random, CONFIGS.length)]) }),
    read(files) {
      for (const subLayer of subLayersOf(readJsonFile('config.json', files), 'config.json')) {
        const legal = legalTps(subLayer);
        expect(legal[0]).toBe(1);
        for (const tp of legal) expect(Number.isSafeInteger(splitSubLayer(subLayer, tp).k)).toBe(true);
      }
    },
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

test.each(Object.entries(KINDS))(`fuzz: ${STEPS} broken files: %s`, (name, kind) => {
  const refusals = new Map<string, number>();
  let taken = 0;
  let slowest = 0;
  for (let step = 0; step < STEPS; step++) {
    const random = randomOf(SEED * 1_000_003 + step * 7919 + name.length);
    const contents = kind.broken(random);
    const largest = 2 * Math.max(...Object.values(contents).map((bytes) => bytes.length)) + 64;
    const files = countedFiles(contents, largest);
    const began = performance.now();
    try {
      kind.read(files, random);
      taken++;
    } catch (error) {
      const wrong = objection(error);
      if (wrong !== undefined) {
        const dump = Object.entries(contents).map(([file, bytes]) => `${file}: ${Buffer.from(bytes).toString('base64').slice(0, 4000)}`);
        throw new Error([`FUZZ_SEED=${SEED}, step ${step} of ${name}: ${wrong}`, ...dump].join('\n'), { cause: error });
      }
      const { what } = error as TilewireError;
      refusals.set(what, (refusals.get(what) ?? 0) + 1);
    }
    expect(files.stillOpen(), `FUZZ_SEED=${SEED}, step ${step} of ${name}: files left open`).toBe(0);
    slowest = Math.max(slowest, performance.now() - began);
  }
  expect(slowest).toBeLessThan(2000);
  if (process.env['FUZZ'] !== undefined) process.stdout.write(`${name}: ${STEPS} files, ${taken} taken, refused in ${refusals.size} ways, slowest ${slowest.toFixed(1)} ms\n`);
  expect(taken).toBeGreaterThan(0);
  if (STEPS >= 500) expect([...refusals.keys()].length, [...refusals].join('\n')).toBeGreaterThanOrEqual(kind.refusals);
});

/** What is wrong with an error that a broken file led to. */
function objection(error: unknown): string | undefined {
  if (!(error instanceof TilewireError)) return `not a refusal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  if (error.code !== 'BAD_FILE') return `code ${error.code}: ${error.message}`;
  const { path, actual, fix } = error.fields;
  if (path === undefined || actual === undefined || fix === undefined) return `says too little: ${error.message}`;
  return error.message.length > 4000 ? `a message of ${error.message.length} characters` : undefined;
}

test('the fuzzer notices: a reader that trusts a file is caught', () => {
  const files = countedFiles({ x: ascii('1234') }, 100);
  const file = files.open('x');
  expect(() => files.allocate(101, 'x')).toThrow('bound 100');
  expect(() => file.read(new Uint8Array(5), 0)).toThrow('which has 4');
  expect(() => file.read(new Uint8Array(1), -1)).toThrow('which has 4');
  expect(objection(new RangeError('Invalid typed array length'))).toContain('not a refusal');
  expect(objection(new TilewireError('BUG', 'x'))).toContain('code BUG');
  expect(objection(new TilewireError('BAD_FILE', 'x'))).toContain('says too little');
  expect(files.stillOpen()).toBe(1);
});
