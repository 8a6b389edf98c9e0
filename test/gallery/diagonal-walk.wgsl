// Diagonal block reordering, against partition camping: block (x, y) works on column (x + y) mod width, and the
// last rows come first.
const B_ = 8u;
@group(0) @binding(0) var<storage, read> mat_a: array<f32>;
@group(0) @binding(1) var<storage, read> mat_b: array<f32>;
@group(0) @binding(2) var<storage, read_write> mat_c: array<f32>;
@group(0) @binding(3) var<uniform> extent: vec3u;

@compute @workgroup_size(B_, B_)
fn diagonal(@builtin(workgroup_id) blk: vec3u, @builtin(num_workgroups) blocks: vec3u, @builtin(local_invocation_id) thread: vec3u) {
  let block_x = (blk.x + blk.y) % blocks.x;
  let block_y = blocks.y - 1u - blk.y;
  let x = block_x * B_ + thread.x;
  let y = block_y * B_ + thread.y;
  var value = 0.0;
  if (x < extent.y && y < extent.x) {
    var z = extent.z;
    while (z > 0u) {
      z--;
      value += mat_a[y * extent.z + z] * mat_b[z * extent.y + x];
    }
    mat_c[y * extent.y + x] = value;
  }
}
