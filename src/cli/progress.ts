// Progress of long steps on stderr: one line that is rewritten on a terminal, a line now and then elsewhere.
import type { Progress } from '../page/api.ts';

const SPARSE_MS = 10_000;

export interface ProgressLine {
  /** `note` is whatever else there is to say; it does not make a step another one. */
  show(progress: Progress, note?: string): void;
  /** A line of its own, which stays. */
  say(line: string): void;
  /** Takes the rewritten line away, before something else is printed. */
  clear(): void;
}

export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  let lastStep = '';
  let lastShown = 0;
  let dirty = false;
  const clear = () => {
    if (dirty) stream.write('\r\u001B[K');
    dirty = false;
  };
  return {
    clear,
    say(line) {
      clear();
      stream.write(`tilewire: ${line}\n`);
    },
    show({ step, done, total }, note = '') {
      // Some steps count what they have done, others know only the share of it.
      const text = `${Number.isInteger(done) ? `${step} ${done}/${total}` : `${step} ${Math.floor((100 * done) / total)} %`}${note}`;
      if (stream.isTTY) {
        stream.write(`\r\u001B[K${text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}`);
        dirty = true;
        return;
      }
      if (step === lastStep && Date.now() - lastShown < SPARSE_MS) return;
      lastStep = step;
      lastShown = Date.now();
      stream.write(`tilewire: ${text}\n`);
    },
  };
}
