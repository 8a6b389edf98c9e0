// Getters and setters, as generated code likes them: the entry never names a buffer.
struct Uniforms { aShape: vec2<i32>, bShape: vec2<i32>, outShape: vec2<i32>, };
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

fn isInBounds(coord : vec2<i32>, shape : vec2<i32>) -> bool {
  return all(coord >= vec2<i32>(0)) && all(coord < shape);
}
fn getIndexFromCoords2D(coords : vec2<i32>, shape : vec2<i32>) -> i32 {
  return i32(dot(vec2<f32>(coords), vec2<f32>(f32(shape.y), 1.0)));
}
fn getA(d0 : i32, d1 : i32) -> f32 {
  return f32(A[getIndexFromCoords2D(vec2<i32>(d0, d1), uniforms.aShape)]);
}
fn getB(d0 : i32, d1 : i32) -> f32 {
  return f32(B[getIndexFromCoords2D(vec2<i32>(d0, d1), uniforms.bShape)]);
}
fn setOutputAtIndex(flatIndex : i32, value : f32) {
  result[flatIndex] = f32(value);
}
fn setOutputAtCoords(d0 : i32, d1 : i32, value : f32) {
  let flatIndex = d0 * uniforms.outShape.y + d1;
  setOutputAtIndex(flatIndex, value);
}
fn mm_write(row : i32, col : i32, valueIn : f32) {
  if (isInBounds(vec2<i32>(row, col), uniforms.outShape)) {
    var value = valueIn;
    setOutputAtCoords(row, col, value);
  }
}

@compute @workgroup_size(8, 8, 1)
fn _start(@builtin(local_invocation_id) LocalId : vec3<u32>,
          @builtin(global_invocation_id) GlobalId : vec3<u32>,
          @builtin(local_invocation_index) LocalIndex : u32,
          @builtin(workgroup_id) WorkgroupId : vec3<u32>,
          @builtin(num_workgroups) NumWorkgroups : vec3<u32>) {
  let row = i32(GlobalId.y);
  let col = i32(GlobalId.x);
  var acc : f32 = 0.0;
  if (row < uniforms.aShape.x && col < uniforms.bShape.y) {
    for (var i = 0; i < uniforms.aShape.y; i = i + 1) {
      acc = acc + getA(row, i) * getB(i, col);
    }
  }
  mm_write(row, col, acc);
}
