import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addLimitFlags, addReportFlags, addSpecFlags, givenSpecFlags, parseDecimal, parseFault, parseInteger, parseSeconds, specRequest } from '../../src/cli/flags.ts';
import { TilewireError } from '../../src/errors.ts';

function refusal(parse: () => unknown): string {
  try {
    return `accepted ${JSON.stringify(parse())}`;
  } catch (error) {
    return error instanceof TilewireError ? error.message : `not a TilewireError: ${String(error)}`;
  }
}

const parse = (...argv: string[]) => addLimitFlags(addReportFlags(addSpecFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} })))).parse(argv, { from: 'user' }).opts();

test('every flag of the Spec arrives in the request under its name', () => {
  const flags = parse(
    ...'--m 1 --n 2 --k 3 --devices 4 --collective reduce-scatter --algorithm direct --operands normal --seed 5 --chunk rows --kernel-name x --tile 8x16x4 --wavefront 32 --stage-tiles 6 --trigger-tiles 7 --lag 3 --skew 0.5 --triggers device --overflow stall --tracker-sets 16 --tracker-ways 2'.split(' '),
    '--fault', 'unwritten-output', '--fault', 'threshold:device=1,chunk=2,tile=3,delta=-1',
  );
  expect(specRequest(flags)).toEqual({
    m: 1, n: 2, k: 3, devices: 4, collective: 'reduce-scatter', algorithm: 'direct', operands: 'normal', seed: 5, chunk: 'rows', kernelName: 'x', tile: { m: 8, n: 16, k: 4 },
    wavefront: 32, stageTiles: 6, triggerTiles: 7, lag: 3, skew: 0.5, triggers: 'device', overflow: 'stall', trackerSets: 16, trackerWays: 2,
    faults: [{ kind: 'unwritten-output' }, { kind: 'threshold', device: 1, chunk: 2, tile: 3, delta: -1 }],
  });
  expect(givenSpecFlags(flags)).toContain('--kernel-name');
  expect(givenSpecFlags(flags)).toHaveLength(Object.keys(flags).length);
  expect(specRequest(parse('--model', 't-nlg', '--layer', 'fc2', '--tp', '8', '--tokens', '256'))).toEqual({ model: 't-nlg', layer: 'fc2', tp: 8, tokens: 256 });
});

test('files are not part of the request until they are read', () => {
  const flags = parse('--a', 'x.npy', '--b', 'y.npy', '--layout', 'nt', '--config', 'config.json', '--layer', 'op');
  expect(givenSpecFlags(flags)).toEqual(['--config', '--layer', '--a', '--b', '--layout']);
  expect(specRequest(flags)).toEqual({ layer: 'op' });
  const config = { file: 'config.json', name: 'config', subLayers: [] };
  expect(specRequest(flags, { config })).toEqual({ layer: 'op', config });
  expect(refusal(() => parse('--layout', 'nnn'))).toContain('at --layout, found nnn, limit nn, nt, tn, tt');
});

test('nothing given is nothing said: defaults are the Spec\'s to choose', () => {
  expect(specRequest(parse())).toEqual({});
  expect(givenSpecFlags(parse('--timeout', '5'))).toEqual([]);
});

test('bytes and seconds', () => {
  expect(parse('--memory-limit', '1.5Gi', '--timeout', '0.5')).toEqual({ memoryLimit: 1610612736, timeout: 0.5 });
  expect(refusal(() => parse('--memory-limit', 'lots'))).toContain('at --memory-limit, found lots');
  for (const text of ['0', '-1', 'x', '', '9e9', '99999999']) expect(refusal(() => parseSeconds(text, '--timeout'))).toContain('not a time in seconds');
});

test('integers are whole and safe, and blame their flag', () => {
  expect(parseInteger('-3', '--m')).toBe(-3);
  for (const text of ['1.5', '1e3', '', 'x', '0x10', '99999999999999999999']) expect(refusal(() => parse('--m', text))).toContain('not a whole number (at --m');
});

test('a number may have a fraction, and blames its flag', () => {
  for (const [text, value] of [['4', 4], ['.25', 0.25], ['-1', -1]] as const) expect(parseDecimal(text, '--skew')).toBe(value);
  for (const text of ['', '.', 'x', '1e3', '0x1', 'Infinity', '1,5']) expect(refusal(() => parse('--skew', text))).toContain('not a number (at --skew');
});

test('a flag that swallows the next flag is refused', () => {
  expect(refusal(() => parse('--json', '--force'))).toContain('this flag lacks its value (at --json, found --force)');
  expect(refusal(() => parse('--m', '--n'))).toContain('at --m');
});

test('words are those that are known', () => {
  expect(refusal(() => parse('--algorithm', 'tree'))).toContain('at --algorithm, found tree, limit ring, direct');
  expect(refusal(() => parse('--tile', '8x8'))).toContain('at --tile');
});

test('faults', () => {
  expect(parseFault('drop-transfer:device=1,chunk=2,tile=0')).toEqual({ kind: 'drop-transfer', device: 1, chunk: 2, tile: 0 });
  const cases: Array<[string, string]> = [
    ['explode:device=1', 'unknown kind of fault'],
    ['drop-transfer', 'lacks device, chunk, tile'],
    ['drop-transfer:device=1,chunk=2', 'lacks tile'],
    ['threshold:device=1,chunk=2,tile=0', 'lacks delta'],
    ['drop-transfer:device=1,chunk=2,tile=0,delta=1', 'cannot take this'],
    ['drop-transfer:device=1,device=2,chunk=2,tile=0', 'cannot take this'],
    ['drop-transfer:device=x,chunk=2,tile=0', 'not a whole number (at --fault device'],
    ['unwritten-output:device=1', 'cannot take this'],
    ['drop-transfer:device=1,chunk=2,tile=0:x', 'unknown kind'],
  ];
  for (const [text, message] of cases) expect(refusal(() => parseFault(text)), text).toContain(message);
});
