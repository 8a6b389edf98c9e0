// The emulated DMA engine: copies pieces (lists of runs) out of a chunk's memory into a link's landing buffer,
// densely, one workgroup per item. The landing place of an item is where the near-memory unit will look for it.
// SLOTS chunk memories are bound at a time, of as many devices.
// A run is `count` stretches of `length` elements, `stride` apart. A lane keeps its place in the stretch and walks over
// them, four at a time: a turn of a loop costs a software adapter more than a load.

struct Item {
  first_run: u32,
  runs: u32,
  landing: u32, // first element of the item in the landing buffer
  counter: u32, // of the near-memory unit's item, which may be the same record
  update: u32,
  slot: u32,    // chunk memory
}

struct Run {
  start: u32, // in the source
  length: u32,
  count: u32,
  stride: u32,
}

@group(0) @binding(0) var<storage, read> items: array<Item>;
@group(0) @binding(1) var<storage, read> runs: array<Run>;
@group(0) @binding(2) var<storage, read_write> landing: array<f32>;
//@repeat p SLOTS
@group(0) @binding($(p + 3)) var<storage, read> source$p: array<f32>;
//@end

override LANES: u32 = 32u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + groups.x * group.y;
  if (index >= arrayLength(&items)) { return; }
  let item = items[index];
//@repeat p SLOTS
//@if SLOTS > 1
  if (item.slot == $(p)u)
//@end
  {
    var first = item.landing;
    for (var r = item.first_run; r < item.first_run + item.runs; r++) {
      let run = runs[r];
      for (var e = lane; e < run.length; e += LANES) {
        var at = run.start + e;
        var to = first + e;
        var left = run.count;
        for (; left >= 4u; left -= 4u) {
          let a = source$p[at];
          let b = source$p[at + run.stride];
          let c = source$p[at + 2u * run.stride];
          let d = source$p[at + 3u * run.stride];
          landing[to] = a;
          landing[to + run.length] = b;
          landing[to + 2u * run.length] = c;
          landing[to + 3u * run.length] = d;
          at += 4u * run.stride;
          to += 4u * run.length;
        }
        for (; left > 0u; left--) {
          landing[to] = source$p[at];
          at += run.stride;
          to += run.length;
        }
      }
      first += run.length * run.count;
    }
  }
//@end
}
