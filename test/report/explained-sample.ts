// An explanation of a run that never was, for tests of what is printed and drawn.
import { MACHINE_FILES, PAPER_PARAMETER_FILE } from '../../src/model/machine.ts';
import type { ExplainReport } from '../../src/report/explain-record.ts';

export const report: ExplainReport = {
  version: 1,
  name: 'small',
  gemm: { m: 2, n: 9, k: 4, kTotal: 11 },
  chunk: 'rows',
  schedule: 't3',
  devices: 3,
  parameters: { machine: MACHINE_FILES[0], parameters: PAPER_PARAMETER_FILE },
  times: [
    { schedule: 'sequential', timePs: 19e6, withoutAllGatherPs: 15e6, gemmPs: 9e6, reduceScatterPs: 6e6, allGatherPs: 4e6 },
    { schedule: 't3', timePs: 14e6, withoutAllGatherPs: 10e6, gemmPs: 9.5e6, reduceScatterPs: null, allGatherPs: 4e6 },
    { schedule: 'ideal-overlap', timePs: 13e6, withoutAllGatherPs: 9e6, gemmPs: 9e6, reduceScatterPs: 6e6, allGatherPs: 4e6 },
  ],
  change: { reduceScatter: -6e6, order: -0.25e6, communication: 1.25e6 },
  device: 2,
  breakdown: { compute: 6e6, data: 2e6, link: 0, barrier: 1e6, quantisation: 500_000, afterGemm: 500_000 },
  path: [
    { cause: 'compute', device: 1, tile: 4, fromPs: 0, toPs: 7e6 },
    { cause: 'link', device: 1, tile: 4, fromPs: 7e6, toPs: 8e6 },
    { cause: 'link', device: 2, tile: 4, fromPs: 8e6, toPs: 10e6 },
    { cause: 'trigger', device: 2, tile: 4, fromPs: 10e6, toPs: 10e6 + 2 },
  ],
  maps: [{ x: { name: 'm', values: [1, 2, 4], own: 2 }, y: { name: 'tile', values: [64], own: 64 }, cells: [{ x: 1, y: 64, speedup: 0.9, verdict: 'loses' }, { x: 2, y: 64, speedup: 1.357, verdict: 'wins' }] }],
};
