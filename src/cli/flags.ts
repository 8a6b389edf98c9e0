// From the text of flags to values, and from the flags of `run` and `plan` to a request for a Spec. Whatever
// cannot be read is BAD_FLAG with the flag as its path; ranges are checked where the Spec is resolved.
import { Option } from 'commander';
import type { Command } from 'commander';
import { TilewireError } from '../errors.ts';
import type { SpecRequest } from '../spec/resolve.ts';
import { parseVariation, type Variations } from '../tune/candidates.ts';
import { DEFAULT_TOKENS, parseTile } from '../spec/resolve.ts';
import { EMULATED, MODELLED } from '../spec/scope.ts';
import { ALGORITHMS, type Algorithm, type ChunkAxis, type Collective, type Fault, type Layout, type OverflowPolicy, type Tile, type Triggers } from '../spec/spec.ts';
import { parseBytes } from '../units.ts';
import type { Backend } from '../verify/run-report.ts';
import { CHECKS, FULL_BY_DEFAULT_FLOP, type CheckChoice } from '../verify/choice.ts';

/** Flags of every command that opens a browser and runs something. */
export interface GeneralFlags {
  readonly json?: string;
  readonly force?: boolean;
  readonly requireHardware?: boolean;
  readonly backend?: Backend;
  readonly browser?: string;
  /** Seconds without progress. */
  readonly timeout?: number;
  /** Bytes. */
  readonly memoryLimit?: number;
}

/** Of the runs, but no part of their Specs. */
export interface CheckFlags {
  readonly check?: CheckChoice;
}

/** Flags that a Spec is made from; `plan` has the same. */
export interface SpecFlags {
  readonly model?: string;
  /** File of a model's configuration. */
  readonly config?: string;
  readonly layer?: string;
  readonly tp?: number;
  readonly tokens?: number;
  readonly m?: number;
  readonly n?: number;
  readonly k?: number;
  readonly devices?: number;
  readonly collective?: Collective;
  readonly algorithm?: Algorithm;
  readonly operands?: 'exact' | 'normal' | 'trained';
  /** Files of the user's own matrices. */
  readonly a?: string;
  readonly b?: string;
  readonly layout?: Layout;
  readonly seed?: number;
  readonly chunk?: ChunkAxis;
  readonly kernelName?: string;
  /** File of a kernel that is not ours, its entry and its bindings file. */
  readonly kernel?: string;
  readonly entry?: string;
  readonly bindings?: string;
  readonly tile?: Tile;
  readonly splits?: number;
  readonly wavefront?: number;
  readonly stageTiles?: number;
  readonly triggerTiles?: number;
  readonly lag?: number;
  readonly skew?: number;
  readonly triggers?: Triggers;
  readonly overflow?: OverflowPolicy;
  readonly trackerSets?: number;
  readonly trackerWays?: number;
  readonly fault?: readonly Fault[];
}

const option = (flags: string, description: string) => new Option(flags, description);

/** A parser that blames its flag and refuses a value that is another flag (`--json --force`). */
function reading<T>(flag: string, parse: (text: string, path: string) => T): (text: string, previous: unknown) => T {
  return (text) => {
    if (text.startsWith('--')) throw new TilewireError('BAD_FLAG', 'this flag lacks its value', { path: flag, actual: text, fix: `write ${flag} VALUE (a value that begins with -- as ${flag}=VALUE is not supported)` });
    return parse(text, flag);
  };
}

export function parseInteger(text: string, path: string): number {
  if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(Number(text))) {
    throw new TilewireError('BAD_FLAG', 'not a whole number', { path, actual: text, fix: `write e.g. ${path} 8` });
  }
  return Number(text);
}

export function parseDecimal(text: string, path: string): number {
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text.trim())) throw new TilewireError('BAD_FLAG', 'not a number', { path, actual: text, fix: `write e.g. ${path} 0.5` });
  return Number(text);
}

export function parseSeconds(text: string, path: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  // Timers of Node and of the browser count milliseconds in 31 bits.
  const limit = 2 ** 31 / 1000;
  if (!(seconds > 0 && seconds < limit)) throw new TilewireError('BAD_FLAG', 'not a time in seconds', { path, actual: text, limit: `more than 0, less than ${Math.floor(limit)}`, fix: `write e.g. ${path} 600` });
  return seconds;
}

const FAULT_KINDS = ['suppress-stores', 'threshold', 'drop-transfer', 'double-update', 'corrupt-tile', 'early-read', 'unwritten-output'] as const satisfies readonly Fault['kind'][];

/** `KIND:device=D,chunk=C,tile=T[,delta=X]`, or `unwritten-output` alone. */
export function parseFault(text: string, path = '--fault'): Fault {
  const refuse = (what: string, actual: string, limit: string) =>
    new TilewireError('BAD_FLAG', what, { path, actual, limit, fix: 'write e.g. --fault drop-transfer:device=1,chunk=0,tile=0 or --fault threshold:device=1,chunk=0,tile=0,delta=1' });
  const [kindText, placeText = '', ...rest] = text.split(':');
  const kind = FAULT_KINDS.find((known) => known === kindText);
  if (kind === undefined || rest.length > 0) throw refuse('unknown kind of fault', text, FAULT_KINDS.join(', '));
  const wanted = kind === 'unwritten-output' ? [] : kind === 'threshold' ? ['device', 'chunk', 'tile', 'delta'] : ['device', 'chunk', 'tile'];
  const given = new Map<string, number>();
  for (const part of placeText === '' ? [] : placeText.split(',')) {
    const [key = '', value = ''] = part.split('=');
    if (!wanted.includes(key) || given.has(key)) throw refuse('a fault cannot take this', part, wanted.join(', ') || 'nothing');
    given.set(key, parseInteger(value, `${path} ${key}`));
  }
  const missing = wanted.filter((key) => !given.has(key));
  if (missing.length > 0) throw refuse(`this fault lacks ${missing.join(', ')}`, text, wanted.join(', '));
  if (kind === 'unwritten-output') return { kind };
  const place = { device: given.get('device')!, chunk: given.get('chunk')!, tile: given.get('tile')! };
  return kind === 'threshold' ? { kind, ...place, delta: given.get('delta')! } : { kind, ...place };
}

const integer = (flags: string, flag: string, description: string) => option(flags, description).argParser(reading(flag, parseInteger));
const text = (flags: string, flag: string, description: string) => option(flags, description).argParser(reading(flag, (value) => value));

/** One of a few words; the default is said in the description because the Spec, not the flag, chooses it. */
function word(flags: string, flag: string, words: readonly string[], description: string): Option {
  return option(flags, description).argParser(
    reading(flag, (value, path) => {
      if (!words.includes(value)) throw new TilewireError('BAD_FLAG', 'unknown choice', { path, actual: value, limit: words.join(', '), fix: `use one of: ${words.join(', ')}` });
      return value;
    }),
  );
}

export const cacheFlag = () => option('--no-cache', 'choose kernel and tile by what is known of such adapters, not by what `tilewire tiles` measured on this one');
export const checkFlag = () => word('--check <HOW>', '--check', CHECKS, `full: every element against a reference, which costs as much as the run; projection: exact operands by Freivalds' test over all elements, others on seeded rows (default: full up to ${FULL_BY_DEFAULT_FLOP / 1e9} GFLOP, projection above)`);
export const seedFlag = () => integer('--seed <NUMBER>', '--seed', 'seed of generated operands, 0 to 4294967295 (default: 1)');
export const specFlag = () => text('--spec <FILE>', '--spec', 'replay the resolved Spec of an earlier --json, or all its runs; excludes every flag above but --baseline and --check, and --a and --b, which it needs for a run of such files');

/** @param only names of the flags that the command takes; all unless told */
export function addSpecFlags(command: Command, only?: readonly (keyof SpecFlags)[], scope = EMULATED): Command {
  const flags = [
    text('--model <NAME>', '--model', 'model of the zoo below; gives m, n and k together with --layer and --tp'),
    text('--config <FILE>', '--config', "a Hugging Face config.json, or the folder that holds it: a model of your own instead of the zoo's"),
    text('--layer <NAME>', '--layer', 'sub-layer: op, fc2 (forward), fc1, ip (backward, as in T3); of a --config: o_proj, down_proj and the like (without --layer they are listed)'),
    integer('--tp <DEVICES>', '--tp', "tensor-parallel degree: the number of devices over which K is split (default: the model's own; a --config has none)"),
    integer('--tokens <ROWS>', '--tokens', `rows of A and C (default: the model's own sequence length x batch; ${DEFAULT_TOKENS} with --config)`),
    integer('--m <ROWS>', '--m', 'rows of A and of C'),
    integer('--n <COLUMNS>', '--n', 'columns of B and of C'),
    integer('--k <LENGTH>', '--k', 'length of the dot products PER DEVICE'),
    integer('--devices <COUNT>', '--devices', `devices to ${scope.verb}, 1 to ${scope.devices}`),
    word('--collective <NAME>', '--collective', ['reduce-scatter'], 'what is done to the partial outputs (default: reduce-scatter)'),
    word('--algorithm <NAME>', '--algorithm', ALGORITHMS, 'how the partial outputs travel: ring, direct, or chunk-ring, a ring on which nothing is stored at a peer (with --trigger-tiles of a chunk: collective matmul) (default: ring)'),
    word('--operands <KIND>', '--operands', ['exact', 'normal', 'trained'], "exact: small integers, tolerance zero; normal: near-normal reals; trained: a trained Transformer's FC-2, which gives the shape (default: exact)"),
    text('--a <FILE>', '--a', 'your own A, m x K over all devices: FILE.npy, FILE.safetensors#TENSOR or FOLDER#TENSOR (f32, f16, bf16); gives the shape together with --b and --tp, or --devices'),
    text('--b <FILE>', '--b', 'your own B, K x n over all devices; FOLDER or FILE.safetensors alone where --config and --layer tell the tensor'),
    word('--layout <XY>', '--layout', ['nn', 'nt', 'tn', 'tt'], 'how --a and --b are stored, A first: n as they are multiplied (m x K, K x n), t transposed (K x m; n x K as PyTorch keeps weights) (default: nn, or what --config tells of B)'),
    seedFlag(),
    word('--chunk <AXIS>', '--chunk', ['rows', 'columns'], 'dimension along which the output is scattered (default: the longer; rows when equal). The first (length mod devices) chunks are one longer'),
    text('--kernel-name <NAME>', '--kernel-name', 'built-in GEMM kernel (default: the one that suits the adapter; plan: one that runs on every adapter)'),
    text('--kernel <FILE>', '--kernel', 'a WGSL GEMM of your own, unmodified: it is instrumented, probed, fused and checked like a built-in one'),
    text('--entry <NAME>', '--entry', 'its compute entry point (default: the only one)'),
    text('--bindings <FILE>', '--bindings', 'JSON that says what names and types cannot: see below (default: the .json beside the kernel)'),
    option('--tile <MxNxK>', "a workgroup's tile: rows x columns of C, and depth of the inner loop, elements (default: divides the chunk where one does)").argParser(reading('--tile', parseTile)),
    integer('--splits <COUNT>', '--splits', 'splits of K: partial products of a device, each a dispatch of its own, summed by the memory (default: 1)'),
    integer('--wavefront <LANES>', '--wavefront', 'lanes of a virtual wavefront (default: 64)'),
    integer('--stage-tiles <TILES>', '--stage-tiles', "tiles per stage, which is one dispatch (default: a quarter of the step's, rounded up, to an even number where that makes no fewer stages; more where there were over 4096 stages in all)"),
    integer('--trigger-tiles <TILES>', '--trigger-tiles', 'tiles per DMA block, which is what one trigger sends (default: 8)'),
    integer('--lag <EPOCHS>', '--lag', 'a trigger seen in the counters of epoch e is executed in epoch e + lag (default: 2)'),
    option('--skew <F>', "stages of device d take (1 + F*u(seed, d)) * (1 + F/4*u(seed, d, stage)) times as long, u uniform in [0, 1): a device that is behind misses epochs, so that updates arrive in another order; 0 to 4 (default: 0)").argParser(reading('--skew', parseDecimal)),
    word('--triggers <WHERE>', '--triggers', ['host', 'device'], 'who compares counters with thresholds: the host, which reads them back, or a kernel on the GPU (default: what is faster by measurement)'),
    word('--overflow <POLICY>', '--overflow', ['spill', 'stall'], 'what the tracker does when a set is full (default: spill)'),
    integer('--tracker-sets <SETS>', '--tracker-sets', "sets of each device's tracker, a power of two (default: 256)"),
    integer('--tracker-ways <WAYS>', '--tracker-ways', 'entries of a set (default: 8)'),
    option('--fault <FAULT>', `break the run on purpose to see it caught (repeatable): KIND:device=D,chunk=C,tile=T[,delta=X], KIND one of ${FAULT_KINDS.join(', ')}`).argParser<Fault[]>((value, faults: Fault[] | undefined) => [
      ...(faults ?? []),
      reading('--fault', parseFault)(value, undefined),
    ]),
  ];
  const wanted: readonly string[] | undefined = only;
  for (const flag of flags) if (wanted?.includes(flag.attributeName()) ?? true) command.addOption(flag);
  return command;
}

export function addReportFlags(command: Command): Command {
  return command
    .addOption(text('--json <FILE>', '--json', 'also write the result to FILE as JSON; an existing file is refused'))
    .addOption(option('--force', 'let --json replace an existing file'));
}

export function addBrowserFlags(command: Command): Command {
  return command
    .addOption(word('--backend <NAME>', '--backend', ['chrome', 'node'], "who offers WebGPU: chrome, a headless Chrome or Chromium; node, Node's own (npm webgpu, Dawn) in a child process (default: chrome)").env('TILEWIRE_BACKEND'))
    .addOption(text('--browser <PATH>', '--browser', 'Chrome or Chromium to use, and no other (default: the first found that gives an adapter, hardware first)'))
    .addOption(option('--require-hardware', 'fail rather than run on a software adapter'));
}

export function addLimitFlags(command: Command): Command {
  return command
    .addOption(option('--timeout <SECONDS>', 'give up after this time without progress (default: 600)').argParser(reading('--timeout', parseSeconds)))
    .addOption(option('--memory-limit <BYTES>', 'refuse a run that would allocate more; suffixes K M G T, Ki Mi Gi Ti (default: half of physical memory on a software adapter, else 4Gi)').argParser(reading('--memory-limit', parseBytes)));
}

/** What `instrument` takes besides its own: what decides the rewritten text, the footprint and the Plan. */
const INSTRUMENT_SPEC_FLAGS = ['model', 'config', 'layer', 'tp', 'tokens', 'm', 'n', 'k', 'devices', 'algorithm', 'chunk', 'entry', 'bindings', 'tile', 'splits', 'wavefront', 'stageTiles'] as const satisfies readonly (keyof SpecFlags)[];

export function addInstrumentFlags(command: Command): Command {
  const own = [
    integer('--device <D>', '--device', 'device whose steps, stages and chunks are told (default: 0)'),
    integer('--slots <P>', '--slots', 'chunk memories that the printed variant binds (default: 1, as for tiles that do not straddle chunks)'),
    word('--op <OP>', '--op', ['store', 'mixed'], 'how the printed variant writes: all stored, or mixed: stored or updated (C += value) by a bit of each piece (default: mixed)'),
    text('--svg <FILE>', '--svg', 'also draw the footprint to FILE; an existing file is refused'),
    option('--no-probe', 'do not run the kernel: no browser, and no footprint for a kernel of your own'),
    option('--schema', 'print the JSON Schema of the bindings file, and nothing else'),
    text('--json <FILE>', '--json', 'also write all of it to FILE as JSON: code, line map, footprint, every row of the table; an existing file is refused'),
    option('--force', 'let --json and --svg replace an existing file'),
    option('--timeout <SECONDS>', 'give up after this time without progress (default: 600)').argParser(reading('--timeout', parseSeconds)),
  ];
  addSpecFlags(command, INSTRUMENT_SPEC_FLAGS);
  for (const flag of own) command.addOption(flag);
  return command;
}

/** Of `tiles`: what decides the shape and, fused, the run. */
const TILES_SPEC_FLAGS = ['model', 'config', 'layer', 'tp', 'tokens', 'm', 'n', 'k', 'devices', 'algorithm', 'chunk', 'seed', 'kernel', 'entry', 'bindings'] as const satisfies readonly (keyof SpecFlags)[];

/** A whole number of at least one. */
function parseCount(text: string, path: string): number {
  const number = parseInteger(text, path);
  if (number < 1) throw new TilewireError('BAD_FLAG', 'not a number of things', { path, actual: text, limit: 'at least 1', fix: `write e.g. ${path} 8` });
  return number;
}

export function addTilesFlags(command: Command): Command {
  const own = [
    text('--kernels <NAMES>', '--kernels', 'built-in kernels to try, separated by commas (default: all)'),
    option('--vary <NAME=VALUES>', 'with --kernel: values of one of its override constants, e.g. TM=32,64,128 (repeatable: all combinations are tried)').argParser<Variations>((value, before: Variations | undefined) => {
      const { name, values } = reading('--vary', parseVariation)(value, undefined);
      if (before?.has(name)) throw new TilewireError('BAD_FLAG', 'this override is varied twice', { path: '--vary', actual: value, fix: `give all its values at once: --vary ${name}=…` });
      return new Map([...(before ?? []), [name, values]]);
    }),
    option('--fused', 'then rank the best of them in whole fused runs, with several sizes of stages and blocks'),
    option('--limit <COUNT>', 'candidates at most, likely ones first (default: 64; of fused runs 12)').argParser(reading('--limit', parseCount)),
    option('--seconds <SECONDS>', 'time for all of it, shared by the shapes; half of it is the first round\'s, which sorts out (default: 120 for each shape, 600 with --fused)').argParser(reading('--seconds', parseSeconds)),
    option('--rounds <COUNT>', 'rounds that are compared, beside the first one (default: 20)').argParser(reading('--rounds', parseCount)),
    option('--no-cache', 'do not keep the best tile for later runs on this adapter'),
    text('--json <FILE>', '--json', 'also write all of it to FILE as JSON, every sample included; an existing file is refused'),
    text('--csv <FILE>', '--csv', 'also write a row for each candidate to FILE as CSV'),
    text('--html <FILE>', '--html', 'also draw heat maps, tileM x tileN, to FILE: one page that needs no network'),
    option('--force', 'let --json, --csv and --html replace existing files'),
  ];
  addSpecFlags(command, TILES_SPEC_FLAGS);
  for (const flag of own) command.addOption(flag);
  return command;
}

/** Of `model`: what decides the shape. */
const MODEL_SPEC_FLAGS = ['model', 'config', 'layer', 'tp', 'tokens', 'm', 'n', 'k', 'devices', 'chunk'] as const satisfies readonly (keyof SpecFlags)[];

const machineFlags = (): Option[] => [
  text('--machine <NAME|FILE>', '--machine', 'one of `tilewire model --help`, this (what `tilewire doctor --calibrate` measured here), or FILE.json with one of your own (default: paper)'),
  word('--topology <NAME>', '--topology', ['ring', 'fully-connected', 'switch', 'two-level'], "how its devices are linked (default: the machine's own)"),
];

export function addModelFlags(command: Command): Command {
  addSpecFlags(command, [...MODEL_SPEC_FLAGS, 'a', 'b', 'layout', 'splits', 'skew', 'seed', 'overflow', 'trackerSets', 'trackerWays'], MODELLED);
  const own = [
    text('--schedule <NAMES>', '--schedule', 'schedules to compare, separated by commas, or all (default: sequential,t3,t3-mca,ideal-overlap,ideal-nmc)'),
    ...machineFlags(),
    option('--machine-schema', 'print the JSON Schema of a machine file, and nothing else'),
  ];
  for (const flag of own) command.addOption(flag);
  return addReportFlags(command);
}

export function addExplainFlags(command: Command): Command {
  addSpecFlags(command, MODEL_SPEC_FLAGS, MODELLED);
  const own = [
    text('--run <FILE>', '--run', 'explain the measured runs of a report that `run --json` or `start --json` wrote, instead of a shape: why each took its time as measured, as replayed, and what the model says of the same shape'),
    text('--schedule <NAME>', '--schedule', 't3, t3-mca or t3-compute-first (default: t3-mca)'),
    ...machineFlags(),
    text('--json <FILE>', '--json', 'also write all of it to FILE as JSON; an existing file is refused'),
    text('--html <FILE>', '--html', 'also draw it to FILE: time by cause, the critical path over time, both maps; one page that needs no network'),
    option('--force', 'let --json and --html replace existing files'),
  ];
  for (const flag of own) command.addOption(flag);
  return command;
}

export function addPaperFlags(command: Command): Command {
  return command
    .addOption(option('--sensitivity', 'also change one thing at a time, and draw other parameter sets and see which of them fit as well'))
    .addOption(text('--json <FILE>', '--json', 'also write all of it to FILE as JSON; an existing file is refused'))
    .addOption(text('--html <FILE>', '--html', 'also draw speedups and DRAM traffic to FILE, with all tables: one page that needs no network'))
    .addOption(option('--force', 'let --json and --html replace existing files'));
}

export const calibrateFlag = () => option('--calibrate', 'also measure GEMM rate, copies, near-memory updates and dispatches, and keep them as machine `this` (about a minute)');

/** The given flags as a request, with what was read from the files that they name. */
export function specRequest(flags: SpecFlags, read: Pick<SpecRequest, 'trained' | 'files' | 'config' | 'foreign'> = {}): SpecRequest {
  const { fault, kernel: _kernel, entry: _entry, bindings: _bindings, a: _a, b: _b, layout: _layout, config: _config, ...rest } = flags;
  return { ...rest, ...(fault === undefined ? {} : { faults: fault }), ...read };
}

/** Names of the Spec's flags that were given, as they are written. */
export function givenSpecFlags(flags: SpecFlags): string[] {
  const names = ['model', 'config', 'layer', 'tp', 'tokens', 'm', 'n', 'k', 'devices', 'collective', 'algorithm', 'operands', 'a', 'b', 'layout', 'seed', 'chunk', 'kernelName', 'kernel', 'entry', 'bindings', 'tile', 'splits', 'wavefront', 'stageTiles', 'triggerTiles', 'lag', 'skew', 'triggers', 'overflow', 'trackerSets', 'trackerWays', 'fault'] as const satisfies readonly (keyof SpecFlags)[];
  return names.filter((name) => flags[name] !== undefined).map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
}

