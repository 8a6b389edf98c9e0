// A rectangle of C becomes alpha · C + bias + beta · residual: what a kernel's epilogue does, for the reference, and
// what the owners do after a reduction. Bias and residual are of the whole C, of which the rectangle begins at (row,
// column); `values` may be the whole C or the rectangle alone. Grid-stride.

struct Params {
  row: u32,
  column: u32,
  rows: u32, // of the rectangle
  columns: u32,
  first: u32,   // its first element in values,
  stride: u32,  // and the elements from row to row there
  m: u32,       // rows of one matrix of the batch
  pitch: u32,   // elements from row to row of the residual
  alpha: f32,
  beta: f32,
  along: u32, // of the bias: 0 none, 1 m, 2 n
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < params.rows * params.columns; i += groups.x * 64u) {
    let row = params.row + i / params.columns;
    let column = params.column + i % params.columns;
    let at = params.first + (i / params.columns) * params.stride + i % params.columns;
    var value = params.alpha * values[at];
    if (params.along != 0u) { value += bias[select(column, row % params.m, params.along == 1u)]; }
    if (params.beta != 0.0) { value += params.beta * residual[row * params.pitch + column]; }
    values[at] = value;
  }
}
