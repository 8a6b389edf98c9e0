// `tilewire model` as text: a row for each figure, a column for each schedule, the definitions under them. Every number is the
// virtual clock's, of the machine that the first lines name: none was measured.
import type { MachineFile, ParameterFile } from '../model/machine.ts';
import { SCHEDULES } from '../model/schedules.ts';
import { formatBytes, formatMs, threeDigits } from '../units.ts';
import type { Term } from './figures.ts';
import { QUEUES, type ModelCase, type ModelReport, type QueueWait } from './model-record.ts';
import { aligned } from './table.ts';

const DASH = '–';

const US_TO_MS = 1e-3;
const PS_TO_MS = 1e-9;

interface Row extends Term {
  readonly cell: (of: ModelCase) => string;
}

const time = (us: number): string => formatMs(us * US_TO_MS);
const ratio = (value: number): string => value.toFixed(3);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const wait = (of: QueueWait | null): string => (of === null ? DASH : `${short(of.p50Ps)} / ${short(of.p99Ps)}`);
const short = (ps: number): string => (ps === 0 ? '0' : formatMs(ps * PS_TO_MS));

const QUEUE_TERMS: { readonly [Q in (typeof QUEUES)[number]]: string } = {
  compute: 'p50 / p99 of the time in a queue during the GEMM, of several devices the longest: operands and own stores for the memory',
  stores: 'own stores for the memory, where they have a queue of their own',
  incoming: 'updates from peers for the memory',
  dma: 'reads of triggered transfers for the memory',
  link: 'what goes to a peer for its link',
};

/** The rows, each with what it means. */
export const MODELLED_FIGURES: readonly Row[] = [
  { name: 'time', definition: 'GEMM, reduce-scatter and the serial all-gather, until the last access of the last memory', cell: ({ timeUs }) => time(timeUs) },
  { name: 'GEMM', definition: "until the last workgroup of the schedule's GEMM ends", cell: ({ gemmUs }) => time(gemmUs) },
  { name: 'speedup', definition: 'time of sequential over time, both with the all-gather', cell: ({ speedup }) => ratio(speedup) },
  { name: 'speedup, no AG', definition: 'the same without the all-gather', cell: ({ speedupWithoutAllGather }) => ratio(speedupWithoutAllGather) },
  { name: 'exposed', definition: "time less the plain GEMM's time (one GEMM by itself on all CUs); may be negative", cell: ({ exposedUs }) => time(exposedUs) },
  { name: 'ECT', definition: 'the same without the all-gather: effective communication time', cell: ({ exposedWithoutAllGatherUs }) => time(exposedWithoutAllGatherUs) },
  { name: 'skew adds', definition: 'time less that of the same schedule where no device is skewed', cell: ({ timeUs, withoutSkewUs }) => (withoutSkewUs === null ? DASH : time(timeUs - withoutSkewUs)) },
  { name: 'overlap efficiency', definition: '1 − ECT over ECT of sequential', cell: ({ overlapEfficiency }) => (overlapEfficiency === null ? DASH : ratio(overlapEfficiency)) },
  { name: 'share of ideal gain', definition: '(speedup − 1) over (speedup of ideal-overlap − 1)', cell: ({ shareOfIdealGain }) => (shareOfIdealGain === null ? DASH : ratio(shareOfIdealGain)) },
  { name: 'DRAM: GEMM reads', definition: "bytes of one device's memory, mean over devices: operands that missed the LLC", cell: ({ dramBytes }) => formatBytes(dramBytes.gemmReads) },
  { name: 'DRAM: GEMM writes', definition: "the GEMM's output, stored or added locally", cell: ({ dramBytes }) => formatBytes(dramBytes.gemmWrites) },
  { name: 'DRAM: RS reads', definition: 'read to be sent on, or to be reduced on CUs', cell: ({ dramBytes }) => formatBytes(dramBytes.rsReads) },
  { name: 'DRAM: RS writes', definition: 'arrived from peers, or reduced; not the read inside an update, which is the memory’s own', cell: ({ dramBytes }) => formatBytes(dramBytes.rsWrites) },
  { name: 'DRAM: AG reads, writes', definition: 'the serial all-gather', cell: ({ dramBytes }) => `${formatBytes(dramBytes.agReads)}, ${formatBytes(dramBytes.agWrites)}` },
  { name: 'link', definition: 'bytes that a device sends, all-gather included, mean over devices', cell: ({ linkBytes }) => formatBytes(linkBytes) },
  { name: 'tracker peak', definition: "most entries in use on a device, spilled ones too, and pieces that found their set full; – where nothing is tracked", cell: ({ tracker }) => (tracker === null ? DASH : `${tracker.peakEntries}, ${tracker.overflows}`) },
  ...QUEUES.map((queue): Row => ({ name: `wait: ${queue}`, definition: QUEUE_TERMS[queue], cell: ({ waits }) => wait(waits[queue]) })),
  { name: 'stalled: memory', definition: "share of the workgroups' time in which a slab of A or B was not there yet", cell: ({ stalls }) => percent(stalls.memory) },
  { name: 'stalled: link', definition: 'in which stores to a peer had to wait for the link', cell: ({ stalls }) => percent(stalls.link) },
  { name: 'stalled: barrier', definition: 'in which a workgroup was done and others of its stage were not', cell: ({ stalls }) => percent(stalls.barrier) },
];

export function modelTable({ name, gemm: { m, n, k, kTotal }, devices, chunk, splits, skew, overflow, parameters: { machine, parameters }, cases }: ModelReport): string {
  const depth = k * devices === kTotal ? `${k}` : `${k} or ${k - 1}`;
  const facts: [string, string][] = [
    ['gemm', `${m} x ${n} x ${depth} (m x n x k per device)`],
    ...(splits === 1 ? [] : [['split-K', `${splits} workgroups for each tile, whose stores the memory adds (in the plain GEMM the LLC)`] as [string, string]]),
    ...(skew === null ? [] : skewFacts(skew)),
    ['collective', `reduce-scatter, ${devices} devices, output scattered by ${chunk}, then all-gather`],
    ['machine', `${machine.name}: ${machine.about}`],
    ['', `${machine.cus.value} CUs, ${threeDigits((machine.cus.value * machine.clockGHz.value * machine.flopsPerClockPerCu.value) / 1e3)} TFLOP/s, memory ${machine.memoryGBs.value} GB/s, ${machine.topology.value}, link ${machine.linkGBs.value} GB/s + ${machine.linkLatencyNs.value} ns`],
    ['parameters', parametersLine(machine, parameters)],
    ...trackerFacts(overflow, parameters),
  ];
  // A queue that no schedule uses has no row, nor has skew where there is none.
  const rows = MODELLED_FIGURES.filter(({ name: figure, cell }) => !(figure.startsWith('wait: ') || figure === 'skew adds') || cases.some((of) => cell(of) !== DASH));
  const width = Math.max(...rows.map((row) => row.name.length));
  return [
    `${name}: modelled, nothing of it measured`,
    ...facts.map(([label, text]) => `  ${label.padEnd(12)}${text}`),
    '',
    ...aligned([['', ...cases.map(({ schedule, made }) => (made === 'composed' ? `${schedule} *` : schedule))], ...rows.map((row) => [row.name, ...cases.map(row.cell)])]),
    '',
    ...cases.flatMap((of) => schedulesLines(of)),
    ...(cases.some(({ made }) => made === 'composed') ? ['  * put together from parts that were simulated by themselves, by the formula: contention between them is left out'] : []),
    ...cases.flatMap((of) => arbiterLine(of)),
    '',
    ...rows.map((row) => `  ${row.name.padEnd(width)}  ${row.definition}`),
  ].join('\n');
}

/** Which set, and what of it is the machine's own. */
export function parametersLine({ name, parameters = {} }: MachineFile, set: ParameterFile): string {
  const own = Object.entries(parameters).map(([key, of]) => `${key} ${of.value}`);
  return `set ${set.name}; \`tilewire paper\` prints it with its sources${own.length === 0 ? '' : `; of machine ${name} itself: ${own.join(', ')}`}`;
}

/** Where the flags say something of it. */
function trackerFacts(overflow: ModelReport['overflow'], { trackerSets: sets, trackerWays: ways }: ParameterFile): [string, string][] {
  const isAsked = overflow !== 'spill' || [sets, ways].some(({ source }) => source.startsWith('--'));
  return isAsked ? [['tracker', `${sets.value} ${sets.value === 1 ? 'set' : 'sets'} of ${ways.value}; of a piece that finds its set full, ${overflow === 'spill' ? 'the entry spills, at no cost' : 'updates do not count until a way is free (stall)'}`]] : [];
}

function skewFacts({ factor, seed, gemmUs, gemmWithoutUs }: NonNullable<ModelReport['skew']>): [string, string][] {
  const [least, most] = [Math.min(...gemmUs), Math.max(...gemmUs)];
  return [
    ['skew', `${factor}, seed ${seed}: a device computes a stage 1 to ${threeDigits((1 + factor) * (1 + factor / 4))} times as long; collectives on CUs are not skewed`],
    ['', `the plain GEMM takes ${time(least)} (device ${gemmUs.indexOf(least)}) to ${time(most)} (device ${gemmUs.indexOf(most)}), without skew ${time(gemmWithoutUs)}; what is put together (*) has the slowest`],
  ];
}

function schedulesLines({ schedule, made }: ModelCase): string[] {
  const of = SCHEDULES.find(({ name }) => name === schedule)!;
  return [`  ${made === 'composed' ? '* ' : ''}${schedule}: ${of.what}; ${of.time}`];
}

/** Whether the rule of the arbitration did anything. */
function arbiterLine({ schedule, arbiter }: ModelCase): string[] {
  if (arbiter === null || schedule !== 't3-mca') return [];
  const { thresholdBytes, heldBack, starved } = arbiter;
  const limit = `the starvation limit gave it ${starved} turns`;
  if (thresholdBytes === null) return [`  ${schedule}: its first stage asks for no threshold, so it does what t3-compute-first does; ${limit}`];
  return [heldBack === 0 ? `  ${schedule}: the threshold of ${formatBytes(thresholdBytes)} had no effect, it held nothing back; ${limit}` : `  ${schedule}: the threshold of ${formatBytes(thresholdBytes)} held communication back ${heldBack} times; ${limit}`];
}
