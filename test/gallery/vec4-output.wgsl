// 4-wide columns: B and C are arrays of vec4, A stays scalar. N must be a multiple of 4.
@group(0) @binding(0) var<storage, read> a : array<f32>;
@group(0) @binding(1) var<storage, read> b : array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result : array<vec4f>;

struct Uniforms {
  M : u32,
  N4 : u32, // N / 4
  K : u32,
}
@group(0) @binding(3) var<uniform> uniforms : Uniforms;

@compute @workgroup_size(16, 4, 1)
fn matmul(@builtin(global_invocation_id) id : vec3u) {
  if (id.x >= uniforms.N4 || id.y >= uniforms.M) {
    return;
  }
  var acc = vec4f();
  for (var p = 0u; p < uniforms.K; p += 1u) {
    acc = fma(vec4f(a[id.y * uniforms.K + p]), b[p * uniforms.N4 + id.x], acc);
  }
  result[id.y * uniforms.N4 + id.x] = acc;
}
