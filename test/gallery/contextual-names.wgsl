// Names that are words of WGSL in other places: members, parameters, variables, a binding.
struct Extent { block: u32, m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<uniform> extent: Extent;
@group(0) @binding(1) var<storage, read> block: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> handle_out: array<f32>;

var<workgroup> shared_row: array<f32, 64>;

fn put(ptr: ptr<storage, array<f32>, read_write>, workgroup: u32, private: f32) {
  ptr[workgroup] = private;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) handle: u32) {
  let private = workgroup.x * extent.block;
  let column = private + handle;
  var storage = 0.0;
  for (var k = 0u; k < extent.k; k += 64u) {
    workgroupBarrier();
    shared_row[handle] = select(0.0, block[workgroup.y * extent.k + min(k + handle, extent.k - 1u)], k + handle < extent.k);
    workgroupBarrier();
    for (var i = 0u; i < min(64u, extent.k - k); i++) {
      storage += shared_row[i] * weights[(k + i) * extent.n + min(column, extent.n - 1u)];
    }
  }
  if (column < extent.n && handle < extent.block) { put(&handle_out, workgroup.y * extent.n + column, storage); }
}
