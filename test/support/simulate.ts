// A run of a Plan without a GPU and without an engine: every device computes its stages in order, all else happens in
// random order, updates are seen some time after they were made. Real numbers move, so that the result says whose
// contributions it holds; the log and the trackers are those of the product.
import { EventLog, type Event } from '../../src/events/log.ts';
import { chunkOfBlock, routeOf, type Plan } from '../../src/plan/plan.ts';
import { Tracker, type TrackerGeometry, type TrackerOutput } from '../../src/tracker/tracker.ts';
import { randomOf, shuffled, type Random } from './random.ts';

/** An update of one piece on its way to the tracker of the device where it landed. */
export interface Landing {
  readonly device: number;
  readonly piece: number;
  readonly elements: number;
  readonly from: number;
  readonly via: NonNullable<Event['via']>;
}

export interface Simulated {
  readonly log: EventLog;
  readonly trackers: readonly Tracker[];
  /** Each chunk in its owner's memory, dense: the sum of the values of the partial products that reached it. */
  readonly results: readonly Float64Array[];
}

export interface Conditions {
  readonly seed: number;
  readonly geometry?: TrackerGeometry;
  /** Deliberate errors of thresholds, as the tracker takes them. */
  readonly adjust?: (device: number) => ReadonlyMap<number, number>;
  /** How often the tracker sees an update: once, unless a defect is meant. */
  readonly seen?: (landing: Landing) => number;
  /** What partial product device · splits + split adds to every element, and f32 arithmetic: sums that tell the order. */
  readonly rounded?: (product: number) => number;
}

export const ROOMY: TrackerGeometry = { sets: 256, ways: 8, overflow: 'spill' };

/** Workgroups of the Plan that compute each element, each a part of K. */
const splitsIn = ({ twins }: Plan): number => twins.length + 1;

/** What a partial product adds to every element: sums of these tell up to 48 apart, and those of 256 are still exact. */
const contribution = (product: number): number => 2 ** (product % 48);
const wholeSum = (products: number): number => Array.from({ length: products }, (_, product) => contribution(product)).reduce((sum, value) => sum + value, 0);

interface Transfer {
  readonly from: number;
  readonly to: number;
  readonly block: number;
  /** What was read, by part. */
  readonly values: ReadonlyMap<number, Float64Array>;
}

/** Runs until nothing can: a run that is stuck ends like one that is done, and its trackers are open. */
export function simulate(plan: Plan, { seed, geometry = ROOMY, adjust, seen = () => 1, rounded }: Conditions): Simulated {
  const { tiling, devices } = plan;
  const splits = splitsIn(plan);
  const valueOf = rounded ?? contribution;
  const sum = rounded === undefined ? (one: number, other: number): number => one + other : (one: number, other: number): number => Math.fround(one + other);
  const random = randomOf(seed);
  const log = new EventLog();
  const ids = Array.from({ length: devices }, (_, d) => d);
  const trackers = ids.map((d) => new Tracker(plan, d, geometry, adjust?.(d)));
  const memory = ids.map(() => tiling.chunks.map(({ elements }) => new Float64Array(elements).fill(Number.NaN)));
  const written = new Set<string>();
  const nextStage = ids.map(() => 0);
  // A counter belongs to its writer (a GEMM, a near-memory unit) and shows that writer's work in its order.
  const unseen: Landing[][] = Array.from({ length: 2 * devices }, () => []);
  const ready: { device: number; block: number }[] = [];
  const flying: Transfer[] = [];
  let time = 0;

  /** The part's elements in a chunk's dense memory. */
  function* elementsOf(part: number): Generator<number> {
    for (let run = tiling.pieceRuns[part * tiling.wavefronts]; run < tiling.pieceRuns[(part + 1) * tiling.wavefronts]; run++)
      for (let at = tiling.runs[2 * run]; at < tiling.runs[2 * run] + tiling.runs[2 * run + 1]; at++) yield at;
  }
  const write = (device: number, part: number, values: (index: number) => number): number => {
    const key = `${device} ${part}`;
    const op = written.has(key) ? 1 : 0;
    written.add(key);
    const chunk = memory[device][tiling.partChunk[part]];
    let index = 0;
    for (const at of elementsOf(part)) chunk[at] = op === 1 ? sum(chunk[at], values(index++)) : values(index++);
    return op;
  };
  const landings = (part: number, facts: Omit<Landing, 'piece' | 'elements'>): Landing[] =>
    Array.from({ length: tiling.wavefronts }, (_, w) => part * tiling.wavefronts + w)
      .filter((piece) => tiling.pieceElements[piece] > 0)
      .map((piece) => ({ ...facts, piece, elements: tiling.pieceElements[piece] }));

  // The splits of a stage one after the other, as dispatches: each stores every part of every tile, by a workgroup that has
  // done nothing before. What a workgroup does again, or a tile whose workgroup there is not, adds to nothing.
  const ran = ids.map(() => new Set<number>());
  const runStage = (device: number): void => {
    const { tiles } = plan.stages[device][nextStage[device]++];
    for (let split = 0; split < splits; split++) {
      const made = tiles.flatMap((tile) => {
        const workgroup = split === 0 ? tile : plan.twins[split - 1][tile];
        if (!(workgroup < tiling.tiles) || ran[device].has(workgroup)) throw new Error(`device ${device}: split ${split} of tile ${tile} has no workgroup of its own (${workgroup})`);
        ran[device].add(workgroup);
        return tiling.tileParts[tile].flatMap((part) => {
          const to = routeOf(plan, device, tiling.partChunk[part]).storeTo;
          log.add('store', time, device, part, to, write(to, part, () => valueOf(device * splits + split)));
          return landings(part, { device: to, from: device, via: to === device ? 'local' : 'remote' });
        });
      });
      unseen[device].push(...shuffled(made, random));
    }
  };
  const see = (writer: number): void => {
    const landing = unseen[writer].shift()!;
    // Counters may be read after several splits, and then show the elements of all of them at once.
    const together = random(2) === 0 ? unseen[writer].filter(({ piece }) => piece === landing.piece) : [];
    unseen[writer] = unseen[writer].filter((other) => !together.includes(other));
    const { device, piece, from, via } = landing;
    const elements = landing.elements * (1 + together.length);
    for (let times = seen(landing); times > 0; times--) {
      log.add('landed', time, device, piece, from, elements, via);
      const output: TrackerOutput = { completed: [], ready: [] };
      trackers[device].update(piece, elements, output);
      for (const completed of output.completed) log.add('complete', time, device, completed);
      for (const block of output.ready) {
        log.add('trigger', time, device, block);
        ready.push({ device, block });
      }
    }
  };
  const send = (index: number): void => {
    const [{ device, block }] = ready.splice(index, 1);
    const { whenComplete } = routeOf(plan, device, chunkOfBlock(plan, block));
    if (whenComplete.kind !== 'dma') return;
    const values = new Map<number, Float64Array>();
    for (let part = tiling.blockParts[block]; part < tiling.blockParts[block + 1]; part++)
      values.set(part, Float64Array.from(elementsOf(part), (at) => memory[device][tiling.partChunk[part]][at]));
    log.add('send', time, device, block, whenComplete.to);
    flying.push({ from: device, to: whenComplete.to, block, values });
  };
  const apply = (index: number): void => {
    const [{ from, to, values }] = flying.splice(index, 1);
    for (const [part, read] of values) {
      log.add('apply', time, to, part, from, write(to, part, (index) => read[index]));
      unseen[devices + to].push(...landings(part, { device: to, from, via: 'dma' }));
    }
  };

  // Some runs have fast GEMMs, some slow trackers, some slow links.
  const weight = Array.from({ length: 4 }, () => [1, 4, 16][random(3)]);
  for (; ; time++) {
    const free = ids.filter((d) => nextStage[d] < plan.stages[d].length);
    const writers = unseen.flatMap((queue, writer) => (queue.length > 0 ? [writer] : []));
    const choices: [number, number, (index: number) => void][] = [
      [weight[0], free.length, (index) => runStage(free[index])],
      [weight[1], writers.length, (index) => see(writers[index])],
      [weight[2], ready.length, send],
      [weight[3], flying.length, apply],
    ];
    const [, count, act] = weighted(choices.filter(([, count]) => count > 0), random) ?? [0, 0, undefined];
    if (act === undefined) break;
    act(random(count));
  }
  return { log, trackers, results: tiling.chunks.map((_, j) => memory[j % devices][j]) };
}

function weighted<T extends readonly [number, ...unknown[]]>(choices: readonly T[], random: Random): T | undefined {
  let at = random(choices.reduce((sum, [weight]) => sum + weight, 0));
  return choices.find(([weight]) => (at -= weight) < 0);
}

/** Whether every element of every chunk holds each split's partial product of each device exactly once. */
export function isRight(plan: Plan, { results }: Simulated): boolean {
  const whole = wholeSum(plan.devices * splitsIn(plan));
  return results.every((chunk) => chunk.every((value) => value === whole));
}
