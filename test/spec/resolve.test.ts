import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { chunkSizes } from '../../src/spec/chunks.ts';
import { kernelHash } from '../../src/spec/kernel-sources.ts';
import { subLayersOf } from '../../src/spec/hf-config.ts';
import { parseTile, resolveSpec, type FileOperands, type ModelConfig, type SpecRequest } from '../../src/spec/resolve.ts';
import { parseSpec } from '../../src/spec/parse.ts';
import type { Fault, Spec } from '../../src/spec/spec.ts';
import { requests } from './requests.ts';
import { SOFTWARE } from '../support/traits.ts';
import { stageTilesByDefault } from '../support/stages.ts';

const shape = { m: 64, n: 96, k: 32, devices: 4 };
const trained = { m: 256, n: 512, k: 1536, source: 'embeddings FFN', hash: 'a'.repeat(64) };
const files: FileOperands = { m: 40, n: 64, kTotal: 29, a: { source: 'acts.npy', hash: 'a'.repeat(64) }, b: { source: 'w.safetensors#w', hash: 'b'.repeat(64) }, layout: 'nt' };
const LLAMA = { model_type: 'llama', hidden_size: 64, intermediate_size: 96, num_attention_heads: 8, num_hidden_layers: 2, num_key_value_heads: 4 };
const config: ModelConfig = { file: 'Tiny/config.json', name: 'Tiny', subLayers: subLayersOf(LLAMA) };

async function refusal(request: SpecRequest): Promise<TilewireError> {
  const outcome = await resolveSpec(request).catch((error: unknown) => error);
  expect(outcome, JSON.stringify(request)).toBeInstanceOf(TilewireError);
  return outcome as TilewireError;
}

test('the main job: every default is filled in', async () => {
  const spec = await resolveSpec({ model: 't-nlg', layer: 'fc2', tp: 8, tokens: 256 });
  expect(spec).toMatchObject({
    version: 1, name: 't-nlg fc2 TP 8', gemm: { m: 256, n: 4256, k: 2128, kTotal: 17024 }, dtype: 'f32', devices: 8,
    collective: 'reduce-scatter', algorithm: 'ring', chunk: 'columns', operands: { kind: 'exact', range: 4 }, seed: 1,
    wavefront: 64, triggerTiles: 8, lag: 2, skew: 0, triggers: 'host', overflow: 'spill', tracker: { sets: 256, ways: 8 }, faults: [],
  } satisfies Partial<Spec>);
  expect(spec.kernel.name).toBe('gemm-register');
  expect(spec.kernel.hash).toBe(await kernelHash('gemm-register'));
  const { tile } = spec.kernel;
  expect(spec.stageTiles).toBe(Math.ceil((Math.ceil(256 / tile.m) * Math.ceil(532 / tile.n)) / 4));
});

test('chunks lie along the longer dimension, by rows when equal, or as asked', async () => {
  expect((await resolveSpec({ ...shape, m: 97 })).chunk).toBe('rows');
  expect((await resolveSpec({ ...shape, m: 96 })).chunk).toBe('rows');
  expect((await resolveSpec({ ...shape, m: 95 })).chunk).toBe('columns');
  expect((await resolveSpec({ ...shape, chunk: 'rows' })).chunk).toBe('rows');
});

test('stages follow from the tiles of the largest step, along either axis and with ragged and empty chunks', async () => {
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const { gemm, devices, chunk, stageTiles, kernel } = await resolveSpec({ ...request, stageTiles: undefined });
      const largest = Math.max(...chunkSizes(chunk === 'rows' ? gemm.m : gemm.n, devices));
      const rows = chunk === 'rows' ? largest : gemm.m;
      const columns = chunk === 'rows' ? gemm.n : largest;
      const bands = chunk === 'rows' ? Math.ceil(gemm.m / kernel.tile.m) : Math.ceil(gemm.n / kernel.tile.n);
      expect(stageTiles).toBe(stageTilesByDefault(Math.ceil(rows / kernel.tile.m) * Math.ceil(columns / kernel.tile.n), devices, Math.min(devices, bands)));
    }),
    { numRuns: 50 },
  );
});

test('a trained model: the shape comes from its files, and K is split over the devices', async () => {
  const spec = await resolveSpec({ operands: 'trained', trained, tp: 4 });
  expect(spec).toMatchObject({ name: 'embeddings FFN TP 4', gemm: { m: 256, n: 512, k: 384, kTotal: 1536 }, devices: 4, operands: { kind: 'trained', source: trained.source, hash: trained.hash } });
  expect(await resolveSpec({ trained, devices: 4, m: 256, n: 512, k: 384 })).toEqual(spec);
});

test('a trained model over devices that do not divide its K', async () => {
  expect(await resolveSpec({ trained, tp: 5 })).toMatchObject({ gemm: { k: 308, kTotal: 1536 }, devices: 5 });
});

test("the user's matrices: the shape comes from their headers, slices of K differ by at most one, k is the first's", async () => {
  const spec = await resolveSpec({ files, tp: 3, seed: 4 });
  expect(spec).toMatchObject({ name: 'acts.npy · w.safetensors#w TP 3', gemm: { m: 40, n: 64, k: 10, kTotal: 29 }, devices: 3, operands: { kind: 'files', a: files.a, b: files.b, layout: 'nt' }, seed: 4 });
  expect(Object.keys(spec.operands)).toEqual(['kind', 'a', 'b', 'layout']);
  expect(await resolveSpec({ files, devices: 3, tp: 3, m: 40, n: 64, k: 10, seed: 4 })).toEqual(spec);
  expect((await resolveSpec({ files, tp: 29 })).gemm).toEqual({ m: 40, n: 64, k: 1, kTotal: 29 });
  // What comes back out of a report is the same Spec.
  expect(parseSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
});

test('a sub-layer of a config, its operands generated', async () => {
  const spec = await resolveSpec({ config, layer: 'fc2', tp: 4, tokens: 32 });
  expect(spec).toMatchObject({ name: 'Tiny down_proj TP 4', gemm: { m: 32, n: 64, k: 24, kTotal: 96 }, devices: 4, operands: { kind: 'exact', range: 4 } });
  expect(await resolveSpec({ config, layer: 'down_proj', devices: 4, tokens: 32 })).toEqual(spec);
  expect((await resolveSpec({ config, layer: 'op', tp: 8, operands: 'normal' }))).toMatchObject({ gemm: { m: 2048, n: 64, k: 8, kTotal: 64 }, operands: { kind: 'normal' } });
});

test('files of a sub-layer: K and n are those of the config, or both are named', async () => {
  const down = { ...files, kTotal: 96 };
  expect(await resolveSpec({ files: down, config, layer: 'down_proj', tp: 4 })).toMatchObject({ name: 'acts.npy · w.safetensors#w TP 4', gemm: { m: 40, n: 64, k: 24, kTotal: 96 }, operands: { kind: 'files' } });
  for (const [other, layer] of [[{ ...down, n: 63 }, 'down_proj'], [down, 'o_proj']] as const) {
    const error = await refusal({ files: other, config, layer, tp: 4 });
    expect(error.fields).toMatchObject({ path: '--config', actual: `K = 96, n = ${other.n} (acts.npy, w.safetensors#w, layout nt)`, limit: `K = ${layer === 'o_proj' ? 64 : 96}, n = 64 (Tiny/config.json)` });
  }
});

test('what a config holds is listed where no sub-layer, or an unknown one, is named; and so are the degrees that keep heads whole', async () => {
  expect((await refusal({ config, tp: 4 })).fields.lines).toEqual(['o_proj (or op): K = 64, n = 64, in 2 layers', 'down_proj (or fc2): K = 96, n = 64, in 2 layers']);
  expect((await refusal({ config, layer: 'q_proj', tp: 4 })).fields.fix).toBe('use one of o_proj, down_proj');
  for (const given of [{ tp: 6 }, { devices: 6 }, {}]) expect((await refusal({ config, layer: 'op', ...given })).fields.fix).toBe('use one of 1, 2, 4, 8');
});

test('the largest range that can be proven is taken; with none, the request is refused', async () => {
  const range = async (k: number): Promise<unknown> => (await resolveSpec({ m: 1, n: 1, k, devices: 2 })).operands;
  expect(await range(2 ** 19)).toEqual({ kind: 'exact', range: 4 });
  expect(await range(2 ** 19 + 1)).toEqual({ kind: 'exact', range: 3 });
  expect(await range(2 ** 23)).toEqual({ kind: 'exact', range: 1 });
  const error = await refusal({ m: 1, n: 1, k: 2 ** 23 + 1, devices: 2 });
  expect(error).toMatchObject({ code: 'NOT_EXACT', exitCode: 2, fields: { path: '--operands' } });
  expect(error.message).toContain('16777218');
  expect((await resolveSpec({ m: 1, n: 1, k: 2 ** 23 + 1, devices: 2, operands: 'normal' })).operands).toEqual({ kind: 'normal' });
});

const at = { device: 0, chunk: 0, tile: 0 };
const bad: [string, SpecRequest, string, string?][] = [
  ['nothing asked for', {}, '--m'],
  ['no devices', { m: 1, n: 1, k: 1 }, '--devices'],
  ['zero', { ...shape, m: 0 }, '--m'],
  ['negative', { ...shape, n: -4 }, '--n'],
  ['a fraction', { ...shape, k: 1.5 }, '--k'],
  ['not a number', { ...shape, k: Number.NaN }, '--k'],
  ['no device', { ...shape, devices: 0 }, '--devices'],
  ['too many devices', { ...shape, devices: 65 }, '--devices'],
  ['too many elements', { ...shape, m: 2 ** 20, n: 2 ** 20 }, '--m'],
  ['too many operations', { m: 65535, n: 65535, k: 65535, devices: 64 }, '--k'],
  ['a negative seed', { ...shape, seed: -1 }, '--seed'],
  ['unknown model', { model: 'gpt-5', layer: 'fc2' }, '--model'],
  ['unknown layer', { model: 't-nlg', layer: 'fc3' }, '--layer'],
  ['a model without a layer', { model: 't-nlg' }, '--layer'],
  ['tokens without a model', { tokens: 5 }, '--model'],
  ['TP that does not divide K', { model: 't-nlg', layer: 'fc2', tp: 5 }, '--tp'],
  ['zero tokens', { model: 't-nlg', layer: 'fc2', tokens: 0 }, '--tokens'],
  ['model and sizes', { model: 't-nlg', layer: 'fc2', m: 5 }, '--m'],
  ['sizes and TP', { ...shape, tp: 4 }, '--m'],
  ['trained without files', { operands: 'trained', tp: 4 }, '--operands'],
  ['trained without devices', { trained }, '--tp'],
  ['trained over too many devices', { trained, tp: 65 }, '--tp'],
  ['trained over half a device', { trained, devices: 7.5 }, '--devices'],
  ['trained and another size', { trained, tp: 4, k: 1536 }, '--k'],
  ['trained and tokens', { trained, tp: 4, tokens: 256 }, '--tokens'],
  ['trained and a model', { trained, model: 't-nlg' }, '--model'],
  ['trained, TP and devices', { trained, tp: 4, devices: 8 }, '--tp'],
  ['trained files, other operands', { trained, tp: 4, operands: 'normal' }, '--operands'],
  ['trained and a config', { trained, tp: 4, config }, '--config'],
  ['files without devices', { files }, '--tp'],
  ['files, TP and devices', { files, tp: 3, devices: 4 }, '--tp'],
  ['files over more devices than K', { files, tp: 30 }, '--tp'],
  ['files over no devices', { files, devices: 0 }, '--devices'],
  ['files over too many devices', { files: { ...files, kTotal: 1000 }, devices: 65 }, '--devices'],
  ...([['m', 41], ['n', 63], ['k', 9]] as const).map(([size, value]): [string, SpecRequest, string] => [`files and another ${size}`, { files, tp: 3, [size]: value }, `--${size}`]),
  ...(['exact', 'normal', 'trained'] as const).map((operands): [string, SpecRequest, string] => [`files and operands ${operands}`, { files, tp: 3, operands }, '--operands']),
  ['files and a model', { files, tp: 3, model: 't-nlg' }, '--model'],
  ['files and a layer of nothing', { files, tp: 3, layer: 'op' }, '--layer'],
  ['files and tokens', { files, tp: 3, tokens: 40 }, '--tokens'],
  ['files of a sub-layer over devices that it cannot take', { files: { ...files, kTotal: 96 }, config, layer: 'fc2', devices: 5 }, '--devices'],
  ['files and a config without a layer', { files, tp: 3, config }, '--layer'],
  ['a config and a model', { config, layer: 'op', tp: 4, model: 't-nlg' }, '--model'],
  ...(['m', 'n', 'k'] as const).map((size): [string, SpecRequest, string] => [`a config and ${size}`, { config, layer: 'op', tp: 4, [size]: 64 }, `--${size}`]),
  ['a config without a layer', { config, tp: 4 }, '--layer'],
  ['a config without TP', { config, layer: 'op' }, '--tp'],
  ['a config, TP and devices', { config, layer: 'op', tp: 4, devices: 8 }, '--tp'],
  ['a config over devices that it cannot take', { config, layer: 'op', devices: 3 }, '--devices'],
  ['a config and no tokens', { config, layer: 'op', tp: 4, tokens: 0 }, '--tokens'],
  ['a seed too large', { ...shape, seed: 2 ** 32 }, '--seed'],
  ...(['collective', 'algorithm', 'operands', 'chunk', 'triggers', 'overflow'] as const).map((flag): [string, SpecRequest, string] => [`unknown ${flag}`, { ...shape, [flag]: 'tree' }, `--${flag}`]),
  ['unknown kernel', { ...shape, kernelName: 'constructor' }, '--kernel-name'],
  ['a tile of nothing', { ...shape, tile: { m: 0, n: 4, k: 4 } }, '--tile'],
  ['a tile that the kernel cannot have', { ...shape, tile: { m: 7919, n: 7919, k: 3 } }, '--tile', 'BAD_TILE'],
  ['wavefront not a power of two', { ...shape, wavefront: 48 }, '--wavefront'],
  ['wavefront below a quad', { ...shape, wavefront: 2 }, '--wavefront'],
  ['wavefront too large', { ...shape, wavefront: 256 }, '--wavefront'],
  ['an empty stage', { ...shape, stageTiles: 0 }, '--stage-tiles'],
  ['a stage beyond one dispatch', { ...shape, stageTiles: 65536 }, '--stage-tiles'],
  ['an empty block', { ...shape, triggerTiles: 0 }, '--trigger-tiles'],
  ['no lag', { ...shape, lag: 0 }, '--lag'],
  ['too much lag', { ...shape, lag: 17 }, '--lag'],
  ['a negative skew', { ...shape, skew: -0.5 }, '--skew'],
  ['too much skew', { ...shape, skew: 4.01 }, '--skew'],
  ['a skew that is none', { ...shape, skew: Number.NaN }, '--skew'],
  ['tracker sets', { ...shape, trackerSets: 100 }, '--tracker-sets'],
  ['tracker ways', { ...shape, trackerWays: 0 }, '--tracker-ways'],
  ['a fault on no device', { ...shape, faults: [{ kind: 'corrupt-tile', ...at, device: 4 }] }, 'faults[0].device'],
  ['a fault on no chunk', { ...shape, faults: [{ kind: 'early-read', ...at, chunk: -1 }] }, 'faults[0].chunk'],
  ['a fault on no tile', { ...shape, faults: [{ kind: 'drop-transfer', ...at, tile: 1e6 }] }, 'faults[0].tile'],
  ['a fault on an empty chunk', { ...shape, m: 3, n: 2, faults: [{ kind: 'drop-transfer', ...at, chunk: 3 }] }, 'faults[0].chunk'],
  ['trackers on the GPU that stall', { ...shape, triggers: 'device', overflow: 'stall' }, '--triggers'],
  ...(['drop-transfer', 'double-update', 'early-read'] as const).map((kind): [string, SpecRequest, string] => [`${kind} where the GPU makes the lists`, { ...shape, triggers: 'device', faults: [{ kind, ...at }] }, '--triggers']),
  ['two thresholds of a chunk that are off, on the GPU', { ...shape, triggers: 'device', faults: [-1, 1].map((delta) => ({ kind: 'threshold', ...at, delta })) }, '--triggers'],
  ['a fault that changes nothing', { ...shape, faults: [{ kind: 'unwritten-output' }, { kind: 'threshold', ...at, delta: 0 }] }, 'faults[1].delta'],
];

test.each(bad)('refused: %s', async (_what, request, path, code = 'BAD_FLAG') => {
  const error = await refusal(request);
  expect(error).toMatchObject({ code, exitCode: 2, fields: { path } });
  expect(error.fields.fix).toBeTruthy();
});

test('each fault within range is taken', async () => {
  const faults: Fault[] = [
    { kind: 'suppress-stores', ...at }, { kind: 'threshold', ...at, delta: -1 }, { kind: 'unwritten-output' },
    { kind: 'double-update', device: 3, chunk: 3, tile: 0 },
  ];
  expect((await resolveSpec({ ...shape, faults })).faults).toEqual(faults);
});

test('a tile is written MxNxK', () => {
  expect(parseTile('64x32x8')).toEqual({ m: 64, n: 32, k: 8 });
  for (const text of ['64x32', '64,32,8', 'x', '', '-1x2x3', '1.5x2x3']) expect(() => parseTile(text)).toThrow(expect.objectContaining({ code: 'BAD_FLAG' }));
});

test('the kernel follows the adapter, and a tile that it cannot take brings the one that runs everywhere', async () => {
  const traits = SOFTWARE;
  const request = { m: 256, n: 256, k: 64, devices: 4 };
  expect((await resolveSpec(request)).kernel).toMatchObject({ name: 'gemm-register', splits: 1 });
  expect((await resolveSpec(request, traits)).kernel.name).toBe('gemm-quad');
  expect((await resolveSpec({ ...request, tile: { m: 32, n: 64, k: 4 } }, traits)).kernel).toMatchObject({ name: 'gemm-quad', tile: { m: 32, n: 64, k: 4 } });
  expect((await resolveSpec({ ...request, tile: { m: 13, n: 5, k: 3 } }, traits)).kernel).toMatchObject({ name: 'gemm-register', tile: { m: 13, n: 5, k: 3 } });
  // Where nothing is known of the adapter yet, a tile that some kernel takes is no mistake.
  expect((await resolveSpec({ ...request, tile: { m: 256, n: 76, k: 8 } })).kernel.name).toBe('gemm-quad');
  await expect(resolveSpec({ ...request, tile: { m: 256, n: 76, k: 8 } }, { ...SOFTWARE, quads: false })).rejects.toThrow(/gemm-register cannot use this tile/);
  await expect(resolveSpec({ ...request, splits: 65 })).rejects.toThrow(/--splits/);
});

test('triggers are on the GPU where that is clearly faster and the GPU can do them, unless the request says where', async () => {
  const request = { m: 256, n: 256, k: 64, devices: 4 };
  const slow = { ...SOFTWARE, isFallback: false, triggerCost: { ...SOFTWARE.triggerCost, readbackUs: 1000 } };
  const triggers = async (more: object, traits?: typeof SOFTWARE): Promise<string> => (await resolveSpec({ ...request, ...more }, traits)).triggers;
  expect(await triggers({})).toBe('host');
  expect(await triggers({}, SOFTWARE)).toBe('host');
  expect(await triggers({}, slow)).toBe('device');
  expect(await triggers({ triggers: 'host' }, slow)).toBe('host');
  expect(await triggers({ triggers: 'device' }, SOFTWARE)).toBe('device');
  expect(await triggers({ overflow: 'stall' }, slow)).toBe('host');
  // 70 GFLOP an epoch take longer than any readback.
  expect(await triggers({ m: 16_384, n: 16_384, k: 4096 }, slow)).toBe('host');
});
