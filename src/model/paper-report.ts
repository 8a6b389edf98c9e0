// All of the paper's evaluation in one record: what `tilewire paper --json` writes. The parts that take long (ablations, search) are made
// only when they are asked for.
import { MACHINE_FILES, machineNamed, PAPER_PARAMETER_FILE, sourcedOf, valuesOf, type MachineFile, type ParameterFile, type Sourced } from './machine.ts';
import { isHeadline, ordersOf, PAPER_CASES, runCases, summaryOf, type CaseRecord, type Claim, type PaperCase } from './paper.ts';
import { ablations, search, type Ablation, type Search } from './search.ts';
import { cuSharing, endToEnd, fasterCompute, studyClaims, trafficOf, type CuSharing, type EndToEnd, type TrafficStudy } from './studies.ts';

export interface PaperReport {
  readonly parameters: { readonly machine: MachineFile; readonly parameters: ParameterFile };
  readonly cases: readonly CaseRecord[];
  readonly summary: readonly Claim[];
  /** In words: which order of times holds in every case, with its exceptions; what of the arbitration had no effect. */
  readonly notes: readonly string[];
  readonly endToEnd: readonly EndToEnd[];
  /** All that endToEnd assumes of the rest of a layer. */
  readonly assumptions: readonly Sourced[];
  readonly cuSharing: readonly CuSharing[];
  readonly traffic: readonly TrafficStudy[];
  readonly studies: readonly { readonly what: string; readonly cases: readonly CaseRecord[] }[];
  readonly ablations: readonly Ablation[];
  readonly search: Search | null;
}

const nameOf = ({ model, tp, sublayer }: PaperCase): string => `${model} TP ${tp} ${sublayer}`;

/** Sets that the search of a sensitivity run draws: with the ablations it takes about a minute. */
export const SENSITIVITY_SETS = 30;

export interface PaperOptions {
  /** The set to run with; the paper's own where left out. */
  readonly parameters?: ParameterFile;
  /** Ablations and a search over so many sets. */
  readonly sensitivity?: { readonly sets: number; readonly seed?: number };
  readonly progress?: (what: string, done: number, of: number) => void;
}

export function paperReport({ parameters: file = PAPER_PARAMETER_FILE, sensitivity, progress = () => {} }: PaperOptions = {}): PaperReport {
  const parameters = valuesOf(file);
  const machine = machineNamed('paper');
  const shared = new Map<string, unknown>();
  const results = runCases(PAPER_CASES, machine, parameters, { progress: (done, of) => progress('cases', done, of), shared });
  progress('studies', 0, 1);
  const studies = {
    endToEnd: endToEnd(results, { parameters }),
    cuSharing: cuSharing({ parameters }),
    traffic: trafficOf({ parameters }),
    studies: [{ what: 'twice the CUs', cases: fasterCompute(PAPER_CASES.filter(isHeadline), parameters) }],
  };
  const extra = studyClaims({ ...studies, fasterCompute: studies.studies[0].cases });
  const withoutEffect = results.filter(({ modelled }) => modelled['t3-mca'].gemm.devices.every(({ arbiter }) => arbiter.heldBack === 0)).map(({ paperCase }) => nameOf(paperCase));
  return {
    parameters: { machine: MACHINE_FILES.find(({ name }) => name === 'paper')!, parameters: file },
    cases: results.flatMap(({ records }) => records),
    summary: [...summaryOf(results), ...extra],
    notes: [...ordersOf(results).map(({ what, exceptions }) => `${what}: ${results.length - exceptions.length} of ${results.length} cases${exceptions.length === 0 ? '' : `, not ${exceptions.map(nameOf).join(', ')}`}`), ...(withoutEffect.length === 0 ? [] : [`the threshold of T3-MCA held nothing back, so that compute first did all, in ${withoutEffect.length} of ${results.length} cases: ${withoutEffect.join(', ')}`])],
    ...studies,
    assumptions: sourcedOf(file.endToEnd),
    ablations: sensitivity === undefined ? [] : ablations({ parameters, shared, progress: (done, of) => progress('ablations', done, of) }),
    search: sensitivity === undefined ? null : search(sensitivity.sets, { parameters, shared, ...(sensitivity.seed === undefined ? {} : { seed: sensitivity.seed }), progress: (done, of) => progress('search', done, of) }),
  };
}
