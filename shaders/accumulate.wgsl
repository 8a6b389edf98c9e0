// sum += partial, element by element: how a reference is summed over devices. Grid-stride.

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&sum); i += groups.x * 64u) {
    sum[i] = sum[i] + partial[i];
  }
}
