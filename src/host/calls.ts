// Calls into another process, a browser's page or a child that holds one, which may die, hang or fail outside the awaited call.
// Whichever it was, the awaited call fails with it, and errors that crossed as records are the TilewireErrors that they were.
import { TilewireError, bug } from '../errors.ts';
import type { Outcome, Progress } from '../page/api.ts';
import type { Bytes } from './server.ts';

export interface Watch {
  /** Makes everything that is raced now or later fail. */
  fail(error: TilewireError): void;
  race<T>(work: Promise<T>): Promise<T>;
}

/** Turns what goes wrong outside the awaited calls into a failure of the call that is awaited. */
export function newWatch(): Watch {
  let failed: TilewireError | null = null;
  let reject: (error: TilewireError) => void = () => {};
  return {
    fail(error) {
      failed ??= error;
      reject(failed);
    },
    async race(work) {
      // The loser of the race is rejected as well when the other process goes; its reason is not the news.
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
}

export interface Deadline {
  readonly passed: Promise<never>;
  restart(): void;
  stop(): void;
}

export function deadline(ms: number, error: () => TilewireError, giveUp: () => void): Deadline {
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
export async function call<T>(watch: Watch, work: Promise<Outcome<T>>, limit: Deadline): Promise<T> {
  try {
    const outcome = await Promise.race([limit.passed, watch.race(work)]);
    if (!outcome.ok) throw TilewireError.fromRecord(outcome.error);
    return outcome.value;
  } catch (error) {
    if (error instanceof TilewireError) throw error;
    throw bug('a call into the page failed', { lines: linesOf(error) });
  } finally {
    limit.stop();
  }
}

export interface WatchedCalls {
  /** To be told of each line of progress. */
  heard(progress: Progress): void;
  /** A call of the page's API that may take long: given up when nothing is heard of it for the timeout. */
  call<T>(work: () => Promise<Outcome<T>>, onProgress: (progress: Progress) => void): Promise<T>;
}

/** @param seconds without progress after which a call is given up, and `giveUp` called; 600 unless told */
export function watchedCalls(watch: Watch, seconds: number | undefined, giveUp: () => void): WatchedCalls {
  const timeoutMs = (seconds ?? 600) * 1000;
  let heard: (progress: Progress) => void = () => {};
  return {
    heard: (progress) => heard(progress),
    async call(work, onProgress) {
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
        giveUp,
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
    },
  };
}

export interface KeptErrors {
  /** Bytes whose maker's error is kept. */
  keeping(bytes: Bytes): Bytes;
  /** Fails with what a maker threw during the work, where one did: the page only sees that a request failed. */
  during<T>(work: () => Promise<T>): Promise<T>;
}

export function keptErrors(): KeptErrors {
  let unmade: TilewireError | null = null;
  return {
    keeping: (bytes) =>
      typeof bytes !== 'function'
        ? bytes
        : () => {
            try {
              return bytes();
            } catch (error) {
              unmade ??= error instanceof TilewireError ? error : bug('bytes for the page could not be made', { lines: linesOf(error) });
              throw error;
            }
          },
    async during(work) {
      unmade = null;
      const value = await work().catch((error: unknown) => {
        throw unmade ?? error;
      });
      if (unmade !== null) throw unmade;
      return value;
    },
  };
}

function linesOf(error: unknown): string[] {
  return (error instanceof Error ? (error.stack ?? error.message) : String(error)).split('\n');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
