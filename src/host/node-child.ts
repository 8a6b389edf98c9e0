// Starting the child process that holds a page, and ending it. It leads a process group of its own, so that a Ctrl-C is this process's
// to handle, and it ends with this one however that ends: by an exit handler, or because it notices that its channel is closed.
import { fork } from 'node:child_process';
import { TilewireError, bug } from '../errors.ts';
import type { Outcome, Progress } from '../page/api.ts';
import { newWatch } from './calls.ts';
import type { Watch } from './calls.ts';
import type { Call, Word } from './node-channel.ts';

const STDERR_LINES = 20;

export interface ChildOptions {
  /** The bundle that it runs. */
  readonly file: string;
  /** Added to this process's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly heard: (progress: Progress) => void;
  /** What the page writes to its console as warnings and errors. */
  readonly say: (line: string) => void;
}

export interface NodeChild {
  readonly pid: number | undefined;
  /** Fails when the child dies, or when something is uncaught in it. */
  readonly watch: Watch;
  /** May never settle when the child dies: race it with the watch. */
  call<T>(method: string, ...args: readonly unknown[]): Promise<Outcome<T>>;
  /** The last lines that it wrote, its driver's among them. */
  stderrTail(): string[];
  /** At once; its end is no failure then. */
  kill(): void;
  /** Settles when the process is gone. */
  readonly gone: Promise<void>;
}

const alive = new Set<() => void>();
process.on('exit', () => {
  for (const kill of alive) kill();
});

export function startChild({ file, env, heard, say }: ChildOptions): NodeChild {
  const child = fork(file, [], {
    env: { ...process.env, ...env },
    // None of this process's own: two that listen for one debugger are one too many.
    execArgv: [],
    serialization: 'advanced',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const watch = newWatch();
  const calls = new Map<number, (outcome: Outcome<never>) => void>();
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data: Buffer) => {
      tail.push(...data.toString().split('\n').filter(Boolean));
      tail.splice(0, Math.max(0, tail.length - STDERR_LINES));
    });
  child.on('message', (word: Word) => {
    if (word.kind === 'progress') heard(word.progress);
    else if (word.kind === 'complaint') say(`page ${word.type}: ${word.text}`);
    else if (word.kind === 'uncaught') watch.fail(bug('uncaught error in the page', { lines: word.stack.split('\n') }));
    else {
      calls.get(word.id)?.(word.outcome as Outcome<never>);
      calls.delete(word.id);
    }
  });

  let killed = false;
  const kill = (): void => {
    killed = true;
    child.kill('SIGKILL');
  };
  alive.add(kill);
  const died = (how: string): void => {
    if (killed) return;
    watch.fail(
      new TilewireError('BACKEND_DIED', "the process of Node's WebGPU ended unexpectedly", {
        path: '--backend node',
        actual: how,
        lines: tail.map((line) => `its stderr: ${line}`),
        fix: 'use --backend chrome: a crash of the driver (SIGSEGV, SIGABRT) is not ours to mend. A machine out of memory (SIGKILL) needs a smaller shape',
      }),
    );
  };
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => died(error.message));
    // Not 'exit': only now all that it wrote is here.
    child.once('close', (code, signal) => {
      alive.delete(kill);
      died(signal === null ? `exit code ${code}` : `signal ${signal}`);
      resolve();
    });
  });

  let id = 0;
  return {
    pid: child.pid,
    watch,
    call: (method, ...args) =>
      new Promise((resolve) => {
        const call: Call = { id: id++, method, args };
        calls.set(call.id, resolve);
        // That it cannot be sent is told by the end of the child.
        child.send(call, () => {});
      }),
    stderrTail: () => [...tail],
    kill,
    gone,
  };
}
