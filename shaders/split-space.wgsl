// The output of one split of a split-K kernel, spliced behind it by src/gpu/instrument.ts: stores go where they went, and
// the dispatch, of one workgroup along the axis of the splits, is that of one split.

override TW_SPLIT_AXIS: u32 = 2u; // of workgroup_id: 0 x, 1 y, 2 z
override TW_GRID_X: u32 = 1u;
override TW_GRID_Y: u32 = 1u;

@group(1) @binding(0) var<storage, read_write> tw_output: array<f32>;
@group(1) @binding(1) var<uniform> tw_split: u32;

fn tw_workgroup(group: vec3u) -> u32 {
  var whole = group;
  whole[TW_SPLIT_AXIS] = tw_split;
  return whole.x + TW_GRID_X * (whole.y + TW_GRID_Y * whole.z);
}

fn tw_begin(group: vec3u, lane: u32) {}

fn tw_store(index: u32, value: f32) {
  tw_output[index] = value;
}

fn tw_end(group: vec3u, lane: u32) {}
