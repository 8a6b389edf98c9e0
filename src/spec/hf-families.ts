// What Hugging Face model types have in common and where they differ, as far as the row-parallel GEMMs of a
// Transformer block go: names of their weights, fields that a config may leave out, experts. Data only; a
// new model type is a line here. Defaults are those of the transformers library's configuration classes.

/** Fields of a config by what they mean; the first name that is there counts. */
export const FIELD_NAMES = {
  hidden: ['hidden_size', 'n_embd', 'n_embed', 'd_model'],
  heads: ['num_attention_heads', 'n_head', 'num_heads', 'n_heads'],
  kvHeads: ['num_key_value_heads', 'num_kv_heads', 'n_head_kv'],
  headDim: ['head_dim'],
  intermediate: ['intermediate_size', 'ffn_dim', 'ffn_hidden_size', 'n_inner'],
  layers: ['num_hidden_layers', 'n_layer', 'num_layers', 'n_layers'],
  experts: ['num_experts', 'num_local_experts', 'n_routed_experts'],
  expertsPerToken: ['num_experts_per_tok', 'num_experts_per_token', 'experts_per_token'],
  expertWidth: ['moe_intermediate_size'],
} as const satisfies Record<string, readonly string[]>;

export type Field = keyof typeof FIELD_NAMES;

/** A weight by the end of its name in a checkpoint. `t`: kept as n × K (torch Linear); `n`: as K × n (GPT-2's Conv1D). */
export interface Weight {
  readonly suffix: string;
  readonly layout: 'n' | 't';
}

export interface Family {
  readonly types: readonly string[];
  readonly attention?: Weight;
  readonly mlp?: Weight;
  /** An MLP as wide as 4 · hidden where no field gives the width, or always (no field does). */
  readonly fourTimesHidden?: 'unless given' | 'always';
  /** `multi_query: true` (the default) means one key-value head, except with `new_decoder_architecture`. */
  readonly multiQuery?: true;
  /** Multi-head latent attention: the output projection takes heads · v_head_dim, and no key-value head is shared. */
  readonly latentAttention?: true;
  /** What an absent field means. */
  readonly absent?: Readonly<Partial<Record<Field, number>>>;
  /** Of a text_config inside a larger config: it is written as what differs from the defaults. */
  readonly absentNested?: Readonly<Partial<Record<Field, number>>>;
  readonly experts?: {
    readonly weight?: Weight;
    /** Field of one expert's width. */
    readonly width: 'intermediate' | 'expertWidth';
    /** Which layers stay dense: none, by Qwen's `mlp_only_layers` and `decoder_sparse_step`, or by DeepSeek's `first_k_dense_replace`. */
    readonly dense: 'none' | 'qwen' | 'deepseek';
    readonly shared?: Weight;
  };
}

const linear = (suffix: string): Weight => ({ suffix, layout: 't' });
const conv1d = (suffix: string): Weight => ({ suffix, layout: 'n' });
const O_PROJ = linear('self_attn.o_proj.weight');
const DOWN_PROJ = linear('mlp.down_proj.weight');
const EXPERT_DOWN = linear('mlp.experts.{expert}.down_proj.weight');
const GEMMA3 = { heads: 8, kvHeads: 4, headDim: 256 };
const LLAMA = { hidden: 4096, intermediate: 11008, layers: 32, heads: 32 };

export const FAMILIES: readonly Family[] = [
  { types: ['llama', 'qwen2', 'phi3', 'olmo', 'olmo2', 'stablelm', 'cohere', 'granite', 'qwen2_vl', 'qwen2_5_vl', 'qwen2_vl_text', 'qwen2_5_vl_text'], attention: O_PROJ, mlp: DOWN_PROJ, absentNested: LLAMA },
  { types: ['mistral'], attention: O_PROJ, mlp: DOWN_PROJ, absent: { kvHeads: 8 }, absentNested: { ...LLAMA, intermediate: 14336 } },
  { types: ['qwen3', 'qwen3_vl_text'], attention: O_PROJ, mlp: DOWN_PROJ, absent: { kvHeads: 32, headDim: 128 } },
  { types: ['gemma'], attention: O_PROJ, mlp: DOWN_PROJ, absent: { heads: 16, kvHeads: 16, headDim: 256 } },
  { types: ['gemma2'], attention: O_PROJ, mlp: DOWN_PROJ, absent: { heads: 8, kvHeads: 4, headDim: 256 } },
  { types: ['gemma3', 'gemma3_text'], attention: O_PROJ, mlp: DOWN_PROJ, absent: GEMMA3, absentNested: { ...GEMMA3, hidden: 2304, intermediate: 9216, layers: 26 } },
  { types: ['internlm2'], attention: linear('attention.wo.weight'), mlp: linear('feed_forward.w2.weight') },
  { types: ['starcoder2'], attention: O_PROJ, mlp: linear('mlp.c_proj.weight'), absent: { kvHeads: 2 } },
  { types: ['gpt2'], attention: conv1d('attn.c_proj.weight'), mlp: conv1d('mlp.c_proj.weight'), fourTimesHidden: 'unless given' },
  { types: ['gpt_bigcode'], attention: linear('attn.c_proj.weight'), mlp: linear('mlp.c_proj.weight'), fourTimesHidden: 'unless given', multiQuery: true },
  { types: ['gpt_neo'], attention: linear('attn.attention.out_proj.weight'), mlp: linear('mlp.c_proj.weight'), fourTimesHidden: 'unless given' },
  { types: ['gptj', 'codegen'], attention: linear('attn.out_proj.weight'), mlp: linear('mlp.fc_out.weight'), fourTimesHidden: 'unless given' },
  { types: ['gpt_neox'], attention: linear('attention.dense.weight'), mlp: linear('mlp.dense_4h_to_h.weight') },
  { types: ['bloom'], attention: linear('self_attention.dense.weight'), mlp: linear('mlp.dense_4h_to_h.weight'), fourTimesHidden: 'always' },
  { types: ['falcon', 'RefinedWeb', 'RefinedWebModel'], attention: linear('self_attention.dense.weight'), mlp: linear('mlp.dense_4h_to_h.weight'), fourTimesHidden: 'unless given', multiQuery: true },
  { types: ['opt'], attention: linear('self_attn.out_proj.weight'), mlp: linear('fc2.weight') },
  { types: ['phi'], attention: linear('self_attn.dense.weight'), mlp: linear('mlp.fc2.weight') },
  { types: ['mixtral', 'phimoe'], attention: O_PROJ, absent: { kvHeads: 8 }, experts: { weight: linear('block_sparse_moe.experts.{expert}.w2.weight'), width: 'intermediate', dense: 'none' } },
  { types: ['olmoe'], attention: O_PROJ, experts: { weight: EXPERT_DOWN, width: 'intermediate', dense: 'none' } },
  // All experts of a layer are one three-dimensional tensor there: no matrix to name.
  { types: ['gpt_oss'], attention: O_PROJ, absent: { kvHeads: 8, headDim: 64 }, experts: { width: 'intermediate', dense: 'none' } },
  { types: ['qwen2_moe'], attention: O_PROJ, mlp: DOWN_PROJ, experts: { weight: EXPERT_DOWN, width: 'expertWidth', dense: 'qwen', shared: linear('mlp.shared_expert.down_proj.weight') } },
  { types: ['qwen3_moe', 'qwen3_vl_moe_text'], attention: O_PROJ, mlp: DOWN_PROJ, absent: { kvHeads: 4 }, experts: { weight: EXPERT_DOWN, width: 'expertWidth', dense: 'qwen' } },
  { types: ['deepseek_v2', 'deepseek_v3'], attention: O_PROJ, mlp: DOWN_PROJ, latentAttention: true, experts: { weight: EXPERT_DOWN, width: 'expertWidth', dense: 'deepseek', shared: linear('mlp.shared_experts.down_proj.weight') } },
];
