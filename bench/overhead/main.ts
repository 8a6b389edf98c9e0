// `npm run bench:overhead [-- --only tracked|fused|scaling] [-- --json FILE]`: opens the browser as the product does, runs the parts of the
// benchmark in it, prints their table. Within nine minutes (or `--minutes N`, for a slower machine): what does not fit is said. Exit 1 where
// a control failed, a figure stands on too few pairs, or is missing.
import fs from 'node:fs';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { EXIT_OF, TilewireError } from '../../src/errors.ts';
import { openSession, type ChromeSession as Session } from '../../src/host/session.ts';
import type { Outcome } from '../../src/page/api.ts';
import { layerShape } from '../../src/spec/zoo.ts';
import type { BuiltIn } from './candidates.ts';
import type { FusedJob } from './paired.ts';
import type { FusedResult, ScalingRow, StagesRow, TrackedShapeResult } from './results.ts';
import { PAIRS, worstControl } from './statistics.ts';
import { jsonOf, tableOf } from './table.ts';

/** Nine, less what starting and ending take. */
const MINUTES = 8.75;
/** Where all three run, the shares of time by which each must be done. */
const SHARES = { tracked: 0.28, fused: 0.68, scaling: 1 };
const PARTS = ['tracked', 'fused', 'scaling'] as const;
type Part = (typeof PARTS)[number];

const T_NLG = 't-nlg-fc2-8';
/** The bars are about the last, and it goes first. */
const DEVICES = [64, 32, 16, 8, 2];
const AXES = ['columns', 'rows'] as const;
const SCALED = { m: 256, n: 4256, kTotal: 17_024 };
const STAGES = [1, 2, 8, 16];

const began = Date.now();
const say = (line: string): void => void process.stderr.write(`overhead ${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s: ${line}\n`);

interface Flags {
  readonly parts: readonly Part[];
  readonly json: string | undefined;
  readonly browser: string | undefined;
  readonly budgetMs: number;
}

function flagsOf(argv: readonly string[]): Flags {
  try {
    const { values: { only, json, browser, minutes = String(MINUTES) } } = parseArgs({ args: [...argv], options: { only: { type: 'string' }, json: { type: 'string' }, browser: { type: 'string' }, minutes: { type: 'string' } } });
    const parts = only === undefined ? PARTS : PARTS.filter((part) => part === only);
    if (parts.length === 0) throw new TilewireError('BAD_FLAG', 'no such part', { path: '--only', actual: only, limit: PARTS.join(' | '), fix: 'use one of them' });
    if (!(Number(minutes) > 0)) throw new TilewireError('BAD_FLAG', 'not a time', { path: '--minutes', actual: minutes, fix: 'give a number of minutes' });
    return { parts, json, browser, budgetMs: Number(minutes) * 60_000 };
  } catch (error) {
    if (error instanceof TilewireError) throw error;
    throw new TilewireError('BAD_FLAG', error instanceof Error ? error.message : String(error), { limit: '--only tracked|fused|scaling, --json FILE, --minutes N, --browser PATH', fix: 'use these' });
  }
}

/** What a call into the page finds, given up at the end of all time: what plans its own time may have planned on a machine that got busy. */
async function value<T>(work: Promise<Outcome<T>>, end: number): Promise<T> {
  work.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TilewireError('TIMEOUT', 'given up half-way', { limit: 'the time that there was', fix: 'the adapter is slow or busy: give --minutes N, or --only PART' })), end - Date.now());
  });
  try {
    const outcome = await Promise.race([late, work]);
    if (!outcome.ok) throw TilewireError.fromRecord(outcome.error);
    return outcome.value;
  } finally {
    clearTimeout(timer);
  }
}

/** The part's result, or null where it did not fit into the time. */
async function within<T>(name: string, missing: string[], work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TilewireError) || error.code !== 'TIMEOUT') throw error;
    const { actual, limit, fix } = error.fields;
    missing.push(`${name}: ${error.what}${actual === undefined ? '' : ` (${String(actual)} needed, ${String(limit)} left)`}: ${String(fix)}`);
    return null;
  }
}

async function tracked({ page }: Session, deadline: number, end: number, alone: boolean, missing: string[]): Promise<TrackedShapeResult[]> {
  const { m, n, k, devices } = layerShape('t-nlg', 'fc2', 8, 256);
  const shapes = [
    { name: '1024x1024x1024', shape: { m: 1024, n: 1024, k: 1024 }, axis: 'rows' as const, devices },
    { name: T_NLG, shape: { m, n, k }, axis: 'columns' as const, devices },
  ];
  const results: TrackedShapeResult[] = [];
  for (const [at, shape] of shapes.entries()) {
    // A compilation takes ten times as long as its pairs: with little time, fewer of them and more pairs.
    const job = { ...shape, pairs: alone ? 16 : 34, storeDevices: alone ? 6 : 2, fewPairs: alone ? 60 : 24, deadline: Date.now() + (deadline - Date.now()) / (shapes.length - at) };
    const result = await within(`tracked over plain, ${shape.name}`, missing, () => value(page.evaluate((of) => window.tilewireOverhead.tracked(of), job), end));
    if (result !== null) results.push(result);
  }
  return results;
}

async function fused({ page }: Session, deadline: number, end: number, missing: string[]): Promise<FusedResult | null> {
  const { m, n, k, devices, name } = layerShape('t-nlg', 'fc2', 8, 256);
  const job = { name: `${name}, ${m} tokens`, m, n, k, devices, chunk: 'columns' as const, triggerTiles: 8, pairs: PAIRS, wholeRuns: 5, deadline, checkTokens: 2048 };
  return within('fused over plain parts', missing, () => value(page.evaluate((of) => window.tilewireOverhead.fused(of), job), end));
}

async function scaling({ page }: Session, deadline: number, missing: string[]): Promise<{ rows: ScalingRow[]; stages: StagesRow[] }> {
  const { m, n, kTotal } = SCALED;
  const jobOf = (devices: number, chunk: (typeof AXES)[number]): FusedJob => ({ m, n, k: kTotal / devices, devices, chunk, triggerTiles: 8 });
  const rows: ScalingRow[] = [];
  const stages: StagesRow[] = [];
  const rankUntil = Date.now() + 0.1 * (deadline - Date.now());
  const plain: readonly BuiltIn[] = (await within('scaling', missing, () => value(page.evaluate((job, until) => window.tilewireOverhead.rank(job, until), jobOf(8, 'columns'), rankUntil), deadline))) ?? [];
  const wanted = DEVICES.flatMap((devices) => AXES.map((chunk) => ({ devices, chunk })));
  // What remains is shared out, more to those that a bar is about.
  const weightOf = ({ devices }: { devices: number }): number => (devices === DEVICES[0] ? 5 : 1);
  const reserve = 0.13 * (deadline - Date.now());
  for (const [at, row] of wanted.entries()) {
    if (plain.length === 0 || Date.now() > deadline) break;
    const rest = wanted.slice(at).reduce((sum, one) => sum + weightOf(one), 0);
    const budget = ((deadline - reserve - Date.now()) * weightOf(row)) / rest;
    // What is fastest at one number of devices is so at the others.
    const choices = plain.slice(0, row.devices === DEVICES[0] ? 3 : 2);
    const job = { ...jobOf(row.devices, row.chunk), pairs: row.devices === DEVICES[0] ? PAIRS : 1, draws: row.devices === DEVICES[0] ? 30 : 1, deadline: Date.now() + budget, hardDeadline: deadline, candidates: row.devices === DEVICES[0] ? 5 : 1, looks: row.devices === DEVICES[0] ? 2 : 1 };
    const result = await within(`${row.devices} devices, chunks by ${row.chunk}`, missing, () => value(page.evaluate((of, plainOnes) => window.tilewireOverhead.scaling(of, plainOnes), job, choices), deadline));
    if (result !== null) rows.push(result);
  }
  for (const count of plain.length === 0 ? [] : STAGES) {
    // A few steps of one run, and their plain parts.
    if (Date.now() + (rows[0]?.wholeMs ?? Infinity) > deadline) break;
    const result = await within(`${count} stages per step`, missing, () => value(page.evaluate((of, choice, perStep) => window.tilewireOverhead.stages(of, choice, perStep), jobOf(8, 'columns'), plain[0], count), deadline));
    if (result !== null) stages.push(result);
  }
  if (stages.length < STAGES.length) missing.push(`${STAGES.length - stages.length} of ${STAGES.length} numbers of stages per step: no time left`);
  return { rows: rows.toSorted((one, other) => one.devices - other.devices), stages };
}

async function main(): Promise<number> {
  const { parts, json, browser, budgetMs } = flagsOf(process.argv.slice(2));
  const pageFile = process.env['TILEWIRE_OVERHEAD_PAGE'];
  if (pageFile === undefined) throw new TilewireError('BUG', 'start this by `npm run bench:overhead`');
  const session = await openSession({ pageFile, browser, say });
  try {
    const { environment } = session;
    const { vendor, architecture, description, isFallback, isSerial } = environment.adapter;
    const [cpu] = os.cpus();
    say(`${[vendor, architecture, description].filter(Boolean).join(' ')}${isFallback ? ' (software fallback)' : ''}${isSerial ? ', serial' : ''} in ${environment.browser}, on ${os.cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}, load ${os.loadavg()[0].toFixed(2)}`);
    await session.page.exposeFunction('overheadSay', say);
    const alone = parts.length === 1;
    const deadlineOf = (part: Part): number => began + (alone ? 1 : SHARES[part]) * budgetMs;
    say(alone ? `${parts[0]}: up to ${(budgetMs / 1000).toFixed(0)} s` : `up to ${(budgetMs / 1000).toFixed(0)} s: ${parts.map((part) => `${part} until ${((deadlineOf(part) - began) / 1000).toFixed(0)} s`).join(', ')}; each has all of it with --only`);
    const missing: string[] = [];
    const end = began + budgetMs;
    const trackedResults = parts.includes('tracked') ? await tracked(session, deadlineOf('tracked'), end, alone, missing) : null;
    const fusedResult = parts.includes('fused') ? await fused(session, deadlineOf('fused'), end, missing) : null;
    const scaled = parts.includes('scaling') ? await scaling(session, deadlineOf('scaling'), missing) : null;
    const results = { tracked: trackedResults, fused: fusedResult, scaling: scaled?.rows ?? null, stages: scaled?.stages ?? [], missing };
    // Of the rows of scaling, those with as many pairs as a control needs.
    const controls = [...(trackedResults ?? []), ...(fusedResult?.modes ?? []), ...(scaled?.rows.filter(({ pairs }) => pairs >= PAIRS) ?? [])].map(({ control }) => control);
    const control = worstControl(controls);
    process.stdout.write(`${tableOf(results).join('\n')}\n`);
    process.stdout.write(`control, the worst of ${controls.length}: ${control === null ? 'none' : `${control.median.toFixed(4)}${control.failed ? ', failed' : ''}`}; ${((Date.now() - began) / 1000).toFixed(0)} s on a machine whose load was ${os.loadavg()[1].toFixed(2)} of ${os.cpus().length} cores\n`);
    if (json !== undefined) fs.writeFileSync(json, `${JSON.stringify(jsonOf(environment, control, results), null, 2)}\n`);
    const tooFew = [...(trackedResults ?? []).map(({ ratio }) => ratio), ...(fusedResult?.modes ?? []).map(({ units }) => units)].some(({ pairs }) => pairs < PAIRS);
    if (tooFew) process.stdout.write(`failed: a figure stands on fewer than ${PAIRS} pairs, this adapter is too slow for the time\n`);
    return control?.failed === true || tooFew || missing.length > 0 ? 1 : 0;
  } finally {
    await session.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof TilewireError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = EXIT_OF[error.code];
}
