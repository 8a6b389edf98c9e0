// What the flags name together: two matrices held against each other, a model's config, and the weight that it names.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { readModelConfig } from '../../../src/host/operand-files/model-config.ts';
import { openMatrix, withTensor } from '../../../src/host/operand-files/open.ts';
import { openOperands } from '../../../src/host/operand-files/operands.ts';
import { countedFiles } from './counted-files.ts';
import { ascii, counting, dict, npyBytes, safetensorsBytes, valueBytes } from './written-files.ts';

const npy = (rows: number, columns: number): Uint8Array => npyBytes(dict('<f4', `(${rows}, ${columns})`), valueBytes(counting(rows, columns), 'f4'));
const sha = (rows: number, columns: number): string => createHash('sha256').update(valueBytes(counting(rows, columns), 'f4')).digest('hex');

/** A safetensors file of 2 x 2 halves by these names. */
const tensors = (...names: string[]): Uint8Array =>
  safetensorsBytes(Object.fromEntries(names.map((name, i) => [name, { dtype: 'F16', shape: [2, 2], data_offsets: [i * 8, i * 8 + 8] }])), new Uint8Array(8 * names.length));

test('two files are what a Spec says of them, and the slices of each device', async () => {
  const files = countedFiles({ 'there/a.npy': npy(2, 5), 'b.npy': npy(3, 5) });
  const { facts, slices } = await openOperands('there/a.npy', 'b.npy', 'nt', files);
  expect(facts).toEqual({ m: 2, n: 3, kTotal: 5, layout: 'nt', a: { source: 'a.npy', hash: sha(2, 5) }, b: { source: 'b.npy', hash: sha(3, 5) } });
  const of = slices(2);
  expect([...of.a(0)]).toEqual([1, 2, 3, 6, 7, 8]);
  expect([...of.b(1)]).toEqual([4, 9, 14, 5, 10, 15]);
  expect(files.stillOpen()).toBe(2);
  of.close();
  expect(files.stillOpen()).toBe(0);
});

test('whatever is wrong with one of them, none stays open', async () => {
  const bad = npyBytes(dict('<f4', '(3, 5)'), new Uint8Array(new Float32Array(15).fill(Number.NaN).buffer));
  const files = countedFiles({ 'a.npy': npy(2, 5), 'b.npy': npy(3, 5), 'bad.npy': bad });
  await expect(openOperands('a.npy', 'none.npy', 'nt', files)).rejects.toMatchObject({ code: 'BAD_FILE' });
  await expect(openOperands('a.npy', 'b.npy', 'nn', files)).rejects.toMatchObject({ code: 'BAD_FLAG', fields: { path: '--layout' } });
  await expect(openOperands('a.npy', 'bad.npy', 'nt', files)).rejects.toMatchObject({ code: 'BAD_FILE', fields: { path: 'bad.npy', actual: 'NaN at row 0, column 0' } });
  expect(files.stillOpen()).toBe(0);
});

test('a config is called after its file, or its folder; a folder is its config.json', () => {
  const config = ascii(JSON.stringify({ model_type: 'llama', hidden_size: 64, intermediate_size: 96, num_attention_heads: 8, num_hidden_layers: 2 }));
  const files = countedFiles({ 'hub/Tiny/config.json': config, 'hub/small.json': config, 'hub/odd.json': ascii('{}') });
  for (const [reference, name, file] of [['hub/Tiny', 'Tiny', 'hub/Tiny/config.json'], ['hub/Tiny/config.json', 'Tiny', 'hub/Tiny/config.json'], ['hub/small.json', 'small', 'hub/small.json']] as const) {
    const model = readModelConfig(reference, files);
    expect([model.name, model.file, model.subLayers.map(({ name }) => name)]).toEqual([name, file, ['o_proj', 'down_proj']]);
  }
  expect(() => readModelConfig('hub/odd.json', files)).toThrow('hub/odd.json: model_type');
  expect(() => readModelConfig('hub', files)).toThrow('BAD_FILE');
  expect(files.stillOpen()).toBe(0);
});

const DOWN = 'mlp.down_proj.weight';
test('the tensor that a config names is found where one fits', () => {
  const files = countedFiles({
    'one.safetensors': tensors('model.layers.3.mlp.down_proj.weight', 'model.layers.3.mlp.other_down_proj.weight', 'model.layers.3.xmlp.down_proj.weight'),
    'bare.safetensors': tensors(DOWN),
    'many.safetensors': tensors(...[10, 2, 1].map((layer) => `model.layers.${layer}.mlp.down_proj.weight`)),
    'moe.safetensors': tensors('layers.0.mlp.experts.7.down_proj.weight', 'layers.0.mlp.experts.x.down_proj.weight'),
    'shards/model.safetensors.index.json': ascii(JSON.stringify({ weight_map: { 'a.mlp.down_proj.weight': 'x.safetensors', 'lm_head.weight': 'x.safetensors' } })),
    'shards/x.safetensors': tensors('a.mlp.down_proj.weight', 'lm_head.weight'),
    'single/model.safetensors': tensors('a.mlp.down_proj.weight', 'lm_head.weight'),
    'b.npy': npy(2, 2),
  });
  expect(withTensor('one.safetensors', DOWN, files)).toBe('one.safetensors#model.layers.3.mlp.down_proj.weight');
  expect(withTensor('bare.safetensors', DOWN, files)).toBe(`bare.safetensors#${DOWN}`);
  expect(withTensor('moe.safetensors', 'mlp.experts.{expert}.down_proj.weight', files)).toBe('moe.safetensors#layers.0.mlp.experts.7.down_proj.weight');
  for (const folder of ['shards', 'single']) {
    const reference = withTensor(folder, DOWN, files);
    expect(reference).toBe(`${folder}#a.mlp.down_proj.weight`);
    openMatrix(reference, files).close();
  }
  expect(() => withTensor('many.safetensors', DOWN, files)).toThrow(
    expect.objectContaining({ code: 'BAD_FILE', fields: expect.objectContaining({ actual: `3 whose names end in ${DOWN}`, limit: [1, 2, 10].map((layer) => `model.layers.${layer}.${DOWN}`).join(', '), fix: 'write many.safetensors#model.layers.1.mlp.down_proj.weight' }) }),
  );
  // What names its tensor, has none, or holds none that fits is left to openMatrix.
  for (const reference of ['many.safetensors#other', 'b.npy']) expect(withTensor(reference, DOWN, files)).toBe(reference);
  expect(withTensor('shards', 'self_attn.o_proj.weight', files)).toBe('shards');
  expect(() => withTensor('none', DOWN, files)).toThrow('no such file');
  expect(files.stillOpen()).toBe(0);
});
