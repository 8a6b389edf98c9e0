// Schedules against their closed forms and their limits, on shapes that take milliseconds; the paper's own in paper.test.ts.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPlan } from '../../src/plan/check.ts';
import { stageFactor } from '../../src/spec/skew.ts';
import { closedTimes } from '../../src/model/closed-times.ts';
import { machineNamed, PAPER_PARAMETERS } from '../../src/model/machine.ts';
import { FILL, READ, WRITE } from '../../src/model/memory.ts';
import { runSchedule, SCHEDULES } from '../../src/model/schedules.ts';
import { Subject, type Shape } from '../../src/model/subject.ts';

const paper = machineNamed('paper');
/** A machine with fewer CUs and a smaller LLC, for shapes a thousand times smaller. */
const machine = { ...paper, cus: 8, llcBytes: 2 ** 19, memoryGBs: 100, linkGBs: 15 };
const parameters = { ...PAPER_PARAMETERS, tileM: 32, tileN: 32, tileK: 16, granuleBytes: 512, queueBytes: 8192, linkQueueBytes: 2 ** 16, incomingBytes: 2 ** 16, dmaWindowBytes: 2 ** 16, dmaReadBytes: 2 ** 14, collectiveWindowBytes: 2 ** 16, readLatencyNs: 50, pollNs: 20 };
const subject = (shape: Shape, more: Partial<typeof machine> = {}, fold = true): Subject => new Subject(shape, { machine: { ...machine, ...more }, parameters, fold });

const shapes = fc.record({ m: fc.integer({ min: 1, max: 300 }), n: fc.integer({ min: 1, max: 300 }), devices: fc.integer({ min: 1, max: 8 }), k: fc.integer({ min: 1, max: 200 }) }).map(({ m, n, devices, k }): Shape => ({ m, n, devices, kTotal: k * devices }));

test('bytes of the baseline and of T3 are those of t3.md, in chunks: 2N − 1 and N − 2 read, 2N and 2N − 2 written', () => {
  for (const devices of [2, 3, 8]) {
    const chunk = 64 * 128 * 2;
    const of = subject({ m: 64 * devices, n: 128, kTotal: 64 * devices, devices });
    const chunks = (name: string): number[] => {
      const { rsReads, gemmWrites, rsWrites, agReads, agWrites } = runSchedule(of, name).dramBytes;
      return [rsReads, gemmWrites + rsWrites, agReads, agWrites].map((bytes) => bytes / chunk);
    };
    expect(chunks('sequential')).toEqual([2 * devices - 1, 2 * devices, devices - 1, devices - 1]);
    for (const name of ['t3', 't3-mca', 't3-compute-first']) expect(chunks(name)).toEqual([devices - 2, 2 * devices - 2, devices - 1, devices - 1]);
  }
});

test('every schedule runs any shape; none is faster than the GEMM’s arithmetic or its link allow', () => {
  fc.assert(
    fc.property(shapes, fc.constantFrom(...SCHEDULES.map(({ name }) => name)), (shape, name) => {
      const of = subject(shape);
      const { timePs, timeWithoutAllGatherPs, dramBytes, collectiveCus = 0 } = runSchedule(of, name);
      const tiles = Math.ceil(shape.m / 32) * Math.ceil(shape.n / 32);
      const flops = machine.flopsPerClockPerCu * machine.clockGHz * 1e9;
      const waves = Math.ceil(tiles / (machine.cus - collectiveCus));
      expect(timeWithoutAllGatherPs).toBeGreaterThanOrEqual(Math.floor((waves * 2 * 32 * 32 * (shape.kTotal / shape.devices) * 1e12) / flops) - 2);
      expect(timePs).toBeGreaterThanOrEqual(timeWithoutAllGatherPs);
      for (const bytes of Object.values(dramBytes)) expect(bytes).toBeGreaterThanOrEqual(0);
      if (shape.devices === 1) expect(timePs).toBe(timeWithoutAllGatherPs);
      else if (name !== 'multimem') {
        const sent = of.chunkBytes.reduce((sum, bytes) => sum + bytes, 0) - Math.max(...of.chunkBytes);
        expect(timeWithoutAllGatherPs).toBeGreaterThanOrEqual(Math.floor((sent / machine.linkGBs) * 1e3) - 2);
      }
    }),
    { numRuns: 120 },
  );
});

describe('limits', () => {
  const shape = { m: 512, n: 128, kTotal: 128 * 8, devices: 8 };

  test('an ideal is at least as fast as what it bounds, and sequential its sum', () => {
    const of = subject(shape);
    const time = (name: string, gemmTime: 'own' | 't3' = 'own'): number => runSchedule(of, name, gemmTime).timeWithoutAllGatherPs;
    expect(time('ideal-overlap')).toBe(Math.max(of.gemm.timePs, of.collective('reduce-scatter').timePs));
    expect(time('sequential')).toBe(of.gemm.timePs + of.collective('reduce-scatter').timePs);
    expect(time('ideal-nmc')).toBeLessThanOrEqual(time('ideal-overlap'));
    expect(time('ideal-nmc', 't3')).toBeLessThanOrEqual(time('t3-mca'));
    expect(time('multimem')).toBe(Math.max(of.gemm.timePs, closedTimes.inSwitch(of)));
  });

  test('with a link that takes no time all fused schedules come near the GEMM; with one that takes for ever they wait for it', () => {
    const fast = subject(shape, { linkGBs: 100_000, linkLatencyNs: 0, memoryGBs: 10_000 });
    for (const name of ['t3', 't3-mca', 'direct-store']) expect(runSchedule(fast, name).timeWithoutAllGatherPs).toBeLessThan(1.2 * fast.gemm.timePs);
    const slow = subject(shape, { linkGBs: 0.5 });
    const wire = closedTimes.pipelinedReduceScatter(slow);
    for (const name of ['t3', 't3-mca']) {
      const { timeWithoutAllGatherPs } = runSchedule(slow, name);
      expect(timeWithoutAllGatherPs).toBeGreaterThanOrEqual(wire);
      expect(timeWithoutAllGatherPs).toBeLessThan(1.05 * wire + slow.gemm.timePs / 2);
    }
  });

  test('more bandwidth and less latency never make a schedule slower, where nothing else is short', () => {
    // With memory to spare no arbitration decides anything, and the order of the link is that of the tiles.
    const ample = { memoryGBs: 100_000 };
    for (const name of SCHEDULES.map((of) => of.name)) {
      const times = [4, 8, 16, 64].map((linkGBs) => runSchedule(subject(shape, { ...ample, linkGBs }), name).timePs);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      const late = [0, 100, 1000, 5000].map((linkLatencyNs) => runSchedule(subject(shape, { ...ample, linkLatencyNs }), name).timePs);
      expect(late).toEqual(late.toSorted((a, b) => a - b));
    }
  });

  test('more bandwidth of the memory never makes a schedule slower, where nothing else is short', () => {
    // With links to spare. In a memory that all want at once another rate is another order, which may cost time: what holds for every
    // shape and machine is in properties.test.ts.
    const ample = { linkGBs: 100_000, linkLatencyNs: 0 };
    for (const { name } of SCHEDULES) {
      const times = [25, 50, 100, 400, 10_000].map((memoryGBs) => runSchedule(subject(shape, { ...ample, memoryGBs }), name).timePs);
      expect([name, times]).toEqual([name, times.toSorted((a, b) => b - a)]);
    }
  });

  test('in time: the ideals bound what they stand for, whatever the memory and the link', () => {
    for (const memoryGBs of [25, 100, 1000])
      for (const linkGBs of [2, 15, 100]) {
        const of = subject(shape, { memoryGBs, linkGBs });
        const time = (name: string, gemmTime: 'own' | 't3' = 'own'): number => runSchedule(of, name, gemmTime).timeWithoutAllGatherPs;
        for (const name of ['t3', 't3-mca', 't3-compute-first']) expect([name, time(name) >= time('ideal-nmc', 't3')]).toEqual([name, true]);
        // Direct stores have the same links to cross, and the same arithmetic; a collective on some CUs is no faster than on all.
        expect(time('direct-store')).toBeGreaterThanOrEqual(closedTimes.pipelinedReduceScatter(of) - machine.linkLatencyNs * 1e3);
        expect(time('concurrent-cu-split')).toBeGreaterThanOrEqual(time('ideal-overlap'));
      }
  });

  test('folded and unfolded are one, schedule by schedule', () => {
    for (const { name } of SCHEDULES) expect(runSchedule(subject(shape), name).timePs).toBe(runSchedule(subject(shape, {}, false), name).timePs);
  });

  test('a ring over full connections or a switch has all the bandwidth, in the baseline as in T3', () => {
    for (const name of ['sequential', 't3', 't3-mca', 'chunk-decomposed', 'ideal-nmc'])
      for (const topology of ['fully-connected', 'switch'] as const) expect(runSchedule(subject(shape, { topology }), name).timePs).toBe(runSchedule(subject(shape), name).timePs);
    // Where each pair has its own share, direct stores to one peer at a time cannot use the others.
    expect(runSchedule(subject(shape, { topology: 'fully-connected' }), 'direct-store').timePs).toBeGreaterThan(runSchedule(subject(shape, { topology: 'switch' }), 'direct-store').timePs);
  });

  test('two levels: links between nodes are what all wait for, and nodes of all devices are a ring', () => {
    const at = (name: string, more: object): number => runSchedule(subject(shape, { topology: 'two-level', nodeDevices: 4, nodeGBs: 3, ...more }), name).timePs;
    for (const name of ['sequential', 't3']) {
      expect(at(name, {})).toBeGreaterThan(at(name, { nodeGBs: 15 }));
      expect(at(name, { nodeGBs: 15 })).toBe(runSchedule(subject(shape), name).timePs);
      expect(at(name, { nodeDevices: 3 })).toBe(runSchedule(subject(shape, { topology: 'two-level', nodeDevices: 3, nodeGBs: 3 }, false), name).timePs);
      // The link that leaves the one node that there is leads back into it.
      expect(at(name, { nodeDevices: 8 })).toBe(runSchedule(subject(shape), name).timePs);
      expect(at(name, {})).toBeGreaterThan((7 * shape.m * shape.n * 2 / 8 / 3) * 1e3);
    }
  });

  test('a kin’s Plans and collectives are one’s own', () => {
    const kin = subject({ ...shape, kTotal: 8 * 24 });
    for (const { name } of SCHEDULES) expect(runSchedule(new Subject(shape, { machine, parameters, fold: true }, kin), name)).toEqual(runSchedule(subject(shape), name));
  });

  test('CUs are split at the best of the tenths', () => {
    for (const linkGBs of [1, 15, 200]) {
      const of = subject(shape, { linkGBs });
      const all = [1, 2, 3, 4, 5, 6, 7].map((cus) => of.beside(cus).timePs);
      expect(runSchedule(of, 'concurrent-cu-split').timeWithoutAllGatherPs).toBe(Math.min(...all));
      // In one memory they take more than the longer one by itself.
      const apart = [1, 2, 3, 4, 5, 6, 7].map((cus) => Math.max(of.under({ machine: { cus: machine.cus - cus } }).gemm.timePs, of.collective('reduce-scatter', cus).timePs));
      expect(Math.min(...all)).toBeGreaterThan(Math.min(...apart));
    }
  });

  test('tile-signal: behind a fast link the last quarter shows, behind a slow one all four in a row', () => {
    const terms = (of: Subject): { gemm: number; quarter: number; poll: number } => ({ gemm: of.gemm.timePs, quarter: of.collective('reduce-scatter', undefined, 4).timePs, poll: parameters.pollNs * 1e3 });
    const fast = subject(shape, { linkGBs: 1000, linkLatencyNs: 0, memoryGBs: 1000 });
    expect(runSchedule(fast, 'tile-signal').timeWithoutAllGatherPs).toBe(terms(fast).gemm + terms(fast).poll + terms(fast).quarter);
    const slow = subject(shape, { linkGBs: 1 });
    expect(runSchedule(slow, 'tile-signal').timeWithoutAllGatherPs).toBe(Math.ceil(terms(slow).gemm / 4) + 4 * (terms(slow).poll + terms(slow).quarter));
    expect(4 * terms(slow).quarter).toBeGreaterThan(slow.collective('reduce-scatter').timePs);
    expect(4 * terms(slow).quarter).toBeLessThan(1.1 * slow.collective('reduce-scatter').timePs);
  });

  test('an unknown schedule is refused with those that there are', () => {
    expect(() => runSchedule(subject(shape), 'magic')).toThrow(/sequential, concurrent-cu-split/);
  });
});

describe('skew', () => {
  // Computing is what takes long, whatever is put beside it.
  const shape = { m: 256, n: 64, kTotal: 512 * 4, devices: 4 };
  const skewed = (skew: number, seed = 3): Subject => new Subject(shape, { machine, parameters, fold: true, skew, seed });

  test('of 0 is none, whatever the seed', () => {
    for (const { name } of SCHEDULES) expect([name, runSchedule(skewed(0, 7), name)]).toEqual([name, runSchedule(subject(shape), name)]);
  });

  test('makes every schedule slower, the more the more', () => {
    for (const { name } of SCHEDULES)
      for (const seed of [1, 2, 3, 4]) {
        const times = [0, 0.2, 1, 4].map((skew) => runSchedule(skewed(skew, seed), name).timePs);
        expect([name, seed, times]).toEqual([name, seed, times.toSorted((a, b) => a - b)]);
        expect(times[3]).toBeGreaterThan(times[0]);
      }
  });

  test('is a function of its seed', () => {
    for (const { name } of SCHEDULES) {
      expect([name, runSchedule(skewed(1), name)]).toEqual([name, runSchedule(skewed(1), name)]);
      expect([name, runSchedule(skewed(1, 4), name).timePs]).not.toEqual([name, runSchedule(skewed(1), name).timePs]);
    }
  });

  test('the GEMM of the baseline and of what is put together is that of the slowest device, by its own factors', () => {
    // One stage, and a memory that takes no time to speak of: a device's GEMM takes the factor of its first stage.
    const ample = { ...machine, memoryGBs: 1e5 };
    for (const seed of [1, 2, 3, 4, 5]) {
      const of = new Subject({ m: 64, n: 128, kTotal: 4 * 512, devices: 4 }, { machine: ample, parameters: { ...parameters, readLatencyNs: 0 }, fold: true, skew: 2, seed });
      const plain = new Subject(of.shape, { ...of.conditions, skew: 0 }).gemm.timePs;
      const factors = [0, 1, 2, 3].map((device) => stageFactor(2, seed, device, 0));
      of.gemms.forEach(({ timePs }, device) => expect(timePs / plain / factors[device]).toBeCloseTo(1, 2));
      expect(of.gemms).toHaveLength(4);
      const slowest = Math.max(...of.gemms.map(({ timePs }) => timePs));
      expect(runSchedule(of, 'sequential').timeWithoutAllGatherPs).toBe(slowest + of.collective('reduce-scatter').timePs);
      for (const name of ['ideal-overlap', 'ideal-nmc', 'multimem']) expect(runSchedule(of, name).timeWithoutAllGatherPs).toBeGreaterThanOrEqual(slowest);
      expect(runSchedule(of, 't3').gemmPs).toBeGreaterThan(0.99 * slowest);
    }
  });
});

describe('a tracker that is full', () => {
  const tiny = { ...parameters, trackerSets: 1, trackerWays: 1 };
  const shape = { m: 512, n: 128, kTotal: 8 * 128, devices: 8 };
  const of = (more: Partial<Subject['conditions']>, at: Shape = shape): Subject => new Subject(at, { machine, parameters: tiny, fold: true, ...more });
  const tracked = ['t3', 't3-mca', 't3-compute-first', 'chunk-decomposed'];

  test('spills where nothing is said, and that costs no picosecond', () => {
    for (const name of tracked) {
      const [unsaid, spill, roomy] = [of({}), of({ overflow: 'spill' }), of({ parameters })].map((on) => runSchedule(on, name));
      expect(unsaid).toEqual(spill);
      expect([name, spill.timePs]).toEqual([name, roomy.timePs]);
      expect([spill, roomy].map(({ gemm }) => gemm.devices[0].tracker!.overflows > 0)).toEqual([true, false]);
    }
  });

  test('stalls where that is asked for, which holds triggers back, here so long that the run ends later; not where it is large enough', () => {
    for (const name of ['t3', 't3-mca', 't3-compute-first']) {
      const { timePs, gemm } = runSchedule(of({ overflow: 'stall' }), name);
      expect(gemm.devices).toHaveLength(8);
      for (const { tracker } of gemm.devices) expect(tracker!.peakEntries).toBe(1);
      expect(runSchedule(of({}), name).gemm.devices[0].tracker!.peakEntries).toBeGreaterThan(1);
      expect(timePs).toBeGreaterThan(runSchedule(of({}), name).timePs);
      expect(runSchedule(of({ parameters, overflow: 'stall' }), name).timePs).toBe(runSchedule(of({}), name).timePs);
    }
    // The one is not taken for the other where runs are shared.
    const shared = new Map<string, unknown>();
    const [spill, stall] = (['spill', 'stall'] as const).map((overflow) => runSchedule(of({ overflow, shared }), 't3').timePs);
    expect(stall).toBe(runSchedule(of({ overflow: 'stall' }), 't3').timePs);
    expect(stall).not.toBe(spill);
  });

  test('never deadlocks, and moves the same bytes', () => {
    fc.assert(
      fc.property(shapes, fc.constantFrom(...tracked, 'direct-store'), fc.constantFrom(1, 2, 8), fc.constantFrom(1, 2), fc.constantFrom(1, 3), fc.constantFrom(0, 1), (at, name, trackerSets, trackerWays, splits, skew) => {
        const conditions = { parameters: { ...parameters, trackerSets, trackerWays }, skew, seed: 5 };
        const [spill, stall] = (['spill', 'stall'] as const).map((overflow) => runSchedule(of({ ...conditions, overflow }, { ...at, splits }), name));
        for (const cause of ['gemmWrites', 'rsReads', 'rsWrites'] as const) expect([cause, Math.round(stall.dramBytes[cause])]).toEqual([cause, Math.round(spill.dramBytes[cause])]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('runs that parameter sets share are those that each would have made', () => {
  const shape = { m: 256, n: 192, kTotal: 4 * 96, devices: 4 };
  const base = { machine: { ...machine, memoryGBs: 40, nodeDevices: 2, nodeGBs: 2 }, parameters, fold: true, seed: 1 };
  const names = ['sequential', 't3', 't3-mca', 'ideal-nmc', 'chunk-decomposed'];
  const timesOf = (of: Subject): unknown[] => names.map((name) => runSchedule(of, name, 't3'));
  const asBase = timesOf(new Subject(shape, base));
  const changes: { machine?: object; parameters?: object; skew?: number }[] = [
    ...[{ updateFactor: 1 }, { interleavePenalty: 0.4 }, { starvationNs: 20 }, { roundRobinCommunication: 1 }, { dmaWindowBytes: 512 }, { dmaReadBytes: 512 }, { queueBytes: 512 }, { incomingBytes: 512 }, { linkQueueBytes: 512 }, { prefetch: 0 }, { tileK: 8 }, { tileN: 64 }, { swizzle: 1 }, { blockTiles: 5 }, { stageBarrier: false }, { straddleSteps: false }, { separateStoreQueue: true }, { readLatencyNs: 0 }, { collectiveWindowBytes: 512 }, { cuCopyGBs: 1 }, { launchNs: 200 }, { dmaSetupNs: 30 }, { trackerWays: 1, trackerSets: 1 }].map((change) => ({ parameters: change })),
    ...[{ cus: 4 }, { memoryGBs: 30 }, { linkGBs: 5 }, { linkLatencyNs: 0 }, { llcBytes: 2 ** 14 }, { topology: 'two-level' }].map((change) => ({ machine: change })),
    { skew: 1 },
  ];

  test.each(changes.map((change) => [JSON.stringify(change), change] as const))('%s', (_, { skew = 0, ...change }) => {
    const changed = { ...base, machine: { ...base.machine, ...change.machine } as typeof machine, parameters: { ...parameters, ...change.parameters } as typeof parameters, skew };
    const own = timesOf(new Subject(shape, changed));
    // It does something, or nothing would be shown.
    expect(own).not.toEqual(asBase);
    const shared = new Map<string, unknown>();
    timesOf(new Subject(shape, { ...base, shared }));
    expect(timesOf(new Subject(shape, { ...changed, shared }))).toEqual(own);
  });

  test('and they are shared', () => {
    const runs = (change: object): number => {
      const shared = new Map<string, unknown>();
      timesOf(new Subject(shape, { ...base, shared }));
      const before = shared.size;
      timesOf(new Subject(shape, { ...base, parameters: { ...parameters, ...change }, shared }));
      return shared.size - before;
    };
    expect(runs({})).toBe(0);
    // The arbitration of T3-MCA alone; then what has updates: GEMM, T3, T3-MCA, chunk by chunk, and the collectives.
    expect(runs({ starvationNs: 20 })).toBe(1);
    expect(runs({ prefetch: 0 })).toBe(5);
    expect(runs({ dmaSetupNs: 30 })).toBe(3);
  });
});

describe('split-K', () => {
  const devices = 4;
  const shape = { m: 64 * devices, n: 128, kTotal: 96 * devices, devices };
  const chunk = 64 * 128 * 2;

  test('its Plans are right, by the checker', () => {
    for (const mapping of ['ring', 'direct', 'chunk-ring'] as const) expect(checkPlan(subject({ ...shape, splits: 3 }).plan(devices, mapping))).toEqual([]);
  });

  test('bytes in chunks: every split stores all of them, the first of them to the neighbour', () => {
    for (const splits of [1, 2, 5]) {
      const of = subject({ ...shape, splits });
      for (const name of ['t3', 't3-mca', 't3-compute-first']) {
        const { rsReads, gemmWrites, rsWrites } = runSchedule(of, name).dramBytes;
        expect([splits, rsReads, gemmWrites, rsWrites].map((bytes, at) => (at === 0 ? bytes : bytes / chunk))).toEqual([splits, devices - 2, splits * (devices - 1), devices - 1 + splits - 1]);
      }
      const { gemmWrites, rsReads, rsWrites } = runSchedule(of, 'direct-store').dramBytes;
      expect([rsReads, gemmWrites, rsWrites].map((bytes) => bytes / chunk)).toEqual([0, splits, splits * (devices - 1)]);
    }
  });

  test('the plain GEMM adds them in the LLC, and reads what that no longer holds again', () => {
    const bytes = (splits: number, llcBytes: number): { operands: number; again: number; writes: number } => {
      const of = subject({ ...shape, splits }, { llcBytes });
      const [{ served }] = of.gemm.devices;
      expect(runSchedule(of, 'sequential').dramBytes.gemmReads).toBe(served[FILL] + served[READ]);
      return { operands: served[FILL], again: served[READ] / chunk, writes: served[WRITE] / chunk };
    };
    const roomy = bytes(1, 2 ** 24);
    expect(roomy).toMatchObject({ writes: devices, again: 0 });
    expect(bytes(3, 2 ** 24)).toEqual(roomy);
    // 64 KiB of output through 16 KiB: all of it goes between one split and the next, and as much is read again as was written too early.
    expect(bytes(3, 2 ** 14)).toMatchObject({ writes: 3 * devices, again: 2 * devices });
    const { writes, again } = bytes(3, 5 * 2 ** 14);
    expect(writes - again).toBe(devices);
    expect(again).toBeGreaterThan(0);
  });

  test('a tile’s arithmetic is shared out: with CUs to spare it takes a part of the time', () => {
    const few = { m: 64, n: 64, kTotal: 2 * 4096, devices: 2 };
    // 4 tiles on 8 CUs, a memory that takes no time to speak of.
    const at = (splits: number): number => subject({ ...few, splits }, { memoryGBs: 1e5 }).gemm.timePs;
    expect(at(2) / at(1)).toBeCloseTo(0.5, 1);
    expect(at(4) / at(1)).toBeCloseTo(0.5, 1);
  });
});
