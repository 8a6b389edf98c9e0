// The bindings file says what it does: max(0, A·B).
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.y || id.y >= size.x) { return; }
  var sum = 0.0;
  for (var p = 0u; p < size.z; p++) { sum += A[id.y * size.z + p] * B[p * size.y + id.x]; }
  C[id.y * size.y + id.x] = max(sum, 0.0);
}
