// Records of the model made by hand, with figures that a reader can check: nothing of them was simulated.
import type { DeviceFigures, GemmFigures } from '../../src/model/fused.ts';
import { MACHINE_FILES, PAPER_PARAMETER_FILE } from '../../src/model/machine.ts';
import type { CaseRecord } from '../../src/model/paper.ts';
import type { PaperReport } from '../../src/model/paper-report.ts';
import type { DramBytes, Modelled } from '../../src/model/schedules.ts';

export const BYTES: DramBytes = { gemmReads: 4e6, gemmWrites: 3e6, rsReads: 2e6, rsWrites: 1e6, agReads: 5e5, agWrites: 5e5 };

const NO_WAIT = { count: 0, meanPs: 0, p50Ps: 0, p99Ps: 0 };
const NO_WAITS: DeviceFigures['waits'] = { compute: NO_WAIT, stores: NO_WAIT, incoming: NO_WAIT, dma: NO_WAIT, link: NO_WAIT };

export function deviceFigures(over: Partial<DeviceFigures> = {}): DeviceFigures {
  return {
    finishedPs: 0, gemmPs: 0, served: [], linkBytes: 0, memoryBusyPs: 0, linkBusyPs: 0, linkBlockedPs: 0, computeBusyPs: 70, stalls: { data: 20, link: 4, barrier: 6 }, stages: 1,
    waits: NO_WAITS, arbiter: { heldBack: 0, starved: 0, intensity: null, thresholdBytes: null }, llc: { hits: 0, merged: 0, misses: 0 }, tracker: null, dmaBlocks: 0, traffic: null, ...over,
  };
}

export const waits = (over: Partial<DeviceFigures['waits']>): DeviceFigures['waits'] => ({ ...NO_WAITS, ...over });

/** Times in microseconds; the plain GEMM takes 60, the all-gather 20. */
export function modelled(schedule: string, fusedUs: number, devices: readonly DeviceFigures[] = [deviceFigures()]): Modelled {
  const gemm: GemmFigures = { timePs: fusedUs * 1e6, gemmPs: fusedUs * 1e6, devices, events: 0, peakEvents: 0 };
  return {
    schedule, gemmTime: 'own', gemm, reduceScatter: null, fusedPs: fusedUs * 1e6, timePs: (fusedUs + 20) * 1e6, timeWithoutAllGatherPs: fusedUs * 1e6, gemmPs: 50e6, exposedPs: (fusedUs + 20 - 60) * 1e6,
    dramBytes: BYTES, linkBytes: 7e6, allGather: { timePs: 20e6, devices: [], events: 0 },
  };
}

/** A case of each configuration: sequential takes 100 µs, the others `times` of it. */
function casesOf(model: string, tp: number, sublayer: CaseRecord['sublayer'], times: readonly number[], machine = 'paper'): CaseRecord[] {
  return ([['ideal-nmc', 't3', 5], ['sequential', 'own', 0], ['t3', 'own', 1], ['t3-mca', 'own', 2], ['ideal-overlap', 'own', 3], ['ideal-nmc', 'own', 4]] as const).map(([schedule, gemmTime, at]) => ({
    machine, model, tp, sublayer, schedule, gemmTime,
    timeUs: 100 * times[at],
    speedup: 1 / times[at],
    speedupWithoutAllGather: 2 / times[at],
    dramBytes: schedule === 'sequential' ? BYTES : { ...BYTES, gemmReads: schedule === 't3-mca' ? 2e6 : 3e6, rsReads: 1e6 },
  }));
}

export const EVIL = 'made</script><script>alert(1)</script> by "hand"';

/** Two cases that count for the paper's means and one that does not. */
export const report: PaperReport = {
  parameters: { machine: MACHINE_FILES.find(({ name }) => name === 'paper')!, parameters: PAPER_PARAMETER_FILE },
  cases: [...casesOf('t-nlg', 8, 'op', [1, 0.8, 0.5, 0.4, 0.32, 0.25]), ...casesOf('t-nlg', 16, 'op', [1, 0.5, 0.5, 0.4, 0.32, 0.25]), ...casesOf('palm', 32, 'op', [1, 0.1, 0.1, 0.1, 0.1, 0.1])],
  summary: [
    { claim: 'met', published: 1.2, tolerance: 0.04, ours: 1.24, difference: 0.04 },
    { claim: 'missed', published: 1.3, tolerance: 0.03, ours: 1.2, difference: -0.1 },
    { claim: 'of no bar', published: 0.05, tolerance: null, ours: 0.0499, difference: -0.0001 },
    { claim: EVIL, published: null, tolerance: null, ours: 0.5, difference: null },
  ],
  notes: ['a note'],
  endToEnd: [
    { model: 't-nlg', tp: 8, phase: 'training', schedule: 't3', speedup: 1.05, share: 0.25 },
    { model: 't-nlg', tp: 8, phase: 'training', schedule: 't3-mca', speedup: 1.07, share: 0.25 },
  ],
  assumptions: [{ name: 'sequence', value: 512, source: 'assumption: made up' }, { name: 'overlap', value: 'none', source: EVIL }],
  cuSharing: [{ model: 't-nlg', tp: 8, sublayer: 'op', collectiveCus: 8, allReduceSlowdown: 1.5, gemmSlowdown: 1.1 }],
  traffic: [{ schedule: 't3', binUs: 20, bins: [{ fromUs: 0, gemmReads: 4e6, gemmWrites: 1e6, rsReads: 0, rsWrites: 0 }, { fromUs: 20, gemmReads: 1e6, gemmWrites: 0, rsReads: 5e5, rsWrites: 5e5 }] }],
  studies: [{ what: 'twice of it', cases: casesOf('t-nlg', 8, 'op', [1, 0.8, 0.8, 0.8, 0.8, 0.8], 'paper-2x-cu') }],
  ablations: [],
  search: null,
};

export const withSensitivity: PaperReport = {
  ...report,
  ablations: [
    { what: 'as chosen', t3: 1.2, t3Mca: 1.3, ideal: 1.35, reads: 1.5, fcShort: 0.13 },
    { what: 'no barrier', t3: 1.25, t3Mca: 1.3, ideal: 1.34, reads: 1.5, fcShort: 0.15 },
  ],
  search: { tried: 7, passing: 2, spread: [{ figure: 'T3 speedup', min: 1.19, max: 1.22 }], sets: [] },
};
