// Swaps neighbouring columns of a row when the data say so: every element once, but by which invocation, they decide.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

fn dot_product(row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var p = 0u; p < size.z; p++) { sum += A[row * size.z + p] * B[p * size.y + column]; }
  return sum;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.y || id.y >= size.x) { return; }
  let row = id.y;
  let picked = u32(select(0.0, 1.0, dot_product(row, 0u) > 0.0));
  let other = min(id.x ^ 1u, size.y - 1u);
  let column = select(id.x, other, picked == 1u && (id.x ^ 1u) < size.y);
  C[row * size.y + column] = dot_product(row, column);
}
