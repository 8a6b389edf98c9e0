// What a schedule is run on: a GEMM shape over devices on a machine with a parameter set, and the simulations that several schedules
// share (the GEMM alone, the collectives alone), each made at most once.
import { gridTiling } from '../plan/grid-tiling.ts';
import { planOfTiling, type Plan } from '../plan/plan.ts';
import { MAX_STAGE_TILES } from '../spec/limits.ts';
import { chunkRange, depthOf } from '../spec/chunks.ts';
import type { Algorithm, ChunkAxis } from '../spec/spec.ts';
import { simulateCollective, type CollectiveFigures, type CollectiveKind } from './collective.ts';
import { simulateGemm, type GemmFigures, type GemmInput } from './fused.ts';
import { settingsOf, type ArbitrationPolicy, type Machine, type Parameters } from './machine.ts';

export interface Shape {
  readonly m: number;
  readonly n: number;
  /** K over all devices. */
  readonly kTotal: number;
  readonly devices: number;
  /** Along the longer dimension, where left out. */
  readonly chunk?: ChunkAxis;
}

export interface Conditions {
  readonly machine: Machine;
  readonly parameters: Parameters;
  /** Equal devices are simulated once; the result is the same. */
  readonly fold: boolean;
  readonly skew?: number;
  readonly seed?: number;
  readonly binPs?: number;
}

export class Subject {
  readonly #made = new Map<string, unknown>();

  constructor(
    readonly shape: Shape,
    readonly conditions: Conditions,
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
    return this.#once(`plan ${devices} ${algorithm} ${blockTiles}`, () => {
      const { tileM, tileN, wavesM, wavesN, swizzle } = this.conditions.parameters;
      const kernel = { m: this.shape.m, n: this.shape.n, tile: { m: tileM, n: tileN }, waves: { m: wavesM, n: wavesN }, swizzle };
      return planOfTiling({ devices, algorithm, stageTiles: MAX_STAGE_TILES }, gridTiling(kernel, this.axis, devices, blockTiles));
    });
  }

  /** The plain GEMM of the device with the largest k, its output through the LLC. */
  get gemm(): GemmFigures {
    return this.#once('gemm', () => this.simulate({ plan: this.plan(1), policy: 'round-robin', writes: 'cached', isConnected: false }));
  }

  /** The fused GEMM with nothing of its communication: staggered, past the LLC, stores for peers dropped. */
  get fusedGemm(): GemmFigures {
    return this.#once('fused gemm', () => this.simulate({ plan: this.plan(), policy: 'round-robin', writes: 'updates', isConnected: false }));
  }

  fused(policy: ArbitrationPolicy): GemmFigures {
    return this.#once(`fused ${policy}`, () => this.simulate({ plan: this.plan(), policy, writes: 'updates', isConnected: true }));
  }

  collective(kind: CollectiveKind): CollectiveFigures {
    const { machine, parameters, fold, binPs } = this.conditions;
    return this.#once(kind, () => simulateCollective({ settings: settingsOf(machine, parameters, 'round-robin'), kind, chunkBytes: this.chunkBytes, fold, ...(binPs === undefined ? {} : { binPs }) }));
  }

  simulate({ plan, policy, ...rest }: { readonly plan: Plan; readonly policy: ArbitrationPolicy } & Pick<GemmInput, 'writes' | 'isConnected' | 'kernelPerStage' | 'log'>): GemmFigures {
    const { machine, parameters, fold, skew = 0, seed = 0, binPs = 0 } = this.conditions;
    const depths = Array.from({ length: plan.devices }, (_, device) => depthOf({ gemm: this.shape, devices: this.shape.devices }, device));
    const { tileM, tileN, tileK, trackerSets: sets, trackerWays: ways } = parameters;
    return simulateGemm({ settings: settingsOf(machine, parameters, policy), plan, tile: { m: tileM, n: tileN, k: tileK }, depths, fold, skew, seed, binPs, geometry: { sets, ways, overflow: 'spill' }, ...rest });
  }

  #once<T>(key: string, make: () => T): T {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key) as T;
  }
}
