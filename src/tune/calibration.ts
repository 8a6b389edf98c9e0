// What calibrating an adapter finds: times of its copies, near-memory updates and dispatches beside the contest of its GEMMs, and the
// described machine that they make. Pure. A time counts only where its shortest sample is well above the timer's resolution;
// what no measurement on one GPU can tell is an assumption, and says so.
import { parseMachine, type MachineFile } from '../model/machine.ts';
import { adapterName, type Environment } from '../verify/run-report.ts';
import { median, spread } from './statistics.ts';
import { nameOf, type CandidateResult, type Contest, type TimerFacts } from './tiles-report.ts';

export interface Timing {
  readonly timer: TimerFacts;
  /** Of what is timed, in one sample. */
  readonly repeats: number;
  /** Of one of them, by round, ms. */
  readonly samplesMs: readonly number[];
}

export interface Concurrency {
  /** Workgroups, each of which keeps a core busy, that take hardly longer together than one alone; null where that could not be timed. */
  readonly workgroups: number | null;
  /** Least times of one, of so many, and of one more, ms. */
  readonly oneMs: number;
  readonly allMs: number;
  readonly moreMs: number;
  /** Samples of each, of which the least counts. */
  readonly tries: number;
  readonly timer: TimerFacts;
}

/** What the page measures besides GEMMs. */
export interface Memories {
  /** Of each of the two buffers. */
  readonly bytes: number;
  /** The emulation's DMA copies all of one buffer to the other; its near-memory unit adds all of one to the other. */
  readonly transfer: Timing;
  readonly update: Timing;
  /** Elements compared with the right result, before and after the samples: of each of both kernels. */
  readonly verified: number;
  readonly dispatch: Timing;
  readonly concurrency: Concurrency;
}

export interface Calibration extends Memories {
  readonly shape: { readonly m: number; readonly n: number; readonly k: number };
  readonly gemm: Contest;
  /** When, as an ISO date. */
  readonly at: string;
}

export const medianMs = ({ samplesMs }: Timing): number => median(samplesMs);
export const spreadOf = ({ samplesMs }: Timing): number => spread(samplesMs);
/** Of a whole sample. */
export const shortestMs = ({ samplesMs, repeats }: Timing): number => Math.min(...samplesMs) * repeats;
export const counts = (timing: Timing): boolean => shortestMs(timing) >= timing.timer.leastSampleMs;

/** The fastest kernel whose every element was found right; undefined where none could be timed. */
export const fastest = ({ candidates }: Contest): (CandidateResult & { gflops: number; spread: number | null }) | undefined =>
  candidates.find((of): of is CandidateResult & { gflops: number } => of.rank === 1 && of.verified && of.gflops !== null);

/** A spread above it says that other programs were at work. */
const UNSURE_SPREAD = 0.2;

/** The figures whose samples are too far apart to be sure of. */
export function unsure({ gemm, transfer, update, dispatch }: Calibration): string[] {
  const spreads = { GEMM: fastest(gemm)?.spread ?? 0, copy: spreadOf(transfer), update: spreadOf(update), dispatch: spreadOf(dispatch) };
  return Object.entries(spreads).flatMap(([name, spread]) => (spread > UNSURE_SPREAD ? [name] : []));
}

/** What of the calibration has no figure that counts, and is needed for a machine. */
export function missing({ gemm, transfer }: Calibration): string[] {
  return [...(fastest(gemm) === undefined ? ['no kernel gave a GEMM rate'] : []), ...(counts(transfer) ? [] : ['the copy is below what the timer resolves'])];
}

/** FLOP a clock of a CU, a power of two, at which the clock that makes up the measured rate is at most this, GHz. */
const ABOUT_CLOCK_GHZ = 2;
const LEAST_FLOPS_PER_CLOCK = 16;
const F32_BYTES = 4;
/** Where the dispatch could not be timed. */
const USUAL_LATENCY_NS = 1000;
const LLC_BYTES = 16 * 2 ** 20;
const MOST_DEVICES = 64;

/**
 * Machine `this`. Rates are those of the medians; of clock and FLOP a clock only the product is measured, of memory and links the copy.
 * @throws BAD_FILE where something is beyond what the model can count; call it where nothing is `missing`
 */
export function machineOf(calibration: Calibration, environment: Environment): MachineFile {
  const { gemm, shape, transfer, update, dispatch, concurrency, bytes, at } = calibration;
  const best = fastest(gemm)!;
  const adapter = adapterName(environment);
  const day = at.slice(0, 10);
  const measured = (what: string, samples: number, spread: number | null): string => `measured: ${what}; median of ${samples} samples${spread === null ? '' : `, spread ${percent(spread)}`}; ${adapter}, ${day}`;
  const flops = best.gflops * 1e9;
  const cus = concurrency.workgroups ?? 1;
  const perCu = flops / cus;
  const perClock = Math.max(LEAST_FLOPS_PER_CLOCK, 2 ** Math.ceil(Math.log2(perCu / (ABOUT_CLOCK_GHZ * 1e9))));
  const copyMs = medianMs(transfer);
  const linkGBs = rounded(bytes / copyMs / 1e6);
  const latencyNs = counts(dispatch) ? rounded(medianMs(dispatch) * 1e6) : null;
  const factor = (2 * medianMs(update)) / copyMs;
  const copied = `${transfer.samplesMs.length} samples, spread ${percent(spreadOf(transfer))}`;
  return parseMachine(
    {
      name: 'this',
      about: `${adapter}${environment.adapter.isFallback ? ', a software adapter: its CUs are cores of a processor' : ''}; measured by tilewire doctor --calibrate on ${day}`,
      cus: {
        value: cus,
        source:
          concurrency.workgroups === null
            ? 'assumption: 1, as how many workgroups run at one time is below what the timer resolves'
            : `measured: ${cus === 1 ? 'a second workgroup' : `${cus} workgroups take ${ratio(concurrency.allMs, concurrency.oneMs)} times as long as one, and one more`} makes it ${ratio(concurrency.moreMs, concurrency.oneMs)} times; ${adapter}, ${day}${environment.adapter.isFallback ? '; cores, not CUs' : ''}`,
      },
      clockGHz: { value: rounded(perCu / perClock / 1e9), source: measured(`whatever clock, with ${perClock} FLOP a clock and CU, comes to the ${(flops / 1e9).toPrecision(4)} GFLOP/s of ${nameOf(best)} at ${shape.m} x ${shape.n} x ${shape.k} in f32, all elements right`, Math.max(1, gemm.pairs), best.spread) },
      flopsPerClockPerCu: { value: perClock, source: 'assumption: WebGPU tells neither this nor the clock; only their product, the rate, is measured' },
      llcBytes: { value: LLC_BYTES, source: 'assumption: WebGPU does not tell the size of the last cache; as the machine of the paper' },
      memoryGBs: { value: rounded((2 * bytes) / copyMs / 1e6), source: measured(`bytes read and written by the transfer kernel over ${bytes / 2 ** 20} MiB, every element right`, transfer.samplesMs.length, spreadOf(transfer)) },
      linkGBs: { value: linkGBs, source: `assumption: a link of the emulation is a copy between two buffers of this GPU, so its rate is that of the copy, measured: half of memoryGBs, ${copied}` },
      linkLatencyNs: { value: latencyNs ?? USUAL_LATENCY_NS, source: latencyNs === null ? 'assumption: a dispatch, which starts a transfer of the emulation, is below what the timer resolves' : `assumption: what starts a transfer of the emulation is a dispatch, measured: ${latencyNs} ns` },
      topology: { value: 'ring', source: 'assumption: any; buffers of one GPU are as far from each other in every order' },
      nodeDevices: { value: MOST_DEVICES, source: 'assumption: all devices are emulated on one GPU' },
      nodeGBs: { value: linkGBs, source: 'assumption: as linkGBs' },
      parameters: {
        elementBytes: { value: F32_BYTES, source: 'the kernels that were measured compute in f32' },
        cuCopyGBs: { value: rounded(bytes / copyMs / 1e6 / cus), source: `measured: the share of one CU in the copy, ${copied}; ${adapter}, ${day}` },
        // Below one it would be cheaper than the write that is part of it: then something disturbed one of the two.
        ...(counts(update) && factor >= 1 ? { updateFactor: { value: rounded(factor), source: measured(`the near-memory kernel adds ${bytes / 2 ** 20} MiB in ${medianMs(update).toPrecision(3)} ms, and their copy, which is two accesses, takes ${copyMs.toPrecision(3)} ms`, update.samplesMs.length, spreadOf(update)) } } : {}),
        ...(latencyNs === null ? {} : { launchNs: { value: latencyNs, source: measured(`wall time of one of ${dispatch.repeats} dispatches of hardly any work`, dispatch.samplesMs.length, spreadOf(dispatch)) } }),
      },
    },
    'the machine that was measured',
  );
}

/** Four digits: no more was measured. */
const rounded = (value: number): number => Number(value.toPrecision(4));
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const ratio = (one: number, other: number): string => (one / other).toFixed(2);
