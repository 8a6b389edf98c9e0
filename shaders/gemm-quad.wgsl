// C = A · B as outer products of quads: no workgroup memory, no barriers. A is M × K, B is K × N, C is M × N, all
// row-major. What a software adapter wants: there a load costs as much as several multiply-adds, and a swap of lanes
// half a load. The four lanes of a quad share 4·ROWS rows and 4·COLUMNS columns of C. Per element of k each lane loads
// ROWS values of A and COLUMNS of B, all different; A goes round the quad, so that every lane multiplies all rows with
// its own columns (at most 64 × 32 elements of C). A workgroup is QUADS_X × QUADS_Y quads; workgroup_id.x walks the
// columns of C, workgroup_id.y its rows. Any M, N, K ≥ 1: loads beyond an edge are moved to it, stores left out.
// Right only where the lanes of a quad are four consecutive local indices: src/gpu/adapter.ts asks the adapter.
enable subgroups;

override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Partial products of slices of K, workgroup_id.z naming the slice: each stores to C as if it were all of it.
override SPLITS: u32 = 1u;
override ROWS: u32 = 4u;
override COLUMNS: u32 = 4u;
override QUADS_X: u32 = 1u;
override QUADS_Y: u32 = 4u;
// 4 · QUADS_X · QUADS_Y.
override LANES: u32 = 16u;
// Elements of k per pass of the loop, at most 16.
override STEP_K: u32 = 8u;

// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f32>;
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % 4u;
  let quad = local / 4u;
  let row = (tile.y * QUADS_Y + quad / QUADS_X) * 4u * ROWS;
  let column = ((tile.x * QUADS_X + quad % QUADS_X) * 4u + lane) * COLUMNS;

  // Where each row of A that this lane loads begins, and each of its columns of B.
  var a_row: array<u32, 16>;
  var b_column: array<u32, 32>;
  // @unroll
  for (var r = 0u; r < ROWS; r++) {
    a_row[r] = min(row + lane * ROWS + r, M - 1u) * K;
  }
  // @unroll
  for (var s = 0u; s < COLUMNS; s++) {
    b_column[s] = min(column + s, N - 1u);
  }

  // sum[q]: the rows that lane ^ q loads. With its initialiser: the software adapter zeroes a var that has none only
  // once, not whenever it is reached.
  var sum = array<array<array<f32, 32>, 16>, 4>();
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
      var left: array<array<f32, 16>, 16>;
      var right: array<array<f32, 32>, 16>;
      // @unroll
      for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
        // @unroll
        for (var s = 0u; s < COLUMNS; s++) {
          right[d][s] = b[(k + d) * N + b_column[s]];
        }
        // @unroll
        for (var r = 0u; r < ROWS; r++) {
          left[d][r] = a[a_row[r] + k + d];
        }
      }
      // The steps of k innermost: a sum stays in a register for all of them.
      // @unroll
      for (var r = 0u; r < ROWS; r++) {
//@repeat q 4
        {
          var turned: array<f32, 16>;
          // @unroll
          for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
//@if $q == 0
            turned[d] = left[d][r];
//@end
//@if $q == 1
            turned[d] = quadSwapX(left[d][r]);
//@end
//@if $q == 2
            turned[d] = quadSwapY(left[d][r]);
//@end
//@if $q == 3
            turned[d] = quadSwapDiagonal(left[d][r]);
//@end
          }
          // @unroll
          for (var s = 0u; s < COLUMNS; s++) {
            // @unroll
            for (var d = 0u; d < select(STEP_K, 1u, tail == 1u); d++) {
              sum[$q][r][s] += turned[d] * right[d][s];
            }
          }
        }
//@end
      }
    }
  }

  // Copied, because an array with a running index is kept in memory: nothing here, but very slow in the loop above.
  var result: array<array<array<f32, 32>, 16>, 4>;
  // @unroll
  for (var q = 0u; q < 4u; q++) {
    // @unroll
    for (var r = 0u; r < ROWS; r++) {
      // @unroll
      for (var s = 0u; s < COLUMNS; s++) {
        result[q][r][s] = sum[q][r][s];
      }
    }
  }
  for (var q = 0u; q < 4u; q++) {
    for (var r = 0u; r < ROWS; r++) {
      let there = row + (lane ^ q) * ROWS + r;
      for (var s = 0u; s < COLUMNS; s++) {
        if (there < M && column + s < N) {
          c[there * N + column + s] = result[q][r][s];
        }
      }
    }
  }
}
