// Footprint probe, spliced behind a kernel by src/gpu/instrument.ts in place of its output: for each element
// it adds 4 * owner + 1, owner = workgroup * wavefronts + wavefront. One store leaves the low bits at 1; a second
// one, by anybody, is seen, and so is a store outside of the output.

override TW_ELEMENTS: u32 = 1u;
override TW_WAVEFRONT: u32 = 64u;
override TW_WAVEFRONTS: u32 = 1u;
override TW_GRID_X: u32 = 1u;
override TW_GRID_Y: u32 = 1u;

@group(1) @binding(0) var<storage, read_write> tw_stored: array<atomic<u32>>; // one past the output: stores outside
var<private> tw_owner: u32;

fn tw_workgroup(group: vec3u) -> u32 {
  return group.x + TW_GRID_X * (group.y + TW_GRID_Y * group.z);
}

fn tw_begin(group: vec3u, lane: u32) {
  tw_owner = tw_workgroup(group) * TW_WAVEFRONTS + lane / TW_WAVEFRONT;
}

fn tw_store(index: u32, value: f32) {
  atomicAdd(&tw_stored[min(index, TW_ELEMENTS)], 4u * tw_owner + 1u);
}

fn tw_end(group: vec3u, lane: u32) {}
