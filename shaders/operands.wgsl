// Fills one operand of one emulated device: output[r * columns + c] is a hash of (seed, device, matrix,
// first_row + r, c). The twin of src/spec/operands.ts: the same bits, asserted by test. Grid-stride over
// blocks of COLUMNS_PER_BLOCK columns of one row, so any dispatch of 1..65535 workgroups fills the whole.

struct Params {
  seed: u32,
  device: u32,
  matrix: u32,
  rows: u32,
  columns: u32,
  range: u32,
  kind: u32, // 0 exact: integers in -range..range without 0; 1 normal; 2 normal, rounded to f16
  first_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

const LANES = 64u;
const COLUMNS_PER_BLOCK = 4096u;
// Columns of a whole turn of the unrolled loop.
const TURN = 4u * LANES;
const WEYL = 0x9e3779b1u;
const NORMAL_MEAN = 131070;
const NORMAL_SCALE = 0x1.bb67aep-16f; // sqrt(3) / 65536
// 1.5 · 2^23: an f32 in this binade has its integer part in its low bits.
const MAGIC = 12582912.0;

// h >> 16 and h >> 15. The software adapter shifts lane by lane, which took most of the time of a fill; conversion and
// multiplication by a power of two are exact here (at most 17 bits) and cost a twentieth.
fn shifted_16(h: u32) -> u32 {
  return bitcast<u32>(f32(bitcast<i32>(h & 0xffff0000u)) * 0x1p-16f + MAGIC) & 0xffffu;
}

fn shifted_15(h: u32) -> u32 {
  return bitcast<u32>(f32(bitcast<i32>(h & 0xffff8000u)) * 0x1p-15f + MAGIC) & 0x1ffffu;
}

fn mix32(x: u32) -> u32 {
  var h = x;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}

// The column's hash but for its last step, h ^ (h >> 16), which leaves the upper half as it is.
fn scrambled(start: u32, twist: u32, column: u32) -> u32 {
  var h = start + column * WEYL;
  h = ((h ^ shifted_16(h)) * 0x7feb352du) ^ twist;
  return (h ^ shifted_15(h)) * 0x846ca68bu;
}

// The upper half u of the hash makes ⌊u · 2r / 2^16⌋ − r, and one more where that is not negative. With u − 2^15 for u,
// the − r is done; all steps are exact for r ≤ 128.
fn exact_value(start: u32, twist: u32, column: u32, range: f32) -> f32 {
  let upper = f32(bitcast<i32>((scrambled(start, twist, column) ^ 0x80000000u) & 0xffff0000u));
  let v = floor(upper * (range * 0x1p-31f));
  // One for what is not negative, by a floor, which costs less than a comparison.
  return v + 1.0 + floor((v + 0.5) / range);
}

fn normal_value(start: u32, twist: u32, column: u32) -> f32 {
  let h = scrambled(start, twist, column);
  let hash = h ^ shifted_16(h);
  let other = mix32(hash ^ 0x68e31da4u);
  let sum = (hash & 0xffffu) + (hash >> 16u) + (other & 0xffffu) + (other >> 16u);
  return f32(i32(sum) - NORMAL_MEAN) * NORMAL_SCALE;
}

// To the nearest f16, ties to even; 0 below the normal ones.
fn round_to_half(value: f32) -> f32 {
  let bits = bitcast<u32>(value);
  let rounded = (bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u;
  return select(bitcast<f32>(rounded), 0.0, (bits & 0x7fffffffu) < 0x38800000u);
}

@compute @workgroup_size(LANES)
fn fill_operand(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let rows = params.rows;
  let columns = params.columns;
  let range = f32(params.range);
  let exact = params.kind == 0u;
  let half = params.kind == 2u;
  let key = mix32(mix32(params.seed + 0x9e3779b9u) ^ (params.device * 2u + params.matrix));
  let blocks_per_row = (columns + COLUMNS_PER_BLOCK - 1u) / COLUMNS_PER_BLOCK;
  let stretches = rows * blocks_per_row;
  for (var stretch = group.x; stretch < stretches; stretch += groups.x) {
    let local_row = stretch / blocks_per_row;
    let first = (stretch % blocks_per_row) * COLUMNS_PER_BLOCK;
    let end = min(columns, first + COLUMNS_PER_BLOCK);
    let row = params.first_row + local_row;
    let start = mix32(key + row);
    let twist = mix32(key ^ mix32(row ^ 0x85ebca6bu));
    let base = local_row * columns;
    // Neighbouring lanes take neighbouring columns, so that a real GPU's stores coalesce.
    if (exact) {
      var c = first + lane;
      for (; c - lane + TURN <= end; c += TURN) {
        output[base + c] = exact_value(start, twist, c, range);
        output[base + c + LANES] = exact_value(start, twist, c + LANES, range);
        output[base + c + 2u * LANES] = exact_value(start, twist, c + 2u * LANES, range);
        output[base + c + 3u * LANES] = exact_value(start, twist, c + 3u * LANES, range);
      }
      for (; c < end; c += LANES) {
        output[base + c] = exact_value(start, twist, c, range);
      }
    } else {
      for (var c = first + lane; c < end; c += LANES) {
        let value = normal_value(start, twist, c);
        output[base + c] = select(value, round_to_half(value), half);
      }
    }
  }
}
