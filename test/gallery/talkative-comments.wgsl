// Größe, número, 行列, матрица – 🧮 all the text that a careless rewriter would take for code.
/* C[0] = 1.0; /* nested: C[i] += 2.0; } } } */ still a comment: let p = &C[7]; *p = 3.0; */

@group(0) @binding(0) var<storage, read> A: array<f32>; // A[i] is never stored: A[i] = 0.0;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> /* 🎯 the output */ C /* C[9] = 9.0; */ : array<f32>;
@group(0) @binding(3) var<uniform> dims: vec3u;

// @compute @workgroup_size(1) fn not_an_entry() { C[0] = 0.0; }

@compute /* sixty-four: 8 × 8 */ @workgroup_size(8, /* not 4) */ 8)
fn main(/* no ) here */ @builtin(global_invocation_id) id: vec3u) { // { {{ C[id.x] = 0.0;
  if (id.x >= dims.y || id.y >= dims.x) { return; } // früh zurück
  var größe = 0.0; // Σ aᵢₚ·bₚⱼ
  for (var p = 0u; p < dims.z; p++) { größe += A[id.y * dims.z + p] * B[p * dims.y + id.x]; } // C[p] = sum; 💥
  C /* here = comes */ [ /* [row] = */ id.y * dims.y /* ] = */ + id.x ] /* = 5.0; */ = /* == */ größe /* ; */ ; // C[1] = 1.0;
}
// C[2] = 2.0; and no line break at the end 🏁