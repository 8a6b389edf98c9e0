// f16 without the extension: activations and weights packed by two in words, unpacked on the way, summed in f32.
override M: u32;
override N: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> activations: array<u32>;
@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

fn activation(i: u32) -> f32 { return unpack2x16float(activations[i / 2u])[i % 2u]; }
fn weight(i: u32) -> f32 { let pair = unpack2x16float(weights[i >> 1u]); return select(pair.x, pair.y, (i & 1u) == 1u); }

@compute @workgroup_size(16, 4)
fn half_gemm(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= N || id.y >= M) { return; }
  var sum = 0.0;
  for (var k = 0u; k < K; k++) { sum = fma(activation(id.y * K + k), weight(id.x * K + k), sum); }
  sums[id.y * N + id.x] = sum;
}
