// C = A · B through workgroup memory, four elements at a time: what a real GPU wants. A is M × K, B is K × N, C is
// M × N, all row-major. While a workgroup multiplies one slab of A (TILE_M × TILE_K, kept by columns) and of B
// (TILE_K × TILE_N) into registers, the loads of the next one are on their way; there are two of each, so that one
// barrier a slab is enough. Each of its LANES_X × LANES_Y invocations computes THREAD_M × THREAD_N elements of C (at
// most 16 × 16), and reads four from workgroup memory at once. Tiles and register tiles are multiples of 4; A is read in
// vectors where K is one (VECTOR_A), B where N is (VECTOR_B). workgroup_id.x walks the columns of C, workgroup_id.y its
// rows. Any M, N, K ≥ 1: a slab is zero beyond the edges. With HALF, A and B are f16, in memory and in the slabs;
// products and sums are f32 all the same.
//@if HALF
enable f16;
alias Value = f16;
//@end
//@if !HALF
alias Value = f32;
//@end

override HALF: u32 = 0u;
override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Partial products of slices of K, workgroup_id.z naming the slice: each stores to C as if it were all of it.
override SPLITS: u32 = 1u;
// Elements of K in a slice: with VECTOR_A a multiple of 4.
override SLICE: u32 = 64u;
override VECTOR_A: u32 = 0u;
override VECTOR_B: u32 = 0u;
override THREAD_M: u32 = 4u;
override THREAD_N: u32 = 4u;
override LANES_X: u32 = 8u;
override LANES_Y: u32 = 8u;
override TILE_K: u32 = 16u;
override TILE_M: u32 = THREAD_M * LANES_Y;
override TILE_N: u32 = THREAD_N * LANES_X;
// Blocks of 4 × 4 elements of A, and vectors of B, that an invocation loads of a slab.
override LOADS_A: u32 = 1u;
override LOADS_B: u32 = 4u;

//@if VECTOR_A
// @sized M * K / 4
@group(0) @binding(0) var<storage, read> a: array<vec4<Value>>;
//@end
//@if !VECTOR_A
// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<Value>;
//@end
//@if VECTOR_B
// @sized K * N / 4
@group(0) @binding(1) var<storage, read> b: array<vec4<Value>>;
//@end
//@if !VECTOR_B
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<Value>;
//@end
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

// Two slabs each; a vector of A's holds four rows of one k, one of B's four columns.
var<workgroup> a_slab: array<vec4<Value>, 2 * TILE_M * TILE_K / 4>;
var<workgroup> b_slab: array<vec4<Value>, 2 * TILE_K * TILE_N / 4>;

// Four elements of A's row along k, zero from `last` and beyond the last row.
fn four_of_a(row: u32, k: u32, last: u32) -> vec4<Value> {
  let line = min(row, M - 1u) * K;
//@if VECTOR_A
  let value = a[(line + min(k, K - 4u)) / 4u];
  return select(vec4<Value>(), value, row < M && k < last);
//@end
//@if !VECTOR_A
  let inside = vec4<bool>(row < M) & (vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(last));
  return select(vec4<Value>(), vec4<Value>(a[line + min(k, K - 1u)], a[line + min(k + 1u, K - 1u)], a[line + min(k + 2u, K - 1u)], a[line + min(k + 3u, K - 1u)]), inside);
//@end
}

// Four elements of B's row k, zero from `last` and beyond the last column.
fn four_of_b(k: u32, column: u32, last: u32) -> vec4<Value> {
  let line = min(k, K - 1u) * N;
//@if VECTOR_B
  let value = b[(line + min(column, N - 4u)) / 4u];
  return select(vec4<Value>(), value, k < last && column < N);
//@end
//@if !VECTOR_B
  let inside = vec4<bool>(k < last) & (vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(N));
  return select(vec4<Value>(), vec4<Value>(b[line + min(column, N - 1u)], b[line + min(column + 1u, N - 1u)], b[line + min(column + 2u, N - 1u)], b[line + min(column + 3u, N - 1u)]), inside);
//@end
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile_row = tile.y * TILE_M;
  let tile_column = tile.x * TILE_N;
  let lane_row = (lane / LANES_X) * THREAD_M;
  let lane_column = (lane % LANES_X) * THREAD_N;
//@if SPLITS == 1
  const first = 0u;
  const last = K;
//@end
//@if SPLITS > 1
  // Its share of K; beyond the end it is empty, and the partial product zero.
  let first = tile.z * SLICE;
  let last = min(first + SLICE, K);
//@end

  // With its initialiser: the software adapter zeroes a var that has none only once, not whenever it is reached.
  var sum = array<array<f32, THREAD_N>, THREAD_M>();
  var next_a: array<vec4<Value>, 4u * LOADS_A>;
  var next_b: array<vec4<Value>, LOADS_B>;
  // One turn more than there are slabs: a turn loads a slab and multiplies the one before.
  for (var turn = 0u; first + turn * TILE_K < last + TILE_K; turn++) {
    let slab_k = first + turn * TILE_K;
    // @unroll
    for (var load = 0u; load < LOADS_A; load++) {
      let i = lane + load * LANES_X * LANES_Y;
      let row = tile_row + (i % (TILE_M / 4u)) * 4u;
      let k = slab_k + (i / (TILE_M / 4u)) * 4u;
      // @unroll
      for (var j = 0u; j < 4u; j++) {
        next_a[load * 4u + j] = four_of_a(row + j, k, last);
      }
    }
    // @unroll
    for (var load = 0u; load < LOADS_B; load++) {
      let i = lane + load * LANES_X * LANES_Y;
      next_b[load] = four_of_b(slab_k + i / (TILE_N / 4u), tile_column + (i % (TILE_N / 4u)) * 4u, last);
    }

    if (turn > 0u) {
      let a_base = ((turn - 1u) % 2u) * (TILE_M * TILE_K / 4u) + (lane_row / 4u);
      let b_base = ((turn - 1u) % 2u) * (TILE_K * TILE_N / 4u) + (lane_column / 4u);
      for (var k = 0u; k < TILE_K; k++) {
        var left: array<vec4<f32>, THREAD_M / 4u>;
        var right: array<vec4<f32>, THREAD_N / 4u>;
        // @unroll
        for (var r = 0u; r < THREAD_M / 4u; r++) {
          left[r] = vec4<f32>(a_slab[a_base + k * (TILE_M / 4u) + r]);
        }
        // @unroll
        for (var s = 0u; s < THREAD_N / 4u; s++) {
          right[s] = vec4<f32>(b_slab[b_base + k * (TILE_N / 4u) + s]);
        }
        // @unroll
        for (var r = 0u; r < THREAD_M; r++) {
          // @unroll
          for (var s = 0u; s < THREAD_N; s++) {
            sum[r][s] += left[r / 4u][r % 4u] * right[s / 4u][s % 4u];
          }
        }
      }
    }

    // The slab that the turn before the last one multiplied: all have passed its barrier.
    let a_store = (turn % 2u) * (TILE_M * TILE_K / 4u);
    let b_store = (turn % 2u) * (TILE_K * TILE_N / 4u);
    // @unroll
    for (var load = 0u; load < LOADS_A; load++) {
      let i = lane + load * LANES_X * LANES_Y;
      if (i < TILE_M * TILE_K / 16u) {
        // @unroll
        for (var j = 0u; j < 4u; j++) {
          a_slab[a_store + ((i / (TILE_M / 4u)) * 4u + j) * (TILE_M / 4u) + (i % (TILE_M / 4u))] = vec4<Value>(next_a[load * 4u][j], next_a[load * 4u + 1u][j], next_a[load * 4u + 2u][j], next_a[load * 4u + 3u][j]);
        }
      }
    }
    // @unroll
    for (var load = 0u; load < LOADS_B; load++) {
      let i = lane + load * LANES_X * LANES_Y;
      if (i < TILE_K * TILE_N / 4u) {
        b_slab[b_store + i] = next_b[load];
      }
    }
    workgroupBarrier();
  }

  // Copied, because an array with a running index is kept in memory: nothing here, but very slow in the loop above.
  var result: array<array<f32, THREAD_N>, THREAD_M>;
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
