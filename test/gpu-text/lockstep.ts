// A CPU interpreter that runs a workgroup's invocations in lockstep and watches every access: no two of them may touch an
// element between barriers unless both read. What it complains of on the console is a failure too.
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { RecordBuffer } from '../../src/gpu/records.ts';
import { structLayout } from '../../src/gpu/reflect.ts';
import { KERNELS } from '../../src/spec/kernels.ts';
import type { GemmShape } from '../../src/spec/spec.ts';

export type Memory = Float32Array | Uint32Array | { readonly uniform: Uint32Array };

/** Runs a kernel and returns what was found; the buffers hold what it wrote. */
export function lockstep(code: string, entry: string, grid: readonly number[], groups: Readonly<Record<number, Readonly<Record<number, Memory>>>>): { races: string[]; errors: string[] } {
  const { races, errors } = detectRaces(code, entry, [...grid], groups);
  return { races: races.map(({ message }) => message), errors };
}

export const CLEAN = { races: [], errors: [] };

/** A copy of the text with one defect: the stretch must be there, once. */
export function broken(source: string, from: string, to: string): string {
  expect(source.split(from), `one ${from}`).toHaveLength(2);
  return source.replace(from, to);
}

/** The interpreter goes on after most of its errors and says so on the console alone. To be called once by each file. */
export function watchConsole(): void {
  beforeEach(() => {
    for (const method of ['error', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {});
  });
  afterEach(() => {
    const lines = [...vi.mocked(console.error).mock.calls, ...vi.mocked(console.warn).mock.calls].map((line) => line.join(' '));
    vi.restoreAllMocks();
    expect(lines).toEqual([]);
  });
}

/** Small integers, none of them 0. */
export function operand(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => [1, -2, 3, -4, 4, -1, 2][(index * 5 + seed) % 7]!);
}

export function product({ m, n, k }: GemmShape, a: Float32Array, b: Float32Array): number[] {
  return Array.from({ length: m * n }, (_, index) => {
    let sum = 0;
    for (let step = 0; step < k; step++) sum += a[Math.floor(index / n) * k + step]! * b[step * n + (index % n)]!;
    return sum;
  });
}

/** The interpreter knows no lanes that exchange values. */
export const INTERPRETED = KERNELS.filter(({ needs }) => !needs.includes('quads')).map(({ name }) => name);

/** Records of a shader's struct, by the layout that its text has. */
export function records(source: string, struct: string, list: readonly Readonly<Record<string, number>>[]): Uint32Array {
  const buffer = new RecordBuffer(4);
  const layout = structLayout(source, struct);
  for (const record of list) buffer.add(layout, record);
  return buffer.words.slice(0, buffer.bytes / 4);
}
