// The shortest GEMM there is: one invocation, one element.
struct Params { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
  let row = gid.y;
  let col = gid.x;
  if (row < params.m && col < params.n) {
    var sum = 0.0;
    for (var i = 0u; i < params.k; i++) {
      sum += A[row * params.k + i] * B[i * params.n + col];
    }
    C[row * params.n + col] = sum;
  }
}
