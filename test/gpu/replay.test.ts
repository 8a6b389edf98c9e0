// A run is a function of its Spec. In one page: the same Spec twice, and two runs at once, give the same bits, the same
// order of events, the same counts. Through the command line: a report replays, and what must not run is refused with
// its exit status and leaves nothing behind.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leastMemory } from '../../src/emulate/memory.ts';
import type { Outcome, RunJob, RunResult } from '../../src/page/api.ts';
import { resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { Fault, Spec } from '../../src/spec/spec.ts';
import type { Report, RunReport } from '../../src/verify/run-report.ts';
import { gpuOrSkip, gpuTest } from './page-client.ts';

// ── In one page ──────────────────────────────────────────────────────────────────────────────────────────────────

function unwrap(outcome: Outcome<RunResult>): RunReport {
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  expect(outcome.value.report.failures).toEqual([]);
  return outcome.value.report;
}

const jobOf = async (request: SpecRequest): Promise<RunJob> => ({ spec: await resolveSpec(request), baseline: false, memoryLimit: 2 ** 28 });
const runInPage = async (page: Page, job: RunJob): Promise<RunReport> => unwrap(await page.evaluate((job) => window.tilewire.run(job), job));

/** All of a report that is a function of the Spec alone: no times, no waits. */
const reproducible = ({ specHash, check, causality, ledger, tracker, measured: { stages, extraFlops, bufferConflicts } }: RunReport) => ({ specHash, check, causality, ledger, tracker, stages, extraFlops, bufferConflicts });

// Straddling tiles, real operands (whose bits depend on the order of additions), a tracker that overflows.
const RING: SpecRequest = { m: 67, n: 45, k: 19, devices: 5, operands: 'normal', tile: { m: 8, n: 8, k: 2 }, stageTiles: 3, triggerTiles: 2, trackerSets: 2, trackerWays: 2, seed: 11 };
const DIRECT: SpecRequest = { m: 30, n: 71, k: 23, devices: 3, operands: 'normal', algorithm: 'direct', tile: { m: 16, n: 8, k: 2 }, stageTiles: 2, seed: 12 };

for (const [name, request] of Object.entries({ ring: RING, direct: DIRECT, 'ring, exact operands, columns': { ...RING, operands: 'exact', chunk: 'columns', lag: 1 } as const }))
  gpuTest(`the same Spec twice in one page gives the same bits, events and counts: ${name}`, async (page) => {
    const job = await jobOf(request);
    const first = reproducible(await runInPage(page, job));
    // Something else in between, so that caches are warm and memory is used.
    await runInPage(page, await jobOf({ ...DIRECT, seed: 99 }));
    expect(reproducible(await runInPage(page, job))).toEqual(first);
    const other = reproducible(await runInPage(page, await jobOf({ ...request, seed: 77 })));
    expect(other.check.outputHash).not.toBe(first.check.outputHash);
  });

gpuTest('runs at the same time in one page do not disturb each other', async (page) => {
  const jobs = await Promise.all([RING, DIRECT, { ...RING, seed: 13, chunk: 'columns' as const }, RING].map(jobOf));
  const alone: RunReport[] = [];
  for (const job of jobs) alone.push(await runInPage(page, job));
  const together = await page.evaluate((jobs) => Promise.all(jobs.map((job) => window.tilewire.run(job))), jobs);
  expect(together.map(unwrap).map(reproducible)).toEqual(alone.map(reproducible));
});

gpuTest('a run of which only the Plan shows that it is too large is refused, with what it would have taken', async (page) => {
  const job = await jobOf(RING);
  const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { ...job, memoryLimit: leastMemory(job.spec).total });
  expect(outcome).toMatchObject({ ok: false, error: { code: 'MEMORY_LIMIT', fields: { path: '--memory-limit' } } });
  expect(JSON.stringify(outcome)).toContain('chunk memories');
  // The page is none the worse for it.
  await runInPage(page, job);
});

// ── Through the command line ─────────────────────────────────────────────────────────────────────────────────────

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));
const SHAPE = ['--m', '16', '--n', '64', '--k', '12', '--devices', '4', '--tile', '8x8x2', '--stage-tiles', '2', '--trigger-tiles', '1'];

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);
const read = (name: string): Report => JSON.parse(fs.readFileSync(at(name), 'utf8')) as Report;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Interrupt {
  /** SIGINT once stderr holds this … */
  readonly said?: string;
  /** … or once this is true, looked at all the time. */
  readonly when?: () => boolean;
}

/** Runs the built command line to its end. */
function tilewire(args: readonly string[], { said, when }: Interrupt = {}, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const watch = when && setInterval(() => when() && child.kill('SIGINT'), 2);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    if (said !== undefined && stderr.includes(said)) child.kill('SIGINT');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      clearInterval(watch);
      resolve({ status, stdout, stderr });
    });
  });
}

/** A test of the command line that opens a browser of its own. */
const cliTest = (name: string, body: () => Promise<void>): void =>
  test(name, async (context) => {
    gpuOrSkip(context);
    await body();
  });

/** A report as --json writes it, as far as --spec reads it. */
function save(name: string, runs: readonly { readonly spec: unknown; readonly check?: unknown; readonly causality?: unknown }[]): string {
  fs.writeFileSync(at(name), JSON.stringify({ version: 1, runs }));
  return at(name);
}

cliTest('run --json A, then run --spec A --json B: the same hashes, and it says so', async () => {
  const first = await tilewire(['run', ...SHAPE, '--operands', 'normal', '--seed', '5', '--json', at('a.json')]);
  expect({ status: first.status, stderr: first.stderr.includes('error') }).toEqual({ status: 0, stderr: false });
  const { status, stdout } = await tilewire(['run', '--spec', at('a.json'), '--json', at('b.json')]);
  expect(status).toBe(0);
  const [one] = read('a.json').runs;
  const [other] = read('b.json').runs;
  expect(other!.spec).toEqual(one!.spec);
  expect(reproducible(other!)).toEqual(reproducible(one!));
  expect(stdout).toContain('the same output bits, the same event order');
  expect(stdout).toContain(one!.check.outputHash);

  // The same Spec on the same adapter that comes out otherwise is wrong, though each of the two runs is right.
  const report = JSON.parse(fs.readFileSync(at('a.json'), 'utf8')) as { runs: { check: { outputHash: string } }[] };
  report.runs[0]!.check.outputHash = 'f'.repeat(64);
  fs.writeFileSync(at('other.json'), JSON.stringify(report));
  const otherwise = await tilewire(['run', '--spec', at('other.json')]);
  expect(otherwise.status).toBe(1);
  expect(otherwise.stdout).toContain('DIFFERENT output bits, the same event order');
});

const PLACE = { device: 2, chunk: 0, tile: 0 };
const FAULTS: readonly [Fault, code: string][] = [
  [{ kind: 'suppress-stores', ...PLACE }, 'STALLED'],
  [{ kind: 'threshold', ...PLACE, delta: 1 }, 'TRACKER'],
  [{ kind: 'threshold', ...PLACE, delta: -1 }, 'TRACKER'],
  [{ kind: 'drop-transfer', ...PLACE }, 'STALLED'],
  [{ kind: 'double-update', ...PLACE }, 'LEDGER'],
  [{ kind: 'corrupt-tile', ...PLACE }, 'WRONG_VALUES'],
  [{ kind: 'early-read', ...PLACE }, 'CAUSALITY'],
  [{ kind: 'unwritten-output' }, 'NO_WORK'],
];

cliTest('a Spec with a fault of each kind, replayed: exit 1, every run is written with its failures; hashes that differ are told', async () => {
  const spec = await resolveSpec({ m: 16, n: 64, k: 12, devices: 4, tile: { m: 8, n: 8, k: 2 }, stageTiles: 2, triggerTiles: 1 });
  const recorded = { specHash: '0'.repeat(64), check: { outputHash: '0'.repeat(64) }, causality: { eventHash: '0'.repeat(64) } };
  const file = save('faults.json', FAULTS.map(([fault]) => ({ spec: { ...spec, faults: [fault] }, ...recorded })));
  const { status, stdout } = await tilewire(['run', '--spec', file, '--json', at('faulty.json')]);
  expect(status).toBe(1);
  const { runs } = read('faulty.json');
  expect(runs.map(({ spec }) => spec.faults)).toEqual(FAULTS.map(([fault]) => [fault]));
  runs.forEach(({ failures }, index) => expect(failures.map(({ code }) => code), FAULTS[index]![0].kind).toContain(FAULTS[index]![1]));
  expect(stdout.match(/DIFFERENT output bits, DIFFERENT event order/g)).toHaveLength(FAULTS.length);
  expect(stdout.match(/the Spec was edited since/g)).toHaveLength(FAULTS.length);
  expect(stdout).toContain('8 of 8 runs WRONG');
});

cliTest('--fault suppress-stores: exit 1, the JSON is written, and the piece, its count, threshold and missing source are named', async () => {
  // The last tile has the same number whatever the workgroups walk first, which is the kernel's affair and so the adapter's.
  const { status, stdout, stderr } = await tilewire(['run', ...SHAPE, '--fault', 'suppress-stores:device=1,chunk=3,tile=15', '--json', at('suppressed.json')]);
  expect(status).toBe(1);
  expect(stdout + stderr).toContain('chunk 3 tile 15 wavefront 0 has 64 of 128 elements, missing local (0 of 64)');
  const [{ failures, check }] = read('suppressed.json').runs as [RunReport];
  expect(failures.some(({ code, message }) => code === 'STALLED' && message.includes('has 64 of 128 elements, missing local (0 of 64)'))).toBe(true);
  expect(check.wrong).toBeGreaterThan(0);
});

cliTest('--memory-limit below what the run takes: exit 2 with the limit, nothing written', async () => {
  const { status, stdout, stderr } = await tilewire(['run', '--m', '512', '--n', '512', '--k', '64', '--devices', '4', '--memory-limit', '1M', '--json', at('large.json')]);
  expect(status).toBe(2);
  for (const part of ['MEMORY_LIMIT', '--memory-limit', 'limit 1.00 MB', 'fix: ']) expect(stderr).toContain(part);
  expect(stdout).not.toContain('verdict');
  expect(fs.readdirSync(folder).filter((name) => name.includes('large'))).toEqual([]);
});

cliTest('interrupted with --force: the report that was there is still there, byte for byte', async () => {
  fs.writeFileSync(at('mine.json'), 'mine\n');
  const { status } = await tilewire(['run', '--model', 't-nlg', '--layer', 'fc2', '--tp', '8', '--tokens', '2048', '--json', at('mine.json'), '--force'], { said: 'running' });
  expect(status).toBe(130);
  expect(fs.readFileSync(at('mine.json'), 'utf8')).toBe('mine\n');
  expect(fs.readdirSync(folder).filter((name) => name.includes('mine'))).toEqual(['mine.json']);
});

cliTest('interrupted while the browser starts: exit 130, and its profile folder is gone', async () => {
  const temporary = fs.mkdtempSync(at('tmp-'));
  const { status } = await tilewire(['run', ...SHAPE, '--backend', 'chrome'], { when: () => fs.readdirSync(temporary).length > 0 }, { TMPDIR: temporary });
  expect(status).toBe(130);
  await expect.poll(() => fs.readdirSync(temporary)).toEqual([]);
});

// What follows is refused before a browser is looked for: there is none at this path.
const NO_BROWSER = ['--browser', '/dev/null'];

async function refused(args: readonly string[], ...parts: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await tilewire([...args, ...NO_BROWSER]);
  expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
  for (const part of [...parts, 'fix: ']) expect(stderr).toContain(part);
  expect(stderr).not.toContain('NO_BROWSER');
}

test('an edited Spec is exit 2 and names the path', async () => {
  const spec: Spec = await resolveSpec({ m: 16, n: 64, k: 12, devices: 4 });
  const edited = (change: object): string => save('edited.json', [{ spec: { ...spec, ...change } }]);
  await refused(['run', '--spec', edited({ kernel: { ...spec.kernel, hash: 'a'.repeat(64) } })], 'BAD_SPEC', 'kernel.hash', 'a'.repeat(64));
  await refused(['run', '--spec', edited({ speed: 'fast' })], 'BAD_SPEC', 'runs[0].spec', 'speed');
  await refused(['run', '--spec', edited({ gemm: { ...spec.gemm, k: 0 } })], 'BAD_SPEC', 'runs[0].spec', 'gemm.k', 'found 0');
  await refused(['run', '--spec', edited({ operands: { kind: 'exact', range: 5 } })], 'BAD_SPEC', 'operands.range', 'found 5');
  await refused(['run', '--spec', edited({ faults: [{ kind: 'drop-transfer', device: 9, chunk: 0, tile: 0 }] })], 'BAD_SPEC', 'faults[0].device', 'found 9');
});

test('a tile that no workgroup holds, and operands that cannot be exact: exit 2', async () => {
  const shape = ['--m', '16', '--n', '64', '--devices', '4'];
  await refused(['run', ...shape, '--k', '12', '--tile', '1024x1024x1'], 'BAD_TILE', '--tile', '1024x1024x1', 'limit at most 256 invocations');
  await refused(['run', ...shape, '--k', '9000000'], 'NOT_EXACT', '--operands', 'limit 2^24');
});

test('an existing --json file without --force: exit 2, its bytes as they were', async () => {
  fs.writeFileSync(at('kept.json'), '{"kept": true}\n');
  await refused(['run', ...SHAPE, '--json', at('kept.json')], 'FILE_EXISTS', 'kept.json');
  expect(fs.readFileSync(at('kept.json'), 'utf8')).toBe('{"kept": true}\n');
});
