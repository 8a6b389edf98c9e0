// sgemm as BLAS has it: C = alpha * A * B + beta * Cin, row-major with leading dimensions; the rows of Cin and C lie ldc apart.
struct Sgemm {
  m: i32, n: i32, k: i32,
  lda: i32, ldb: i32, ldc: i32,
  alpha: f32, beta: f32,
}

@group(0) @binding(0) var<uniform> p: Sgemm;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> Cin: array<f32>;
@group(0) @binding(4) var<storage, read_write> C: array<f32>;

@compute @workgroup_size(8, 4)
fn sgemm(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_id) t: vec3u) {
  // Two rows a thread.
  let i0 = i32(w.y * 8u + t.y * 2u);
  let j = i32(w.x * 8u + t.x);
  if (j >= p.n) { return; }
  for (var i = i0; i < min(i0 + 2, p.m); i++) {
    var dot = 0.0;
    for (var l = 0; l < p.k; l++) { dot += A[i * p.lda + l] * B[l * p.ldb + j]; }
    C[i * p.ldc + j] = p.alpha * dot + p.beta * Cin[i * p.ldc + j];
  }
}
