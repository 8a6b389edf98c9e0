// Aᵀ·Bᵀ. Buffers in group 2 in no order, sizes as pipeline constants with numbers.
@id(10) override m : u32 = 1u;
@id(11) override n : u32 = 1u;
@id(12) override k : u32 = 1u;

@group(2) @binding(7) var<storage, read> a_t : array<f32>;
@group(2) @binding(3) var<storage, read> b_t : array<f32>;
@group(2) @binding(5) var<storage, read_write> ab : array<f32>;

@compute @workgroup_size(4, 4, 4)
fn tt(@builtin(workgroup_id) w : vec3u, @builtin(local_invocation_id) l : vec3u) {
  // 8 rows x 8 columns a workgroup; z chooses the quadrant
  let row = w.y * 8u + (l.z / 2u) * 4u + l.y;
  let column = w.x * 8u + (l.z % 2u) * 4u + l.x;
  if (row >= m) { return; } else if (column >= n) { return; }
  var even = 0.0;
  var odd = 0.0;
  var p = 0u;
  for (; p + 2u <= k; p += 2u) {
    even += a_t[p * m + row] * b_t[column * k + p];
    odd += a_t[(p + 1u) * m + row] * b_t[column * k + p + 1u];
  }
  if (p < k) { even += a_t[p * m + row] * b_t[column * k + p]; }
  ab[row * n + column] = even + odd;
}
