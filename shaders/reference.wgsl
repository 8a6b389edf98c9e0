// C = A · B for matrices of small integers held as f32, exactly, two rows of A at a time: a product with
// left = upper + 4096 · lower carries two sums in one f32, which are taken apart before either can reach 2048.
// It shares nothing with the GEMM kernels beyond their interface, and so is a reference for them. Right only if
// FLUSH_K · max|a| · max|b| ≤ 2047 and every element of C stays below 2²⁴; else use another kernel.
// Each invocation computes 2 · THREAD_PAIRS × THREAD_N elements; any M, N, K ≥ 1.

override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Steps of k between two times that the sums are taken apart: 127 for operands in −4..4.
override FLUSH_K: u32 = 127u;
override THREAD_PAIRS: u32 = 8u;
override THREAD_N: u32 = 8u;
override LANES_X: u32 = 4u;
override LANES_Y: u32 = 4u;

// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f32>;
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = (tile.y * LANES_Y + lane / LANES_X) * THREAD_PAIRS * 2u;
  let column = (tile.x * LANES_X + lane % LANES_X) * THREAD_N;

  // Where each row of A begins, and each column of B.
  var a_row: array<u32, 16>;
  var b_column: array<u32, 8>;
  // @unroll
  for (var r = 0u; r < 2u * THREAD_PAIRS; r++) {
    a_row[r] = min(row + r, M - 1u) * K;
  }
  // @unroll
  for (var s = 0u; s < THREAD_N; s++) {
    b_column[s] = min(column + s, N - 1u);
  }

  var result: array<array<f32, 8>, 16>;
  for (var flushed = 0u; flushed < K; flushed += FLUSH_K) {
    // Said in full: on the software adapter a var in a loop is not zeroed anew without its initialiser.
    var sum = array<array<f32, 8>, 8>();
    for (var k = flushed; k < min(flushed + FLUSH_K, K); k++) {
      var left: array<f32, 8>;
      var right: array<f32, 8>;
      // @unroll
      for (var s = 0u; s < THREAD_N; s++) {
        right[s] = b[k * N + b_column[s]];
      }
      // @unroll
      for (var p = 0u; p < THREAD_PAIRS; p++) {
        left[p] = a[a_row[2u * p] + k] + 4096.0 * a[a_row[2u * p + 1u] + k];
      }
      // @unroll
      for (var p = 0u; p < THREAD_PAIRS; p++) {
        // @unroll
        for (var s = 0u; s < THREAD_N; s++) {
          sum[p][s] += left[p] * right[s];
        }
      }
    }
    // @unroll
    for (var p = 0u; p < THREAD_PAIRS; p++) {
      // @unroll
      for (var s = 0u; s < THREAD_N; s++) {
        let lower = round(sum[p][s] / 4096.0);
        result[2u * p][s] += sum[p][s] - 4096.0 * lower;
        result[2u * p + 1u][s] += lower;
      }
    }
  }

  for (var r = 0u; r < 2u * THREAD_PAIRS; r++) {
    for (var s = 0u; s < THREAD_N; s++) {
      if (row + r < M && column + s < N) {
        c[(row + r) * N + column + s] = result[r][s];
      }
    }
  }
}
