// One Spec, end to end: kernel, footprint, Plan, proof of the Plan, fused run, proof of the run, baseline, report.
// Whoever reads one file to understand the program reads this one.
import { bug, TilewireError } from '../errors.ts';
import { checkCausality } from '../events/causality.ts';
import type { EventLog } from '../events/log.ts';
import { checkLedger, ledgerOf, totalOf } from '../events/ledger.ts';
import { Arena, type Gpu, type Range } from '../gpu/gpu.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { checkPlan } from '../plan/check.ts';
import { expectedLedger } from '../plan/closed-forms.ts';
import { ownerOf, planOf, settled, splitsOf } from '../plan/plan.ts';
import { specHash } from '../spec/parse.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { checkTracker } from '../tracker/tracker.ts';
import { checkChoice, type CheckChoice } from '../verify/choice.ts';
import type { RunReport } from '../verify/run-report.ts';
import { runBaseline } from './baseline.ts';
import { checkValues } from './check.ts';
import { sha256 } from './digest.ts';
import { EpilogueValues } from './epilogue.ts';
import { extraFlops, straddlingNotes } from './dispatches.ts';
import { Faults } from './faults.ts';
import { probedFootprint } from './footprint.ts';
import type { TimedGroup } from './frame.ts';
import { runFused } from './fused.ts';
import { checkNeeds, Gemms } from './gemms.ts';
import { allocate, buffersOf, checkMemory, chunkMemory, estimateMemory, keepOwned, leastMemory, poison, probeMemory, reachOf } from './memory.ts';
import { fusedTime } from './measure.ts';
import { measured, Stopwatch, withReport, type Note } from './measured.ts';
import { projectionKernels } from './projection.ts';
import { checkLinear } from './linearity.ts';
import { laidOut, operandSource, type DeviceMatrices } from './operands.ts';
import { replayed } from './replayed.ts';

/** A buffer for each on each device that holds it. */
const MOST_CHUNKS = 2048;

export interface RunOptions {
  readonly baseline: boolean;
  /** By size where it is not said. */
  readonly check?: CheckChoice;
  /** Bytes. */
  readonly memoryLimit: number;
  /** Whether the adapter runs one dispatch at a time (measured, see gpu/adapter.ts). */
  readonly isSerial: boolean;
  /** Operands that are not generated: kinds `trained` and `files`. */
  readonly matrices?: DeviceMatrices;
  readonly progress?: (step: string, done: number, total: number) => void;
  /** With triggers on the GPU: items that a list of ready blocks may hold, where fewer than a dispatch may (tests). */
  readonly mostListItems?: number;
}

/** @returns the report, the bits of the result, batch·m × n, the event log and the timed groups of the fused run; what is wrong with the run is in `failures`, not thrown */
export async function runSpec(gpu: Gpu, draft: SpecDraft, { baseline, check: asked, memoryLimit, isSerial, matrices, mostListItems, progress = () => {} }: RunOptions): Promise<{ report: RunReport; result: Uint32Array; log: EventLog; groups: readonly TimedGroup[] }> {
  const arena = new Arena(gpu);
  try {
    checkMemory(leastMemory(draft), memoryLimit, draft);
    progress('kernel and footprint', 0, 1);
    await checkNeeds(gpu, draft);
    const gemms = new Gemms(gpu, arena, draft);
    const { batch } = gemms.text;
    if (matrices !== undefined && batch > 1) throw new TilewireError('BAD_FLAG', 'a batched kernel takes several matrices, the files hold one', { path: '--kernel', actual: `batch ${batch}`, limit: 'batch 1', fix: 'use --operands exact or normal' });
    if (batch * draft.devices > MOST_CHUNKS) throw new TilewireError('BAD_FILE', 'too many chunks: each matrix of a batch is a collective of its own', { path: 'batch', actual: `${batch} matrices on ${draft.devices} devices`, limit: `${MOST_CHUNKS} chunks`, fix: 'take a smaller batch: every matrix goes the same way' });
    checkMemory(probeMemory(draft, gemms.text), memoryLimit, draft);
    const notes: Note[] = [];
    const operands = await operandSource(gpu, arena, draft, gemms.text, matrices, notes);
    const fill = await laidOut(gpu, arena, operands, gemms.text, draft);
    const epilogue = new EpilogueValues(draft, gemms.text);
    const bindings = await epilogue.bindings(gpu, arena);
    const footprint = await probedFootprint(gpu, gemms, fill, bindings(), draft);
    if (draft.kernel.kind === 'foreign') await checkLinear(gpu, gemms.of(0), fill, bindings(), draft);
    const spec = settled(draft, footprint);
    const plan = planOf(spec, footprint);
    const unsound = checkPlan(plan);
    if (unsound.length > 0) throw bug('the Plan does not hold', { lines: unsound });
    const faults = new Faults(spec, plan);
    const { choice, reason } = checkChoice(spec, plan.tiling.m, asked);
    notes.push({ path: 'check.mode', reason: `--check ${choice}: ${reason}` });
    const reach = reachOf(gemms, plan);
    checkMemory(estimateMemory(spec, plan, baseline, { ...reach, text: gemms.text }, choice), memoryLimit, spec);

    if (choice === 'projection') await projectionKernels(gpu, spec);
    const clock = new Stopwatch(gpu);
    const memory = allocate(arena, spec, plan, gemms.text, reach, bindings);
    for (const [device, buffers] of memory.operands.entries()) fill(device, buffers);
    poison(gpu, await gpu.kernel('fill', SHADERS.fill), buffersOf(memory));
    const after = await epilogue.after(gpu, arena);
    const operandsMs = await clock.lap();
    const fused = await runFused({ gpu, arena, spec, plan, gemms, memory, faults, after, mostListItems, progress: (done, total) => progress('fused', done, total) });

    await clock.lap();
    const eventHash = sha256(fused.log.bytes());
    const failures: { code: string; message: string }[] = [];
    const fail = (code: string, problems: readonly string[]): void => {
      for (const message of problems) failures.push({ code, message });
    };
    fail('STALLED', fused.pending);
    const violations = checkCausality(plan, fused.log, { complete: fused.pending.length === 0 });
    fail('CAUSALITY', violations);
    fail('TRACKER', [...fused.mismatches, ...fused.trackers.flatMap(checkTracker)]);
    const rows = ledgerOf(plan, fused.log);
    const unbalanced = checkLedger(rows, expectedLedger(spec.algorithm, plan));
    fail('LEDGER', unbalanced);
    if (totalOf(rows).storeBytes + totalOf(rows).linkBytes === 0) fail('NO_WORK', ['the run tracked no stores and moved no bytes']);

    notes.push(...straddlingNotes(plan, spec.gemm.kTotal, reach.maxSlots));
    let { chunks } = memory;
    const owned = (chunk: number): Range => chunkMemory({ chunks }, ownerOf(plan, chunk), chunk);
    const release = (): void => {
      chunks = keepOwned(arena, plan, memory);
    };
    const { check, result, verify, messages } = await checkValues({ gpu, arena, spec, plan, gemms, operands, epilogue, memory, log: fused.log, owned, choice, release, notes, progress });
    fail('WRONG_VALUES', messages);
    const checkMs = await clock.lap();

    let plain = null;
    if (baseline) {
      arena.release(buffersOf({ chunks, links: memory.links }));
      plain = await runBaseline(gpu, arena, spec, plan, gemms, memory.operands, after, (done, total) => progress('GEMM, then collective', done, total));
      const wrong = await verify(await plain.result());
      if (wrong !== undefined) fail('WRONG_VALUES', [`GEMM-then-collective: ${wrong}`]);
    }
    gpu.check();
    await clock.lap();
    const counts = fused.trackers.map((tracker) => tracker.counts);
    const sum = (key: keyof (typeof counts)[number]): number => counts.reduce((total, of) => total + of[key], 0);
    // Notes stand in the order in which the figures do.
    const figures = measured({ gpu, isSerial, spec, plan, fused, plain, extraFlops: extraFlops(plan, spec.gemm.kTotal, reach.maxSlots), beside: { operandsMs, checkMs, reportMs: 0 }, notes });
    const replay = replayed({ plan, fused, plain, notes });
    const report: RunReport = {
      spec,
      specHash: await specHash(spec),
      kernel: { tiles: plan.tiling.tileParts.filter((parts) => parts.length > 0).length, batch, splits: splitsOf(plan), ldc: gemms.text.pitch },
      check,
      causality: { events: fused.log.length, violations: violations.length, eventHash: await eventHash },
      ledger: { balanced: unbalanced.length === 0, total: totalOf(rows), devices: rows },
      tracker: { pieces: sum('pieces'), updates: sum('updates'), triggers: sum('triggers'), peakEntries: Math.max(...counts.map(({ peakEntries }) => peakEntries)), overflows: sum('overflows') },
      measured: figures,
      replayed: replay.figures,
      time: { fused: fusedTime([...fused.groups, ...fused.trackerGroups], fused.wallMs), plain: plain === null ? null : plain.parts, replayed: replay.time },
      notes,
      failures,
    };
    return { report: { ...report, measured: withReport(report.measured, await clock.lap()) }, result, log: fused.log, groups: fused.groups };
  } finally {
    arena.destroy();
  }
}
