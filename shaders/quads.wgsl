// Which local indices exchange their values in a quad: the partners of each lane by quadSwapX, Y and Diagonal.
enable subgroups;

override LANES: u32 = 4u;

@group(0) @binding(0) var<storage, read_write> partners: array<u32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  partners[group.x * LANES + lane] = (quadSwapX(lane) << 20u) | (quadSwapY(lane) << 10u) | quadSwapDiagonal(lane);
}
