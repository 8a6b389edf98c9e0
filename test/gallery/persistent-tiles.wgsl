// A fixed number of workgroups, each of which takes tile after tile until none is left.

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;

struct Work { M: u32, N: u32, K: u32, tiles_n: u32, tiles: u32 }
@group(0) @binding(3) var<uniform> work: Work;

const T = 8u;
var<workgroup> sA: array<f32, T * T>;
var<workgroup> sB: array<f32, T * T>;

fn one_tile(tile: u32, lane: vec3u) {
  let row = (tile / work.tiles_n) * T + lane.y;
  let col = (tile % work.tiles_n) * T + lane.x;
  var acc = 0.0;
  for (var k0 = 0u; k0 < work.K; k0 += T) {
    sA[lane.y * T + lane.x] = 0.0;
    sB[lane.y * T + lane.x] = 0.0;
    if (row < work.M && k0 + lane.x < work.K) { sA[lane.y * T + lane.x] = A[row * work.K + k0 + lane.x]; }
    if (col < work.N && k0 + lane.y < work.K) { sB[lane.y * T + lane.x] = B[(k0 + lane.y) * work.N + col]; }
    workgroupBarrier();
    for (var i = 0u; i < T; i++) { acc += sA[lane.y * T + i] * sB[i * T + lane.x]; }
    workgroupBarrier();
  }
  if (row < work.M && col < work.N) { C[row * work.N + col] = acc; }
}

@compute @workgroup_size(8, 8)
fn persistent(@builtin(workgroup_id) me: vec3u, @builtin(num_workgroups) all_of_us: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  for (var tile = me.x; tile < work.tiles; tile += all_of_us.x) {
    one_tile(tile, lane);
  }
}
