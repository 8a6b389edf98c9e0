// Comes from a column-major BLAS: consecutive workgroups go DOWN a column of tiles before they step right.
const NB = 16u;

@group(0) @binding(0) var<storage, read>       a   : array<f32>;
@group(0) @binding(1) var<storage, read>       b   : array<f32>;
@group(0) @binding(2) var<storage, read_write> c   : array<f32>;
@group(0) @binding(3) var<uniform>             m   : u32;
@group(0) @binding(4) var<uniform>             n   : u32;
@group(0) @binding(5) var<uniform>             k   : u32;

@compute @workgroup_size(NB)
fn dgemm_(@builtin(workgroup_id) iwg : vec3<u32>, @builtin(local_invocation_id) ilo : vec3<u32>) {
  let mb = (m + NB - 1u) / NB;
  let ib = iwg.x % mb;
  let jb = iwg.x / mb;
  let i = ib * NB + ilo.x;           // a lane owns a row of the tile
  if (i < m) {
    for (var j = jb * NB; j < min(jb * NB + NB, n); j++) {
      var t = 0.0;
      for (var l = 0u; l < k; l++) {
        t += a[i * k + l] * b[l * n + j];
      }
      c[i * n + j] = t;
    }
  }
}
