// Machine `this`: what `tilewire doctor --calibrate` measured of an adapter, kept in the user's cache folder, one file for each adapter and
// browser. Of several the newest is taken. Whoever asks for it wants no other machine, so what cannot be used is refused, with the
// reason, and never passed over.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { TilewireError } from '../errors.ts';
import { machineSchema, type MachineFile } from '../model/machine.ts';
import { adapterKey } from '../report/json.ts';
import type { Environment } from '../verify/run-report.ts';
import { writeCacheFile } from './cache-file.ts';
import { cacheFolder } from './chromium.ts';
import { kernelsHash } from './tile-cache.ts';

const VERSION = 1;
const MOST_BYTES = 65_536;

const record = z.strictObject({
  version: z.literal(VERSION),
  /** What was measured, with which kernels: a change of any of them changes the rates. */
  key: z.strictObject({ adapter: z.string(), browser: z.string(), kernels: z.string() }),
  at: z.string(),
  machine: machineSchema,
});

export const machinesFolder = (): string => path.join(cacheFolder(), 'machines');

/** @returns the file; throws what the file system has against it */
export function storeMachine(environment: Pick<Environment, 'backend' | 'adapter' | 'browser'>, machine: MachineFile, at: string, folder = machinesFolder()): string {
  const key = { adapter: adapterKey(environment), browser: environment.browser, kernels: kernelsHash() };
  // Not by the kernels: a machine that was measured anew takes its own place.
  const name = `${createHash('sha256').update(JSON.stringify([key.adapter, key.browser])).digest('hex').slice(0, 40)}.json`;
  return writeCacheFile(folder, name, { version: VERSION, key, at, machine });
}

export interface KeptMachine {
  readonly machine: MachineFile;
  readonly file: string;
  /** Adapters that were calibrated, this one among them. */
  readonly count: number;
}

const FIX = 'measure it: `tilewire doctor --calibrate`';

/** The machine that was calibrated last. @throws BAD_FLAG where none was, BAD_FILE where its file is broken or outdated */
export function keptMachine(folder = machinesFolder()): KeptMachine {
  const files = filesOf(folder);
  const [newest] = files;
  if (newest === undefined) throw new TilewireError('BAD_FLAG', 'no adapter of this machine was calibrated', { path: '--machine', actual: 'this', fix: FIX });
  const refuse = (what: string, actual: string): TilewireError => new TilewireError('BAD_FILE', what, { path: `--machine this: ${newest}`, actual, fix: FIX });
  let json: unknown;
  try {
    const { size } = fs.statSync(newest);
    if (size > MOST_BYTES) throw new Error(`${size} bytes, more than ${MOST_BYTES}`);
    json = JSON.parse(fs.readFileSync(newest, 'utf8'));
  } catch (error) {
    throw refuse('what was measured of this machine cannot be read', error instanceof Error ? error.message : String(error));
  }
  const parsed = record.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.map(String).join('.') || '(top)'}: ${issue.message}`);
    const isOfAnother = parsed.error.issues.some((issue) => issue.path[0] === 'version');
    throw refuse(isOfAnother ? 'what was measured of this machine is of another version of tilewire' : 'what was measured of this machine is broken', issues.slice(0, 3).join('; '));
  }
  const { key, at, machine } = parsed.data;
  if (key.kernels !== kernelsHash()) throw refuse('what was measured of this machine is outdated: the kernels are others now', `measured ${at}`);
  return { machine, file: newest, count: files.length };
}

/** Newest first. */
function filesOf(folder: string): string[] {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, written: fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .toSorted((one, other) => other.written - one.written || one.file.localeCompare(other.file))
    .map(({ file }) => file);
}
