// C = A · B on subgroup matrices ("tensor cores"): A and B are f16, products and sums f32. A is M × K, B is K × N, C is
// M × N, all row-major. A workgroup stages a slab of A (TILE_M × TILE_K) and one of B (TILE_K × TILE_N); each of its
// SUBGROUPS_X × SUBGROUPS_Y subgroups multiplies ROWS + COLUMNS matrices of 16 × 16 into ROWS × COLUMNS of C. These go
// out through workgroup memory, one at a time, half a row a lane: a store of a whole matrix knows no edge of C, and hides
// which element goes where. workgroup_id.x walks the columns of C, workgroup_id.y its rows. Any M, N, K ≥ 1: a slab is
// zero beyond the edges. Right only where a subgroup has 32 lanes, consecutive local indices: src/gpu/adapter.ts asks.
// EMULATED: a lane keeps its row of each matrix, and multiplies by itself; for tests, where there are no such matrices.
enable f16;
//@if !EMULATED
enable chromium_experimental_subgroup_matrix;
// Matrices are stored where their subgroup's number says, uniform in it, which the compiler cannot know.
diagnostic(off, chromium.subgroup_matrix_uniformity);
//@end

override M: u32 = 64u;
override N: u32 = 64u;
override K: u32 = 64u;
// Partial products of slices of K, workgroup_id.z naming the slice: each stores to C as if it were all of it.
override SPLITS: u32 = 1u;
override SLICE: u32 = 64u;
override ROWS: u32 = 2u;
override COLUMNS: u32 = 2u;
override SUBGROUPS_X: u32 = 2u;
override SUBGROUPS_Y: u32 = 2u;
// 32 · SUBGROUPS_X · SUBGROUPS_Y.
override LANES: u32 = 128u;
override TILE_K: u32 = 32u;
override TILE_M: u32 = 16u * ROWS * SUBGROUPS_Y;
override TILE_N: u32 = 16u * COLUMNS * SUBGROUPS_X;
override EMULATED: u32 = 0u;

// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f16>;
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f16>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

var<workgroup> a_slab: array<f16, TILE_M * TILE_K>;
var<workgroup> b_slab: array<f16, TILE_K * TILE_N>;
// A matrix of each subgroup.
var<workgroup> c_part: array<f32, 8u * LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % 32u;
  let subgroup = local / 32u;
  let tile_row = tile.y * TILE_M;
  let tile_column = tile.x * TILE_N;
  // Of the subgroup's matrices, within the tile.
  let first_row = (subgroup / SUBGROUPS_X) * 16u * ROWS;
  let first_column = (subgroup % SUBGROUPS_X) * 16u * COLUMNS;
//@if SPLITS == 1
  const first = 0u;
  const last = K;
//@end
//@if SPLITS > 1
  // Its share of K; beyond the end it is empty, and the partial product zero.
  let first = tile.z * SLICE;
  let last = min(first + SLICE, K);
//@end

//@repeat r ROWS
//@repeat s COLUMNS
//@if EMULATED
  var sum$r_$s = array<f32, 16>();
//@end
//@if !EMULATED
  var sum$r_$s = subgroup_matrix_result<f32, 16, 16>();
//@end
//@end
//@end
  for (var slab_k = first; slab_k < last; slab_k += TILE_K) {
    for (var i = local; i < TILE_M * TILE_K; i += LANES) {
      let row = tile_row + i / TILE_K;
      let k = slab_k + i % TILE_K;
      a_slab[i] = select(0h, a[min(row, M - 1u) * K + min(k, K - 1u)], row < M && k < last);
    }
    for (var i = local; i < TILE_K * TILE_N; i += LANES) {
      let k = slab_k + i / TILE_N;
      let column = tile_column + i % TILE_N;
      b_slab[i] = select(0h, b[min(k, K - 1u) * N + min(column, N - 1u)], k < last && column < N);
    }
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k += 16u) {
//@if EMULATED
      for (var i = 0u; i < 16u; i++) {
//@repeat r ROWS
        let left$r = f32(a_slab[(first_row + $(16 * r)u + lane % 16u) * TILE_K + k + i]);
//@end
        for (var j = 0u; j < 16u; j++) {
//@repeat s COLUMNS
          let right$s = f32(b_slab[(k + i) * TILE_N + first_column + $(16 * s)u + j]);
//@end
//@repeat r ROWS
//@repeat s COLUMNS
          sum$r_$s[j] += left$r * right$s;
//@end
//@end
        }
      }
//@end
//@if !EMULATED
//@repeat r ROWS
      let left$r = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>>(&a_slab, (first_row + $(16 * r)u) * TILE_K + k, false, TILE_K);
//@end
//@repeat s COLUMNS
      let right$s = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>>(&b_slab, k * TILE_N + first_column + $(16 * s)u, false, TILE_N);
//@end
//@repeat r ROWS
//@repeat s COLUMNS
      sum$r_$s = subgroupMatrixMultiplyAccumulate(left$r, right$s, sum$r_$s);
//@end
//@end
//@end
    }
    // Before the next slabs take their place.
    workgroupBarrier();
  }

  // Half a row of a matrix a lane; the arrays' lengths count matrices.
  var result: array<array<f32, 8>, ROWS * COLUMNS>;
//@repeat r ROWS
//@repeat s COLUMNS
//@if EMULATED
  if (lane < 16u) {
    for (var j = 0u; j < 16u; j++) {
      c_part[subgroup * 256u + lane * 16u + j] = sum$r_$s[j];
    }
  }
//@end
//@if !EMULATED
  subgroupMatrixStore(&c_part, subgroup * 256u, sum$r_$s, false, 16u);
//@end
  workgroupBarrier();
  for (var j = 0u; j < 8u; j++) {
    result[$r * COLUMNS + $s][j] = c_part[subgroup * 256u + lane * 8u + j];
  }
  workgroupBarrier();
//@end
//@end
  for (var r = 0u; r < ROWS; r++) {
    let row = tile_row + first_row + 16u * r + lane / 2u;
    for (var s = 0u; s < COLUMNS; s++) {
      let column = tile_column + first_column + 16u * s + (lane % 2u) * 8u;
      for (var j = 0u; j < 8u; j++) {
        if (row < M && column + j < N) {
          c[row * N + column + j] = result[r * COLUMNS + s][j];
        }
      }
    }
  }
}
