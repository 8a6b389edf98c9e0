// The session in Node with a child process of its own, which does in turn what drivers do wrong: no GPU, and no Dawn, is needed.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { describeAttempt } from '../../src/host/browser.ts';
import { findPackagedChromium } from '../../src/host/chromium.ts';
import { openNodeSession } from '../../src/host/node-session.ts';
import type { NodeSession } from '../../src/host/node-session.ts';
import type { SessionOptions } from '../../src/host/session.ts';
import type { RunJob } from '../../src/page/api.ts';

/** `DRIVER` says what the system's driver does; the packaged one, by its environment, is a software adapter. */
const CHILD = `
const driver = process.env.VK_DRIVER_FILES === undefined ? process.env.DRIVER : 'software';
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const crash = async (signal) => { process.stderr.write('the driver says goodbye\\n'); await wait(50); process.kill(process.pid, signal); await wait(1e6); };
const refusal = (code, what, fields = {}) => ({ ok: false, error: { code, what, fields } });
const page = {
  async open() {
    if (driver === 'crash') await crash('SIGSEGV');
    if (driver === 'hang') await wait(1e6);
    if (driver === 'none') return refusal('NO_ADAPTER', 'no adapter');
    const adapter = { vendor: 'v', architecture: driver, description: '', isFallback: driver === 'software', isSerial: true };
    return { ok: true, value: { environment: { adapter, timerResolutionNs: null }, features: [], limits: {} } };
  },
  async run({ spec: { name }, operandUrls }) {
    const progress = (done) => process.send({ kind: 'progress', progress: { step: 'stage', done, total: 2 } });
    progress(1);
    progress(2);
    if (name === 'refuse') return refusal('BAD_TILE', 'too large', { actual: 3, limit: 2 });
    if (name === 'warn') process.send({ kind: 'complaint', type: 'warn', text: 'a warning' });
    if (name === 'uncaught') { process.send({ kind: 'uncaught', stack: 'Error: nobody caught this\\n at x' }); await wait(1e6); }
    if (name === 'hang') await wait(1e6);
    if (name === 'slow') for (const done of [0, 1, 2]) { await wait(800); progress(done); }
    if (name === 'exit') process.exit(7);
    if (name.startsWith('SIG')) await crash(name);
    if (name === 'fetch') return { ok: true, value: { output: [...new Uint8Array(await (await fetch(operandUrls.a[0])).arrayBuffer())] } };
    return { ok: true, value: { report: { spec: { name, file: process.env.VK_DRIVER_FILES } } } };
  },
};
process.on('message', async ({ id, method, args }) => process.send({ kind: 'outcome', id, outcome: await page[method](...args) }));
process.on('disconnect', () => process.exit());
`;

const packaged = findPackagedChromium() !== null;
const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let opened: NodeSession[] = [];
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  fs.writeFileSync(path.join(folder, 'node-page.js'), CHILD);
  fs.mkdirSync(path.join(folder, 'node_modules', 'webgpu'), { recursive: true });
  fs.writeFileSync(path.join(folder, 'node_modules', 'webgpu', 'package.json'), '{ "name": "webgpu", "version": "1.2.3" }');
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  for (const session of opened) await session.close();
  opened = [];
});

const job = (name: string): RunJob => ({ spec: { name } as RunJob['spec'], baseline: false, memoryLimit: 1 });

async function open(driver: string, options: Partial<SessionOptions> = {}): Promise<NodeSession> {
  vi.stubEnv('DRIVER', driver);
  vi.stubEnv('VK_DRIVER_FILES', undefined);
  const session = await openNodeSession({ pageFile: path.join(folder, 'page.js'), ...options });
  opened.push(session);
  return session;
}

function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid!, 0);
  } catch {
    return false;
  }
}

test('a run returns its result, its progress, what the page says, and bytes are fetched when they are wanted', async () => {
  const said: string[] = [];
  const session = await open('gpu', { say: (line) => said.push(line) });
  expect(session.environment).toMatchObject({ backend: 'node', browser: `Node ${process.version}, webgpu 1.2.3 (Dawn)`, adapter: { architecture: 'gpu' } });
  const steps: number[] = [];
  expect((await session.run(job('warn'), ({ done }) => steps.push(done))).report.spec).toMatchObject({ name: 'warn' });
  expect(steps).toEqual([1, 2]);
  expect(said).toEqual(['page warn: a warning']);
  let made = 0;
  const url = session.serve('a', () => Uint8Array.of(++made, 8));
  expect(made).toBe(0);
  const fetching = { ...job('fetch'), operandUrls: { a: [url], b: [url] } };
  expect((await session.run(fetching)).output).toEqual([1, 8]);
  session.withdraw(url);
  expect((await session.run(fetching)).output).toEqual([]);
});

test('what the page refuses comes back as the error that it was; what nobody caught is a bug, also of the next run', async () => {
  const session = await open('gpu');
  await expect(session.run(job('refuse'))).rejects.toMatchObject({ code: 'BAD_TILE', what: 'too large', fields: { actual: 3, limit: 2 } });
  await expect(session.run(job('uncaught'))).rejects.toMatchObject({ code: 'BUG', message: expect.stringContaining('nobody caught this') });
  await expect(session.run(job('fine'))).rejects.toMatchObject({ code: 'BUG' });
});

for (const [name, how] of [['SIGSEGV', 'signal SIGSEGV'], ['SIGKILL', 'signal SIGKILL'], ['exit', 'exit code 7']] as const)
  test(`a child that dies is BACKEND_DIED with what it died of, for the run that was going on and for the next: ${name}`, async () => {
    const session = await open('gpu');
    const error = await session.run(job(name)).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'BACKEND_DIED', exitCode: 3, fields: { actual: how, fix: expect.stringContaining('--backend chrome') } });
    if (name !== 'exit') expect(String(error)).toContain('its stderr: the driver says goodbye');
    await expect(session.run(job('fine'))).rejects.toMatchObject({ code: 'BACKEND_DIED' });
  });

test('no progress for the timeout: given up, with the last step, and the child is gone; a run that is only slow is not', async () => {
  const session = await open('gpu', { timeout: 2 });
  await session.run(job('slow'));
  await expect(session.run(job('hang'))).rejects.toMatchObject({ code: 'TIMEOUT', exitCode: 4, message: expect.stringContaining('stage 2/2') });
  await expect.poll(() => isAlive(session.pid)).toBe(false);
});

test('closing ends the child', async () => {
  const session = await open('gpu');
  expect(isAlive(session.pid)).toBe(true);
  await session.close();
  expect(isAlive(session.pid)).toBe(false);
});

test('a GPU of the system is taken at once, and so is a software adapter of its', async () => {
  for (const driver of ['gpu', 'software']) {
    const session = await open(driver);
    expect(session.attempts).toMatchObject([{ source: 'system', browser: 'webgpu 1.2.3', flags: [], outcome: driver === 'gpu' ? 'hardware' : 'software', detail: `v ${driver}` }]);
    expect(session.attempt).toBe(session.attempts[0]);
    expect((await session.run(job('fine'))).report.spec).toEqual({ name: 'fine', file: undefined });
  }
});

test.runIf(packaged).for([['none', 'no adapter', 'requestAdapter gave null'], ['crash', 'failed', 'signal SIGSEGV: the driver says goodbye']] as const)("a system's driver that gives %s is told, and the packaged one taken", async ([driver, outcome, detail]) => {
  const session = await open(driver);
  expect(session.attempts).toMatchObject([{ source: 'system', outcome, detail: expect.stringContaining(detail) as string }, { source: 'packaged', outcome: 'software' }]);
  expect(session.attempt).toBe(session.attempts[1]);
  expect(describeAttempt(session.attempt)).toContain('VK_DRIVER_FILES=');
  expect((await session.run(job('fine'))).report.spec).toMatchObject({ file: expect.stringMatching(/vk_swiftshader_icd\.json$/) as string });
});

test.runIf(packaged)("a system's driver that never answers is given up after a minute, and the packaged one taken", async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const opening = open('hang');
  await vi.advanceTimersByTimeAsync(59_000);
  expect(opened).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  const { attempts } = await opening;
  expect(attempts).toMatchObject([{ outcome: 'hung' }, { source: 'packaged', outcome: 'software' }]);
});

test('--require-hardware takes no software adapter, and does not look for one', async () => {
  const error = await open('software', { requireHardware: true }).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: 'NOT_HARDWARE', exitCode: 3, fields: { lines: [expect.stringContaining('tried system: webgpu 1.2.3 → software (v software)')] } });
});

test('--browser is for the other backend', async () => {
  await expect(open('gpu', { browser: '/usr/bin/chrome' })).rejects.toMatchObject({ code: 'BAD_FLAG', fields: { path: '--browser' } });
});

test('without the package, and with one that has no binary for this system: NO_BACKEND, and how to get it', async () => {
  const bare = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    // The product's own bundle, where it finds no such package …
    fs.copyFileSync(path.join(root, 'dist', 'node-page.js'), path.join(bare, 'node-page.js'));
    fs.writeFileSync(path.join(bare, 'package.json'), '{ "type": "module" }');
    const missing = { code: 'NO_BACKEND', exitCode: 3, fields: { fix: expect.stringContaining('npm install webgpu') } };
    await expect(open('', { pageFile: path.join(bare, 'page.js') })).rejects.toMatchObject(missing);
    // … or one of which the native part cannot be loaded.
    const webgpu = path.join(bare, 'node_modules', 'webgpu');
    fs.mkdirSync(webgpu, { recursive: true });
    fs.writeFileSync(path.join(webgpu, 'package.json'), '{ "name": "webgpu", "version": "1.2.3", "type": "module", "main": "index.js" }');
    fs.writeFileSync(path.join(webgpu, 'index.js'), "throw new Error('libm.so.6: version GLIBC_2.99 not found');");
    await expect(open('', { pageFile: path.join(bare, 'page.js') })).rejects.toMatchObject({ ...missing, message: expect.stringContaining('GLIBC_2.99') });
  } finally {
    fs.rmSync(bare, { recursive: true, force: true });
  }
});
