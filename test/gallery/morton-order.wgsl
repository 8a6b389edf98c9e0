// Tiles in Z order (Morton) inside super-tiles of 4 x 4, super-tiles row by row. Tiles beyond the edge do nothing.

struct Geometry { m : u32, n : u32, k : u32, supers_per_row : u32 }

@group(0) @binding(0) var<storage, read> A : array<f32>;
@group(0) @binding(1) var<storage, read> B : array<f32>;
@group(0) @binding(2) var<storage, read_write> C : array<f32>;
@group(0) @binding(3) var<uniform> geometry : Geometry;

// abcd -> (bd, ac): every second bit
fn deinterleave(code : u32) -> vec2u {
  let x = (code & 1u) | ((code >> 1u) & 2u);
  let y = ((code >> 1u) & 1u) | ((code >> 2u) & 2u);
  return vec2u(x, y);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group : vec3u, @builtin(local_invocation_id) local : vec3u) {
  let super_tile = group.x >> 4u;
  let origin = vec2u(super_tile % geometry.supers_per_row, super_tile / geometry.supers_per_row);
  let tile = origin * 4u + deinterleave(group.x & 15u);
  let at = tile * 8u + local.xy;
  if (any(at >= vec2u(geometry.n, geometry.m))) { return; }

  var sum = 0.0;
  for (var i = 0u; i < geometry.k; i++) {
    sum += A[at.y * geometry.k + i] * B[i * geometry.n + at.x];
  }
  C[at.y * geometry.n + at.x] = sum;
}
