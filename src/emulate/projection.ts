// What Freivalds' test (verify/projection.ts) needs of a run: Σ_d A_d·(B_d·x) of its generated operands modulo the prime,
// found on the GPU from the hash alone, in memory that grows with m, n and K and not with their products; and what
// the epilogue makes of it.
import { Arena, readBack, type Gpu, type Kernel } from '../gpu/gpu.ts';
import { RecordBuffer } from '../gpu/records.ts';
import { structLayout } from '../gpu/reflect.ts';
import { SHADERS } from '../gpu/shaders.ts';
import { specialise } from '../gpu/specialise.ts';
import { depthOf } from '../spec/chunks.ts';
import { MATRIX } from '../spec/operands.ts';
import type { Spec } from '../spec/spec.ts';
import { MODULUS, multiplied, projected, residueOf, VECTORS } from '../verify/projection.ts';
import type { EpilogueValues } from './epilogue.ts';

/** Rows of an invocation, invocations of a workgroup: the shader's. */
const ROWS = 8;
const LANES = 32;
/** Columns of a segment at least, and segments at most: so many residues fit into one u32. */
const LEAST_SEGMENT = 512;
const MOST_SEGMENTS = 32;
/** Columns that the shader takes at a time. */
const STEP = 8;
/** Bytes between two uniforms. */
const ALIGNMENT = 256;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** GPU memory of a projection: vectors, their products with B and with A, parameters. */
export function projectionBytes({ gemm: { m, n, kTotal }, devices }: Spec, batch: number): number {
  return VECTORS * 4 * (n + batch * kTotal + devices * batch * m) + 2 * devices * batch * ALIGNMENT;
}

/** Compiled once per range; a run does it ahead, with its other kernels, so that no measured time has it. */
export async function projectionKernels(gpu: Gpu, { operands }: Pick<Spec, 'operands'>): Promise<{ readonly code: string; readonly project: Kernel; readonly settle: Kernel } | null> {
  if (operands.kind !== 'exact') return null;
  const { code } = specialise(SHADERS.projection, { RANGE: operands.range, VECTORS, ROWS });
  const [project, settle] = await Promise.all([gpu.kernel('projection', code, 'project'), gpu.kernel('projection, settled', code, 'settle')]);
  return { code, project, settle };
}

/** @param vectors n × VECTORS @returns Σ_d A_d·(B_d·x), batch·m × VECTORS residues */
export async function projectedOperands(gpu: Gpu, spec: Spec, batch: number, vectors: Int32Array<ArrayBuffer>, progress: (done: number) => void): Promise<Float64Array> {
  const { gemm: { m, n, kTotal }, devices, seed } = spec;
  const kernels = await projectionKernels(gpu, spec);
  if (kernels === null) return new Float64Array(0);
  const { code, project, settle } = kernels;
  const layout = structLayout(code, 'Params');
  const arena = new Arena(gpu);
  try {
    const records = new RecordBuffer(ALIGNMENT);
    const paramsOf = (values: { device: number; matrix: number; first_row: number; rows: number; columns: number; x_first: number; out_first: number }): { offset: number; size: number; grid: [number, number] } => {
      const segment = Math.max(LEAST_SEGMENT, roundUp(Math.ceil(values.columns / MOST_SEGMENTS), STEP));
      const offset = records.align();
      records.add(layout, { seed, segment, ...values });
      return { offset, size: layout.size, grid: [Math.ceil(values.rows / (ROWS * LANES)), Math.ceil(values.columns / segment)] };
    };
    let depth = 0;
    const steps = Array.from({ length: devices }, (_, device) => {
      const k = depthOf(spec, device);
      const first = depth;
      depth += batch * k;
      return {
        // The matrices of a batch lie one below the other, in B as in what B·x gives.
        b: paramsOf({ device, matrix: MATRIX.b, first_row: 0, rows: batch * k, columns: n, x_first: 0, out_first: first }),
        a: Array.from({ length: batch }, (_, matrix) => paramsOf({ device, matrix: MATRIX.a, first_row: matrix * m, rows: m, columns: k, x_first: first + matrix * k, out_first: (device * batch + matrix) * m })),
      };
    });
    const params = arena.words('projection parameters', records.words.subarray(0, roundUp(records.bytes, ALIGNMENT) / 4), GPUBufferUsage.UNIFORM);
    const x = arena.words('vectors', new Uint32Array(vectors.buffer));
    const withB = arena.storage('B times vectors', batch * kTotal * VECTORS * 4);
    const withA = arena.storage('A times B times vectors', devices * batch * m * VECTORS * 4);
    // Submitted without waiting: the host has C·x to find meanwhile.
    const run = (work: (pass: GPUComputePassEncoder) => void, done = 0): void => {
      const encoder = gpu.device.createCommandEncoder({ label: 'projection' });
      const pass = encoder.beginComputePass({ label: 'projection' });
      work(pass);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      if (done > 0) gpu.idle().then(() => progress(done), () => {});
    };
    const dispatch = (pass: GPUComputePassEncoder, { grid, offset, size }: (typeof steps)[number]['b'], of: GPUBuffer, sums: GPUBuffer): void => {
      pass.setPipeline(project.pipeline);
      pass.setBindGroup(0, gpu.bind(project, 0, { params: { buffer: params, offset, size }, x: of, sums }));
      pass.dispatchWorkgroups(...grid);
    };
    for (const [device, { b }] of steps.entries()) run((pass) => dispatch(pass, b, x, withB), (device + 1) / 2);
    run((pass) => {
      pass.setPipeline(settle.pipeline);
      pass.setBindGroup(0, gpu.bind(settle, 0, { sums: withB }));
      pass.dispatchWorkgroups(Math.min(1024, Math.ceil((batch * kTotal * VECTORS) / 64)));
    });
    for (const [device, { a }] of steps.entries()) run((pass) => a.forEach((matrix) => dispatch(pass, matrix, withB, withA)), (devices + device + 1) / 2);
    const sums = await readBack(gpu, withA);
    gpu.check();
    const total = new Float64Array(batch * m * VECTORS);
    // Up to 64 u32 fit into an f64.
    for (let at = 0; at < sums.length; at++) total[at % total.length] += sums[at];
    return total.map(residueOf);
  } finally {
    arena.destroy();
  }
}

/** What C·x must be, in C's units: alpha · Σ_d A_d·(B_d·x) + (bias + beta · residual)·x. */
export function withEpilogue(product: Float64Array, n: number, units: number, epilogue: EpilogueValues, vectors: Int32Array): Float64Array {
  if (epilogue.isNone) return product;
  const scale = residueOf(epilogue.alpha * units);
  const rows = product.length / VECTORS;
  const addends = new Float32Array(n);
  const expected = new Float64Array(product.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < n; column++) {
      const { bias, residual } = epilogue.addends(row, column);
      addends[column] = bias + residual;
    }
    const { sums } = projected(addends, n, vectors, units);
    for (let v = 0; v < VECTORS; v++) expected[row * VECTORS + v] = (multiplied(scale, product[row * VECTORS + v]) + sums[v]) % MODULUS;
  }
  return expected;
}
