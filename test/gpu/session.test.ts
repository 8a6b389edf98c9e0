// The session with a page of its own, which does in turn what pages do wrong.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession } from '../../src/host/session.ts';
import type { ChromeSession, SessionOptions } from '../../src/host/session.ts';
import type { RunJob } from '../../src/page/api.ts';
import { gpuOrSkip } from './page-client.ts';

const PAGE = `
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const value = (spec) => ({ ok: true, value: { report: { spec } } });
window.tilewire = {
  async open() {
    const adapter = { vendor: 'v', architecture: 'a', description: 'd', isFallback: true, isSerial: true };
    return { ok: true, value: { environment: { backend: 'chrome', adapter, timerResolutionNs: null }, features: [], limits: {} } };
  },
  async run({ spec, operandUrls }) {
    for (const done of [1, 2]) await window.tilewireProgress({ step: 'stage', done, total: 2 });
    if (spec.name === 'refuse') return { ok: false, error: { code: 'BAD_TILE', what: 'too large', fields: { actual: 3, limit: 2 } } };
    if (spec.name === 'throw') throw new Error('thrown in the page');
    if (spec.name === 'uncaught') { setTimeout(() => { throw new Error('nobody caught this'); }); await wait(1e6); }
    if (spec.name === 'hang') await wait(1e6);
    if (spec.name === 'warn') { console.warn('a warning'); console.error('an error'); console.log('a log'); }
    if (spec.name === 'slow') for (const done of [3, 4, 5, 6]) { await wait(300); window.tilewireProgress({ step: 'slow', done, total: 6 }); }
    if (spec.name === 'fetch') return { ok: true, value: { report: {}, output: [...new Uint8Array(await (await fetch(operandUrls.a[0])).arrayBuffer())] } };
    return value({ ...spec, isolated: crossOriginIsolated });
  },
};
`;

let folder: string;
let opened: ChromeSession[] = [];
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  fs.writeFileSync(path.join(folder, 'page.js'), PAGE);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const job = (name: string): RunJob => ({ spec: { name } as RunJob['spec'], baseline: false, memoryLimit: 1 });
const profiles = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('tilewire-profile-'));

async function open(options: Partial<SessionOptions> = {}): Promise<ChromeSession> {
  const session = await openSession({ pageFile: path.join(folder, 'page.js'), ...options, backend: 'chrome' });
  opened.push(session);
  return session;
}

/** Ends what a test opened, also when it failed. */
function sessionTest(name: string, body: () => Promise<void>): void {
  test(name, async (context) => {
    gpuOrSkip(context);
    try {
      await body();
    } finally {
      for (const session of opened) await session.close();
      opened = [];
    }
  });
}

sessionTest('a run returns its result, its progress and what the page says on its console', async () => {
  const said: string[] = [];
  const session = await open({ say: (line) => said.push(line) });
  expect(session.environment.browser).toMatch(/Chrome\/\d+/);
  expect(session.attempts).toContain(session.attempt);
  const steps: number[] = [];
  const { report } = await session.run(job('warn'), ({ done }) => steps.push(done));
  expect(report.spec).toEqual({ name: 'warn', isolated: true });
  expect(steps).toEqual([1, 2]);
  expect(said.filter((line) => line.startsWith('page '))).toEqual(['page warn: a warning', 'page error: an error']);
  const url = session.serve('a', new Uint8Array([9, 8, 7]));
  expect((await session.run({ ...job('fetch'), operandUrls: { a: [url], b: [url] } })).output).toEqual([9, 8, 7]);
});

sessionTest('what the page refuses comes back as the error that it was; what it throws is a bug', async () => {
  const session = await open();
  await expect(session.run(job('refuse'))).rejects.toMatchObject({ code: 'BAD_TILE', what: 'too large', fields: { actual: 3, limit: 2 } });
  await expect(session.run(job('throw'))).rejects.toMatchObject({ code: 'BUG', message: expect.stringContaining('thrown in the page') });
  // Neither has hurt the page.
  await session.run(job('fine'));
});

sessionTest('an uncaught error in the page ends the run that was going on', async () => {
  const session = await open();
  await expect(session.run(job('uncaught'))).rejects.toMatchObject({ code: 'BUG', message: expect.stringContaining('nobody caught this') });
});

sessionTest('without progress a run is given up with its last step, and the browser ends', async () => {
  const session = await open({ timeout: 0.8 });
  // Longer than the limit, but never silent for that long.
  await session.run(job('slow'));
  await expect(session.run(job('hang'))).rejects.toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('stage 2/2') });
  await expect.poll(() => session.page.browser().process()?.signalCode).toBe('SIGKILL');
});

sessionTest('a browser that dies is BROWSER_DIED, for the run that was going on and for the next', async () => {
  const session = await open();
  const run = session.run(job('hang'));
  const failed = expect(run).rejects.toMatchObject({ code: 'BROWSER_DIED' });
  setTimeout(() => process.kill(session.page.browser().process()!.pid!, 'SIGKILL'), 100);
  await failed;
  await expect(session.run(job('fine'))).rejects.toMatchObject({ code: 'BROWSER_DIED' });
});

sessionTest('closing leaves no profile behind', async () => {
  const before = profiles();
  const session = await open();
  expect(profiles().length).toBe(before.length + 1);
  await session.close();
  expect(profiles()).toEqual(before);
});

sessionTest('a bundle that sets nothing is a bug, and a candidate that cannot run is recorded and passed over', async () => {
  fs.writeFileSync(path.join(folder, 'empty.js'), '');
  await expect(open({ pageFile: path.join(folder, 'empty.js') })).rejects.toMatchObject({ code: 'BUG', message: expect.stringContaining('did not set window.tilewire') });
  const before = process.env['PUPPETEER_EXECUTABLE_PATH'];
  fs.writeFileSync(path.join(folder, 'broken'), '#!/bin/sh\necho cannot open display >&2\nexit 1\n', { mode: 0o755 });
  process.env['PUPPETEER_EXECUTABLE_PATH'] = path.join(folder, 'broken');
  try {
    const { attempts } = await open();
    expect(attempts.length).toBeGreaterThan(1);
    expect(attempts[0]).toMatchObject({ source: 'PUPPETEER_EXECUTABLE_PATH', outcome: 'failed', detail: expect.stringContaining('cannot open display') });
    await expect(open({ browser: path.join(folder, 'broken') })).rejects.toMatchObject({ code: 'NO_BROWSER', message: expect.stringContaining('fix: ') });
  } finally {
    if (before === undefined) delete process.env['PUPPETEER_EXECUTABLE_PATH'];
    else process.env['PUPPETEER_EXECUTABLE_PATH'] = before;
  }
});
