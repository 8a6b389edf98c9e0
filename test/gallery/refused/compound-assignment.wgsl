// Sums up in the output itself, eight elements of k at a time.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.y || id.y >= size.x) { return; }
  let at = id.y * size.y + id.x;
  C[at] = 0.0;
  for (var p0 = 0u; p0 < size.z; p0 += 8u) {
    var part = 0.0;
    for (var p = p0; p < min(p0 + 8u, size.z); p++) { part += A[id.y * size.z + p] * B[p * size.y + id.x]; }
    C[at] += part;
  }
}
