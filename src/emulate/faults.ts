// Deliberate defects: where in a run each of a Spec's faults strikes. Looked up by the engine at the few places
// where hardware could fail; a run without faults finds nothing here.
import { TilewireError } from '../errors.ts';
import { routeOf, type Plan } from '../plan/plan.ts';
import type { Fault, Spec } from '../spec/spec.ts';
import { tilesOf } from '../plan/summary.ts';
import { partOf } from './dispatches.ts';

/** Why a fault cannot strike where it is told to. */
const NEEDS: Record<Fault['kind'], string> = {
  'suppress-stores': '',
  'unwritten-output': '',
  threshold: 'the device does not track this chunk: it has no threshold there',
  'corrupt-tile': 'the device holds nothing of this chunk in its memory',
  'drop-transfer': 'the device sends nothing of this chunk by DMA',
  'double-update': 'the device sends nothing of this chunk by DMA',
  'early-read': 'the device sends nothing of this chunk by DMA',
};

type At = Extract<Fault, { device: number }>;

export class Faults {
  readonly #located: { readonly fault: At; readonly part: number; readonly block: number }[];
  readonly unwritten: boolean;

  /** @throws BAD_SPEC for a fault that cannot strike where it is told to */
  constructor(
    { faults }: Spec,
    readonly plan: Plan,
  ) {
    const muted = faults.flatMap((fault, index) => (fault.kind === 'suppress-stores' ? [{ device: fault.device, index }] : []));
    const second = muted.find(({ device }, at) => muted.findIndex((other) => other.device === device) !== at);
    if (second !== undefined) throw new TilewireError('BAD_SPEC', 'a device has one kernel variant that suppresses one workgroup', { path: `faults[${second.index}]`, actual: `a second suppress-stores on device ${second.device}`, limit: 'one a device', fix: 'use another device, or two runs' });
    this.unwritten = faults.some(({ kind }) => kind === 'unwritten-output');
    this.#located = faults.flatMap((fault, index) => {
      if (fault.kind === 'unwritten-output') return [];
      if (fault.chunk >= plan.tiling.chunks.length) throw new TilewireError('BAD_SPEC', 'the fault names a chunk that there is not', { path: `faults[${index}]`, actual: fault.chunk, limit: `${plan.tiling.chunks.length} chunks, from 0`, fix: 'name one of these' });
      const part = fault.tile < plan.tiling.tiles ? partOf(plan, fault.tile, fault.chunk) : -1;
      if (part < 0)
        throw new TilewireError('BAD_SPEC', 'the fault names a tile that stores nothing of this chunk', { path: `faults[${index}]`, actual: { chunk: fault.chunk, tile: fault.tile }, limit: `tiles of chunk ${fault.chunk}: ${tilesOf(plan, fault.chunk)}`, fix: 'name one of these; `tilewire plan` lists those of every chunk' });
      const { expects, whenComplete } = routeOf(plan, fault.device, fault.chunk);
      const can = fault.kind === 'suppress-stores' || (fault.kind === 'threshold' || fault.kind === 'corrupt-tile' ? expects.length > 0 : whenComplete.kind === 'dma');
      if (!can)
        throw new TilewireError('BAD_SPEC', NEEDS[fault.kind], { path: `faults[${index}]`, actual: { device: fault.device, chunk: fault.chunk }, fix: '`tilewire plan` says what each device does with each chunk' });
      return [{ fault, part, block: plan.tiling.partBlock[part] }];
    });
  }

  /** Tracker thresholds of a device that are off, by piece: elements to add. */
  thresholds(device: number): Map<number, number> {
    const { wavefronts, pieceElements } = this.plan.tiling;
    const map = new Map<number, number>();
    for (const { fault, part } of this.#located)
      if (fault.kind === 'threshold' && fault.device === device)
        for (let piece = part * wavefronts; piece < (part + 1) * wavefronts; piece++)
          if (pieceElements[piece] > 0) {
            map.set(piece, fault.delta);
            break;
          }
    return map;
  }

  /** The workgroup whose stores the device's kernel suppresses. */
  muted(device: number): number | 'all' | undefined {
    if (this.unwritten) return 'all';
    return this.#located.find(({ fault }) => fault.kind === 'suppress-stores' && fault.device === device)?.fault.tile;
  }

  /** Whether a block on its way from the device meets this fault. */
  strikes(kind: 'drop-transfer' | 'double-update' | 'early-read', device: number, block: number): boolean {
    return this.#located.some((at) => at.fault.kind === kind && at.fault.device === device && at.block === block);
  }

  /** Blocks to be read early, once the device's stage with one of these tiles has run. */
  early(device: number, tiles: readonly number[]): number[] {
    return this.#located.filter(({ fault }) => fault.kind === 'early-read' && fault.device === device && tiles.includes(fault.tile)).map(({ block }) => block);
  }

  /** Parts of which one element is overwritten, once the device's stage with one of these tiles has run. */
  corrupted(device: number, tiles: readonly number[]): number[] {
    return this.#located.filter(({ fault }) => fault.kind === 'corrupt-tile' && fault.device === device && tiles.includes(fault.tile)).map(({ part }) => part);
  }
}
