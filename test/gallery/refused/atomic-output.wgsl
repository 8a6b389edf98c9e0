// Float atomics by compare and exchange, for a split-K that needs no second pass.
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> size: vec3u; // m, n, k

fn atomic_add_f32(at: u32, value: f32) {
  var old = atomicLoad(&C[at]);
  loop {
    let swapped = atomicCompareExchangeWeak(&C[at], old, bitcast<u32>(bitcast<f32>(old) + value));
    if (swapped.exchanged) { break; }
    old = swapped.old_value;
  }
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.y || id.y >= size.x) { return; }
  var sum = 0.0;
  for (var p = id.z; p < size.z; p += 2u) { sum += A[id.y * size.z + p] * B[p * size.y + id.x]; }
  atomic_add_f32(id.y * size.y + id.x, sum);
}
