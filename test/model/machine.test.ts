import { describe, expect, test } from 'vitest';
import { MACHINE_FILES, machineJsonSchema, machineNamed, PAPER_PARAMETER_FILE, parseMachine, parseParameters, settingsOf, PAPER_PARAMETERS, valuesOf } from '../../src/model/machine.ts';

describe('machines', () => {
  test('every number of every preset, and every parameter, has a source', () => {
    for (const file of [...MACHINE_FILES, PAPER_PARAMETER_FILE])
      for (const [key, of] of Object.entries(file)) if (typeof of === 'object') expect([file.name, key, of.source.length > 3]).toEqual([file.name, key, true]);
  });

  test('presets reach the matrix rates of their data sheets, within 1 %', () => {
    const rates = { paper: 114.7, mi210: 181, mi300x: 1307.4, a100: 312, h100: 989.4, h200: 989.4, b200: 2250 };
    for (const [name, tflops] of Object.entries(rates)) {
      const { cus, clockGHz, flopsPerClockPerCu } = machineNamed(name);
      expect(Math.abs((cus * clockGHz * flopsPerClockPerCu) / 1e3 / tflops - 1)).toBeLessThan(0.01);
    }
    expect(MACHINE_FILES.map(({ name }) => name)).toEqual(['paper', 'paper-2x-cu', 'mi210', 'mi300x', 'a100', 'h100', 'h200', 'b200']);
  });

  test('twice the CUs is the paper’s machine but for the CUs', () => {
    const [paper, twice] = [machineNamed('paper'), machineNamed('paper-2x-cu')];
    expect({ ...twice, name: '', about: '' }).toEqual({ ...paper, name: '', about: '', cus: 160 });
  });

  test('a file is refused with every issue and its path', () => {
    const [good] = MACHINE_FILES;
    expect(parseMachine(good, 'x')).toEqual(good);
    expect(() => parseMachine({ ...good, cus: { value: 0, source: 'x' }, memoryGBs: 5, odd: 1 }, 'my.json')).toThrow(/my\.json[^]*cus\.value[^]*memoryGBs[^]*odd/);
    expect(() => machineNamed('none')).toThrow(/paper, paper-2x-cu/);
    expect(machineJsonSchema()).toMatchObject({ type: 'object', additionalProperties: false });
  });

  test('parameters that cannot work together are refused', () => {
    const change = (key: string, value: unknown): unknown => ({ ...PAPER_PARAMETER_FILE, [key]: { value, source: 'a test' } });
    expect(() => parseParameters(change('granuleBytes', 8191), 'p')).toThrow(/whole number of elements/);
    expect(() => parseParameters(change('wavesM', 3), 'p')).toThrow(/do not divide/);
    expect(() => parseParameters(change('incomingBytes', 4096), 'p')).toThrow(/incomingBytes/);
    expect(valuesOf(parseParameters(change('tileK', 32), 'p')).tileK).toBe(32);
  });

  test('units: 1.4 GHz × 1024 FLOP, 1 TB/s, 150 GB/s, 500 ns', () => {
    const { cuFlops, memoryBandwidth, linkBandwidth, linkLatencyPs, arbitration } = settingsOf(machineNamed('paper'), PAPER_PARAMETERS, 'compute-first');
    expect([cuFlops, memoryBandwidth, linkBandwidth, linkLatencyPs]).toEqual([1.4336e12, 1e12, 150e9, 500_000]);
    expect(settingsOf(machineNamed('paper'), { ...PAPER_PARAMETERS, efficiency: 0.5 }, 'mca').cuFlops).toBe(cuFlops / 2);
    expect(arbitration).toEqual({ policy: 'compute-first', starvationPs: PAPER_PARAMETERS.starvationNs! * 1000 });
  });
});
