// Returns before a barrier that the rest of the workgroup waits at.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

var<workgroup> row_of_a: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (id.x >= size.y) { return; }
  var sum = 0.0;
  for (var p0 = 0u; p0 < size.z; p0 += 64u) {
    row_of_a[lane] = A[id.y * size.z + min(p0 + lane, size.z - 1u)];
    workgroupBarrier(); // here
    for (var p = p0; p < min(p0 + 64u, size.z); p++) { sum += row_of_a[p - p0] * B[p * size.y + id.x]; }
    workgroupBarrier();
  }
  C[id.y * size.y + id.x] = sum;
}
