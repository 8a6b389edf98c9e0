// What a child process that holds a page and the process that started it say to each other, and the child's end of it. Calls are
// answered by outcomes, whatever happens in between; the child ends when nobody listens any more.
import { bug, TilewireError } from '../errors.ts';
import type { Outcome, PageApi, Progress } from '../page/api.ts';

export interface Call {
  readonly id: number;
  /** Of the page's API. */
  readonly method: string;
  readonly args: readonly unknown[];
}

export type Word =
  | { readonly kind: 'outcome'; readonly id: number; readonly outcome: Outcome<unknown> }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'complaint'; readonly type: 'warn' | 'error'; readonly text: string }
  | { readonly kind: 'uncaught'; readonly stack: string };

export function tell(word: Word): void {
  // A host that is gone is the business of 'disconnect'.
  process.send?.(word, undefined, undefined, () => {});
}

/** Answers calls of the page's API for as long as the host listens; before the first one, `prepare` makes the page's surroundings. */
export function servePage(page: PageApi, prepare: () => Promise<void>): void {
  let prepared: Promise<void> | undefined;
  const answer = async ({ method, args }: Call): Promise<Outcome<unknown>> => {
    try {
      await (prepared ??= prepare());
      const found = (page as unknown as Record<string, unknown>)[method];
      if (typeof found !== 'function') throw bug(`the page has no ${method}`);
      return (await found.apply(page, args)) as Outcome<unknown>;
    } catch (error) {
      const known = error instanceof TilewireError ? error : bug(stackOf(error));
      return { ok: false, error: known.toRecord() };
    }
  };
  process.on('message', async (call: Call) => tell({ kind: 'outcome', id: call.id, outcome: await answer(call) }));
  process.on('uncaughtException', (error) => tell({ kind: 'uncaught', stack: stackOf(error) }));
  for (const type of ['warn', 'error'] as const) console[type] = (...parts: unknown[]) => tell({ kind: 'complaint', type, text: parts.map(String).join(' ') });
  // At once: a driver's destructors are no reason to stay.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
