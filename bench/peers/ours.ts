// Ours: the plain kernel, at the built-in kernel and tile that is fastest for the shape on this adapter.
import { outputElements, untouched, type Untouched } from '../../src/emulate/untouched.ts';
import { traitsOf } from '../../src/gpu/adapter.ts';
import { Gemm } from '../../src/gpu/gemm.ts';
import { Arena, readBack, type Gpu } from '../../src/gpu/gpu.ts';
import { kernelHash } from '../../src/spec/kernel-sources.ts';
import { defaultKernel, kernelNamed, type KernelDescription } from '../../src/spec/kernels.ts';
import type { GemmShape, KernelChoice, Tile } from '../../src/spec/spec.ts';
import { OURS, timed, type Peer } from './peer.ts';

/** Tiles besides the default, of those that a kernel's own description puts first. */
const LIKELY = 3;

/** Kernels and tiles that may be the fastest for this shape on this adapter; they are timed, and the fastest competes. */
async function ourKernels(gpu: Gpu, shape: GemmShape): Promise<KernelChoice[]> {
  const name = defaultKernel(shape, await traitsOf(gpu));
  // Large register tiles compile slowly: few of them.
  const tilesOf = (kernel: KernelDescription): Tile[] => {
    const tiles = [kernel.tileFor(shape, 'rows', [shape.m]), ...kernel.tilesWorthTrying(shape, 'rows', [shape.m]).slice(0, LIKELY)];
    return [...new Map(tiles.filter((tile) => kernel.tileProblem(tile) === undefined).map((tile) => [JSON.stringify(tile), tile])).values()];
  };
  const few = shape.m <= 16 && name !== 'gemm-skinny' ? [4, 16].map((k) => ({ kernel: kernelNamed('gemm-skinny')!, tile: { ...kernelNamed('gemm-skinny')!.tileFor(shape, 'rows', [shape.m]), k } })) : [];
  const choices = [...tilesOf(kernelNamed(name)!).map((tile) => ({ kernel: kernelNamed(name)!, tile })), ...few];
  return Promise.all(choices.map(async ({ kernel, tile }) => ({ kind: 'built-in', name: kernel.name, hash: (await kernelHash(kernel.name))!, tile, splits: 1 }) as const));
}

/** Of a candidate: enough for its completion to be delivered without rounding it up much. */
const SLICE_MS = 60;
const MOST_TIMES = 64;
/** Times of the fastest beyond which a candidate is not timed again. */
const HOPELESS = 1.2;
const WAVEFRONT = 64;

export function ours(open: () => Promise<Gpu>): Peer {
  return {
    name: OURS,
    async prepare(shape, operands) {
      const gpu = await open();
      const arena = new Arena(gpu);
      const words = (label: string, values: Float32Array): GPUBuffer => arena.words(label, new Uint32Array(values.buffer, values.byteOffset, values.length), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
      const [a, negated, b] = [words('A', operands.a), words('-A', operands.negated), words('B', operands.b)];
      const candidates = await Promise.all(
        (await ourKernels(gpu, shape)).map(async (choice) => {
          const gemm = new Gemm(gpu, arena, choice, shape, WAVEFRONT);
          return { choice, gemm, encode: await untouched(gpu, arena, gemm), best: Infinity };
        }),
      );
      const output = arena.storage('C', Math.max(...candidates.map(({ gemm }) => outputElements(gemm))) * 4);
      const run = (encode: Untouched, times: number, minus: boolean): Promise<number> =>
        timed(async () => {
          const encoder = gpu.device.createCommandEncoder({ label: 'ours' });
          for (let at = 0; at < times; at++) {
            const pass = encoder.beginComputePass({ label: 'ours' });
            encode(pass, { a: minus ? negated : a, b }, output);
            pass.end();
          }
          gpu.device.queue.submit([encoder.finish()]);
          await gpu.idle();
        });
      let fastest = candidates[0];
      if (candidates.length > 1) {
        for (const candidate of candidates) candidate.best = await run(candidate.encode, 1, false);
        for (let round = 0; round < 2; round++) {
          const least = Math.min(...candidates.map(({ best }) => best));
          const times = Math.max(1, Math.min(MOST_TIMES, Math.ceil(SLICE_MS / least)));
          const near = candidates.filter(({ best }) => best <= HOPELESS * least || best < SLICE_MS);
          if (near.length > 1) for (const candidate of near) candidate.best = Math.min(candidate.best, (await run(candidate.encode, times, false)) / times);
        }
        fastest = candidates.reduce((one, other) => (other.best < one.best ? other : one));
      }
      const { choice, encode } = fastest;
      const tile = choice.kind === 'built-in' ? ` ${choice.tile.m}x${choice.tile.n}x${choice.tile.k}` : '';
      return {
        detail: `${choice.name}${tile}`,
        run: (times, minus) => run(encode, times, minus),
        output: async () => new Float32Array((await readBack(gpu, output, shape.m * shape.n * 4)).buffer),
        dispose: () => arena.destroy(),
      };
    },
  };
}
