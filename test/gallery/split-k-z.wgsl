// Split-K: workgroup_id.z takes its share of k and stores a partial product. Whoever launches this adds the
// partial products up: one launch for each split, or memory that adds.

override SPLIT_K: u32 = 4;

struct Args { M: u32, N: u32, K: u32, lda: u32, ldb: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> args: Args;

@compute @workgroup_size(16, 8)
fn split_k(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) tid: vec3<u32>) {
    let share = (args.K + SPLIT_K - 1) / SPLIT_K;
    // With a short k the last splits have nothing to do; they store zeros.
    let k_begin = min(wid.z * share, args.K);
    let k_end = min(k_begin + share, args.K);

    let row = wid.y * 8 + tid.y;
    let col = wid.x * 16 + tid.x;
    if (row >= args.M || col >= args.N) { return; }

    var acc: f32 = 0;
    for (var kk = k_begin; kk < k_end; kk += 1) {
        acc += A[row * args.lda + kk] * B[kk * args.ldb + col];
    }
    partial[row * args.ldc + col] = acc;
}
