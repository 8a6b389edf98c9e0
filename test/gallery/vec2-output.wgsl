// pairs.wgsl -- every thread owns a 2 x 2 patch: two rows, one vec2 of columns.

alias pair = vec2<f32>;

@group(0) @binding(0) var<storage>             lhs: array<f32>;
@group(0) @binding(1) var<storage>             rhs: array<pair>;
@group(0) @binding(2) var<storage, read_write> dst: array<pair>;
@group(0) @binding(3) var<uniform>             M: u32;
@group(0) @binding(4) var<uniform>             N: u32;
@group(0) @binding(5) var<uniform>             K: u32;

@compute @workgroup_size(8, 8)
fn pairs(@builtin(global_invocation_id) at: vec3<u32>) {
    let half = N / 2u;
    let top = 2u * at.y;
    let both = top + 1u < M;
    if at.x >= half || top >= M { return; }

    var upper = pair(0.0, 0.0);
    var lower = pair(0.0, 0.0);
    for (var p = 0u; p < K; p++) {
        let r = rhs[p * half + at.x];
        upper += lhs[top * K + p] * r;
        if both { lower += lhs[(top + 1u) * K + p] * r; }
    }

    dst[top * half + at.x] = upper;
    if both { dst[(top + 1u) * half + at.x] = lower; }
}
