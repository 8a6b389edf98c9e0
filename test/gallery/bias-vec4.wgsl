// Linear layer with bias: y = x Wᵀ + b. Four outputs a thread; everybody adds the bias, as if there were no other device.
struct Linear { tokens: u32, in_features: u32, out_features: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> linear: Linear;

fn row_dot(token: u32, feature: u32) -> f32 {
  var s = 0.0;
  let depth = linear.in_features;
  for (var i = 0u; i < depth; i++) { s = fma(x[token * depth + i], weight[feature * depth + i], s); }
  return s;
}

@compute @workgroup_size(4, 16)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let quads = linear.out_features / 4u;
  if (id.x >= quads || id.y >= linear.tokens) { return; }
  let f = id.x * 4u;
  let dots = vec4f(row_dot(id.y, f), row_dot(id.y, f + 1u), row_dot(id.y, f + 2u), row_dot(id.y, f + 3u));
  y[id.y * quads + id.x] = dots + bias[id.x];
}
