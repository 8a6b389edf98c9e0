// Program ids in groups of GROUP_SIZE_M rows of blocks, for reuse of B in the cache; one flat axis of programs.

const BLOCK_SIZE_M: u32 = 16;
const BLOCK_SIZE_N: u32 = 32;
const GROUP_SIZE_M: u32 = 4;

struct Strides { M: u32, N: u32, K: u32, stride_am: u32, stride_bk: u32, stride_cm: u32 }

@group(0) @binding(0) var<storage, read> a_ptr: array<f32>;
@group(0) @binding(1) var<storage, read> b_ptr: array<f32>;
@group(0) @binding(2) var<storage, read_write> c_ptr: array<f32>;
@group(0) @binding(3) var<storage, read> s: Strides;

fn cdiv(x: u32, y: u32) -> u32 { return (x + y - 1) / y; }

@compute @workgroup_size(32, 4)
fn matmul_kernel(@builtin(workgroup_id) program: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let pid = program.x;
    let num_pid_m = cdiv(s.M, BLOCK_SIZE_M);
    let num_pid_n = cdiv(s.N, BLOCK_SIZE_N);
    let num_pid_in_group = GROUP_SIZE_M * num_pid_n;
    let group_id = pid / num_pid_in_group;
    let first_pid_m = group_id * GROUP_SIZE_M;
    let group_size_m = min(num_pid_m - first_pid_m, GROUP_SIZE_M);
    let pid_m = first_pid_m + ((pid % num_pid_in_group) % group_size_m);
    let pid_n = (pid % num_pid_in_group) / group_size_m;

    let offs_n = pid_n * BLOCK_SIZE_N + lane.x;
    let offs_m = pid_m * BLOCK_SIZE_M + lane.y;

    var accumulator = array<f32, 4>(0, 0, 0, 0);
    for (var k: u32 = 0; k < s.K; k++) {
        let b = b_ptr[k * s.stride_bk + min(offs_n, s.N - 1)];
        for (var r: u32 = 0; r < 4; r++) {
            let row = min(offs_m + r * 4, s.M - 1);
            accumulator[r] += a_ptr[row * s.stride_am + k] * b;
        }
    }

    for (var r: u32 = 0; r < 4; r++) {
        let mask = offs_m + r * 4 < s.M && offs_n < s.N;
        if mask {
            c_ptr[(offs_m + r * 4) * s.stride_cm + offs_n] = accumulator[r];
        }
    }
}
