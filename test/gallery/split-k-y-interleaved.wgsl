// Split-K the other way: split s takes every SPLITS-th k, and the splits lie on the y axis; tiles are flat on x.
struct T { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<uniform> t: T;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read_write> C: array<f32>;

@compute @workgroup_size(8, 8)
fn interleaved(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_id) l: vec3u) {
  let across = (t.n + 7u) / 8u;
  let i = (w.x / across) * 8u + l.y;
  let j = (w.x % across) * 8u + l.x;
  if (i < t.m && j < t.n) {
    var s = 0.0;
    for (var p = w.y; p < t.k; p += count.y) { s += A[i * t.k + p] * B[p * t.n + j]; }
    C[i * t.n + j] = s;
  }
}
