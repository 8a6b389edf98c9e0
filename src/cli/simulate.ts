// What the commands of the model share: a machine by its name or file, what is too large for them, and an end by Ctrl-C. A simulation holds the thread from
// its beginning to its end, so no handler of a signal would be heard until then: the system's own takes their place.
import fs from 'node:fs';
import { TilewireError } from '../errors.ts';
import { keptMachine } from '../host/machine-cache.ts';
import { MACHINE_FILES, machineNamed, machineSchema, type MachineFile } from '../model/machine.ts';
import { sizeProblem, type Simulated } from '../model/size.ts';
import type { SpecFlags } from './flags.ts';

const THIS = 'this';

export function endAtOnceOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal);
}

/** The flag that sets the rows of the shape. */
export const rowsFlag = ({ tokens, model, config }: SpecFlags): string => (tokens === undefined && model === undefined && config === undefined ? '--m' : '--tokens');

/** Refuses what a simulation is too large for. @throws BAD_FLAG that blames the flag of the rows */
export function checkSize(path: string, simulated: Simulated): void {
  const problem = sizeProblem(simulated);
  if (problem === null) return;
  const { what, ...fields } = problem;
  throw new TilewireError('BAD_FLAG', what, { path, ...fields });
}

/** The machine of --machine, its devices linked as --topology says. */
export function machineOf(name: string, topology?: MachineFile['topology']['value']): MachineFile {
  const found = machineFrom(name);
  return topology === undefined ? found : { ...found, topology: { value: topology, source: '--topology' } };
}

/** A preset, the adapter that was calibrated last, or a file of one's own: whatever ends in .json or names a folder. */
function machineFrom(name: string): MachineFile {
  if (name === THIS) {
    const { machine, count } = keptMachine();
    if (count > 1) process.stderr.write(`tilewire: note: ${count} adapters were calibrated; this is the last one: ${machine.about}\n`);
    return machine;
  }
  if (/\.json$/i.test(name) || /[\\/]/.test(name)) return readMachine(name);
  // Blames an unknown name.
  const { name: known } = machineNamed(name);
  return MACHINE_FILES.find((file) => file.name === known)!;
}

const FIX = 'write each number as {"value": …, "source": "…"}, as --json writes a preset; `tilewire model --machine-schema` prints the JSON Schema';

function readMachine(file: string): MachineFile {
  const refuse = (what: string, actual: string) => new TilewireError('BAD_FILE', what, { path: `--machine ${file}`, actual, limit: 'a JSON file of a machine', fix: FIX });
  let json: unknown;
  try {
    json = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw refuse(error instanceof SyntaxError ? 'this file is not JSON' : 'this file cannot be read', error instanceof Error ? error.message : String(error));
  }
  const parsed = machineSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.') || '(top)', actual: shown(found(json, path)), limit: message }));
  const [first, ...others] = issues;
  throw new TilewireError('BAD_FILE', `this is not a machine: ${issues.length} ${issues.length === 1 ? 'issue' : 'issues'}`, {
    path: `${file} ${first!.path}`,
    actual: first!.actual,
    limit: first!.limit,
    lines: others.map(({ path, actual, limit }) => `${path}: found ${actual}, limit ${limit}`),
    fix: FIX,
  });
}

function found(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((of, key) => (typeof of === 'object' && of !== null ? (of as Record<PropertyKey, unknown>)[key] : undefined), json);
}

const MOST_SHOWN = 60;

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
