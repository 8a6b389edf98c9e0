// `tilewire tiles`: which tile is fastest here, for one shape or all sub-layers of a model; argv → candidates → contests in the page
// → table, files, and the cache that `run` looks into.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bug, TilewireError } from '../errors.ts';
import { openSession, type Session } from '../host/session.ts';
import { storeChoice, tileCacheKey, type FusedKey } from '../host/tile-cache.ts';
import { reportToJson } from '../report/json.ts';
import { adapterLine } from '../report/table.ts';
import { tilesCsv } from '../report/tiles-csv.ts';
import { tilesHtml } from '../report/tiles-html.ts';
import { tilesTable } from '../report/tiles-table.ts';
import { chunkSizes } from '../spec/chunks.ts';
import { legalTps, splitSubLayer } from '../spec/hf-config.ts';
import { BASE_LIMITS, type TileLimits } from '../spec/kernel-layouts.ts';
import { resolveDraft, type SpecRequest } from '../spec/resolve.ts';
import type { AdapterTraits, SpecDraft } from '../spec/spec.ts';
import { layerShape, MODELS } from '../spec/zoo.ts';
import { builtInCandidates, variedCandidates, type Candidate, type Candidates, type Variations } from '../tune/candidates.ts';
import { nameOf, tileText, type Contest, type ShapeProfile, type TilesReport } from '../tune/tiles-report.ts';
import type { Environment } from '../verify/run-report.ts';
import { specRequest, type GeneralFlags, type SpecFlags } from './flags.ts';
import { defaultMemoryLimit, pageFile } from './perform.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { foreignKernel, modelConfig } from './run.ts';

export interface TilesFlags extends GeneralFlags, SpecFlags {
  /** Comma-separated. */
  readonly kernels?: string;
  readonly vary?: Variations;
  readonly fused?: boolean;
  readonly limit?: number;
  readonly seconds?: number;
  readonly rounds?: number;
  /** False with --no-cache. */
  readonly cache?: boolean;
  readonly csv?: string;
  readonly html?: string;
}

const LIMIT = { plain: 64, fused: 12 } as const;
const SECONDS = { plain: 120, fused: 600 } as const;
const ROUNDS = 20;
/** Share of the time that goes to the kernels alone where fused runs follow. */
const PLAIN_SHARE = 1 / 4;
/** The best of the kernels alone that go into fused runs. */
const FUSED_TILES = 4;
/** Compared rounds without which a winner is luck. */
const LEAST_KEPT_PAIRS = 3;
const BAR = 24;

/** Draws the heat maps; bundled beside the CLI. */
const mapsFile = fileURLToPath(new URL('./tiles-map.js', import.meta.url));

/** The exit status: 1 when a shape has no candidate that could be ranked. */
export async function tilesCommand(flags: TilesFlags): Promise<number> {
  const { force = false } = flags;
  const files = { json: flags.json === undefined ? null : claimReportFile(flags.json, force), csv: flags.csv === undefined ? null : claimReportFile(flags.csv, force, '--csv'), html: flags.html === undefined ? null : claimReportFile(flags.html, force, '--html') };
  const foreign = foreignOf(flags);
  const drafts = await Promise.all((await requestsOf(flags)).map(async ({ name, ...request }) => ({ ...(await resolveDraft({ ...request, ...foreign })), ...(name === undefined ? {} : { name }) })));
  // What the flags alone can refuse is refused before a browser starts.
  for (const draft of drafts) await candidatesOf(draft, flags, BASE_LIMITS);

  const progress = progressLine();
  const session = await openSession({ backend: flags.backend, pageFile, browser: flags.browser, requireHardware: flags.requireHardware, timeout: flags.timeout, say: (line) => progress.say(line) });
  try {
    const { environment } = session;
    process.stdout.write(`${adapterLine(environment)}\n\n`);
    const shapes: ShapeProfile[] = [];
    const total = flags.seconds ?? (flags.fused === true ? SECONDS.fused : SECONDS.plain) * drafts.length;
    const begun = Date.now();
    for (const [at, draft] of drafts.entries()) {
      const seconds = Math.max(1, (total - (Date.now() - begun) / 1000) / (drafts.length - at));
      const shape = await profiled(session, draft, flags, seconds, progress);
      shapes.push(shape);
      progress.clear();
      process.stdout.write(`${tilesTable(shape)}\n`);
      for (const line of kept(shape, draft, environment, flags)) process.stdout.write(`${line}\n\n`);
    }
    const report: TilesReport = { version: 1, environment, shapes };
    files.json?.write(reportToJson(report));
    files.csv?.write(tilesCsv(shapes));
    files.html?.write(tilesHtml(report, fs.readFileSync(mapsFile, 'utf8')));
    return shapes.every(({ plain, fused }) => [plain, ...(fused === null ? [] : [fused])].every(({ candidates }) => candidates.some(({ rank }) => rank !== null))) ? 0 : 1;
  } finally {
    progress.clear();
    await session.close();
  }
}

function foreignOf(flags: TilesFlags): ReturnType<typeof foreignKernel> {
  const foreign = foreignKernel(flags);
  if (flags.kernel === undefined && flags.vary !== undefined) throw new TilewireError('BAD_FLAG', '--vary belongs to --kernel', { path: '--vary', actual: [...flags.vary.keys()], fix: 'give --kernel FILE.wgsl as well; the tiles of built-in kernels are varied by themselves' });
  if (flags.kernel !== undefined && flags.kernels !== undefined) throw new TilewireError('BAD_FLAG', '--kernels contradicts --kernel', { path: '--kernels', actual: flags.kernels, fix: 'leave one of them out' });
  return foreign;
}

type NamedRequest = SpecRequest & { readonly name?: string };

/** The shapes that are asked for; a model without --layer is all its sub-layers, those of one shape together. */
async function requestsOf(flags: TilesFlags): Promise<NamedRequest[]> {
  const { kernels: _kernels, vary: _vary, fused, limit: _limit, seconds: _seconds, rounds: _rounds, cache: _cache, csv: _csv, html: _html, json: _json, force: _force, backend: _backend, browser: _browser, requireHardware: _hardware, timeout: _timeout, memoryLimit: _memory, ...spec } = flags;
  const model = modelConfig(flags);
  const request = specRequest(spec, model);
  if (flags.layer === undefined && model.config !== undefined) {
    const { tp } = flags;
    const [first] = model.config.subLayers;
    if (tp === undefined) throw new TilewireError('BAD_FLAG', '--tp is missing', { path: '--tp', fix: `use one of ${first === undefined ? '' : legalTps(first).join(', ')}` });
    return merged(model.config.subLayers.map((subLayer) => ({ layer: subLayer.name, key: `${subLayer.n} ${splitSubLayer(subLayer, tp).k}` })), request, `${model.config.name} `, ` TP ${tp}`);
  }
  if (flags.layer === undefined && flags.model !== undefined) {
    const { model: name, tp, tokens } = flags;
    const known = MODELS.find((one) => one.name === name);
    // An unknown one is refused by any layer's name.
    const layers = Object.keys(known?.totalK ?? { op: 0 }).map((layer) => ({ layer, shape: layerShape(name, layer, tp, tokens) }));
    return merged(layers.map(({ layer, shape }) => ({ layer, key: `${shape.n} ${shape.k}` })), request, `${name} `, ` TP ${layers[0]!.shape.devices}`);
  }
  // One device's GEMM alone needs no devices.
  const alone = flags.model === undefined && flags.config === undefined && flags.devices === undefined && fused !== true;
  return [alone ? { ...request, devices: 1, ...(flags.m === undefined || flags.n === undefined || flags.k === undefined ? {} : { name: `${flags.m}x${flags.n}x${flags.k}` }) } : request];
}

function merged(layers: readonly { readonly layer: string; readonly key: string }[], request: SpecRequest, before: string, after: string): NamedRequest[] {
  const keys = [...new Set(layers.map(({ key }) => key))];
  return keys.map((wanted) => {
    const names = layers.flatMap(({ layer, key }) => (key === wanted ? [layer] : []));
    return { ...request, layer: names[0]!, name: `${before}${names.join(', ')}${after}` };
  });
}

async function candidatesOf({ kernel, gemm, chunk, devices }: SpecDraft, { kernels, vary, limit = LIMIT.plain }: TilesFlags, limits: TileLimits, traits?: AdapterTraits): Promise<Candidates> {
  if (kernel.kind === 'foreign') return variedCandidates(kernel, vary ?? new Map(), limit);
  return builtInCandidates(gemm, { kernels: kernels?.split(',').map((name) => name.trim()), limits, traits, limit, chunk, chunks: chunkSizes(chunk === 'rows' ? gemm.m : gemm.n, devices) });
}

async function profiled(session: Session, draft: SpecDraft, flags: TilesFlags, seconds: number, progress: ReturnType<typeof progressLine>): Promise<ShapeProfile> {
  const { list, notes } = await candidatesOf(draft, flags, limitsOf(session), session.facts.traits);
  const { name, gemm: { m, n, k } } = draft;
  const common = { spec: draft, limit: flags.limit ?? LIMIT.fused, rounds: flags.rounds ?? ROUNDS, memoryLimit: flags.memoryLimit ?? defaultMemoryLimit(session.environment) };
  progress.say(`${name}: ${list.length} candidates, up to ${Math.round(seconds)} s`);
  const shown = (step: { step: string; done: number; total: number }): void => progress.show({ ...step, step: name }, ` [${'#'.repeat(Math.round((BAR * step.done) / step.total)).padEnd(BAR, '.')}] ${step.step}`);
  const plain = await session.profile({ ...common, kind: 'plain', candidates: list, notes, seconds: flags.fused === true ? seconds * PLAIN_SHARE : seconds }, shown);
  if (flags.fused !== true) return { name, gemm: { m, n, k }, plain, fused: null };
  const best = bestOf(plain, list);
  if (best.length === 0) return { name, gemm: { m, n, k }, plain, fused: null };
  const fused = await session.profile({ ...common, kind: 'fused', candidates: best, notes: [`the best ${best.length} of the kernels alone, each at several granularities`], seconds: seconds * (1 - PLAIN_SHARE) }, shown);
  return { name, gemm: { m, n, k }, plain, fused: { ...fused, devices: draft.devices, algorithm: draft.algorithm, chunk: draft.chunk } };
}

/** What the page found out of a kernel of the user's own, its tile, goes along. */
function bestOf({ candidates }: Contest, list: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ rank }) => rank !== null).slice(0, FUSED_TILES).map(({ kernel, tile, overrides, granularity }) => {
    const found = list.find(({ name }) => nameOf({ ...name, tile: overrides === null ? name.tile : null }) === nameOf({ kernel, tile: overrides === null ? tile : null, overrides, granularity }));
    if (found === undefined) throw bug('a ranked candidate that nobody entered');
    return { ...found, name: { kernel, tile, overrides, granularity } };
  });
}

export function limitsOf({ facts }: Session): TileLimits {
  const names = Object.keys(BASE_LIMITS) as (keyof TileLimits)[];
  return Object.fromEntries(names.map((name) => [name, facts.limits[name] ?? BASE_LIMITS[name]])) as unknown as TileLimits;
}

/** Keeps the best tiles for `run`; what it says of that, a line each. */
function kept({ plain, fused, gemm }: ShapeProfile, { kernel, devices, algorithm, chunk }: SpecDraft, environment: Environment, { cache, kernels }: TilesFlags): string[] {
  if (cache === false) return [];
  if (kernel.kind === 'foreign' || kernels !== undefined) return [`not kept in the cache: ${kernel.kind === 'foreign' ? 'it is for built-in kernels' : 'only some of the kernels were tried'}`];
  const keep = (contest: Contest, key: FusedKey | null): string[] => {
    const best = contest.candidates.find(({ rank }) => rank === 1);
    if (best?.tile == null || best.tile.k === null || best.gflops === null) return [];
    if (contest.pairs < LEAST_KEPT_PAIRS) return [`not kept in the cache: ${contest.pairs} compared rounds say too little, ${LEAST_KEPT_PAIRS} are needed (--seconds)`];
    const { m, n, k } = gemm;
    const choice = { kernelName: best.kernel, tile: { m: best.tile.m, n: best.tile.n, k: best.tile.k }, ...best.granularity };
    const file = storeChoice(tileCacheKey(environment, gemm, key), choice, { shape: `${m}x${n}x${k}`, gflops: best.gflops, at: new Date().toISOString() });
    return file === null ? [] : [`kept: ${best.kernel} ${tileText(best.tile)}${best.granularity === null ? '' : `, ${best.granularity.stageTiles} tiles per stage, ${best.granularity.triggerTiles} per block`}, for ${key === null ? 'the GEMM' : `fused runs on ${key.devices} devices`} of shapes like this in ${file}`];
  };
  return [...keep(plain, null), ...(fused === null ? [] : keep(fused, { devices, algorithm, chunk }))];
}
