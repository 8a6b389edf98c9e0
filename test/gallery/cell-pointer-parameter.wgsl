// The helper gets a pointer to the one element that it is to fill.
@group(0) @binding(0) var<storage, read> A : array<f32>;
@group(0) @binding(1) var<storage, read> B : array<f32>;
@group(0) @binding(2) var<storage, read_write> C : array<f32>;
@group(0) @binding(3) var<uniform> d : vec3<u32>;

fn fill(cell : ptr<storage, f32, read_write>, i : u32, j : u32) {
  var s : f32;
  for (var l = 0u; l < d.z; l++) { s += A[i * d.z + l] * B[l * d.y + j]; }
  *cell = s;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) g : vec3<u32>) {
  if (all(g.yx < d.xy)) { fill(&C[g.y * d.y + g.x], g.y, g.x); }
}
