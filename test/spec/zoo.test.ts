import { expect, test } from 'vitest';
import { LAYERS, layerShape, MODELS } from '../../src/spec/zoo.ts';

test('shapes that the papers and their users know', () => {
  expect(layerShape('t-nlg', 'fc2', 8, 256)).toEqual({ name: 't-nlg fc2 TP 8', m: 256, n: 4256, k: 2128, devices: 8, pass: 'forward' });
  expect(layerShape('t-nlg', 'fc2')).toMatchObject({ m: 8192, devices: 8 });
  expect(layerShape('mega-gpt-2', 'op', 16)).toMatchObject({ m: 16384, n: 3072, k: 192 });
  expect(layerShape('gpt-3', 'ip', 32)).toMatchObject({ m: 2048, n: 12288, k: 1152, pass: 'backward' });
  expect(layerShape('palm', 'fc1')).toMatchObject({ m: 2048, n: 18432, k: 2304, devices: 32, pass: 'backward' });
  expect(layerShape('mt-nlg', 'fc2', 32)).toMatchObject({ n: 20480, k: 2560 });
  // The up-projection's N / K, swapped.
  for (const [model, ffn, hidden] of [['llama-7b', 11008, 4096], ['llama-3.1-8b', 14336, 4096], ['llama-70b', 28672, 8192], ['llama-405b', 53248, 16384], ['qwen2-72b', 29568, 8192]] as const) {
    expect(layerShape(model, 'fc2', 4)).toMatchObject({ n: hidden, k: ffn / 4 });
    const op = layerShape(model, 'op', 4);
    expect(op.k * 4).toBe(op.n);
  }
});

test('every model splits evenly at the TP degrees that its source evaluates', () => {
  for (const model of MODELS) {
    for (const layer of LAYERS) {
      if (model.totalK[layer.name] === undefined) continue;
      for (const tp of model.tp) expect(layerShape(model.name, layer.name, tp).k * tp).toBe(model.totalK[layer.name]);
    }
  }
});

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

test('what the zoo does not hold is refused with what it does', () => {
  expect(refusal(() => layerShape('gpt-5', 'fc2'))).toMatch(/unknown model \(at --model, found gpt-5\) \[BAD_FLAG\]\n.*known models: mega-gpt-2, t-nlg, .*qwen2-72b/);
  expect(refusal(() => layerShape('llama-7b', 'ip'))).toMatch(/--layer, found ip.*\n.*known layers of llama-7b: op, fc2$/);
  expect(refusal(() => layerShape('constructor', 'fc2'))).toMatch(/unknown model/);
  expect(refusal(() => layerShape('t-nlg', 'constructor'))).toMatch(/unknown layer/);
});

test('TP that does not divide K is refused with K and those that do', () => {
  // 11008 = 2^8 · 43
  expect(refusal(() => layerShape('llama-7b', 'fc2', 6))).toMatch(/K = 11008 .*--tp, found 6.*\n.*use one of 1, 2, 4, 8, 16, 32, 43, 64$/);
  expect(refusal(() => layerShape('llama-7b', 'fc2', 0))).toMatch(/BAD_FLAG/);
  expect(refusal(() => layerShape('llama-7b', 'fc2', 2.5))).toMatch(/BAD_FLAG/);
  expect(refusal(() => layerShape('llama-7b', 'fc2', 128))).toMatch(/from 1 to 64/);
});
