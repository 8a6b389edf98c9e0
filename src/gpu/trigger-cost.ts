// What triggers cost on this adapter, by measurement: with the host watching, counters travel to it and bind groups, records and
// commands back; with the GPU watching, a kernel runs every epoch and lists are dispatched indirectly. Each is one
// epoch of the run's own kind of work, in miniature, so that the two numbers can be held against each other.
import type { TriggerCost } from '../spec/default-triggers.ts';
import { Arena, type Gpu, type Kernel } from './gpu.ts';

const NOTHING = `
@group(0) @binding(0) var<storage, read> items: array<u32>;
@group(0) @binding(1) var<storage, read_write> done: array<u32>;
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.x >= items[0]) { return; }
  done[lane] = lane;
}`;

const DISPATCHES = 32;
const ROUNDS = 9;
const COUNTER_BYTES = 4096;

export async function measureTriggerCost(gpu: Gpu): Promise<TriggerCost> {
  const { readback, direct, indirect, look } = await triggerCostSamples(gpu, KINDS, DISPATCHES, ROUNDS);
  // Minima of interleaved rounds: other programs can only add time.
  const least = (samples: readonly number[]): number => Math.min(...samples);
  return { readbackUs: least(readback), directUs: least(direct), indirectUs: least(indirect), lookUs: least(look) };
}

const KINDS = ['direct', 'indirect', 'look', 'readback'] as const;
type Kind = (typeof KINDS)[number];

/** Of each kind, by round, µs: of one readback, and of one dispatch or look out of `dispatches`. */
export async function triggerCostSamples<K extends Kind>(gpu: Gpu, wanted: readonly K[], dispatches: number, rounds: number): Promise<Record<K, number[]>> {
  const arena = new Arena(gpu);
  try {
    const { device } = gpu;
    const kernel = await gpu.kernel('nothing', NOTHING);
    const items = arena.buffer('items', 65_536, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    const done = Array.from({ length: 2 }, (_, at) => arena.storage(`done ${at}`, COUNTER_BYTES));
    const groups = done.map((buffer) => gpu.bind(kernel, 0, { items, done: buffer }));
    const one = arena.words('one workgroup', Uint32Array.of(1, 1, 1), GPUBufferUsage.INDIRECT);
    const seen = arena.buffer('seen', COUNTER_BYTES, GPUBufferUsage.COPY_DST);
    const staging = arena.buffer('staging', COUNTER_BYTES, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
    const words = new Uint32Array(items.size / 4);

    /** Wall time of `dispatches` times what is encoded, µs each. */
    const timed = async (encode: (encoder: GPUCommandEncoder) => void): Promise<number> => {
      await gpu.idle();
      const start = performance.now();
      const encoder = device.createCommandEncoder();
      encode(encoder);
      device.queue.submit([encoder.finish()]);
      await gpu.idle();
      return ((performance.now() - start) * 1000) / dispatches;
    };
    const inPass = (encoder: GPUCommandEncoder, each: (pass: GPUComputePassEncoder, at: number) => void, { pipeline }: Kernel = kernel): void => {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      for (let at = 0; at < dispatches; at++) each(pass, at);
      pass.end();
    };
    const kinds = {
      direct: () => {
        device.queue.writeBuffer(items, 0, words);
        return timed((encoder) =>
          inPass(encoder, (pass, at) => {
            pass.setBindGroup(0, gpu.bind(kernel, 0, { items, done: done[at % 2] }));
            pass.dispatchWorkgroups(1);
          }),
        );
      },
      indirect: () =>
        timed((encoder) =>
          inPass(encoder, (pass, at) => {
            pass.setBindGroup(0, groups[at % 2]);
            pass.dispatchWorkgroupsIndirect(one, 0);
          }),
        ),
      look: () =>
        timed((encoder) => {
          for (let at = 0; at < dispatches; at++) {
            encoder.copyBufferToBuffer(done[at % 2], 0, seen, 0, COUNTER_BYTES);
            const pass = encoder.beginComputePass();
            pass.setPipeline(kernel.pipeline);
            pass.setBindGroup(0, groups[at % 2]);
            pass.dispatchWorkgroups(1);
            pass.end();
          }
        }),
      readback: async () => {
        await gpu.idle();
        const start = performance.now();
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(done[0], 0, staging, 0, COUNTER_BYTES);
        device.queue.submit([encoder.finish()]);
        await gpu.wait(staging.mapAsync(GPUMapMode.READ));
        staging.unmap();
        return (performance.now() - start) * 1000;
      },
    };
    const samples = Object.fromEntries(wanted.map((kind) => [kind, []])) as unknown as Record<K, number[]>;
    for (let round = 0; round < rounds; round++) for (const kind of wanted) samples[kind].push(await kinds[kind]());
    return samples;
  } finally {
    arena.destroy();
  }
}
