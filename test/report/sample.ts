// A report of a run that never was, for tests of what is printed and read.
import type { Environment, RunReport } from '../../src/verify/run-report.ts';

export const environment: Environment = {
  backend: 'chrome',
  browser: 'Chrome/143.0.0.0',
  adapter: { vendor: 'google', architecture: 'swiftshader', description: '', isFallback: true, isSerial: true },
  timerResolutionNs: 1,
};

export const run: RunReport = {
  spec: {
    version: 1,
    name: 't-nlg fc2 TP 8',
    gemm: { m: 256, n: 4256, k: 2128 },
    dtype: 'f32',
    devices: 8,
    collective: 'reduce-scatter',
    algorithm: 'ring',
    chunk: 'columns',
    operands: { kind: 'exact', range: 4 },
    seed: 1,
    kernel: { name: 'gemm-register', hash: 'a'.repeat(64), tile: { m: 64, n: 16, k: 2 } },
    wavefront: 64,
    stageTiles: 34,
    triggerTiles: 8,
    lag: 2,
    triggers: 'host',
    overflow: 'spill',
    tracker: { sets: 256, ways: 8 },
    faults: [],
  },
  specHash: 'b'.repeat(64),
  check: { mode: 'exact', elements: 1089536, coverage: 1, wrong: 0, maxError: 0, bound: 0, bitExactPlanOrder: null, firstWrong: [], outputHash: 'c'.repeat(64) },
  causality: { events: 5000, violations: 0, eventHash: 'd'.repeat(64) },
  ledger: {
    balanced: true,
    total: { storeBytes: 30_507_008, transferBytes: 26_148_864, linkBytes: 30_507_008, reductionBytes: 30_507_008 },
    devices: [{ storeBytes: 3_813_376, transferBytes: 3_268_608, linkBytes: 3_813_376, reductionBytes: 3_813_376 }],
  },
  tracker: { pieces: 7616, updates: 15232, triggers: 952, peakEntries: 131, overflows: 0 },
  measured: {
    gemmMs: 8000,
    collectiveMs: 100,
    plainPartsMs: 8100,
    sequentialMs: 8200,
    fusedMs: 8400,
    exposedMs: 400,
    overlapMeasured: 0,
    interleaved: 0.83,
    gpuBusy: 0.99,
    stageEfficiency: 0.97,
    extraFlops: 0,
    stages: 256,
    tailLimited: false,
  },
  notes: [{ path: 'check.bitExactPlanOrder', reason: 'exact mode has a tolerance of zero already' }],
  failures: [],
};
