// What a GPU test starts from: a page of the shared browser, or a child process of Node, in which `window.tilewire` is open. A test
// file has one page; after a test that failed, the next one gets a fresh page. An uncaught error in the page
// fails the test that was running, and without an adapter the tests are skipped, saying so.
import { connect } from 'puppeteer';
import type { Browser, Page } from 'puppeteer';
import { afterAll, inject, test } from 'vitest';
import type { TestContext } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import type { AdapterFacts } from '../../src/gpu/adapter.ts';
import { startChild } from '../../src/host/node-child.ts';
import type { Outcome } from '../../src/page/api.ts';
import type { Backend } from '../../src/verify/run-report.ts';
import type { GpuProvision } from './global-setup.ts';

/** Who offers WebGPU to the tests: TILEWIRE_BACKEND, which the command line reads as well. */
export function testBackend(): Backend {
  const gpu = inject('gpu');
  return 'missing' in gpu ? 'chrome' : gpu.backend;
}

export interface ConnectedPage {
  readonly page: Page;
  readonly facts: AdapterFacts;
  /** Uncaught errors and console warnings and errors of the page, since the last call. */
  takeComplaints(): { errors: string[]; console: string[] };
  close(): Promise<void>;
}

/** How to reach the browser; without an adapter it skips the test, or fails it when REQUIRE_GPU is 1. */
export function gpuOrSkip(context: TestContext): Exclude<GpuProvision, { missing: string }> {
  const gpu = inject('gpu');
  if (!('missing' in gpu)) return gpu;
  if (process.env['REQUIRE_GPU'] === '1') throw new Error(`REQUIRE_GPU=1, but there is ${gpu.missing}`);
  return context.skip(`skipped: ${gpu.missing}`);
}

/** A page of its own; the caller closes it. Throws without an adapter: see {@link gpuTest}. */
export async function connectPage(): Promise<ConnectedPage> {
  const gpu = inject('gpu');
  if ('missing' in gpu) throw new Error(gpu.missing);
  if (gpu.backend === 'node') return startPage(gpu);
  const browser: Browser = await connect({ browserWSEndpoint: gpu.browserWSEndpoint, protocolTimeout: 0 });
  const page = await browser.newPage();
  let errors: string[] = [];
  let lines: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error instanceof Error ? (error.stack ?? error.message) : error)));
  page.on('error', (error) => errors.push(`the page crashed: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) lines.push(`${message.type()}: ${message.text()}`);
  });
  await page.goto(gpu.url, { waitUntil: 'load' });
  const opened: Outcome<AdapterFacts> = await page.evaluate(() => window.tilewire.open());
  if (!opened.ok) throw new Error(`the page did not open: ${opened.error.what}`);
  return {
    page,
    facts: opened.value,
    takeComplaints() {
      const taken = { errors, console: lines };
      errors = [];
      lines = [];
      return taken;
    },
    async close() {
      await page.close().catch(() => {}); // it may have crashed
      await browser.disconnect();
    },
  };
}

/** A child process with the hooks of page.ts. Of puppeteer's page it has what the tests use: `evaluate`. */
async function startPage({ file, env }: Extract<GpuProvision, { backend: 'node' }>): Promise<ConnectedPage> {
  let errors: string[] = [];
  let lines: string[] = [];
  const child = startChild({ file, env, heard: () => {}, say: (line) => lines.push(line.replace(/^page /, '')) });
  const calling = async <T>(method: string, ...args: readonly unknown[]): Promise<T> => {
    try {
      const outcome = await child.watch.race(child.call<T>(method, ...args));
      if (outcome.ok) return outcome.value;
      throw TilewireError.fromRecord(outcome.error);
    } catch (error) {
      if (error instanceof TilewireError && ['BACKEND_DIED', 'BUG'].includes(error.code)) errors.push(error.message);
      throw error;
    }
  };
  const evaluate = (body: (...args: never[]) => unknown, ...args: readonly unknown[]): Promise<unknown> => calling('evaluate', body.toString(), args);
  return {
    page: { evaluate } as unknown as Page,
    facts: await calling<AdapterFacts>('open'),
    takeComplaints() {
      const taken = { errors, console: lines };
      errors = [];
      lines = [];
      return taken;
    },
    async close() {
      child.kill();
      await child.gone;
    },
  };
}

let shared: ConnectedPage | null = null;

afterAll(async () => {
  await shared?.close();
  shared = null;
});

/** A test on the file's page; skipped, with the reason, when there is no adapter. */
export function gpuTest(name: string, body: (page: Page, facts: AdapterFacts) => Promise<void>, timeoutMs?: number): void {
  test(name, timeoutMs === undefined ? {} : { timeout: timeoutMs }, async (context) => {
    gpuOrSkip(context);
    shared ??= await connectPage();
    const connected = shared;
    connected.takeComplaints();
    try {
      await body(connected.page, connected.facts);
      const { errors } = connected.takeComplaints();
      if (errors.length > 0) throw new Error(`uncaught in the page: ${errors.join('\n')}`);
    } catch (error) {
      const { errors, console: lines } = connected.takeComplaints();
      for (const line of [...errors, ...lines]) console.error(`page ${line}`);
      shared = null;
      await connected.close();
      throw error;
    }
  });
}
