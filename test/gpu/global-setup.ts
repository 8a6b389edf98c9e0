// Opens one browser session for all GPU tests and tells them how to connect to it. Without an adapter they
// are skipped and say so, or fail with REQUIRE_GPU=1 (page-client.ts). What was found also goes to a small
// file, from which the reporter says on which adapter the GPU tests ran.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { TilewireError } from '../../src/errors.ts';
import { openSession } from '../../src/host/session.ts';
import type { Session } from '../../src/host/session.ts';

/** How a GPU test reaches the page, or why it cannot. */
export type GpuProvision = { readonly browserWSEndpoint: string; readonly url: string; readonly adapter: string } | { readonly missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    gpu: GpuProvision;
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const GPU_FILE = `${root}/node_modules/.tilewire-gpu.json`;

/** An adapter that is not there is a reason to skip; everything else is a failure. */
const NO_GPU = new Set(['NO_BROWSER', 'NO_ADAPTER', 'ADAPTER_HUNG', 'NOT_HARDWARE']);

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
    const session = await openSession({ pageFile, port: true, say: (line) => console.error(`tilewire: ${line}`) });
    const { vendor, architecture, description, isFallback } = session.environment.adapter;
    const name = [vendor, architecture, description].filter(Boolean).join(' ');
    return { session, provision: { browserWSEndpoint: session.browserWSEndpoint, url: session.url, adapter: `${name}${isFallback ? ' (software fallback)' : ''} in ${session.environment.browser}` } };
  } catch (error) {
    if (!(error instanceof TilewireError) || !NO_GPU.has(error.code)) throw error;
    console.error(error.message);
    return { session: null, provision: { missing: `no adapter (asked for any WebGPU adapter, got ${error.what} [${error.code}])` } };
  }
}
