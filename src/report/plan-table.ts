// `tilewire plan` as text: the Spec with its defaults in, the chunks, what device 0 does step by step (the others do
// the same, shifted by their number), and the bytes that a run of it must move.
import type { PlanStep, PlanSummary } from '../plan/summary.ts';
import type { Spec } from '../spec/spec.ts';
import { formatBytes } from '../units.ts';

export function planTable(spec: Spec, hash: string, plan: PlanSummary, memoryBytes: number): string {
  const { gemm: { m, n, k: longest, kTotal }, kernel } = spec;
  const k = kTotal === longest * spec.devices ? `${longest}` : `${longest} or ${longest - 1}`;
  const lengths = [...new Set(plan.chunks.map(({ length }) => length))];
  const facts: [string, string][] = [
    ['C', `${m} × ${n} = Σ over ${spec.devices} devices of A (${m} × ${k}) · B (${k} × ${n}), ${spec.operands.kind} operands`],
    ['collective', `${spec.collective}, ${spec.algorithm}, scattered by ${spec.chunk}: ${plan.chunks.length} chunks of ${lengths.join(' or ')} ${spec.chunk}`],
    ['kernel', `${kernel.name}${kernel.kind === 'built-in' ? `, tile ${kernel.tile.m} × ${kernel.tile.n}` : ''}, ${plan.tiles} tiles of ${plan.wavefronts} wavefront${plan.wavefronts > 1 ? 's' : ''}, ${plan.straddling} straddle chunks`],
    ['stages', `${plan.stages} over all devices, at most ${spec.stageTiles} tiles each`],
    ['tracker', `${plan.trackedPieces} pieces over all devices, ${spec.tracker.sets} sets × ${spec.tracker.ways} ways, overflow: ${spec.overflow}`],
    ['triggers', `${plan.dmaBlocks} DMA blocks of up to ${spec.triggerTiles} tiles, executed ${spec.lag} epochs after ${spec.triggers === 'host' ? 'they are seen' : 'the GPU sees them'}`],
    ['GPU memory', formatBytes(memoryBytes)],
    ['Spec', hash],
  ];
  const total = plan.ledger.reduce((sum, row) => ({ store: sum.store + row.storeBytes, transfer: sum.transfer + row.transferBytes, link: sum.link + row.linkBytes, reduction: sum.reduction + row.reductionBytes }), { store: 0, transfer: 0, link: 0, reduction: 0 });
  return [
    spec.name,
    ...facts.map(([label, text]) => `  ${label.padEnd(12)}${text}`),
    '',
    ...columns([
      ['step', 'chunk', 'tiles', 'stages', 'stores to', 'updates per element', 'when complete'],
      ...plan.devices[0].map((step) => [String(step.step), String(step.chunk), String(step.tiles), String(step.stages), step.storesTo === 0 ? 'local' : `device ${step.storesTo}`, updates(step), completion(step)]),
    ]).map((line) => `  ${line}`),
    '  (device 0; device d does the same with chunk and peer numbers shifted by d: tiles and stages are those of its chunks)',
    '',
    ...columns([['chunk', 'elements', 'tiles', 'DMA blocks', 'tile ids'], ...plan.chunks.map(({ elements, tiles, blocks, tileIds }, j) => [String(j), String(elements), String(tiles), String(blocks), tileIds])]).map((line) => `  ${line}`),
    '',
    `  bytes over all devices: ${formatBytes(total.store)} stored locally, ${formatBytes(total.transfer)} read by DMA, ${formatBytes(total.link)} over links, ${formatBytes(total.reduction)} arriving`,
    '  checked: each element of each result gets each device\'s contribution exactly once, no wait is circular',
  ].join('\n');
}

function updates({ expects }: PlanStep): string {
  if (expects.length === 0) return 'not tracked here';
  const remote = expects.filter(({ kind }) => kind === 'remote').length;
  const sources = expects.map((source) => (source.kind === 'local' ? 'local' : source.kind === 'dma' ? `DMA from ${source.from}` : `remote from ${source.from}`));
  return `${expects.length}: ${remote > 1 ? `local, remote from ${remote} peers` : sources.join(', ')}`;
}

function completion({ whenComplete }: PlanStep): string {
  return typeof whenComplete === 'string' ? (whenComplete === 'untracked' ? '–' : whenComplete) : `DMA to device ${whenComplete.dmaTo}`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join('  ').trimEnd());
}
