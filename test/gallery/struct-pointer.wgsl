// Struct buffers again, but the output goes to its helper by pointer, and is reached without the star.
requires unrestricted_pointer_parameters, pointer_composite_access;

struct Tensor { values: array<f32> }
struct Size { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: Tensor;
@group(0) @binding(3) var<uniform> size: Size;

fn emit(tensor: ptr<storage, Tensor, read_write>, r: u32, q: u32, value: f32) {
  if (r >= size.m || q >= size.n) { return; }
  tensor.values[r * size.n + q] = value;
}

@compute @workgroup_size(8, 4)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let r = min(id.y, size.m - 1u);
  let q = min(id.x, size.n - 1u);
  var value = 0.0;
  for (var i = 0u; i < size.k; i++) { value += x[r * size.k + i] * w[i * size.n + q]; }
  emit(&y, id.y, id.x, value);
}
