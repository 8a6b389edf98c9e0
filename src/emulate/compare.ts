// Compares, on the GPU and by bits, what the owners hold with a reference of the whole output.
import { Arena, readBack, type Bindable, type Gpu } from '../gpu/gpu.ts';
import { structLayout } from '../gpu/reflect.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { SHADERS } from '../gpu/shaders.ts';
import type { Tiling } from '../plan/tiling.ts';

export interface Verdict {
  /** Elements that the kernel looked at. */
  readonly compared: number;
  readonly wrong: number;
  /** Largest |c − ref|; null when some wrong element is not finite. */
  readonly maxError: number | null;
}

/** @param owned the dense memory of a chunk; @param reference m × n, row-major */
export async function compareChunks(gpu: Gpu, tiling: Pick<Tiling, 'n' | 'chunks'>, owned: (chunk: number) => Bindable, reference: GPUBuffer): Promise<Verdict> {
  const kernel = await gpu.kernel('compare', SHADERS.compare);
  const layout = structLayout(SHADERS.compare, 'Region');
  const arena = new Arena(gpu);
  try {
    const verdict = arena.storage('verdict', 16);
    const encoder = gpu.device.createCommandEncoder({ label: 'compare' });
    const pass = encoder.beginComputePass({ label: 'compare' });
    pass.setPipeline(kernel.pipeline);
    for (const [j, chunk] of tiling.chunks.entries()) {
      if (chunk.elements === 0) continue;
      const record = new RecordBuffer(4);
      record.add(layout, { pitch: tiling.n, row: chunk.row, column: chunk.column, columns: chunk.columns });
      const region = arena.words('region', record.words.subarray(0, layout.size / 4), GPUBufferUsage.UNIFORM);
      pass.setBindGroup(0, gpu.bind(kernel, 0, { region, chunk: owned(j), reference, verdict }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil(chunk.elements / 64)));
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const [compared, wrong, unfinite, largest] = await readBack(gpu, verdict);
    return { compared, wrong, maxError: unfinite > 0 ? null : new Float32Array(Uint32Array.of(largest).buffer)[0] };
  } finally {
    arena.destroy();
  }
}
