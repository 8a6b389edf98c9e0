// What the paper's evaluation shows beside the speedups: DRAM traffic over time, a collective on a few CUs, a machine with twice the
// CUs, and whole training steps and prompt inferences. The paper's values that t3.md does not give are null there; ours stand.
import { LAYERS, MODELS, type LayerName } from '../spec/zoo.ts';
import { durationOf } from './rate.ts';
import { machineNamed, PAPER_PARAMETERS, type Machine, type Parameters } from './machine.ts';
import { DMA_READ, DMA_UPDATE, FILL, LOCAL_UPDATE, READ, RECEIVED, REMOTE_UPDATE, WRITE } from './memory.ts';
import { geomean, runCases, subjectOf, US, type CaseRecord, type CaseResult, type Claim, type PaperCase } from './paper.ts';
import { Subject } from './subject.ts';

interface On {
  readonly machine?: Machine;
  readonly parameters?: Parameters;
}

/** DRAM bytes by cause in one bin of time. */
export interface TrafficBin {
  readonly fromUs: number;
  readonly gemmReads: number;
  readonly gemmWrites: number;
  readonly rsReads: number;
  readonly rsWrites: number;
}

export interface TrafficStudy {
  readonly schedule: 'sequential' | 't3' | 't3-mca';
  readonly binUs: number;
  readonly bins: readonly TrafficBin[];
}

/** DRAM traffic over the GEMM and the reduce-scatter of a case, T-NLG FC-2 at TP 8 where left out; of one device. */
export function trafficOf({ machine = machineNamed('paper'), parameters = PAPER_PARAMETERS, paperCase = { model: 't-nlg', tp: 8, sublayer: 'fc2' }, binUs = 20 }: On & { readonly paperCase?: PaperCase; readonly binUs?: number } = {}): TrafficStudy[] {
  const subject = new Subject(subjectOf(paperCase, machine, parameters).shape, { machine, parameters, fold: true, binPs: binUs * US });
  const bin = (kinds: readonly number[], index: number): TrafficBin => ({
    fromUs: index * binUs,
    gemmReads: kinds[FILL] ?? 0,
    gemmWrites: (kinds[WRITE] ?? 0) + (kinds[LOCAL_UPDATE] ?? 0),
    rsReads: (kinds[READ] ?? 0) + (kinds[DMA_READ] ?? 0),
    rsWrites: (kinds[RECEIVED] ?? 0) + (kinds[REMOTE_UPDATE] ?? 0) + (kinds[DMA_UPDATE] ?? 0),
  });
  const gemm = subject.gemm.devices[0].traffic!;
  // The reduce-scatter's first bin is the one after the GEMM's last; its own writes are of the reduction, not the GEMM's.
  const scatter = subject.collective('reduce-scatter').devices[0].traffic!.map((kinds, index): TrafficBin => {
    const of = bin(kinds, gemm.length + index);
    return { ...of, gemmWrites: 0, rsWrites: of.rsWrites + of.gemmWrites };
  });
  return [
    { schedule: 'sequential', binUs, bins: [...gemm.map(bin), ...scatter] },
    { schedule: 't3', binUs, bins: subject.fused('round-robin').devices[0].traffic!.map(bin) },
    { schedule: 't3-mca', binUs, bins: subject.fused('mca').devices[0].traffic!.map(bin) },
  ];
}

export interface CuSharing {
  readonly model: string;
  readonly tp: number;
  readonly sublayer: LayerName;
  readonly collectiveCus: number;
  /** All-reduce on so many CUs over that on all. */
  readonly allReduceSlowdown: number;
  /** GEMM on the other CUs over that on all. */
  readonly gemmSlowdown: number;
}

/** All-reduce on 8 and on 16 of the CUs, and the GEMM on what they leave; each alone. What a CU copies is an assumption (`cuCopyGBs`). */
export function cuSharing({ machine = machineNamed('paper'), parameters = PAPER_PARAMETERS }: On = {}): CuSharing[] {
  return ['mega-gpt-2', 't-nlg'].flatMap((model) =>
    [8, 16].flatMap((collectiveCus) =>
      LAYERS.map(({ name: sublayer }): CuSharing => {
        const subject = subjectOf({ model, tp: 8, sublayer }, machine, parameters);
        const allReduce = (cus: number): number => subject.collective('reduce-scatter', cus).timePs + subject.collective('all-gather', cus).timePs;
        return { model, tp: 8, sublayer, collectiveCus, allReduceSlowdown: allReduce(collectiveCus) / allReduce(machine.cus), gemmSlowdown: subject.under({ machine: { cus: machine.cus - collectiveCus } }).gemm.timePs / subject.gemm.timePs };
      }),
    ),
  );
}

/** The paper's headline cases on a machine with twice the CUs, in the form of `cases`. */
export function fasterCompute(cases: readonly PaperCase[], parameters: Parameters = PAPER_PARAMETERS): CaseRecord[] {
  return runCases(cases, machineNamed('paper-2x-cu'), parameters).flatMap(({ records }) => records);
}

export interface EndToEnd {
  readonly model: string;
  readonly tp: number;
  readonly phase: 'training' | 'prompt inference';
  readonly schedule: string;
  readonly speedup: number;
  /** Of a layer's time, sequential: what the sub-layers of T3 take. */
  readonly share: number;
}

/**
 * A layer's time is taken as its sub-layers that are all-reduced (those that a schedule changes), its other GEMMs at the machine's
 * rate, and its element-wise work at the memory's. Every assumption of it is in the parameter set (`endToEnd`), with its source.
 */
export function endToEnd(results: readonly CaseResult[], { machine = machineNamed('paper'), parameters = PAPER_PARAMETERS }: On = {}): EndToEnd[] {
  const { endToEnd: layer } = parameters;
  const flops = machine.cus * machine.flopsPerClockPerCu * machine.clockGHz * 1e9 * parameters.efficiency;
  const keys = [...new Set(results.map(({ paperCase: { model, tp } }) => `${model} ${tp}`))];
  return keys.flatMap((key) => {
    const [name, tpText] = key.split(' ');
    const tp = Number(tpText);
    const { hidden, tokens } = MODELS.find((model) => model.name === name)!;
    const of = (sublayers: readonly LayerName[], schedule: string): number => sublayers.reduce((sum, sublayer) => sum + (results.find(({ paperCase }) => paperCase.model === name && paperCase.tp === tp && paperCase.sublayer === sublayer)?.modelled[schedule].timePs ?? Number.NaN), 0);
    const projection = (2 * tokens * hidden * hidden) / tp;
    const attention = (2 * tokens * layer.sequence * hidden) / tp;
    const compute = (work: number): number => durationOf(Math.round(work / 1e6), flops / 1e6);
    const elements = (times: number): number => ((times * tokens * hidden * parameters.elementBytes) / machine.memoryGBs) * 1e3;
    const forward = compute(layer.forwardProjections * projection + layer.forwardAttention * attention) + elements(layer.forwardElementwise);
    const backward = compute((layer.backwardProjections + layer.weightGradients) * projection + layer.backwardAttention * attention) + elements(layer.backwardElementwise);
    const phases = [['training', ['op', 'fc2', 'fc1', 'ip'], forward + backward], ['prompt inference', ['op', 'fc2'], forward]] as const;
    return phases.flatMap(([phase, sublayers, rest]) =>
      ['t3', 't3-mca', 'ideal-overlap', 'ideal-nmc'].map((schedule): EndToEnd => {
        const before = of(sublayers, 'sequential');
        return { model: name, tp, phase, schedule, speedup: (before + rest) / (of(sublayers, schedule) + rest), share: before / (before + rest) };
      }),
    );
  });
}

/** Claims of these studies in the form of the summary; what the paper says of them is not given. */
export function studyClaims(of: { readonly endToEnd: readonly EndToEnd[]; readonly cuSharing: readonly CuSharing[]; readonly fasterCompute: readonly CaseRecord[] }): Claim[] {
  const claim = (text: string, ours: number): Claim => ({ claim: text, published: null, tolerance: null, ours, difference: null });
  const speedups = (schedule: string): number[] => of.fasterCompute.filter((record) => record.schedule === schedule && record.gemmTime === 'own').map(({ speedup }) => speedup);
  const slowdowns = (cus: number): CuSharing[] => of.cuSharing.filter(({ collectiveCus }) => collectiveCus === cus);
  return [
    ...(['training', 'prompt inference'] as const).flatMap((phase) => ['t3', 't3-mca'].map((schedule) => claim(`End to end, ${phase}, ${schedule}, max`, Math.max(...of.endToEnd.filter((row) => row.phase === phase && row.schedule === schedule).map(({ speedup }) => speedup))))),
    ...['t3', 't3-mca', 'ideal-overlap'].map((schedule) => claim(`Twice the CUs, ${schedule} speedup, geomean`, geomean(speedups(schedule)))),
    ...[8, 16].flatMap((cus) => [
      claim(`All-reduce on ${cus} CUs, slowdown, geomean`, geomean(slowdowns(cus).map(({ allReduceSlowdown }) => allReduceSlowdown))),
      claim(`GEMM without ${cus} CUs, slowdown, geomean`, geomean(slowdowns(cus).map(({ gemmSlowdown }) => gemmSlowdown))),
    ]),
  ];
}
