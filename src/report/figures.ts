// The meaning of every printed figure, in one place: the table, the help texts and the README's page of
// definitions all say it in these words.
import type { Breakdown, PathCause } from '../model/explain.ts';
import type { Measured, Replayed } from '../verify/run-report.ts';
import type { FusionChange } from './explain-record.ts';

export interface Figure<Name = keyof Measured> {
  readonly name: Name;
  readonly unit: 'ms' | 'ratio' | 'count' | 'flag';
  readonly definition: string;
}

export const MEASURED_FIGURES: readonly Figure[] = [
  { name: 'gemmMs', unit: 'ms', definition: "GPU time of all devices' uninstrumented GEMMs, one dispatch each" },
  { name: 'collectiveMs', unit: 'ms', definition: 'GPU time of the copies and reductions over the same bytes' },
  { name: 'plainPartsMs', unit: 'ms', definition: 'gemmMs + collectiveMs' },
  { name: 'sequentialMs', unit: 'ms', definition: 'wall time of GEMM-then-collective with the same kernels' },
  { name: 'fusedMs', unit: 'ms', definition: 'wall time of the fused run, first submit to last completion, check excluded' },
  { name: 'operandsMs', unit: 'ms', definition: 'wall time of making all operands and poisoning all outputs, before the fused run' },
  { name: 'checkMs', unit: 'ms', definition: 'wall time of checking values, causality, trackers and ledger (but not the baseline\'s values)' },
  { name: 'reportMs', unit: 'ms', definition: 'wall time of hashes and figures, after the check' },
  { name: 'checkOverFused', unit: 'ratio', definition: '(operandsMs + checkMs + reportMs) / fusedMs' },
  { name: 'exposedMs', unit: 'ms', definition: 'fusedMs − gemmMs: what the collective still adds; may be negative' },
  { name: 'overlapMeasured', unit: 'ratio', definition: 'share of transfer + reduction time during which a GEMM ran too (GPU intervals)' },
  { name: 'interleaved', unit: 'ratio', definition: 'share of transfer + reduction bytes whose GPU work began before the last GEMM stage ended' },
  { name: 'gpuBusy', unit: 'ratio', definition: 'GPU time of all dispatch groups over fusedMs' },
  { name: 'stageEfficiency', unit: 'ratio', definition: 'mean GEMM rate of a stage over that of the whole GEMM in one dispatch' },
  { name: 'extraFlops', unit: 'count', definition: 'FLOPs of tiles run again because they touch more chunks than one dispatch stores to' },
  { name: 'stages', unit: 'count', definition: 'GEMM stages of the fused run, all devices: a dispatch each, or one for each split of K' },
  { name: 'tailLimited', unit: 'flag', definition: 'a stage has fewer than 16 workgroups per core: its last round leaves cores idle' },
  { name: 'counterWaits', unit: 'count', definition: 'times that the host had to wait for counters before it could encode an epoch' },
  { name: 'bufferConflicts', unit: 'count', definition: 'stages and lists of blocks that touch a chunk memory which an earlier one of their epoch writes' },
];

/** Printed as `replayed.gemmMs`: most have namesakes among the measured ones. */
export const REPLAYED_FIGURES: readonly Figure<keyof Replayed>[] = [
  { name: 'gemmMs', unit: 'ms', definition: 'the longest plain GEMM of any device: all compute at once' },
  { name: 'sequentialMs', unit: 'ms', definition: 'that, then the plain copies and reductions, block by block on the links and memories' },
  { name: 'fusedMs', unit: 'ms', definition: 'the fused run: stages in order; blocks sent, and applied, as soon as they are there' },
  { name: 'exposedMs', unit: 'ms', definition: 'fusedMs − gemmMs, both replayed; may be negative' },
  { name: 'overlap', unit: 'ratio', definition: "share of the links' and memories' busy time during which their device computes" },
];

export const REPLAYED_BASIS = 'measured durations, scheduled on real devices: 1 compute, 1 link to each peer, 1 memory lane each';

export interface Term {
  readonly name: string;
  readonly definition: string;
}

export const CHECK_TERMS: readonly Term[] = [
  { name: 'check', definition: 'the scattered result against a reference by a plain kernel of another structure: exact = equal bits; bounded = within a float64 error bound; projection = exact, by Freivalds\' test: C·x = Σ A_d·(B_d·x) modulo a prime p for r seeded vectors x, which a wrong result passes with probability at most p^−r; where it fails, every element is compared' },
  { name: 'coverage', definition: 'share of all elements of the result that was compared' },
  { name: 'maxError, bound', definition: 'the largest |c − ref|, and the bound at that element' },
  { name: 'bitExactPlanOrder', definition: 'equal, bit for bit, to the same kernels adding in the order in which the event log says that updates were applied; of a large run on the tiles that some seeded rows touch, with their share' },
  { name: 'causality', definition: 'over the event log: no trigger before its last update, no read of a piece before it was complete' },
  { name: 'tracker', definition: 'sums over devices: pieces counted, updates (landed writes per piece), triggers fired; peak = most entries in use on any device' },
];

export const LEDGER_TERMS: readonly Term[] = [
  { name: 'store', definition: 'bytes of local GEMM stores' },
  { name: 'transfer', definition: 'bytes read by DMA transfers' },
  { name: 'link', definition: 'bytes sent over links: DMA and remote stores' },
  { name: 'reduction', definition: 'bytes that arrived from elsewhere, stored or added' },
];

// Of `tilewire explain`.

export const PATH_TERMS: Readonly<Record<PathCause, string>> = {
  compute: 'slabs of whole tiles multiplied, as long as they take where every CU has some',
  'wave quantisation': 'the rest of their multiplying: stages that had no tile for some of the CUs',
  'DRAM: operands': "a slab of A or B was not there: the memory's queue, which communication shares, and its service",
  'DRAM: own store': 'stores at their own memory: queue and service',
  'DRAM: DMA read': 'reads of triggered transfers: queue and service',
  'DRAM: update': 'updates from peers: queue and service',
  'link back-pressure': 'a workgroup could not store to a peer: no room in the queue of the link',
  link: "in the link's queue and on it",
  latency: "the link's, once for each hop",
  trigger: 'set-up of a complete block in the DMA engine, once it is its turn',
  'DMA queue': 'a complete block waited there for those before it: the window is full where the link is slow',
};

export const BREAKDOWN_TERMS: readonly (Term & { readonly key: keyof Breakdown })[] = [
  { key: 'compute', name: 'compute', definition: 'slabs multiplied' },
  { key: 'data', name: 'DRAM', definition: 'a slab of A or B was not there: the memory and its queue' },
  { key: 'link', name: 'link back-pressure', definition: 'stores to a peer waited for room in the queue of the link' },
  { key: 'barrier', name: 'barrier', definition: 'a workgroup was done, others of its stage were not' },
  { key: 'quantisation', name: 'wave quantisation', definition: 'no tile was left for a CU in the stage' },
  { key: 'afterGemm', name: 'after the GEMM', definition: 'its last workgroup had ended, stores and updates had not landed' },
];

export const CHANGE_TERMS: readonly (Term & { readonly key: keyof FusionChange })[] = [
  { key: 'reduceScatter', name: 'reduce-scatter', definition: 'no longer waited for: tiles travel while later ones are computed' },
  { key: 'order', name: 'order of the GEMM', definition: 'by itself, chunk after chunk and its output past the LLC, against the plain GEMM' },
  { key: 'communication', name: 'communication', definition: 'what it then costs: operands wait behind it, and what is left after the GEMM' },
];

/** Columns of the table of causes; what their times are. */
export const COLUMNS = {
  measured: 'of the fused run’s wall time on this adapter, on which all devices take turns',
  replayed: `of the critical path of the ${REPLAYED_BASIS}`,
  modelled: 'of the critical path on a described machine, by a virtual clock; not this adapter, and not the run’s kernel and tile',
} as const;

export type Column = keyof typeof COLUMNS;
export const columnsOf = (): readonly Column[] => Object.keys(COLUMNS) as Column[];
