// Scores of attention: for each head Q · Kᵀ, rows padded to a multiple of four. Heads are folded into x.
struct Heads { heads: u32, queries: u32, keys: u32, dim: u32, padded: u32 }

@group(0) @binding(0) var<uniform> h: Heads;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> keys: array<f32>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;

@compute @workgroup_size(64)
fn qk(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let per_head = (h.keys + 63u) / 64u;
  let head = group.x / per_head;
  let key = group.x % per_head * 64u + lane;
  if (key >= h.keys) { return; }
  let row = head * h.queries + group.y;
  var score = 0.0;
  for (var d = 0u; d < h.dim; d++) { score += q[row * h.dim + d] * keys[(head * h.keys + key) * h.dim + d]; }
  scores[row * h.padded + key] = score;
}
