// y = x · Wᵀ, the way linear layers keep their weights: W is out_features × in_features.
struct Layer {
  tokens: u32,
  out_features: u32,
  in_features: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> layer: Layer;

const CHUNK = 32u;
var<workgroup> x_chunk: array<f32, CHUNK>;

// One token and 32 features a workgroup; x passes through shared memory 32 elements at a time.
@compute @workgroup_size(CHUNK)
fn linear(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let token = group.y;
  let feature = group.x * CHUNK + local.x;
  var sum = 0.0;
  for (var start = 0u; start < layer.in_features; start += CHUNK) {
    let mine = start + local.x;
    x_chunk[local.x] = select(0.0, x[token * layer.in_features + min(mine, layer.in_features - 1u)], mine < layer.in_features);
    workgroupBarrier();
    if (feature < layer.out_features) {
      let count = min(CHUNK, layer.in_features - start);
      for (var i = 0u; i < count; i++) {
        sum += x_chunk[i] * weight[feature * layer.in_features + start + i];
      }
    }
    workgroupBarrier();
  }
  if (feature < layer.out_features) {
    y[token * layer.out_features + feature] = sum;
  }
}
