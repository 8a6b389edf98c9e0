/* ------------------------------------------------------------------
   sgemm_flat: a flat index, divided and "modded" back into (i, j).
   The launch is 1-D; when there are more than MAX_X blocks it wraps
   into a second grid dimension.
   ------------------------------------------------------------------ */
const BLOCK : u32 = 64u;

@group(0) @binding(0) var<uniform>             dims : vec4<u32>;        // (M, N, K, -)
@group(0) @binding(1) var<storage, read>       x    : array<f32>;
@group(0) @binding(2) var<storage, read>       w    : array<f32>;
@group(0) @binding(3) var<storage, read_write> y    : array<f32>;

@compute @workgroup_size(BLOCK)
fn sgemm_flat(@builtin(workgroup_id)         blk      : vec3<u32>,
              @builtin(num_workgroups)       blocks   : vec3<u32>,
              @builtin(local_invocation_id)  thread   : vec3<u32>)
{
    let idx : u32 = (blk.y * blocks.x + blk.x) * BLOCK + thread.x;
    if (idx >= dims.x * dims.y) { return; }

    let i : u32 = idx / dims.y;
    let j : u32 = idx % dims.y;

    var acc : f32 = 0.0;
    for (var l : u32 = 0u; l < dims.z; l = l + 1u) {
        acc = acc + x[i * dims.z + l] * w[l * dims.y + j];
    }
    y[idx] = acc;
}
