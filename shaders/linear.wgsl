// Is a kernel linear? Two outputs of it are compared, `twice` made from -2 · A: it must be -2 times the other, exactly, for a
// scale of two changes no rounding. What neither run stored holds the poison and is left out. Grid-stride.

struct Verdict {
  compared: atomic<u32>,
  different: atomic<u32>,
  first: atomic<u32>, // index of the first one that differs; the largest u32 where none does
}

const POISON = 0x7fc0deadu;

@group(0) @binding(0) var<storage, read> once: array<u32>;
@group(0) @binding(1) var<storage, read> twice: array<u32>;
@group(0) @binding(2) var<storage, read_write> verdict: Verdict;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&once); i += groups.x * 64u) {
    if (once[i] == POISON && twice[i] == POISON) { continue; }
    atomicAdd(&verdict.compared, 1u);
    let value = bitcast<f32>(once[i]);
    let scaled = bitcast<f32>(twice[i]);
    // Of values next to nothing a GPU may flush the one and not the other.
    if (scaled != -2.0 * value && abs(scaled) + abs(value) > 1e-30) {
      atomicAdd(&verdict.different, 1u);
      atomicMin(&verdict.first, i);
    }
  }
}
