// What the benchmark prints: each figure with its definition, its bar and whether it is met. Pure.
import { PAIRS, CONTROL_LIMIT, QUIRK, isQuirk, median, verdictOf, type Control, type Sampled, type Spread, type Verdict } from './statistics.ts';
import type { Breakdown, FusedResult, OverheadJson, ScalingRow, StagesRow, TrackedShapeResult } from './results.ts';

export interface OverheadResults {
  readonly tracked: readonly TrackedShapeResult[] | null;
  readonly fused: FusedResult | null;
  readonly scaling: readonly ScalingRow[] | null;
  readonly stages: readonly StagesRow[];
  /** Parts that were asked for and not made, and why. */
  readonly missing: readonly string[];
}

export const BARS = { tracked: 1.03, fused: 1.06, otherMode: 0.03, gpuBusy: 0.98, stageEfficiency: 0.95, columns: 1.2, rows: 1.4, peakMemory: 1.25, check: 0.1 };
const BAR_DEVICES = 64;

export function tableOf(results: OverheadResults): string[] {
  const { tracked, fused, scaling, stages, missing } = results;
  return [
    ...(tracked === null ? [] : trackedLines(tracked)),
    ...(fused === null ? [] : fusedLines(fused)),
    ...(scaling === null ? [] : scalingLines(scaling, stages)),
    ...missing.map((line) => `not measured: ${line}`),
  ];
}

function trackedLines(shapes: readonly TrackedShapeResult[]): string[] {
  return [
    'tracked over plain: GPU time of the instrumented kernel (one chunk slot, store) over the kernel as it is, same tile, same workgroups, slices in turn;',
    '  median over draws, each a fresh device that compiles both forms anew, and its 95 % interval by order statistics of draws; control: the plain kernel over itself in the same rounds',
    ...shapes.flatMap(({ shape, kernel, axis, sliceMs, workgroups, ratio, draws, stores, control, more, plain, tried, refused }) => [
      line(shape, `${interval(ratio)} (${draws.length} draws, ${ratio.pairs} pairs)`, `bar ≤ ${BARS.tracked} (upper end): ${trackedVerdict(ratio, stores.ratio, control)}`, controlText(control)),
      `    ${kernel}, chunks by ${axis}, slices of ${workgroups} workgroups, ${sliceMs.toFixed(1)} ms; fastest of ${tried}: ${plain.map(({ name, gflops }) => `${name} ${gflops.toFixed(2)} GFLOP/s`).join(', ')}`,
      ...refused.map((reason) => `    not compiled: ${reason}`),
      `    ${'draws, sorted'.padEnd(44)} ${sorted(draws)}`,
      `    ${`stores alone (k = ${stores.k})`.padEnd(44)} ${interval(stores.ratio)} of the time at the whole k (${stores.plainMicroseconds.length} devices; a workgroup takes ${median(stores.plainMicroseconds).toFixed(1)} µs plain, ${median(stores.trackedMicroseconds).toFixed(1)} tracked, of ${((1000 * sliceMs) / workgroups).toFixed(0)} µs)`,
      ...more.map(({ what, ratio: of }) => `    ${what.padEnd(44)} ${spread(of)}${isQuirk(of.median) ? `  ${quirkText(of)}` : ''}`),
    ]),
    '',
  ];
}

/** By the draws. Where these leave it open, as compilations differ by more than is asked for, also what the stores say, which are all that tracking changes. */
function trackedVerdict(ratio: Spread, stores: Spread, control: Control): string {
  const byDraws = verdictOf(ratio, ratio.upper, BARS.tracked, control.failed);
  if (byDraws !== 'not met' || ratio.lower > BARS.tracked) return verdict(byDraws, ratio);
  const agree = stores.upper >= ratio.lower && stores.lower <= ratio.upper;
  return `not met: left open by draws that scatter more than that; the stores alone ${agree ? `are ${stores.upper <= BARS.tracked ? 'below' : 'not below'} it` : 'contradict the draws'}`;
}

function fusedLines({ shape, fused, plain, plainGflops, stagesPerStep, stageTiles, triggerTiles, units, areSteps, wholeRuns, candidates, modes, memory, checkOverFused, checkNote }: FusedResult): string[] {
  const medians = modes.map(({ whole }) => whole.median);
  const fastest = Math.min(...medians);
  return [
    `fused over plain parts, ${shape}: units of the running pipeline (${areSteps ? 'one step' : 'an equal share of the epochs'} each, ${units} a run) over the plain GEMM, copies and reductions of the same operations and bytes, in turn;`,
    `  median over fresh devices, each of which compiles both forms anew, of the median of its pairs; to it come set-up, drain and what the run idled more than its units, from ${wholeRuns} whole runs. Fused: ${fused}, ${stagesPerStep} stages per step of ${stageTiles} tiles, trigger-tiles ${triggerTiles}`,
    `  plain: ${plain}, the fastest of all kernels and tiles, ${plainGflops.toFixed(2)} GFLOP/s; fused candidates: ${candidates.map(({ name, ratio }) => `${name} ${ratio.toFixed(3)}`).join(', ')}`,
    ...modes.flatMap((mode) => {
      const { whole, control } = mode;
      const isFastest = whole.median === fastest;
      const bar = isFastest ? BARS.fused : fastest + BARS.otherMode;
      return [
        line(`triggers ${mode.mode}`, `${spread({ ...whole, pairs: mode.units.pairs })}`, `bar ${isFastest ? `≤ ${BARS.fused}` : `within ${BARS.otherMode} of the other mode`} (median): ${verdict(verdictOf(whole, whole.median, bar, control.failed), whole)}`, controlText(control)),
        `    units alone, by device, sorted: ${sorted(mode.draws)}; their median ${spread(mode.units)}; set-up ${mode.setUpMs.toFixed(1)} ms, drain ${mode.drainMs.toFixed(1)} ms, idle within ${mode.idleMs.toFixed(1)} ms of a whole run`,
        `    ${breakdown(mode.breakdown)}; control of ${mode.controlPairs} pairs, tries ${mode.controls.map((of) => of.toFixed(4)).join(', ')}`,
        `    GPU busy (Σ passes over wall, whole runs) ${percent(mode.gpuBusy)}  bar ≥ ${percent(BARS.gpuBusy)}: ${met(mode.gpuBusy >= BARS.gpuBusy)};  stage efficiency (rate of the stages' passes over that of the whole GEMM in one dispatch, same kernel and tile, in pairs) ${percent(mode.stageEfficiency.median)}  bar ≥ ${percent(BARS.stageEfficiency)}: ${met(mode.stageEfficiency.median >= BARS.stageEfficiency)}`,
        ...(mode.hostMicrosecondsPerTrigger === null ? [] : [`    host time per trigger (reading counters and tracking) ${mode.hostMicrosecondsPerTrigger.toFixed(1)} µs`]),
      ];
    }),
    memory === null ? '  peak GPU memory: not measured, no time left' : line('peak GPU memory', memory.peakMemoryRatio.toFixed(3), `bar ≤ ${BARS.peakMemory}: ${met(memory.peakMemoryRatio <= BARS.peakMemory)}`, `${(memory.peakBytes / 1e6).toFixed(0)} MB of buffers in a checked run, over operands + devices × m × n outputs`),
    checkOverFused === null ? `  check over fused: not measured, ${checkNote}` : line('check over fused', checkOverFused.toFixed(3), `bar ≤ ${BARS.check}: ${met(checkOverFused <= BARS.check)}`, `operands + check + report over the fused wall; ${checkNote}`),
    '',
  ];
}

function scalingLines(rows: readonly ScalingRow[], stages: readonly StagesRow[]): string[] {
  return [
    'how it grows: fused over plain parts at the tile with the best fused time (with few devices: at the one that is likeliest to have it); own: plain parts with that kernel and tile on the whole matrix, best: with the fastest plain kernel and tile.',
    '  Set-up and drain from one whole run each; at 64 devices some steps on each of several GPU devices that compile anew. straddle: tiles that store to more than one chunk; extra: FLOPs of those that run again',
    '  devices chunks   fused kernel and tile           own [95 %]              best [95 %]             pairs  GEMM   moved   idle   straddle    extra  µs/trigger',
    ...rows.flatMap((row) => {
      const { devices, chunk, own, best, draws, control, breakdown: { gemm, moved, idle }, straddling, candidates } = row;
      const bar = devices === BAR_DEVICES ? BARS[chunk as 'rows' | 'columns'] : null;
      const whole = candidates.filter((one) => one.straddling === 0).toSorted((one, other) => one.ratio - other.ratio)[0];
      return [
        `  ${String(devices).padStart(7)} ${chunk.padEnd(8)} ${row.fused.padEnd(30)} ${interval(own).padEnd(23)} ${interval(best).padEnd(23)} ${String(row.pairs).padStart(5)}  ${gemm.toFixed(3)}  ${moved === null ? '  –  ' : moved.toFixed(2).padStart(5)}  ${percent(idle).padStart(6)}  ${`${straddling.tiles}/${straddling.of}`.padStart(9)}  ${percent(straddling.extraFlops).padStart(6)}  ${row.hostMicrosecondsPerTrigger?.toFixed(1) ?? '–'}`,
        ...(bar === null ? [] : [`          bar ≤ ${bar} (own): ${verdict(verdictOf(own, own.median, bar, control.failed), own)}, upper end ${own.upper.toFixed(3)}; ${controlText(control)}`]),
        ...(draws === null ? [] : [`          own in the units, by device, sorted: ${sorted(draws)}; the interval is of these. To them come set-up ${row.setUpMs.toFixed(0)} and drain ${row.drainMs.toFixed(0)} ms of a whole run of ${row.wholeMs.toFixed(0)} ms`]),
        ...[own, best].filter(({ median }) => isQuirk(median)).map((of) => `          ${quirkText(of)}`),
        candidates.length === 0 ? '          the likeliest tile; no other was tried' : `          candidates, over the best plain parts: ${candidates.map(({ name, ratio, straddling: share }) => `${name} ${ratio.toFixed(3)} (${percent(share)} straddle)`).join(', ')}${straddling.tiles === 0 ? '' : `; without straddlers ${whole === undefined ? 'none was tried' : `${whole.name} ${whole.ratio.toFixed(3)}`}`}`,
      ];
    }),
    ...stages.map(({ stagesPerStep, stageTiles, ratio }) => `  8 devices, chunks by columns, ${Number(stagesPerStep.toFixed(1))} stages per step (${stageTiles} tiles): ${spread(ratio)} of plain parts with the same kernel and tile, first steps only`),
    '',
  ];
}

export const interval = ({ median, lower, upper }: Spread): string => `${median.toFixed(3)} [${lower.toFixed(3)}, ${upper.toFixed(3)}]`;
const spread = (of: Sampled): string => `${interval(of)} (${of.pairs} pairs${of.pairs < PAIRS ? `, fewer than ${PAIRS}` : ''})`;
const sorted = (draws: readonly number[]): string => draws.toSorted((one, other) => one - other).map((one) => one.toFixed(3)).join(' ');
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const met = (isMet: boolean): string => (isMet ? 'met' : 'not met');
const line = (name: string, value: string, ...rest: readonly string[]): string => `  ${name.padEnd(18)} ${[value, ...rest].join('  ')}`;
const quirkText = ({ median }: Spread): string => `below ${QUIRK} (${median.toFixed(3)}): a quirk of code generation, no gain`;
const verdict = (of: Verdict, ratio: Spread): string => (of === 'quirk' ? quirkText(ratio) : of);
const controlText = ({ median, failed }: Control): string => `control ${median.toFixed(4)}${failed ? `: failed (more than ${CONTROL_LIMIT} from 1)` : ''}`;
const breakdown = ({ gemm, moved, moving, idle }: Breakdown): string => `of the units: GEMM passes ${gemm.toFixed(3)} of the plain GEMM, transfers and updates ${moved === null ? 'none' : `${moved.toFixed(2)} of plain ones`} (${percent(moving)} of the time), idle ${percent(idle)}`;

export function jsonOf(environment: unknown, control: Control | null, { tracked, fused, scaling }: OverheadResults): OverheadJson {
  const plainSpread = (of: Spread | undefined): Spread | null => (of === undefined ? null : { median: of.median, lower: of.lower, upper: of.upper });
  const ofShape = (name: string): Spread | null => plainSpread(tracked?.find(({ shape }) => shape === name)?.ratio);
  const mode = (name: string): FusedResult['modes'][number] | undefined => fused?.modes.find((one) => one.mode === name);
  const best = fused?.modes.toSorted((one, other) => one.whole.median - other.whole.median)[0];
  const triggers = fused === null ? scaling?.find(({ hostMicrosecondsPerTrigger }) => hostMicrosecondsPerTrigger !== null)?.hostMicrosecondsPerTrigger : mode('host')?.hostMicrosecondsPerTrigger;
  return {
    environment,
    control,
    trackedOverPlain: tracked === null ? null : { '1024x1024x1024': ofShape('1024x1024x1024'), 't-nlg-fc2-8': ofShape('t-nlg-fc2-8') },
    fusedOverParts: fused === null ? null : { device: plainSpread(mode('device')?.whole), host: plainSpread(mode('host')?.whole) },
    gpuBusy: best?.gpuBusy ?? null,
    stageEfficiency: best?.stageEfficiency.median ?? null,
    peakMemoryRatio: fused?.memory?.peakMemoryRatio ?? null,
    checkOverFused: fused?.checkOverFused ?? null,
    scaling: scaling === null ? null : scaling.map(({ devices, chunk, tile, own, best: overBest }) => ({ devices, chunk, tile, fusedOverParts: own.median, fusedOverBestTile: overBest.median })),
    hostMicrosecondsPerTrigger: triggers ?? null,
  };
}
