// Which browser is chosen, with browsers that only pretend: what each answers is decided by its name and flags.
import fs from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findBrowser } from '../../src/host/browser.ts';
import type { SearchOptions } from '../../src/host/browser.ts';
import { findCandidates } from '../../src/host/candidates.ts';
import { launchBrowser } from '../../src/host/launch.ts';
import type { LaunchOptions } from '../../src/host/launch.ts';

vi.mock('../../src/host/candidates.ts');
vi.mock('../../src/host/launch.ts');

type Behaviour = 'hardware' | 'software' | 'null' | 'hangs' | 'fails';
let ended: string[] = [];

/** `answers` gives the behaviour of a browser under hardware flags (the recipe, then plain) and under software flags. */
function machine(gpu: boolean, answers: Record<string, { recipe?: Behaviour; plain?: Behaviour; software?: Behaviour }>): void {
  const readdir = fs.readdirSync.bind(fs) as (...args: unknown[]) => unknown;
  vi.spyOn(process, 'platform', 'get').mockReturnValue('linux');
  vi.spyOn(fs, 'readdirSync').mockImplementation(((folder: string, ...rest: unknown[]) =>
    folder === '/dev/dri' ? (gpu ? ['card0', 'renderD128'] : []) : folder === '/dev' ? ['null'] : readdir(folder, ...rest)) as typeof fs.readdirSync);
  vi.mocked(findCandidates).mockReturnValue(
    Object.keys(answers).map((label) => ({ source: 'installed', label, prepare: async () => ({ executable: label, env: {} }) })),
  );
  vi.mocked(launchBrowser).mockImplementation(async ({ executable, flags }: LaunchOptions) => {
    const kind = flags.includes('--use-webgpu-adapter=swiftshader') ? 'software' : flags.includes('--use-angle=vulkan') ? 'recipe' : 'plain';
    const behaviour = answers[executable]![kind] ?? 'null';
    if (behaviour === 'fails') throw new Error('Failed to launch\nerror while loading shared libraries: libx.so');
    const evaluate = () => {
      if (behaviour === 'hangs') return new Promise(() => {});
      return Promise.resolve(behaviour === 'null' ? { problem: 'requestAdapter gave null' } : { adapter: behaviour, isFallback: behaviour === 'software' });
    };
    const page = { goto: async () => null, evaluate, close: async () => {} };
    return {
      browser: { newPage: async () => page },
      unsandboxed: null,
      stderrTail: () => [],
      kill: () => void ended.push(`killed ${executable} ${kind}`),
      close: async () => void ended.push(`closed ${executable} ${kind}`),
    } as unknown as Awaited<ReturnType<typeof launchBrowser>>;
  });
}

beforeEach(() => {
  ended = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Runs the search, letting every timeout pass. */
async function search(options: Partial<SearchOptions> = {}) {
  const found = findBrowser({ probeUrl: 'http://127.0.0.1/probe', ...options }).catch((error: unknown) => error as { code: string; message: string });
  await vi.advanceTimersByTimeAsync(300_000);
  return found;
}

const outcomes = (found: Awaited<ReturnType<typeof search>>) => ('attempts' in found ? found.attempts.map(({ browser, outcome }) => `${browser} ${outcome}`) : []);

test('without a GPU only software flags are tried, and the first adapter is taken', async () => {
  machine(false, { a: { recipe: 'hangs', software: 'null' }, b: { software: 'software' }, c: { software: 'software' } });
  const found = await search();
  expect(outcomes(found)).toEqual(['a no adapter', 'b software']);
  expect(ended).toEqual(['closed a software']);
});

test('hardware wins over a software adapter that was found before, which is closed; what hangs is killed', async () => {
  machine(true, { a: { recipe: 'hangs', plain: 'software' }, b: { recipe: 'hardware' } });
  const found = await search();
  expect(outcomes(found)).toEqual(['a hung', 'a software', 'b hardware']);
  expect(found).toMatchObject({ attempt: { browser: 'b', outcome: 'hardware' } });
  expect(ended).toEqual(['killed a recipe', 'closed a plain']);
});

test('a software adapter is taken when no candidate gives hardware', async () => {
  machine(true, { a: { recipe: 'null', plain: 'null', software: 'fails' }, b: { recipe: 'hangs', plain: 'fails', software: 'software' } });
  const found = await search();
  expect(outcomes(found)).toEqual(['a no adapter', 'a no adapter', 'b hung', 'b failed', 'a failed', 'b software']);
});

test('--require-hardware takes no software, and without a GPU starts nothing', async () => {
  machine(true, { a: { recipe: 'software', plain: 'null', software: 'software' } });
  expect(await search({ requireHardware: true })).toMatchObject({ code: 'NOT_HARDWARE', message: expect.stringContaining('/dev/dri/renderD128') });
  expect(ended).toEqual(['closed a recipe', 'closed a plain']);
  machine(false, { a: { software: 'software' } });
  vi.mocked(launchBrowser).mockClear();
  expect(await search({ requireHardware: true })).toMatchObject({ code: 'NOT_HARDWARE', message: expect.stringContaining('no GPU is visible') });
  expect(launchBrowser).not.toHaveBeenCalled();
});

test('when nothing helps, the error says why, what was tried and what to install', async () => {
  machine(false, {});
  expect(await search()).toMatchObject({ code: 'NO_BROWSER', message: expect.stringMatching(/tried nothing[\s\S]*fix: .*install/) });
  machine(false, { a: { software: 'fails' } });
  expect(await search()).toMatchObject({ code: 'NO_BROWSER', message: expect.stringContaining('libx.so') });
  machine(false, { a: { software: 'hangs' }, b: { software: 'fails' } });
  expect(await search()).toMatchObject({ code: 'ADAPTER_HUNG' });
  machine(false, { a: { software: 'hangs' }, b: { software: 'null' } });
  expect(await search()).toMatchObject({ code: 'NO_ADAPTER', message: expect.stringMatching(/tried installed: a .*hung[\s\S]*tried installed: b .*no adapter/) });
});
