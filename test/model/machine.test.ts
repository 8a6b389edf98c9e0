import { describe, expect, test } from 'vitest';
import { MACHINE_FILES, machineJsonSchema, machineNamed, PAPER_PARAMETER_FILE, parametersOn, parseMachine, parseParameters, settingsOf, PAPER_PARAMETERS, sourcedOf, valuesOf, type MachineFile } from '../../src/model/machine.ts';

describe('machines', () => {
  test('every number of every preset, and every parameter, has a source', () => {
    for (const file of [...MACHINE_FILES, PAPER_PARAMETER_FILE])
      for (const [key, of] of Object.entries(file)) if (typeof of === 'object' && key !== 'endToEnd') expect([file.name, key, of.source.length > 3]).toEqual([file.name, key, true]);
    const { endToEnd } = PAPER_PARAMETER_FILE;
    for (const [key, { source }] of Object.entries(endToEnd)) expect([key, source]).toEqual([key, expect.stringMatching(/^assumption: .{10}|^from memory of/)]);
    expect(sourcedOf(endToEnd)).toEqual(Object.entries(endToEnd).map(([name, of]) => ({ name, ...of })));
    expect(valuesOf(PAPER_PARAMETER_FILE).endToEnd).toMatchObject({ sequence: 1024, overlap: 'none' });
    // A word says what the formula is: another one would change nothing, and is refused.
    expect(() => parseParameters({ ...PAPER_PARAMETER_FILE, endToEnd: { ...endToEnd, overlap: { value: 'all', source: 'a test' } } }, 'mine.json')).toThrow(/not a parameter set[^]*endToEnd\.overlap/);
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

  test('a source says what it is: a document by its title, an assumption, or memory', () => {
    const said = /^Table 1|^twice that of Table 1|"[^"]+"|^assumption: .{10}|from memory of|^as the H100$|^gpu\.blog|^vengineer|HPC Tech|\((AnandTech|Glenn K\. Lockwood)|^(Thunder Compute|Vultr|AI Mining|Saul Electric)|vengineer, on CDNA 2/;
    for (const { name, parameters: _none, ...numbers } of MACHINE_FILES) for (const [key, of] of Object.entries(numbers)) if (typeof of === 'object') expect([name, key, of.source, said.test(of.source)]).toEqual([name, key, of.source, true]);
  });

  test('the ranges of the JSON Schema are those that are enforced, for every number', () => {
    interface Node { readonly type?: string; readonly enum?: readonly number[]; readonly minimum?: number; readonly maximum?: number; readonly properties?: Readonly<Record<string, Node>> }
    const numbers = ({ properties = {} }: Node, path: readonly string[] = []): [readonly string[], Node][] => Object.entries(properties).flatMap(([key, of]) => (key === 'value' && (of.type === 'number' || of.type === 'integer') ? [[path, of] as [readonly string[], Node]] : numbers(of, [...path, key])));
    const own = { elementBytes: { value: 2, source: 'x' }, updateFactor: { value: 2, source: 'x' }, cuCopyGBs: { value: 2, source: 'x' }, launchNs: { value: 2, source: 'x' } };
    const good = { ...MACHINE_FILES[0], parameters: own };
    const withValue = ([key, inner]: readonly string[], value: number): unknown => (inner === undefined ? { ...good, [key!]: { value, source: 'x' } } : { ...good, parameters: { ...own, [inner]: { value, source: 'x' } } });
    const found = numbers(machineJsonSchema() as Node);
    expect(found.map(([path]) => path.join('.')).toSorted()).toEqual(['clockGHz', 'cus', 'flopsPerClockPerCu', 'linkGBs', 'linkLatencyNs', 'llcBytes', 'memoryGBs', 'nodeDevices', 'nodeGBs', 'parameters.cuCopyGBs', 'parameters.elementBytes', 'parameters.launchNs', 'parameters.updateFactor']);
    for (const [path, { enum: values, minimum, maximum, type }] of found) {
      const accepts = (value: number): boolean => {
        try {
          return parseMachine(withValue(path, value), 'x') !== null;
        } catch {
          return false;
        }
      };
      if (values !== undefined) {
        expect([path, values.every(accepts), accepts(3)]).toEqual([path, true, false]);
        continue;
      }
      const step = type === 'integer' ? 1 : 1e-6;
      expect([path, accepts(minimum!), accepts(maximum!), accepts(minimum! - step), accepts(maximum! * (1 + 1e-6) + step), type !== 'integer' || !accepts(minimum! + 0.5)]).toEqual([path, true, true, false, false, true]);
    }
  });

  test('parameters of a machine take the place of those of the set, with their sources; they are no numbers of the machine', () => {
    const launchNs = { value: 7000, source: 'measured' };
    const own: MachineFile = { ...MACHINE_FILES[0]!, parameters: { launchNs } };
    expect(parametersOn(own, PAPER_PARAMETER_FILE)).toEqual({ ...PAPER_PARAMETER_FILE, launchNs });
    expect(parametersOn(MACHINE_FILES[0]!, PAPER_PARAMETER_FILE)).toEqual(PAPER_PARAMETER_FILE);
    expect(valuesOf(own)).toStrictEqual(valuesOf(MACHINE_FILES[0]!));
    expect(settingsOf(valuesOf(own), valuesOf(parametersOn(own, PAPER_PARAMETER_FILE)), 'mca').launchPs).toBe(7_000_000);
    expect(() => parseMachine({ ...own, parameters: { tileM: launchNs } }, 'x')).toThrow(/tileM/);
    for (const { name, parameters } of MACHINE_FILES) expect([name, parameters]).toEqual([name, undefined]);
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
