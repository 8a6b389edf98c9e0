// Coarsened threads: every thread computes PER_THREAD elements that lie LANES columns apart, so that
// neighbouring lanes always touch neighbouring addresses.
const LANES = 16u;
const PER_THREAD = 5u;
const SPAN = LANES * PER_THREAD;

struct Problem { m: u32, n: u32, k: u32 };

@group(0) @binding(0) var<uniform> problem: Problem;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(16, 2, 1)
fn coarse(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) lid: vec3u) {
  let row = wg.y * 2u + lid.y;
  if (row >= problem.m) { return; }
  let col0 = wg.x * SPAN + lid.x;
  let last = problem.n - 1u;

  var s0 = 0.0; var s1 = 0.0; var s2 = 0.0; var s3 = 0.0; var s4 = 0.0;
  for (var p = 0u; p < problem.k; p++) {
    let x = a[row * problem.k + p];
    let line = p * problem.n;
    s0 += x * b[line + min(col0, last)];
    s1 += x * b[line + min(col0 + LANES, last)];
    s2 += x * b[line + min(col0 + 2u * LANES, last)];
    s3 += x * b[line + min(col0 + 3u * LANES, last)];
    s4 += x * b[line + min(col0 + 4u * LANES, last)];
  }

  let out = row * problem.n + col0;
  if (col0 < problem.n) { c[out] = s0; }
  if (col0 + LANES < problem.n) { c[out + LANES] = s1; }
  if (col0 + 2u * LANES < problem.n) { c[out + 2u * LANES] = s2; }
  if (col0 + 3u * LANES < problem.n) { c[out + 3u * LANES] = s3; }
  if (col0 + 4u * LANES < problem.n) { c[out + 4u * LANES] = s4; }
}
