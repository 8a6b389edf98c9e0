diagnostic(off, derivative_uniformity);

// Ids and accumulators in module-scope private variables; helpers take nothing and return nothing.
@group(0) @binding(0) var<storage, read> dims: array<u32, 3>;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read_write> C: array<f32>;

var<private> row: u32;
var<private> col: u32;
var<private> acc: f32 = 0.0;

fn accumulate() {
  for (var k = 0u; k < dims[2]; k++) {
    acc += A[row * dims[2] + k] * B[k * dims[1] + col];
  }
}

fn finish() {
  C[row * dims[1] + col] = acc;
}

@compute @workgroup_size(16, 2)
fn main(@builtin(global_invocation_id) gid: vec3u) {
  row = gid.y;
  col = gid.x;
  if (row < dims[0] && col < dims[1]) {
    accumulate();
    finish();
  }
}
