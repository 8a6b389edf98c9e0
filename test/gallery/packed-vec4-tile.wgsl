// Packed matmul as inference runtimes generate it: 4 rows x vec4 a thread, tiles in shared memory, everything
// through mm_read and mm_write.
const rowPerThread : i32 = 4;
const innerElementSize : i32 = 4;
const tileAOuter : i32 = 32;
const tileInner : i32 = 16;

struct Uniforms { dim_a_outer : i32, dim_b_outer : i32, dim_inner : i32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> uniforms: Uniforms;

var<workgroup> mm_Asub : array<array<f32, 16>, 32>;
var<workgroup> mm_Bsub : array<array<vec4<f32>, 8>, 16>;

fn mm_readA(row : i32, col : i32) -> f32 {
  if (row < uniforms.dim_a_outer && col < uniforms.dim_inner) { return a[row * uniforms.dim_inner + col]; }
  return 0.0;
}
fn mm_readB(row : i32, colIn : i32) -> vec4<f32> {
  let col = colIn * innerElementSize;
  if (row < uniforms.dim_inner && col < uniforms.dim_b_outer) { return b[row * (uniforms.dim_b_outer / 4) + colIn]; }
  return vec4<f32>(0.0);
}
fn mm_write(row : i32, colIn : i32, valueIn : vec4<f32>) {
  let col = colIn * innerElementSize;
  if (row < uniforms.dim_a_outer && col < uniforms.dim_b_outer) {
    var value = valueIn;
    output[(row * uniforms.dim_b_outer + col) / 4] = value;
  }
}

@compute @workgroup_size(8, 8, 1)
fn main(@builtin(local_invocation_id) localId : vec3<u32>,
        @builtin(workgroup_id) workgroupId : vec3<u32>) {
  let localRow = i32(localId.y);
  let tileRow = localRow * rowPerThread;
  let tileCol = i32(localId.x);
  let globalRow = i32(workgroupId.y) * tileAOuter + tileRow;
  let globalCol = i32(workgroupId.x) * 8 + tileCol;
  let numTiles = (uniforms.dim_inner - 1) / tileInner + 1;
  var kStart = 0;
  var acc: array<vec4<f32>, rowPerThread>;

  for (var t = 0; t < numTiles; t = t + 1) {
    for (var innerRow = 0; innerRow < rowPerThread; innerRow = innerRow + 1) {
      for (var innerCol = tileCol; innerCol < tileInner; innerCol = innerCol + 8) {
        mm_Asub[tileRow + innerRow][innerCol] = mm_readA(globalRow + innerRow, kStart + innerCol);
      }
    }
    for (var innerRow = localRow; innerRow < tileInner; innerRow = innerRow + 8) {
      mm_Bsub[innerRow][tileCol] = mm_readB(kStart + innerRow, globalCol);
    }
    kStart = kStart + tileInner;
    workgroupBarrier();

    for (var k = 0; k < tileInner; k = k + 1) {
      let BCached = mm_Bsub[k][tileCol];
      for (var i = 0; i < rowPerThread; i = i + 1) {
        acc[i] = BCached * mm_Asub[tileRow + i][k] + acc[i];
      }
    }
    workgroupBarrier();
  }

  for (var innerRow = 0; innerRow < rowPerThread; innerRow = innerRow + 1) {
    mm_write(globalRow + innerRow, globalCol, acc[innerRow]);
  }
}
