// values *= factor, a power of two: f32, or f16 two a word. Grid-stride.

struct Params {
  factor: f32,
  packed: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&values); i += groups.x * 64u) {
    if (params.packed != 0u) {
      values[i] = pack2x16float(params.factor * unpack2x16float(values[i]));
    } else {
      values[i] = bitcast<u32>(params.factor * bitcast<f32>(values[i]));
    }
  }
}
