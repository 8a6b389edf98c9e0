// vec4 output, but nobody ever has a whole vec4: each invocation computes one float and puts it into its component.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(1) @binding(0) var<storage, read_write> C: array<vec4<f32>>;
@group(1) @binding(1) var<uniform> mnk: vec3u;

fn value(i: u32, j: u32) -> f32 {
  var v = 0.0;
  for (var p = 0u; p < mnk.z; p++) { v += A[i * mnk.z + p] * B[p * mnk.y + j]; }
  return v;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= mnk.y || id.y >= mnk.x) { return; }
  let at = (id.y * mnk.y + id.x) / 4u;
  let lane = id.x % 4u;
  if (lane == 0u) { C[at].x = value(id.y, id.x); return; }
  if (lane == 1u) { C[at][1] = value(id.y, id.x); return; }
  let cell = &C[at];
  (*cell)[lane] = value(id.y, id.x);
}
