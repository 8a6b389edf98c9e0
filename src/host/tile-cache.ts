// Which tile won on this adapter, kept in the user's cache folder: one small file for each key. Whatever cannot be read, is of
// another version, or does not say what its name says, is passed over with a warning: a cache is never an error.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { adapterKey } from '../report/json.ts';
import { KERNEL_SOURCES } from '../spec/kernel-sources.ts';
import { kernelNamed, KERNELS } from '../spec/kernels.ts';
import type { ChunkAxis, GemmShape, Tile } from '../spec/spec.ts';
import { shapeClass } from '../tune/shape-class.ts';
import type { Environment } from '../verify/run-report.ts';
import { writeCacheFile } from './cache-file.ts';
import { cacheFolder } from './chromium.ts';

/** What a choice holds for. */
export interface TileCacheKey {
  /** As the adapter calls itself; its driver is in there, or in the browser's version. */
  readonly adapter: string;
  readonly browser: string;
  /** Of the text of all built-in kernels, and of what their tiles make of it: a change of any of them may change who wins. */
  readonly kernels: string;
  readonly shapeClass: string;
  /** Null for the GEMM alone. */
  readonly fused: FusedKey | null;
}

export interface FusedKey {
  readonly devices: number;
  readonly algorithm: string;
  readonly chunk: ChunkAxis;
}

export interface CachedChoice {
  readonly kernelName: string;
  readonly tile: Tile;
  /** Of a fused choice. */
  readonly stageTiles?: number;
  readonly triggerTiles?: number;
}

export interface CacheOptions {
  /** In the user's cache folder unless told. */
  readonly folder?: string;
  readonly warn?: (line: string) => void;
}

const VERSION = 1;
const MOST_BYTES = 65_536;

const count = z.number().int().min(1).safe();
const record = z.strictObject({
  version: z.literal(VERSION),
  key: z.strictObject({
    adapter: z.string(),
    browser: z.string(),
    kernels: z.string(),
    shapeClass: z.string(),
    fused: z.strictObject({ devices: count, algorithm: z.string(), chunk: z.enum(['rows', 'columns']) }).nullable(),
  }),
  choice: z.strictObject({ kernelName: z.string(), tile: z.strictObject({ m: count, n: count, k: count }), stageTiles: count.optional(), triggerTiles: count.optional() }),
  /** For people: the shape that was measured, its rate, and when. */
  measured: z.strictObject({ shape: z.string(), gflops: z.number(), at: z.string() }),
});

export type Measured = z.infer<typeof record>['measured'];

export function tileCacheKey(environment: Pick<Environment, 'backend' | 'adapter' | 'browser'>, shape: GemmShape, fused: FusedKey | null): TileCacheKey {
  return { adapter: adapterKey(environment), browser: environment.browser, kernels: kernelsHash(), shapeClass: shapeClass(shape), fused };
}

/** The choice for this key; undefined where there is none, or none that can be used. */
export function cachedChoice(key: TileCacheKey, { folder, warn = warnOnStderr }: CacheOptions = {}): CachedChoice | undefined {
  let file = fileName(key);
  const unusable = (why: string): undefined => void warn(`the cached tile choice ${file} is passed over: ${why}`);
  let text: string;
  try {
    file = path.join(folder ?? tilesFolder(), file);
    const { size } = fs.statSync(file);
    if (size > MOST_BYTES) return unusable(`it is ${size} bytes long`);
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : unusable(`it cannot be read: ${code ?? String(error)}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return unusable('it is not JSON');
  }
  const parsed = record.safeParse(json);
  if (!parsed.success) return unusable(parsed.error.issues.some((issue) => issue.path[0] === 'version') ? 'it is of another version' : 'it does not hold a tile choice');
  const { key: written, choice } = parsed.data;
  if (canonical(written) !== canonical(key)) return unusable('it is of something else');
  const problem = kernelNamed(choice.kernelName)?.tileProblem(choice.tile);
  if (kernelNamed(choice.kernelName) === undefined || problem !== undefined) return unusable(problem?.what ?? `there is no kernel ${choice.kernelName}`);
  const { kernelName, tile, stageTiles, triggerTiles } = choice;
  return { kernelName, tile, ...(stageTiles === undefined ? {} : { stageTiles }), ...(triggerTiles === undefined ? {} : { triggerTiles }) };
}

/** Keeps the choice; where that fails it is said, and nothing else happens. @returns the file, or null */
export function storeChoice(key: TileCacheKey, choice: CachedChoice, measured: Measured, { folder, warn = warnOnStderr }: CacheOptions = {}): string | null {
  try {
    return writeCacheFile(folder ?? tilesFolder(), fileName(key), { version: VERSION, key, choice, measured });
  } catch (error) {
    warn(`the tile choice could not be kept${folder === undefined ? '' : ` in ${folder}`}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    return null;
  }
}

export const tilesFolder = (): string => path.join(cacheFolder(), 'tiles');

const fileName = (key: TileCacheKey): string => `${createHash('sha256').update(canonical(key)).digest('hex').slice(0, 40)}.json`;

const canonical = ({ adapter, browser, kernels, shapeClass, fused }: TileCacheKey): string => JSON.stringify([adapter, browser, kernels, shapeClass, fused === null ? null : [fused.devices, fused.algorithm, fused.chunk]]);

const SAMPLE = { m: 96, n: 160, k: 64 };

/** Of all built-in kernels, as they are compiled. */
export function kernelsHash(): string {
  const layouts = KERNELS.map((kernel) => {
    const tile = kernel.tileFor(SAMPLE, 'columns', [SAMPLE.n]);
    return [kernel.name, tile, kernel.constantsFor(SAMPLE, tile), kernel.grid(SAMPLE, tile), kernel.workgroupSize(tile)];
  });
  return createHash('sha256').update(JSON.stringify([KERNEL_SOURCES, layouts])).digest('hex');
}

const warnOnStderr = (line: string): void => void process.stderr.write(`tilewire: warning: ${line}\n`);
