// No bias in here: the bindings file has the owners add one to each row once the sum over devices is there.
@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> product: array<f32>;

override m: u32;
override n: u32;
override k: u32;

@compute @workgroup_size(32)
fn column_strip(@builtin(workgroup_id) strip: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = strip.x * 32 + lane;
  if (column < n) {
    for (var row = strip.y; row < m; row += 5) {
      var total = 0.0;
      for (var i = 0u; i < k; i += 1) { total += left[row * k + i] * right[i * n + column]; }
      product[row * n + column] = total;
    }
  }
}
