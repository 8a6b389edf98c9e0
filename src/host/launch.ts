// Starting one browser and ending it. The browser has a profile folder of its own, which is removed with
// it, and it ends with this process however that ends: it is driven over a pipe, which it notices closing,
// and an exit handler kills its process group. Only `port` opens a debugging port (loopback), for tests
// that connect to the browser from other processes.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Browser } from 'puppeteer';

const LAUNCH_MS = 30_000;
const CLOSE_MS = 5_000;
const STDERR_LINES = 20;

const BASE_FLAGS = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'];
const NO_SANDBOX = /No usable sandbox|SUID sandbox|without --no-sandbox|clone_flags|namespace sandbox/i;

export interface LaunchOptions {
  readonly executable: string;
  readonly env: Readonly<Record<string, string>>;
  /** Beside the base flags. */
  readonly flags: readonly string[];
  readonly port?: boolean;
}

export interface LaunchedBrowser {
  readonly browser: Browser;
  /** Set when the sandbox had to be switched off: why. */
  readonly unsandboxed: string | null;
  /** The last lines that the browser wrote to stderr. */
  stderrTail(): string[];
  /** At once, from any context; safe to call twice. */
  kill(): void;
  close(): Promise<void>;
}

/** By profile folder, from before the browser starts until both are gone: how to end them at once. */
const alive = new Map<string, () => void>();
process.on('exit', () => {
  for (const end of alive.values()) end();
});

export async function launchBrowser(options: LaunchOptions): Promise<LaunchedBrowser> {
  // Chrome refuses to run as root with its sandbox.
  if (process.platform === 'linux' && process.getuid?.() === 0) return start(options, 'running as root');
  try {
    return await start(options, null);
  } catch (error) {
    if (!NO_SANDBOX.test(String(error))) throw error;
    return start(options, 'this system gives it no sandbox');
  }
}

async function start(options: LaunchOptions, unsandboxed: string | null): Promise<LaunchedBrowser> {
  if (options.port) return startOver('port', options, unsandboxed);
  const started = Date.now();
  try {
    return await startOver('pipe', options, unsandboxed);
  } catch (error) {
    // Over a pipe a browser that dies at once leaves no reason; over a port puppeteer reports its stderr.
    if (Date.now() - started > LAUNCH_MS / 3) throw error;
    return startOver('port', options, unsandboxed);
  }
}

async function startOver(transport: 'pipe' | 'port', { executable, env, flags }: LaunchOptions, unsandboxed: string | null): Promise<LaunchedBrowser> {
  const { launch } = await import('puppeteer');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-profile-'));
  const forget = (): void => {
    alive.delete(profile);
    removeFolder(profile);
  };
  alive.set(profile, forget);
  let browser: Browser;
  try {
    browser = await launch({
      executablePath: executable,
      args: [...BASE_FLAGS, ...(unsandboxed === null ? [] : ['--no-sandbox']), ...flags],
      env: { ...process.env, ...env },
      headless: true,
      pipe: transport === 'pipe',
      userDataDir: profile,
      timeout: LAUNCH_MS,
      // A run takes as long as it takes; the session's own watchdog decides what is too long.
      protocolTimeout: 0,
      // Signals are the CLI's to handle; the exit handler above ends the browser.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  } catch (error) {
    forget();
    throw error;
  }

  const tail: string[] = [];
  browser.process()?.stderr?.on('data', (data: Buffer) => {
    tail.push(...data.toString().split('\n').filter(Boolean));
    tail.splice(0, Math.max(0, tail.length - STDERR_LINES));
  });

  const launched: LaunchedBrowser = {
    browser,
    unsandboxed,
    stderrTail: () => [...tail],
    kill() {
      killGroup(browser);
      forget();
    },
    async close() {
      const timeout = new Promise<void>((resolve) => {
        setTimeout(resolve, CLOSE_MS).unref();
      });
      await Promise.race([browser.close().catch(() => {}), timeout]);
      launched.kill();
    },
  };
  alive.set(profile, launched.kill);
  return launched;
}

/** The browser leads a process group of its own, so its helpers go with it. */
function killGroup(browser: Browser): void {
  const child = browser.process();
  if (child?.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill();
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

/** A killed browser's last helpers may still write for a moment, hence the retries. */
function removeFolder(folder: string): void {
  try {
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  } catch {
    // A profile that cannot be removed is litter, not a failure of the run.
  }
}
