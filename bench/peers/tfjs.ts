// TensorFlow.js, WebGPU backend: `tf.matMul` of two tensors on the GPU.
import * as tf from '@tensorflow/tfjs-core';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { timed, type Peer } from './peer.ts';

export const tfjs: Peer = {
  name: 'TensorFlow.js',
  async prepare({ m, n, k }, operands) {
    if (!(await tf.setBackend('webgpu'))) throw new Error('the webgpu backend did not start');
    const backend = tf.backend();
    if (!(backend instanceof WebGPUBackend)) throw new Error('another backend started');
    const a = tf.tensor2d(operands.a, [m, k]);
    const negated = tf.tensor2d(operands.negated, [m, k]);
    const b = tf.tensor2d(operands.b, [k, n]);
    // Else each goes with the first run that takes it.
    for (const { dataId } of [a, negated, b]) backend.uploadToGPU(dataId);
    let c: tf.Tensor | null = null;
    return {
      run: (times, minus) =>
        timed(async () => {
          for (let at = 0; at < times; at++) {
            c?.dispose();
            c = tf.matMul(minus ? negated : a, b);
          }
          // It submits every 15th by itself, and then has nothing left to submit; without the end of its pass the queue drops
          // all of it, with a warning only.
          backend.ensureCommandEncoderReady();
          backend.endComputePassEncoder();
          backend.submitQueue();
          await backend.device.queue.onSubmittedWorkDone();
        }),
      output: async () => (await c!.data()) as Float32Array,
      dispose: () => tf.dispose([a, negated, b, ...(c === null ? [] : [c])]),
    };
  },
};
