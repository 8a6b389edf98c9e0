// Finding a browser with a WebGPU adapter: every candidate with every set of flags that makes sense on this
// machine, each probed in a browser of its own under a timeout, because requestAdapter may never settle. A
// hardware adapter wins; a software one is taken when no candidate gives hardware. Every attempt is
// recorded, for `doctor` and for the error when all of them fail.
import fs from 'node:fs';
import { TilewireError } from '../errors.ts';
import { findCandidates } from './candidates.ts';
import type { Candidate, CandidateSource } from './candidates.ts';
import { launchBrowser } from './launch.ts';
import type { LaunchedBrowser } from './launch.ts';

const PROBE_MS = 20_000;

/** Chrome's usual recipe for a real GPU without a display on Linux, then its defaults. */
const LINUX_HARDWARE_FLAGS = [['--enable-unsafe-webgpu', '--use-angle=vulkan', '--enable-features=Vulkan', '--disable-vulkan-surface'], ['--enable-unsafe-webgpu']];
const OTHER_HARDWARE_FLAGS = [['--enable-unsafe-webgpu']];
const SOFTWARE_FLAGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

export interface Attempt {
  /** With Node's own WebGPU: whose driver it was. */
  readonly source: CandidateSource | 'system';
  /** Path or package of the browser, or of Node's WebGPU. */
  readonly browser: string;
  /** Of the browser's command line, or of the environment of Node's WebGPU. */
  readonly flags: readonly string[];
  readonly outcome: 'hardware' | 'software' | 'no adapter' | 'hung' | 'failed';
  /** The adapter, or why there is none. */
  readonly detail: string;
  readonly ms: number;
}

export interface FoundBrowser {
  readonly launched: LaunchedBrowser;
  readonly attempt: Attempt;
  /** All attempts, this one included. */
  readonly attempts: readonly Attempt[];
}

export interface SearchOptions {
  /** An explicit path excludes every other candidate. */
  readonly path?: string | undefined;
  readonly requireHardware?: boolean | undefined;
  /** A page in a secure context, to ask for an adapter from. */
  readonly probeUrl: string;
  readonly port?: boolean | undefined;
  readonly say?: ((line: string) => void) | undefined;
}

/** The open browser with the best adapter; the caller closes it. */
export async function findBrowser(options: SearchOptions): Promise<FoundBrowser> {
  const candidates = findCandidates(options.path);
  const gpu = visibleGpu();
  const attempts: Attempt[] = [];
  let software: { launched: LaunchedBrowser; attempt: Attempt } | null = null;

  const tries: Array<[Candidate, readonly string[]]> = [];
  if (gpu !== null) for (const candidate of candidates) for (const flags of hardwareFlags()) tries.push([candidate, flags]);
  if (!options.requireHardware) for (const candidate of candidates) tries.push([candidate, SOFTWARE_FLAGS]);

  for (const [candidate, flags] of tries) {
    // With a software adapter in hand only hardware is still worth a try.
    if (software !== null && flags === SOFTWARE_FLAGS) break;
    const { attempt, launched } = await probe(candidate, flags, options);
    attempts.push(attempt);
    if (launched === null && candidate.source === 'PUPPETEER_EXECUTABLE_PATH') options.say?.(`PUPPETEER_EXECUTABLE_PATH gave no adapter: ${describeAttempt(attempt)}`);
    if (launched === null) continue;
    if (attempt.outcome === 'hardware') {
      await software?.launched.close();
      return { launched, attempt, attempts };
    }
    if (software === null && !options.requireHardware) software = { launched, attempt };
    else await launched.close();
  }
  if (software !== null) return { ...software, attempts };
  throw nothingFound(candidates, attempts, gpu, options);
}

async function probe(candidate: Candidate, flags: readonly string[], options: SearchOptions): Promise<{ attempt: Attempt; launched: LaunchedBrowser | null }> {
  const started = Date.now();
  let launched: LaunchedBrowser | null = null;
  let notes = '';
  const done = (outcome: Attempt['outcome'], detail: string): Attempt => ({
    source: candidate.source,
    browser: candidate.label,
    flags,
    outcome,
    detail: `${detail}${notes}`,
    ms: Date.now() - started,
  });
  try {
    const { executable, env } = await candidate.prepare(options.say ?? (() => {}));
    launched = await launchBrowser({ executable, env, flags, port: options.port ?? false });
    if (launched.unsandboxed !== null) notes = `; with --no-sandbox: ${launched.unsandboxed}`;
    const answer = await within(PROBE_MS, askForAdapter(launched, options.probeUrl));
    if (answer === 'timeout') {
      launched.kill();
      return { attempt: done('hung', `requestAdapter did not settle within ${PROBE_MS / 1000} s`), launched: null };
    }
    if ('problem' in answer) {
      await launched.close();
      return { attempt: done('no adapter', answer.problem), launched: null };
    }
    return { attempt: done(answer.isFallback ? 'software' : 'hardware', answer.adapter), launched };
  } catch (error) {
    launched?.kill();
    return { attempt: done('failed', firstLines(error)), launched: null };
  }
}

type Answer = { readonly problem: string } | { readonly adapter: string; readonly isFallback: boolean };

async function askForAdapter({ browser }: LaunchedBrowser, url: string): Promise<Answer> {
  const page = await browser.newPage();
  await page.goto(url);
  const answer = await page.evaluate(async () => {
    if (!('gpu' in navigator)) return { problem: 'this browser has no navigator.gpu' };
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) return { problem: 'requestAdapter gave null' };
    const { vendor, architecture, description } = adapter.info;
    // Where isFallbackAdapter lives depends on the browser's version.
    const flagged = adapter.info.isFallbackAdapter || (adapter as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
    const isFallback = flagged || /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${architecture} ${description}`);
    try {
      (await adapter.requestDevice()).destroy();
    } catch (error) {
      return { problem: `requestDevice failed: ${String(error)}` };
    }
    return { adapter: [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed adapter', isFallback };
  });
  await page.close();
  return answer;
}

function hardwareFlags(): string[][] {
  return process.platform === 'linux' ? LINUX_HARDWARE_FLAGS : OTHER_HARDWARE_FLAGS;
}

/** What suggests that this machine has a GPU that a browser could use; null when nothing does. */
export function visibleGpu(): string | null {
  if (process.platform !== 'linux') return process.platform;
  const nodes = [
    ...entries('/dev/dri').filter((name) => name.startsWith('renderD')).map((name) => `/dev/dri/${name}`),
    ...entries('/dev').filter((name) => /^nvidia\d+$/.test(name) || name === 'dxg').map((name) => `/dev/${name}`),
  ];
  return nodes.length > 0 ? nodes.join(' ') : null;
}

function entries(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | 'timeout'> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(() => resolve('timeout'), ms);
  });
  // Killing the browser later rejects the work that lost; nobody waits for it then.
  work.catch(() => {});
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Launch errors carry the browser's whole stderr: the message and its most telling line will do. */
function firstLines(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n').map((line) => line.trim());
  const reason = lines.slice(1).find((line) => /error while loading|No usable sandbox|cannot open|FATAL|not found/i.test(line));
  return [lines[0], reason].filter(Boolean).join(' – ').replace(/\s+/g, ' ');
}

export function describeAttempt({ source, browser, flags, outcome, detail, ms }: Attempt): string {
  return `${source}: ${[browser, ...flags].join(' ')} → ${outcome} (${detail}) in ${(ms / 1000).toFixed(1)} s`;
}

function nothingFound(candidates: readonly Candidate[], attempts: readonly Attempt[], gpu: string | null, options: SearchOptions): TilewireError {
  const lines = attempts.map((attempt) => `tried ${describeAttempt(attempt)}`);
  if (options.requireHardware && candidates.length > 0) {
    const looked = gpu === null ? 'no GPU is visible: no /dev/dri/renderD*, /dev/nvidia*, /dev/dxg' : `visible: ${gpu}`;
    return new TilewireError('NOT_HARDWARE', 'no hardware adapter', {
      path: '--require-hardware',
      actual: looked,
      lines,
      fix: 'install the GPU\'s driver with Vulkan support (`vulkaninfo` lists the GPU), or leave --require-hardware out to run on a software adapter',
    });
  }
  if (attempts.length === 0) lines.push('tried nothing: no Chrome or Chromium in PATH, in the usual places, in puppeteer\'s cache or as the packaged Chromium');
  const ran = attempts.filter(({ outcome }) => outcome !== 'failed');
  const fix = options.path === undefined ? howToInstall(candidates.some(({ source }) => source === 'packaged')) : 'leave --browser out to try every other browser, or name a Chrome or Chromium 113 or newer';
  if (ran.length === 0) return new TilewireError('NO_BROWSER', 'no browser could be started', { lines, fix });
  if (ran.every(({ outcome }) => outcome === 'hung')) {
    return new TilewireError('ADAPTER_HUNG', 'requestAdapter never settled', { limit: `${PROBE_MS / 1000} s`, lines, fix: `update the GPU's driver, or ${fix}` });
  }
  return new TilewireError('NO_ADAPTER', 'no browser gave a WebGPU adapter', { lines, fix });
}

/** What to install, and how, on this platform; the packaged Chromium is no advice where it has been tried. */
function howToInstall(packagedTried: boolean): string {
  const elsewhere = 'or name a browser with --browser PATH';
  if (process.platform === 'darwin') return `install Google Chrome 113 or newer (\`brew install --cask google-chrome\`, or \`npx puppeteer browsers install chrome\`), ${elsewhere}`;
  if (process.platform === 'win32') return `install Google Chrome 113 or newer (\`winget install Google.Chrome\`, or \`npx puppeteer browsers install chrome\`), ${elsewhere}`;
  if (process.arch === 'x64' && !packagedTried) return `run \`npm install @sparticuz/chromium@143.0.4\` (needs no system package), or install Chrome or Chromium (Debian: \`apt-get install chromium\`), ${elsewhere}`;
  return `install Chromium (Debian: \`apt-get install chromium\`; Fedora: \`dnf install chromium\`), ${elsewhere}`;
}
