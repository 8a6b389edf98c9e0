// Operands from files, through the command line as a user has them: values of integers, whose product is known here to the
// bit, so that a slice that is lost, doubled or turned shows in the output's hash; and reals, held against the float64 bound
// and the plan order. A file that changes after it was looked at ends the run with its own error, not with the page's.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { openOperands } from '../../src/host/operand-files/operands.ts';
import { openSession } from '../../src/host/session.ts';
import { resolveSpec } from '../../src/spec/resolve.ts';
import type { Report } from '../../src/verify/run-report.ts';
import { dict, npyBytes, safetensorsBytes, valueBytes, type Stored } from '../host/operand-files/written-files.ts';
import { gpuOrSkip, testBackend } from './page-client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = path.join(root, 'dist/tilewire.js');
const pageFile = path.join(root, 'dist/page.js');

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const at = (name: string): string => path.join(folder, name);
const read = (name: string): Report => JSON.parse(fs.readFileSync(at(name), 'utf8')) as Report;
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Runs the built command line to its end. */
function tilewire(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

const gpu = (name: string, body: () => Promise<void>): void =>
  test(name, async (context) => {
    gpuOrSkip(context);
    await body();
  });

type Matrix = readonly (readonly number[])[];
/** Integers from −9 to 9 without 0: sums of their products are exact in any order, and no sum of them is −0. */
const integers = (rows: number, columns: number, salt: number): Matrix =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => { const value = ((r * 7919 + c * 104729 + (r * c + salt) * 31) % 18) - 9; return value < 0 ? value : value + 1; })); // prettier-ignore
const transpose = (matrix: Matrix): Matrix => matrix[0]!.map((_, c) => matrix.map((row) => row[c]!));
const product = (a: Matrix, b: Matrix): Float32Array => {
  const columns = transpose(b);
  return Float32Array.from(a.flatMap((row) => columns.map((column) => row.reduce((sum, value, k) => sum + value * column[k]!, 0))));
};
const shaOf = (values: Float32Array): string => sha(new Uint8Array(values.buffer));
const bytesOf = (matrix: Matrix, type: Stored): Uint8Array => valueBytes(matrix.flat(), type);

function npy(name: string, matrix: Matrix, type: 'f4' | 'f2' = 'f4'): string {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), npyBytes(dict(`<${type}`, `(${matrix.length}, ${matrix[0]!.length})`), bytesOf(matrix, type)));
  return at(name);
}

function safetensors(name: string, tensors: Readonly<Record<string, { readonly matrix: Matrix; readonly dtype: 'F32' | 'F16' | 'BF16' }>>): string {
  let end = 0;
  const parts: Uint8Array[] = [];
  const header = Object.entries(tensors).map(([tensor, { matrix, dtype }]) => {
    const bytes = bytesOf(matrix, ({ F32: 'f4', F16: 'f2', BF16: 'bf16' } as const)[dtype]);
    parts.push(bytes);
    const begin = end;
    end += bytes.length;
    return [tensor, { dtype, shape: [matrix.length, matrix[0]!.length], data_offsets: [begin, end] }];
  });
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), safetensorsBytes(Object.fromEntries(header), Buffer.concat(parts)));
  return at(name);
}

/** Right by tilewire's own check, and by the product that was computed here. */
async function right(name: string, args: readonly string[], expected: Float32Array): Promise<Report['runs'][number]> {
  const { status, stdout, stderr } = await tilewire('run', ...args, '--json', at(name));
  expect({ status, stdout, stderr }).toMatchObject({ status: 0, stdout: expect.stringContaining('right: bounded') });
  const [run] = read(name).runs;
  expect(run!.failures).toEqual([]);
  expect(run!.check).toMatchObject({ mode: 'bounded', elements: expected.length, coverage: 1, wrong: 0, bitExactPlanOrder: true, outputHash: shaOf(expected) });
  return run!;
}

for (const algorithm of ['ring', 'direct'] as const)
  gpu(`.npy, K = 29 over 3 devices: slices of 10, 10 and 9; ${algorithm}`, async () => {
    const [a, b] = [integers(40, 29, 1), integers(29, 37, 2)];
    const run = await right(`npy-${algorithm}.json`, ['--a', npy('a.npy', a), '--b', npy('b.npy', b), '--tp', '3', '--algorithm', algorithm, '--baseline'], product(a, b));
    expect(run.spec).toMatchObject({
      name: 'a.npy · b.npy TP 3', gemm: { m: 40, n: 37, k: 10, kTotal: 29 }, devices: 3,
      operands: { kind: 'files', a: { source: 'a.npy', hash: sha(bytesOf(a, 'f4')) }, b: { source: 'b.npy', hash: sha(bytesOf(b, 'f4')) }, layout: 'nn' },
    }); // prettier-ignore
  });

gpu('a kernel that takes f16 gets the values rounded, and the report says how many', async () => {
  // Of 32 values of A four are no f16, and of these one is below the normal ones.
  const a = integers(4, 8, 1).map((row, r) => row.map((value, c) => (c > 0 ? value : r === 0 ? 3e-5 : 1 + r / 10_000)));
  const files = ['--a', npy('halves-a.npy', a), '--b', npy('halves-b.npy', integers(8, 6, 2))];
  const { status, stdout } = await tilewire('run', ...files, '--layout', 'nn', '--devices', '2', '--kernel', path.join(root, 'test/gallery/half-packed.wgsl'), '--json', at('halves.json'));
  expect(status, stdout).toBe(0);
  const [run] = read('halves.json').runs;
  expect(run!.check).toMatchObject({ wrong: 0, coverage: 1, bitExactPlanOrder: true });
  expect(run!.notes).toContainEqual({ path: 'spec.operands', reason: 'the kernel takes A as f16: 4 of 32 values were rounded to it, 1 of them, which are below its normal range, to 0' });
  expect(stdout).toContain('A and B as f16');
});

gpu('more devices than K has to give evenly: some have one column of A only', async () => {
  const [a, b] = [integers(9, 11, 3), integers(11, 24, 4)];
  const run = await right('few.json', ['--a', npy('few/a.npy', transpose(a)), '--b', npy('few/b.npy', transpose(b)), '--layout', 'tt', '--tp', '7'], product(a, b));
  expect(run.spec.gemm).toEqual({ m: 9, n: 24, k: 2, kTotal: 11 });
});

gpu('safetensors in half precision, B as PyTorch keeps weights; replayed from other files with the same values, with the same bits', async () => {
  const [a, b] = [integers(33, 64, 5), integers(64, 48, 6)];
  const file = safetensors('half.safetensors', { other: { matrix: integers(2, 3, 0), dtype: 'F32' }, acts: { matrix: a, dtype: 'BF16' }, 'layers.0.w': { matrix: transpose(b), dtype: 'F16' } });
  const first = await right('half.json', ['--a', `${file}#acts`, '--b', `${file}#layers.0.w`, '--layout', 'nt', '--tp', '4', '--algorithm', 'direct'], product(a, b));
  expect(first.spec.operands).toMatchObject({ a: { source: 'half.safetensors#acts' }, b: { source: 'half.safetensors#layers.0.w' }, layout: 'nt' });

  const replay = ['run', '--spec', at('half.json'), '--a', npy('moved/acts.npy', a), '--json', at('again.json'), '--force'];
  const { status, stdout } = await tilewire(...replay, '--b', `${file}#layers.0.w`);
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('the same output bits, the same event order') });
  const [again] = read('again.json').runs;
  expect(again!.spec).toEqual(first.spec);
  expect([again!.specHash, again!.check.outputHash, again!.causality.eventHash]).toEqual([first.specHash, first.check.outputHash, first.causality.eventHash]);

  // One value that is another: no replay of that Spec.
  const changed = transpose(b).map((row, r) => row.map((value, c) => (r === 47 && c === 63 ? value + 1 : value)));
  const refused = await tilewire(...replay, '--b', npy('moved/changed.npy', changed));
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('give half.safetensors#layers.0.w as it was');
});

gpu('a folder of shards with its index: the config names the weight, its layout and the shape', async () => {
  const [a, o, down] = [integers(24, 96, 7), integers(64, 64, 8), integers(64, 96, 9)];
  fs.mkdirSync(at('Tiny'));
  fs.writeFileSync(at('Tiny/config.json'), JSON.stringify({ model_type: 'llama', hidden_size: 64, intermediate_size: 96, num_attention_heads: 8, num_key_value_heads: 4, num_hidden_layers: 1 }));
  safetensors('Tiny/model-00001-of-00002.safetensors', { 'model.layers.0.self_attn.o_proj.weight': { matrix: o, dtype: 'F16' } });
  safetensors('Tiny/model-00002-of-00002.safetensors', { 'model.layers.0.mlp.down_proj.weight': { matrix: down, dtype: 'BF16' }, 'lm_head.weight': { matrix: o, dtype: 'F16' } });
  fs.writeFileSync(
    at('Tiny/model.safetensors.index.json'),
    JSON.stringify({ weight_map: { 'model.layers.0.self_attn.o_proj.weight': 'model-00001-of-00002.safetensors', 'model.layers.0.mlp.down_proj.weight': 'model-00002-of-00002.safetensors', 'lm_head.weight': 'model-00002-of-00002.safetensors' } }),
  );
  const run = await right('shards.json', ['--a', npy('acts.npy', a, 'f2'), '--b', at('Tiny'), '--config', at('Tiny'), '--layer', 'down_proj', '--tp', '4'], product(a, transpose(down)));
  expect(run.spec).toMatchObject({ gemm: { m: 24, n: 64, k: 24, kTotal: 96 }, operands: { b: { source: 'Tiny#model.layers.0.mlp.down_proj.weight' }, layout: 'nt' } });

  const { status, stdout } = await tilewire('run', '--config', at('Tiny'), '--layer', 'op', '--tp', '8', '--tokens', '32', '--json', at('generated.json'));
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringMatching(/right: exact[^]*note on spec\.gemm: 8 attention heads share 4 key-value heads[^]*note on spec\.gemm: TP 8 is more/) });
  expect(read('generated.json').runs[0]).toMatchObject({ spec: { name: 'Tiny o_proj TP 8', operands: { kind: 'exact' } }, notes: expect.arrayContaining([{ path: 'spec.gemm', reason: expect.stringContaining('TP 8 is more') }]) });
});

gpu('reals, K = 101 over 4 devices: within the bound, and bit for bit in plan order', async () => {
  const reals = (rows: number, columns: number, salt: number): Matrix => integers(rows, columns, salt).map((row, r) => row.map((value, c) => Math.fround(value / 7 + Math.sin(r * columns + c + salt))));
  const [a, b] = [reals(50, 101, 1), reals(101, 60, 2)];
  const { status, stdout } = await tilewire('run', '--a', npy('reals/a.npy', a), '--b', npy('reals/b.npy', b), '--tp', '4', '--skew', '2', '--baseline', '--json', at('reals.json'));
  expect({ status, stdout }).toMatchObject({ status: 0 });
  const [{ check, failures, spec }] = read('reals.json').runs as [Report['runs'][number]];
  expect({ failures, check, spec }).toMatchObject({ failures: [], check: { mode: 'bounded', coverage: 1, wrong: 0, bitExactPlanOrder: true }, spec: { gemm: { k: 26, kTotal: 101 } } });
  expect(check.maxError).toBeGreaterThan(0);
});

gpu('a file that is cut off after it was looked at ends the run with its own error', async () => {
  const [a, b] = [npy('cut/a.npy', integers(16, 32, 1)), npy('cut/b.npy', integers(32, 16, 2))];
  const { facts, slices } = await openOperands(a, b, 'nn');
  const spec = await resolveSpec({ files: facts, tp: 2 });
  let of = slices(2);
  const session = await openSession({ backend: testBackend(), pageFile });
  try {
    const bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer);
    const operandUrls = { a: [0, 1].map((d) => session.serve(`a${d}`, () => bytes(of.a(d)))), b: [0, 1].map((d) => session.serve(`b${d}`, () => bytes(of.b(d)))) };
    const job = { spec, baseline: false, memoryLimit: 2 ** 28, operandUrls };
    // Into the last device's part: the first one's is whole, but no longer of the file that the Spec's hash was taken of.
    fs.truncateSync(b, fs.statSync(b).size - 4);
    await expect(session.run(job)).rejects.toMatchObject({ code: 'BAD_FILE', exitCode: 2, what: 'the file was changed while it was read', fields: { path: b } });
    fs.truncateSync(b, 200);
    await expect(session.run(job)).rejects.toMatchObject({ code: 'BAD_FILE', what: 'the file became shorter while it was read', fields: { path: b } });
    // What is thrown by accident is a bug, and says what it was.
    const odd = session.serve('odd', () => { throw new RangeError('too far'); }); // prettier-ignore
    await expect(session.run({ ...job, operandUrls: { ...operandUrls, a: [odd, odd] } })).rejects.toMatchObject({ code: 'BUG', message: expect.stringContaining('RangeError: too far') });
    // The session is none the worse for it.
    npy('cut/b.npy', integers(32, 16, 2));
    of.close();
    of = (await openOperands(a, b, 'nn')).slices(2);
    expect((await session.run(job)).report.failures).toEqual([]);
  } finally {
    await session.close();
    of.close();
  }
});

gpu("a page that makes nothing of a failed request does not hide the maker's error", async () => {
  fs.writeFileSync(at('page.js'), `window.tilewire = {
    async open() { return { ok: true, value: { environment: { backend: 'chrome', adapter: { vendor: 'v', architecture: 'a', description: 'd', isFallback: true, isSerial: true }, timerResolutionNs: null }, features: [], limits: {} } }; },
    async run({ operandUrls }) { const { status } = await fetch(operandUrls.a[0]); return { ok: true, value: { report: {}, output: [status] } }; },
  };`); // prettier-ignore
  const session = await openSession({ backend: 'chrome', pageFile: at('page.js') });
  try {
    let fails = true;
    const url = session.serve('a0', () => {
      if (fails) throw new TilewireError('BAD_FILE', 'gone', { path: 'a.npy' });
      return new Uint8Array(4);
    });
    const job = { spec: {} as never, baseline: false, memoryLimit: 1, operandUrls: { a: [url], b: [url] } };
    await expect(session.run(job)).rejects.toMatchObject({ code: 'BAD_FILE', what: 'gone' });
    fails = false;
    expect((await session.run(job)).output).toEqual([200]);
  } finally {
    await session.close();
  }
});
