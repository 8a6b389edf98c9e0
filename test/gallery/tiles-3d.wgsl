// A 3-D grid for a 2-D matrix: x = strip of columns, y = which quarter of a slab, z = slab of 32 rows.
@group(0) @binding(0) var<uniform> u: vec4u; // m n k 0
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read_write> r: array<f32>;

@compute @workgroup_size(4, 2, 4)
fn slab(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_id) t: vec3u)
{
  let col = w.x * 4 + t.x;
  let row = w.z * 32 + w.y * 8 + t.z * 2 + t.y;
  if col < u.y && row < u.x
  {
    var v: f32;
    for (var i: u32; i < u.z; i++)
    {
      v += p[row * u.z + i] * q[i * u.y + col];
    }
    r[row * u.y + col] = v;
  }
}
