// What the adapter is, in words and by measurement: is it a software fallback, do independent dispatches overlap
// on it at all, and how fine are its timestamps.
import type { AdapterTraits } from '../spec/spec.ts';
import type { Environment } from '../verify/run-report.ts';
import { Arena, isSoftware, MATRICES, readBack, type Gpu, type Kernel } from './gpu.ts';
import { SHADERS } from './shaders.ts';
import { specialise } from './specialise.ts';
import { PassTimer } from './timestamps.ts';
import { measureTriggerCost } from './trigger-cost.ts';

export interface AdapterFacts {
  readonly environment: Omit<Environment, 'browser' | 'backend'>;
  readonly traits: AdapterTraits;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** One invocation that keeps a core busy for ROUNDS dependent steps and writes where the next kernel does not. */
const SPIN = `
override ROUNDS: u32 = 1u;
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main() {
  var x = out[0];
  for (var i = 0u; i < ROUNDS; i++) { x = x * 1664525u + 1013904223u; }
  out[0] = x;
}`;

export async function adapterFacts(gpu: Gpu): Promise<AdapterFacts> {
  const { info, features, limits } = gpu.adapter;
  const traits = await traitsOf(gpu);
  const { isFallback } = traits;
  return {
    environment: {
      adapter: { vendor: info.vendor, architecture: info.architecture, description: info.description, isFallback, isSerial: await measureSerial(gpu) },
      timerResolutionNs: await measureResolution(gpu),
    },
    traits,
    features: [...features].toSorted(),
    limits: Object.fromEntries(limitNames(limits).map((name) => [name, limits[name] as number])),
  };
}

/** Asked once per GPU. */
export function traitsOf(gpu: Gpu): Promise<AdapterTraits> {
  return gpu.remember('traits', async () => {
    return { isFallback: isSoftware(gpu), quads: await hasQuads(gpu), f16: gpu.device.features.has('shader-f16'), matrices: await hasMatrices(gpu), triggerCost: await measureTriggerCost(gpu) };
  });
}

/** Whether quadSwapX, Y and Diagonal exchange values with local indices that differ in bit 0, bit 1 and both: WGSL leaves open which lanes a quad is. */
async function hasQuads(gpu: Gpu): Promise<boolean> {
  if (!gpu.device.features.has('subgroups' as GPUFeatureName)) return false;
  const arena = new Arena(gpu);
  try {
    for (const lanes of [4, 16, 64, 256]) {
      const groups = 3;
      const kernel = await gpu.kernel(`quads of ${lanes}`, specialise(SHADERS.quads, { LANES: lanes }).code);
      const out = arena.storage(`quads of ${lanes}`, groups * lanes * 4);
      dispatchOnce(gpu, kernel, { partners: out }, groups);
      const partners = await readBack(gpu, out);
      if (partners.some((found, at) => found !== partnersOf(at % lanes))) return false;
    }
    return true;
  } finally {
    arena.destroy();
  }
}

/** In each lane the sum of the local indices of its subgroup. */
const SUBGROUPS = `
enable subgroups;
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(128)
fn main(@builtin(local_invocation_index) lane: u32) { out[lane] = subgroupAdd(lane); }`;

/** Of Chromium's GPUAdapterInfo, experimental. */
interface MatrixInfo {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: readonly { readonly M: number; readonly N: number; readonly K: number; readonly componentType: string; readonly resultComponentType: string }[];
}

/** Whether shaders/gemm-matrix.wgsl runs: 16 × 16 matrices of f16 with sums of f32, in subgroups of 32 consecutive local indices. */
async function hasMatrices(gpu: Gpu): Promise<boolean> {
  const { features } = gpu.device;
  if (![MATRICES, 'subgroups', 'shader-f16'].every((feature) => features.has(feature))) return false;
  const { subgroupMinSize, subgroupMaxSize, subgroupMatrixConfigs = [] } = gpu.adapter.info as MatrixInfo;
  const isKnown = subgroupMatrixConfigs.some(({ M, N, K, componentType, resultComponentType }) => M === 16 && N === 16 && K === 16 && componentType === 'f16' && resultComponentType === 'f32');
  if (!isKnown || subgroupMinSize !== 32 || subgroupMaxSize !== 32) return false;
  const arena = new Arena(gpu);
  try {
    const kernel = await gpu.kernel('subgroups', SUBGROUPS);
    const out = arena.storage('subgroups', 128 * 4);
    dispatchOnce(gpu, kernel, { out }, 1);
    return (await readBack(gpu, out)).every((sum, lane) => sum === 32 * (lane - (lane % 32)) + 496);
  } finally {
    arena.destroy();
  }
}

function dispatchOnce(gpu: Gpu, kernel: Kernel, bindings: Record<string, GPUBuffer>, groups: number): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(kernel.pipeline);
  pass.setBindGroup(0, gpu.bind(kernel, 0, bindings));
  pass.dispatchWorkgroups(groups);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

/** As shaders/quads.wgsl packs them. */
const partnersOf = (lane: number): number => (((lane ^ 1) << 20) | ((lane ^ 2) << 10) | (lane ^ 3)) >>> 0;

function limitNames(limits: GPUSupportedLimits): (keyof GPUSupportedLimits)[] {
  const names: string[] = [];
  for (const name in limits) if (typeof limits[name as keyof GPUSupportedLimits] === 'number') names.push(name);
  return names.toSorted() as (keyof GPUSupportedLimits)[];
}

const greatestCommonDivisor = (one: number, other: number): number => (other === 0 ? one : greatestCommonDivisor(other, one % other));

/** Whether two one-invocation dispatches on separate buffers take as long as one after the other. */
async function measureSerial(gpu: Gpu): Promise<boolean> {
  const arena = new Arena(gpu);
  try {
    const buffers = [arena.storage('spin 0', 4), arena.storage('spin 1', 4)];
    const timeOf = async (rounds: number, dispatches: number): Promise<number> => {
      const kernel = await gpu.kernel('spin', SPIN.replace('override ROUNDS: u32 = 1u', `const ROUNDS = ${rounds}u`));
      const groups = buffers.map((out) => gpu.bind(kernel, 0, { out }));
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(kernel.pipeline);
      for (let at = 0; at < dispatches; at++) {
        pass.setBindGroup(0, groups[at]);
        pass.dispatchWorkgroups(1);
      }
      pass.end();
      const start = performance.now();
      gpu.device.queue.submit([encoder.finish()]);
      await gpu.idle();
      return performance.now() - start;
    };
    // Long enough that the steps in which a browser delivers completions do not matter.
    let rounds = 1 << 20;
    while (rounds < 1 << 28 && (await timeOf(rounds, 1)) < 25) rounds *= 2;
    // Minima of interleaved samples: other programs can only add time.
    let one = Infinity;
    let two = Infinity;
    for (let sample = 0; sample < 5; sample++) {
      one = Math.min(one, await timeOf(rounds, 1));
      two = Math.min(two, await timeOf(rounds, 2));
    }
    return two / one > 1.5;
  } finally {
    arena.destroy();
  }
}

/** Largest step of which all differences between the timestamps of many short passes are multiples, ns; null without the feature. */
async function measureResolution(gpu: Gpu): Promise<number | null> {
  if (!gpu.hasTimestamps) return null;
  const arena = new Arena(gpu);
  const passes = 64;
  const timer = new PassTimer(gpu, arena, 'resolution', passes);
  try {
    const destination = arena.buffer('resolution', timer.bytes, GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    const encoder = gpu.device.createCommandEncoder();
    for (let at = 0; at < passes; at++) timer.pass(encoder, 'empty').end();
    timer.resolve(encoder, destination, 0);
    gpu.device.queue.submit([encoder.finish()]);
    const bytes = (await readBack(gpu, destination)).buffer;
    const times = timer.read(bytes, 0, passes).flatMap((interval) => (interval === null ? [] : [interval.start, interval.end])).toSorted((one, other) => one - other);
    const steps = times.slice(1).map((time, at) => time - times[at]).filter((step) => step > 0);
    return steps.length === 0 ? null : steps.reduce((one, other) => greatestCommonDivisor(one, other));
  } finally {
    timer.destroy();
    arena.destroy();
  }
}
