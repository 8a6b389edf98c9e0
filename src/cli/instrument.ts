// `tilewire instrument`: the rewritten kernel as the fused run would compile it, with a line map back to the user's file, and
// its footprint: who writes what, in which step and chunk of one device. All of stdout is one WGSL file, whatever is
// no code in it is a comment.
import { bug, TilewireError } from '../errors.ts';
import { kernelText, type KernelText } from '../gpu/kernel-text.ts';
import { ownLines, sourceLines, trackedText, type Op, type Variant } from '../gpu/tracked-text.ts';
import { openSession } from '../host/session.ts';
import { checkPlan } from '../plan/check.ts';
import { builtInFootprint, type Footprint } from '../plan/footprint.ts';
import { fromOwnerRuns, toOwnerRuns } from '../plan/owner-runs.ts';
import { placementsOf, type Placement } from '../plan/placement.ts';
import { planOf, settled, splitsOf, type Plan } from '../plan/plan.ts';
import { footprintSvg } from '../report/footprint-svg.ts';
import { footprintTable } from '../report/footprint-table.ts';
import { adapterLine } from '../report/table.ts';
import { bindingsJsonSchema } from '../spec/kernel-bindings.ts';
import { kernelNamed } from '../spec/kernels.ts';
import { resolveDraft, type SpecRequest } from '../spec/resolve.ts';
import type { Spec, SpecDraft } from '../spec/spec.ts';
import { specRequest, type GeneralFlags, type SpecFlags } from './flags.ts';
import { readKernel } from './kernel-file.ts';
import { pageFile } from './perform.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { modelConfig, remarksOn } from './run.ts';

export interface InstrumentFlags extends Omit<GeneralFlags, 'memoryLimit'>, SpecFlags {
  readonly slots?: number;
  readonly op?: Op;
  readonly device?: number;
  readonly svg?: string;
  /** False with --no-probe. */
  readonly probe: boolean;
  readonly schema?: boolean;
}

/** A tile touches no more chunks than there can be devices; how many a dispatch binds is the adapter's to say. */
const MOST_SLOTS = 64;
/** Outputs beyond this many elements would need more host memory for the footprint than it is worth. */
const MOST_ELEMENTS = 2 ** 28;
/** Stretches of lines that the header lists before it points to --json. */
const MOST_STRETCHES = 12;

export async function instrumentCommand(kernel: string | undefined, flags: InstrumentFlags): Promise<number> {
  if (flags.schema === true) {
    process.stdout.write(`${JSON.stringify(bindingsJsonSchema(), null, 2)}\n`);
    return 0;
  }
  if (kernel === undefined) throw new TilewireError('BAD_FLAG', 'no kernel given', { path: 'FILE.wgsl', fix: 'name a WGSL file, or a built-in kernel, e.g. tilewire instrument gemm-register --m 64 --n 96 --k 32 --devices 4' });
  const json = flags.json === undefined ? null : claimReportFile(flags.json, flags.force ?? false);
  const svg = flags.svg === undefined ? null : claimReportFile(flags.svg, flags.force ?? false, '--svg');
  const draft = await draftOf(kernel, flags);
  const { slots = 1, op = 'mixed', device = 0 } = flags;
  within('--slots', slots, 1, MOST_SLOTS);
  within('--device', device, 0, draft.devices - 1);
  const { m, n } = draft.gemm;
  if (m * n > MOST_ELEMENTS) throw new TilewireError('MEMORY_LIMIT', 'the output is too large for a footprint on this host', { path: flags.m === undefined ? '--tokens' : '--m', actual: m * n, limit: MOST_ELEMENTS, fix: 'use fewer rows: the pattern is the same' });
  const knowsFootprint = flags.probe || draft.kernel.kind === 'built-in';
  if (svg !== null && !knowsFootprint) throw new TilewireError('BAD_FLAG', '--svg draws the footprint, which --no-probe leaves unknown', { path: '--svg', fix: 'leave --no-probe or --svg out' });

  const text = kernelText(draft.kernel, draft.gemm);
  const variant: Variant = { slots, op, where: slots === 1 ? 'one' : 'ordered' };
  const rewritten = trackedText(text, draft.gemm, draft.wavefront, draft.chunk, variant);
  const { adapter, footprint } = flags.probe ? await probed(draft, flags) : { adapter: null, footprint: draft.kernel.kind === 'built-in' ? builtInFootprint({ ...draft, kernel: draft.kernel }) : null };
  const found = footprint === null ? null : placed(draft, footprint, device);

  const listing = listingOf(text, rewritten, draft, variant);
  process.stdout.write(listing.code);
  if (found !== null) process.stdout.write(commented(footprintText(found, footprint!, device, adapter)));
  svg?.write(footprintSvg({ ...pictured(text.name, found!, device), footprint: footprint! }));
  json?.write(
    `${JSON.stringify({
      version: 1,
      kernel: { file: kernel, entry: text.entry, grid: text.grid, workgroupSize: text.facts.workgroupSize },
      variant,
      code: listing.code,
      lineMap: listing.lineMap,
      instrumentationBegins: listing.instrumentationBegins,
      spec: found?.spec ?? draft,
      ...(found === null ? {} : { device, footprint: toOwnerRuns(footprint!), placements: found.placements }),
    })}\n`,
  );
  return 0;
}

/** The Spec of a run of this kernel; a built-in one is meant by its name. */
async function draftOf(kernel: string, flags: InstrumentFlags): Promise<SpecDraft> {
  const model = modelConfig(flags);
  const draft = await resolveDraft({ ...specRequest(flags, model), ...asked(kernel, flags) });
  for (const remark of remarksOn(model.config, flags, draft.devices)) process.stderr.write(`tilewire: note: ${remark}\n`);
  return draft;
}

function asked(kernel: string, { entry, bindings }: InstrumentFlags): Pick<SpecRequest, 'foreign' | 'kernelName'> {
  if (kernelNamed(kernel) === undefined) return { foreign: readKernel(kernel, entry, bindings, 'FILE.wgsl') };
  const [path, value] = entry === undefined ? ['--bindings', bindings] : ['--entry', entry];
  if (value !== undefined) throw new TilewireError('BAD_FLAG', `${path} is for a kernel of your own`, { path, actual: value, fix: `leave it out: ${kernel} is built in` });
  return { kernelName: kernel };
}

function within(path: string, value: number, least: number, most: number): void {
  if (value < least || value > most) throw new TilewireError('BAD_FLAG', 'out of range', { path, actual: value, limit: `${least} to ${most}`, fix: `give ${path} ${least} to ${most}` });
}

async function probed(spec: SpecDraft, flags: InstrumentFlags): Promise<{ adapter: string; footprint: Footprint }> {
  const progress = progressLine();
  const session = await openSession({ backend: flags.backend, pageFile, browser: flags.browser, requireHardware: flags.requireHardware, timeout: flags.timeout, say: (line) => progress.say(line) });
  try {
    return { adapter: adapterLine(session.environment), footprint: fromOwnerRuns(await session.probe({ spec })) };
  } finally {
    await session.close();
  }
}

interface Placed {
  readonly spec: Spec;
  readonly plan: Plan;
  readonly placements: readonly Placement[];
}

function placed(draft: SpecDraft, footprint: Footprint, device: number): Placed {
  const spec = settled(draft, footprint);
  const plan = planOf(spec, footprint);
  const problems = checkPlan(plan);
  if (problems.length > 0) throw bug('the Plan does not hold', { lines: problems });
  return { spec, plan, placements: placementsOf(plan, device) };
}

interface Listing {
  readonly code: string;
  /** By line of `code`: the line of the user's file, or null. */
  readonly lineMap: readonly (number | null)[];
  /** 1-based line of `code`. */
  readonly instrumentationBegins: number;
}

/** The rewritten kernel under a header that says which of its lines are the user's. */
function listingOf(text: KernelText, rewritten: string, { devices, chunk }: SpecDraft, { slots, op }: Variant): Listing {
  const file = text.name;
  const map = sourceLines(text, rewritten);
  const own = ownLines(text);
  const stretches = stretchesOf(text.lineMap.slice(0, own));
  const shown = stretches.length > MOST_STRETCHES ? stretches.slice(0, MOST_STRETCHES) : stretches;
  const left = stretches.length - shown.length;
  const header = (lines: number): string[] => [
    `${file}, entry ${text.entry}: instrumented for ${devices} device${devices === 1 ? '' : 's'}, output scattered by ${chunk}; ${slots} slot${slots === 1 ? '' : 's'}, op ${op}.`,
    `${own} lines are the kernel's own, the instrumentation begins at line ${lines + own + 1}.`,
    ...shown.map(({ at, source, length }) => `line${length === 1 ? ` ${lines + at} is line ${source}` : `s ${lines + at}–${lines + at + length - 1} are lines ${source}–${source + length - 1}`} of ${file}`),
    ...(left > 0 ? [`… ${left} more stretches: --json has the map of every line`] : []),
  ];
  const lines = header(0).length;
  return {
    code: `${commented(header(lines))}${rewritten.replace(/\n*$/, '\n')}`,
    lineMap: [...header(0).map(() => null), ...map.slice(0, rewritten.replace(/\n*$/, '').split('\n').length)],
    instrumentationBegins: lines + own + 1,
  };
}

/** Stretches of lines that count up together in the text and in the file, all 1-based. */
function stretchesOf(lineMap: readonly number[]): { at: number; source: number; length: number }[] {
  const stretches: { at: number; source: number; length: number }[] = [];
  lineMap.forEach((source, index) => {
    const last = stretches.at(-1);
    if (last !== undefined && last.source + last.length === source) last.length++;
    else stretches.push({ at: index + 1, source, length: 1 });
  });
  return stretches;
}

function footprintText({ spec, plan, placements }: Placed, { grid, wavefronts }: Footprint, device: number, adapter: string | null): string[] {
  const { devices, algorithm, chunk } = spec;
  const { tiling } = plan;
  const straddling = tiling.tileParts.filter((parts) => parts.length > 1).length;
  const splits = splitsOf(plan);
  const batch = tiling.chunks.length / devices;
  const storing = tiling.tileParts.filter((parts) => parts.length > 0).length * splits;
  const idle = tiling.tiles - storing;
  return [
    '',
    `footprint of C (${batch > 1 ? `${batch} × ` : ''}${tiling.m / batch} × ${tiling.n}), ${adapter === null ? "by the kernel's lane layout, not probed" : `probed: every element is stored exactly once${splits > 1 ? ' by each split' : ''}`}`,
    ...(adapter === null ? [] : [adapter]),
    `${tiling.tiles} workgroup${tiling.tiles === 1 ? '' : 's'} (grid ${grid.join(' × ')}) of ${wavefronts} wavefront${wavefronts === 1 ? '' : 's'}; ${straddling} straddling chunks, ${idle} storing nothing`,
    ...(splits > 1 ? [`split-K: the workgroups of split 0 are shown; ${splits - 1} more store each region again, in dispatches of their own`] : []),
    ...(batch > 1 ? [`rows go on from matrix to matrix, ${tiling.m / batch} each, and chunks, ${devices} each`] : []),
    `device ${device} of ${devices}, ${algorithm}, ${devices} chunk${devices === 1 ? '' : 's'} of ${chunk}, at most ${spec.stageTiles} workgroups a stage`,
    '',
    ...footprintTable(placements, grid),
  ];
}

function pictured(name: string, { spec, plan }: Placed, device: number): Pick<Parameters<typeof footprintSvg>[0], 'plan' | 'device' | 'title' | 'subtitle'> {
  const { gemm: { n, kTotal }, devices, algorithm, chunk, wavefront } = spec;
  const { m } = plan.tiling;
  return {
    plan,
    device,
    title: `${name}: who writes what of C, ${m} × ${n}`,
    subtitle: `device ${device} of ${devices}, reduce-scatter by ${algorithm}, scattered by ${chunk}; K ${kTotal} over all devices, ${plan.tiling.tiles} workgroup${plan.tiling.tiles === 1 ? '' : 's'}, wavefronts of ${wavefront} lanes`,
  };
}

const commented = (lines: readonly string[]): string => lines.map((line) => `${`// ${line}`.trimEnd()}\n`).join('');
