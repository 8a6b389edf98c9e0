// f32 values, each of them one that f16 holds, as f16, two a word: operands for kernels that take them so. Grid-stride.

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&output); i += groups.x * 64u) {
    let last = arrayLength(&input) - 1u;
    output[i] = pack2x16float(vec2f(input[2u * i], input[min(2u * i + 1u, last)]));
  }
}
