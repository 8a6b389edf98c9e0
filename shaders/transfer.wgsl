// The emulated DMA engine: copies pieces (lists of runs) out of a chunk's memory into a link's landing buffer,
// densely, one workgroup per item. The landing place of an item is where the near-memory unit will look for it.
// A run is `count` stretches of `length` elements, `stride` apart. A lane keeps its place in the stretch and walks over
// them, four at a time, then the rest one by one: a turn of a loop costs a software adapter more than a load. Loops ask
// at their end: one that asks at its head has its body run once more by a software adapter, for no lane at all.

struct Item {
  first_run: u32,
  runs: u32,
  landing: u32, // first element of the item in the landing buffer
  counter: u32, // of the near-memory unit's item, which may be the same record
  update: u32,
  memory: u32,  // first element of the chunk's memory in the buffer that is bound
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
@group(0) @binding(3) var<storage, read> memory: array<f32>;

override LANES: u32 = 32u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + groups.x * group.y;
  if (index >= arrayLength(&items)) { return; }
  let item = items[index];
  if (item.runs == 0u) { return; }
  var first = item.landing;
  var r = item.first_run;
  loop {
    let run = runs[r];
    let end0 = 0u;
    let end1 = run.count - run.count % 4u;
    let end2 = run.count;
//@repeat rest 2
    if (end$rest < end$(rest + 1)) {
      var e = lane;
      loop {
        if (e < run.length) {
          var s = end$rest;
          loop {
            let source = item.memory + run.start + e + s * run.stride;
            let place = first + e + s * run.length;
//@repeat i 4 - 3 * $rest
            let x$i = memory[source + $(i)u * run.stride];
//@end
//@repeat i 4 - 3 * $rest
            landing[place + $(i)u * run.length] = x$i;
//@end
            continuing {
              s += $(4 - 3 * rest)u;
              break if s >= end$(rest + 1);
            }
          }
        }
        continuing {
          e += LANES;
          break if e >= run.length;
        }
      }
    }
//@end
    first += run.length * run.count;
    continuing {
      r++;
      break if r >= item.first_run + item.runs;
    }
  }
}
