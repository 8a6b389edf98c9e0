// The gallery's kernels as a request takes them.
import fs from 'node:fs';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';
import type { SpecRequest } from '../../src/spec/resolve.ts';

const folder = new URL('../gallery/', import.meta.url);

/** @param more laid over its bindings file @param name without extension */
export function galleryKernel(name: string, more: Record<string, unknown> = {}): NonNullable<SpecRequest['foreign']> {
  const source = fs.readFileSync(new URL(`${name}.wgsl`, folder), 'utf8');
  const json = { ...(JSON.parse(fs.readFileSync(new URL(`${name}.json`, folder), 'utf8')) as object), ...more };
  return { name: `${name}.wgsl`, source, ...completeBindings(source, parseBindings(json, name), undefined) };
}
