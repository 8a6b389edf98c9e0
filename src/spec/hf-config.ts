// Row-parallel sub-layers out of a Hugging Face config.json: the GEMMs of one Transformer block whose output
// tensor parallelism sums over devices. Their K over all devices, their n, and which TP degrees keep heads
// whole. Pure: takes parsed JSON of any content. A config that does not say enough is a BAD_FILE with the
// JSON path; nothing is guessed silently, every assumption is a note of the sub-layer.
import { TilewireError } from '../errors.ts';
import { FAMILIES, FIELD_NAMES, type Family, type Field, type Weight } from './hf-families.ts';
import { EMULATED } from './scope.ts';

export interface SubLayer {
  /** For `--layer`: `o_proj`, `down_proj`, `expert_down_proj` or `shared_expert_down_proj`. */
  readonly name: string;
  /** Other names it answers to; the zoo's `op` and `fc2` among them. */
  readonly aliases: readonly string[];
  /** K over all devices. */
  readonly totalK: number;
  readonly n: number;
  /** How many layers of the model have it. */
  readonly layers: number;
  /** Attention only: a device takes whole heads. */
  readonly heads?: { readonly query: number; readonly keyValue: number; readonly headDim: number };
  /** Per expert: its m is the tokens routed to it, on average perToken / count of all. */
  readonly experts?: { readonly count: number; readonly perToken: number };
  /** The weight in a checkpoint, where its name is known. */
  readonly weight?: Weight;
  readonly notes: readonly string[];
}

/** Widths beyond this are no model's: 2^24 is a thousand times the widest. */
const MAX_WIDTH = 2 ** 24;
const MAX_LAYERS = 10_000;
const INNER_CONFIGS = ['text_config', 'llm_config', 'language_config'];

/** `file` is put before the JSON path in errors. */
export function subLayersOf(config: unknown, file?: string): SubLayer[] {
  const top = new Config(config, '', file);
  const inner = INNER_CONFIGS.find((key) => isRecord(top.record[key]));
  const nested = inner !== undefined && top.number('hidden', MAX_WIDTH) === undefined;
  const at = nested ? new Config(top.record[inner], inner, file) : top;
  if (top.record['is_encoder_decoder'] === true) {
    throw top.refuse('is_encoder_decoder', 'an encoder-decoder model: its two stacks differ', true, 'a decoder', 'give the shape: --m --n --k --devices');
  }
  const type = at.record['model_type'] ?? top.record['model_type'];
  if (typeof type !== 'string') throw at.refuse('model_type', 'the config names no model type', type === undefined ? 'none' : typeof type, knownTypes(), 'use the config.json beside the model\'s weights');
  const known = FAMILIES.find(({ types }) => types.includes(type));
  const family = known ?? unknownFamily(at, type);
  const notes = known ? [] : [`model type ${brief(type)} is unknown: taken for a plain Transformer by its usual fields`];
  const defaults = { ...family.absent, ...(nested ? family.absentNested : {}) };
  const size = (field: Field, limit: number): number | undefined => {
    const given = at.number(field, limit);
    if (given !== undefined || defaults[field] === undefined || at.isNull(field)) return given;
    notes.push(`${FIELD_NAMES[field][0]} is absent: ${defaults[field]}, the default of ${type}`);
    return defaults[field];
  };
  const need = (field: Field, limit: number): number => {
    const value = size(field, limit);
    if (value === undefined) throw at.refuse(FIELD_NAMES[field][0], 'the config lacks a size', 'absent', FIELD_NAMES[field].join(' or '), 'use the config.json beside the model\'s weights');
    return value;
  };

  const n = need('hidden', MAX_WIDTH);
  const layers = need('layers', MAX_LAYERS);
  const heads = headsOf(at, family, n, need, size);
  const totalK = heads.query * heads.headDim;
  if (totalK > MAX_WIDTH) throw at.refuse('head_dim', 'the attention output is absurdly wide', `${heads.query} heads of ${heads.headDim}`, MAX_WIDTH, 'check num_attention_heads and head_dim');
  const mlps = mlpsOf(at, family, n, layers, need, size, notes);
  const { query, keyValue } = heads;
  const shared = keyValue < query ? [`${query} attention heads share ${keyValue} key-value ${keyValue === 1 ? 'head' : 'heads'}: TP must divide ${keyValue} or be a multiple of it`] : [];
  return [{ name: 'o_proj', aliases: namesOf(['op'], family.attention), totalK, n, layers, heads, ...weightOf(family.attention), notes: [...notes, ...shared] }, ...mlps];
}

/** By name or alias. BAD_FLAG at `--layer`. */
export function subLayerNamed(subLayers: readonly SubLayer[], name: string): SubLayer {
  const found = subLayers.find((layer) => layer.name === name) ?? subLayers.find(({ aliases }) => aliases.includes(name));
  if (found) return found;
  const known = subLayers.map(({ name, aliases }) => `${name} (or ${aliases.join(', ')})`).join('; ');
  throw new TilewireError('BAD_FLAG', 'the model has no such row-parallel sub-layer', { path: '--layer', actual: name, limit: known, fix: `use one of ${subLayers.map(({ name }) => name).join(', ')}` });
}

/** TP degrees over which the sub-layer splits evenly, whole heads to a device. */
export function legalTps(subLayer: SubLayer, scope = EMULATED): number[] {
  return Array.from({ length: scope.devices }, (_, i) => i + 1).filter((tp) => objection(subLayer, tp, scope.devices) === undefined);
}

/** One device's K, with what a reader should know about that degree. BAD_FLAG at `--tp`, listing the legal ones. */
export function splitSubLayer(subLayer: SubLayer, tp: number, scope = EMULATED): { readonly k: number; readonly notes: readonly string[] } {
  const limit = objection(subLayer, tp, scope.devices);
  if (limit !== undefined) {
    throw new TilewireError('BAD_FLAG', `${subLayer.name} cannot be split over that many devices`, { path: '--tp', actual: tp, limit, fix: `use one of ${legalTps(subLayer, scope).join(', ')}` });
  }
  const { heads } = subLayer;
  const shared = heads !== undefined && tp > heads.keyValue;
  const notes = shared ? [`TP ${tp} is more than the ${heads.keyValue} key-value heads: each is kept on ${tp / heads.keyValue} devices`] : [];
  return { k: subLayer.totalK / tp, notes: [...subLayer.notes, ...notes] };
}

/** The limit that `tp` breaks. */
function objection({ totalK, heads }: SubLayer, tp: number, most: number): string | undefined {
  if (!Number.isInteger(tp) || tp < 1 || tp > most) return `a whole number from 1 to ${most}`;
  if (heads && heads.query % tp !== 0) return `a divisor of the ${heads.query} attention heads`;
  if (heads && heads.keyValue % tp !== 0 && tp % heads.keyValue !== 0) return `a divisor or a multiple of the ${heads.keyValue} key-value heads`;
  return totalK % tp === 0 ? undefined : `a divisor of K = ${totalK}`;
}

type Size = (field: Field, limit: number) => number | undefined;
type Need = (field: Field, limit: number) => number;

function headsOf(at: Config, family: Family, hidden: number, need: Need, size: Size): NonNullable<SubLayer['heads']> {
  const query = need('heads', 65_536);
  if (family.latentAttention) {
    const headDim = at.named('v_head_dim', 65_536);
    if (headDim === undefined) throw at.refuse('v_head_dim', 'the config lacks a size', 'absent', 'v_head_dim', 'use the config.json beside the model\'s weights');
    return { query, keyValue: query, headDim };
  }
  const oneKeyValueHead = family.multiQuery === true && at.record['multi_query'] !== false && at.record['new_decoder_architecture'] !== true;
  const keyValue = oneKeyValueHead ? 1 : (size('kvHeads', 65_536) ?? query);
  if (query % keyValue !== 0) throw at.refuse(at.nameOf('kvHeads'), 'the key-value heads do not divide the attention heads', keyValue, `a divisor of ${query}`, 'use the config.json beside the model\'s weights');
  const given = size('headDim', 65_536);
  if (given === undefined && hidden % query !== 0) throw at.refuse('head_dim', 'no head_dim, and the heads do not divide the hidden size', `${hidden} / ${query}`, 'a whole number', 'give head_dim');
  return { query, keyValue, headDim: given ?? hidden / query };
}

function mlpsOf(at: Config, family: Family, n: number, layers: number, need: Need, size: Size, notes: readonly string[]): SubLayer[] {
  const dense = (count: number): SubLayer => {
    const four = family.fourTimesHidden === 'always' ? 4 * n : family.fourTimesHidden === undefined ? undefined : (size('intermediate', MAX_WIDTH) ?? 4 * n);
    return { name: 'down_proj', aliases: namesOf(['fc2'], family.mlp), totalK: four ?? need('intermediate', MAX_WIDTH), n, layers: count, ...weightOf(family.mlp), notes };
  };
  const { experts } = family;
  const count = experts && size('experts', 65_536);
  if (!experts || count === undefined) {
    if (experts?.dense === 'deepseek') return [dense(layers)];
    if (experts) throw at.refuse(FIELD_NAMES.experts[0], 'the config lacks the number of experts', 'absent', FIELD_NAMES.experts.join(' or '), 'use the config.json beside the model\'s weights');
    return [dense(layers)];
  }
  const perToken = need('expertsPerToken', count);
  const totalK = need(experts.width, MAX_WIDTH);
  const denseLayers = denseCount(at, experts.dense, layers);
  const sparse = layers - denseLayers;
  const first = denseLayers > 0 ? [dense(denseLayers)] : [];
  const expertNotes = [...notes, `one of ${count} experts, which see ${perToken} of ${count} of the tokens on average: m is the tokens of one`];
  const aliases = denseLayers > 0 ? namesOf([], experts.weight) : namesOf(['down_proj', 'fc2'], experts.weight);
  const expert: SubLayer = { name: 'expert_down_proj', aliases: aliases.filter((name) => denseLayers === 0 || name !== 'down_proj'), totalK, n, layers: sparse, experts: { count, perToken }, ...weightOf(experts.weight), notes: expertNotes };
  const sharedK = experts.shared && sharedWidth(at, experts.dense, totalK);
  const shared = sharedK ? [{ name: 'shared_expert_down_proj', aliases: ['shared_down_proj'], totalK: sharedK, n, layers: sparse, ...weightOf(experts.shared), notes }] : [];
  return sparse === 0 ? first : [...first, expert, ...shared];
}

/** 0 where there is none. */
function sharedWidth(at: Config, kind: 'none' | 'qwen' | 'deepseek', expertWidth: number): number {
  if (kind === 'qwen') return at.named('shared_expert_intermediate_size', MAX_WIDTH, 0) ?? 0;
  const width = expertWidth * (at.named('n_shared_experts', 1024, 0) ?? 0);
  if (width > MAX_WIDTH) throw at.refuse('n_shared_experts', 'the shared experts are absurdly wide', width, MAX_WIDTH, 'check n_shared_experts and moe_intermediate_size');
  return width;
}

function denseCount(at: Config, kind: 'none' | 'qwen' | 'deepseek', layers: number): number {
  if (kind === 'none') return 0;
  if (kind === 'deepseek') {
    const every = at.named('moe_layer_freq', MAX_LAYERS) ?? 1;
    const first = at.named('first_k_dense_replace', MAX_LAYERS, 0) ?? 0;
    return Array.from({ length: layers }, (_, i) => i < first || i % every !== 0).filter(Boolean).length;
  }
  const every = at.named('decoder_sparse_step', MAX_LAYERS) ?? 1;
  const only: unknown = at.record['mlp_only_layers'] ?? [];
  if (!Array.isArray(only) || only.length > MAX_LAYERS || only.some((layer) => !Number.isSafeInteger(layer))) throw at.refuse('mlp_only_layers', 'not a list of layers', brief(only), '[0, 1, …]', 'use the config.json beside the model\'s weights');
  const named = new Set<unknown>(only);
  return Array.from({ length: layers }, (_, i) => named.has(i) || (i + 1) % every !== 0).filter(Boolean).length;
}

/** Taken for a plain Transformer where it has the usual fields and no experts. */
function unknownFamily(at: Config, type: string): Family {
  const experts = Object.keys(at.record).find((key) => /expert|^moe_/.test(key));
  const complete = (['hidden', 'heads', 'intermediate'] as const).every((field) => at.number(field, MAX_WIDTH) !== undefined);
  if (experts !== undefined || !complete) {
    const why = experts === undefined ? 'and the usual fields (hidden_size, num_attention_heads, intermediate_size) are not all there' : `and it has experts (${experts})`;
    throw at.refuse('model_type', `an unknown model type, ${why}`, brief(type), knownTypes(), 'give the shape: --m --n --k --devices');
  }
  return { types: [] };
}

function knownTypes(): string {
  return FAMILIES.flatMap(({ types }) => types).join(', ');
}

/** With the weight's own name where it says which sub-layer it is: GPT-2 calls both of them c_proj. */
function namesOf(aliases: readonly string[], weight: Weight | undefined): string[] {
  const own = weight?.suffix.split('.').at(-2);
  const clear = own !== undefined && !['c_proj', 'o_proj', 'dense'].includes(own) && !aliases.includes(own);
  return clear && own !== 'down_proj' ? [...aliases, own] : [...aliases];
}

function weightOf(weight: Weight | undefined): { readonly weight?: Weight } {
  return weight ? { weight } : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What was found, never longer than a line. */
function brief(value: unknown): string | number {
  if (typeof value === 'number') return value;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return String(value).slice(0, 100);
}

/** One object of the config, and its place in it. */
class Config {
  readonly record: Record<string, unknown>;
  constructor(
    value: unknown,
    private readonly place: string,
    private readonly file: string | undefined,
  ) {
    if (!isRecord(value)) throw this.refuse('', 'the config is not an object', brief(value), 'the JSON of a config.json', 'use the config.json beside the model\'s weights');
    // Own keys only: a config may well be missing `constructor`.
    this.record = Object.assign(Object.create(null) as Record<string, unknown>, value);
  }
  nameOf(field: Field): string {
    return FIELD_NAMES[field].find((name) => this.record[name] !== undefined && this.record[name] !== null) ?? FIELD_NAMES[field][0];
  }
  isNull(field: Field): boolean {
    return FIELD_NAMES[field].some((name) => this.record[name] === null);
  }
  number(field: Field, limit: number): number | undefined {
    return this.named(this.nameOf(field), limit);
  }
  /** Undefined where absent or null. */
  named(key: string, limit: number, least = 1): number | undefined {
    const value = this.record[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= limit) return value;
    throw this.refuse(key, 'not a size', brief(value), `a whole number from ${least} to ${limit}`, 'use the config.json beside the model\'s weights');
  }
  refuse(key: string, what: string, actual: unknown, limit: unknown, fix: string): TilewireError {
    const jsonPath = [this.place, key].filter(Boolean).join('.') || '$';
    return new TilewireError('BAD_FILE', what, { path: this.file === undefined ? jsonPath : `${this.file}: ${jsonPath}`, actual, limit, fix });
  }
}
