// The builtins arrive in one struct, as in shaders that were translated from another language.
struct ComputeInput {
  @builtin(workgroup_id) groupId: vec3<u32>,
  @builtin(local_invocation_id) groupThreadId: vec3<u32>,
  @builtin(global_invocation_id) dispatchThreadId: vec3<u32>,
  @builtin(local_invocation_index) groupIndex: u32,
}
struct Constants { M: i32, N: i32, K: i32 }

@group(0) @binding(0) var<storage, read> t0: array<f32>;
@group(0) @binding(1) var<storage, read> t1: array<f32>;
@group(0) @binding(2) var<storage, read_write> u0: array<f32>;
@group(0) @binding(3) var<uniform> b0: Constants;

@compute @workgroup_size(8, 8, 1)
fn cs_main(input: ComputeInput) {
  let x = i32(input.groupId.x * 8u + input.groupThreadId.x);
  let y = i32(input.dispatchThreadId.y);
  if (x < b0.N && y < b0.M) {
    var acc: f32 = 0.0;
    for (var z: i32 = 0; z < b0.K; z++) {
      acc = acc + t0[y * b0.K + z] * t1[z * b0.N + x];
    }
    u0[y * b0.N + x] = acc;
  }
}
