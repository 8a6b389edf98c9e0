// Grid-stride loop over the elements, four workgroups for whatever size; m·n comes from arrayLength of the output.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> nk: vec2<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>) {
  let stride = nwg.x * 64u;
  let total = arrayLength(&C);
  for (var e = gid.x; e < total; e += stride) {
    let i = e / nk.x;
    let j = e - i * nk.x;
    var s = 0.0;
    for (var k = 0u; k < nk.y; k++) { s += A[i * nk.y + k] * B[k * nk.x + j]; }
    C[e] = s;
  }
}
