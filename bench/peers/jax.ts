// jax-js, WebGPU backend: `np.matmul`. Its arrays are lazy and consumed by what uses them, so operands are passed by reference
// and every result is kept until it has been computed.
import { blockUntilReady, defaultDevice, init, numpy as np } from '@jax-js/jax';
import { timed, type Peer } from './peer.ts';

export const jax: Peer = {
  name: 'jax-js',
  async prepare({ m, n, k }, operands) {
    if (!(await init('webgpu')).includes('webgpu')) throw new Error('the webgpu backend did not start');
    defaultDevice('webgpu');
    const a = np.array(operands.a, { shape: [m, k] });
    const negated = np.array(operands.negated, { shape: [m, k] });
    const b = np.array(operands.b, { shape: [k, n] });
    await blockUntilReady([a, negated, b]);
    let c: np.Array | null = null;
    return {
      run: async (times, minus) => {
        c?.dispose();
        const all: np.Array[] = [];
        const ms = await timed(async () => {
          for (let at = 0; at < times; at++) all.push(np.matmul((minus ? negated : a).ref, b.ref));
          await blockUntilReady(all);
        });
        c = all.pop()!;
        for (const array of all) array.dispose();
        return ms;
      },
      output: async () => (await c!.ref.data()) as Float32Array,
      dispose() {
        for (const array of [a, negated, b, c]) array?.dispose();
      },
    };
  },
};
