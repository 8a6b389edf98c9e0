enable subgroups;

// One row and 64 columns a workgroup. All lanes need the same elements of A: four lanes load four of them, and
// everybody gets them by subgroupBroadcast. Subgroups of any size from 4 on, whatever lanes they hold.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) sg_lane: u32,
) {
  let row = group.y;
  let col = group.x * 64u + lane;
  let safe = min(col, size.y - 1u);
  var sum = 0.0;
  for (var p = 0u; p < size.z; p += 4u) {
    let mine = p + (sg_lane & 3u);
    let x = select(0.0, a[row * size.z + min(mine, size.z - 1u)], mine < size.z);
    let x0 = subgroupBroadcast(x, 0u);
    let x1 = subgroupBroadcast(x, 1u);
    let x2 = subgroupBroadcast(x, 2u);
    let x3 = subgroupBroadcast(x, 3u);
    let last = size.z - 1u;
    sum += x0 * b[p * size.y + safe];
    sum += x1 * b[min(p + 1u, last) * size.y + safe];
    sum += x2 * b[min(p + 2u, last) * size.y + safe];
    sum += x3 * b[min(p + 3u, last) * size.y + safe];
  }
  if (col < size.y) {
    c[row * size.y + col] = sum;
  }
}
