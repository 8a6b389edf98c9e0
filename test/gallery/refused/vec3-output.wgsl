// Three columns a store: but a vec3 takes the room of four floats, so rows have gaps.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<vec3<f32>>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

fn dot_product(row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var p = 0u; p < size.z; p++) { sum += A[row * size.z + p] * B[p * size.y + column]; }
  return sum;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let third = (size.y + 2u) / 3u;
  if (id.x >= third || id.y >= size.x) { return; }
  let j = id.x * 3u;
  C[id.y * third + id.x] = vec3f(dot_product(id.y, j), dot_product(id.y, j + 1u), dot_product(id.y, j + 2u));
}
