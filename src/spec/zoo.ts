// The model zoo: GEMM shapes of tensor-parallel Transformer sub-layers whose output is reduced over devices.
// K is split over `tp` devices; m = tokens, n = hidden size. Data only, each row with its source. `fc1` and
// `ip` are the BACKWARD GEMMs, as in T3 (their gradient with respect to the input is what gets reduced);
// `op` and `fc2` are forward.
import { TilewireError } from '../errors.ts';
import { EMULATED } from './scope.ts';

export type LayerName = 'op' | 'fc2' | 'fc1' | 'ip';

export interface Layer {
  readonly name: LayerName;
  readonly pass: 'forward' | 'backward';
  readonly what: string;
}

/** The sub-layers of T3 (ASPLOS 2024, its Table 2 and §4) whose output is all-reduced. */
export const LAYERS: readonly Layer[] = [
  { name: 'op', pass: 'forward', what: 'attention output projection, K = H / TP' },
  { name: 'fc2', pass: 'forward', what: 'second feed-forward GEMM, K = FFN / TP' },
  { name: 'fc1', pass: 'backward', what: 'input gradient of the first feed-forward GEMM, K = FFN / TP' },
  { name: 'ip', pass: 'backward', what: 'input gradient of the QKV projection, K = 3H / TP' },
];

export interface Model {
  readonly name: string;
  /** H: columns of the output. */
  readonly hidden: number;
  /** K of each layer over all devices. */
  readonly totalK: Readonly<Partial<Record<LayerName, number>>>;
  /** Default m. */
  readonly tokens: number;
  /** TP degrees that the source evaluates; the first is the default. */
  readonly tp: readonly number[];
  readonly source: string;
}

const T3 = 'T3, ASPLOS 2024 (arXiv 2401.16677), Table 2';

/** T3's models: FFN = 4H, and QKV is one GEMM of 3H columns. */
function t3Model(name: string, hidden: number, tokens: number, tp: readonly number[]): Model {
  return { name, hidden, tokens, tp, totalK: { op: hidden, fc2: 4 * hidden, fc1: 4 * hidden, ip: 3 * hidden }, source: T3 };
}

/**
 * Gated (SwiGLU) models, by their published configurations. The familiar shape is the up-projection's N / K = FFN / hidden;
 * fc2 is the down-projection, hence K = FFN and n = hidden. No fc1 and ip: gate and up are two GEMMs, and grouped
 * queries make QKV narrower than 3H.
 */
function gatedModel(name: string, hidden: number, ffn: number, source: string): Model {
  return { name, hidden, tokens: 2048, tp: [8], totalK: { op: hidden, fc2: ffn }, source };
}

/** Tokens = sequence length × batch for T3's rows; 2048 for the others, whose users go from 512 to 16384. */
export const MODELS: readonly Model[] = [
  t3Model('mega-gpt-2', 3072, 16384, [8, 16]),
  t3Model('t-nlg', 4256, 8192, [8, 16]),
  t3Model('gpt-3', 12288, 2048, [32]),
  t3Model('palm', 18432, 2048, [32]),
  t3Model('mt-nlg', 20480, 2048, [32]),
  gatedModel('llama-7b', 4096, 11008, 'LLaMA, arXiv 2302.13971'),
  gatedModel('llama-3.1-8b', 4096, 14336, 'The Llama 3 Herd of Models, arXiv 2407.21783, Table 3'),
  gatedModel('llama-70b', 8192, 28672, 'The Llama 3 Herd of Models, arXiv 2407.21783, Table 3'),
  gatedModel('llama-405b', 16384, 53248, 'The Llama 3 Herd of Models, arXiv 2407.21783, Table 3'),
  gatedModel('qwen2-72b', 8192, 29568, 'Qwen2 Technical Report, arXiv 2407.10671, Table 1'),
];

export interface LayerShape {
  /** E.g. `t-nlg fc2 TP 8`. */
  readonly name: string;
  readonly m: number;
  readonly n: number;
  /** Per device. */
  readonly k: number;
  readonly devices: number;
  readonly pass: Layer['pass'];
}

/** Shape of one sub-layer; `tp` and `tokens` default to the model's own. BAD_FLAG for what the zoo does not hold. */
export function layerShape(modelName: string, layerName: string, tp?: number, tokens?: number, scope = EMULATED): LayerShape {
  const model = MODELS.find(({ name }) => name === modelName);
  if (!model) {
    throw new TilewireError('BAD_FLAG', 'unknown model', { path: '--model', actual: modelName, fix: `known models: ${MODELS.map(({ name }) => name).join(', ')}` });
  }
  const layer = LAYERS.find(({ name }) => name === layerName);
  const totalK = layer && model.totalK[layer.name];
  if (!layer || totalK === undefined) {
    throw new TilewireError('BAD_FLAG', `unknown layer of ${modelName}`, {
      path: '--layer',
      actual: layerName,
      fix: `known layers of ${modelName}: ${Object.keys(model.totalK).join(', ')}`,
    });
  }
  const devices = tp ?? model.tp[0]!;
  return { name: `${modelName} ${layerName} TP ${devices}`, m: tokens ?? model.tokens, n: model.hidden, k: perDevice(totalK, devices, '--tp', scope.devices), devices, pass: layer.pass };
}

/** K / devices; BAD_FLAG at `path`, naming the numbers that would divide, where it is not whole. */
function perDevice(totalK: number, devices: number, path: string, most: number): number {
  if (Number.isInteger(devices) && devices >= 1 && devices <= most && totalK % devices === 0) return totalK / devices;
  const dividing = Array.from({ length: most }, (_, i) => i + 1).filter((d) => totalK % d === 0);
  throw new TilewireError('BAD_FLAG', `K = ${totalK} cannot be split evenly over the devices`, {
    path,
    actual: devices,
    limit: `a divisor of K = ${totalK} from 1 to ${most}`,
    fix: `use one of ${dividing.join(', ')}`,
  });
}
