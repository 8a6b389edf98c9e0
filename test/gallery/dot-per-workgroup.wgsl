// A whole workgroup for a single dot product; the tree sum leaves it with lane 0, which alone stores.
const WG = 32u;
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> sz: vec3u;
var<workgroup> scratch: array<f32, WG>;

@compute @workgroup_size(WG)
fn dot_product(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_index) l: u32) {
  var part = 0.0;
  for (var p = l; p < sz.z; p += WG) { part += A[w.y * sz.z + p] * B[p * sz.y + w.x]; }
  scratch[l] = part;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (l < half) { scratch[l] += scratch[l + half]; }
    workgroupBarrier();
  }
  if (l == 0u) { C[w.y * sz.y + w.x] = scratch[0]; }
}
