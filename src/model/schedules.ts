// The schedules that are compared, each as what it simulates and how its time is put together. All end with the same serial
// all-gather; speedups are over `sequential`, with it and without.
//   sequential     GEMM, then ring reduce-scatter on the CUs, then ring all-gather
//   t3, t3-mca     the fused Plan, communication arbitrated round robin, or compute first by T3's rule
//   t3-compute-first   the same without a threshold: what that alone brings
//   ideal-overlap  max(GEMM, reduce-scatter) + all-gather
//   ideal-nmc      max(GEMM, reduce-scatter with near-memory updates) + all-gather
import { TilewireError } from '../errors.ts';
import { expectedTime } from './closed-times.ts';
import type { CollectiveFigures } from './collective.ts';
import type { GemmFigures } from './fused.ts';
import type { ArbitrationPolicy } from './machine.ts';
import { DMA_READ, DMA_UPDATE, FILL, LOCAL_UPDATE, READ, RECEIVED, REMOTE_UPDATE, WRITE } from './memory.ts';
import type { Subject } from './subject.ts';

export const SCHEDULES = ['sequential', 't3', 't3-mca', 'ideal-overlap', 'ideal-nmc', 't3-compute-first'] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

/** Bytes of one device's memory, the mean over the devices that were simulated. */
export interface DramBytes {
  readonly gemmReads: number;
  readonly gemmWrites: number;
  readonly rsReads: number;
  readonly rsWrites: number;
  readonly agReads: number;
  readonly agWrites: number;
}

export interface Modelled {
  readonly schedule: ScheduleName;
  /** Whose GEMM an ideal is given: the baseline's, or that of the fused run (staggered, past the LLC). */
  readonly gemmTime: 'own' | 't3';
  readonly timePs: number;
  /** Without the serial all-gather. */
  readonly timeWithoutAllGatherPs: number;
  readonly gemmPs: number;
  /** What communication adds to the GEMM of the schedule, all-gather included. */
  readonly exposedPs: number;
  readonly dramBytes: DramBytes;
  readonly linkBytes: number;
  /** What was simulated for it; of an ideal, the GEMM. */
  readonly gemm: GemmFigures;
  readonly reduceScatter: CollectiveFigures | null;
  readonly allGather: CollectiveFigures;
}

export function runSchedule(subject: Subject, schedule: ScheduleName, gemmTime: 'own' | 't3' = 'own'): Modelled {
  if (!SCHEDULES.includes(schedule)) throw new TilewireError('BAD_FLAG', 'unknown schedule', { path: '--schedule', actual: schedule, fix: `use one of ${SCHEDULES.join(', ')}` });
  const allGather = subject.collective('all-gather');
  const policies: { readonly [S in ScheduleName]?: ArbitrationPolicy } = { t3: 'round-robin', 't3-mca': 'mca', 't3-compute-first': 'compute-first' };
  const policy = policies[schedule];
  if (policy !== undefined) {
    const gemm = subject.fused(policy);
    return modelled({ schedule, gemmTime: 'own', gemm, reduceScatter: null, allGather, fusedPs: gemm.timePs });
  }
  if (schedule === 'sequential') {
    const { gemm } = subject;
    const reduceScatter = subject.collective('reduce-scatter');
    return modelled({ schedule, gemmTime: 'own', gemm, reduceScatter, allGather, fusedPs: gemm.timePs + reduceScatter.timePs });
  }
  const reduceScatter = subject.collective(schedule === 'ideal-nmc' ? 'near-memory reduce-scatter' : 'reduce-scatter');
  const gemm = gemmTime === 't3' ? subject.fusedGemm : subject.gemm;
  // Given T3's GEMM it is a bound of T3, whose steps need not wait for each other: the link latency is paid once.
  const collectivePs = gemmTime === 't3' ? expectedTime.pipelinedReduceScatter(subject) : reduceScatter.timePs;
  return modelled({ schedule, gemmTime, gemm, reduceScatter, allGather, fusedPs: Math.max(gemm.timePs, collectivePs) });
}

function modelled({ fusedPs, ...of }: Pick<Modelled, 'schedule' | 'gemmTime' | 'gemm' | 'reduceScatter' | 'allGather'> & { readonly fusedPs: number }): Modelled {
  const { gemm, reduceScatter, allGather } = of;
  const gemmBytes = meanOf(gemm.devices);
  const rs = reduceScatter === null ? null : meanOf(reduceScatter.devices);
  const ag = meanOf(allGather.devices);
  const linkBytes = [gemm, reduceScatter, allGather].reduce((sum, part) => sum + (part === null ? 0 : part.devices.reduce((bytes, device) => bytes + device.linkBytes, 0) / part.devices.length), 0);
  return {
    ...of,
    timePs: fusedPs + allGather.timePs,
    timeWithoutAllGatherPs: fusedPs,
    gemmPs: gemm.gemmPs,
    exposedPs: fusedPs + allGather.timePs - gemm.gemmPs,
    dramBytes: {
      gemmReads: gemmBytes[FILL],
      gemmWrites: gemmBytes[WRITE] + gemmBytes[LOCAL_UPDATE],
      rsReads: gemmBytes[DMA_READ] + (rs === null ? 0 : rs[READ] + rs[DMA_READ]),
      rsWrites: gemmBytes[REMOTE_UPDATE] + gemmBytes[DMA_UPDATE] + (rs === null ? 0 : rs[RECEIVED] + rs[WRITE] + rs[DMA_UPDATE]),
      agReads: ag[READ],
      agWrites: ag[RECEIVED],
    },
    linkBytes,
  };
}

function meanOf(devices: readonly { readonly served: readonly number[] }[]): number[] {
  return devices[0].served.map((_, kind) => devices.reduce((sum, { served }) => sum + served[kind], 0) / devices.length);
}
