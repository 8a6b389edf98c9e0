// Chrome and Node side by side: exact operands give the same bits and the same order of events in both, a report of one replays on the
// other, and a crash of Node's driver in the middle of a run is an error of the command line that leaves nothing behind.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { TestContext } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { openSession } from '../../src/host/session.ts';
import type { Session } from '../../src/host/session.ts';
import { resolveDraft, resolveSpec, type SpecRequest } from '../../src/spec/resolve.ts';
import type { Backend } from '../../src/verify/run-report.ts';
import { galleryKernel } from '../support/gallery.ts';
import { gpuOrSkip } from './page-client.ts';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const cli = path.join(dist, 'tilewire.js');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
const BACKENDS = ['chrome', 'node'] as const satisfies readonly Backend[];
const sessions = new Map<Backend, Session>();

afterAll(async () => {
  for (const session of sessions.values()) await session.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Both; a machine that has only one skips the test with what it lacks, or fails it when REQUIRE_GPU is 1. */
async function bothOrSkip(context: TestContext): Promise<Session[]> {
  gpuOrSkip(context);
  for (const backend of BACKENDS) {
    if (sessions.has(backend)) continue;
    try {
      sessions.set(backend, await openSession({ backend, pageFile: path.join(dist, 'page.js') }));
    } catch (error) {
      if (!(error instanceof TilewireError) || error.exitCode !== 3 || process.env['REQUIRE_GPU'] === '1') throw error;
      context.skip(`skipped: no ${backend} (${error.what} [${error.code}])`);
    }
  }
  return BACKENDS.map((backend) => sessions.get(backend)!);
}

const CASES: Readonly<Record<string, SpecRequest>> = {
  'ring, straddling tiles': { m: 67, n: 45, k: 19, devices: 3, tile: { m: 8, n: 8, k: 2 }, stageTiles: 3, triggerTiles: 2 },
  'direct, devices apart': { m: 48, n: 71, k: 23, devices: 3, algorithm: 'direct', skew: 2, stageTiles: 4 },
  'a kernel of splits, a tracker that overflows': { m: 40, n: 48, k: 24, devices: 3, foreign: galleryKernel('split-k-z'), trackerSets: 2, trackerWays: 1, overflow: 'stall' },
};

for (const [name, request] of Object.entries(CASES))
  test(`the same bits, the same order of events: ${name}`, async (context) => {
    const results = [];
    for (const session of await bothOrSkip(context)) {
      const { report, events, output } = await session.run({ spec: await resolveDraft(request), baseline: true, memoryLimit: 2 ** 28, keepEvents: true, keepOutput: true });
      expect(report.failures, session.environment.backend).toEqual([]);
      results.push({ specHash: report.specHash, check: report.check, causality: report.causality, ledger: report.ledger, tracker: report.tracker, events, output });
    }
    const [chrome, node] = results;
    expect(chrome!.output!.some((value) => value !== 0)).toBe(true);
    expect(node).toEqual(chrome);
  });

test('both say who they are, and measure the same of the adapter', async (context) => {
  const [chrome, node] = (await bothOrSkip(context)).map(({ environment }) => environment);
  expect([chrome!.backend, node!.backend]).toEqual(BACKENDS);
  expect(chrome!.browser).toMatch(/Chrome\/\d/);
  expect(node!.browser).toMatch(new RegExp(`^Node ${process.version.replaceAll('.', '\\.')}, webgpu \\d+\\.\\d+\\.\\d+ \\(Dawn\\)$`));
  if (!chrome!.adapter.isFallback || !node!.adapter.isFallback) return;
  // One dispatch at a time, and timestamps that are not rounded.
  expect(node!.adapter.isSerial).toBe(true);
  expect(node!.timerResolutionNs).toBeLessThan(1000);
});

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line; once its stderr holds `said`, `then` is done to it. */
function tilewire(args: readonly string[], said = '', then: (child: ChildProcess) => void = () => {}): Promise<Ended> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let done = said === '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    if (done || !stderr.includes(said)) return;
    done = true;
    then(child);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

test('a report of one replays on the other: exact bits must be the same, those of real numbers may differ', async (context) => {
  await bothOrSkip(context);
  const [specs, report] = [path.join(folder, 'specs.json'), path.join(folder, 'report.json')];
  const shape: SpecRequest = { m: 32, n: 48, k: 12, devices: 3 };
  const runs = await Promise.all((['exact', 'normal'] as const).map(async (operands) => ({ spec: await resolveSpec({ ...shape, operands }) })));
  fs.writeFileSync(specs, JSON.stringify({ version: 1, runs }));
  expect(await tilewire(['run', '--spec', specs, '--backend', 'chrome', '--json', report])).toMatchObject({ status: 0 });

  /** The replay of a report in which the output of a run was another. */
  const replay = async (forged: number): Promise<Ended> => {
    const recorded = JSON.parse(fs.readFileSync(report, 'utf8'));
    recorded.runs[forged].check.outputHash = 'f'.repeat(64);
    fs.writeFileSync(specs, JSON.stringify(recorded));
    return tilewire(['run', '--spec', specs, '--backend', 'node']);
  };
  const real = await replay(1);
  expect(real.status).toBe(0);
  expect(real.stdout).toContain(', webgpu ');
  expect(real.stdout.match(/^replay of .*/gm)).toEqual([expect.stringContaining('the same output bits, the same event order (on another adapter)'), expect.stringContaining('DIFFERENT output bits, the same event order (on another adapter)')]);
  expect(await replay(0)).toMatchObject({ status: 1, stdout: expect.stringContaining('DIFFERENT output bits, the same event order (on another adapter)') as string });
});

/** Of a process of Linux: its children. */
function childrenOf(pid: number): number[] {
  return fs.readdirSync('/proc').flatMap((name) => {
    try {
      if (!/^\d+$/.test(name)) return [];
      // The name of the program, in parentheses, may hold anything.
      const [, parent] = fs.readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
      return Number(parent) === pid ? [Number(name)] : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

const isThere = (pid: number): boolean => fs.existsSync(`/proc/${pid}`);

/** Minutes of work on the software adapter: it is a signal that ends it. */
const LONG = ['run', '--m', '4096', '--n', '4096', '--k', '512', '--devices', '8', '--backend', 'node'];

test.runIf(process.platform === 'linux')("the driver crashes in the middle of a run: an error with what it was and what to do, exit 3, and nothing left", async (context) => {
  await bothOrSkip(context);
  const report = path.join(folder, 'crashed.json');
  let children: number[] = [];
  const { status, stderr } = await tilewire([...LONG, '--json', report], 'kernel and footprint', ({ pid }) => {
    children = childrenOf(pid!);
    for (const child of children) process.kill(child, 'SIGSEGV');
  });
  expect(children).toHaveLength(1);
  expect(status).toBe(3);
  for (const part of ['BACKEND_DIED', 'signal SIGSEGV', 'fix: use --backend chrome']) expect(stderr).toContain(part);
  expect(stderr).not.toContain('    at ');
  expect(children.filter(isThere)).toEqual([]);
  expect(fs.existsSync(report)).toBe(false);
});

for (const [signal, expected] of [['SIGINT', 130], ['SIGKILL', null]] as const)
  test.runIf(process.platform === 'linux')(`the child ends with the command line: ${signal}`, async (context) => {
    await bothOrSkip(context);
    let children: number[] = [];
    const { status } = await tilewire(LONG, 'kernel and footprint', (child) => {
      children = childrenOf(child.pid!);
      child.kill(signal);
    });
    expect(children).toHaveLength(1);
    expect(status).toBe(expected);
    try {
      await expect.poll(() => children.filter(isThere), { timeout: 20_000 }).toEqual([]);
    } finally {
      for (const child of children.filter(isThere)) process.kill(child, 'SIGKILL');
    }
  });

test('--timeout is kept: exit 4', async (context) => {
  await bothOrSkip(context);
  expect(await tilewire([...LONG, '--timeout', '0.3'])).toMatchObject({ status: 4, stderr: expect.stringContaining('no progress for 0.3 s') as string });
});
