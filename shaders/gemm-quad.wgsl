// C = A · B as outer products of quads: no workgroup memory, no barriers. A is M × K, B is K × N, C is M × N, all
// row-major. What a software adapter wants: there a load costs as much as several multiply-adds, and a swap of lanes
// half a load. The four lanes of a quad share 4·ROWS rows and 4·COLUMNS columns of C. Per element of k each lane loads
// ROWS values of A and COLUMNS of B, all different; A goes round the quad, so that every lane multiplies all rows with
// its own columns. A workgroup is QUADS_X × QUADS_Y quads; workgroup_id.x walks the rows of C, workgroup_id.y its columns:
// what runs at a time then reads the same columns of B, which lie far apart in memory. Any M, N, K ≥ 1: loads beyond an
// edge are moved to it, stores left out.
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
// Elements of k per pass of the loop.
override STEP_K: u32 = 4u;
// Elements of K in a slice.
override SLICE: u32 = 64u;
// Whether A is read as vectors, which K, SLICE and STEP_K must be multiples of.
override VECTOR_A: u32 = 0u;

//@if VECTOR_A
// @sized M * K / 4u
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
//@end
//@if !VECTOR_A
// @sized M * K
@group(0) @binding(0) var<storage, read> a: array<f32>;
//@end
// @sized K * N
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let lane = local % 4u;
  let quad = local / 4u;
  let row = (tile.x * QUADS_Y + quad / QUADS_X) * 4u * ROWS;
  let column = ((tile.y * QUADS_X + quad % QUADS_X) * 4u + lane) * COLUMNS;
  // Where each row of A that this lane loads begins, and each of its columns of B.
//@repeat r ROWS
  let a_row$r = min(row + lane * ROWS + $(r)u, M - 1u) * K;
//@end
//@repeat s COLUMNS
  let b_column$s = min(column + $(s)u, N - 1u);
//@end
  // sum, of the rows that lane ^ q loads: its row r, column s. Names instead of arrays: they compile in a third of the time.
//@repeat q 4
//@repeat r ROWS
//@repeat s COLUMNS
  var s$q_$r_$s = 0f;
//@end
//@end
//@end
//@if SPLITS == 1
  var k = 0u;
  const last = K;
//@end
//@if SPLITS > 1
  // Its share of K; beyond the end it is empty, and the partial product zero.
  var k = tile.z * SLICE;
  let last = min(k + SLICE, K);
//@end
  for (; k + STEP_K <= last; k += STEP_K) {
//@repeat r ROWS
    let at$r = a_row$r + k;
//@if VECTOR_A
//@repeat v STEP_K / 4
    let four$r_$v = a[at$r / 4u + $(v)u];
//@end
//@end
//@repeat d STEP_K
//@if VECTOR_A
    let x0_$r_$d = four$r_$(d / 4)[$(d % 4)];
//@end
//@if !VECTOR_A
    let x0_$r_$d = a[at$r + $(d)u];
//@end
    let x1_$r_$d = quadSwapX(x0_$r_$d);
    let x2_$r_$d = quadSwapY(x0_$r_$d);
    let x3_$r_$d = quadSwapDiagonal(x0_$r_$d);
//@end
//@end
//@repeat d STEP_K
    let line$d = (k + $(d)u) * N;
//@end
    // A column at a time, its values of B loaded right ahead of it: what is multiplied from the left is then used once between two
    // loads, and the software adapter's compiler writes it back to memory at every use but the last one between two branches,
    // which its loads have. The steps of k innermost: a sum stays in a register for all of them.
//@repeat s COLUMNS
//@repeat d STEP_K
    let b$d_$s = b[line$d + b_column$s];
//@end
//@repeat q 4
//@repeat r ROWS
    s$q_$r_$s = s$q_$r_$s
//@repeat d STEP_K
      + x$q_$r_$d * b$d_$s
//@end
      ;
//@end
//@end
//@end
  }
//@if SPLITS > 1 || K % STEP_K != 0
  // What is left of k.
  for (; k < last; k++) {
//@repeat s COLUMNS
    let b$s = b[k * N + b_column$s];
//@end
//@repeat r ROWS
//@if VECTOR_A
    let x0_$r = a[(a_row$r + k) / 4u][k % 4u];
//@end
//@if !VECTOR_A
    let x0_$r = a[a_row$r + k];
//@end
    let x1_$r = quadSwapX(x0_$r);
    let x2_$r = quadSwapY(x0_$r);
    let x3_$r = quadSwapDiagonal(x0_$r);
//@repeat q 4
//@repeat s COLUMNS
    s$q_$r_$s += x$q_$r * b$s;
//@end
//@end
//@end
  }
//@end
  // An array with a running index is kept in memory: nothing here, but very slow in the loops above. Made in one piece: set
  // element by element it would be zeroed first, and take a third longer to compile.
  var result = array<array<array<f32, COLUMNS>, ROWS>, 4>(
//@repeat q 4
    array<array<f32, COLUMNS>, ROWS>(
//@repeat r ROWS
      array<f32, COLUMNS>(
//@repeat s COLUMNS
        s$q_$r_$s,
//@end
      ),
//@end
    ),
//@end
  );
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
