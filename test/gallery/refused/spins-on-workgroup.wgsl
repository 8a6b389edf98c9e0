// Stream-K in miniature: workgroup x waits until workgroup x - 1 has had its turn. Nothing says that it ever runs.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k
@group(0) @binding(4) var<storage, read_write> turn: atomic<u32>;

fn dot_product(row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var p = 0u; p < size.z; p++) { sum += A[row * size.z + p] * B[p * size.y + column]; }
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (lane == 0u) {
    while (atomicLoad(&turn) < group.x) {}
  }
  workgroupBarrier();
  for (var j = lane; j < size.y; j += 64u) { C[group.x * size.y + j] = dot_product(group.x, j); }
  if (lane == 0u) { atomicAdd(&turn, 1u); }
}
