// Opens one session for all GPU tests and tells them how to come to a page of their own: connected to its browser, or, with
// TILEWIRE_BACKEND=node, in a child process like the session's. Without an adapter they
// are skipped and say so, or fail with REQUIRE_GPU=1 (page-client.ts). What was found also goes to a small
// file, from which the reporter says on which adapter the GPU tests ran.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { TilewireError } from '../../src/errors.ts';
import { openNodeSession } from '../../src/host/node-session.ts';
import { openSession } from '../../src/host/session.ts';
import type { Session } from '../../src/host/session.ts';
import type { Backend } from '../../src/verify/run-report.ts';

/** How a GPU test reaches the page, or why it cannot. */
export type GpuProvision =
  | { readonly backend: 'chrome'; readonly browserWSEndpoint: string; readonly url: string; readonly adapter: string }
  | { readonly backend: 'node'; readonly file: string; readonly env: Readonly<Record<string, string>>; readonly adapter: string }
  | { readonly missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    gpu: GpuProvision;
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const GPU_FILE = `${root}/node_modules/.tilewire-gpu.json`;

/** On which the GPU tests run. */
const backend: Backend = process.env['TILEWIRE_BACKEND'] === 'node' ? 'node' : 'chrome';

/** An adapter that is not there is a reason to skip; everything else is a failure. */
const NO_GPU = new Set(['NO_BROWSER', 'NO_BACKEND', 'NO_ADAPTER', 'ADAPTER_HUNG', 'NOT_HARDWARE']);

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  fs.rmSync(GPU_FILE, { force: true });
  const { session, provision } = await open();
  fs.writeFileSync(GPU_FILE, JSON.stringify(provision));
  project.provide('gpu', provision);
  return session === null ? undefined : () => session.close();
}

async function open(): Promise<{ session: Session | null; provision: GpuProvision }> {
  const [pageFile] = ['dist/test-page.js', 'dist/page.js'].map((name) => `${root}/${name}`).filter((file) => fs.existsSync(file));
  if (pageFile === undefined) throw new Error('dist/ has no page bundle: run `npm test`, or `node src/host/setup.mjs` first');
  try {
    const say = (line: string): void => console.error(`tilewire: ${line}`);
    if (backend === 'node') {
      const session = await openNodeSession({ pageFile, say });
      return { session, provision: { backend, file: session.file, env: session.env, adapter: adapterName(session) } };
    }
    const session = await openSession({ pageFile, port: true, say });
    return { session, provision: { backend, browserWSEndpoint: session.browserWSEndpoint, url: session.url, adapter: adapterName(session) } };
  } catch (error) {
    if (!(error instanceof TilewireError) || !NO_GPU.has(error.code)) throw error;
    console.error(error.message);
    return { session: null, provision: { missing: `no adapter (asked for any WebGPU adapter, got ${error.what} [${error.code}])` } };
  }
}

function adapterName({ environment: { adapter, browser } }: Session): string {
  const name = [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(' ');
  return `${name}${adapter.isFallback ? ' (software fallback)' : ''} in ${browser}`;
}
