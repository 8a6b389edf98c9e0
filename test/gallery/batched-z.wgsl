// bmm: [b, m, k] x [b, k, n] -> [b, m, n], the batch on the z axis.
struct Shape { b: u32, m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> mat1: array<f32>;
@group(0) @binding(1) var<storage, read> mat2: array<f32>;
@group(0) @binding(2) var<storage, read_write> self_: array<f32>;
@group(0) @binding(3) var<uniform> sh: Shape;

@compute @workgroup_size(8, 8, 1)
fn bmm(@builtin(global_invocation_id) gid: vec3<u32>) {
  let batch = gid.z;
  if (batch >= sh.b || gid.y >= sh.m || gid.x >= sh.n) {
    return;
  }
  let offset1 = batch * sh.m * sh.k + gid.y * sh.k;
  let offset2 = batch * sh.k * sh.n + gid.x;
  var acc: f32 = 0.0;
  for (var l: u32 = 0u; l < sh.k; l = l + 1u) {
    acc = acc + mat1[offset1 + l] * mat2[offset2 + l * sh.n];
  }
  self_[batch * sh.m * sh.n + gid.y * sh.n + gid.x] = acc;
}
