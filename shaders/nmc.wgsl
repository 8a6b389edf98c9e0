// The near-memory unit: applies arrived pieces to a chunk's memory by op-and-store, and counts the elements that
// landed, per piece, like a GEMM's stores. The op bit says whether this is the first update of the piece (a plain
// store) or a later one (add). One workgroup per item, which is a piece, or several of one run each that lie one behind
// the other. Runs are as in transfer.wgsl, and so is how they are walked.

struct Item {
  first_run: u32,
  runs: u32,
  landing: u32, // first element of the item in the landing buffer
  counter: u32, // of the piece, of several the first
  update: u32,  // op bit: 0 store, 1 add; + 2 where each run is a piece
  memory: u32,  // first element of the chunk's memory in the buffer that is bound
}

struct Run {
  start: u32, // in the memory
  length: u32,
  count: u32,
  stride: u32,
}

@group(0) @binding(0) var<storage, read> items: array<Item>;
@group(0) @binding(1) var<storage, read> runs: array<Run>;
@group(0) @binding(2) var<storage, read> landing: array<f32>;
@group(0) @binding(3) var<storage, read_write> counters: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> memory: array<f32>;

override LANES: u32 = 32u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = group.x + groups.x * group.y;
  if (index >= arrayLength(&items)) { return; }
  let item = items[index];
  if (item.runs == 0u) { return; }
  let adds = (item.update & 1u) != 0u;
  var landed = 0u;
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
            let source = first + e + s * run.length;
            let place = item.memory + run.start + e + s * run.stride;
//@repeat i 4 - 3 * $rest
            var x$i = landing[source + $(i)u * run.length];
//@end
            if (adds) {
//@repeat i 4 - 3 * $rest
              x$i = memory[place + $(i)u * run.stride] + x$i;
//@end
            }
//@repeat i 4 - 3 * $rest
            memory[place + $(i)u * run.stride] = x$i;
//@end
            continuing {
              s += $(4 - 3 * rest)u;
              break if s >= end$(rest + 1);
            }
          }
          landed += end$(rest + 1) - end$rest;
        }
        continuing {
          e += LANES;
          break if e >= run.length;
        }
      }
    }
//@end
    first += run.length * run.count;
    if (item.update >= 2u && landed != 0u) {
      atomicAdd(&counters[item.counter + r - item.first_run], landed);
      landed = 0u;
    }
    continuing {
      r++;
      break if r >= item.first_run + item.runs;
    }
  }
  if (landed != 0u) { atomicAdd(&counters[item.counter], landed); }
}
