// f16 operands by the extension, B in vectors of four columns; converted before they are multiplied.
enable f16;

struct Sizes { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let quads = sizes.n / 4u;
  if (id.x >= quads || id.y >= sizes.m) { return; }
  var sum = vec4f();
  for (var k = 0u; k < sizes.k; k++) {
    sum += f32(a[id.y * sizes.k + k]) * vec4f(b[k * quads + id.x]);
  }
  c[id.y * quads + id.x] = sum;
}
