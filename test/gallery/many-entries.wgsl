// A little tensor library in one file: all entries share the same bindings. Only `gemm` is a GEMM; others read and
// change what it wrote.

struct Meta { rows: u32, K: u32, cols: u32, _pad: u32 }

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> meta_: Meta;

fn relu(v: f32) -> f32 { return max(v, 0.0); }
fn add_at(i: u32, v: f32) { C[i] += v; }
fn set_at(i: u32, v: f32) { C[i] = v; }

@compute @workgroup_size(64)
fn relu_inplace(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < meta_.rows * meta_.cols) { C[id.x] = relu(C[id.x]); }
}

@compute @workgroup_size(64)
fn add_a(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < meta_.rows * meta_.cols) { add_at(id.x, A[id.x]); }
}

@compute @workgroup_size(16, 4)
fn gemm(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= meta_.cols || id.y >= meta_.rows) { return; }
  var sum = 0.0;
  for (var i = 0u; i < meta_.K; i++) {
    sum += A[id.y * meta_.K + i] * B[i * meta_.cols + id.x];
  }
  set_at(id.y * meta_.cols + id.x, sum);
}

@compute @workgroup_size(256)
fn zero_fill(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&C)) { set_at(id.x, 0.0); }
}
