// Split-K on x. Each split walks the tiles from another one on, so that no two of them are at the same tile at a time;
// only the first split adds the residual.
struct Shape { m: u32, n: u32, k: u32, splits: u32 }

@group(0) @binding(0) var<uniform> s: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> skip: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) all: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let split = id.x;
  let tile = (id.y + split * 3u) % all.y;
  let across = (s.n + 7u) / 8u;
  let row = tile / across * 8u + lane.y;
  let column = tile % across * 8u + lane.x;
  if (row >= s.m || column >= s.n) { return; }
  let first = s.k * split / s.splits;
  let end = s.k * (split + 1u) / s.splits;
  var sum = 0.0;
  for (var i = first; i < end; i++) { sum += a[row * s.k + i] * b[i * s.n + column]; }
  if (split == 0u) { sum += skip[row * s.n + column]; }
  c[row * s.n + column] = sum;
}
