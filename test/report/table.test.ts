import { expect, test } from 'vitest';
import type { KernelBindings } from '../../src/spec/kernel-bindings.ts';
import type { RunReport } from '../../src/verify/run-report.ts';
import { MEASURED_FIGURES, REPLAYED_FIGURES } from '../../src/report/figures.ts';
import { adapterLine, runTable, verdictLine } from '../../src/report/table.ts';
import { environment, run } from './sample.ts';

test('a software fallback is said loudly, hardware is not', () => {
  expect(adapterLine(environment)).toBe(
    'adapter: google swiftshader (SOFTWARE FALLBACK: no GPU does the work, times are those of a CPU; serial: one dispatch at a time; timer steps of 1.00 ns) in Chrome/143.0.0.0',
  );
  const real = adapterLine({ ...environment, adapter: { ...environment.adapter, isFallback: false, isSerial: false }, timerResolutionNs: null });
  expect(real).toContain('(hardware; dispatches may overlap; no GPU timestamps)');
  expect(real).not.toContain('FALLBACK');
});

test('a right run', () => {
  expect(runTable(run)).toMatchInlineSnapshot(`
    "t-nlg fc2 TP 8
    ==============
      gemm        256 x 4256 x 2128 (m x n x k per device), f32, operands integers -4..4 without 0, seed 1
      collective  reduce-scatter, ring, 8 devices, output scattered by columns
      kernel      gemm-register, tile 64x16x2, wavefront 64
      schedule    34 tiles per stage, 8 per DMA block, lag 2, overflow spill
      spec        bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb

      check      right: exact, 0 of 1089536 elements wrong (all of 1089536 compared)
                 max error 0, bound 0; plan-order reference – [1]
      output     sha256 cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
      causality  holds over 5000 events, order sha256 dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
      tracker    7616 pieces, 15232 updates, 952 triggers; at most 131 entries in use on a device, 0 overflows
      ledger     balanced: store 30.5 MB, transfer 26.1 MB, link 30.5 MB, reduction 30.5 MB (sums over devices, GB = 1e9 bytes)

      gemmMs            8.00 s  GPU time of all devices' uninstrumented GEMMs, one dispatch each (here 4.64 GFLOP/s)
      collectiveMs      100 ms  GPU time of the copies and reductions over the same bytes
      plainPartsMs      8.10 s  gemmMs + collectiveMs
      sequentialMs      8.20 s  wall time of GEMM-then-collective with the same kernels
      fusedMs           8.40 s  wall time of the fused run, first submit to last completion, check excluded
      operandsMs        310 ms  wall time of making all operands and poisoning all outputs, before the fused run
      checkMs           420 ms  wall time of checking values, causality, trackers and ledger (but not the baseline's values)
      reportMs         18.0 ms  wall time of hashes and figures, after the check
      checkOverFused    0.0891  (operandsMs + checkMs + reportMs) / fusedMs
      exposedMs         400 ms  fusedMs − gemmMs: what the collective still adds; may be negative
      overlapMeasured        0  share of transfer + reduction time during which a GEMM ran too (GPU intervals)
      interleaved        0.830  share of transfer + reduction bytes whose GPU work began before the last GEMM stage ended
      gpuBusy            0.990  GPU time of all dispatch groups over fusedMs
      stageEfficiency    0.970  mean GEMM rate of a stage over that of the whole GEMM in one dispatch
      extraFlops             0  FLOPs of tiles run again because they touch more chunks than one dispatch stores to
      stages               256  GEMM stages of the fused run, all devices: a dispatch each, or one for each split of K
      tailLimited           no  a stage has fewer than 16 workgroups per core: its last round leaves cores idle
      counterWaits           0  times that the host had to wait for counters before it could encode an epoch
      bufferConflicts        7  stages and lists of blocks that touch a chunk memory which an earlier one of their epoch writes

      replayed, measured durations, scheduled on real devices: 1 compute, 1 link to each peer, 1 memory lane each
      replayed.gemmMs         1.00 s  the longest plain GEMM of any device: all compute at once
      replayed.sequentialMs   1.01 s  that, then the plain copies and reductions, block by block on the links and memories
      replayed.fusedMs        1.00 s  the fused run: stages in order; blocks sent, and applied, as soon as they are there
      replayed.exposedMs     4.00 ms  fusedMs − gemmMs, both replayed; may be negative
      replayed.overlap         0.912  share of the links' and memories' busy time during which their device computes

      [1] exact mode has a tolerance of zero already"
  `);
});

test('skew is said where there is some', () => {
  expect(runTable({ ...run, spec: { ...run.spec, skew: 0.5 } })).toContain('lag 2, skew 0.5, overflow spill');
});

test('files are named with their hashes, and a k that differs from device to device is said', () => {
  const operands = { kind: 'files', a: { source: 'acts.npy', hash: '1'.repeat(64) }, b: { source: 'model.safetensors#w', hash: '2'.repeat(64) }, layout: 'nt' } as const;
  const text = runTable({ ...run, spec: { ...run.spec, gemm: { m: 40, n: 37, k: 10, kTotal: 29 }, devices: 3, operands } });
  expect(text).toContain('40 x 37 x 10 or 9 (m x n x k per device, K = 29), f32, operands out of files, layout nt, seed 1\n');
  expect(text).toMatch(/\n {2}A +acts\.npy, sha256 1{64}\n {2}B +model\.safetensors#w, sha256 2{64}\n/);
  expect(runTable({ ...run, spec: { ...run.spec, operands: { kind: 'trained', source: 'x@1', hash: '1'.repeat(64) } } })).toContain('operands trained (x@1), seed 1');
  expect(runTable({ ...run, spec: { ...run.spec, operands: { kind: 'normal' } } })).toContain('operands normal, seed 1');
});

test('every measured figure has its definition', () => {
  expect(MEASURED_FIGURES.map(({ name }) => name).sort()).toEqual(Object.keys(run.measured).sort());
  expect(REPLAYED_FIGURES.map(({ name }) => name).sort()).toEqual(Object.keys(run.replayed).sort());
});

test('a replayed figure that is not there has its own reason, not that of its measured namesake', () => {
  const notes = [{ path: 'measured.fusedMs', reason: 'of the measured one' }, { path: 'replayed.fusedMs', reason: 'of the replayed one' }];
  const text = runTable({ ...run, replayed: { ...run.replayed, fusedMs: null, overlap: null }, notes });
  expect(text).toMatch(/\n {2}fusedMs +8\.40 s \[1\] /);
  expect(text).toMatch(/replayed\.fusedMs +– \[2\] /);
  expect(text).toMatch(/replayed\.overlap +– {2}share/);
  expect(text).toContain('  [2] of the replayed one');
});

test('a figure that was not measured is a dash with its reason; one reason is one footnote', () => {
  const reason = '--baseline was not asked for';
  const partial: RunReport = {
    ...run,
    measured: { ...run.measured, gemmMs: null, collectiveMs: null, overlapMeasured: null },
    notes: [...run.notes, { path: 'measured.gemmMs', reason }, { path: 'measured.collectiveMs', reason }, { path: 'measured.stages', reason: 'a word on stages' }, { path: 'elsewhere', reason: 'never shown in a cell' }],
  };
  const text = runTable(partial);
  expect(text).toMatch(/gemmMs +– \[2\] {2}GPU time/);
  expect(text).toMatch(/collectiveMs +– \[2\] /);
  expect(text).toMatch(/overlapMeasured +– {2}share/);
  expect(text).toMatch(/stages +256 \[3\] /);
  expect(text).toContain(`  [2] ${reason}\n`);
  expect(text).toContain('note on elsewhere: never shown in a cell');
  expect(text).not.toMatch(/FLOP\/s/);
});

test('a wrong run shows its elements, its failures and the ledger that does not balance', () => {
  const wrong: RunReport = {
    ...run,
    check: { ...run.check, wrong: 12, firstWrong: Array.from({ length: 11 }, (_, row) => ({ row, column: 7, device: 1, chunk: 1, tile: 3, expected: 5, actual: '0x7fc0dead', missing: [2, 3], doubled: row === 0 ? null : [] })) },
    ledger: { ...run.ledger, balanced: false },
    causality: { ...run.causality, violations: 2 },
    failures: [{ code: 'WRONG_VALUES', message: '12 elements are wrong\nthe first at (0, 7)' }],
  };
  const text = runTable(wrong);
  expect(text).toContain('WRONG: exact, 12 of 1089536 elements wrong');
  expect(text).toMatch(/row +column +device +chunk +tile +expected +actual +missing from +doubled from/);
  expect(text).toMatch(/0 +7 +1 +1 +3 +5 +0x7fc0dead +2,3 +\?/);
  expect(text).toMatch(/9 +7 +1 +1 +3 +5 +0x7fc0dead +2,3 +none/);
  expect(text).toContain('… and 2 more wrong elements');
  expect(text).toContain('NOT BALANCED');
  expect(text).toMatch(/device 0 +3813376 +3268608 +3813376 +3813376/);
  expect(text).toContain('2 VIOLATIONS');
  expect(text).toContain('FAILED [WRONG_VALUES] 12 elements are wrong\n    the first at (0, 7)');
});

test('the verdict names the kind of overlap that it quotes', () => {
  expect(verdictLine([run])).toBe("verdict: the run is right; interleaved, the schedule's overlap and not the hardware's: 0.830; replayed, what real devices would overlap with the durations measured here, 1 sample: 0.912, their time fused over GEMM-then-collective: 0.990; wall time fused over GEMM-then-collective on this adapter, 1 sample: 1.02");
  const real = { ...run, measured: { ...run.measured, overlapMeasured: 0.4 } };
  expect(verdictLine([real])).toContain('overlapMeasured, what the GPU overlapped: 0.400; replayed, what real devices');
  // Without a baseline there is no time to compare with; where only stores travel, a link's time is in none of the figures.
  const bare = { ...run, replayed: { ...run.replayed, gemmMs: null, sequentialMs: null, exposedMs: null } };
  expect(verdictLine([bare])).toContain('measured here, 1 sample: 0.912; wall');
  const stores = { ...run, spec: { ...run.spec, name: 'direct' }, replayed: { ...run.replayed, overlap: null } };
  expect(verdictLine([stores])).not.toContain('replayed');
  expect(verdictLine([run, stores])).toContain('measured here, 1 sample: 0.912 (t-nlg fc2 TP 8), – (direct), their time fused over GEMM-then-collective: 0.990 (t-nlg fc2 TP 8), – (direct); wall');
  const alone = { ...run, measured: { ...run.measured, overlapMeasured: null, interleaved: null, sequentialMs: null }, replayed: { ...run.replayed, overlap: null } };
  expect(verdictLine([alone])).toBe('verdict: the run is right; nothing travelled that could overlap');
});

test('the verdict over several runs counts the wrong ones and names them', () => {
  expect(verdictLine([run, run])).toContain('all of 2 runs are right');
  const bad = { ...run, spec: { ...run.spec, name: 'other' }, failures: [{ code: 'LEDGER', message: 'x' }] };
  expect(verdictLine([run, bad])).toContain('1 of 2 runs WRONG (other)');
  expect(verdictLine([run, bad])).toContain('0.830 (t-nlg fc2 TP 8), 0.830 (other)');
});

test('no line is wider than a wide terminal', () => {
  for (const line of runTable(run).split('\n')) expect(line.length, line).toBeLessThanOrEqual(125);
});

test('what a kernel does besides one product is said', () => {
  const bindings = { a: 'A', b: 'B', output: 'C', layout: 'nn', halves: [], uniforms: {}, overrides: {}, grid: [1, 1, 4], requires: null, splits: { axis: 'z', count: 'q' }, batch: 'b', ldc: 'n', epilogue: { alpha: 0.5, bias: { binding: null, along: 'm' }, residual: { binding: 'R', beta: -2 } } } as const;
  const kernel = { kind: 'foreign', name: 'mine.wgsl', hash: 'e'.repeat(64), entry: 'main', source: '', bindings } as const;
  const rows = (found: RunReport['kernel'], epilogue: KernelBindings['epilogue']): string[] => runTable({ ...run, kernel: found, spec: { ...run.spec, kernel: { ...kernel, bindings: { ...bindings, epilogue } } } }).split('\n').slice(4, 6);
  expect(rows({ tiles: 12, batch: 2, splits: 4, ldc: 4300 }, bindings.epilogue)).toEqual([
    '  kernel      mine.wgsl, entry main, 12 tiles as probed, wavefront 64',
    '              batch of 2 matrices, each a collective of its own; 4 splits of K along z, one dispatch each; rows of C 4300 apart; alpha 0.5; bias along m, added by the owners after the reduction; residual times -2; R on device 0, zeros on the others',
  ]);
  // Of a plain kernel there is nothing to say: the schedule follows.
  expect(rows({ tiles: 12, batch: 1, splits: 1, ldc: 4256 }, { alpha: 1, bias: null, residual: null })[1]).toMatch(/^ {2}schedule/);
});

test('so is what a built-in one takes and splits', () => {
  const row = (name: string, splits: number): string | undefined => runTable({ ...run, spec: { ...run.spec, kernel: { kind: 'built-in', name, hash: 'e'.repeat(64), tile: { m: 64, n: 64, k: 16 }, splits } } }).split('\n')[5];
  expect(row('gemm-half', 1)).toBe('              A and B as f16');
  expect(row('gemm-matrix', 2)).toBe('              A and B as f16; 2 splits of K, one dispatch each');
  expect(row('gemm-vector', 1)).toMatch(/^ {2}schedule/);
});
