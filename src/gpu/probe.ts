// The footprint probe: runs the kernel twice, with different operands, its stores replaced by marks of who
// stored. Proves that every element is stored exactly once, by the same wavefront whatever the data, and never
// outside of the output; the marks are the footprint. What a workgroup writes is found here, never declared.
import { TilewireError } from '../errors.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { Gemm } from './gemm.ts';
import { Arena, readBack, type Bindable } from './gpu.ts';

/**
 * The footprint of a kernel at a shape, probed once.
 * @param operands called for each of the two runs, with data that must differ
 * @throws BAD_KERNEL naming the element and the workgroups
 */
export function probeFootprint(gemm: Gemm, operands: (run: 0 | 1) => { readonly a: Bindable; readonly b: Bindable }): Promise<Footprint> {
  const { text, shape: { m, n, k }, wavefront } = gemm;
  const constants = text.constants.map(({ name, words }) => `${name} ${words.join()}`).join();
  return gemm.gpu.remember(`footprint ${m} ${n} ${k} ${wavefront} ${text.grid.join()} ${constants}\n${text.code}`, () => probe(gemm, operands));
}

async function probe(gemm: Gemm, operands: (run: 0 | 1) => { readonly a: Bindable; readonly b: Bindable }): Promise<Footprint> {
  const { gpu, shape: { m, n }, grid, wavefronts } = gemm;
  const elements = m * n;
  const arena = new Arena(gpu);
  try {
    const kernel = await gemm.probing();
    const marks = arena.storage('probe marks', (elements + 1) * 8);
    const after: Uint32Array[] = [];
    for (const run of [0, 1] as const) {
      const inputs = operands(run);
      const encoder = gpu.device.createCommandEncoder({ label: 'probe' });
      const pass = encoder.beginComputePass({ label: 'probe' });
      pass.setPipeline(kernel.pipeline);
      gemm.bind(kernel, inputs, { tw_marks: marks }).forEach((group, index) => pass.setBindGroup(index, group));
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

/** Two words an element, owner and number of stores, after each of the two runs; one more element counts the stores outside. */
export function footprintOf(first: Uint32Array, second: Uint32Array, facts: Omit<Footprint, 'owner'>): Footprint {
  const { m, n, wavefronts } = facts;
  const workgroup = (marks: Uint32Array, at: number): number => Math.floor(marks[2 * at] / wavefronts);
  const refuse = (at: number, what: string, fix: string): TilewireError => new TilewireError('BAD_KERNEL', `${what}: row ${Math.floor(at / n)}, column ${at % n}`, { fix });
  if (second[2 * m * n + 1] !== 0) throw new TilewireError('BAD_KERNEL', 'the kernel stores outside of its output', { actual: `${second[2 * m * n + 1]} stores in two runs`, limit: `${m * n} elements`, fix: 'guard its stores at the edges' });
  const owner = new Uint32Array(m * n);
  for (let at = 0; at < m * n; at++) {
    const times = first[2 * at + 1];
    owner[at] = first[2 * at];
    if (times === 0) throw refuse(at, 'an element is never stored', 'cover the whole output');
    if (times > 1) throw refuse(at, `an element is stored ${times} times (last by workgroup ${workgroup(first, at)})`, 'let one invocation store each element, once');
    if (second[2 * at] !== owner[at] || second[2 * at + 1] !== 2)
      throw refuse(at, `who stores an element depends on the data (workgroup ${workgroup(first, at)}, then ${workgroup(second, at)})`, 'compute indices from ids alone');
  }
  return { ...facts, owner };
}
