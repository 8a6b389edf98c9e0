#!/usr/bin/env node
// `npm run test:full`, once the long run of the fuzzer is over: the full grid (grid.ts), one case after another in one browser.
// Each result is written to a file as it comes, so that the next run goes on where this one ended, however it ended.
// Exit status 1 when any case is wrong.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { addBrowserFlags, parseInteger, parseSeconds } from '../../src/cli/flags.ts';
import { progressLine } from '../../src/cli/progress.ts';
import { EXIT_OF, TilewireError } from '../../src/errors.ts';
import { openSession, type Session } from '../../src/host/session.ts';
import { resolveDraft } from '../../src/spec/resolve.ts';
import { formatMs } from '../../src/units.ts';
import { fullGrid, sampleOf, TIMES, type FullCase } from './grid.ts';
import { adapterName, casesLeft, complaintsOf, resultsIn, tableOf, type Result } from './results.ts';

const pageFile = fileURLToPath(new URL('./page.js', import.meta.url));
const thisFile = fileURLToPath(import.meta.url);
/** What the fuzzer has left, where it ran (fuzz.config.ts). */
const fuzzFile = fileURLToPath(new URL('./full-fuzz.txt', import.meta.url));
const MEMORY_LIMIT = 2 ** 30;
/** Cases in a row of which nothing came back: then it is the machine, and no case. */
const MOST_LOST = 3;
/** Cases after which the browser is started anew: what a page has compiled stays in memory, some 1.5 MB a case. */
const CASES_OF_A_BROWSER = 1000;

interface Flags {
  readonly only?: RegExp;
  readonly sample?: number;
  readonly seed: number;
  readonly results: string;
  readonly times: number;
  readonly timeout: number;
  readonly browser?: string;
  readonly requireHardware?: boolean;
}

const count = (flag: string) => (text: string): number => {
  const value = parseInteger(text, flag);
  if (value < 1) throw new TilewireError('BAD_FLAG', 'not a number of at least 1', { path: flag, actual: text, fix: `write e.g. ${flag} 60` });
  return value;
};

function regex(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new TilewireError('BAD_FLAG', 'not a regular expression', { path: '--only', actual: text, limit: (error as Error).message, fix: "write e.g. --only 'devices 64 .*--algorithm ring'" });
  }
}

const flags = addBrowserFlags(new Command('test:full'))
  .description('The fused run over the whole grid: every combination of devices, shape, chunking, algorithm and kernel, with everything else dealt out evenly.')
  .option('--only <REGEX>', "cases whose flags match, e.g. 'devices 64 .*--algorithm ring'", regex)
  .option('--sample <N>', 'a random part of them', count('--sample'))
  .option('--seed <NUMBER>', 'of the random part', (text) => parseInteger(text, '--seed'), 1)
  .option('--times <N>', 'how often each combination with a built-in kernel occurs, each time with another tile, granularity, skew, lag, tracker and operands', count('--times'), TIMES)
  .option('--results <FILE>', 'one line a result; what passed there, by this build on this adapter, is not run again. The table is written beside it', path.join(path.dirname(pageFile), 'full-grid.jsonl'))
  .option('--timeout <SECONDS>', 'give a case up after this time without progress', (text) => parseSeconds(text, '--timeout'), 120);

async function main({ only, sample, seed, results: file, times, ...sessionFlags }: Flags): Promise<number> {
  const grid = fullGrid(times);
  const matching = only === undefined ? grid : grid.filter((each) => only.test(each.flags));
  const cases = sample === undefined ? matching : sampleOf(matching, sample, seed);
  if (cases.length === 0) throw new TilewireError('BAD_FLAG', 'no case matches', { path: '--only', actual: String(only), fix: 'the flags of a case look like this: ' + grid[0].flags });

  const progress = progressLine();
  const open = (): Promise<Session> => openSession({ pageFile, say: (line) => progress.say(line), ...sessionFlags });
  const build = [pageFile, thisFile].reduce((hash, each) => hash.update(fs.readFileSync(each)), createHash('sha256')).digest('hex').slice(0, 16);
  let session = await open();
  try {
    const adapter = adapterName(session.environment);
    const results = resultsIn(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '', build, adapter);
    const left = casesLeft(cases, results);
    const chosen = `${cases.length} of the grid's ${grid.length} cases`;
    progress.say(`${adapter}\ntilewire: ${chosen}, ${cases.length - left.length} of them passed before (build ${build}); results in ${file}`);
    process.on('SIGINT', () => interrupted(file)).on('SIGTERM', () => interrupted(file));

    fs.mkdirSync(path.dirname(file), { recursive: true });
    const started = performance.now();
    let failed = 0;
    let lost = 0;
    for (const [at, each] of left.entries()) {
      const eta = at === 0 ? '' : `, ${Math.ceil(((performance.now() - started) / at / 60_000) * (left.length - at))} min left`;
      progress.show({ step: `full grid${failed > 0 ? `, ${failed} FAILED` : ''}`, done: at, total: left.length }, `${eta}: ${each.flags}`);
      const from = performance.now();
      const { complaints, error } = await judge(session, each);
      const result: Result = { build, adapter, flags: each.flags, complaints, ms: Math.round(performance.now() - from) };
      results.set(each.flags, result);
      // A line torn by an interrupted run must not take this one with it.
      fs.appendFileSync(file, `${at === 0 ? '\n' : ''}${JSON.stringify(result)}\n`);
      if (complaints.length > 0) {
        failed++;
        progress.say(`FAILED: ${each.flags}\n  ${complaints.join('\n  ')}`);
      }
      lost = error === undefined ? 0 : lost + 1;
      if (lost === MOST_LOST) throw error;
      if (error !== undefined || (at + 1) % CASES_OF_A_BROWSER === 0) {
        await session.close();
        session = await open();
      }
    }
    progress.clear();
    const text = `${adapter}\nbuild ${build}, ${chosen}; ${left.length} run now in ${formatMs(performance.now() - started)}\n\n${tableOf(cases, results)}\n${fs.existsSync(fuzzFile) ? `\n${fs.readFileSync(fuzzFile, 'utf8')}` : ''}`;
    fs.writeFileSync(`${file.replace(/\.jsonl$/, '')}.txt`, text);
    process.stdout.write(text);
    return cases.some(({ flags }) => results.get(flags)!.complaints.length > 0) ? 1 : 0;
  } finally {
    progress.clear();
    await session.close();
  }
}

/** What is wrong with one case; `error` when it gave no report at all. */
async function judge(session: Session, { request, baseline }: FullCase): Promise<{ complaints: string[]; error?: TilewireError }> {
  try {
    const { report } = await session.run({ spec: await resolveDraft(request), baseline, memoryLimit: MEMORY_LIMIT });
    return { complaints: complaintsOf(report, baseline) };
  } catch (error) {
    if (!(error instanceof TilewireError)) throw error;
    return { complaints: [error.message], error };
  }
}

function interrupted(file: string): never {
  process.stderr.write(`\ntilewire: interrupted; the same command goes on from ${file}\n`);
  process.exit(EXIT_OF.INTERRUPTED);
}

try {
  process.exitCode = await main(flags.parse().opts<Flags>());
} catch (error) {
  if (!(error instanceof TilewireError)) throw error;
  process.stderr.write(`tilewire: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
