// The footprint probe: runs the kernel twice, with different operands, its stores replaced by marks of who
// stored. Proves that every element is stored exactly once, by the same wavefront whatever the data, and never
// outside of the output; the marks are the footprint. What a workgroup writes is found here, never declared.
import { TilewireError } from '../errors.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { Gemm } from './gemm.ts';
import { Arena, readBack, type Bindable } from './gpu.ts';

/**
 * @param operands bound to the kernel's own names; called for each of the two runs, with data that must differ
 * @throws BAD_KERNEL naming the element and the workgroups
 */
export async function probeFootprint(gemm: Gemm, operands: (run: 0 | 1) => Promise<Readonly<Record<string, Bindable>>>): Promise<Footprint> {
  const { gpu, shape: { m, n }, grid, wavefronts } = gemm;
  const elements = m * n;
  const arena = new Arena(gpu);
  try {
    const kernel = await gemm.probing();
    const marks = arena.storage('probe marks', (elements + 1) * 4);
    const after: Uint32Array[] = [];
    for (const run of [0, 1] as const) {
      const inputs = await operands(run);
      const encoder = gpu.device.createCommandEncoder({ label: 'probe' });
      const pass = encoder.beginComputePass({ label: 'probe' });
      pass.setPipeline(kernel.pipeline);
      pass.setBindGroup(0, gpu.bind(kernel, 0, inputs));
      pass.setBindGroup(1, gpu.bind(kernel, 1, { tw_stored: marks }));
      pass.dispatchWorkgroups(...grid);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      after.push(await readBack(gpu, marks));
    }
    gpu.check();
    return footprintOf(after[0], after[1], { m, n, grid, wavefronts });
  } finally {
    arena.destroy();
  }
}

/** A mark is 4 · owner + 1 after one store; twice that after the second run if the same wavefront stored again. */
export function footprintOf(first: Uint32Array, second: Uint32Array, facts: Omit<Footprint, 'owner'>): Footprint {
  const { m, n, wavefronts } = facts;
  const refuse = (at: number, what: string, fix: string): TilewireError =>
    new TilewireError('BAD_KERNEL', `${what}: row ${Math.floor(at / n)}, column ${at % n}, seen at workgroup ${Math.floor((first[at] >>> 2) / wavefronts)}`, { fix });
  if (first[m * n] !== 0 || second[m * n] !== 0) throw new TilewireError('BAD_KERNEL', 'the kernel stores outside of its output', { limit: `${m * n} elements`, fix: 'guard its stores at the edges' });
  const owner = new Uint32Array(m * n);
  for (let at = 0; at < m * n; at++) {
    if (first[at] === 0) throw refuse(at, 'an element is never stored', 'cover the whole output');
    if ((first[at] & 3) !== 1) throw refuse(at, 'an element is stored more than once', 'let one invocation store each element, once');
    if (second[at] >>> 0 !== (first[at] * 2) >>> 0) throw refuse(at, 'who stores an element depends on the data', 'compute indices from ids alone');
    owner[at] = first[at] >>> 2;
  }
  return { ...facts, owner };
}
