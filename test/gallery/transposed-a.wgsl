// dW = Xᵀ · dY: the gradient of a layer's weights. X is stored k × m.
@group(0) @binding(0) var<storage, read> X : array<f32>;
@group(0) @binding(1) var<storage, read> dY : array<f32>;
@group(0) @binding(2) var<storage, read_write> dW : array<f32>;
override ROWS : i32; override COLS : i32; override BATCH : i32;

@compute @workgroup_size(8, 8)
fn grad(@builtin(global_invocation_id) g : vec3u) {
  let c0 = i32(g.x) * 2; let r0 = i32(g.y) * 2;
  let c1 = min(c0 + 1, COLS - 1); let r1 = min(r0 + 1, ROWS - 1);
  if (c0 >= COLS || r0 >= ROWS) { return; }
  var acc = mat2x2f();
  for (var s = 0; s < BATCH; s++) {
    let u = vec2f(X[s * ROWS + r0], X[s * ROWS + r1]);
    let v = vec2f(dY[s * COLS + c0], dY[s * COLS + c1]);
    acc += mat2x2f(u * v.x, u * v.y);
  }
  dW[r0 * COLS + c0] = acc[0][0];
  if (c1 > c0) { dW[r0 * COLS + c1] = acc[1][0]; }
  if (r1 > r0) { dW[r1 * COLS + c0] = acc[0][1]; }
  if (c1 > c0 && r1 > r0) { dW[r1 * COLS + c1] = acc[1][1]; }
}
