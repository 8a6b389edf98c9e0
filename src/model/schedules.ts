// The schedules that are compared (landscape's table), each as what it simulates and how its time is put together. All end with the
// same serial all-gather; speedups are over `sequential`, with it and without. `simulated`: one run of the engine over a
// Plan, contention and all. `composed`: parts simulated by themselves and put together by the formula that stands beside
// it, as bounds and as schedules of which the parts do not share a memory here: what contention costs them is left out.
import { TilewireError } from '../errors.ts';
import { closedTimes } from './closed-times.ts';
import type { CollectiveFigures } from './collective.ts';
import type { GemmFigures } from './fused.ts';
import type { ArbitrationPolicy } from './machine.ts';
import { DMA_READ, DMA_UPDATE, FILL, LOCAL_UPDATE, READ, RECEIVED, REMOTE_UPDATE, WRITE } from './memory.ts';
import type { Subject } from './subject.ts';

/** Whose GEMM an ideal is given: the baseline's, or that of the fused run (staggered, past the LLC). */
export type GemmTime = 'own' | 't3';

interface Parts {
  readonly gemm: GemmFigures;
  readonly reduceScatter: CollectiveFigures | null;
  /** GEMM and reduce-scatter. */
  readonly fusedPs: number;
  /** Of the run it is put together from, where its GEMM has fewer CUs: how many it leaves to the collective. */
  readonly collectiveCus?: number;
}

export interface Schedule {
  readonly name: string;
  /** Who detects readiness · who moves · who reduces. */
  readonly what: string;
  /** How the time of GEMM and reduce-scatter comes about. */
  readonly time: string;
  readonly made: 'simulated' | 'composed';
  readonly parts: (subject: Subject, gemmTime: GemmTime) => Parts;
}

const ALL_AT_ONCE = 'the fused Plan on the engine: the last update of the last device';

function fused(name: string, what: string, policy: ArbitrationPolicy): Schedule {
  return { name, what, time: ALL_AT_ONCE, made: 'simulated', parts: (subject) => simulated(subject.fused(policy)) };
}

const simulated = (gemm: GemmFigures): Parts => ({ gemm, reduceScatter: null, fusedPs: gemm.timePs });

function ideal(name: string, kind: 'reduce-scatter' | 'near-memory reduce-scatter'): Schedule {
  return {
    name,
    what: 'a bound: nobody waits for anybody',
    time: `max(GEMM, ${kind}); given T3's GEMM, max(GEMM, (N − 1)·C/B + L)`,
    made: 'composed',
    parts: (subject, gemmTime) => {
      const reduceScatter = subject.collective(kind);
      const gemm = gemmTime === 't3' ? subject.fusedGemm : subject.gemm;
      // Given T3's GEMM it is a bound of T3, whose steps need not wait for each other: the link latency is paid once.
      return { gemm, reduceScatter, fusedPs: Math.max(gemm.timePs, gemmTime === 't3' ? closedTimes.pipelinedReduceScatter(subject) : reduceScatter.timePs) };
    },
  };
}

export const SCHEDULES: readonly Schedule[] = [
  {
    name: 'sequential',
    what: 'kernel end · CUs · CUs',
    time: 'GEMM + reduce-scatter, step by step on the CUs',
    made: 'composed',
    parts: (subject) => {
      const { gemm } = subject;
      const reduceScatter = subject.collective('reduce-scatter');
      return { gemm, reduceScatter, fusedPs: gemm.timePs + reduceScatter.timePs };
    },
  },
  {
    name: 'concurrent-cu-split',
    what: 'kernel end · f·CUs · f·CUs, of the GEMM before this one',
    time: 'GEMM on the other CUs and reduce-scatter on f·CUs at once, in one memory, until the later one ends, at the best f of tenths; steady state over a chain of GEMMs',
    made: 'simulated',
    parts: cuSplit,
  },
  {
    name: 'chunk-decomposed',
    what: 'kernel end of each chunk · copy engine · the next chunk’s GEMM (here: updates at memory)',
    time: 'the Plan of a ring without remote stores on the engine, a kernel and one transfer for each chunk',
    made: 'simulated',
    parts: (subject) => simulated(subject.fused('round-robin', 'chunk-ring', true)),
  },
  { name: 'tile-signal', what: 'counter and poll · CUs · CUs', time: 'C_i = max(C_{i−1}, i·G/4) + poll + launch + reduce-scatter of a quarter', made: 'composed', parts: tileSignal },
  {
    name: 'direct-store',
    what: 'the store itself · CUs · updates at memory',
    time: 'the Plan of the direct reduce-scatter on the engine; a ring’s link counts as a port of a switch, since in each step all stores go to one peer',
    made: 'simulated',
    parts: (subject) => simulated((subject.conditions.machine.topology === 'ring' ? subject.under({ machine: { topology: 'switch' } }) : subject).fused('round-robin', 'direct')),
  },
  fused('t3', 'tracker · DMA · memory, arbitrated round robin', 'round-robin'),
  fused('t3-mca', 'tracker · DMA · memory, T3’s arbitration', 'mca'),
  fused('t3-compute-first', 'as t3-mca, without a threshold: what that alone brings', 'compute-first'),
  {
    name: 'multimem',
    what: 'barrier · switch · switch',
    time: 'max(GEMM, L + S/B)',
    made: 'composed',
    parts: (subject) => ({ gemm: subject.gemm, reduceScatter: null, fusedPs: Math.max(subject.gemm.timePs, closedTimes.inSwitch(subject)) }),
  },
  ideal('ideal-overlap', 'reduce-scatter'),
  ideal('ideal-nmc', 'near-memory reduce-scatter'),
];

/** Bytes of one device's memory, the mean over the devices that were simulated. */
export interface DramBytes {
  readonly gemmReads: number;
  readonly gemmWrites: number;
  readonly rsReads: number;
  readonly rsWrites: number;
  readonly agReads: number;
  readonly agWrites: number;
}

export interface Modelled extends Parts {
  readonly schedule: string;
  readonly gemmTime: GemmTime;
  readonly timePs: number;
  /** Without the serial all-gather. */
  readonly timeWithoutAllGatherPs: number;
  /** When the last workgroup of its GEMM ended. */
  readonly gemmPs: number;
  /** What the schedule takes beyond the plain GEMM (ECT of the literature), with the all-gather. */
  readonly exposedPs: number;
  readonly dramBytes: DramBytes;
  readonly linkBytes: number;
  readonly allGather: CollectiveFigures;
}

/** @throws BAD_FLAG for a schedule that there is not */
export function runSchedule(subject: Subject, name: string, gemmTime: GemmTime = 'own'): Modelled {
  const schedule = SCHEDULES.find((of) => of.name === name);
  if (schedule === undefined) throw new TilewireError('BAD_FLAG', 'unknown schedule', { path: '--schedule', actual: name, fix: `use one of ${SCHEDULES.map((of) => of.name).join(', ')}` });
  const parts = schedule.parts(subject, gemmTime);
  const allGather = subject.collective('all-gather');
  const { gemm, reduceScatter, fusedPs } = parts;
  const gemmBytes = meanOf(gemm.devices);
  const rs = reduceScatter === null ? gemmBytes.map(() => 0) : meanOf(reduceScatter.devices);
  const ag = meanOf(allGather.devices);
  return {
    ...parts,
    schedule: name,
    gemmTime,
    allGather,
    timePs: fusedPs + allGather.timePs,
    timeWithoutAllGatherPs: fusedPs,
    gemmPs: gemm.gemmPs,
    exposedPs: fusedPs + allGather.timePs - subject.gemm.timePs,
    dramBytes: {
      // With split-K the LLC may have to read partial sums again.
      gemmReads: gemmBytes[FILL] + gemmBytes[READ],
      gemmWrites: gemmBytes[WRITE] + gemmBytes[LOCAL_UPDATE],
      rsReads: gemmBytes[DMA_READ] + rs[READ] + rs[DMA_READ],
      rsWrites: gemmBytes[REMOTE_UPDATE] + gemmBytes[DMA_UPDATE] + rs[RECEIVED] + rs[WRITE] + rs[DMA_UPDATE],
      agReads: ag[READ],
      agWrites: ag[RECEIVED],
    },
    linkBytes: [gemm, reduceScatter, allGather].reduce((sum, part) => sum + (part === null ? 0 : part.devices.reduce((bytes, device) => bytes + device.linkBytes, 0) / part.devices.length), 0),
  };
}

function meanOf(devices: readonly { readonly served: readonly number[] }[]): number[] {
  return devices[0].served.map((_, kind) => devices.reduce((sum, { served }) => sum + served[kind], 0) / devices.length);
}

const TENTHS = 10;

function cuSplit(subject: Subject): Parts {
  const { cus } = subject.conditions.machine;
  let best: (Parts & { readonly collectiveCus: number }) | undefined;
  for (let tenth = 1; tenth < TENTHS; tenth++) {
    const collectiveCus = Math.round((cus * tenth) / TENTHS);
    if (collectiveCus === 0 || collectiveCus === cus) continue;
    // More CUs for the collective only slow the GEMM down, once it is the longer of the two.
    if (best !== undefined && best.gemm.timePs >= best.reduceScatter!.timePs) break;
    const { gemm, collective: reduceScatter, timePs: fusedPs } = subject.beside(collectiveCus);
    if (best === undefined || fusedPs < best.fusedPs) best = { gemm, reduceScatter, fusedPs, collectiveCus };
  }
  return best ?? { gemm: subject.gemm, reduceScatter: subject.collective('reduce-scatter'), fusedPs: subject.gemm.timePs + subject.collective('reduce-scatter').timePs };
}

const GROUPS = 4;

function tileSignal(subject: Subject): Parts {
  const { gemm } = subject;
  const { pollNs, launchNs } = subject.conditions.parameters;
  const quarter = subject.collective('reduce-scatter', undefined, GROUPS).timePs;
  let end = 0;
  for (let group = 1; group <= GROUPS; group++) end = Math.max(end, Math.ceil((group * gemm.timePs) / GROUPS)) + Math.round((pollNs + launchNs) * 1e3) + quarter;
  return { gemm, reduceScatter: subject.collective('reduce-scatter'), fusedPs: end };
}
