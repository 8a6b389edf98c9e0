// C = A · B for few rows (at most 16), as when a model decodes: B is read once, and that is the work. A is M × K, B is
// K × N, C is M × N, all row-major. LANES_X invocations lie along the columns of C, each with COLUMNS of them and all
// ROWS rows; LANES_Y of them share the elements of k in turn and add their sums in workgroup memory at the end.
// workgroup_id.x walks the columns of C, workgroup_id.y its rows. Any M, N, K ≥ 1: loads beyond an edge are moved to
// it, stores left out.

override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Partial products of slices of K, workgroup_id.z naming the slice: each stores to C as if it were all of it.
override SPLITS: u32 = 1u;
override ROWS: u32 = 4u;
override COLUMNS: u32 = 4u;
override LANES_X: u32 = 16u;
override LANES_Y: u32 = 4u;
// Elements of k per pass of the loop and invocation, at most 8.
override STEP_K: u32 = 4u;

// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f32>;
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

//@if LANES_Y > 1
var<workgroup> partial: array<f32, LANES_Y * ROWS * COLUMNS * LANES_X>;
//@end

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = tile.y * ROWS;
  let x = lane % LANES_X;
  let y = lane / LANES_X;
  let column = (tile.x * LANES_X + x) * COLUMNS;

  // Where each row of A begins, and each column of B.
  var a_row: array<u32, 16>;
  var b_column: array<u32, 16>;
  // @unroll
  for (var r = 0u; r < ROWS; r++) {
    a_row[r] = min(row + r, M - 1u) * K;
  }
  // @unroll
  for (var s = 0u; s < COLUMNS; s++) {
    b_column[s] = min(column + s, N - 1u);
  }

//@if SPLITS == 1
  const first = 0u;
  const last = K;
//@end
//@if SPLITS > 1
  // Its share of K; beyond the end it is empty, and the partial product zero.
  let first = tile.z * ((K + SPLITS - 1u) / SPLITS);
  let last = min(first + (K + SPLITS - 1u) / SPLITS, K);
//@end
  // With its initialiser: the software adapter zeroes a var that has none only once, not whenever it is reached.
  var sum = array<array<f32, 16>, 16>();
  var k = first + y;
  // STEP_K elements at a time, LANES_Y apart; then (tail = 1) one at a time, what is left.
  // @unroll
  for (var tail = 0u; tail < 2u; tail++) {
    let reach = select((STEP_K - 1u) * LANES_Y, 0u, tail == 1u);
    for (; k + reach < last; k += reach + LANES_Y) {
      var left: array<array<f32, 16>, 8>;
      var right: array<array<f32, 16>, 8>;
      // @unroll
      for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
        // @unroll
        for (var s = 0u; s < COLUMNS; s++) {
          right[d][s] = b[(k + d * LANES_Y) * N + b_column[s]];
        }
        // @unroll
        for (var r = 0u; r < ROWS; r++) {
          left[d][r] = a[a_row[r] + k + d * LANES_Y];
        }
      }
      // @unroll
      for (var r = 0u; r < ROWS; r++) {
        // @unroll
        for (var s = 0u; s < COLUMNS; s++) {
          // @unroll
          for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
            sum[r][s] += left[d][r] * right[d][s];
          }
        }
      }
    }
  }

  // Copied, because an array with a running index is kept in memory: nothing here, but very slow in the loop above.
  var result: array<array<f32, 16>, 16>;
  // @unroll
  for (var r = 0u; r < ROWS; r++) {
    // @unroll
    for (var s = 0u; s < COLUMNS; s++) {
      result[r][s] = sum[r][s];
    }
  }
//@if LANES_Y > 1
  for (var r = 0u; r < ROWS; r++) {
    for (var s = 0u; s < COLUMNS; s++) {
      partial[((y * ROWS + r) * COLUMNS + s) * LANES_X + x] = result[r][s];
    }
  }
  workgroupBarrier();
  if (y > 0u) {
    return;
  }
//@end
  for (var r = 0u; r < ROWS; r++) {
    for (var s = 0u; s < COLUMNS; s++) {
      var value = result[r][s];
//@if LANES_Y > 1
      for (var other = 1u; other < LANES_Y; other++) {
        value += partial[((other * ROWS + r) * COLUMNS + s) * LANES_X + x];
      }
//@end
      if (row + r < M && column + s < N) {
        c[(row + r) * N + column + s] = value;
      }
    }
  }
}
