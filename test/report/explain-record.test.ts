// The record of `tilewire explain` against the schedules that it tells of.
import { expect, test } from 'vitest';
import { MACHINE_FILES, PAPER_PARAMETERS, valuesOf } from '../../src/model/machine.ts';
import { runSchedule } from '../../src/model/schedules.ts';
import { Subject } from '../../src/model/subject.ts';
import { explainRecord } from '../../src/report/explain-record.ts';

test('what fusing changes: the reduce-scatter, the GEMM in its fused order, and what communication adds to that', () => {
  const [paper] = MACHINE_FILES;
  const shape = { m: 1024, n: 768, kTotal: 2048, devices: 4, chunk: 'rows' } as const;
  const { times: [sequential, fused, ideal], change } = explainRecord({ name: 'x', gemm: { ...shape, k: 512 }, devices: 4, chunk: 'rows' }, 't3', paper, () => {});
  const subject = new Subject(shape, { machine: valuesOf(paper), parameters: PAPER_PARAMETERS, fold: true });
  expect([sequential, fused, ideal].map(({ timePs }) => timePs)).toEqual(['sequential', 't3', 'ideal-overlap'].map((name) => runSchedule(subject, name).timePs));
  expect(change).toEqual({
    reduceScatter: -subject.collective('reduce-scatter').timePs,
    order: subject.fusedGemm.timePs - subject.gemm.timePs,
    communication: subject.fused('round-robin').timePs - subject.fusedGemm.timePs,
  });
  expect(Math.min(Math.abs(change.order), change.communication)).toBeGreaterThan(0);
  for (const { timePs, withoutAllGatherPs, allGatherPs } of [sequential, fused, ideal]) expect(withoutAllGatherPs + allGatherPs).toBe(timePs);
});
