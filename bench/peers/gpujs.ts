// gpu.js in its `webgpu` mode: the matrix product of its README, one thread an element. Operands become buffers on the GPU
// by a kernel that copies them: an array given as an argument would be sent anew with every run.
import { GPU, Input } from 'gpu.js';
import { timed, type Peer } from './peer.ts';

/** What a kernel in pipeline mode resolves to; gpu.js declares it as a texture. */
interface Handle {
  readonly context: { readonly device: GPUDevice };
  toArray(): Promise<Float32Array[]>;
}

type Kernel = ((...args: readonly unknown[]) => Promise<Handle>) & { destroy(): void };

export const gpujs: Peer = {
  name: 'gpu.js',
  async prepare({ m, n, k }, operands) {
    const gpu = new GPU({ mode: 'webgpu' as 'gpu' });
    const kernel = (text: string, columns: number, rows: number): Kernel => gpu.createKernel(text as never, { output: [columns, rows], pipeline: true, constants: { k } }) as unknown as Kernel;
    const upload = (values: Float32Array, rows: number, columns: number): Promise<Handle> => kernel('function copy(x) { return x[this.thread.y][this.thread.x]; }', columns, rows)(new Input(values as unknown as number[], [columns, rows]));
    const [a, negated, b] = [await upload(operands.a, m, k), await upload(operands.negated, m, k), await upload(operands.b, k, n)];
    const multiply = kernel('function multiply(a, b) { let sum = 0; for (let i = 0; i < this.constants.k; i++) { sum += a[this.thread.y][i] * b[i][this.thread.x]; } return sum; }', n, m);
    let c: Handle | null = null;
    return {
      run: (times, minus) =>
        timed(async () => {
          for (let at = 0; at < times; at++) c = await multiply(minus ? negated : a, b);
          await c!.context.device.queue.onSubmittedWorkDone();
        }),
      async output() {
        const flat = new Float32Array(m * n);
        (await c!.toArray()).forEach((row, at) => flat.set(row, at * n));
        return flat;
      },
      // It ends its kernels and their buffers with it.
      dispose: async () => {
        await gpu.destroy();
      },
    };
  },
};
