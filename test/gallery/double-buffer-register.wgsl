// 32 x 32 tile a workgroup, 4 x 4 registers a thread, and two stages of shared memory: while stage s is consumed,
// stage 1 - s is filled, so that one barrier a step is enough.

override GEMM_M : u32;
override GEMM_N : u32;
override GEMM_K : u32;

const BM = 32u;
const BN = 32u;
const BK = 8u;
const TM = 4u;
const TN = 4u;
const THREADS = (BM / TM) * (BN / TN);   // 64

@group(0) @binding(0) var<storage, read>       gA : array<f32>;
@group(0) @binding(1) var<storage, read>       gB : array<f32>;
@group(0) @binding(2) var<storage, read_write> gC : array<f32>;

var<workgroup> smem_a : array<f32, 2 * 8 * 32>;   // [stage][k][m]: A is transposed on its way in
var<workgroup> smem_b : array<f32, 2 * 8 * 32>;   // [stage][k][n]

fn load_stage(stage : u32, k0 : u32, m0 : u32, n0 : u32, tid : u32) {
  for (var i = tid; i < BM * BK; i += THREADS) {
    let mm = i / BK;
    let kk = i % BK;
    var v = 0.0;
    if (m0 + mm < GEMM_M && k0 + kk < GEMM_K) { v = gA[(m0 + mm) * GEMM_K + k0 + kk]; }
    smem_a[(stage * BK + kk) * BM + mm] = v;
  }
  for (var i = tid; i < BK * BN; i += THREADS) {
    let kk = i / BN;
    let nn = i % BN;
    var v = 0.0;
    if (k0 + kk < GEMM_K && n0 + nn < GEMM_N) { v = gB[(k0 + kk) * GEMM_N + n0 + nn]; }
    smem_b[(stage * BK + kk) * BN + nn] = v;
  }
}

@compute @workgroup_size(64, 1, 1)
fn gemm_double_buffered(@builtin(workgroup_id) cta : vec3<u32>,
                        @builtin(local_invocation_index) tid : u32) {
  let m0 = cta.y * BM;
  let n0 = cta.x * BN;
  let tm = (tid / (BN / TN)) * TM;
  let tn = (tid % (BN / TN)) * TN;

  var frag_c : array<array<f32, TN>, TM>;
  var frag_a : array<f32, TM>;
  var frag_b : array<f32, TN>;

  load_stage(0u, 0u, m0, n0, tid);
  var stage = 0u;
  for (var k0 = 0u; k0 < GEMM_K; k0 += BK) {
    workgroupBarrier();
    if (k0 + BK < GEMM_K) {
      load_stage(stage ^ 1u, k0 + BK, m0, n0, tid);
    }
    for (var kk = 0u; kk < BK; kk++) {
      for (var i = 0u; i < TM; i++) { frag_a[i] = smem_a[(stage * BK + kk) * BM + tm + i]; }
      for (var j = 0u; j < TN; j++) { frag_b[j] = smem_b[(stage * BK + kk) * BN + tn + j]; }
      for (var i = 0u; i < TM; i++) {
        for (var j = 0u; j < TN; j++) {
          frag_c[i][j] += frag_a[i] * frag_b[j];
        }
      }
    }
    stage ^= 1u;
  }

  for (var i = 0u; i < TM; i++) {
    for (var j = 0u; j < TN; j++) {
      if (m0 + tm + i < GEMM_M && n0 + tn + j < GEMM_N) {
        gC[(m0 + tm + i) * GEMM_N + (n0 + tn + j)] = frag_c[i][j];
      }
    }
  }
}
