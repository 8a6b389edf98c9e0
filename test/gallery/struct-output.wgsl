// Buffers as structs with one runtime-sized member, the way samples of 2021 wrote them.
struct Out {
  data : array<f32>,
};
struct Dims {
  M : u32,
  N : u32,
  K : u32,
  pad : u32,
};

@group(0) @binding(0) var<storage, read> a : array<f32>;
@group(0) @binding(1) var<storage, read> b : array<f32>;
@group(0) @binding(2) var<storage, read_write> out : Out;
@group(0) @binding(3) var<uniform> dims : Dims;

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(global_invocation_id) id : vec3<u32>) {
  if (id.x >= dims.N || id.y >= dims.M) {
    return;
  }
  var v : f32 = 0.0;
  for (var k : u32 = 0u; k < dims.K; k = k + 1u) {
    v = v + a[id.y * dims.K + k] * b[k * dims.N + id.x];
  }
  let i = id.y * dims.N + id.x;
  out.data[i] = v;
}
