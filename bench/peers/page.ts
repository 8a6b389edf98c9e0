// The page of the comparison: the product's own page, and beside it `window.tilewirePeers`, by which the driver prepares
// peers, times them and has every result checked. Nothing here throws: what goes wrong is the answer. Every GPU
// device that a peer opens is listened to, and what it complains of is blamed on whoever runs at that time.
import { Page } from '../../src/page/page.ts';
import { largestRange } from '../../src/spec/exactness.ts';
import { fillOperand, MATRIX } from '../../src/spec/operands.ts';
import type { GemmShape } from '../../src/spec/spec.ts';
import { gpujs } from './gpujs.ts';
import { jax } from './jax.ts';
import { onnxRuntime } from './onnxruntime.ts';
import { ours } from './ours.ts';
import type { Operands, Peer, Prepared } from './peer.ts';
import { project, verify, type Projection } from './projection.ts';
import { tfjs } from './tfjs.ts';

/** One timed slice. */
export interface Sample {
  /** Of all of its runs; null where it did not come to an end. */
  readonly ms: number | null;
  /** What went wrong, or what is wrong with the result of the last run. */
  readonly problem: string | null;
}

const complaints: string[] = [];
const page = new Page((progress) => window.tilewireProgress?.(progress));
window.tilewire = page;

// Before any peer opens a device: some keep theirs to themselves.
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function listened(this: GPUAdapter, ...args) {
  const device = await requestDevice.apply(this, args);
  device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  return device;
};

// Libraries put work off: what the clock did not see must not come with the readback.
const work = { dispatches: 0, unsubmitted: false };
for (const method of ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect'] as const) {
  const original = GPUComputePassEncoder.prototype[method] as (...args: unknown[]) => undefined;
  GPUComputePassEncoder.prototype[method] = function counted(this: GPUComputePassEncoder, ...args: unknown[]) {
    work.dispatches++;
    work.unsubmitted = true;
    return original.apply(this, args);
  };
}
const { submit } = GPUQueue.prototype;
GPUQueue.prototype.submit = function counted(this: GPUQueue, ...args) {
  work.unsubmitted = false;
  return submit.apply(this, args);
};

window.addEventListener('error', ({ message }) => complaints.push(message));
window.addEventListener('unhandledrejection', ({ reason }) => complaints.push(describe(reason)));

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0];
function describe(error: unknown): string {
  return message(error) || 'an error without a message';
}

/** What was complained of since the last call. */
function complained(): string | null {
  const [first, ...more] = complaints.splice(0);
  return first === undefined ? null : `${first.split('\n')[0]}${more.length > 0 ? ` (and ${more.length} more)` : ''}`;
}

let wasmPath = '';
const wasm = async (): Promise<ArrayBuffer> => (await fetch(wasmPath)).arrayBuffer();
const peers: readonly Peer[] = [ours(() => page.gpu()), tfjs, onnxRuntime(wasm), jax, gpujs];

let shape: GemmShape = { m: 1, n: 1, k: 1 };
let operands: Operands | null = null;
let projection: Projection | null = null;
const prepared = new Map<string, Prepared>();

const comparison = {
  names: () => peers.map(({ name }) => name),

  /** Where the page's server has the WebAssembly file of ONNX Runtime. */
  setWasm(path: string) {
    wasmPath = path;
  },

  /** Operands of the shape: integers such that every sum is exact; null, or why there are none. */
  operands(wanted: GemmShape): string | null {
    const { m, n, k } = wanted;
    const range = largestRange(k);
    if (range === 0) return `no integer operands are exact over k = ${k}`;
    const a = fillOperand({ seed: 1, device: 0, matrix: MATRIX.a, kind: 'exact', range, rows: m, columns: k }) as Float32Array<ArrayBuffer>;
    const b = fillOperand({ seed: 1, device: 0, matrix: MATRIX.b, kind: 'exact', range, rows: k, columns: n }) as Float32Array<ArrayBuffer>;
    shape = wanted;
    operands = { a, negated: a.map((value) => -value), b };
    projection = project(shape, a, b, range);
    return projection === null ? 'the shape is too large for an exact check' : null;
  },

  /** Takes the operands to the peer's GPU device and compiles what it needs. */
  async prepare(name: string): Promise<{ readonly problem: string | null; readonly detail: string }> {
    try {
      const one = await peers.find((peer) => peer.name === name)!.prepare(shape, operands!);
      prepared.set(name, one);
      return { problem: complained(), detail: one.detail ?? '' };
    } catch (error) {
      return { problem: describe(error), detail: '' };
    }
  },

  /** @param corrupt spoils one element before the check, to see the check fail */
  async sample(name: string, times: number, negated: boolean, corrupt: boolean): Promise<Sample> {
    let ms: number | null = null;
    try {
      const one = prepared.get(name)!;
      const before = work.dispatches;
      ms = await one.run(times, negated);
      const { dispatches, unsubmitted } = work;
      const output = await one.output();
      if (unsubmitted || dispatches - before < times || work.dispatches > dispatches) return { ms: null, problem: 'not all of the work was submitted when the clock stopped' };
      if (corrupt) output[Math.floor(output.length / 2)] += 1;
      return { ms, problem: complained() ?? verify(shape, projection!, output, negated) };
    } catch (error) {
      return { ms, problem: describe(error) };
    }
  },

  async release(name: string): Promise<void> {
    try {
      await prepared.get(name)?.dispose();
    } catch {
      // It has been measured; what it keeps goes with the page.
    }
    prepared.delete(name);
  },
};

declare global {
  interface Window {
    tilewirePeers: typeof comparison;
  }
}

window.tilewire = page;
window.tilewirePeers = comparison;
