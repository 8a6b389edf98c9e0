// The host tracker's eyes: what the counters of an epoch say, compared with those before, is all that the trackers
// ever learn. Each counter belongs to a writer, so every update has a source, and so has every one that is missing.
import type { EventLog } from '../events/log.ts';
import { chunkOfBlock, piecesOfBlock, routeOf, thresholdOf, updatesOf, type Plan } from '../plan/plan.ts';
import { pieceName, Tracker, type TrackerOutput } from '../tracker/tracker.ts';

interface Landing {
  readonly device: number;
  readonly from: number;
  readonly via: 'local' | 'remote' | 'dma';
}

export class Watch {
  /** GEMM counters of all devices, then near-memory counters of all devices: what was last read. */
  readonly #last: Uint32Array;
  /** By writer and chunk. */
  readonly #landings: readonly (readonly Landing[])[];
  /** What an update led to; empty between updates. */
  readonly #output: TrackerOutput = { completed: [], ready: [] };

  constructor(
    readonly plan: Plan,
    readonly trackers: readonly Tracker[],
    readonly log: EventLog,
  ) {
    this.#last = new Uint32Array(2 * plan.devices * this.#pieces);
    this.#landings = Array.from({ length: 2 * plan.devices }, (_, writer) => plan.tiling.chunks.map((_of, chunk) => this.#landing(writer, chunk)));
  }

  get #pieces(): number {
    return this.plan.tiling.parts * this.plan.tiling.wavefronts;
  }

  /**
   * Tells the trackers what landed in this epoch; calls back for each block that became ready.
   * @param counters of all writers, or of the near-memory units alone: those of each writer from a multiple of `words`
   */
  read(epoch: number, counters: Uint32Array, words: number, ready: (device: number, block: number) => void): void {
    const last = this.#last;
    const pieces = this.#pieces;
    const writers = 2 * this.plan.devices;
    const first = writers - counters.length / words;
    for (let writer = first; writer < writers; writer++) {
      const [now, before] = [(writer - first) * words, writer * pieces];
      for (let piece = 0; piece < pieces; piece++) {
        const count = counters[now + piece];
        const elements = count - last[before + piece];
        if (elements === 0) continue;
        last[before + piece] = count;
        this.#land(epoch, writer, piece, elements, ready);
      }
    }
  }

  /** The same where it is known what landed: elements by `writer · pieces + piece`, in that order. */
  feed(epoch: number, landed: Iterable<readonly [at: number, elements: number]>, ready: (device: number, block: number) => void): void {
    const pieces = this.#pieces;
    for (const [at, elements] of landed) {
      if (elements === 0) continue;
      this.#last[at] += elements;
      this.#land(epoch, Math.floor(at / pieces), at % pieces, elements, ready);
    }
  }

  #land(epoch: number, writer: number, piece: number, elements: number, ready: (device: number, block: number) => void): void {
    const { log } = this;
    const { tiling } = this.plan;
    const { device, from, via } = this.#landings[writer][tiling.partChunk[Math.floor(piece / tiling.wavefronts)]];
    log.add('landed', epoch, device, piece, from, elements, via);
    const output = this.#output;
    this.trackers[device].update(piece, elements, output);
    for (const completed of output.completed) log.add('complete', epoch, device, completed);
    for (const block of output.ready) {
      log.add('trigger', epoch, device, block);
      ready(device, block);
    }
    output.completed.length = 0;
    output.ready.length = 0;
  }

  /** In whose memory a writer's updates of a chunk land, and whose they are. */
  #landing(writer: number, chunk: number): Landing {
    const { plan } = this;
    if (writer < plan.devices) {
      const device = routeOf(plan, writer, chunk).storeTo;
      return { device, from: writer, via: device === writer ? 'local' : 'remote' };
    }
    const device = writer - plan.devices;
    const source = routeOf(plan, device, chunk).expects.find(({ kind }) => kind === 'dma');
    return { device, from: source?.kind === 'dma' ? source.from : -1, via: 'dma' };
  }

  /**
   * Who waits for what, one line for each trigger or result that is still pending: the first of its pieces that is not
   * complete, the count it has, its threshold, and the sources that are missing.
   */
  pending(): string[] {
    const { plan } = this;
    const lines: string[] = [];
    for (let device = 0; device < plan.devices; device++)
      for (let block = 0; block < plan.tiling.blocks; block++) {
        const { whenComplete } = routeOf(plan, device, chunkOfBlock(plan, block));
        if (whenComplete.kind === 'untracked') continue;
        const open = [...piecesOfBlock(plan, block)].filter((piece) => this.trackers[device].fired[piece] === 0);
        if (open.length === 0) continue;
        const [piece] = open;
        const goal = whenComplete.kind === 'dma' ? `trigger of block ${block} to device ${whenComplete.to}` : `result block ${block}`;
        lines.push(
          `device ${device}: ${goal} waits for ${open.length} piece${open.length > 1 ? 's' : ''}: ${pieceName(plan, piece)} has ${this.trackers[device].landed[piece]} of ${this.trackers[device].thresholdOf(piece)} elements, missing ${this.#missing(device, piece).join(' and ') || 'nothing that the Plan knows of'}`,
        );
      }
    return lines;
  }

  #missing(device: number, piece: number): string[] {
    const { plan } = this;
    const pieces = this.#pieces;
    const elements = plan.tiling.pieceElements[piece];
    const chunk = plan.tiling.partChunk[Math.floor(piece / plan.tiling.wavefronts)];
    if (thresholdOf(plan, device, piece) === 0) return [];
    return routeOf(plan, device, chunk).expects.flatMap((source) => {
      const writer = source.kind === 'local' ? device : source.kind === 'remote' ? source.from : plan.devices + device;
      const landed = this.#last[writer * pieces + piece];
      const due = elements * updatesOf(plan, source);
      if (landed >= due) return [];
      const name = source.kind === 'local' ? 'local' : source.kind === 'remote' ? `remote from device ${source.from}` : `DMA from device ${source.from}`;
      return [`${name} (${landed} of ${due})`];
    });
  }
}
