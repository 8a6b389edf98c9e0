import { expect, test } from 'vitest';
import { TilewireError } from '../../src/errors.ts';
import { legalTps, splitSubLayer, subLayerNamed, subLayersOf } from '../../src/spec/hf-config.ts';
import { FAMILIES } from '../../src/spec/hf-families.ts';
import { MODELS } from '../../src/spec/zoo.ts';

const LLAMA_70B = { model_type: 'llama', hidden_size: 8192, intermediate_size: 28672, num_attention_heads: 64, num_hidden_layers: 80, num_key_value_heads: 8 };

/** Published configurations, and [name, K, n, layers] of what is row-parallel in them. */
const PUBLISHED: Record<string, [config: Record<string, unknown>, ...expected: [string, number, number, number][]]> = {
  'Llama-2-7b': [{ model_type: 'llama', hidden_size: 4096, intermediate_size: 11008, num_attention_heads: 32, num_hidden_layers: 32 }, ['o_proj', 4096, 4096, 32], ['down_proj', 11008, 4096, 32]],
  'Llama-3.1-70B': [LLAMA_70B, ['o_proj', 8192, 8192, 80], ['down_proj', 28672, 8192, 80]],
  'Mistral-Nemo (head_dim · heads is not hidden)': [{ model_type: 'mistral', hidden_size: 5120, head_dim: 128, intermediate_size: 14336, num_attention_heads: 32, num_key_value_heads: 8, num_hidden_layers: 40 }, ['o_proj', 4096, 5120, 40], ['down_proj', 14336, 5120, 40]],
  'Qwen2-72B': [{ model_type: 'qwen2', hidden_size: 8192, intermediate_size: 29568, num_attention_heads: 64, num_key_value_heads: 8, num_hidden_layers: 80 }, ['o_proj', 8192, 8192, 80], ['down_proj', 29568, 8192, 80]],
  'Qwen3-4B': [{ model_type: 'qwen3', hidden_size: 2560, head_dim: 128, intermediate_size: 9728, num_attention_heads: 32, num_key_value_heads: 8, num_hidden_layers: 36 }, ['o_proj', 4096, 2560, 36], ['down_proj', 9728, 2560, 36]],
  'Qwen3-30B-A3B': [{ model_type: 'qwen3_moe', hidden_size: 2048, head_dim: 128, intermediate_size: 6144, moe_intermediate_size: 768, num_attention_heads: 32, num_key_value_heads: 4, num_hidden_layers: 48, num_experts: 128, num_experts_per_tok: 8, decoder_sparse_step: 1, mlp_only_layers: [] }, ['o_proj', 4096, 2048, 48], ['expert_down_proj', 768, 2048, 48]],
  'Qwen1.5-MoE, every second layer, one of them dense by name': [{ model_type: 'qwen2_moe', hidden_size: 2048, intermediate_size: 5632, moe_intermediate_size: 1408, shared_expert_intermediate_size: 5632, num_attention_heads: 16, num_key_value_heads: 16, num_hidden_layers: 24, num_experts: 60, num_experts_per_tok: 4, decoder_sparse_step: 2, mlp_only_layers: [1] }, ['o_proj', 2048, 2048, 24], ['down_proj', 5632, 2048, 13], ['expert_down_proj', 1408, 2048, 11], ['shared_expert_down_proj', 5632, 2048, 11]],
  'gemma-7b': [{ model_type: 'gemma', hidden_size: 3072, head_dim: 256, intermediate_size: 24576, num_attention_heads: 16, num_key_value_heads: 16, num_hidden_layers: 28 }, ['o_proj', 4096, 3072, 28], ['down_proj', 24576, 3072, 28]],
  'gemma-2-27b': [{ model_type: 'gemma2', hidden_size: 4608, head_dim: 128, intermediate_size: 36864, num_attention_heads: 32, num_key_value_heads: 16, num_hidden_layers: 46 }, ['o_proj', 4096, 4608, 46], ['down_proj', 36864, 4608, 46]],
  'gemma-3-4b (text_config with what differs from the defaults)': [{ model_type: 'gemma3', text_config: { hidden_size: 2560, intermediate_size: 10240, model_type: 'gemma3_text', num_hidden_layers: 34 }, vision_config: { hidden_size: 1152 } }, ['o_proj', 2048, 2560, 34], ['down_proj', 10240, 2560, 34]],
  gpt2: [{ model_type: 'gpt2', n_embd: 768, n_head: 12, n_inner: null, n_layer: 12 }, ['o_proj', 768, 768, 12], ['down_proj', 3072, 768, 12]],
  'gpt-neox-20b': [{ model_type: 'gpt_neox', hidden_size: 6144, intermediate_size: 24576, num_attention_heads: 64, num_hidden_layers: 44 }, ['o_proj', 6144, 6144, 44], ['down_proj', 24576, 6144, 44]],
  'Mixtral-8x7B': [{ model_type: 'mixtral', hidden_size: 4096, intermediate_size: 14336, num_attention_heads: 32, num_key_value_heads: 8, num_hidden_layers: 32, num_local_experts: 8, num_experts_per_tok: 2 }, ['o_proj', 4096, 4096, 32], ['expert_down_proj', 14336, 4096, 32]],
  'Phi-3-mini': [{ model_type: 'phi3', hidden_size: 3072, intermediate_size: 8192, num_attention_heads: 32, num_key_value_heads: 32, num_hidden_layers: 32 }, ['o_proj', 3072, 3072, 32], ['down_proj', 8192, 3072, 32]],
  'falcon-7b': [{ model_type: 'falcon', hidden_size: 4544, num_attention_heads: 71, num_kv_heads: 71, num_hidden_layers: 32, multi_query: true, new_decoder_architecture: false }, ['o_proj', 4544, 4544, 32], ['down_proj', 18176, 4544, 32]],
  'opt-6.7b': [{ model_type: 'opt', hidden_size: 4096, ffn_dim: 16384, num_attention_heads: 32, num_hidden_layers: 32 }, ['o_proj', 4096, 4096, 32], ['down_proj', 16384, 4096, 32]],
  bloom: [{ model_type: 'bloom', n_embed: 14336, num_attention_heads: 112, n_layer: 70 }, ['o_proj', 14336, 14336, 70], ['down_proj', 57344, 14336, 70]],
  'gpt-oss-20b': [{ model_type: 'gpt_oss', hidden_size: 2880, intermediate_size: 2880, head_dim: 64, num_attention_heads: 64, num_key_value_heads: 8, num_hidden_layers: 24, num_local_experts: 32, num_experts_per_tok: 4 }, ['o_proj', 4096, 2880, 24], ['expert_down_proj', 2880, 2880, 24]],
  'DeepSeek-V3': [{ model_type: 'deepseek_v3', hidden_size: 7168, intermediate_size: 18432, moe_intermediate_size: 2048, n_routed_experts: 256, n_shared_experts: 1, num_experts_per_tok: 8, first_k_dense_replace: 3, moe_layer_freq: 1, num_attention_heads: 128, num_key_value_heads: 128, v_head_dim: 128, num_hidden_layers: 61 }, ['o_proj', 16384, 7168, 61], ['down_proj', 18432, 7168, 3], ['expert_down_proj', 2048, 7168, 58], ['shared_expert_down_proj', 2048, 7168, 58]],
}; // prettier-ignore

test.each(Object.entries(PUBLISHED))('%s', (_, [config, ...expected]) => {
  const subLayers = subLayersOf(JSON.parse(JSON.stringify(config)));
  expect(subLayers.map(({ name, totalK, n, layers }) => [name, totalK, n, layers])).toEqual(expected);
  expect(subLayerNamed(subLayers, 'op').name).toBe('o_proj');
  expect(subLayerNamed(subLayers, 'fc2').name).toBe(expected[1]![0]);
  expect(subLayerNamed(subLayers, 'down_proj').name).toBe(expected[1]![0]);
  const names = subLayers.flatMap(({ name, aliases }) => [name, ...aliases]);
  expect(new Set(names).size).toBe(names.length);
});

test('falcon: one key-value head unless a field says otherwise; deepseek: every moe_layer_freq-th layer has experts', () => {
  const falcon = { ...PUBLISHED['falcon-7b']![0], num_attention_heads: 64, num_kv_heads: 8 };
  const keyValueHeads = (fields: object) => subLayersOf({ ...falcon, ...fields })[0]!.heads!.keyValue;
  expect([keyValueHeads({}), keyValueHeads({ multi_query: undefined }), keyValueHeads({ multi_query: false }), keyValueHeads({ new_decoder_architecture: true })]).toEqual([1, 1, 8, 8]);
  const layers = subLayersOf({ ...PUBLISHED['DeepSeek-V3']![0], moe_layer_freq: 4 }).map(({ name, layers }) => `${name} ${layers}`);
  // 4, 8, … 60 of the layers 0 to 60; 0 is dense by first_k_dense_replace.
  expect(layers).toEqual(['o_proj 61', 'down_proj 46', 'expert_down_proj 15', 'shared_expert_down_proj 15']);
  expect(subLayersOf({ ...PUBLISHED['DeepSeek-V3']![0], n_routed_experts: null }).map(({ name }) => name)).toEqual(['o_proj', 'down_proj']);
});

test('the zoo and the published configurations agree', () => {
  const zoo = (name: string) => MODELS.find((model) => model.name === name)!;
  for (const [name, published] of [['llama-7b', 'Llama-2-7b'], ['llama-70b', 'Llama-3.1-70B'], ['qwen2-72b', 'Qwen2-72B']] as const) {
    const [op, fc2] = subLayersOf(PUBLISHED[published]![0]);
    expect([op!.n, op!.totalK, fc2!.totalK]).toEqual([zoo(name).hidden, zoo(name).totalK.op, zoo(name).totalK.fc2]);
  }
});

test('no two families claim a model type', () => {
  const types = FAMILIES.flatMap(({ types }) => types);
  expect(new Set(types).size).toBe(types.length);
});

test('weights say how they lie in a checkpoint, and their own names are aliases where they are clear', () => {
  const [op, fc2] = subLayersOf(PUBLISHED['gpt2']![0]);
  expect([op!.weight, fc2!.weight, op!.aliases, fc2!.aliases]).toEqual([{ suffix: 'attn.c_proj.weight', layout: 'n' }, { suffix: 'mlp.c_proj.weight', layout: 'n' }, ['op'], ['fc2']]);
  const neox = subLayersOf(PUBLISHED['gpt-neox-20b']![0]);
  expect(subLayerNamed(neox, 'dense_4h_to_h').weight).toEqual({ suffix: 'mlp.dense_4h_to_h.weight', layout: 't' });
  expect(subLayerNamed(subLayersOf(PUBLISHED['Mixtral-8x7B']![0]), 'w2').experts).toEqual({ count: 8, perToken: 2 });
  expect(subLayerNamed(subLayersOf(PUBLISHED['opt-6.7b']![0]), 'out_proj').name).toBe('o_proj');
});

const errorOf = (act: () => unknown): TilewireError => {
  try {
    act();
  } catch (error) {
    if (error instanceof TilewireError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

test('TP takes whole heads: it divides the attention heads, and divides the key-value heads or is a multiple of them', () => {
  const [op, fc2] = subLayersOf(LLAMA_70B);
  expect(legalTps(op!)).toEqual([1, 2, 4, 8, 16, 32, 64]);
  expect(op!.notes).toEqual(['64 attention heads share 8 key-value heads: TP must divide 8 or be a multiple of it']);
  expect(splitSubLayer(op!, 8)).toEqual({ k: 1024, notes: op!.notes });
  expect(splitSubLayer(op!, 16).notes.at(-1)).toBe('TP 16 is more than the 8 key-value heads: each is kept on 2 devices');
  expect(legalTps(fc2!)).toEqual([1, 2, 4, 7, 8, 14, 16, 28, 32, 56, 64]);
  expect(splitSubLayer(fc2!, 7).k).toBe(4096);
  const { code, fields, message } = errorOf(() => splitSubLayer(op!, 7));
  expect([code, fields.path, fields.fix]).toEqual(['BAD_FLAG', '--tp', 'use one of 1, 2, 4, 8, 16, 32, 64']);
  expect(message).toContain('a divisor of the 64 attention heads');
  // 12 heads, 4 of them key-value: 6 divides 12, but neither divides 4 nor is a multiple of it.
  const [grouped] = subLayersOf({ ...LLAMA_70B, hidden_size: 1536, num_attention_heads: 12, num_key_value_heads: 4 });
  expect(legalTps(grouped!)).toEqual([1, 2, 4, 12]);
  expect(errorOf(() => splitSubLayer(grouped!, 6)).message).toContain('the 4 key-value heads');
  expect(legalTps(subLayersOf(PUBLISHED['falcon-7b']![0])[0]!)).toEqual([1]);
  expect(errorOf(() => splitSubLayer(fc2!, 0)).message).toContain('from 1 to 64');
  expect(errorOf(() => splitSubLayer(fc2!, 3)).message).toContain('a divisor of K = 28672');
});

test('an unknown --layer lists those there are', () => {
  const { code, fields } = errorOf(() => subLayerNamed(subLayersOf(LLAMA_70B), 'q_proj'));
  expect([code, fields.path, fields.fix]).toEqual(['BAD_FLAG', '--layer', 'use one of o_proj, down_proj']);
  expect(fields.limit).toBe('o_proj (or op); down_proj (or fc2)');
});

test('what a config leaves out is taken from the defaults of its type, and said', () => {
  const [op] = subLayersOf(PUBLISHED['gemma-3-4b (text_config with what differs from the defaults)']![0]);
  expect(op!.heads).toEqual({ query: 8, keyValue: 4, headDim: 256 });
  expect(op!.notes).toContain('head_dim is absent: 256, the default of gemma3_text');
  const [llava] = subLayersOf({ model_type: 'llava', text_config: { model_type: 'llama', vocab_size: 32064 } });
  expect([llava!.totalK, llava!.n, llava!.layers]).toEqual([4096, 4096, 32]);
  expect(errorOf(() => subLayersOf({ model_type: 'llama', vocab_size: 32064 })).fields.path).toBe('hidden_size');
});

test('an unknown type is taken for a plain Transformer where the usual fields are there, and not where it has experts', () => {
  const sizes = { hidden_size: 64, num_attention_heads: 4, intermediate_size: 256, num_hidden_layers: 2 };
  const [op, down] = subLayersOf({ model_type: 'new', ...sizes });
  expect([op!.totalK, down!.totalK, op!.weight]).toEqual([64, 256, undefined]);
  expect(op!.notes).toEqual(['model type new is unknown: taken for a plain Transformer by its usual fields']);
  for (const config of [{ model_type: 'new', ...sizes, num_experts: 8 }, { model_type: 'new', ...sizes, moe_top_k: 2 }, { model_type: 'new', ...sizes, intermediate_size: null }, { model_type: 'constructor' }]) {
    const { code, fields } = errorOf(() => subLayersOf(config));
    expect([code, fields.path]).toEqual(['BAD_FILE', 'model_type']);
    expect(fields.limit).toContain('llama, qwen2');
  }
});

const text = { model_type: 'gemma3', text_config: { model_type: 'gemma3_text', hidden_size: 2560, num_attention_heads: 'eight' } };
test.each<[string, unknown, string, string]>([
  ['null', null, '$', 'not an object'],
  ['a list', [LLAMA_70B], '$', 'not an object'],
  ['a text', 'llama', '$', 'not an object'],
  ['no model type', { ...LLAMA_70B, model_type: undefined }, 'model_type', 'no model type'],
  ['a model type that is no text', { ...LLAMA_70B, model_type: 3 }, 'model_type', 'no model type'],
  ['an encoder-decoder', { ...LLAMA_70B, model_type: 't5', is_encoder_decoder: true }, 'is_encoder_decoder', 'two stacks'],
  ['text as a number', text, 'text_config.num_attention_heads', 'not a size'],
  ['a fraction', { ...LLAMA_70B, hidden_size: 8192.5 }, 'hidden_size', 'not a size'],
  ['zero', { ...LLAMA_70B, num_attention_heads: 0 }, 'num_attention_heads', 'not a size'],
  ['negative', { ...LLAMA_70B, intermediate_size: -1 }, 'intermediate_size', 'not a size'],
  ['absurdly large', { ...LLAMA_70B, hidden_size: 1e300 }, 'hidden_size', 'not a size'],
  ['absurdly wide heads', { ...LLAMA_70B, num_attention_heads: 65536, num_key_value_heads: 65536, head_dim: 65536 }, 'head_dim', 'absurdly wide'],
  ['absurdly many layers', { ...LLAMA_70B, num_hidden_layers: 1e9 }, 'num_hidden_layers', 'not a size'],
  ['key-value heads that do not divide', { ...LLAMA_70B, num_key_value_heads: 7 }, 'num_key_value_heads', 'do not divide'],
  ['heads that do not divide hidden', { ...LLAMA_70B, num_attention_heads: 24 }, 'head_dim', 'do not divide'],
  ['no experts given', { ...PUBLISHED['Mixtral-8x7B']![0], num_local_experts: null }, 'num_experts', 'lacks the number of experts'],
  ['more experts per token than there are', { ...PUBLISHED['Mixtral-8x7B']![0], num_experts_per_tok: 9 }, 'num_experts_per_tok', 'not a size'],
  ['mlp_only_layers', { ...PUBLISHED['Qwen3-30B-A3B']![0], mlp_only_layers: ['a'] }, 'mlp_only_layers', 'not a list of layers'],
  ['no v_head_dim', { ...PUBLISHED['DeepSeek-V3']![0], v_head_dim: undefined }, 'v_head_dim', 'lacks a size'],
])('refused, with the JSON path: %s', (_, config, path, what) => {
  const error = errorOf(() => subLayersOf(config));
  expect([error.code, error.fields.path]).toEqual(['BAD_FILE', path]);
  expect(error.message).toContain(what);
  for (const field of ['actual', 'limit', 'fix'] as const) expect(error.fields[field], field).toBeDefined();
  expect(errorOf(() => subLayersOf(config, 'dir/config.json')).fields.path).toBe(`dir/config.json: ${path}`);
});
