// Port of the matrixMul sample everybody starts with: a square tile of A and one of B in shared memory.

const TILE_WIDTH = 16u;

@group(0) @binding(0) var<storage, read>       d_A: array<f32>;
@group(0) @binding(1) var<storage, read>       d_B: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_C: array<f32>;

struct Sizes { hA: u32, wB: u32, wA: u32, pad0: u32 }
@group(0) @binding(3) var<uniform> sizes: Sizes;

var<workgroup> As: array<array<f32, TILE_WIDTH>, TILE_WIDTH>;
var<workgroup> Bs: array<array<f32, TILE_WIDTH>, TILE_WIDTH>;

@compute @workgroup_size(TILE_WIDTH, TILE_WIDTH)
fn matrixMul(@builtin(workgroup_id) blockIdx: vec3u, @builtin(local_invocation_id) threadIdx: vec3u) {
  let bx = blockIdx.x;  let by = blockIdx.y;
  let tx = threadIdx.x; let ty = threadIdx.y;

  let Row = by * TILE_WIDTH + ty;
  let Col = bx * TILE_WIDTH + tx;
  var Pvalue = 0f;

  // Loop over the tiles required to compute the element
  for (var ph = 0u; ph < (sizes.wA + TILE_WIDTH - 1u) / TILE_WIDTH; ph++) {
    // Collaborative loading, zero beyond the edges
    if (Row < sizes.hA && ph * TILE_WIDTH + tx < sizes.wA) {
      As[ty][tx] = d_A[Row * sizes.wA + ph * TILE_WIDTH + tx];
    } else {
      As[ty][tx] = 0f;
    }
    if (ph * TILE_WIDTH + ty < sizes.wA && Col < sizes.wB) {
      Bs[ty][tx] = d_B[(ph * TILE_WIDTH + ty) * sizes.wB + Col];
    } else {
      Bs[ty][tx] = 0f;
    }
    workgroupBarrier();

    for (var k = 0u; k < TILE_WIDTH; k++) {
      Pvalue += As[ty][k] * Bs[k][tx];
    }
    workgroupBarrier();
  }

  if (Row < sizes.hA && Col < sizes.wB) {
    d_C[Row * sizes.wB + Col] = Pvalue;
  }
}
