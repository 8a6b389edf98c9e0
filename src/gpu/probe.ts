// The footprint probe: runs the kernel with its stores replaced by marks of who stored. Shows that every element is
// stored exactly once and never outside of the output; the marks are the footprint. A second run, with other operands,
// over a sample of the workgroups, shows that who stores what does not depend on the data, which the kernel's text
// was looked through for already (data-taint.ts). What a workgroup writes is found here, never declared.
import { TilewireError } from '../errors.ts';
import type { Footprint } from '../plan/footprint.ts';
import type { Gemm, GemmInputs } from './gemm.ts';
import { Arena, readBack, type Kernel } from './gpu.ts';

/**
 * The footprint of a kernel at a shape, probed once.
 * @param operands called for each of the two runs, with data that must differ
 * @throws BAD_KERNEL naming the element and the workgroups
 */
export function probeFootprint(gemm: Gemm, operands: (run: 0 | 1) => GemmInputs): Promise<Footprint> {
  return gemm.gpu.remember(`footprint ${gemm.wavefront} ${gemm.identity}`, () => probe(gemm, operands));
}

/**
 * The same, whatever was probed before. First the cheap way: all workgroups with operands of zero, then a sample of them with
 * data, at a small k where the kernel takes one. What does not agree, or is wrong, is looked at again: both runs
 * whole, and told apart.
 */
export async function probe(gemm: Gemm, operands: (run: 0 | 1) => GemmInputs): Promise<Footprint> {
  const arena = new Arena(gemm.gpu);
  try {
    const footprint = (await sampled(gemm, arena, operands)) ?? (await whole(gemm, arena, operands));
    gemm.gpu.check();
    return footprint;
  } finally {
    arena.destroy();
  }
}

/** One in so many workgroups, a prime, so that no axis of a grid is left out; but not fewer than so many, where that costs little. */
const SAMPLED = 17;
const LEAST_SAMPLES = 8;
/** Of a dispatch in one dimension. */
const MOST_GROUPS = 65_535;
const OWNER_BITS = 24;
const OWNER = 2 ** OWNER_BITS - 1;
/** What the first run adds to a mark beside the owner, and the second: see the shader. */
const ONCE = 2 ** OWNER_BITS;
const AGAIN = 2 ** 28;

async function sampled(gemm: Gemm, arena: Arena, operands: (run: 0 | 1) => GemmInputs): Promise<Footprint | null> {
  const { wavefronts } = gemm;
  const facts = factsOf(gemm);
  const workgroups = facts.grid[0] * facts.grid[1] * facts.grid[2];
  const shallow = gemm.shallow(arena);
  const stride = Math.max(1, shallow === null ? SAMPLED : Math.min(SAMPLED, Math.floor(workgroups / LEAST_SAMPLES)));
  const samples = Math.ceil(workgroups / stride);
  if (samples > MOST_GROUPS || workgroups * wavefronts >= 2 ** OWNER_BITS) return null;
  const marks = arena.storage('probe marks', (facts.elements + 1) * 4);
  const kernel = await gemm.probing({ packed: true });
  run(gemm, arena, await withZeros(gemm), marks, operands(0), { second: 0, last: 0, stride: 0 }, facts.grid);
  run(shallow ?? gemm, arena, kernel, marks, operands(1), { second: 1, last: workgroups - 1, stride }, [samples, 1, 1]);
  const words = await readBack(gemm.gpu, marks);
  arena.release([marks]);
  if (words[facts.elements] !== 0) return null;
  const owner = words.subarray(0, facts.elements);
  // By owner: stored once by the first run, and by the second where its workgroup took part.
  const due = Uint32Array.from({ length: workgroups * wavefronts }, (_, who) => ONCE + ((workgroups - 1 - Math.floor(who / wavefronts)) % stride === 0 ? AGAIN : 0));
  for (let at = 0; at < owner.length; at++) {
    const word = owner[at];
    const who = word & OWNER;
    if (word - who !== due[who]) return null;
    owner[at] = who;
  }
  return footprintFrom(owner, facts);
}

/** With operands read as zero, but where a compiler that sees the zeros finds fault with them, as with a division by one. */
async function withZeros(gemm: Gemm): Promise<Kernel> {
  try {
    return await gemm.probing({ packed: true, zeroed: true });
  } catch (error) {
    if (!(error instanceof TilewireError) || error.code !== 'BAD_KERNEL') throw error;
    return gemm.probing({ packed: true });
  }
}

async function whole(gemm: Gemm, arena: Arena, operands: (run: 0 | 1) => GemmInputs): Promise<Footprint> {
  const facts = factsOf(gemm);
  const marks = arena.storage('probe marks', (facts.elements + 1) * 8);
  const kernel = await gemm.probing({});
  const after: Uint32Array[] = [];
  for (const second of [0, 1] as const) {
    run(gemm, arena, kernel, marks, operands(second), { second, last: 0, stride: 0 }, facts.grid);
    after.push(await readBack(gemm.gpu, marks));
  }
  return footprintOf(after[0], after[1], facts, facts.splits);
}

interface Facts extends Omit<Footprint, 'owner' | 'twins'> {
  readonly splits: number;
  /** Marks: elements of the output, for each split. */
  readonly elements: number;
}

function factsOf({ shape: { m, n }, text: { batch, splits: { count } }, grid, wavefronts }: Gemm): Facts {
  return { m: batch * m, n, batch, grid, wavefronts, splits: count, elements: count * batch * m * n };
}

function run(gemm: Gemm, arena: Arena, kernel: Kernel, marks: GPUBuffer, inputs: GemmInputs, { second, last, stride }: { second: number; last: number; stride: number }, groups: readonly [number, number, number]): void {
  const { device } = gemm.gpu;
  const encoder = device.createCommandEncoder({ label: 'probe' });
  const pass = encoder.beginComputePass({ label: 'probe' });
  pass.setPipeline(kernel.pipeline);
  const params = arena.words('which run', Uint32Array.of(second, last, stride), GPUBufferUsage.UNIFORM);
  gemm.bind(kernel, inputs, { tw_marks: marks, tw_run: params }).forEach((group, index) => pass.setBindGroup(index, group));
  pass.dispatchWorkgroups(...groups);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

/** @param owner of every element and split */
function footprintFrom(owner: Uint32Array, { m, n, batch, grid, wavefronts, splits }: Omit<Facts, 'elements'>): Footprint {
  const facts = { m, n, batch, grid, wavefronts };
  return { ...facts, owner: splits === 1 ? owner : owner.slice(0, m * n), twins: twinsOf(owner, facts, splits) };
}

/**
 * Two words an element and split, owner and number of stores, after each of the two runs; one more entry counts the stores
 * outside: those that a workspace of a matrix per split would take, and all.
 */
export function footprintOf(first: Uint32Array, second: Uint32Array, facts: Omit<Footprint, 'owner' | 'twins'>, splits = 1): Footprint {
  const { m, n, wavefronts } = facts;
  const workgroup = (marks: Uint32Array, at: number): number => Math.floor(marks[2 * at] / wavefronts);
  const place = (at: number): string => `row ${Math.floor((at % (m * n)) / n)}, column ${at % n}${splits > 1 ? `, split ${Math.floor(at / (m * n))}` : ''}`;
  const refuse = (at: number, what: string, fix: string): TilewireError => new TilewireError('BAD_KERNEL', `${what}: ${place(at)}`, { fix });
  const [inWorkspace, outside] = second.subarray(2 * splits * m * n);
  // Two runs, of which each stores all matrices but the first one there.
  if (splits > 1 && outside === inWorkspace && outside === 2 * (splits - 1) * m * n)
    throw new TilewireError('BAD_KERNEL', 'each split of the kernel stores to a matrix of its own, a workspace that another kernel must sum', { actual: `${splits} × ${m} × ${n} elements`, limit: `${m} × ${n}`, fix: 'let every split store to the same C: what is launched split by split needs no workspace, the memory adds' });
  if (outside !== 0) throw new TilewireError('BAD_KERNEL', 'the kernel stores outside of its output', { actual: `${outside} stores in two runs`, limit: `${m} × ${n} elements`, fix: 'guard its stores at the edges, and of rows that lie apart ("ldc") store the first n elements only' });
  const owner = new Uint32Array(splits * m * n);
  for (let at = 0; at < owner.length; at++) {
    const times = first[2 * at + 1];
    owner[at] = first[2 * at];
    if (times === 0) throw refuse(at, 'an element is never stored', 'cover the whole output');
    if (times > 1)
      throw refuse(at, `an element is stored ${times} times (last by workgroup ${workgroup(first, at)})`, `let one invocation store each element, once${facts.grid.includes(times) ? `; if the kernel is split-K, say so in its bindings file: "splits": { "axis": "${'xyz'[facts.grid.lastIndexOf(times)]}", "count": ${times} }` : ''}`);
    if (second[2 * at] !== owner[at] || second[2 * at + 1] !== 2)
      throw refuse(at, `who stores an element depends on the data (workgroup ${workgroup(first, at)}, then ${workgroup(second, at)})`, 'compute indices from ids alone');
  }
  return footprintFrom(owner, { ...facts, splits });
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
