// Calibrating the adapter that is here: every figure has samples that the timer resolves, rates are work over time, a kernel that does
// not do what it should has none, and the machine that comes out is modelled. No speed is looked at.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { cacheFolder } from '../../src/host/chromium.ts';
import { machineSchema, type MachineFile } from '../../src/model/machine.ts';
import type { CalibrateJob, Outcome } from '../../src/page/api.ts';
import type { ModelReport } from '../../src/report/model-record.ts';
import { counts, fastest, type Calibration, type Memories } from '../../src/tune/calibration.ts';
import { median } from '../../src/tune/statistics.ts';
import { gpuTest } from './page-client.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));

gpuTest('copies, updates and dispatches by samples that the timer resolves, every element right', async (page) => {
  const job: CalibrateJob = { bytes: 2 ** 20 + 5000, samples: 4 };
  const outcome: Outcome<Memories> = await page.evaluate((of) => window.tilewire.calibrate(of), job);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error));
  const { bytes, verified, transfer, update, dispatch, concurrency } = outcome.value;
  // Whole items of 64 x 64 elements; two proofs of each kernel.
  expect({ bytes, verified }).toEqual({ bytes: 2 ** 20, verified: 2 ** 19 });
  for (const [name, timing] of Object.entries({ transfer, update, dispatch })) {
    expect([name, timing.samplesMs.length, counts(timing)]).toEqual([name, 4, true]);
    expect(timing.timer.leastSampleMs * 1e6).toBeGreaterThanOrEqual(50 * timing.timer.resolutionNs);
    expect(timing.repeats).toBeGreaterThan(1);
  }
  expect(dispatch.timer.kind).toBe('wall clock');
  expect(concurrency.workgroups).toBeGreaterThanOrEqual(1);
  expect(concurrency.allMs).toBeLessThanOrEqual(1.7 * concurrency.oneMs);
  expect(concurrency.moreMs).toBeGreaterThan(1.7 * concurrency.oneMs);
});

gpuTest('a kernel that is wrong has no rate', async (page) => {
  const wrong = (label: string, find: string, replacement: string): Promise<unknown> => page.evaluate((...of) => window.tilewireTest.calibrateWrong(...of), label, find, replacement);
  const refused = { code: 'WRONG_VALUES', what: expect.stringContaining('has no rate'), fields: { actual: expect.stringMatching(/^[1-9]\d* of 262144 elements wrong$/) } };
  // Copies nothing of one lane in four; adds where it should, but not all; stores instead of adding.
  expect(await wrong('transfer', 'landing[place + 0u * run.length] = x0;', 'if (lane % 4u != 3u) { landing[place] = x0; }')).toMatchObject(refused);
  expect(await wrong('nmc', 'memory[place + 1u * run.stride] = x1;', '')).toMatchObject(refused);
  expect(await wrong('nmc', '(item.update & 1u) != 0u', 'false')).toMatchObject(refused);
  expect(await wrong('nmc', 'memory[place + 0u * run.stride] = x0;', 'memory[place] = x0;')).toBeNull();
});

gpuTest('the whole command: a GEMM that was verified, machine this, and a model of it', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    // A cache of its own, but the browser that was unpacked once.
    const cache = path.join(folder, 'tilewire');
    fs.mkdirSync(cache);
    for (const name of fs.readdirSync(cacheFolder())) if (name.startsWith('chromium-')) fs.symlinkSync(path.join(cacheFolder(), name), path.join(cache, name));
    const env = { ...process.env, XDG_CACHE_HOME: folder };
    const tilewire = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env });
    const [json, modelled] = ['doctor.json', 'model.json'].map((name) => path.join(folder, name)) as [string, string];
    const { status, stdout, stderr } = tilewire('doctor', '--calibrate', '--json', json);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('calibrating: ') });
    const { calibrated: { calibration, machine } } = JSON.parse(fs.readFileSync(json, 'utf8')) as { calibrated: { calibration: Calibration; machine: MachineFile } };

    const { gemm, shape: { m, n, k }, transfer, bytes } = calibration;
    const best = fastest(gemm)!;
    expect(best).toMatchObject({ rank: 1, verified: true });
    expect(best.gflops).toBeCloseTo((2 * m * n * k) / (best.medianMs! * 1e6), 6);
    expect(best.minMs! * best.repeats * best.part).toBeGreaterThanOrEqual(0.99 * gemm.timer.leastSampleMs);
    // The parts of a long GEMM stand for the whole, which was run too.
    expect(best.wholeMs! / best.medianMs!).toBeGreaterThan(0.4);
    expect(machineSchema.parse(machine)).toEqual(machine);
    expect((machine.cus.value * machine.clockGHz.value * machine.flopsPerClockPerCu.value) / best.gflops).toBeCloseTo(1, 3);
    expect(machine.memoryGBs.value / ((2 * bytes) / median(transfer.samplesMs) / 1e6)).toBeCloseTo(1, 3);
    for (const part of [`${best.gflops.toPrecision(3)} GFLOP/s`, 'timer steps', 'machine this: ', 'kept in ']) expect(stdout).toContain(part);
    expect(stdout).toContain(machine.memoryGBs.source);

    const run = tilewire('model', '--machine', 'this', '--m', '256', '--n', '4256', '--k', '2128', '--devices', '8', '--schedule', 'sequential,t3-mca', '--json', modelled);
    expect({ status: run.status, stdout: run.stdout }).toEqual({ status: 0, stdout: expect.stringContaining(`this: ${machine.about}`) });
    const report = JSON.parse(fs.readFileSync(modelled, 'utf8')) as ModelReport;
    expect(report.parameters.machine).toEqual(machine);
    expect(report.parameters.parameters).toMatchObject(machine.parameters!);
    // A GEMM that is bound by compute takes what the measured rate says.
    const alone = (2 * 256 * 4256 * 2128) / (best.gflops * 1e3);
    expect(report.cases[0]!.gemmUs / alone).toBeGreaterThan(0.99);
    expect(report.cases[0]!.gemmUs / alone).toBeLessThan(2);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
