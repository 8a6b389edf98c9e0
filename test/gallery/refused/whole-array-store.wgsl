// 8 x 8 and nothing else: the array is filled in private memory, then assigned whole, through a pointer.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32, 64>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

fn dot_product(row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var p = 0u; p < size.z; p++) { sum += A[row * size.z + p] * B[p * size.y + column]; }
  return sum;
}

@compute @workgroup_size(1)
fn main() {
  var tile = array<f32, 64>();
  for (var i = 0u; i < 64u; i++) { tile[i] = dot_product(i / 8u, i % 8u); }
  let all_of_it = &C;
  *all_of_it = tile;
}
