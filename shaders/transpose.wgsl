// Each matrix of a batch (rows x columns, row-major, one behind the other) transposed: operands for kernels that want
// A or B the other way round. Grid-stride.

struct Params {
  rows: u32,
  columns: u32,
  matrices: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let elements = params.matrices * params.rows * params.columns;
  for (var i = id.x; i < elements; i += groups.x * 64u) {
    let row = i / params.columns; // over all matrices
    let matrix = row / params.rows;
    let column = i - row * params.columns;
    output[(matrix * params.columns + column) * params.rows + row - matrix * params.rows] = input[i];
  }
}
