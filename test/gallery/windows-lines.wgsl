// Saved by an editor on Windows: every line ends in CR LF.
struct CB
{
    uint_M : u32,
    uint_N : u32,
    uint_K : u32,
};

@group(0) @binding(0) var<storage, read>       BufA : array<f32>;
@group(0) @binding(1) var<storage, read>       BufB : array<f32>;
@group(0) @binding(2) var<storage, read_write> BufOut : array<f32>;
@group(0) @binding(3) var<uniform>             cb : CB;

var<workgroup> g_row : array<f32, 16>;

// [numthreads(16, 1, 1)]
@compute @workgroup_size(16, 1, 1)
fn CSMain(
    @builtin(workgroup_id) Gid : vec3<u32>,
    @builtin(local_invocation_index) GI : u32)
{
    let row = Gid.y;
    let col = Gid.x * 16u + GI;
    var acc = 0.0;

    for (var k = 0u; k < cb.uint_K; k += 16u)
    {
        // GroupMemoryBarrierWithGroupSync()
        workgroupBarrier();
        if (k + GI < cb.uint_K)
        {
            g_row[GI] = BufA[row * cb.uint_K + k + GI];
        }
        workgroupBarrier();

        for (var i = 0u; i < min(16u, cb.uint_K - k); i++)
        {
            acc += g_row[i] * BufB[(k + i) * cb.uint_N + min(col, cb.uint_N - 1u)];
        }
    }

    if (col < cb.uint_N)
    {
        BufOut[row * cb.uint_N
               + col]
            = acc;
    }
}
