// What the commands of the model share: a machine by its name or file, what is too large for them, and an end by Ctrl-C. A simulation holds the thread from
// its beginning to its end, so no handler of a signal would be heard until then: the system's own takes their place.
import fs from 'node:fs';
import { TilewireError } from '../errors.ts';
import { keptMachine } from '../host/machine-cache.ts';
import { MACHINE_FILES, machineNamed, machineSchema, type Machine, type MachineFile, type Parameters } from '../model/machine.ts';
import type { GemmShape } from '../spec/spec.ts';
import type { SpecFlags } from './flags.ts';

const THIS = 'this';

export function endAtOnceOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal);
}

/** The flag that sets the rows of the shape. */
export const rowsFlag = ({ tokens, model, config }: SpecFlags): string => (tokens === undefined && model === undefined && config === undefined ? '--m' : '--tokens');

export interface Simulated {
  readonly gemm: GemmShape;
  readonly devices: number;
  readonly machine: Machine;
  readonly parameters: Parameters;
  /** The flag that sets the rows. */
  readonly rowsFlag: string;
  /** Slabs of A and B at most, and over how many of the devices they are counted. */
  readonly mostSlabs: number;
  readonly simulated: number;
}

/** Tiles of the output times devices: each device has a list of them, which is what a host's memory ends at. */
const MOST_TILES = 2 ** 21;
/** Picoseconds that the clock counts exactly. */
const MOST_SECONDS = 2 ** 53 / 1e12;

/** Slabs that a GEMM computes, over all devices that are simulated: about a microsecond each. */
export const slabsOf = ({ m, n, k }: GemmShape, { tileM, tileN, tileK }: Pick<Parameters, 'tileM' | 'tileN' | 'tileK'>): number => Math.ceil(m / tileM) * Math.ceil(n / tileN) * Math.ceil(k / tileK);

/** Refuses what takes a host too long, or more than it has, and what takes the machine longer than the clock counts. @throws BAD_FLAG */
export function checkSize({ gemm, devices, machine, parameters, rowsFlag: path, mostSlabs, simulated }: Simulated): void {
  const { m, n } = gemm;
  const { tileM, tileN, tileK, elementBytes, efficiency } = parameters;
  const refuse = (what: string, actual: string, limit: unknown, fix: string): TilewireError => new TilewireError('BAD_FLAG', what, { path, actual, limit, fix });
  const slabs = slabsOf(gemm, parameters);
  if (slabs * simulated > mostSlabs) throw refuse('this GEMM would take minutes to simulate', `${slabs * simulated} slabs of tiles${simulated > 1 ? ` on ${simulated} devices` : ''}`, mostSlabs, simulated > 1 ? 'take fewer rows or devices' : 'model fewer rows: a step looks the same');
  const tiles = Math.ceil(m / tileM) * Math.ceil(n / tileN) * devices;
  if (tiles > MOST_TILES) throw refuse('this output has more tiles than a simulation holds', `${tiles} tiles of ${tileM} x ${tileN}, times devices`, MOST_TILES, 'take fewer rows or devices');
  // Of everything in turn, so that whatever the schedule does ends sooner.
  const compute = (slabs * 2 * tileM * tileN * tileK) / (machine.flopsPerClockPerCu * machine.clockGHz * 1e9 * efficiency * Math.min(machine.cus, tiles));
  const operands = (slabs * (tileM + tileN) * tileK * elementBytes) / (machine.memoryGBs * 1e9);
  const output = (m * n * elementBytes * (8 / machine.memoryGBs + 2 / machine.linkGBs + 2 / machine.nodeGBs)) / 1e9;
  const seconds = compute + operands + output + (2 * devices * machine.linkLatencyNs) / 1e9;
  if (seconds > MOST_SECONDS) throw refuse('on this machine that would take longer than the clock counts', `about ${Math.round(seconds)} s`, `${Math.floor(MOST_SECONDS)} s`, 'take fewer rows, or a faster machine');
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
