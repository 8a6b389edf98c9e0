// Footprint probe, spliced behind a kernel by src/gpu/instrument.ts in place of its output: for each element it keeps
// who stored it last, owner = workgroup * wavefronts + wavefront, and how often it was stored. Stores outside of the
// output are counted in the entry behind the last element.

override TW_ELEMENTS: u32 = 1u;
override TW_WAVEFRONT: u32 = 64u;
override TW_WAVEFRONTS: u32 = 1u;
override TW_GRID_X: u32 = 1u;
override TW_GRID_Y: u32 = 1u;

struct TwMark {
  owner: atomic<u32>,
  times: atomic<u32>,
}

@group(1) @binding(0) var<storage, read_write> tw_marks: array<TwMark>;
var<private> tw_owner: u32;

fn tw_workgroup(group: vec3u) -> u32 {
  return group.x + TW_GRID_X * (group.y + TW_GRID_Y * group.z);
}

fn tw_begin(group: vec3u, lane: u32) {
  tw_owner = tw_workgroup(group) * TW_WAVEFRONTS + lane / TW_WAVEFRONT;
}

fn tw_store(index: u32, value: f32) {
  let at = min(index, TW_ELEMENTS);
  atomicStore(&tw_marks[at].owner, tw_owner);
  atomicAdd(&tw_marks[at].times, 1u);
}

fn tw_end(group: vec3u, lane: u32) {}
