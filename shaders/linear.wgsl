// Is a kernel linear? Two outputs of it are compared, `twice` made from -2 · A: it must be -2 times the other, exactly, for a
// scale of two changes no rounding of f32. What neither run stored holds the poison and is left out. Grid-stride.

struct Verdict {
  compared: atomic<u32>,
  different: atomic<u32>,
  first: atomic<u32>, // index of the first one that differs; the largest u32 where none does
}

const POISON = 0x7fc0deadu;

@group(0) @binding(0) var<storage, read> once: array<u32>;
@group(0) @binding(1) var<storage, read> twice: array<u32>;
@group(0) @binding(2) var<storage, read_write> verdict: Verdict;
// Share of a value by which a kernel that computes in f16 may be off, for there scales of two do change roundings; else 0.
@group(0) @binding(3) var<uniform> tolerance: f32;

fn is_finite(bits: u32) -> bool {
  return (bits & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&once); i += groups.x * 64u) {
    if (once[i] == POISON && twice[i] == POISON) { continue; }
    atomicAdd(&verdict.compared, 1u);
    // Values are looked at as floats only where they are some: a compiler may take it that there are no others.
    var differs = is_finite(once[i]) != is_finite(twice[i]);
    if (is_finite(once[i]) && is_finite(twice[i])) {
      let expected = -2.0 * bitcast<f32>(once[i]);
      let scaled = bitcast<f32>(twice[i]);
      // Of values next to nothing a GPU may flush the one and not the other.
      differs = abs(scaled - expected) > tolerance * (abs(expected) + 1.0) && abs(scaled) + abs(expected) > 1e-30;
    }
    if (differs) {
      atomicAdd(&verdict.different, 1u);
      atomicMin(&verdict.first, i);
    }
  }
}
