// Footprint probe, spliced behind a kernel by src/gpu/instrument.ts in place of its output: for each element, once for each
// split, it keeps who stored it last, owner = workgroup * wavefronts + wavefront, and how often it was stored. The
// entry behind the last one counts the stores outside of the output: all of them (times), and those that a workspace
// of a matrix per split would take (owner).

override TW_ROWS: u32 = 1u; // of all matrices of the batch
override TW_COLUMNS: u32 = 1u;
override TW_PITCH: u32 = 1u; // elements from row to row
override TW_SPLITS: u32 = 1u;
override TW_SPLIT_AXIS: u32 = 2u; // of workgroup_id: 0 x, 1 y, 2 z
override TW_WAVEFRONT: u32 = 64u;
override TW_WAVEFRONTS: u32 = 1u;
override TW_GRID_X: u32 = 1u;
override TW_GRID_Y: u32 = 1u;

//@if PACKED
// One word each: owner in 24 bits, stores of the first run in 4, those of the second that agree in 3, and one that does not.
@group(1) @binding(0) var<storage, read_write> tw_marks: array<atomic<u32>>;
//@end
//@if !PACKED
struct TwMark {
  owner: atomic<u32>,
  times: atomic<u32>,
}

@group(1) @binding(0) var<storage, read_write> tw_marks: array<TwMark>;
//@end
struct TwRun {
  second: u32,
  // Of a dispatch over a sample of the workgroups: the last one, and the distance to the one before; 0 for all of them.
  last: u32,
  stride: u32,
}
@group(1) @binding(1) var<uniform> tw_run: TwRun;
var<private> tw_owner: u32;
var<private> tw_split: u32;

fn tw_workgroup(group: vec3u) -> u32 {
  if (tw_run.stride != 0u) { return tw_run.last - group.x * tw_run.stride; }
  return group.x + TW_GRID_X * (group.y + TW_GRID_Y * group.z);
}

fn tw_begin(group: vec3u, lane: u32) {
  let linear = tw_workgroup(group);
  tw_owner = linear * TW_WAVEFRONTS + lane / TW_WAVEFRONT;
  // Of a kernel without splits the axis may be any, and long.
  tw_split = vec3u(linear % TW_GRID_X, (linear / TW_GRID_X) % TW_GRID_Y, linear / (TW_GRID_X * TW_GRID_Y))[TW_SPLIT_AXIS] % TW_SPLITS;
}

fn tw_store(index: u32, value: f32) {
  let outside = TW_SPLITS * TW_ROWS * TW_COLUMNS;
//@if DENSE
  // Rows without gaps: the place is the index.
  let element = index;
  let is_inside = index < TW_ROWS * TW_COLUMNS;
//@end
//@if !DENSE
  let row = index / TW_PITCH;
  let column = index - row * TW_PITCH;
  let element = row * TW_COLUMNS + column;
  let is_inside = row < TW_ROWS && column < TW_COLUMNS;
//@end
  if (is_inside) {
    let at = tw_split * TW_ROWS * TW_COLUMNS + element;
//@if PACKED
    if (tw_run.second == 0u) {
      atomicAdd(&tw_marks[at], 0x1000000u + tw_owner);
    } else if ((atomicLoad(&tw_marks[at]) & 0xffffffu) == tw_owner) {
      atomicAdd(&tw_marks[at], 0x10000000u);
    } else {
      atomicOr(&tw_marks[at], 0x80000000u);
    }
//@end
//@if !PACKED
    atomicStore(&tw_marks[at].owner, tw_owner);
    atomicAdd(&tw_marks[at].times, 1u);
//@end
  } else {
//@if PACKED
    atomicOr(&tw_marks[outside], 1u);
//@end
//@if !PACKED
    atomicAdd(&tw_marks[outside].times, 1u);
    if (index < TW_SPLITS * TW_ROWS * TW_PITCH) { atomicAdd(&tw_marks[outside].owner, 1u); }
//@end
  }
}

fn tw_end(group: vec3u, lane: u32) {}
