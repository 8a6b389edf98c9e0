// 4 x 4 blocks with mat4x4f as the accumulator: a rank-1 update is one column times one row.
override M : u32; override N : u32; override K : u32;

@group(0) @binding(0) var<storage, read> A : array<f32>;
@group(0) @binding(1) var<storage, read> B : array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> C : array<vec4<f32>>;

fn column_of_a(row : u32, k : u32) -> vec4<f32> {
  let rows = min(vec4<u32>(row) + vec4<u32>(0, 1, 2, 3), vec4<u32>(M - 1u));
  return vec4<f32>(A[rows.x * K + k], A[rows.y * K + k], A[rows.z * K + k], A[rows.w * K + k]);
}

fn write_row(row : u32, quad : u32, value : vec4<f32>) {
  if (row < M) { C[row * (N / 4u) + quad] = value; }
}

@compute @workgroup_size(8, 4)
fn rank_one(@builtin(global_invocation_id) id : vec3<u32>) {
  let row = id.y * 4u;
  if (id.x >= N / 4u || row >= M) { return; }
  // acc[r] is row r of the block.
  var acc = mat4x4<f32>();
  for (var k = 0u; k < K; k++) {
    let a = column_of_a(row, k);
    let b = B[k * (N / 4u) + id.x];
    acc += mat4x4<f32>(a.x * b, a.y * b, a.z * b, a.w * b);
  }
  write_row(row, id.x, acc[0]);
  write_row(row + 1u, id.x, acc[1]);
  write_row(row + 2u, id.x, acc[2]);
  write_row(row + 3u, id.x, acc[3]);
}
