// ONNX Runtime Web, WebGPU execution provider: a model of one MatMul, inputs and output in GPU buffers.
import * as ort from 'onnxruntime-web/webgpu';
import { matMulModel } from './onnx-model.ts';
import { timed, type Peer } from './peer.ts';

/** @param wasm where the page finds the runtime's WebAssembly file */
export function onnxRuntime(wasm: () => Promise<ArrayBuffer>): Peer {
  return {
    name: 'ONNX Runtime Web',
    async prepare({ m, n, k }, operands) {
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmBinary ??= await wasm();
      const session = await ort.InferenceSession.create(matMulModel({ m, n, k }), { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' });
      const device: GPUDevice = await ort.env.webgpu.device;
      const upload = (values: Float32Array<ArrayBuffer>): GPUBuffer => {
        const buffer = device.createBuffer({ size: Math.ceil(values.byteLength / 16) * 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
        device.queue.writeBuffer(buffer, 0, values);
        return buffer;
      };
      const buffers = [operands.a, operands.negated, operands.b].map(upload);
      const tensors = [[m, k], [m, k], [k, n]].map((dims, at) => ort.Tensor.fromGpuBuffer(buffers[at], { dataType: 'float32', dims }));
      let c: ort.Tensor | null = null;
      return {
        run: (times, minus) =>
          timed(async () => {
            for (let at = 0; at < times; at++) {
              c?.dispose();
              c = (await session.run({ a: tensors[minus ? 1 : 0], b: tensors[2] })).c;
            }
            await device.queue.onSubmittedWorkDone();
          }),
        // A copy: the tensor stays where it is.
        output: async () => Float32Array.from((await c!.getData()) as Float32Array),
        async dispose() {
          c?.dispose();
          for (const buffer of buffers) buffer.destroy();
          await session.release();
        },
      };
    },
  };
}
