// loop / break / continuing, no for in sight. Lanes walk a row of 64 columns each with a stride of 8.

struct Dim { rows: u32, inner: u32, cols: u32 }
@group(0) @binding(0) var<uniform> dim: Dim;
@group(0) @binding(1) var<storage, read> lhs: array<f32>;
@group(0) @binding(2) var<storage, read> rhs: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(8, 4)
fn run(@builtin(workgroup_id) w: vec3u, @builtin(local_invocation_id) l: vec3u) {
  let row = w.y * 4 + l.y;
  var col = w.x * 64 + l.x;
  let end = min(w.x * 64 + 64, dim.cols);
  loop {
    if row >= dim.rows { break; }
    if col >= end { break; }
    var total = 0.0;
    var p = 0u;
    loop {
      let x = lhs[row * dim.inner + p];
      // A zero adds nothing: on to the next one.
      if x == 0.0 { continue; }
      total += x * rhs[p * dim.cols + col];
      continuing {
        p++;
        break if p >= dim.inner;
      }
    }
    out[row * dim.cols + col] = total;
    continuing {
      col += 8u;
    }
  }
}
