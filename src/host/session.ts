// A session: a page that has a GPU, and a server of bytes for it. In Chrome that is one browser with one page on which
// `window.tilewire` is open; in Node a child process (node-session.ts). Errors of the page come back as the TilewireErrors that they
// were; a dead browser, an uncaught error in the page and a run without progress become errors too; warnings of the page are handed
// to `say`, never lost. Whatever happens, `close` ends the browser and its profile folder goes with it.
import fs from 'node:fs';
import type { ConsoleMessage, Page } from 'puppeteer';
import { TilewireError, bug } from '../errors.ts';
import type { AdapterFacts } from '../gpu/adapter.ts';
import type { CalibrateJob, PageApi, ProbeJob, ProfileJob, Progress, RunJob, RunResult } from '../page/api.ts';
import type { FootprintRuns } from '../plan/owner-runs.ts';
import type { Memories } from '../tune/calibration.ts';
import type { Contest } from '../tune/tiles-report.ts';
import type { Backend, Environment } from '../verify/run-report.ts';
import { findBrowser } from './browser.ts';
import type { Attempt, FoundBrowser } from './browser.ts';
import { call, deadline, keptErrors, newWatch, watchedCalls } from './calls.ts';
import type { Watch } from './calls.ts';
import { openNodeSession } from './node-session.ts';
import { openServer } from './server.ts';
import type { Bytes, PageServer } from './server.ts';

const OPEN_MS = 60_000;

export interface SessionOptions {
  /** Who offers WebGPU; `chrome` unless told. */
  readonly backend?: Backend | undefined;
  /** The page's bundle; what a child process of Node runs lies beside it, as `node-` and its name. */
  readonly pageFile: string;
  /** Path of the browser; excludes every other candidate. */
  readonly browser?: string | undefined;
  readonly requireHardware?: boolean | undefined;
  /** Seconds without progress after which a run is given up; 600 unless told. */
  readonly timeout?: number | undefined;
  /** Open a debugging port on the loopback interface, so that other processes can connect (tests). */
  readonly port?: boolean | undefined;
  /** Long steps, and what the page writes to its console as warnings and errors. */
  readonly say?: ((line: string) => void) | undefined;
}

export interface Session {
  readonly environment: Environment;
  readonly facts: AdapterFacts;
  /** What was tried to find an adapter, the last one being the one in use unless a fallback was kept. */
  readonly attempts: readonly Attempt[];
  readonly attempt: Attempt;
  /** Serves bytes, or what makes them when they are asked for, to the page; the returned path goes into a job's `operandUrls`. */
  serve(name: string, bytes: Bytes): string;
  withdraw(path: string): void;
  /** Fails with what a maker of served bytes threw, where one did: the page only sees that a request failed. */
  run(job: RunJob, onProgress?: (progress: Progress) => void): Promise<RunResult>;
  probe(job: ProbeJob): Promise<FootprintRuns>;
  profile(job: ProfileJob, onProgress?: (progress: Progress) => void): Promise<Contest>;
  calibrate(job: CalibrateJob, onProgress?: (progress: Progress) => void): Promise<Memories>;
  close(): Promise<void>;
}

export interface ChromeSession extends Session {
  /** Page on which `window.tilewire` is open. */
  readonly page: Page;
  /** Address of the page, and of the browser when `port` was asked for. */
  readonly url: string;
  readonly browserWSEndpoint: string;
}

export function openSession(options: SessionOptions & { readonly backend?: 'chrome' }): Promise<ChromeSession>;
export function openSession(options: SessionOptions): Promise<Session>;
export function openSession(options: SessionOptions): Promise<Session> {
  return options.backend === 'node' ? openNodeSession(options) : openChromeSession(options);
}

async function openChromeSession(options: SessionOptions): Promise<ChromeSession> {
  if (!fs.existsSync(options.pageFile)) throw bug('the page bundle is missing', { path: options.pageFile, fix: 'run `npm start` in the checkout once: it builds it' });
  const server = await openServer(fs.readFileSync(options.pageFile, 'utf8'));
  let found: FoundBrowser | undefined;
  try {
    found = await findBrowser({
      path: options.browser,
      requireHardware: options.requireHardware,
      probeUrl: `${server.origin}/probe`,
      port: options.port,
      say: options.say,
    });
    return await openPage(options, server, found);
  } catch (error) {
    await found?.launched.close();
    await server.close();
    throw error;
  }
}

async function openPage(options: SessionOptions, server: PageServer, found: FoundBrowser): Promise<ChromeSession> {
  const { launched, attempt, attempts } = found;
  const { browser } = launched;
  const say = options.say ?? (() => {});
  const page = await browser.newPage();
  const watch = watchPage(page, say);
  const died = () =>
    new TilewireError('BROWSER_DIED', 'the browser ended unexpectedly', {
      path: attempt.browser,
      lines: launched
        .stderrTail()
        .filter((line) => !line.includes(':CONSOLE'))
        .map((line) => `its stderr: ${line}`),
      fix: 'run `tilewire doctor`; a machine out of memory is the usual cause: try a smaller shape or another --browser',
    });
  let closing = false;
  browser.on('disconnected', () => !closing && watch.fail(died()));
  page.on('error', () => watch.fail(died()));

  const calls = watchedCalls(watch, options.timeout, () => {
    closing = true;
    launched.kill();
  });
  await page.exposeFunction('tilewireProgress', (progress: Progress) => calls.heard(progress));
  const url = `${server.origin}/`;
  await watch.race(page.goto(url, { waitUntil: 'load' }));
  const facts = await call<AdapterFacts>(
    watch,
    page.evaluate(() => {
      const api = (window as { tilewire?: PageApi }).tilewire;
      if (api === undefined) throw new Error('the page bundle did not set window.tilewire');
      return api.open();
    }),
    deadline(OPEN_MS, () => new TilewireError('ADAPTER_HUNG', 'the page did not get its GPU device', { limit: `${OPEN_MS / 1000} s`, fix: 'run `tilewire doctor`, and try another --browser' }), () => launched.kill()),
  );
  const environment: Environment = { ...facts.environment, backend: 'chrome', browser: await browser.version() };
  if (options.requireHardware && environment.adapter.isFallback) {
    throw new TilewireError('NOT_HARDWARE', 'the adapter is a software fallback', { path: '--require-hardware', actual: environment.adapter.description, fix: 'leave --require-hardware out to run on it' });
  }

  const made = keptErrors();
  return {
    environment,
    facts,
    attempt,
    attempts,
    page,
    url,
    browserWSEndpoint: browser.wsEndpoint(),
    serve: (name, bytes) => server.serve(name, made.keeping(bytes)),
    withdraw: (path) => server.withdraw(path),
    run: (job, onProgress = () => {}) => made.during(() => calls.call(() => page.evaluate((job) => window.tilewire.run(job), job), onProgress)),
    probe: (job) => calls.call(() => page.evaluate((job) => window.tilewire.probe(job), job), () => {}),
    profile: (job, onProgress = () => {}) => calls.call(() => page.evaluate((job) => window.tilewire.profile(job), job), onProgress),
    calibrate: (job, onProgress = () => {}) => calls.call(() => page.evaluate((job) => window.tilewire.calibrate(job), job), onProgress),
    async close() {
      closing = true;
      await launched.close();
      await server.close();
    },
  };
}

/** What goes wrong in the page outside the awaited calls, and what it says on its console. */
function watchPage(page: Page, say: (line: string) => void): Watch {
  const watch = newWatch();
  page.on('pageerror', (error) => watch.fail(bug('uncaught error in the page', { lines: String(error instanceof Error ? (error.stack ?? error.message) : error).split('\n') })));
  page.on('console', (message: ConsoleMessage) => {
    if (['error', 'warn'].includes(message.type())) say(`page ${message.type()}: ${message.text()}`);
  });
  return watch;
}
