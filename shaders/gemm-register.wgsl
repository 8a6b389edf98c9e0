// C = A · B in registers alone: no workgroup memory, no barriers. A is M × K, B is K × N, C is M × N, all row-major.
// Each invocation computes THREAD_M × THREAD_N elements of C (at most 16 × 16); all loads of a step along k come
// before its multiply-adds. A workgroup's LANES_X × LANES_Y invocations lie side by side; workgroup_id.x walks the
// columns of C, workgroup_id.y its rows. Any M, N, K ≥ 1: loads beyond an edge are moved to it, stores left out.

override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Partial products of slices of K, workgroup_id.z naming the slice: each stores to C as if it were all of it.
override SPLITS: u32 = 1u;
override THREAD_M: u32 = 8u;
override THREAD_N: u32 = 4u;
override LANES_X: u32 = 4u;
override LANES_Y: u32 = 4u;
// Elements of k per pass of the loop.
override STEP_K: u32 = 2u;

// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f32>;
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = (tile.y * LANES_Y + lane / LANES_X) * THREAD_M;
  let column = (tile.x * LANES_X + lane % LANES_X) * THREAD_N;

  // Where each row of A begins, and each column of B.
  var a_row: array<u32, 16>;
  var b_column: array<u32, 16>;
  // @unroll
  for (var r = 0u; r < THREAD_M; r++) {
    a_row[r] = min(row + r, M - 1u) * K;
  }
  // @unroll
  for (var s = 0u; s < THREAD_N; s++) {
    b_column[s] = min(column + s, N - 1u);
  }

  // With its initialiser: the software adapter zeroes a var that has none only once, not whenever it is reached.
  var sum = array<array<f32, 16>, 16>();
//@if SPLITS == 1
  var k = 0u;
  const last = K;
//@end
//@if SPLITS > 1
  // Its share of K; beyond the end it is empty, and the partial product zero.
  var k = tile.z * ((K + SPLITS - 1u) / SPLITS);
  let last = min(k + (K + SPLITS - 1u) / SPLITS, K);
//@end
  // STEP_K elements at a time; then (tail = 1) one at a time, what is left.
  // @unroll
  for (var tail = 0u; tail < 2u; tail++) {
    let step = select(STEP_K, 1u, tail == 1u);
    for (; k + step <= last; k += step) {
      var left: array<array<f32, 16>, 4>;
      var right: array<array<f32, 16>, 4>;
      // @unroll
      for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
        // @unroll
        for (var s = 0u; s < THREAD_N; s++) {
          right[d][s] = b[(k + d) * N + b_column[s]];
        }
        // @unroll
        for (var r = 0u; r < THREAD_M; r++) {
          left[d][r] = a[a_row[r] + k + d];
        }
      }
      // @unroll
      for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
        // @unroll
        for (var r = 0u; r < THREAD_M; r++) {
          // @unroll
          for (var s = 0u; s < THREAD_N; s++) {
            sum[r][s] += left[d][r] * right[d][s];
          }
        }
      }
    }
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
      if (row + r < M && column + s < N) {
        c[(row + r) * N + column + s] = result[r][s];
      }
    }
  }
}
