// The text of every built-in GEMM kernel by its name: the only place in spec/ that loads a shader file.
import gemmMatrix from '../../shaders/gemm-matrix.wgsl';
import gemmQuad from '../../shaders/gemm-quad.wgsl';
import gemmRegister from '../../shaders/gemm-register.wgsl';
import gemmSkinny from '../../shaders/gemm-skinny.wgsl';
import gemmVector from '../../shaders/gemm-vector.wgsl';
import gemmWorkgroup from '../../shaders/gemm-workgroup.wgsl';
import { sha256Hex } from './parse.ts';

/** Kernel name → WGSL text as it is in its file, before constants are baked in. */
export const KERNEL_SOURCES: Readonly<Record<string, string>> = {
  'gemm-register': gemmRegister,
  'gemm-workgroup': gemmWorkgroup,
  'gemm-quad': gemmQuad,
  'gemm-vector': gemmVector,
  'gemm-skinny': gemmSkinny,
  'gemm-half': gemmVector,
  'gemm-matrix': gemmMatrix,
};

/** SHA-256 in hex of a built-in kernel's text; undefined for a name that is not built in. */
export async function kernelHash(name: string): Promise<string | undefined> {
  const source = Object.hasOwn(KERNEL_SOURCES, name) ? KERNEL_SOURCES[name] : undefined;
  return source === undefined ? undefined : sha256Hex(source);
}
