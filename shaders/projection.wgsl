// The products of a generated operand with a few vectors, modulo a prime, in exact integer arithmetic: what Freivalds'
// test needs of A and B. The operand's exact values are made anew by the hash (twin: src/spec/operands.ts), not read,
// so nothing under test is trusted. sums[out_first + r][v] += Σ over a segment of columns c of value(first_row + r, c) ·
// x[x_first + c][v], as a residue: segments (workgroup_id.y) meet by atomicAdd, at most 32 of them. `settle` makes of
// such sums what x may be: residues around 0, |x| ≤ (MODULUS − 1) / 2 < 2^25.
// RANGE ≤ 7: between two folds a sum stays below RANGE · 8 · 2^25 + 2^27 < 2^31.

override RANGE: u32 = 4u;
override VECTORS: u32 = 3u;
// Rows that share one load of x.
override ROWS: u32 = 8u;

struct Params {
  seed: u32,
  device: u32,
  matrix: u32,
  first_row: u32, // of the operand, that row 0 of this dispatch stands for
  rows: u32,
  columns: u32,
  segment: u32, // columns of a segment, a multiple of 8
  x_first: u32,
  out_first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<i32>;
@group(0) @binding(2) var<storage, read_write> sums: array<atomic<u32>>;

const LANES = 32u;
const WEYL = 0x9e3779b1u;
const MODULUS = 0x3fffffb; // 2^26 − 5
// 1.5 · 2^23: an f32 in this binade has its integer part in its low bits.
const MAGIC = 12582912.0;
const MAGIC_BITS = 0x4b400000;

fn mix32(y: u32) -> u32 {
  var h = y;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// h >> 16 and h >> 15 as in operands.wgsl, where the software adapter's price of a shift is told.
fn shifted_16(h: u32) -> u32 {
  return bitcast<u32>(f32(bitcast<i32>(h & 0xffff0000u)) * 0x1p-16f + MAGIC) & 0xffffu;
}

fn shifted_15(h: u32) -> u32 {
  return bitcast<u32>(f32(bitcast<i32>(h & 0xffff8000u)) * 0x1p-15f + MAGIC) & 0x1ffffu;
}

// The exact value at a column, `weyl` = start of its row + column · WEYL; see exact_value of operands.wgsl.
fn value(weyl: u32, twist: u32) -> i32 {
  var h = ((weyl ^ shifted_16(weyl)) * 0x7feb352du) ^ twist;
  h = (h ^ shifted_15(h)) * 0x846ca68bu;
  let upper = f32(bitcast<i32>((h ^ 0x80000000u) & 0xffff0000u));
  let v = floor(upper * (f32(RANGE) * 0x1p-31f));
  let whole = v + 1.0 + floor((v + 0.5) / f32(RANGE));
  return bitcast<i32>(whole + MAGIC) - MAGIC_BITS;
}

// The same residue within −160..2^26 + 155: 2^26 is 5 modulo the prime.
fn fold(s: i32) -> i32 {
  return (s & 0x3ffffff) + (s >> 26u) * 5;
}

@compute @workgroup_size(LANES)
fn project(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = (group.x * LANES + lane) * ROWS;
  let key = mix32(mix32(params.seed + 0x9e3779b9u) ^ (params.device * 2u + params.matrix));
  var start: array<u32, 8>;
  var twist: array<u32, 8>;
  // @unroll
  for (var r = 0u; r < ROWS; r++) {
    let row = params.first_row + first + r;
    start[r] = mix32(key + row);
    twist[r] = mix32(key ^ mix32(row ^ 0x85ebca6bu));
  }

  var sum = array<array<i32, 4>, 8>();
  let end = min(params.columns, (group.y + 1u) * params.segment);
  var c = group.y * params.segment;
  // Eight columns at a time; then (tail = 1) one at a time, what is left.
  // @unroll
  for (var tail = 0u; tail < 2u; tail++) {
    let step = select(8u, 1u, tail == 1u);
    for (; c + step <= end; c += step) {
      // @unroll
      for (var d = 0u; d < select(8u, 1u, tail == 1u); d++) {
        let weyl = (c + d) * WEYL;
        var factor: array<i32, 4>;
        // @unroll
        for (var v = 0u; v < VECTORS; v++) {
          factor[v] = x[(params.x_first + c + d) * VECTORS + v];
        }
        // @unroll
        for (var r = 0u; r < ROWS; r++) {
          let element = value(start[r] + weyl, twist[r]);
          // @unroll
          for (var v = 0u; v < VECTORS; v++) {
            sum[r][v] += element * factor[v];
          }
        }
      }
      // @unroll
      for (var r = 0u; r < ROWS; r++) {
        // @unroll
        for (var v = 0u; v < VECTORS; v++) {
          sum[r][v] = fold(sum[r][v]);
        }
      }
    }
  }

  // @unroll
  for (var r = 0u; r < ROWS; r++) {
    if (first + r < params.rows) {
      // @unroll
      for (var v = 0u; v < VECTORS; v++) {
        atomicAdd(&sums[(params.out_first + first + r) * VECTORS + v], u32(sum[r][v] + select(0, MODULUS, sum[r][v] < 0)));
      }
    }
  }
}

@compute @workgroup_size(64)
fn settle(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&sums); i += groups.x * 64u) {
    let residue = i32(atomicLoad(&sums[i]) % u32(MODULUS));
    atomicStore(&sums[i], bitcast<u32>(residue - select(0, MODULUS, residue > MODULUS / 2)));
  }
}
