// The kernel of a Spec at the k of each device. Slices of K differ by at most one, so it is one text, or two; either way
// all devices share one footprint and one Plan.
import { TilewireError } from '../errors.ts';
import { traitsOf } from '../gpu/adapter.ts';
import { Gemm } from '../gpu/gemm.ts';
import type { Arena, Gpu } from '../gpu/gpu.ts';
import type { KernelText } from '../gpu/kernel-text.ts';
import { depthOf } from '../spec/chunks.ts';
import { kernelNamed, runsOn } from '../spec/kernels.ts';
import type { SpecDraft } from '../spec/spec.ts';

export class Gemms {
  /** Of the longest k first. */
  readonly distinct: readonly Gemm[];
  readonly #ofDevice: readonly Gemm[];

  /** @param arena takes the kernels' constant buffers */
  constructor(gpu: Gpu, arena: Arena, spec: SpecDraft) {
    const { kernel, gemm: { m, n }, devices, wavefront } = spec;
    const byDepth = new Map<number, Gemm>();
    this.#ofDevice = Array.from({ length: devices }, (_, device) => {
      const k = depthOf(spec, device);
      const gemm = byDepth.get(k) ?? new Gemm(gpu, arena, kernel, { m, n, k }, wavefront);
      byDepth.set(k, gemm);
      return gemm;
    });
    this.distinct = [...byDepth.values()];
    const [first, second] = this.distinct.map(({ text }) => placeOf(text));
    if (second !== undefined && first !== second) throw differs(spec, `${first} and ${second}`);
  }

  of(device: number): Gemm {
    return this.#ofDevice[device];
  }

  /** What does not depend on k: layout, grid, where C lies. */
  get text(): KernelText {
    return this.distinct[0].text;
  }

  get gpu(): Gpu {
    return this.distinct[0].gpu;
  }

  /** Most chunks that one dispatch binds, each a buffer of its own. */
  get maxSlots(): number {
    return this.distinct[0].maxSlots;
  }
}

const NEEDS = {
  quads: 'quads: subgroups whose quads are four consecutive local indices',
  f16: 'f16: the feature shader-f16',
  matrices: 'matrices: the experimental feature chromium-experimental-subgroup-matrix with 16 x 16 x 16 of f16 and sums of f32, in subgroups of 32',
} as const;

/** @throws NO_FEATURE where this adapter cannot run the built-in kernel that the Spec names */
export async function checkNeeds(gpu: Gpu, { kernel: { kind, name } }: Pick<SpecDraft, 'kernel'>): Promise<void> {
  const kernel = kernelNamed(name);
  const traits = await traitsOf(gpu);
  if (kind === 'foreign' || kernel === undefined || runsOn(kernel, traits)) return;
  throw new TilewireError('NO_FEATURE', `${name} does not run on this adapter`, { path: '--kernel-name', actual: `the adapter lacks ${kernel.needs.filter((need) => !traits[need]).join(', ')}`, limit: kernel.needs.map((need) => NEEDS[need]).join('; '), fix: 'use --kernel-name gemm-register or gemm-workgroup, which run everywhere' });
}

const placeOf = ({ grid, batch, pitch, splits }: KernelText): string => `grid ${grid.join(' x ')}, batch ${batch}, ldc ${pitch}, ${splits.count} splits`;

/** The devices' kernels do not cut the output alike. */
export const differs = ({ gemm: { k, kTotal }, devices }: SpecDraft, actual: string): TilewireError =>
  new TilewireError('BAD_KERNEL', 'the devices have different k, and this kernel cuts its output differently for them', { actual, limit: `K = ${kTotal} over ${devices} devices: k ${k} and ${k - 1}`, fix: 'use a number of devices that divides K, or let grid and tiles follow from m and n alone' });
