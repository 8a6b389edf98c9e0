// The emulated DMA engine: copies pieces (lists of runs) out of a chunk's memory into a link's landing buffer,
// densely, one workgroup per item. The landing place of an item is where the near-memory unit will look for it.

struct Item {
  first_run: u32,
  runs: u32,
  landing: u32, // first element of the item in the landing buffer
}

@group(0) @binding(0) var<storage, read> items: array<Item>;
@group(0) @binding(1) var<storage, read> runs: array<vec2u>; // start, length in the source
@group(0) @binding(2) var<storage, read> source: array<f32>;
@group(0) @binding(3) var<storage, read_write> landing: array<f32>;

const LANES = 32u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + groups.x * group.y;
  if (index >= arrayLength(&items)) { return; }
  let item = items[index];
  var at = item.landing;
  for (var r = item.first_run; r < item.first_run + item.runs; r++) {
    let run = runs[r];
    for (var e = lane; e < run.y; e += LANES) {
      landing[at + e] = source[run.x + e];
    }
    at += run.y;
  }
}
