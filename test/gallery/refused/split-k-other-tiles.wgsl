// Two splits, one of which cuts C into 8 × 8, the other into 4 × 16.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) lane: u32) {
  let wide = select(8u, 16u, w.z == 1u);
  let tall = 64u / wide;
  let across = size.y / wide;
  let row = w.x / across * tall + lane / wide;
  let column = w.x % across * wide + lane % wide;
  var sum = 0.0;
  for (var p = w.z; p < size.z; p += 2u) { sum += A[row * size.z + p] * B[p * size.y + column]; }
  C[row * size.y + column] = sum;
}
