// The footprint probe: runs the kernel twice, with different operands, its stores replaced by marks of who
// stored. Shows that every element is stored exactly once, by the same wavefront whatever the data, and never
// outside of the output; the marks are the footprint. What the probe cannot see, a run does: its counters would not add up. What a workgroup writes is found here, never declared.
import { TilewireError } from '../errors.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { Gemm, GemmInputs } from './gemm.ts';
import { Arena, readBack } from './gpu.ts';

/**
 * The footprint of a kernel at a shape, probed once.
 * @param operands called for each of the two runs, with data that must differ
 * @throws BAD_KERNEL naming the element and the workgroups
 */
export function probeFootprint(gemm: Gemm, operands: (run: 0 | 1) => GemmInputs): Promise<Footprint> {
  return gemm.gpu.remember(`footprint ${gemm.wavefront} ${identityOf(gemm)}`, () => probe(gemm, operands));
}

/** A kernel and all that it is told, at its shape. */
export function identityOf({ text, shape: { m, n, k } }: Gemm): string {
  const { entry, a, b, output, layout, halves, batch, pitch, grid, splits, epilogue, constants, code } = text;
  return JSON.stringify([m, n, k, entry, a, b, output, layout, halves, batch, pitch, grid, splits, epilogue, constants.map(({ name, words }) => [name, [...words]]), code]);
}

/**
 * The same, whatever was probed before. First the cheap way: all workgroups at a small k with one set of data, then a sample of
 * them at the kernel's own k with the other. What does not agree, or is wrong, is looked at again at the full k with both.
 */
export async function probe(gemm: Gemm, operands: (run: 0 | 1) => GemmInputs): Promise<Footprint> {
  const { gpu, shape: { m, n }, text: { batch, splits: { count: splits } }, grid, wavefronts } = gemm;
  const workgroups = grid[0] * grid[1] * grid[2];
  const arena = new Arena(gpu);
  try {
    const kernel = await gemm.probing();
    const marks = arena.storage('probe marks', (splits * batch * m * n + 1) * 8);
    const samples = { all: [0, 0], some: [workgroups - 1, SAMPLED] } as const;
    const sampleOf = { all: arena.words('all workgroups', Uint32Array.from(samples.all), GPUBufferUsage.UNIFORM), some: arena.words('some workgroups', Uint32Array.from(samples.some), GPUBufferUsage.UNIFORM) };
    const run = async (of: Gemm, data: 0 | 1, sample: 'all' | 'some'): Promise<Uint32Array> => {
      const inputs = operands(data);
      const encoder = gpu.device.createCommandEncoder({ label: 'probe' });
      const pass = encoder.beginComputePass({ label: 'probe' });
      pass.setPipeline(kernel.pipeline);
      of.bind(kernel, inputs, { tw_marks: marks, tw_sample: sampleOf[sample] }).forEach((group, index) => pass.setBindGroup(index, group));
      if (sample === 'all') pass.dispatchWorkgroups(...grid);
      else pass.dispatchWorkgroups(Math.ceil(workgroups / SAMPLED));
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      return readBack(gpu, marks);
    };
    const facts = { m: batch * m, n, batch, grid, wavefronts };
    const quick = async (): Promise<Footprint | null> => {
      if (workgroups > SAMPLED * MOST_GROUPS) return null;
      const first = await run(gemm.shallow(arena) ?? gemm, 0, 'all');
      try {
        return footprintOf(first, await run(gemm, 1, 'some'), facts, splits, (workgroup) => (workgroups - 1 - workgroup) % SAMPLED === 0);
      } catch (error) {
        if (error instanceof TilewireError && error.code === 'BAD_KERNEL') return null;
        throw error;
      }
    };
    const whole = async (): Promise<Footprint> => {
      const encoder = gpu.device.createCommandEncoder({ label: 'probe' });
      encoder.clearBuffer(marks);
      gpu.device.queue.submit([encoder.finish()]);
      const first = await run(gemm, 0, 'all');
      return footprintOf(first, await run(gemm, 1, 'all'), facts, splits);
    };
    const footprint = (await quick()) ?? (await whole());
    gpu.check();
    return footprint;
  } finally {
    arena.destroy();
  }
}

/** One in so many workgroups is tried with the second set of data, the last one among them. */
const SAMPLED = 16;
/** Of a dispatch in one dimension. */
const MOST_GROUPS = 65_535;

/**
 * Two words an element and split, owner and number of stores, after each of the two runs; one more entry counts the stores
 * outside: those that a workspace of a matrix per split would take, and all.
 * @param ranTwice the workgroups that took part in the second run
 */
export function footprintOf(first: Uint32Array, second: Uint32Array, facts: Omit<Footprint, 'owner' | 'twins'>, splits = 1, ranTwice: (workgroup: number) => boolean = () => true): Footprint {
  const { m, n, wavefronts } = facts;
  const workgroup = (marks: Uint32Array, at: number): number => Math.floor(marks[2 * at] / wavefronts);
  const place = (at: number): string => `row ${Math.floor((at % (m * n)) / n)}, column ${at % n}${splits > 1 ? `, split ${Math.floor(at / (m * n))}` : ''}`;
  const refuse = (at: number, what: string, fix: string): TilewireError => new TilewireError('BAD_KERNEL', `${what}: ${place(at)}`, { fix });
  const [inWorkspace, outside] = second.subarray(2 * splits * m * n);
  if (outside !== 0 && outside === inWorkspace && splits > 1)
    throw new TilewireError('BAD_KERNEL', 'each split of the kernel stores to a matrix of its own, a workspace that another kernel must sum', { actual: `${splits} × ${m} × ${n} elements`, limit: `${m} × ${n}`, fix: 'let every split store to the same C: what is launched split by split needs no workspace, the memory adds' });
  if (outside !== 0) throw new TilewireError('BAD_KERNEL', 'the kernel stores outside of its output', { actual: `${outside} stores in two runs`, limit: `${m} × ${n} elements`, fix: 'guard its stores at the edges, and of rows that lie apart ("ldc") store the first n elements only' });
  const owner = new Uint32Array(splits * m * n);
  for (let at = 0; at < owner.length; at++) {
    const times = first[2 * at + 1];
    owner[at] = first[2 * at];
    if (times === 0) throw refuse(at, 'an element is never stored', 'cover the whole output');
    if (times > 1)
      throw refuse(at, `an element is stored ${times} times (last by workgroup ${workgroup(first, at)})`, `let one invocation store each element, once${facts.grid.includes(times) ? `; if the kernel is split-K, say so in its bindings file: "splits": { "axis": "${'xyz'[facts.grid.lastIndexOf(times)]}", "count": ${times} }` : ''}`);
    if (second[2 * at] !== owner[at] || second[2 * at + 1] !== (ranTwice(workgroup(first, at)) ? 2 : 1))
      throw refuse(at, `who stores an element depends on the data (workgroup ${workgroup(first, at)}, then ${workgroup(second, at)})`, 'compute indices from ids alone');
  }
  return { ...facts, owner: splits === 1 ? owner : owner.slice(0, m * n), twins: twinsOf(owner, facts, splits) };
}

/**
 * For each further split the workgroup that does what a workgroup of the first does.
 * @throws BAD_KERNEL when the splits cut the output differently: then a tile's updates are no multiple of its stores
 */
function twinsOf(owner: Uint32Array, { m, n, wavefronts, grid }: Omit<Footprint, 'owner' | 'twins'>, splits: number): Uint32Array[] {
  const workgroups = grid[0] * grid[1] * grid[2];
  return Array.from({ length: splits - 1 }, (_, split) => {
    const twin = new Uint32Array(workgroups).fill(NONE);
    const twinned = new Uint32Array(workgroups).fill(NONE);
    for (let at = 0, there = (split + 1) * m * n; at < m * n; at++, there++) {
      const one = Math.floor(owner[at] / wavefronts);
      const other = Math.floor(owner[there] / wavefronts);
      if (twin[one] === NONE) twin[one] = other;
      if (twinned[other] === NONE) twinned[other] = one;
      if (twin[one] !== other || twinned[other] !== one || owner[at] - one * wavefronts !== owner[there] - other * wavefronts)
        throw new TilewireError('BAD_KERNEL', `split ${split + 1} cuts the output otherwise than split 0: row ${Math.floor(at / n)}, column ${at % n} is stored by workgroup ${one} of split 0 and by workgroup ${other}, which ${twinned[other] === one && twin[one] === other ? 'takes another wavefront for it' : 'shares no tile with it'}`, { fix: 'let every split cut C into the same tiles, in whatever order' });
    }
    return twin;
  });
}

const NONE = 0xffffffff;
