// A session: one browser, one page server and one page on which `window.tilewire` is open. Errors of the
// page come back as the TilewireErrors that they were; a dead browser, an uncaught error in the page and a
// run without progress become errors too; warnings of the page are handed to `say`, never lost. Whatever
// happens, `close` ends the browser and its profile folder goes with it.
import fs from 'node:fs';
import type { ConsoleMessage, Page } from 'puppeteer';
import { TilewireError, bug } from '../errors.ts';
import type { AdapterFacts } from '../gpu/adapter.ts';
import type { Outcome, PageApi, ProbeJob, ProfileJob, Progress, RunJob, RunResult } from '../page/api.ts';
import type { FootprintRuns } from '../plan/owner-runs.ts';
import type { Contest } from '../tune/tiles-report.ts';
import type { Environment } from '../verify/run-report.ts';
import { findBrowser } from './browser.ts';
import type { Attempt, FoundBrowser } from './browser.ts';
import { openServer } from './server.ts';
import type { Bytes, PageServer } from './server.ts';

const OPEN_MS = 60_000;

export interface SessionOptions {
  /** The page's bundle, served as `/page.js`. */
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
  /** What was tried to find the browser, the last one being the one in use unless a fallback was kept. */
  readonly attempts: readonly Attempt[];
  readonly attempt: Attempt;
  /** Page on which `window.tilewire` is open. */
  readonly page: Page;
  /** Address of the page, and of the browser when `port` was asked for. */
  readonly url: string;
  readonly browserWSEndpoint: string;
  /** Serves bytes, or what makes them when they are asked for, to the page; the returned path goes into a job's `operandUrls`. */
  serve(name: string, bytes: Bytes): string;
  withdraw(path: string): void;
  /** Fails with what a maker of served bytes threw, where one did: the page only sees that a request failed. */
  run(job: RunJob, onProgress?: (progress: Progress) => void): Promise<RunResult>;
  probe(job: ProbeJob): Promise<FootprintRuns>;
  profile(job: ProfileJob, onProgress?: (progress: Progress) => void): Promise<Contest>;
  close(): Promise<void>;
}

export async function openSession(options: SessionOptions): Promise<Session> {
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

async function openPage(options: SessionOptions, server: PageServer, found: FoundBrowser): Promise<Session> {
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

  let heard: (progress: Progress) => void = () => {};
  await page.exposeFunction('tilewireProgress', (progress: Progress) => heard(progress));
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
  const environment: Environment = { ...facts.environment, browser: await browser.version() };
  if (options.requireHardware && environment.adapter.isFallback) {
    throw new TilewireError('NOT_HARDWARE', 'the adapter is a software fallback', { path: '--require-hardware', actual: environment.adapter.description, fix: 'leave --require-hardware out to run on it' });
  }

  const timeoutMs = (options.timeout ?? 600) * 1000;
  /** A call of the page's API that may take long: given up when nothing is heard of it for the timeout. */
  const watched = async <T>(work: () => Promise<Outcome<T>>, onProgress: (progress: Progress) => void): Promise<T> => {
    let last: Progress | null = null;
    const watchdog = deadline(
      timeoutMs,
      () =>
        new TilewireError('TIMEOUT', `no progress for ${timeoutMs / 1000} s`, {
          path: '--timeout',
          ...(last === null ? {} : { actual: `last heard of: ${last.step} ${last.done}/${last.total}` }),
          limit: `${timeoutMs / 1000} s`,
          fix: 'a slow adapter needs a larger --timeout or a smaller shape',
        }),
      () => {
        closing = true;
        launched.kill();
      },
    );
    heard = (progress) => {
      last = progress;
      watchdog.restart();
      onProgress(progress);
    };
    try {
      return await call(watch, work(), watchdog);
    } finally {
      heard = () => {};
    }
  };
  let unmade: TilewireError | null = null;
  /** `make` with its error kept. */
  const keeping = (make: () => Uint8Array) => (): Uint8Array => {
    try {
      return make();
    } catch (error) {
      unmade ??= error instanceof TilewireError ? error : bug('bytes for the page could not be made', { lines: (error instanceof Error ? (error.stack ?? error.message) : String(error)).split('\n') });
      throw error;
    }
  };
  return {
    environment,
    facts,
    attempt,
    attempts,
    page,
    url,
    browserWSEndpoint: browser.wsEndpoint(),
    serve: (name, bytes) => server.serve(name, typeof bytes === 'function' ? keeping(bytes) : bytes),
    withdraw: (path) => server.withdraw(path),
    async run(job, onProgress = () => {}) {
      unmade = null;
      const outcome = await watched(() => page.evaluate((job) => window.tilewire.run(job), job), onProgress).catch((error: unknown) => {
        throw unmade ?? error;
      });
      if (unmade !== null) throw unmade;
      return outcome;
    },
    probe: (job) => watched(() => page.evaluate((job) => window.tilewire.probe(job), job), () => {}),
    profile: (job, onProgress = () => {}) => watched(() => page.evaluate((job) => window.tilewire.profile(job), job), onProgress),
    async close() {
      closing = true;
      await launched.close();
      await server.close();
    },
  };
}

interface Watch {
  /** Makes everything that is raced now or later fail. */
  fail(error: TilewireError): void;
  race<T>(work: Promise<T>): Promise<T>;
}

/** Turns what goes wrong outside the awaited calls into a failure of the call that is awaited. */
function watchPage(page: Page, say: (line: string) => void): Watch {
  let failed: TilewireError | null = null;
  let reject: (error: TilewireError) => void = () => {};
  const watch: Watch = {
    fail(error) {
      failed ??= error;
      reject(failed);
    },
    async race(work) {
      // The loser of the race is rejected as well when the browser goes; its reason is not the news.
      work.catch(() => {});
      if (failed !== null) throw failed;
      const failure = new Promise<never>((_, onFailure) => {
        reject = onFailure;
      });
      try {
        return await Promise.race([failure, work]);
      } catch (error) {
        // A closed target rejects its calls before the browser's own event arrives: give that a moment.
        if (!(error instanceof TilewireError) && failed === null) await pause(200);
        throw failed ?? error;
      }
    },
  };
  page.on('pageerror', (error) => watch.fail(bug('uncaught error in the page', { lines: String(error instanceof Error ? (error.stack ?? error.message) : error).split('\n') })));
  page.on('console', (message: ConsoleMessage) => {
    if (['error', 'warn'].includes(message.type())) say(`page ${message.type()}: ${message.text()}`);
  });
  return watch;
}

interface Deadline {
  readonly passed: Promise<never>;
  restart(): void;
  stop(): void;
}

function deadline(ms: number, error: () => TilewireError, giveUp: () => void): Deadline {
  let timer: NodeJS.Timeout;
  let fire: () => void = () => {};
  const passed = new Promise<never>((_, reject) => {
    fire = () => {
      reject(error());
      giveUp();
    };
  });
  passed.catch(() => {});
  timer = setTimeout(fire, ms);
  return {
    passed,
    restart() {
      clearTimeout(timer);
      timer = setTimeout(fire, ms);
    },
    stop: () => clearTimeout(timer),
  };
}

/** Awaits a call into the page and restores the error that it reports. */
async function call<T>(watch: Watch, work: Promise<Outcome<T>>, limit: Deadline): Promise<T> {
  try {
    const outcome = await Promise.race([limit.passed, watch.race(work)]);
    if (!outcome.ok) throw TilewireError.fromRecord(outcome.error);
    return outcome.value;
  } catch (error) {
    if (error instanceof TilewireError) throw error;
    throw bug('a call into the page failed', { lines: (error instanceof Error ? (error.stack ?? error.message) : String(error)).split('\n') });
  } finally {
    limit.stop();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
