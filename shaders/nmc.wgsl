// The near-memory unit: applies arrived pieces to a chunk's memory by op-and-store, and counts the elements that
// landed, per piece, like a GEMM's stores. The op bit says whether this is the first update of the piece (a plain
// store) or a later one (add). One workgroup per item.

struct Item {
  first_run: u32,
  runs: u32,
  landing: u32, // first element of the item in the landing buffer
  counter: u32, // piece
  update: u32,  // op bit: 0 store, 1 add
}

@group(0) @binding(0) var<storage, read> items: array<Item>;
@group(0) @binding(1) var<storage, read> runs: array<vec2u>; // start, length in the memory
@group(0) @binding(2) var<storage, read> landing: array<f32>;
@group(0) @binding(3) var<storage, read_write> memory: array<f32>;
@group(0) @binding(4) var<storage, read_write> counters: array<atomic<u32>>;

const LANES = 32u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + groups.x * group.y;
  if (index >= arrayLength(&items)) { return; }
  let item = items[index];
  var at = item.landing;
  var landed = 0u;
  for (var r = item.first_run; r < item.first_run + item.runs; r++) {
    let run = runs[r];
    for (var e = lane; e < run.y; e += LANES) {
      var value = landing[at + e];
      if (item.update != 0u) { value = memory[run.x + e] + value; }
      memory[run.x + e] = value;
      landed++;
    }
    at += run.y;
  }
  if (landed != 0u) { atomicAdd(&counters[item.counter], landed); }
}
