// What the commands of the model share: a machine by its name or file, progress, and an end by Ctrl-C. A simulation holds the thread from
// its beginning to its end, so no handler of a signal would be heard until then: the system's own takes their place.
import fs from 'node:fs';
import { TilewireError } from '../errors.ts';
import { MACHINE_FILES, machineNamed, machineSchema, type MachineFile } from '../model/machine.ts';

export function endAtOnceOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal);
}

/** The machine of --machine, its devices linked as --topology says. */
export function machineOf(name: string, topology?: MachineFile['topology']['value']): MachineFile {
  const found = machineFrom(name);
  return topology === undefined ? found : { ...found, topology: { value: topology, source: '--topology' } };
}

/** A preset, or a file of one's own: whatever ends in .json or names a folder. */
function machineFrom(name: string): MachineFile {
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
  const issues = parsed.success
    ? beyond(parsed.data)
    : parsed.error.issues.map(({ path, message }): Issue => ({ path: path.map(String).join('.') || '(top)', actual: shown(found(json, path)), limit: message }));
  const [first, ...others] = issues;
  if (parsed.success && first === undefined) return parsed.data;
  throw new TilewireError('BAD_FILE', `this is not a machine: ${issues.length} ${issues.length === 1 ? 'issue' : 'issues'}`, {
    path: `${file} ${first!.path}`,
    actual: first!.actual,
    limit: first!.limit,
    lines: others.map(({ path, actual, limit }) => `${path}: found ${actual}, limit ${limit}`),
    fix: FIX,
  });
}

interface Issue {
  readonly path: string;
  readonly actual: string;
  readonly limit: string;
}

/** Within them the clock, whole picoseconds up to 2^53, has room for every shape of the zoo, and a host for the CUs. Machines that exist lie far inside. */
const RANGES = {
  cus: [1, 2 ** 16], clockGHz: [0.01, 1000], flopsPerClockPerCu: [16, 2 ** 24], memoryGBs: [0.01, 1e6], linkGBs: [0.01, 1e6], linkLatencyNs: [0, 1e9], nodeGBs: [0.01, 1e6],
} as const satisfies { readonly [K in keyof MachineFile]?: readonly [number, number] };

function beyond(machine: MachineFile): Issue[] {
  return (Object.keys(RANGES) as (keyof typeof RANGES)[]).flatMap((name) => {
    const [least, most] = RANGES[name];
    const { value } = machine[name];
    return value >= least && value <= most ? [] : [{ path: `${name}.value`, actual: String(value), limit: `${least}..${most}` }];
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
