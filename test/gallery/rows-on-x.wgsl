// m on the x axis of the grid, n on y: the way round that a first sketch on paper suggests.
@group(0) @binding(0) var<storage, read> firstMatrix : array<f32>;
@group(0) @binding(1) var<storage, read> secondMatrix : array<f32>;
@group(0) @binding(2) var<storage, read_write> resultMatrix : array<f32>;
struct MatrixSizes {
  first : vec2<u32>,
  second : vec2<u32>,
}
@group(0) @binding(3) var<uniform> sizes : MatrixSizes;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) global_id : vec3u) {
  // Guard against out-of-bounds work group sizes
  if (global_id.x >= sizes.first.x || global_id.y >= sizes.second.y) {
    return;
  }

  let resultCell = vec2(global_id.x, global_id.y);
  var result = 0.0;
  for (var i = 0u; i < sizes.first.y; i = i + 1u) {
    let a = i + resultCell.x * sizes.first.y;
    let b = resultCell.y + i * sizes.second.y;
    result = result + firstMatrix[a] * secondMatrix[b];
  }

  let index = resultCell.y + resultCell.x * sizes.second.y;
  resultMatrix[index] = result;
}
