// Machines and parameters: what is modelled, as data with a source for each number. A machine is hardware as it is described; the
// parameters are how it works inside and how kernels use it, where no description says so: one set for all, but that a machine
// which was measured may have some of them measured too. Both are validated, so that a file of one's own is refused with
// every issue and its path.
import { z } from 'zod';
import { TilewireError } from '../errors.ts';
import type { Arbitration } from './arbitration.ts';
import type { Settings } from './settings.ts';
import a100 from './machines/a100.json' with { type: 'json' };
import b200 from './machines/b200.json' with { type: 'json' };
import h100 from './machines/h100.json' with { type: 'json' };
import h200 from './machines/h200.json' with { type: 'json' };
import mi210 from './machines/mi210.json' with { type: 'json' };
import mi300x from './machines/mi300x.json' with { type: 'json' };
import paper from './machines/paper.json' with { type: 'json' };
import paper2xCu from './machines/paper-2x-cu.json' with { type: 'json' };
import paperParameters from './paper-parameters.json' with { type: 'json' };

/** A value and where it is from: a citation, or the word "assumption" with its reason. */
const sourced = <T extends z.ZodType>(value: T) => z.strictObject({ value, source: z.string().min(1) });
const count = z.number().int().min(1);
const positive = z.number().positive();
const ns = z.number().min(0);
const times = z.number().min(0);

/** A number from `least` to `most`; whoever is refused is told both. */
const between = (least: number, most: number): z.ZodNumber => {
  const range = `${least}..${most}`;
  return z.number(range).min(least, range).max(most, range);
};
const wholeBetween = (least: number, most: number): z.ZodNumber => between(least, most).int(`a whole number, ${least}..${most}`);

/**
 * Ranges: within them the clock, whole picoseconds up to 2^53, has room for every shape of the zoo, and a host for the CUs. Machines
 * that exist lie far inside.
 */
export const machineSchema = z.strictObject({
  name: z.string().min(1),
  about: z.string(),
  cus: sourced(wholeBetween(1, 2 ** 16)),
  clockGHz: sourced(between(0.01, 1000)),
  flopsPerClockPerCu: sourced(wholeBetween(16, 2 ** 24)),
  llcBytes: sourced(wholeBetween(1, 2 ** 40)),
  memoryGBs: sourced(between(0.01, 1e6)),
  /** Of one direction; fully connected: of all links of a device together. */
  linkGBs: sourced(between(0.01, 1e6)),
  linkLatencyNs: sourced(between(0, 1e9)),
  topology: sourced(z.enum(['ring', 'fully-connected', 'switch', 'two-level'])),
  nodeDevices: sourced(wholeBetween(1, 2 ** 16)),
  nodeGBs: sourced(between(0.01, 1e6)),
  /** What was measured on this machine of what else is one set for all; presets have none. */
  parameters: z
    .strictObject({
      /** Of the kernels whose rate was measured. */
      elementBytes: sourced(z.literal([1, 2, 4, 8, 16])).exactOptional(),
      updateFactor: sourced(between(1, 1000)).exactOptional(),
      cuCopyGBs: sourced(between(0.01, 1e6)).exactOptional(),
      launchNs: sourced(between(0, 1e9)).exactOptional(),
    })
    .exactOptional(),
});

const parametersSchema = z.strictObject({
  name: z.string().min(1),
  about: z.string(),
  elementBytes: sourced(count),
  tileM: sourced(count),
  tileN: sourced(count),
  tileK: sourced(count),
  wavesM: sourced(count),
  wavesN: sourced(count),
  swizzle: sourced(count),
  prefetch: sourced(z.number().int().min(0)),
  workgroupsPerCu: sourced(count),
  efficiency: sourced(positive.max(1)),
  stageBarrier: sourced(z.boolean()),
  straddleSteps: sourced(z.boolean()),
  granuleBytes: sourced(count.min(64)),
  queueBytes: sourced(count),
  readLatencyNs: sourced(ns),
  updateFactor: sourced(z.number().min(1)),
  interleavePenalty: sourced(ns),
  separateStoreQueue: sourced(z.boolean()),
  roundRobinCompute: sourced(count),
  roundRobinCommunication: sourced(count),
  starvationNs: sourced(ns.nullable()),
  thresholds: sourced(z.array(z.strictObject({ upTo: z.number().min(0), bytes: count.nullable() })).min(1)),
  linkQueueBytes: sourced(count),
  incomingBytes: sourced(count),
  dmaSetupNs: sourced(ns),
  dmaWindowBytes: sourced(count),
  dmaReadBytes: sourced(count),
  blockTiles: sourced(count),
  trackerSets: sourced(count),
  trackerWays: sourced(count),
  collectiveWindowBytes: sourced(count),
  cuCopyGBs: sourced(positive.nullable()),
  pollNs: sourced(ns),
  launchNs: sourced(ns),
  /** What the rest of a layer is made of, beside the sub-layers that were modelled (studies.ts); words say what the formula is. */
  endToEnd: z.strictObject({
    sequence: sourced(count),
    forwardProjections: sourced(times),
    backwardProjections: sourced(times),
    weightGradients: sourced(times),
    forwardAttention: sourced(times),
    backwardAttention: sourced(times),
    forwardElementwise: sourced(times),
    backwardElementwise: sourced(times),
    gemmRate: sourced(z.literal("the machine's")),
    elementwiseRate: sourced(z.literal("the memory's")),
    overlap: sourced(z.literal('none')),
    training: sourced(z.literal('forward, backward')),
    promptInference: sourced(z.literal('forward')),
    layers: sourced(z.literal('alike')),
  }),
});

export type MachineFile = z.infer<typeof machineSchema>;
export type ParameterFile = z.infer<typeof parametersSchema>;

type Values<T> = { readonly [K in keyof T]: T[K] extends { value: infer V } ? V : T[K] extends object ? Values<T[K]> : T[K] };
/** The files' values without their sources: what the model computes with. A machine's own parameters are in its set (`parametersOn`). */
export type Machine = Values<Omit<MachineFile, 'parameters'>>;
export type Parameters = Values<ParameterFile>;
/** What an ablation or a search changes. */
export type ParameterChange = Partial<Omit<Parameters, 'name' | 'about' | 'endToEnd'>>;

/** A value of a file by its name, with its source: as reports list them. */
export interface Sourced {
  readonly name: string;
  readonly value: unknown;
  readonly source: string;
}

/** Presets by name, as they are in the files. */
export const MACHINE_FILES: readonly MachineFile[] = [paper, paper2xCu, mi210, mi300x, a100, h100, h200, b200].map((json) => parseMachine(json, 'a preset'));
export const PAPER_PARAMETER_FILE: ParameterFile = parseParameters(paperParameters, 'paper-parameters.json');
export const PAPER_PARAMETERS: Parameters = valuesOf(PAPER_PARAMETER_FILE);

/** JSON Schema of a machine file, for editors. */
export const machineJsonSchema = (): unknown => z.toJSONSchema(machineSchema);

/** `json` as a machine; BAD_FILE with one line per issue where it is none. `path` is the file to blame. */
export function parseMachine(json: unknown, path: string): MachineFile {
  return parsed(machineSchema, json, path, 'machine');
}

export function parseParameters(json: unknown, path: string): ParameterFile {
  const file = parsed(parametersSchema, json, path, 'parameter set');
  const { granuleBytes, elementBytes, incomingBytes, tileM, tileN, wavesM, wavesN } = valuesOf(file);
  const lines = [
    ...(granuleBytes % elementBytes === 0 ? [] : [`granuleBytes: ${granuleBytes} is no whole number of elements of ${elementBytes} bytes`]),
    ...(incomingBytes >= granuleBytes ? [] : [`incomingBytes: ${incomingBytes} has no room for one granule of ${granuleBytes}`]),
    ...(tileM % wavesM === 0 && tileN % wavesN === 0 ? [] : [`wavesM, wavesN: ${wavesM} x ${wavesN} wavefronts do not divide a tile of ${tileM} x ${tileN}`]),
  ];
  if (lines.length > 0) throw badFile(path, 'parameter set', lines);
  return file;
}

/** A preset by its name; BAD_FLAG for one that there is not. */
export function machineNamed(name: string): Machine {
  const file = MACHINE_FILES.find((of) => of.name === name);
  if (file === undefined) throw new TilewireError('BAD_FLAG', 'unknown machine', { path: '--machine', actual: name, fix: `use one of ${MACHINE_FILES.map((of) => of.name).join(', ')}, this (after \`tilewire doctor --calibrate\`), or a file: --machine FILE.json` });
  return valuesOf(file);
}

/** The set with what was measured on the machine in place of the assumption, each with its source: what a report shows as used. */
export function parametersOn({ parameters = {} }: MachineFile, set: ParameterFile): ParameterFile {
  return { ...set, ...parameters };
}

export function valuesOf<T extends MachineFile | ParameterFile>(file: T): Values<Omit<T, 'parameters'>> {
  return Object.fromEntries(Object.entries(file).flatMap(([key, of]) => (key === 'parameters' ? [] : [[key, valueOf(of)]]))) as Values<Omit<T, 'parameters'>>;
}

function valueOf(of: unknown): unknown {
  if (typeof of !== 'object' || of === null) return of;
  return isSourced(of) ? of.value : Object.fromEntries(Object.entries(of).map(([key, part]) => [key, valueOf(part)]));
}

/** What of a file, or of a part of it, has a source, in its order. */
export function sourcedOf(file: MachineFile | ParameterFile | ParameterFile['endToEnd']): Sourced[] {
  return Object.entries(file).flatMap(([name, of]) => (isSourced(of) ? [{ name, value: of.value, source: of.source }] : []));
}

function isSourced(of: unknown): of is Omit<Sourced, 'name'> {
  return typeof of === 'object' && of !== null && 'source' in of;
}

function parsed<T>(schema: z.ZodType<T>, json: unknown, path: string, what: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw badFile(path, what, result.error.issues.map((issue) => `${issue.path.map(String).join('.') || '(top)'}: ${issue.message}`));
}

function badFile(path: string, what: string, lines: string[]): TilewireError {
  return new TilewireError('BAD_FILE', `this is not a ${what}: ${lines.length} ${lines.length === 1 ? 'issue' : 'issues'}`, { path, lines, fix: 'write each number as {"value": …, "source": "…"}, as the presets do' });
}

export type ArbitrationPolicy = Arbitration['policy'];

export function arbitrationOf({ roundRobinCompute, roundRobinCommunication, starvationNs, thresholds }: Parameters, policy: ArbitrationPolicy): Arbitration {
  const starvationPs = starvationNs === null ? Infinity : starvationNs * 1e3;
  if (policy === 'round-robin') return { policy, computeTurns: roundRobinCompute, communicationTurns: roundRobinCommunication };
  return policy === 'compute-first' ? { policy, starvationPs } : { policy, starvationPs, thresholds };
}

/** What the engine runs. */
export function settingsOf(machine: Machine, parameters: Parameters, policy: ArbitrationPolicy): Settings {
  const { cus, clockGHz, flopsPerClockPerCu, llcBytes, topology, nodeDevices } = machine;
  const { prefetch, workgroupsPerCu, stageBarrier, straddleSteps, queueBytes, updateFactor, interleavePenalty, linkQueueBytes, incomingBytes, dmaWindowBytes, dmaReadBytes, collectiveWindowBytes, granuleBytes, elementBytes, separateStoreQueue } = parameters;
  return {
    cus, llcBytes, topology, nodeDevices, prefetch, workgroupsPerCu, stageBarrier, straddleSteps, queueBytes, updateFactor, interleavePenalty, linkQueueBytes, incomingBytes, dmaWindowBytes, dmaReadBytes, collectiveWindowBytes, granuleBytes, elementBytes, separateStoreQueue,
    cuFlops: flopsPerClockPerCu * clockGHz * 1e9 * parameters.efficiency,
    readLatencyPs: Math.round(parameters.readLatencyNs * 1e3),
    memoryBandwidth: machine.memoryGBs * 1e9,
    linkBandwidth: machine.linkGBs * 1e9,
    linkLatencyPs: Math.round(machine.linkLatencyNs * 1e3),
    nodeBandwidth: machine.nodeGBs * 1e9,
    dmaSetupPs: Math.round(parameters.dmaSetupNs * 1e3),
    cuCopyBandwidth: parameters.cuCopyGBs === null ? null : parameters.cuCopyGBs * 1e9,
    collectiveCus: cus,
    launchPs: Math.round(parameters.launchNs * 1e3),
    arbitration: arbitrationOf(parameters, policy),
  };
}
