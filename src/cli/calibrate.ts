// `tilewire doctor --calibrate`: measures the adapter and keeps what the model needs of it as machine `this`.
import { TilewireError } from '../errors.ts';
import type { Session } from '../host/session.ts';
import { storeMachine } from '../host/machine-cache.ts';
import { cachedChoice, tileCacheKey } from '../host/tile-cache.ts';
import type { MachineFile } from '../model/machine.ts';
import { calibrationTable, machineTable } from '../report/calibration-table.ts';
import { chunkSizes } from '../spec/chunks.ts';
import { resolveDraft } from '../spec/resolve.ts';
import type { SpecDraft } from '../spec/spec.ts';
import { machineOf, missing, type Calibration } from '../tune/calibration.ts';
import { builtInCandidates, type Candidate } from '../tune/candidates.ts';
import { fateText, nameOf } from '../tune/tiles-report.ts';
import { defaultMemoryLimit } from './perform.ts';
import type { ProgressLine } from './progress.ts';
import { limitsOf } from './tiles.ts';

/** A GEMM that keeps all of an adapter busy, and buffers that no cache holds; fewer samples where each takes long. */
const SIZES = { software: { side: 1024, bytes: 64 * 2 ** 20 }, hardware: { side: 4096, bytes: 256 * 2 ** 20 } } as const;
const KERNELS = 8;
const ROUNDS = 9;
const SECONDS = 120;
const SAMPLES = 15;

/** @throws NO_WORK where something that a machine needs could not be measured, WRONG_VALUES where a kernel is wrong */
export async function calibrated(session: Session, progress: ProgressLine): Promise<{ readonly calibration: Calibration; readonly machine: MachineFile }> {
  const { environment, facts } = session;
  const { side, bytes } = SIZES[environment.adapter.isFallback ? 'software' : 'hardware'];
  const memoryLimit = defaultMemoryLimit(environment);
  const shape = { m: side, n: side, k: side };
  const draft = await resolveDraft({ ...shape, devices: 1 }, facts.traits);
  const candidates = await candidatesOf(draft, session);
  progress.say(`calibrating: ${candidates.length} kernels and tiles at ${side} x ${side} x ${side}, then copies, updates and dispatches; keep other programs quiet`);
  const gemm = await session.profile({ kind: 'plain', spec: draft, candidates, limit: candidates.length, rounds: ROUNDS, seconds: SECONDS, memoryLimit, notes: [] }, (step) => progress.show(step));
  const memories = await session.calibrate({ bytes: Math.min(bytes, memoryLimit / 8), samples: SAMPLES }, (step) => progress.show(step));
  progress.clear();
  const calibration: Calibration = { shape, gemm, at: new Date().toISOString(), ...memories };
  process.stdout.write(`${calibrationTable(calibration)}\n\n`);
  const lacking = missing(calibration);
  if (lacking.length > 0) {
    const fates = gemm.candidates.map((of) => `${nameOf(of)}: ${fateText(of.fate)}`);
    throw new TilewireError('NO_WORK', `no machine can be made of this: ${lacking.join('; ')}`, { lines: fates, fix: 'close what else uses the GPU and try again; see the table above' });
  }
  const machine = machineOf(calibration, environment);
  const file = storeMachine(environment, machine, calibration.at);
  process.stdout.write(`${machineTable(machine)}\n\nkept in ${file}: --machine this of \`tilewire model\` and \`tilewire explain\`\n\n`);
  return { calibration, machine };
}

/** What `run` takes on this adapter, by default and by what `tiles` found, before the likely others. */
async function candidatesOf({ kernel, gemm, chunk }: SpecDraft, session: Session): Promise<Candidate[]> {
  const { list } = await builtInCandidates(gemm, { limits: limitsOf(session), traits: session.facts.traits, limit: KERNELS, chunk, chunks: chunkSizes(gemm.n, 1) });
  const kept = cachedChoice(tileCacheKey(session.environment, gemm, null));
  const own = [...(kept === undefined ? [] : [{ name: kept.kernelName, tile: kept.tile }]), ...(kernel.kind === 'built-in' ? [kernel] : [])];
  const chosen = await Promise.all(
    own.map(async ({ name, tile }): Promise<Candidate> => {
      const { kernel: resolved } = await resolveDraft({ ...gemm, k: gemm.k, devices: 1, kernelName: name, tile });
      return { name: { kernel: name, tile: { ...tile }, overrides: null, granularity: null }, kernel: resolved };
    }),
  );
  const names = new Set<string>();
  return [...chosen, ...list].filter(({ name }) => !names.has(nameOf(name)) && names.add(nameOf(name)));
}
