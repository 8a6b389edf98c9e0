import { expect, test, vi } from 'vitest';
import { progressLine } from '../../src/cli/progress.ts';

function stream(isTTY: boolean) {
  const written: string[] = [];
  return { written, isTTY, columns: 40, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream & { written: string[] };
}

test('on a terminal one line is rewritten, cut to its width, and cleared before anything else', () => {
  const out = stream(true);
  const line = progressLine(out);
  line.show({ step: 'fused', done: 1, total: 9 });
  line.show({ step: 'a'.repeat(60), done: 2, total: 9 });
  line.say('a word');
  line.clear();
  expect(out.written).toEqual(['\r\u001B[Kfused 1/9', `\r\u001B[K${'a'.repeat(39)}`, '\r\u001B[K', 'tilewire: a word\n']);
});

test('a step that is no count is a share', () => {
  const out = stream(false);
  progressLine(out).show({ step: 'wait', done: 1 / 3, total: 1 });
  expect(out.written).toEqual(['tilewire: wait 33 %\n']);
});

test('elsewhere a line is written when the step changes, and every ten seconds', () => {
  vi.useFakeTimers();
  const out = stream(false);
  const line = progressLine(out);
  for (let second = 0; second < 25; second++) {
    line.show({ step: second < 5 ? 'one' : 'two', done: second, total: 25 }, second < 15 ? '' : `, ${25 - second} s left`);
    vi.advanceTimersByTime(1000);
  }
  vi.useRealTimers();
  expect(out.written).toEqual(['tilewire: one 0/25\n', 'tilewire: two 5/25\n', 'tilewire: two 15/25, 10 s left\n']);
});
