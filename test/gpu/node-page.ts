// The page of the GPU tests in a child process of Node: the hooks of page.ts, and functions of a test, which come as text.
import type { Outcome } from '../../src/page/api.ts';
import { provideWebGpu } from '../../src/host/dawn.ts';
import { servePage, tell } from '../../src/host/node-channel.ts';

// What page.ts and the tests' functions take for granted: it must be there before page.ts is loaded.
Object.assign(globalThis, { window: globalThis });
window.tilewireProgress = (progress) => tell({ kind: 'progress', progress });
await import('./page.ts');

async function evaluate(text: string, args: readonly unknown[]): Promise<Outcome<unknown>> {
  // eslint-disable-next-line no-eval -- it is the test's own text, as a browser's driver evaluates it too
  const body = (0, eval)(`(${text})`) as (...args: readonly unknown[]) => unknown;
  return { ok: true, value: await body(...args) };
}

servePage(Object.assign(window.tilewire, { evaluate }), provideWebGpu);
