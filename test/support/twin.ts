// Kernels that no adapter at hand can run, as foreign ones that every adapter can: the same text with f32 in the place of
// f16, and with its own arithmetic in the place of a subgroup's. Small integers are the same in both.
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import { NO_EPILOGUE, type KernelBindings } from '../../src/spec/kernel-bindings.ts';
import { kernelNamed } from '../../src/spec/kernels.ts';
import type { GemmShape, KernelChoice, Tile } from '../../src/spec/spec.ts';

/** The text, constants not yet baked in. */
export function twinSource(name: string): string {
  const text = KERNEL_SOURCES[name].replace(/^enable f16;$/m, '').replace(/\bf16\b/g, 'f32').replace(/\b0h\b/g, '0f');
  if (text === KERNEL_SOURCES[name]) throw new Error(`${name} holds no f16`);
  return text;
}

export function twinConstants(name: string, shape: GemmShape, tile: Tile, splits = 1): Record<string, number> {
  const constants = kernelNamed(name)!.constantsFor(shape, tile, splits);
  return 'EMULATED' in constants ? { ...constants, EMULATED: 1 } : constants;
}

export function twinOf({ name, tile, splits }: Extract<KernelChoice, { kind: 'built-in' }>, shape: GemmShape): KernelChoice {
  const grid = kernelNamed(name)!.grid(shape, tile, splits);
  const bindings: KernelBindings = { a: 'a', b: 'b', output: 'c', layout: 'nn', halves: [], uniforms: {}, overrides: twinConstants(name, shape, tile, splits), grid, requires: null, splits: splits > 1 ? { axis: 'z', count: splits } : null, batch: 1, ldc: 'n', epilogue: NO_EPILOGUE };
  return { kind: 'foreign', name: `${name} in f32`, hash: '', entry: 'main', source: twinSource(name), bindings };
}
