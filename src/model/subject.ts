// What a schedule is run on: a GEMM shape over devices on a machine with a parameter set, and the simulations that several schedules
// share (the GEMM alone, the collectives alone), each made at most once.
import { gridTiling, twinsOf } from '../plan/grid-tiling.ts';
import { planOfMapping, REDUCE_SCATTERS, type Plan } from '../plan/plan.ts';
import { chunkRange, depthOf } from '../spec/chunks.ts';
import type { Algorithm, ChunkAxis, OverflowPolicy } from '../spec/spec.ts';
import { simulateBeside, type BesideFigures } from './beside.ts';
import { simulateCollective, type CollectiveFigures, type CollectiveKind } from './collective.ts';
import { simulateGemm, type GemmFigures, type GemmInput } from './fused.ts';
import { settingsOf, type ArbitrationPolicy, type Machine, type Parameters } from './machine.ts';
import type { Settings } from './settings.ts';

export interface Shape {
  readonly m: number;
  readonly n: number;
  /** K over all devices. */
  readonly kTotal: number;
  readonly devices: number;
  /** Along the longer dimension, where left out. */
  readonly chunk?: ChunkAxis;
  /** Of K: partial products of a device, each by workgroups of its own. One, where left out. */
  readonly splits?: number;
}

export interface Conditions {
  readonly machine: Machine;
  readonly parameters: Parameters;
  /** Equal devices are simulated once; the result is the same. */
  readonly fold: boolean;
  readonly skew?: number;
  readonly seed?: number;
  /** What a tracker does whose set is full: spill, where left out. */
  readonly overflow?: OverflowPolicy;
  readonly binPs?: number;
  /** Runs of other conditions that do not differ in what a run sees: many parameter sets over the same shapes share theirs here. */
  readonly shared?: Map<string, unknown>;
}

/** What a plain GEMM does not see: it has no updates, and nobody communicates. */
const UNSEEN_BY_GEMM = ['updateFactor', 'interleavePenalty', 'arbitration', 'topology', 'nodeDevices', 'nodeBandwidth', 'linkBandwidth', 'linkLatencyPs', 'linkQueueBytes', 'incomingBytes', 'dmaSetupPs', 'dmaWindowBytes', 'dmaReadBytes', 'collectiveWindowBytes', 'cuCopyBandwidth', 'collectiveCus', 'launchPs'] as const satisfies readonly (keyof Settings)[];
/** Nor a staggered one, but that it stores updates, and that its devices fold as their links let them. */
const UNSEEN_BY_FUSED_GEMM = UNSEEN_BY_GEMM.filter((name) => !['updateFactor', 'topology', 'nodeDevices'].includes(name));
/** What a collective by itself does not see. */
const UNSEEN_BY_COLLECTIVE = ['cus', 'cuFlops', 'workgroupsPerCu', 'prefetch', 'stageBarrier', 'straddleSteps', 'llcBytes', 'readLatencyPs', 'linkQueueBytes', 'dmaSetupPs', 'dmaWindowBytes', 'dmaReadBytes', 'separateStoreQueue'] as const satisfies readonly (keyof Settings)[];

export class Subject {
  readonly #made = new Map<string, unknown>();

  constructor(
    readonly shape: Shape,
    readonly conditions: Conditions,
    /** One that differs in K alone: Plans and collectives, which do not depend on it, are made once for both. */
    readonly kin: Subject | null = null,
  ) {}

  /** Bytes of each device's chunk. */
  get chunkBytes(): number[] {
    const { m, n, devices } = this.shape;
    return Array.from({ length: devices }, (_, j) => (this.axis === 'rows' ? chunkRange(m, devices, j).length * n : chunkRange(n, devices, j).length * m) * this.conditions.parameters.elementBytes);
  }

  get axis(): ChunkAxis {
    return this.shape.chunk ?? (this.shape.n > this.shape.m ? 'columns' : 'rows');
  }

  /** Of the collective over the devices, or of the plain GEMM (one device). Its stages are whole steps: the machine cuts them. */
  plan(devices: number = this.shape.devices, algorithm: Algorithm = 'ring', blockTiles: number = this.conditions.parameters.blockTiles): Plan {
    if (this.kin !== null) return this.kin.plan(devices, algorithm, blockTiles);
    return this.#once(`plan ${devices} ${algorithm} ${blockTiles}`, null, () => {
      const { tileM, tileN, wavesM, wavesN, swizzle } = this.conditions.parameters;
      const { m, n, splits = 1 } = this.shape;
      const kernel = { m, n, tile: { m: tileM, n: tileN }, waves: { m: wavesM, n: wavesN }, swizzle, splits };
      return planOfMapping(REDUCE_SCATTERS[algorithm](devices), gridTiling(kernel, this.axis, devices, blockTiles), Infinity, twinsOf(kernel));
    });
  }

  /** The plain GEMM of the slowest device, its output through the LLC: without skew that with the largest k, the first. */
  get gemm(): GemmFigures {
    return this.gemms.reduce((slowest, other) => (other.timePs > slowest.timePs ? other : slowest));
  }

  /** The plain GEMM of each device by itself, of the first one alone where none is skewed. */
  get gemms(): readonly GemmFigures[] {
    const ranks = (this.conditions.skew ?? 0) === 0 ? 1 : this.shape.devices;
    return this.#once('gemms', this.#gemmKey('round-robin', UNSEEN_BY_GEMM), () => Array.from({ length: ranks }, (_, rank) => this.simulate({ plan: this.plan(1), policy: 'round-robin', writes: 'cached', isConnected: false, rank })));
  }

  /** The fused GEMM with nothing of its communication: staggered, past the LLC, stores for peers dropped. */
  get fusedGemm(): GemmFigures {
    return this.#once('fused gemm', this.#gemmKey('round-robin', UNSEEN_BY_FUSED_GEMM), () => this.simulate({ plan: this.plan(), policy: 'round-robin', writes: 'updates', isConnected: false }));
  }

  /** What a ring runs on: fully connected devices run as many rings as each has links, striped, so that a ring has all of a device's bandwidth. */
  get ringed(): Subject {
    return this.conditions.machine.topology === 'fully-connected' ? this.under({ machine: { topology: 'ring' } }) : this;
  }

  /** Fused with a reduce-scatter, in blocks of the parameters' size or of whole chunks, each of which is then a kernel of its own. */
  fused(policy: ArbitrationPolicy, algorithm: Algorithm = 'ring', byChunk = false): GemmFigures {
    if (algorithm !== 'direct' && this.ringed !== this) return this.ringed.fused(policy, algorithm, byChunk);
    return this.#once(`fused ${policy} ${algorithm} ${byChunk}`, this.#gemmKey(policy), () => this.simulate({ plan: this.plan(this.shape.devices, algorithm, byChunk ? Infinity : undefined), policy, writes: 'updates', isConnected: true, kernelPerStage: byChunk }));
  }

  /** The same shape under other conditions, e.g. with fewer CUs. */
  under(change: { readonly machine?: Partial<Machine>; readonly parameters?: Partial<Parameters> }): Subject {
    const { machine, parameters } = this.conditions;
    return this.#once(`under ${JSON.stringify(change)}`, null, () => new Subject(this.shape, { ...this.conditions, machine: { ...machine, ...change.machine }, parameters: { ...parameters, ...change.parameters } }));
  }

  /** By a kernel on some of the CUs, all where left out; of a share of each chunk, where `parts` is more than one. */
  collective(kind: CollectiveKind, collectiveCus: number = this.conditions.machine.cus, parts = 1): CollectiveFigures {
    if (this.kin !== null) return this.kin.collective(kind, collectiveCus, parts);
    const { machine, parameters, fold, binPs = 0 } = this.conditions;
    const chunkBytes = this.chunkBytes.map((bytes) => Math.ceil(bytes / parts / parameters.elementBytes) * parameters.elementBytes);
    const settings = { ...settingsOf(machine, parameters, 'round-robin'), collectiveCus };
    return this.#once(`${kind} ${collectiveCus} ${parts}`, () => JSON.stringify([without(settings, UNSEEN_BY_COLLECTIVE), chunkBytes, fold, binPs]), () => simulateCollective({ settings, kind, chunkBytes, fold, binPs }));
  }

  /** The plain GEMM on all but some of the CUs, the reduce-scatter of another one on these, at once. */
  beside(collectiveCus: number): BesideFigures {
    const { machine, parameters, fold } = this.conditions;
    const settings = { ...settingsOf({ ...machine, cus: machine.cus - collectiveCus }, parameters, 'round-robin'), collectiveCus };
    return this.#once(`beside ${collectiveCus}`, null, () => simulateBeside({ gemm: { ...this.#gemmInput(this.plan(1)), settings, writes: 'cached' }, collective: { kind: 'reduce-scatter', chunkBytes: this.chunkBytes, fold } }));
  }

  simulate({ plan, policy, rank = 0, ...rest }: { readonly plan: Plan; readonly policy: ArbitrationPolicy } & Pick<GemmInput, 'writes' | 'isConnected' | 'kernelPerStage' | 'log' | 'trace' | 'rank'>): GemmFigures {
    const { machine, parameters, fold, binPs = 0 } = this.conditions;
    const input = this.#gemmInput(plan);
    return simulateGemm({ ...input, settings: settingsOf(machine, parameters, policy), depths: input.depths.slice(rank, rank + plan.devices), fold, rank, binPs, ...rest });
  }

  /** With the k of all devices. */
  #gemmInput(plan: Plan): Pick<GemmInput, 'plan' | 'tile' | 'depths' | 'skew' | 'seed' | 'geometry'> {
    const { parameters: { tileM, tileN, tileK, trackerSets: sets, trackerWays: ways }, skew = 0, seed = 0, overflow = 'spill' } = this.conditions;
    const { devices } = this.shape;
    return { plan, tile: { m: tileM, n: tileN, k: tileK }, depths: Array.from({ length: devices }, (_, device) => depthOf({ gemm: this.shape, devices }, device)), skew, seed, geometry: { sets, ways, overflow } };
  }

  /** All that a run of a GEMM under a policy sees, as text. */
  #gemmKey(policy: ArbitrationPolicy, unseen: readonly (keyof Settings)[] = []): () => string {
    return () => {
      const { machine, parameters, fold, skew = 0, seed = 0, overflow = 'spill', binPs = 0 } = this.conditions;
      const { tileM, tileN, tileK, wavesM, wavesN, swizzle, blockTiles, trackerSets, trackerWays } = parameters;
      return JSON.stringify([this.shape, without(settingsOf(machine, parameters, policy), unseen), tileM, tileN, tileK, wavesM, wavesN, swizzle, blockTiles, trackerSets, trackerWays, overflow, fold, skew, seed, binPs]);
    };
  }

  /** @param seen all that it depends on, besides its name; null for what is this Subject's alone */
  #once<T>(name: string, seen: (() => string) | null, make: () => T): T {
    if (this.#made.has(name)) return this.#made.get(name) as T;
    const { shared } = this.conditions;
    const key = shared === undefined || seen === null ? null : `${name} ${seen()}`;
    const made = key === null || !shared!.has(key) ? make() : (shared!.get(key) as T);
    if (key !== null) shared!.set(key, made);
    this.#made.set(name, made);
    return made;
  }
}

function without(settings: Settings, unseen: readonly (keyof Settings)[]): Partial<Settings> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !unseen.includes(name as keyof Settings)));
}
