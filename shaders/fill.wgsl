// Writes one bit pattern over a whole buffer: the NaN poison that shows what was never stored. Through a u32
// binding, because WGSL lets a compiler assume that no float is NaN. Grid-stride: any dispatch fills the whole.

override PATTERN: u32 = 0x7fc0deadu;

@group(0) @binding(0) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&words); i += groups.x * 64u) {
    words[i] = PATTERN;
  }
}
