// The local GPU: one adapter, one device, and what is made on it. Every limit is checked with its number before
// the driver complains, every object has a label, every wait ends when the device is lost. Nothing is global:
// buffers belong to an Arena that a run destroys whole; only compiled kernels outlive it, cached by their text.
import { bug, TilewireError } from '../errors.ts';
import { bindGroupLayoutEntries, reflectKernel, type KernelFacts } from './reflect.ts';

export interface Kernel {
  readonly label: string;
  readonly facts: KernelFacts;
  readonly pipeline: GPUComputePipeline;
  readonly layouts: readonly GPUBindGroupLayout[];
}

/** Bytes of a buffer. */
export interface Range {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Names of adapters that are a CPU's; host/browser.ts asks the same of those that it tries. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

/** Whether a processor plays the GPU. */
export function isSoftware({ adapter }: Pick<Gpu, 'adapter'>): boolean {
  const { info } = adapter;
  // A device keeps the fallback flag on its adapter's info; older browsers have it on the adapter. Mesa's software drivers do not say that they are a fallback.
  return info.isFallbackAdapter || (adapter as unknown as { isFallbackAdapter?: boolean }).isFallbackAdapter === true || SOFTWARE.test(`${info.architecture} ${info.description}`);
}

/** What may be bound. */
export type Bindable = GPUBuffer | Range;

/** Matrices that the lanes of a subgroup hold together. */
export const MATRICES = 'chromium-experimental-subgroup-matrix';

/** By what a kernel enables; the last is an experiment of Chromium's, off unless a kernel asks for it. */
const FEATURE_OF: Readonly<Record<string, GPUFeatureName | undefined>> = { f16: 'shader-f16', subgroups: 'subgroups' as GPUFeatureName, chromium_experimental_subgroup_matrix: MATRICES as GPUFeatureName };

export class Gpu {
  readonly #kernels = new Map<string, Promise<Kernel>>();
  readonly #remembered = new Map<string, Promise<unknown>>();
  readonly #lost: Promise<never>;
  readonly #errors: string[] = [];

  private constructor(
    readonly adapter: GPUAdapter,
    readonly device: GPUDevice,
  ) {
    this.#lost = device.lost.then(({ reason, message }) => {
      throw new TilewireError('DEVICE_LOST', `the GPU device was lost: ${message || reason}`, { fix: 'a long shader or too little memory are the usual causes: try fewer tokens, or a smaller --stage-tiles' });
    });
    this.#lost.catch(() => {});
    device.addEventListener('uncapturederror', ({ error }) => this.#errors.push(error.message));
  }

  /**
   * Asks for the adapter and a device with all that it offers; without timestamps where `timestamps` is false.
   * @throws NO_ADAPTER, ADAPTER_HUNG when the request does not settle within `timeoutMs`
   */
  static async open(gpu: GPU | undefined, { timeoutMs = 20_000, timestamps = true } = {}): Promise<Gpu> {
    if (gpu === undefined) throw new TilewireError('NO_ADAPTER', 'this browser has no WebGPU', { fix: 'use Chrome or Chromium 113 or later; `tilewire doctor` tells what was tried' });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const hung = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new TilewireError('ADAPTER_HUNG', 'requestAdapter did not settle', { limit: `${timeoutMs} ms`, fix: 'the flags do not suit this machine; `tilewire doctor` tells what was tried' })), timeoutMs);
    });
    try {
      const adapter = await Promise.race([gpu.requestAdapter({ powerPreference: 'high-performance' }), hung]);
      if (adapter === null) throw new TilewireError('NO_ADAPTER', 'the browser offers no WebGPU adapter', { fix: '`tilewire doctor` tells what was tried and what to install' });
      const { limits } = adapter;
      const requiredLimits: Record<string, number> = {};
      for (const name of ['maxStorageBuffersPerShaderStage', 'maxStorageBufferBindingSize', 'maxBufferSize', 'maxComputeWorkgroupStorageSize', 'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupSizeY', 'maxComputeWorkgroupSizeZ', 'maxComputeWorkgroupsPerDimension'] as const)
        requiredLimits[name] = limits[name];
      const requiredFeatures = (['timestamp-query', 'subgroups', 'shader-f16', MATRICES] as GPUFeatureName[]).filter((feature) => adapter.features.has(feature) && (timestamps || feature !== 'timestamp-query'));
      const device = await Promise.race([adapter.requestDevice({ label: 'tilewire', requiredLimits, requiredFeatures }), hung]);
      return new Gpu(adapter, device);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Bytes in the arenas of this GPU, now and at most so far. */
  readonly memory = { now: 0, peak: 0 };

  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  get hasTimestamps(): boolean {
    return this.device.features.has('timestamp-query');
  }

  /** Waits for the promise, or for the loss of the device. */
  wait<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#lost]);
  }

  idle(): Promise<undefined> {
    return this.wait(this.device.queue.onSubmittedWorkDone());
  }

  /** @throws GPU_ERROR when anything was refused since the last call */
  check(): void {
    if (this.#errors.length === 0) return;
    const lines = this.#errors.splice(0);
    throw new TilewireError('GPU_ERROR', 'the GPU refused a command', { lines, fix: 'please report this with the output of `tilewire doctor`' });
  }

  /** What is true of a kernel's text on this adapter, found once per key: footprints. Failures are found anew. */
  remember<T>(key: string, find: () => Promise<T>): Promise<T> {
    let found = this.#remembered.get(key) as Promise<T> | undefined;
    if (found === undefined) {
      found = find();
      this.#remembered.set(key, found);
      found.catch(() => this.#remembered.delete(key));
    }
    return found;
  }

  /**
   * Compiles a kernel (once per text).
   * @throws BAD_KERNEL with the browser's message at its line, NO_FEATURE
   */
  kernel(label: string, code: string, entry = 'main'): Promise<Kernel> {
    const key = `${entry}\n${code}`;
    let kernel = this.#kernels.get(key);
    if (kernel === undefined) {
      kernel = this.wait(this.#compile(label, code, entry));
      this.#kernels.set(key, kernel);
      kernel.catch(() => this.#kernels.delete(key));
    }
    return kernel;
  }

  async #compile(label: string, code: string, entry: string): Promise<Kernel> {
    const { device } = this;
    for (const [, names] of code.matchAll(/^\s*enable\s+([\w\s,]+);/gm))
      for (const name of names.split(',').map((each) => each.trim())) {
        const feature = FEATURE_OF[name];
        if (feature !== undefined && !device.features.has(feature)) throw new TilewireError('NO_FEATURE', `${label}: this adapter does not offer what the kernel enables`, { path: `enable ${name}`, actual: `no ${feature}`, fix: '`tilewire doctor` lists what it offers; use a GPU that has it, or a kernel that does without' });
      }
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label, code });
    const { messages } = await module.getCompilationInfo();
    const broken = messages.find(({ type }) => type === 'error');
    if (broken !== undefined) {
      await device.popErrorScope();
      throw new TilewireError('BAD_KERNEL', `${label}: ${broken.message}`, { path: `line ${broken.lineNum}`, actual: code.split('\n')[broken.lineNum - 1]?.trim() });
    }
    const facts = reflectKernel(code, entry);
    const groups = Math.max(-1, ...facts.bindings.map(({ group }) => group)) + 1;
    const layouts = Array.from({ length: groups }, (_, group) => device.createBindGroupLayout({ label: `${label} group ${group}`, entries: bindGroupLayoutEntries(facts, group) }));
    try {
      const pipeline = await device.createComputePipelineAsync({ label, layout: device.createPipelineLayout({ label, bindGroupLayouts: layouts }), compute: { module, entryPoint: entry } });
      return { label, facts, pipeline, layouts };
    } catch (error) {
      throw new TilewireError('BAD_KERNEL', `${label}: ${error instanceof Error ? error.message : String(error)}`, { path: entry });
    } finally {
      const refused = await device.popErrorScope();
      if (refused !== null) this.#errors.push(refused.message);
    }
  }

  /** Binds buffers to the names that the kernel gives them in its group. */
  bind({ label, facts, layouts }: Kernel, group: number, buffers: Readonly<Record<string, Bindable>>): GPUBindGroup {
    const entries = facts.bindings
      .filter((binding) => binding.group === group)
      .map(({ binding, name }) => {
        const buffer = buffers[name];
        if (buffer === undefined) throw bug(`nothing bound to ${name} of ${label}`);
        return { binding, resource: 'buffer' in buffer ? buffer : { buffer } };
      });
    return this.device.createBindGroup({ label, layout: layouts[group], entries });
  }
}

/** Buffers that live and die together. */
export class Arena {
  readonly #buffers = new Set<GPUBuffer>();

  constructor(readonly gpu: Gpu) {}

  /** @throws MEMORY_LIMIT when the adapter cannot hold or bind a buffer of this size */
  buffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.limits;
    const limit = (usage & GPUBufferUsage.STORAGE) === 0 ? maxBufferSize : Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    if (size > limit)
      throw new TilewireError('MEMORY_LIMIT', `${label} does not fit into one buffer of this adapter`, { actual: `${size} bytes`, limit: `${limit} bytes`, fix: 'use fewer --tokens, a higher --tp, or a larger GPU' });
    const buffer = this.gpu.device.createBuffer({ label, size, usage });
    this.#buffers.add(buffer);
    const { memory } = this.gpu;
    memory.now += size;
    memory.peak = Math.max(memory.peak, memory.now);
    return buffer;
  }

  storage(label: string, bytes: number): GPUBuffer {
    return this.buffer(label, bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
  }

  /** A storage or uniform buffer that holds the words. */
  words(label: string, words: Uint32Array, usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE): GPUBuffer {
    const buffer = this.buffer(label, words.byteLength, usage | GPUBufferUsage.COPY_DST);
    if (words.byteLength > 0) this.gpu.device.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
    return buffer;
  }

  /** Gives buffers back before the rest. */
  release(buffers: Iterable<GPUBuffer>): void {
    for (const buffer of buffers) {
      if (!this.#buffers.delete(buffer)) continue;
      buffer.destroy();
      this.gpu.memory.now -= buffer.size;
    }
  }

  destroy(): void {
    this.release([...this.#buffers]);
  }
}

/** Copies a buffer (or its first `bytes`) to the host. */
export async function readBack(gpu: Gpu, source: GPUBuffer, bytes = source.size, offset = 0): Promise<Uint32Array<ArrayBuffer>> {
  const staging = gpu.device.createBuffer({ label: `readback of ${source.label}`, size: Math.max(4, bytes), usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  try {
    const encoder = gpu.device.createCommandEncoder({ label: staging.label });
    if (bytes > 0) encoder.copyBufferToBuffer(source, offset, staging, 0, bytes);
    gpu.device.queue.submit([encoder.finish()]);
    await gpu.wait(staging.mapAsync(GPUMapMode.READ));
    return new Uint32Array(staging.getMappedRange().slice(0, bytes));
  } finally {
    staging.destroy();
  }
}
