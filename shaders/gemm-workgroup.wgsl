// C = A · B through workgroup memory. A is M × K, B is K × N, C is M × N, all row-major. A workgroup stages a slab of
// A (TILE_M × TILE_K) and one of B (TILE_K × TILE_N), waits, multiplies them into registers, waits, and goes on along
// k; each of its LANES_X × LANES_Y invocations computes THREAD_M × THREAD_N elements of C (at most 16 × 16).
// workgroup_id.x walks the columns of C, workgroup_id.y its rows. Any M, N, K ≥ 1: a slab is zero beyond the edges.

override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Partial products of slices of K, workgroup_id.z naming the slice: each stores to C as if it were all of it.
override SPLITS: u32 = 1u;
override THREAD_M: u32 = 8u;
override THREAD_N: u32 = 4u;
override LANES_X: u32 = 8u;
override LANES_Y: u32 = 4u;
override TILE_K: u32 = 16u;
override TILE_M: u32 = THREAD_M * LANES_Y;
override TILE_N: u32 = THREAD_N * LANES_X;

// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f32>;
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

var<workgroup> a_slab: array<f32, TILE_M * TILE_K>;
var<workgroup> b_slab: array<f32, TILE_K * TILE_N>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile_row = tile.y * TILE_M;
  let tile_column = tile.x * TILE_N;
  let lane_row = lane / LANES_X * THREAD_M;
  let lane_column = lane % LANES_X * THREAD_N;

  // With its initialiser: the software adapter zeroes a var that has none only once, not whenever it is reached.
  var sum = array<array<f32, 16>, 16>();
//@if SPLITS == 1
  const first = 0u;
  const last = K;
//@end
//@if SPLITS > 1
  // Its share of K; beyond the end it is empty, and the partial product zero.
  let first = tile.z * ((K + SPLITS - 1u) / SPLITS);
  let last = min(first + (K + SPLITS - 1u) / SPLITS, K);
//@end
  for (var slab_k = first; slab_k < last; slab_k += TILE_K) {
    for (var i = lane; i < TILE_M * TILE_K; i += LANES_X * LANES_Y) {
      let row = tile_row + i / TILE_K;
      let k = slab_k + i % TILE_K;
      a_slab[i] = select(0.0, a[min(row, M - 1u) * K + min(k, K - 1u)], row < M && k < last);
    }
    for (var i = lane; i < TILE_K * TILE_N; i += LANES_X * LANES_Y) {
      let k = slab_k + i / TILE_N;
      let column = tile_column + i % TILE_N;
      b_slab[i] = select(0.0, b[min(k, K - 1u) * N + min(column, N - 1u)], k < last && column < N);
    }
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k++) {
      var left: array<f32, 16>;
      var right: array<f32, 16>;
      // @unroll
      for (var r = 0u; r < THREAD_M; r++) {
        left[r] = a_slab[(lane_row + r) * TILE_K + k];
      }
      // @unroll
      for (var s = 0u; s < THREAD_N; s++) {
        right[s] = b_slab[k * TILE_N + lane_column + s];
      }
      // @unroll
      for (var r = 0u; r < THREAD_M; r++) {
        // @unroll
        for (var s = 0u; s < THREAD_N; s++) {
          sum[r][s] += left[r] * right[s];
        }
      }
    }
    workgroupBarrier();
  }

  // Copied, because an array with a running index is kept in memory: nothing here, but very slow in the loop above.
  var result: array<array<f32, 16>, 16>;
  // @unroll
  for (var r = 0u; r < THREAD_M; r++) {
    // @unroll
    for (var s = 0u; s < THREAD_N; s++) {
      result[r][s] = sum[r][s];
    }
  }
  for (var r = 0u; r < THREAD_M; r++) {
    for (var s = 0u; s < THREAD_N; s++) {
      let row = tile_row + lane_row + r;
      let column = tile_column + lane_column + s;
      if (row < M && column < N) {
        c[row * N + column] = result[r][s];
      }
    }
  }
}
