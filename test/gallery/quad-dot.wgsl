enable subgroups;
// Four lanes of a quad share one dot product at a time: each takes every fourth k, quadSwap adds the four up, and
// the lane that asked for it keeps the sum. Then the next lane's element.
struct Q { rows : u32, cols : u32, depth : u32 }
@group(0) @binding(0) var<uniform> q : Q;
@group(0) @binding(1) var<storage, read> L : array<f32>;
@group(0) @binding(2) var<storage, read> R : array<f32>;
@group(0) @binding(3) var<storage, read_write> O : array<f32>;

fn share(element : u32, s : u32) -> f32 {
  let i = min(element / q.cols, q.rows - 1u);
  let j = element % q.cols;
  var sum = 0.0;
  for (var p = s; p < q.depth; p += 4u) { sum += L[i * q.depth + p] * R[p * q.cols + j]; }
  return sum;
}

fn whole(part : f32) -> f32 {
  let two = part + quadSwapX(part);
  return two + quadSwapY(two);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id : vec3u, @builtin(subgroup_invocation_id) lane : u32) {
  let s = lane & 3u;
  let wanted = id.x;
  let d0 = whole(share(quadBroadcast(wanted, 0u), s));
  let d1 = whole(share(quadBroadcast(wanted, 1u), s));
  let d2 = whole(share(quadBroadcast(wanted, 2u), s));
  let d3 = whole(share(quadBroadcast(wanted, 3u), s));
  if (wanted < q.rows * q.cols) {
    O[wanted] = vec4f(d0, d1, d2, d3)[s];
  }
}
