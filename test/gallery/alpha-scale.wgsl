// C = alpha * A * B with the scale in the same uniform block as the sizes.
struct GemmParams {
  m : u32,
  alpha : f32,
  n : u32,
  k : u32,
}
@group(0) @binding(0) var<uniform> gemm : GemmParams;
@group(0) @binding(1) var<storage, read> A : array<f32>;
@group(0) @binding(2) var<storage, read> B : array<f32>;
@group(0) @binding(3) var<storage, read_write> C : array<f32>;

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) gid : vec3<u32>) {
  let i = gid.y; let j = gid.x;
  if (i >= gemm.m || j >= gemm.n) { return; }
  var dot = 0.0;
  for (var l = 0u; l < gemm.k; l++) { dot += A[i * gemm.k + l] * B[l * gemm.n + j]; }
  C[i * gemm.n + j] = gemm.alpha * dot;
}
