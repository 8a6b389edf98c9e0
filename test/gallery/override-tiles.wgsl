// Everything that a tuner may want to turn is an override, the workgroup size included.
override TX: u32 = 8u;
override TY: u32 = 8u;
override DEPTH: u32 = TX;
override ROWS_PER_THREAD: u32 = 2u;
override M: u32;
override N: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;

var<workgroup> panel: array<f32, DEPTH * TX>;

@compute @workgroup_size(TX, TY)
fn tuned(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) flat: u32) {
  let column = tile.x * TX + lane.x;
  let row = (tile.y * TY + lane.y) * ROWS_PER_THREAD;
  var sums = array<f32, 4>();
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var i = flat; i < DEPTH * TX; i += TX * TY) {
      let k = k0 + i / TX;
      let j = tile.x * TX + i % TX;
      panel[i] = select(0.0, B[min(k, K - 1u) * N + min(j, N - 1u)], k < K && j < N);
    }
    workgroupBarrier();
    for (var d = 0u; d < min(DEPTH, K - k0); d++) {
      for (var r = 0u; r < ROWS_PER_THREAD; r++) {
        sums[r] += A[min(row + r, M - 1u) * K + k0 + d] * panel[d * TX + lane.x];
      }
    }
    workgroupBarrier();
  }
  if (column < N) {
    for (var r = 0u; r < ROWS_PER_THREAD && row + r < M; r++) {
      C[(row + r) * N + column] = sums[r];
    }
  }
}
