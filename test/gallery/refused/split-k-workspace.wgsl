// Split-K with a workspace of splits x m x n, to be summed by another kernel.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> workspace: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.y || id.y >= size.x) { return; }
  let share = (size.z + 3u) / 4u;
  var sum = 0.0;
  for (var p = id.z * share; p < min(id.z * share + share, size.z); p++) { sum += A[id.y * size.z + p] * B[p * size.y + id.x]; }
  workspace[(id.z * size.x + id.y) * size.y + id.x] = sum;
}
