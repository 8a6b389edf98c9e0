// Compares one chunk's memory with the same rectangle of a reference, by bits: exponent all ones is wrong
// whatever the reference says, else equal bits, with -0 equal to +0. Counts the wrong ones and keeps the largest
// difference of the finite ones (as bits: they order like the non-negative floats they are). Grid-stride.

struct Region {
  pitch: u32,   // columns of the reference
  row: u32,     // the chunk's place in it
  column: u32,
  columns: u32, // of the chunk
}

@group(0) @binding(0) var<uniform> region: Region;
@group(0) @binding(1) var<storage, read> chunk: array<u32>;
@group(0) @binding(2) var<storage, read> reference: array<u32>;
struct Verdict {
  compared: atomic<u32>, // elements looked at: a comparison that did nothing must not look like one that found nothing
  wrong: atomic<u32>,
  unfinite: atomic<u32>, // of the wrong ones, those whose difference is no number
  largest: atomic<u32>,  // difference, as bits
}
@group(0) @binding(3) var<storage, read_write> verdict: Verdict;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  var compared = 0u;
  var wrong = 0u;
  var unfinite = 0u;
  var largest = 0u;
  for (var i = id.x; i < arrayLength(&chunk); i += groups.x * 64u) {
    let row = i / region.columns;
    let actual = chunk[i];
    let expected = reference[(region.row + row) * region.pitch + region.column + (i - row * region.columns)];
    let finite = (actual & 0x7fffffffu) < 0x7f800000u && (expected & 0x7fffffffu) < 0x7f800000u;
    let zeros = ((actual | expected) & 0x7fffffffu) == 0u;
    compared++;
    if (!finite) {
      wrong++;
      unfinite++;
    } else if (actual != expected && !zeros) {
      wrong++;
      largest = max(largest, bitcast<u32>(abs(bitcast<f32>(actual) - bitcast<f32>(expected))));
    }
  }
  if (compared != 0u) { atomicAdd(&verdict.compared, compared); }
  if (wrong != 0u) {
    atomicAdd(&verdict.wrong, wrong);
    atomicAdd(&verdict.unfinite, unfinite);
    atomicMax(&verdict.largest, largest);
  }
}
