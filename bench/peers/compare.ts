// The driver of the comparison: opens the browser as the product does, then goes through the shapes. Of each it prepares
// every peer, runs it by itself once (checked), and lets those that are not too slow run in rounds, A B A B, each slice
// timed to its completion and checked. A peer that cannot be loaded, fails or is wrong stays in the result and says why.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { openSession, type ChromeSession as Session } from '../../src/host/session.ts';
import type { GemmShape } from '../../src/spec/spec.ts';
import type { Environment } from '../../src/verify/run-report.ts';
import type { Sample } from './page.ts';
import { OURS } from './peer.ts';
import { CALIBRATION, FEWEST_ROUNDS, flopsOf, GIVEN_UP_MS, isLong, MOST_OF_SHARE, MOST_ROUNDS, PLANNED_MS, rateOf, RESERVE_MS, shareOf, SHORT_MS, timesOf, TOO_SLOW, WORTH_CALIBRATING } from './schedule.ts';

const WASM = 'node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm';

export interface CompareOptions {
  /** Folder of the checkout, its bundles built. */
  readonly root: string;
  readonly shapes: readonly GemmShape[];
  readonly browser?: string | undefined;
  readonly requireHardware?: boolean | undefined;
  /** Whose results are spoiled by one element before they are checked, to see that told. */
  readonly corrupt?: (name: string, shape: GemmShape) => boolean;
  readonly plannedMs?: number;
  readonly givenUpMs?: number;
  readonly sliceMs?: number;
  readonly say?: (line: string) => void;
  /** Called with each shape as it is done. */
  readonly onShape?: (result: ShapeResult, environment: Environment) => void;
}

/** Of one peer at one shape. */
export interface PeerResult {
  readonly name: string;
  /** What it chose for the shape. */
  readonly detail: string;
  /** Milliseconds of one GEMM, by round; a single one where it got no rounds, none where it never came to an end. */
  readonly times: readonly number[];
  /** Why it is not verified; null where every result was right. */
  readonly problem: string | null;
}

export interface ShapeResult extends GemmShape {
  readonly results: readonly PeerResult[];
  readonly rounds: number;
  readonly budgetMs: number;
  readonly spentMs: number;
}

export interface Comparison {
  readonly environment: Environment;
  readonly shapes: readonly ShapeResult[];
}

/** A peer while its shape is measured. */
interface Entry {
  readonly name: string;
  detail: string;
  /** Least time of one GEMM so far, ms. */
  least: number | null;
  times: number[];
  problem: string | null;
}

/** Slower than a tenth of the best; the fastest peer races whatever it is, since ours is compared with it. */
function tooSlow({ least }: Entry, entries: readonly Entry[]): boolean {
  return least! > TOO_SLOW * leastOf(entries) && least! > fastestPeer(entries);
}

const leastOf = (entries: readonly Entry[]): number => Math.min(...entries.filter(({ problem }) => problem === null).map(({ least }) => least!));
const fastestPeer = (entries: readonly Entry[]): number => leastOf(entries.filter(({ name }) => name !== OURS));

export async function compare(options: CompareOptions): Promise<Comparison> {
  const say = options.say ?? (() => {});
  const started = Date.now();
  const spent = (): number => Date.now() - started;
  const givenUpMs = options.givenUpMs ?? GIVEN_UP_MS;
  const session = await openBundled(options, say);
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<'time is up'>((resolve) => {
    timer = setTimeout(() => resolve('time is up'), givenUpMs - spent());
  });
  /** Best GFLOP/s of each peer so far, by itself: what a shape is expected to take, as no peer is slow at all shapes that one is slow at. */
  const rates = new Map<string, number>();
  /** Set when a call did not come back: nothing more can be asked of the page. */
  const lost: { why: string | null } = { why: null };
  const ask = async <T>(call: Promise<T>, otherwise: (problem: string) => T): Promise<T> => {
    call.catch(() => {});
    try {
      const answer = await Promise.race([call, timeUp]);
      if (answer !== 'time is up') return answer as T;
      lost.why = `given up after ${Math.round(givenUpMs / 1000)} s`;
    } catch (error) {
      lost.why = `the page is gone: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`;
    }
    return otherwise(lost.why);
  };
  const { page, environment } = session;
  try {
    const wasm = session.serve('onnxruntime.wasm', () => fs.readFileSync(path.join(options.root, WASM)));
    await page.evaluate((at) => window.tilewirePeers.setWasm(at), wasm);
    const names = await page.evaluate(() => window.tilewirePeers.names());
    const sample = ({ name }: Entry, shape: GemmShape, times: number, negated: boolean): Promise<Sample> =>
      ask(page.evaluate((peer, count, minus, corrupt) => window.tilewirePeers.sample(peer, count, minus, corrupt), name, times, negated, options.corrupt?.(name, shape) ?? false), (problem) => ({ ms: null, problem }));

    /** By itself: one run, and where that is not long two more, as the first is mostly compilation. */
    const runAlone = async (entry: Entry, shape: GemmShape, budgetMs: number): Promise<void> => {
      const expectedMs = flopsOf(shape) / 1e6 / (rates.get(entry.name) ?? Infinity);
      // On a machine that others use the slowest peers would leave nothing for the shapes to come.
      const leftMs = Math.min(givenUpMs - spent() - RESERVE_MS, entry.name === OURS ? Infinity : Math.max(SHORT_MS, budgetMs * MOST_OF_SHARE));
      if (lost.why !== null || expectedMs > leftMs) {
        entry.problem = lost.why ?? (leftMs <= 0 ? 'not run: the time was up' : `not run: at its rate so far one run takes ${Math.round(expectedMs / 1000)} s, and ${Math.round(leftMs / 1000)} s are left for it`);
        return;
      }
      const { problem, detail } = await ask(page.evaluate((name) => window.tilewirePeers.prepare(name), entry.name), (why) => ({ problem: why, detail: '' }));
      Object.assign(entry, { problem, detail });
      for (const round of [0, 1, 2]) {
        if (entry.problem !== null || isLong(shape, entry.least ?? 0)) break;
        // Compilation, a run without it, and what then makes a slice.
        const times = round < 2 ? 1 : timesOf(shape, entry.least!, options.sliceMs);
        if (round === 2 && times === 1) break;
        const { ms, problem: wrong } = await sample(entry, shape, times, round % 2 === 1);
        entry.problem = wrong;
        if (ms !== null) entry.least = round === 0 ? ms : Math.min(entry.least!, ms / times);
      }
      if (entry.least !== null) rates.set(entry.name, Math.max(rates.get(entry.name) ?? 0, rateOf(shape, entry.least)));
    };

    const newEntries = (): Entry[] => names.map((name): Entry => ({ name, detail: '', least: null, times: [], problem: null }));
    const setShape = (shape: GemmShape): Promise<string | null> => ask(page.evaluate((wanted) => window.tilewirePeers.operands(wanted), shape), (problem) => problem);
    const release = async (entries: readonly Entry[]): Promise<void> => {
      for (const { name } of entries) if (lost.why === null) await ask(page.evaluate((peer) => window.tilewirePeers.release(peer), name), () => undefined);
    };

    /** How fast each peer is here and now, and what it loads once. */
    const calibrate = async (): Promise<void> => {
      const entries = newEntries();
      if ((await setShape(CALIBRATION)) === null) for (const entry of entries) await runAlone(entry, CALIBRATION, Infinity);
      await release(entries);
      say(`one run each of ${CALIBRATION.m}x${CALIBRATION.n}x${CALIBRATION.k}: ${entries.map(({ name, least }) => `${name} ${least === null ? 'failed' : `${rateOf(CALIBRATION, least).toPrecision(2)} GFLOP/s`}`).join(', ')}`);
    };

    const measure = async (shape: GemmShape, budgetMs: number): Promise<ShapeResult> => {
      const begun = Date.now();
      const entries = newEntries();
      const refused = lost.why ?? (await setShape(shape));
      let rounds = 0;
      // The fastest first: if time runs out, then at those with which ours is not compared.
      for (const entry of entries.toSorted((one, other) => (rates.get(other.name) ?? 0) - (rates.get(one.name) ?? 0))) {
        if (refused === null) await runAlone(entry, shape, budgetMs);
        else entry.problem = refused;
      }

      const racing = new Set(entries.filter((entry) => entry.problem === null && (!isLong(shape, entry.least!) || !tooSlow(entry, entries))));
      const slicesOf = (): { entry: Entry; times: number; ms: number }[] =>
        [...racing].map((entry) => {
          const times = timesOf(shape, entry.least!, options.sliceMs);
          return { entry, times, ms: times * entry.least! };
        });
      while (rounds < MOST_ROUNDS && racing.size > 0 && lost.why === null) {
        let slices = slicesOf();
        const roundMs = (): number => slices.reduce((sum, { ms }) => sum + ms, 0);
        if (rounds > 0 && Date.now() - begun + roundMs() > budgetMs) {
          if (rounds >= FEWEST_ROUNDS) break;
          // The rounds that are still wanted, of ours and what it is compared with alone.
          for (const entry of racing) if (entry.name !== OURS && entry.least! > fastestPeer(entries)) racing.delete(entry);
          slices = slicesOf();
        }
        if (spent() + roundMs() > givenUpMs - RESERVE_MS) break;
        const taken: [Entry, number][] = [];
        for (const { entry, times } of slices) {
          // Each round with the other sign: see Operands.
          const { ms, problem } = await sample(entry, shape, times, rounds % 2 === 0);
          entry.problem = problem;
          if (ms !== null) taken.push([entry, ms / times]);
        }
        for (const [entry, ms] of taken) {
          entry.times.push(ms);
          entry.least = Math.min(entry.least!, ms);
        }
        rounds++;
        // Side by side, who is too slow is known better than from runs some seconds apart.
        for (const entry of racing) if (entry.problem !== null || tooSlow(entry, entries)) racing.delete(entry);
      }
      await release(entries);
      const results = entries.map(({ name, detail, least, times, problem }): PeerResult => ({ name, detail, problem, times: times.length > 1 || least === null ? times : [least] }));
      return { ...shape, results, rounds, budgetMs, spentMs: Date.now() - begun };
    };

    // The smallest first: on a machine that others use, time runs out at the largest.
    const order = options.shapes.toSorted((one, other) => flopsOf(one) - flopsOf(other));
    if (order.reduce((sum, shape) => sum + flopsOf(shape), 0) > WORTH_CALIBRATING) await calibrate();
    const done = new Map<GemmShape, ShapeResult>();
    for (const [at, shape] of order.entries()) {
      const budgetMs = shareOf(order.slice(at), (options.plannedMs ?? PLANNED_MS) - spent());
      say(`${shape.m}x${shape.n}x${shape.k}: ${(flopsOf(shape) / 1e9).toPrecision(3)} GFLOP, ${(budgetMs / 1000).toFixed(0)} s budgeted`);
      const result = await measure(shape, budgetMs);
      done.set(shape, result);
      options.onShape?.(result, environment);
    }
    const shapes = options.shapes.map((shape) => done.get(shape)!);
    return { environment, shapes };
  } finally {
    clearTimeout(timer);
    await session.close();
  }
}

/** The peers are heavy and of no use elsewhere: their page is bundled here, when it is wanted. */
async function openBundled({ root, browser, requireHardware }: CompareOptions, say: (line: string) => void): Promise<Session> {
  const pageFile = path.join(root, 'dist', `bench-peers-page.${process.pid}.js`);
  await build({
    absWorkingDir: root,
    entryPoints: ['bench/peers/page.ts'],
    outfile: pageFile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    charset: 'utf8',
    loader: { '.wgsl': 'text' },
    // What ONNX Runtime imports in Node only.
    external: ['module', 'worker_threads', 'fs', 'path', 'url', 'os'],
    logLevel: 'error',
  });
  try {
    return await openSession({ pageFile, browser, requireHardware, say });
  } finally {
    fs.rmSync(pageFile, { force: true });
  }
}
