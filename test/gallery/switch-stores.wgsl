// Four columns a thread; how many of them exist decides the case that stores them.
@group(0) @binding(0) var<storage, read> A : array<f32>;
@group(0) @binding(1) var<storage, read> B : array<f32>;
@group(0) @binding(2) var<storage, read_write> C : array<f32>;
@group(0) @binding(3) var<uniform> shape : vec3<i32>;

fn column(i : i32, j : i32) -> f32
{
    var s : f32 = 0.;
    for (var p : i32 = 0; p < shape.z; p++) { s += A[i * shape.z + p] * B[p * shape.y + j]; }
    return s;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) gid : vec3<u32>)
{
    let i = i32(gid.y);
    let j = 4 * i32(gid.x);
    if (i >= shape.x) { return; }
    let at = i * shape.y + j;

    switch (shape.y - j)
    {
        case 1:
        {
            C[at] = column(i, j);
        }
        case 2:
        {
            C[at] = column(i, j);
            C[at + 1] = column(i, j + 1);
        }
        case 3:
        {
            C[at] = column(i, j);
            C[at + 1] = column(i, j + 1);
            C[at + 2] = column(i, j + 2);
        }
        case default:
        {
            // Nothing is left for this thread, or all four.
            if (j < shape.y)
            {
                for (var s = 0; s < 4; s++) { C[at + s] = column(i, j + s); }
            }
        }
    }
}
